/* replica.h: the daemon's parts in one place: masters, zones and tables, as the configuration has them, and who tells
 * whom. */
#ifndef REPLICA_REPLICA_H
#define REPLICA_REPLICA_H

#include "common/calm.h"
#include "replica/replica_conf.h"
#include "replica/trust.h"

/* Plain data for status and control, which only read; replica.c fills it. The arrays run as the configuration's. */
struct replica {
	struct loop *loop;
	const struct identity *identity;
	struct replica_conf *conf;
	struct trust **trusts;           /* of the masters; their specs' keys are these */
	struct master **masters;
	struct session **sessions;
	struct table **tables;
	struct lookout *lookout;         /* NULL: the configuration has no postfix */
	uint64_t refused;                /* messages and contents that weren't believed */
	struct why last_refused;
	struct calm refused_calm;
	bool failed;                     /* the disk can't be trusted: end with a failure */
};

/* Opens everything; the conf is taken over in any case (*conf is nulled). After a failure close it all the same. */
enum rc replica_open(struct replica *replica, struct loop *loop, const struct identity *identity,
                     struct replica_conf **conf, struct why *why);
void replica_close(struct replica *replica);

/* SIGHUP: what is unchanged isn't touched. Takes the conf over when it returns RC_OK; otherwise (RC_REFUSED: a setting
 * that needs a restart; RC_IO, ...) the old one is in force. */
enum rc replica_reload(struct replica *replica, struct replica_conf **conf, struct why *why);

/* The lines of question.h about the zones, as they are now. Reads them whole. */
void replica_question_zones(const struct replica *replica, struct buf *out);

struct session *replica_session(const struct replica *replica, const char *zone);      /* NULL */
struct master *replica_master_of(const struct replica *replica, const struct session *session);

#endif
