/* test_freshness.c: ages at and around each limit, and clocks that lie. */
#include "replica/freshness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 1700000000000
#define BOOT 5000000

/* Received and dated `ms` ago by every clock. */
static struct freshness_facts aged(int64_t ms)
{
	return (struct freshness_facts){
		.present = true, .dated = {NOW - ms}, .received = {NOW - ms}, .received_here = true,
		.received_mono = {BOOT - ms}, .refresh_s = 60, .retry_s = 15, .expire_s = 604800,
	};
}

static struct freshness_verdict judge(const struct freshness_facts *facts)
{
	return freshness_judge(facts, (struct wall){NOW}, (struct mono){BOOT});
}

static enum freshness word(struct freshness_facts facts)
{
	return judge(&facts).freshness;
}

static void limits(void **state)
{
	(void)state;
	assert_int_equal(word(aged(0)), FRESHNESS_FRESH);
	assert_int_equal(word(aged(105000)), FRESHNESS_FRESH);
	assert_int_equal(word(aged(105001)), FRESHNESS_STALE);
	assert_int_equal(word(aged(604800000)), FRESHNESS_STALE);
	assert_int_equal(word(aged(604800001)), FRESHNESS_EXPIRED);
}

static void empty_whatever_the_age(void **state)
{
	(void)state;
	struct freshness_facts facts = aged(0);
	facts.present = false;
	assert_int_equal(judge(&facts).freshness, FRESHNESS_EMPTY);
	assert_int_equal(judge(&facts).next_ms, 0);
}

static void next_is_when_it_gets_worse(void **state)
{
	(void)state;
	struct freshness_facts facts = aged(1000);
	assert_int_equal(judge(&facts).next_ms, 104001);
	assert_int_equal(word(aged(1000 + 104001)), FRESHNESS_STALE);
	facts = aged(200000);
	assert_int_equal(judge(&facts).next_ms, 604600001);
	facts = aged(604800001);
	assert_int_equal(judge(&facts).next_ms, 0);
}

static void expire_shorter_than_stale(void **state)
{
	(void)state;
	struct freshness_facts facts = aged(31000);
	facts.expire_s = 30;
	assert_int_equal(judge(&facts).freshness, FRESHNESS_EXPIRED);
	facts = aged(1000);
	facts.expire_s = 30;
	assert_int_equal(judge(&facts).next_ms, 29001);
}

static void oldest_clock_wins(void **state)
{
	(void)state;
	struct freshness_facts facts = aged(0);
	facts.received_mono.ms = BOOT - 200000;        /* the wall clock was set back */
	assert_int_equal(judge(&facts).freshness, FRESHNESS_STALE);
	facts = aged(0);
	facts.received.ms = NOW - 200000;
	assert_int_equal(judge(&facts).freshness, FRESHNESS_STALE);
	facts = aged(0);
	facts.dated.ms = NOW - 200000;                 /* held back on the way, or the master's clock is behind */
	assert_int_equal(judge(&facts).freshness, FRESHNESS_STALE);
	assert_true(judge(&facts).clocks_differ);
}

static void after_a_restart_the_boot_clock_says_nothing(void **state)
{
	(void)state;
	struct freshness_facts facts = aged(1000);
	facts.received_here = false;
	facts.received_mono.ms = 0;
	assert_int_equal(judge(&facts).freshness, FRESHNESS_FRESH);
	assert_int_equal(judge(&facts).age_ms, 1000);
}

static void future_counts_as_now(void **state)
{
	(void)state;
	struct freshness_facts facts = aged(-86400000);
	assert_int_equal(judge(&facts).age_ms, 0);
	assert_int_equal(judge(&facts).freshness, FRESHNESS_FRESH);
	assert_false(judge(&facts).clocks_differ);
}

static void extreme_times(void **state)
{
	(void)state;
	struct freshness_facts facts = aged(0);
	facts.dated.ms = INT64_MIN;
	assert_int_equal(judge(&facts).age_ms, INT64_MAX);
	assert_int_equal(judge(&facts).freshness, FRESHNESS_EXPIRED);
	facts.dated.ms = INT64_MAX;
	assert_int_equal(judge(&facts).freshness, FRESHNESS_FRESH);
	facts = aged(0);
	facts.refresh_s = facts.retry_s = facts.expire_s = UINT32_MAX;
	assert_int_equal(judge(&facts).next_ms, (int64_t)UINT32_MAX * 1000 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits),
		cmocka_unit_test(empty_whatever_the_age),
		cmocka_unit_test(next_is_when_it_gets_worse),
		cmocka_unit_test(expire_shorter_than_stale),
		cmocka_unit_test(oldest_clock_wins),
		cmocka_unit_test(after_a_restart_the_boot_clock_says_nothing),
		cmocka_unit_test(future_counts_as_now),
		cmocka_unit_test(extreme_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
