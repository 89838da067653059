/* session_world.h: the world around a session in its tests. One test at a time, so there is one world. */
#ifndef TESTS_UNIT_SESSION_WORLD_H
#define TESTS_UNIT_SESSION_WORLD_H

#include "replica/session.h"

#define WORLD_SENT_MAX 64

struct world {
	char folder[64];
	struct loop *loop;
	struct session *session;
	struct identity *identity, *stranger;      /* the master's, and somebody else's */
	struct pubkey keys[1];
	struct session_spec spec;
	struct session_tables tables;              /* what the tables say */
	struct message sent[WORLD_SENT_MAX];       /* by the session, since it was looked at the last time */
	size_t sent_count;
	int refused, recipients_changed, fatal;    /* calls */
	bool link_full;
	int64_t clock_ms;
	int64_t wall_behind_ms;                    /* the wall clock stood still for so long */
};
extern struct world world;

/* What the master has: at serial n the keys "k1@DOMAIN" to "kn@DOMAIN", and `bulk` more. */
struct world_history {
	struct epoch epoch;
	uint64_t bulk;
	const char *domain;
};
extern const struct world_history world_first, world_second;      /* one epoch and the next */

void world_turn(void);
void world_turns(int count);
void world_pass(int64_t ms);
void world_open_session(void);
int world_setup(void **state);
int world_teardown(void **state);
struct soa world_soa_at(const struct world_history *history, enum soa_kind kind, uint64_t from, uint64_t serial);
void world_say(const struct message *message);
void world_say_soa_of(struct soa soa, const struct identity *signer);
void world_say_soa(const struct world_history *history, uint64_t serial);
void world_say_changes_by(const struct world_history *history, uint64_t from, uint64_t to, bool more,
                           const struct identity *signer);
void world_say_changes(const struct world_history *history, uint64_t from, uint64_t to, bool more);
void world_say_error(enum message_error error);
void world_stream_of(const struct world_history *history, uint64_t serial, struct buf *out);
void world_say_snapshot(const struct world_history *history, uint64_t serial, const struct buf *stream);
void world_say_chunk(const struct message *fetch, const struct buf *stream);
struct session_status world_status(void);
struct message world_expect_sent(enum message_type type);
size_t world_count_sent(enum message_type type);
void world_expect_state(enum refresh_state state);
void world_answer_fetches(const struct buf *stream);
void world_connect(void);
void world_give_all(const struct world_history *history, uint64_t serial);
void world_begin_at(const struct world_history *history, uint64_t serial);

#endif
