/* rxfer list: sorted bytewise, cleaned, as lines and as JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ctl/list.h"

#include <string.h>

static void check(const char *answer, bool json, const char *wanted)
{
	struct buf out = { 0 };

	list_format(answer, strlen(answer), json, &out);
	assert_string_equal(buf_text(&out), wanted);
	buf_free(&out);
}

static void test_lines(void **state)
{
	(void)state;
	check("", false, "");
	check("RCPT b@x\nDOMAIN x\nRCPT a@x.y\nRCPT a@x\nRCPT B@x\nRCPT \xc3\xa9@x\n", false,
	      "DOMAIN x\nRCPT B@x\nRCPT a@x\nRCPT a@x.y\nRCPT b@x\nRCPT \xc3\xa9@x\n");
	check("RCPT \x1b[2J@x\nRCPT \xff@x", false, "RCPT ?[2J@x\nRCPT ?@x\n");
}

static void test_json(void **state)
{
	(void)state;
	check("", true, "[\n]\n");
	check("RCPT \"b c\"@x\nPARAM recipient_delimiter + -\nPARAM empty\nRCPT a@x\nODD\n", true,
	      "[\n{\"type\":\"ODD\",\"key\":\"\"},\n{\"type\":\"PARAM\",\"key\":\"empty\"},\n"
	      "{\"type\":\"PARAM\",\"key\":\"recipient_delimiter\",\"value\":\"+ -\"},\n"
	      "{\"type\":\"RCPT\",\"key\":\"\\\"b c\\\"@x\"},\n{\"type\":\"RCPT\",\"key\":\"a@x\"}\n]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lines), cmocka_unit_test(test_json) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
