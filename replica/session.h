/* session.h: one zone at this replica: its records on disk, its talk with the master, its freshness and health.
 *
 * Ties the refresh machine (refresh.h) to what really happens. Messages come in and go out through calls, so that a
 * test or a simulator can stand in the master's place. */
#ifndef REPLICA_SESSION_H
#define REPLICA_SESSION_H

#include "common/loop.h"
#include "common/zonedb.h"
#include "protocol/message.h"
#include "replica/allow.h"
#include "replica/freshness.h"
#include "replica/refresh.h"

/* From the configuration; all that it points to outlives the session, or the next session_configure. */
struct session_spec {
	const char *name;
	const struct pubkey *keys;             /* of the zone's master */
	size_t key_count;
	const char *const *domains;
	size_t domain_count;
	enum on_expire on_expire;
};

struct session;

/* What the tables say of a zone. */
struct session_tables {
	bool any;                              /* the zone is in at least one table */
	bool held;                             /* all those tables hold a serial of it: epoch and the lowest serial */
	struct epoch epoch;
	uint64_t serial;
	const char *trouble;                   /* a table that isn't there or can't be written: why; or NULL */
	bool makeshift;                        /* the trouble is only another zone's that shares the table */
};

struct session_events {
	/* RC_AGAIN: not now. */
	enum rc (*send)(void *context, struct session *session, const void *data, size_t length);
	/* The zone's records, or what the tables are to make of them, have changed; false: only the serial has, as far as
	 * tables of that kind are concerned. */
	void (*changed)(void *context, struct session *session, bool recipients, bool domains);
	void (*tables)(void *context, const struct session *session, struct session_tables *out);
	/* Something was refused: counted, and shown by status. */
	void (*refused)(void *context, const struct session *session, const char *sentence);
	/* The disk can't be trusted any more: end, and be started again. */
	void (*fatal)(void *context, const char *sentence);
	void *context;
};

/* Opens, or makes, the zone's folder. RC_INVALID for the domains; RC_IO, RC_AGAIN, RC_UNSUPPORTED. */
enum rc session_new(struct loop *loop, const struct session_spec *spec, const char *folder,
                    const struct session_events *events, struct session **out, struct why *why);
void session_free(struct session **session);
/* After a reload: another spec for the same zone. RC_INVALID: nothing has changed. */
enum rc session_configure(struct session *session, const struct session_spec *spec, struct why *why);

/* From the link. */
void session_link(struct session *session, bool up);
void session_welcome(struct session *session);
void session_message(struct session *session, const struct message *message);

/* From people. */
void session_refresh(struct session *session);
void session_retransfer(struct session *session);

/* The tables have moved on: the master is told at the end of this turn. */
void session_served(struct session *session);

const char *session_name(const struct session *session);
const struct session_spec *session_spec(const struct session *session);
struct zonedb *session_db(const struct session *session);
const struct allow *session_allow(const struct session *session);
bool session_open(const struct session *session);        /* expired, and its domains are to be accepted */
const struct tally *session_tally(const struct session *session);
/* Counts up whenever its DOMAIN or PARAM records may be others than before. */
uint64_t session_version(const struct session *session);

struct session_status {
	enum message_health health;
	char reason[WHY_MAX];                  /* "" when well */
	enum freshness freshness;
	enum refresh_state state;
	bool present;
	uint64_t serial;                       /* durable */
	struct epoch epoch;
	uint64_t records;
	struct digest digest;            /* of all of them, allowed or not */
	struct tally tally;
	struct wall announced;                 /* date of the newest announcement; 0: none */
	struct wall received;                  /* when it came */
	uint64_t transfer_done, transfer_total;/* bytes of a whole transfer under way; 0: none */
	const char *error;                     /* the last thing that went wrong and hasn't been put right, or "" */
};
void session_status(const struct session *session, struct session_status *out);

#endif
