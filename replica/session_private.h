/* session_private.h: what the files of a session share: session.c (machine, timers, sending), session_message.c (what
 * the master says), session_health.c (freshness, health, acknowledgement). Nobody else includes it. */
#ifndef REPLICA_SESSION_PRIVATE_H
#define REPLICA_SESSION_PRIVATE_H

#include "common/calm.h"
#include "replica/session.h"
#include "replica/transfer.h"
#include "replica/verify.h"

struct session {
	struct loop *loop;
	const struct session_spec *spec;
	struct session_events events;
	struct zonedb *db;
	struct allow *allow;
	struct tally tally;            /* of the records in db */
	struct tally incoming;         /* of a set that is being stored */
	uint64_t version;              /* of the records that aren't RCPT */
	struct soa before;             /* epoch and serial of the records that it takes the place of; serial 0: none */
	struct transfer *transfer;

	enum refresh_state state;
	struct timer timer;            /* what it means is the state's matter */
	unsigned failures;             /* since it was current the last time */
	unsigned wholes;               /* whole transfers asked for since then, or since the last pause */
	uint64_t newest;               /* the newest serial of our epoch that we have heard of */
	unsigned answers;              /* changesets that came since the last IXFR */

	bool received_here;            /* the newest announcement came to this process: */
	struct mono received_mono;
	enum freshness freshness;
	bool clocks_differ;
	struct timer aging;

	struct timer report;           /* ACK at the end of the turn */
	struct buf reported;           /* the ACK that the master has */
	struct why damage;             /* found wrong, until a whole transfer has put it right; "" */
	struct why error;              /* "" */
	bool disk;                     /* it was our own disk: changes that exist can't be taken */
	struct calm calm;              /* lines about what the master makes happen */
	bool from_future;              /* it has been said that its announcements are */
};

/* session.c */
void session_event(struct session *session, enum refresh_event event);
/* The records are others now, and nobody has told: counts them, and tells the tables. */
void session_recount(struct session *session);
enum rc session_send(struct session *session, struct message *message);      /* sets the zone */
void session_arm(struct session *session, int64_t ms);
/* A line for the log, unless the master has made too many of them happen. */
void session_tell(struct session *session, bool error, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool session_connected(const struct session *session);
struct verify_ground session_ground(const struct session *session, struct soa *known);
#define SESSION_PIECE_MS 10000

/* session_message.c: the transfer's callbacks. */
void session_on_record(void *context, const struct record *record);
enum rc session_on_agree(void *context, const struct soa *soa, struct why *why);
void session_on_end(void *context, enum rc rc, const struct why *why);

/* session_health.c */
void session_judge(struct session *session);         /* freshness anew; sets its timer */
void session_received(struct session *session);      /* an announcement of what we have has just come */
void session_report(struct session *session);        /* ACK at the end of the turn, if it says something new */
void session_acknowledge(struct session *session);   /* or nothing new: an announcement wants an answer */
void session_health(const struct session *session, enum message_health *health, struct why *reason);

#endif
