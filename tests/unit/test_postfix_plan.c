/* test_postfix_plan.c: the plan's text is read as it was written, or not at all. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/postfix_fixture.h"

static const char whole[] =
	"plan\t1\ndomain\tlocal\ta.example\ndomain\tnone\tb.example\nbelow\trelay\tr.example\nbare\tlocal\ta.example\n"
	"map\tlocal,relay\tvirtual_alias_maps\tmap!\tinline:{a b = c}\nmap\tlocal\tlocal_recipient_maps\taliases\thash:/a\n"
	"map\trelay\trelay_recipient_maps\tcommand\techo a | cat\nrcpt\tpostmaster@a.example\nparam\trecipient_delimiter\t\n"
	"param\tx\ty\naway\ta@b\nkept\tc@d\nmoved\te\ngone\trelay\nmoved-origin\to.example\naway-parents\nsplit\t+-\tlists\nwatch\t/main.cf\nnote\ta note\n"
	"problem\trelay_domains\tmysql:/x\tcan't\nend\n";

static void a_plan_is_read_as_it_was_written(void **state)
{
	(void)state;
	struct postfix_plan plan;
	struct buf text = {0};
	struct why why;
	assert_int_equal(postfix_plan_parse(whole, strlen(whole), &plan, &why), RC_OK);
	postfix_plan_print(&plan, &text);
	assert_string_equal(buf_text(&text), whole);
	assert_int_equal(plan.sources[0].classes, POSTFIX_BIT(POSTFIX_LOCAL) | POSTFIX_BIT(POSTFIX_RELAY));
	assert_true(plan.sources[0].first);
	assert_int_equal(plan.sources[2].format, POSTFIX_FORMAT_COMMAND);
	assert_int_equal(plan.problem_count, 1);
	assert_string_equal(plan.away.split.delimiters, "+-");
	assert_true(plan.away.split.lists);
	buf_free(&text);
	postfix_plan_free(&plan);
}

static void a_plan_that_breaks_off_is_none(void **state)
{
	(void)state;
	struct postfix_plan plan;
	struct why why;
	for (size_t length = 0; length < strlen(whole); length++)
		assert_int_equal(postfix_plan_parse(whole, length, &plan, &why), RC_INVALID);
}

static void a_line_that_is_not_understood_spoils_it(void **state)
{
	(void)state;
	static const char *const lines[] = {"what\tx\n", "domain\tnowhere\tx\n", "map\tlocal\tp\tother\tt\n", "map\tnone\tp\tmap\tt\n",
	                                    "rcpt\n", "end\n", "\n", "gone\tnone2\n", "param\tx\n"};
	struct why why;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct postfix_plan plan;
		char text[256];
		(void)snprintf(text, sizeof text, "plan\t1\n%send\n", lines[i]);
		assert_int_equal(postfix_plan_parse(text, strlen(text), &plan, &why), RC_INVALID);
	}
	struct postfix_plan plan;
	assert_int_equal(postfix_plan_parse("plan\t2\nend\n", 11, &plan, &why), RC_INVALID);
	assert_int_equal(postfix_plan_parse("end\n", 4, &plan, &why), RC_INVALID);
}

static void no_text_can_forge_a_line(void **state)
{
	(void)state;
	struct postfix_plan plan = {0};
	struct buf text = {0};
	postfix_plan_note(&plan, "a\nrcpt\tx@y");
	postfix_plan_print(&plan, &text);
	assert_null(strstr(buf_text(&text), "\nrcpt\t"));
	buf_free(&text);
	postfix_plan_free(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_is_read_as_it_was_written),
		cmocka_unit_test(a_plan_that_breaks_off_is_none),
		cmocka_unit_test(a_line_that_is_not_understood_spoils_it),
		cmocka_unit_test(no_text_can_forge_a_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
