/* test_read_text.c: postmap's text, as postmap takes it. The golden inputs were given to postmap 3.7 as well. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/read_fixture.h"

static void golden_files(void **state)
{
	(void)state;
	assert_golden(read_text, "postmap-plain");
	assert_golden(read_text, "postmap-lines");
	assert_golden(read_text, "postmap-quotes");
	assert_golden(read_text, "postmap-odd");
	assert_golden(read_text, "postmap-empty");
}

static void a_line_is_continued_across_comments_and_empty_lines(void **state)
{
	(void)state;
	assert_parsed(read_text, "a\n\n# c\n  x\nb y\n", true, "1 a\n5 b\n");
	assert_parsed(read_text, "a x\n#\n\n\n\tb y\nc z", true, "1 a\n6 c\n");
}

static void what_continues_nothing_is_passed_over_as_a_whole(void **state)
{
	(void)state;
	assert_parsed(read_text, "  a x\n  b y\nc z\n", true,
	              "1 passed over: it begins with white space, but there is no line before that it continues\n3 c\n");
}

static void a_key_ends_at_the_first_white_space_outside_quotes(void **state)
{
	(void)state;
	assert_parsed(read_text, "\"a b\"@c\td\n", true, "1 \"a b\"@c\n");
	assert_parsed(read_text, "a\\ b c\n", true, "1 a\\ b\n");
	assert_parsed(read_text, "\"a\\\" b\" c\n", true, "1 \"a\\\" b\"\n");
	assert_parsed(read_text, "a\fb\n", true, "1 a\n");
	assert_parsed(read_text, "\"a b c\nd e\n", true, "1 passed over: a quote isn't closed\n2 d\n");
	assert_parsed(read_text, "a\\", true, "1 passed over: a key, white space and a value are expected\n");
}

static void lines_that_are_not_utf8_count_only_without_smtputf8(void **state)
{
	(void)state;
	static const char *const bad[] = {"\xff", "\xc0\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
	                                  "\xf4\x90\x80\x80", "\xc3", "\xe2\x82", "\x80"};
	static const char *const good[] = {"\xc3\xa9", "\xe0\xa0\x80",
	                                   "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[32];
		(void)snprintf(text, sizeof(text), "a %s\n", bad[i]);
		assert_parsed(read_text, text, true, "1 passed over: it isn't UTF-8\n");
		assert_parsed(read_text, text, false, "1 a\n");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[32];
		(void)snprintf(text, sizeof(text), "a %s\n", good[i]);
		assert_parsed(read_text, text, true, "1 a\n");
	}
}

static void nothing_is_read_beyond_the_end(void **state)
{
	(void)state;
	parse_all_prefixes(read_text, "# c\n \"a\\\" b\"@x.y z\\\n  w\n\na\\ \xe2\x82\xac v \"q\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_files),
		cmocka_unit_test(a_line_is_continued_across_comments_and_empty_lines),
		cmocka_unit_test(what_continues_nothing_is_passed_over_as_a_whole),
		cmocka_unit_test(a_key_ends_at_the_first_white_space_outside_quotes),
		cmocka_unit_test(lines_that_are_not_utf8_count_only_without_smtputf8),
		cmocka_unit_test(nothing_is_read_beyond_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
