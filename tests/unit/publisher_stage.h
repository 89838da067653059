/* publisher_stage.h: the master's side of the protocol on a stage, spoken to as replicas do, with a real zonedb behind it.
 *
 * The zone is a stand-in: the few functions that the publisher asks of it. Messages go into a list instead of a
 * socket. */
#ifndef TESTS_PUBLISHER_STAGE_H
#define TESTS_PUBLISHER_STAGE_H

#include "master/publisher.h"
#include "tests/unit/history_fixture.h"

struct zone {
	struct zone_spec spec;
	struct history history;
	bool published;
	unsigned evidences;
	unsigned damages;
	struct soa evidence;
};

extern struct identity *master, *mx2, *mx3, *stranger;
extern struct loop *loop;
extern struct publisher *publisher;
extern struct zone zone;

#define SENT_MAX 600
struct sent {
	struct link_peer link;
	struct buf bytes;
	struct message message;
};
extern struct sent sent[SENT_MAX];
extern size_t sent_count;
extern enum rc send_says;
extern size_t send_takes;      /* so many, then send_says */
void forget_sent(void);

void configure(size_t replicas);
void pass_ms(int64_t ms);      /* the clock stands still otherwise */
struct link_peer link_of(const struct identity *identity, uint8_t connection);

void say(const struct link_peer *link, const struct message *message);
void hello(const struct link_peer *link);
void refresh(const struct link_peer *link, const struct soa *shown);
void ixfr(const struct link_peer *link, uint64_t from);
void ack(const struct link_peer *link, uint64_t serial, uint64_t served);
void change(void);

/* The only message since the last look, and to whom. */
struct message got(const struct link_peer *link, enum message_type type);
void got_error(const struct link_peer *link, enum message_error error);
void got_soa(const struct link_peer *link);
/* Connected, and shown to have everything. */
struct link_peer current(const struct identity *identity);

/* Each test has a stage of its own. */
int stage_set_up(void **state);
int stage_tear_down(void **state);
/* The test program's main. */
int stage_main(const struct CMUnitTest *tests, size_t count);
#define STAGE_TEST(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)

#endif
