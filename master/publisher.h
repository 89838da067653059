/* publisher.h: the master's side of the protocol: who is connected, what each has, what each is sent. */
#ifndef MASTER_PUBLISHER_H
#define MASTER_PUBLISHER_H

#include "common/handover.h"
#include "master/zone.h"
#include "protocol/limits.h"
#include "protocol/link.h"

struct publisher;

struct publisher_replica {
	const char *name;
	struct pubkey key;
	const char *const *zones;        /* names it may have */
	size_t zone_count;
};

/* How messages leave: link_server_send, or a test's stand-in. */
struct publisher_send {
	enum rc (*send)(void *context, const struct link_peer *peer, const void *data, size_t length);
	void *context;
};

/* The specs' strings outlive the publisher (until publisher_configure is given others). */
struct publisher *publisher_new(struct loop *loop, const struct identity *identity, const struct publisher_send *send);
void publisher_free(struct publisher **publisher);

/* Zones and replicas, also anew after SIGHUP: known replicas keep their connections, ones that are gone are dropped. */
void publisher_configure(struct publisher *publisher, struct zone *const *zones, size_t zone_count,
                         const struct publisher_replica *replicas, size_t replica_count);

/* From the link. */
bool publisher_admit(struct publisher *publisher, const uint8_t transport_key[32]);
void publisher_message(struct publisher *publisher, const struct link_peer *peer, const void *data, size_t length);

/* What this master says of its keys (handover.h): to all who know that message, now and whenever they come; and what
 * they answer: the statement that is kept there, which may be another, and whose signature isn't verified. */
void publisher_keys(struct publisher *publisher, const struct handover *handover);
typedef void publisher_kept(void *context, const struct pubkey *replica, const struct handover *shown);
void publisher_on_kept(struct publisher *publisher, publisher_kept *kept, void *context);

/* From the zones. */
void publisher_changeset(struct publisher *publisher, struct zone *zone, const struct soa *soa, const void *data,
                         size_t length);
void publisher_announcement(struct publisher *publisher, struct zone *zone, const struct soa *soa);

/* For status: index runs over the configured replicas, then over the zones each may have. */
struct publisher_replica_status {
	const char *name;
	const struct pubkey *key;
	enum { REPLICA_NEVER, REPLICA_CONNECTED, REPLICA_LOST } state;
	struct wall last_contact;
	char software[SOFTWARE_MAX + 1];
	unsigned version;                /* of the protocol, as it was agreed; 0: it hasn't greeted */
};
struct publisher_zone_status {
	const char *zone;
	bool known;                      /* it has told what it has */
	uint64_t serial;                 /* durable there */
	uint64_t served;
	bool same_epoch;
	int health;                      /* enum message_health as it reported */
	const char *reason;
};
size_t publisher_replica_count(const struct publisher *publisher);
void publisher_replica_status(const struct publisher *publisher, size_t replica, struct publisher_replica_status *out);
size_t publisher_zone_count(const struct publisher *publisher, size_t replica);
void publisher_zone_status(const struct publisher *publisher, size_t replica, size_t zone,
                           struct publisher_zone_status *out);
uint64_t publisher_refused(const struct publisher *publisher);     /* messages that broke a rule */

#endif
