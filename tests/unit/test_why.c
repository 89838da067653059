/* test_why.c: sentences are cleaned, cut and put together as why.h says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/why.h"

#include <string.h>

static void cleans(void **state)
{
	(void)state;
	static const struct {
		const char *dirty, *clean;
	} cases[] = {
		{"", ""},
		{"plain ~", "plain ~"},
		{"a\nb\tc\033[31m\177", "a?b?c?[31m?"},
		{"stra\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x93\xa8", "stra\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x93\xa8"},
		{"\xc2\x9b" "31m", "??31m"},                     /* U+009B, a control sequence introducer */
		{"\xc2\xa0", "\xc2\xa0"},
		{"\xff\xfe", "??"},
		{"\xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf", "?? ??? ????"},      /* overlong */
		{"\xed\xa0\x80", "???"},                         /* surrogate */
		{"\xf4\x90\x80\x80", "????"},                    /* beyond U+10FFFF */
		{"\xe2\x82", "??"},                              /* cut */
		{"\xe2\x82x", "??x"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];
		strcpy(text, cases[i].dirty);
		why_clean(text);
		assert_string_equal(text, cases[i].clean);
	}
}

static void sets_and_prepends(void **state)
{
	(void)state;
	struct why why;
	assert_int_equal(why_set(&why, RC_LIMIT, "line %d: \"%s\"", 3, "a\r\nb"), RC_LIMIT);
	assert_string_equal(why.text, "line 3: \"a??b\"");
	assert_int_equal(why_prepend(&why, RC_INVALID, "file %s", "x"), RC_INVALID);
	assert_string_equal(why.text, "file x: line 3: \"a??b\"");
	assert_int_equal(why_set(&why, RC_IO, "<%s>", why.text), RC_IO);
	assert_string_equal(why.text, "<file x: line 3: \"a??b\">");
	assert_int_equal(why_set(NULL, RC_IO, "nobody"), RC_IO);
	assert_int_equal(why_prepend(NULL, RC_IO, "nobody"), RC_IO);
}

static void cuts_visibly(void **state)
{
	(void)state;
	char text[WHY_MAX + 10];
	memset(text, 'x', sizeof(text));
	text[WHY_MAX - 1] = '\0';
	struct why why;
	why_set(&why, RC_IO, "%s", text);
	assert_string_equal(why.text, text);      /* just fits */
	text[WHY_MAX - 1] = 'x';
	text[WHY_MAX] = '\0';
	text[WHY_MAX - 5] = (char)0xc3;           /* a character that the cut splits */
	text[WHY_MAX - 4] = (char)0x9f;
	why_set(&why, RC_IO, "%s", text);
	assert_int_equal(strlen(why.text), WHY_MAX - 1);
	assert_string_equal(why.text + WHY_MAX - 6, "x?...");
	why_prepend(&why, RC_IO, "context");
	assert_int_equal(strlen(why.text), WHY_MAX - 1);
	assert_memory_equal(why.text, "context: xxx", 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleans),
		cmocka_unit_test(sets_and_prepends),
		cmocka_unit_test(cuts_visibly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
