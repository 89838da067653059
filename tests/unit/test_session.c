/* test_session.c: a zone's talk with its master: pushes, gaps, polls, lies, expiry, restarts. The world around the
 * session is session_world.c's. */
#include "tests/unit/session_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void pushes_and_acks(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	world.tables = (struct session_tables){.any = true, .held = true, .epoch = world_first.epoch, .serial = 5};
	world_say_changes(&world_first, 5, 6, false);
	struct message ack = world_expect_sent(MESSAGE_ACK);
	assert_int_equal(ack.serial, 6);
	assert_int_equal(ack.served, 5);
	world.tables.serial = 6;
	session_served(world.session);
	session_served(world.session);
	world_turn();
	assert_int_equal(world_count_sent(MESSAGE_ACK), 1);
	assert_int_equal(world_expect_sent(MESSAGE_ACK).served, 6);
	session_served(world.session);      /* nothing new to tell */
	world_turn();
	assert_int_equal(world.sent_count, 0);
	world.tables.epoch = world_second.epoch;
	session_served(world.session);
	world_turn();
	assert_int_equal(world_expect_sent(MESSAGE_ACK).served, 0);
	assert_int_equal(world_status().serial, 6);
	assert_int_equal(world_status().tally.recipients, 6);
}

static void a_gap_asks_at_once(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	world_say_changes(&world_first, 7, 8, false);
	struct message ixfr = world_expect_sent(MESSAGE_IXFR);
	assert_int_equal(ixfr.serial, 5);
	assert_int_equal(world_status().serial, 5);
	world_say_changes(&world_first, 5, 6, true);
	world_say_changes(&world_first, 6, 7, true);
	world_expect_state(REFRESH_IXFR);
	world_say_changes(&world_first, 7, 8, false);
	world_expect_state(REFRESH_CURRENT);
	assert_int_equal(world_status().serial, 8);
	assert_int_equal(world.refused, 0);
}

static void an_answer_that_ends_early_is_asked_for_again(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	world_say_soa(&world_first, 9);
	(void)world_expect_sent(MESSAGE_IXFR);
	world_say_changes(&world_first, 5, 6, false);
	assert_int_equal(world_expect_sent(MESSAGE_IXFR).serial, 6);
	for (uint64_t n = 6; n < 6 + IXFR_BURST; n++)      /* a whole burst, with more to come */
		world_say_changes(&world_first, n, n + 1, true);
	assert_int_equal(world_expect_sent(MESSAGE_IXFR).serial, 6 + IXFR_BURST);
}

static void lies_change_nothing(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	world_say_changes_by(&world_first, 5, 6, false, world.stranger);
	world_say_soa_of(world_soa_at(&world_first, SOA_PLAIN, 9, 9), world.stranger);
	world_say_soa(&world_first, 4);
	world_say_changes(&world_first, 3, 4, false);
	assert_int_equal(world.refused, 4);
	assert_int_equal(world_status().serial, 5);
	world_expect_state(REFRESH_CURRENT);
	assert_int_equal(world_status().health, HEALTH_OK);
	world_say_changes(&world_first, 5, 6, false);
	assert_int_equal(world_status().serial, 6);
}

/* Signed, but its announcement is of another set than it leads to. */
static void a_misfit_means_everything(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	struct world_history odd = world_first;
	odd.domain = "example.com";
	odd.bulk = 1;      /* counts one record more than there is */
	world_say_changes(&odd, 5, 6, false);
	assert_int_equal(world_status().serial, 5);
	assert_int_equal(world_status().health, HEALTH_CRITICAL);
	world_give_all(&world_first, 6);
	world_say_soa(&world_first, 6);
	assert_int_equal(world_status().serial, 6);
	assert_int_equal(world_status().health, HEALTH_OK);
}

static void nothing_there_yet_and_then_at_once(void **state)
{
	(void)state;
	world_connect();
	world_say_error(ERROR_NOT_YET);
	world_expect_state(REFRESH_NOTHING);
	world_say_soa(&world_first, 1);
	world_give_all(&world_first, 1);
	assert_int_equal(world_status().serial, 1);
}

static void polls_and_backs_off(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	world_pass(59999);
	assert_int_equal(world_count_sent(MESSAGE_REFRESH), 0);
	world_pass(12001);
	struct message refresh = world_expect_sent(MESSAGE_REFRESH);
	assert_true(refresh.present);
	assert_int_equal(refresh.soa.serial, 5);
	static const int64_t pauses[] = {10000, 20000, 40000, 60000, 60000};      /* retry, doubled up to refresh */
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		world_pass(10000);      /* no answer */
		world_expect_state(REFRESH_WAIT);
		world.sent_count = 0;
		world_pass(pauses[i] * 9 / 10 - 1);
		assert_int_equal(world_count_sent(MESSAGE_REFRESH), 0);
		world_pass(pauses[i] / 5 + 2);
		(void)world_expect_sent(MESSAGE_REFRESH);
	}
	world_say_soa(&world_first, 5);
	world_expect_state(REFRESH_CURRENT);
	assert_string_equal(world_status().error, "");
}

static void stale_expired_and_back(void **state)
{
	(void)state;
	world.spec.on_expire = ON_EXPIRE_ACCEPT;
	world_begin_at(&world_first, 5);
	world_pass(90001);
	assert_int_equal(world_status().freshness, FRESHNESS_STALE);
	assert_int_equal(world_status().health, HEALTH_WARNING);
	struct soa replayed = world_soa_at(&world_first, SOA_PLAIN, 5, 5);
	replayed.time.ms -= 90001;
	world_say_soa_of(replayed, world.identity);      /* an old word doesn't make it fresh */
	assert_int_equal(world_status().freshness, FRESHNESS_STALE);
	int before = world.recipients_changed;
	for (int i = 0; i < 11; i++)
		world_pass(50000);
	assert_int_equal(world_status().freshness, FRESHNESS_EXPIRED);
	assert_int_equal(world_status().health, HEALTH_CRITICAL);
	assert_true(session_open(world.session));
	assert_int_equal(world.recipients_changed, before + 1);
	session_free(&world.session);      /* a restart doesn't make it fresh either */
	world_open_session();
	assert_int_equal(world_status().freshness, FRESHNESS_EXPIRED);
	assert_true(session_open(world.session));
	world.sent_count = 0;
	world_connect();
	world_say_soa(&world_first, 5);
	assert_int_equal(world_status().freshness, FRESHNESS_FRESH);
	assert_false(session_open(world.session));
	assert_int_equal(world_status().health, HEALTH_OK);
}

/* The wall clock stands still, and somebody plays the last announcement again and again. */
static void a_replay_under_a_stopped_clock(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	for (int i = 0; i < 3; i++) {
		world.wall_behind_ms += 40000;
		world_pass(40000);
		world_say_soa(&world_first, 5);
	}
	assert_int_equal(world_status().freshness, FRESHNESS_STALE);
}

static void foreign_domains_are_counted(void **state)
{
	(void)state;
	struct world_history foreign = world_first;
	foreign.domain = "other.net";
	world_begin_at(&foreign, 3);
	assert_int_equal(world_status().records, 3);
	assert_int_equal(world_status().tally.refused, 3);
	assert_int_equal(world_status().health, HEALTH_WARNING);
	assert_non_null(strstr(world_status().reason, "other.net"));
	session_free(&world.session);
	world_open_session();
	assert_int_equal(world_status().tally.refused, 3);
	static const char *const more[] = {"example.com", "other.net"};
	world.spec.domains = more;
	world.spec.domain_count = 2;
	int before = world.recipients_changed;
	assert_int_equal(session_configure(world.session, &world.spec, NULL), RC_OK);
	assert_int_equal(world.recipients_changed, before + 1);
	assert_int_equal(world_status().tally.refused, 0);
	assert_int_equal(world_status().tally.recipients, 3);
}

static void a_restart_goes_on(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	world_say_changes(&world_first, 5, 6, false);
	session_free(&world.session);
	world_open_session();
	assert_int_equal(world_status().serial, 6);
	assert_int_equal(world_status().tally.recipients, 6);
	world.sent_count = 0;
	world_connect();
	struct message refresh = world_expect_sent(MESSAGE_REFRESH);
	assert_true(refresh.present);
	assert_int_equal(refresh.soa.serial, 6);
	assert_true(soa_verify(&refresh.soa, &world.keys[0]) || refresh.soa.kind != SOA_PLAIN);
	world_say_changes(&world_first, 6, 7, false);
	assert_int_equal(world_status().serial, 7);
}

static void a_full_link_loses_nothing(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	world.link_full = true;
	world_say_changes(&world_first, 5, 6, false);
	world.link_full = false;
	assert_int_equal(world.sent_count, 0);
	world_pass(73000);
	assert_int_equal(world_count_sent(MESSAGE_REFRESH), 1);
	assert_int_equal(world_expect_sent(MESSAGE_ACK).serial, 6);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(pushes_and_acks),
		TEST(a_gap_asks_at_once),
		TEST(an_answer_that_ends_early_is_asked_for_again),
		TEST(lies_change_nothing),
		TEST(a_misfit_means_everything),
		TEST(nothing_there_yet_and_then_at_once),
		TEST(polls_and_backs_off),
		TEST(stale_expired_and_back),
		TEST(a_replay_under_a_stopped_clock),
		TEST(foreign_domains_are_counted),
		TEST(a_restart_goes_on),
		TEST(a_full_link_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
