/* publisher_private.h: the publisher's insides, shared by publisher.c (who, when), publisher_answer.c (requests)
 * and publisher_keys.c (what is said of our keys). */
#ifndef MASTER_PUBLISHER_PRIVATE_H
#define MASTER_PUBLISHER_PRIVATE_H

#include "master/peer.h"
#include "master/publisher.h"
#include "master/snapshot.h"
#include "protocol/message.h"

/* A zone that we publish. */
struct publisher_zone {
	struct zone *zone;
	char name[SOA_ZONE_MAX + 1];
	struct snapshot *snapshots;
	bool told;                       /* epoch is set: something was published */
	struct epoch epoch;              /* of the newest announcement */
	struct soa plain;                /* the newest announcement without contents; see publisher_plain */
};

/* A replica's copy of a zone. */
struct publisher_holding {
	char zone[SOA_ZONE_MAX + 1];
	enum peer_state state;
	uint64_t sent;                   /* CURRENT: pushes go on from this serial */
	bool known;                      /* the next four are: from its ACK, or its first REFRESH */
	uint8_t epoch_id[16];
	uint64_t serial, served;
	enum message_health health;
	char reason[REASON_MAX + 1];
	bool caught_up;                  /* said so in the log */
	uint8_t reached_epoch[16];
	uint64_t reached;                /* the highest serial of that epoch it has shown, told, or been pushed */
};

/* What a replica may do so often: tokens that come back with time. */
struct publisher_bucket {
	int64_t thousandths;
	struct mono filled;              /* 0: never used, it's full */
};

struct publisher_client {
	struct publisher_replica spec;
	struct publisher_holding *holdings;      /* spec.zone_count */
	bool greeted;                    /* link is the connection that said HELLO last */
	struct link_peer link;
	bool seen, silent;
	struct wall contact;
	struct mono heard;
	char software[SOFTWARE_MAX + 1];
	uint8_t version;
	bool kept;                       /* it has answered what we say of our keys */
	struct publisher_bucket requests;
	struct publisher_bucket lines;   /* of the log */
};

struct publisher {
	struct loop *loop;
	const struct identity *identity;
	struct publisher_send send;
	struct publisher_zone *zones;
	size_t zone_count;
	struct publisher_client *clients;
	size_t client_count;
	bool has_handover;
	struct handover handover;
	publisher_kept *on_kept;
	void *kept_context;
	uint64_t refused;
	struct timer upkeep;
};

/* Where something about one replica's copy of one zone is done. */
struct publisher_place {
	struct publisher *publisher;
	struct publisher_client *client;
	struct publisher_holding *holding;
	struct publisher_zone *zone;
};

/* What the peer machine says about the event is done. push: CHANGES, for PEER_NEXT, leading to serial `to`. */
void publisher_step(const struct publisher_place *place, enum peer_event event, const struct buf *push, uint64_t to);

/* HELLO and LOST concern all of a replica's zones, also those that aren't published. */
void publisher_step_client(struct publisher *publisher, struct publisher_client *client, enum peer_event event);

/* It has, or may have, that serial: nothing older is of use to it, since a replica never goes backwards. */
void publisher_reached(struct publisher_holding *holding, const uint8_t epoch_id[16], uint64_t serial);

/* The newest announcement as a plain one: what a changeset brought is signed over the changeset, and can't be shown
 * without it. False: nothing is published. */
bool publisher_plain(struct publisher *publisher, struct publisher_zone *zone, struct soa *out);

/* Sends to any connection, greeted or not. */
enum rc publisher_post(struct publisher *publisher, const struct link_peer *link, const struct message *message);
/* To the replica's own; notices when it's gone. */
enum rc publisher_tell(struct publisher *publisher, struct publisher_client *client, const struct message *message);
/* Whether one more line may be logged for what this replica does: nobody fills the disk of another host. */
bool publisher_may_log(struct publisher_client *client);
void publisher_complain(struct publisher *publisher, const struct link_peer *link, const char *zone,
                        enum message_error error, const char *reason);

/* What we say of our keys, unless it has answered that it has it. */
void publisher_keys_tell(struct publisher *publisher, struct publisher_client *client);
void publisher_keys_kept(struct publisher *publisher, struct publisher_client *client, const struct handover *shown);

struct publisher_zone *publisher_find_zone(struct publisher *publisher, const char *name);

/* A decoded request of a connection whose key is known. */
void publisher_answer(struct publisher *publisher, struct publisher_client *client, const struct link_peer *link,
                      const struct message *request);

#endif
