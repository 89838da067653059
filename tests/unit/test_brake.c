/* test_brake.c: the brake holds what is suspicious, and nothing else. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/brake.h"

static struct brake_case with(uint64_t published, uint64_t held, uint64_t fresh)
{
	return (struct brake_case){
		.published = published, .recipients = published, .held = held, .fresh = fresh, .fresh_recipients = fresh,
		.max_shrink_percent = 10, .min_shrink = 10,
	};
}

static void both_limits_must_be_passed(void **state)
{
	(void)state;
	static const struct { uint64_t published, held, fresh; enum brake_verdict verdict; } cases[] = {
		{1000, 0, 0, BRAKE_LET_GO},   {1000, 0, 100, BRAKE_LET_GO}, {1000, 0, 101, BRAKE_SHRINK},
		{50, 0, 10, BRAKE_LET_GO},    {50, 0, 11, BRAKE_SHRINK},    {1000, 50, 50, BRAKE_LET_GO},
		{1000, 50, 51, BRAKE_SHRINK}, {1000, 200, 1, BRAKE_SHRINK}, {1000, 200, 0, BRAKE_LET_GO},
		{12, 0, 11, BRAKE_SHRINK},    {12, 0, 12, BRAKE_EMPTY},     {3, 0, 3, BRAKE_EMPTY},
		{3, 0, 2, BRAKE_LET_GO},      {100000000000u, 0, 10000000000u, BRAKE_LET_GO},
		{100000000000u, 0, 10000000001u, BRAKE_SHRINK},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct brake_case facts = with(cases[i].published, cases[i].held, cases[i].fresh);
		assert_int_equal(brake_judge(&facts), cases[i].verdict);
	}
}

static void limits_at_their_ends(void **state)
{
	(void)state;
	struct brake_case facts = with(1000, 0, 999);
	facts.max_shrink_percent = 100;
	assert_int_equal(brake_judge(&facts), BRAKE_LET_GO);
	facts = with(1000, 0, 11);
	facts.max_shrink_percent = 0;
	assert_int_equal(brake_judge(&facts), BRAKE_SHRINK);
	facts.min_shrink = 11;
	assert_int_equal(brake_judge(&facts), BRAKE_LET_GO);
	facts = with(1000, 0, 1);
	facts.max_shrink_percent = 0;
	facts.min_shrink = 0;
	assert_int_equal(brake_judge(&facts), BRAKE_SHRINK);
}

static void small_but_suspicious(void **state)
{
	(void)state;
	struct brake_case facts = with(1000, 0, 1);
	facts.source_emptied = true;
	assert_int_equal(brake_judge(&facts), BRAKE_EMPTIED);
	facts.source_emptied = false;
	facts.doubt = true;
	assert_int_equal(brake_judge(&facts), BRAKE_DOUBT);
	facts.fresh = facts.fresh_recipients = 0;
	assert_int_equal(brake_judge(&facts), BRAKE_LET_GO);
	/* All recipients go, the domains stay. */
	facts = with(8, 0, 5);
	facts.recipients = 5;
	assert_int_equal(brake_judge(&facts), BRAKE_EMPTY);
	/* A domain alone is no recipient. */
	facts = with(8, 0, 1);
	facts.recipients = facts.fresh_recipients = 0;
	assert_int_equal(brake_judge(&facts), BRAKE_LET_GO);
}

static struct fpset numbers(uint64_t from, uint64_t to)
{
	struct fpset set = {0};
	for (uint64_t i = from; i < to; i++)
		fpset_append(&set, (struct fingerprint){i, i});
	fpset_seal(&set);
	return set;
}

static void held_stays_held_while_due(void **state)
{
	(void)state;
	struct fpset held = numbers(0, 10);
	struct fpset due = numbers(6, 13);
	struct fpset still = {0};
	struct fpset fresh = {0};
	brake_split(&held, &due, &still, &fresh);
	assert_int_equal(still.count, 4);
	assert_true(still.at[0].high == 6 && still.at[3].high == 9);
	assert_int_equal(fresh.count, 3);
	assert_true(fresh.at[0].high == 10 && fresh.at[2].high == 12);
	fpset_free(&held);
	fpset_free(&due);
	fpset_free(&still);
	fpset_free(&fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_limits_must_be_passed),
		cmocka_unit_test(limits_at_their_ends),
		cmocka_unit_test(small_but_suspicious),
		cmocka_unit_test(held_stays_held_while_due),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
