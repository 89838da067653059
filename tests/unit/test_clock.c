/* test_clock.c: time as text, sums that don't overflow, a clock that a test can set. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"

static void durations(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{0, "0 s"}, {1, "1 ms"}, {120, "120 ms"}, {999, "999 ms"}, {1000, "1 s"}, {59999, "59 s"},
		{60000, "1 min"}, {200000, "3 min 20 s"}, {3599999, "59 min 59 s"}, {3600000, "1 h"},
		{3601000, "1 h"}, {18720000, "5 h 12 min"},
		{86399999, "23 h 59 min"}, {86400000, "1 d"}, {788400000, "9 d 3 h"}, {-5000, "-5 s"}, {-1, "-1 ms"},
		{INT64_MAX, "106751991167 d 7 h"}, {INT64_MIN, "-106751991167 d 7 h"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[CLOCK_TEXT_MAX];
		clock_duration(cases[i].ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void wall_times(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00Z"}, {999, "1970-01-01T00:00:00Z"}, {-1, "1969-12-31T23:59:59Z"},
		{-1000, "1969-12-31T23:59:59Z"}, {1795290464000, "2026-11-21T19:47:44Z"},
		{951782400000, "2000-02-29T00:00:00Z"}, {253402300799999, "9999-12-31T23:59:59Z"},
		{253402300800000, "(impossible time)"}, {INT64_MAX, "(impossible time)"},
		{INT64_MIN, "(impossible time)"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[CLOCK_TEXT_MAX];
		wall_format((struct wall){cases[i].ms}, text);
		assert_string_equal(text, cases[i].text);
	}
}

struct fake {
	int64_t mono, wall;
};

static struct mono fake_mono(void *context)
{
	return (struct mono){((struct fake *)context)->mono};
}

static struct wall fake_wall(void *context)
{
	return (struct wall){((struct fake *)context)->wall};
}

static void source_is_replaceable(void **state)
{
	(void)state;
	struct mono real = clock_mono();
	assert_true(real.ms > 0);
	assert_true(clock_wall().ms > 1600000000000);

	struct fake fake = {5000, 7000};
	struct clock_source source = {fake_mono, fake_wall, &fake};
	clock_use(&source);
	assert_true(clock_mono().ms == 5000 && clock_wall().ms == 7000);
	assert_true(mono_since((struct mono){1000}) == 4000);
	fake.mono = 6000;
	assert_true(mono_since((struct mono){1000}) == 5000);
	assert_true(mono_since((struct mono){INT64_MIN}) == INT64_MAX);
	fake.mono = -2;
	assert_true(mono_since((struct mono){INT64_MAX}) == INT64_MIN);
	clock_use(NULL);
	assert_true(clock_mono().ms >= real.ms);
}

static void sums_saturate(void **state)
{
	(void)state;
	assert_true(mono_add((struct mono){5}, 7).ms == 12);
	assert_true(mono_add((struct mono){5}, INT64_MAX).ms == INT64_MAX);
	assert_true(mono_add((struct mono){-5}, INT64_MIN).ms == INT64_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(wall_times),
		cmocka_unit_test(source_is_replaceable),
		cmocka_unit_test(sums_saturate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
