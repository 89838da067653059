/* test_calm.c: the first words are never lost, a flood is cut, and what was cut is told. */
#include "common/calm.h"
#include "tests/unit/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_flood_is_cut_and_told(void **state)
{
	(void)state;
	struct calm calm = {.lines = 0};
	uint64_t kept_back = 99;
	clock_use(&fake_clock);
	now_ms = 5;
	for (unsigned i = 0; i < CALM_LINES; i++) {
		assert_true(calm_allows(&calm, &kept_back));
		assert_int_equal(kept_back, 0);
		now_ms += 100;
	}
	for (int i = 0; i < 1000; i++)
		assert_false(calm_allows(&calm, &kept_back));
	now_ms = 60004;
	assert_false(calm_allows(&calm, &kept_back));
	now_ms = 60005;
	assert_true(calm_allows(&calm, &kept_back));
	assert_int_equal(kept_back, 1001);
	assert_true(calm_allows(&calm, &kept_back));
	assert_int_equal(kept_back, 0);
	clock_use(NULL);
}

static void the_words_for_it(void **state)
{
	(void)state;
	char text[CALM_TEXT_MAX];
	calm_text(0, text);
	assert_string_equal(text, "");
	calm_text(UINT64_MAX, text);
	assert_string_equal(text, " (and 18446744073709551615 more such lines were left out)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_is_cut_and_told),
		cmocka_unit_test(the_words_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
