/* test_findings.c: findings and questions over the line between helper and daemon: as they were, or not at all. */
#include "replica/findings.h"
#include "replica/question.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static enum rc parse_findings(const char *text, struct findings *out)
{
	struct buf buf = {0};
	struct why why = {""};
	buf_put(&buf, text, strlen(text));
	enum rc rc = findings_parse(&buf, out, &why);
	assert_true((rc == RC_OK) == (why.text[0] == '\0'));
	buf_free(&buf);
	return rc;
}

static void findings_come_through(void **state)
{
	(void)state;
	struct findings findings = {.at = NULL}, copy;
	struct buf text = {0};
	struct why why;
	findings_add(&findings, true, "postconf -e 'a = b'", "a is %d\n\tand odd", 1);
	findings_add(&findings, false, NULL, "b");
	findings_add(&findings, true, "two\nlines", "c");
	assert_string_equal(findings.at[0].sentence, "a is 1??and odd");
	assert_string_equal(findings.at[2].mend, "");
	assert_int_equal(findings_warnings(&findings), 2);
	assert_true(findings_has(&findings, "b"));
	assert_false(findings_has(&findings, "d"));
	findings_print(&findings, &text);
	assert_int_equal(findings_parse(&text, &copy, &why), RC_OK);
	assert_int_equal(copy.count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(copy.at[i].warning, findings.at[i].warning);
		assert_string_equal(copy.at[i].sentence, findings.at[i].sentence);
		assert_string_equal(copy.at[i].mend, findings.at[i].mend);
	}
	findings_free(&copy);
	findings_free(&findings);
	assert_int_equal(findings.count, 0);
	buf_free(&text);
}

static void what_is_no_whole_list_of_findings_is_none(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "warning\ta\tb\n", "warning\ta\nend\n", "warning\ta\tb\tc\nend\n",
	                                  "wrong\ta\tb\nend\n", "end\nend\n", "end\nwarning\ta\tb\n", "\nend\n",
		"warning\nend\n", "en"};
	struct findings findings = {.count = 7};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (parse_findings(bad[i], &findings) != RC_INVALID)
			fail_msg("was taken: %s", bad[i]);
	assert_int_equal(findings.count, 7);
	assert_int_equal(parse_findings("end\n", &findings), RC_OK);
	assert_int_equal(findings.count, 0);
}

static enum rc parse_question(const char *text, struct question *out)
{
	struct buf buf = {0};
	struct why why = {""};
	buf_put(&buf, text, strlen(text));
	enum rc rc = question_parse(&buf, out, &why);
	assert_true((rc == RC_OK) == (why.text[0] == '\0'));
	buf_free(&buf);
	return rc;
}

static void questions_come_through(void **state)
{
	(void)state;
	const struct table_spec table = {.name = "t", .holds = TABLE_DOMAINS, .type = table_type_find("hash"),
	                                 .path = "/t/d"};
	struct question question;
	struct buf text = {0};
	question_begin(&text, "/usr/sbin", "smtp");
	question_table(&text, &table);
	question_in(&text, "example");
	question_zone(&text, "example");
	buf_printf(&text, "param\trecipient_delimiter\t\n");
	question_domain(&text, "a.example");
	buf_printf(&text, "left\t3\n");
	question_end(&text);
	assert_int_equal(parse_question(buf_text(&text), &question), RC_OK);
	assert_string_equal(question.commands, "/usr/sbin");
	assert_string_equal(question.service, "smtp");
	assert_int_equal(question.table_count, 1);
	assert_true(question.tables[0].domains);
	assert_string_equal(question.tables[0].file, "/t/d.db");
	assert_string_equal(question.tables[0].zones[0], "example");
	assert_string_equal(question.zones[0].params[0].value, "");
	assert_string_equal(question.zones[0].domains[0], "a.example");
	assert_int_equal(question.zones[0].left, 3);
	question_free(&question);
	buf_free(&text);
}

static void what_is_no_whole_question_is_none(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "question\t2\nend\n", "question\t1\n", "question\t1\ndomain\tx\nend\n",
	                                  "question\t1\nin\tx\nend\n", "question\t1\nparam\ta\tb\nend\n",
	                                  "question\t1\nzone\tx\ty\nend\n",
	                                  "question\t1\ntable\tt\tusers\thash\t/t\t.db\nend\n",
	                                  "question\t1\nservice\ta\nservice\tb\nend\n",
		"question\t1\na\tb\tc\td\te\tf\tg\nend\n", "question\t1\nzone\tx\ndomain\ty"};
	struct question question = {.zone_count = 7};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (parse_question(bad[i], &question) != RC_INVALID)
			fail_msg("was taken: %s", bad[i]);
	assert_int_equal(question.zone_count, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings_come_through),
		cmocka_unit_test(what_is_no_whole_list_of_findings_is_none),
		cmocka_unit_test(questions_come_through),
		cmocka_unit_test(what_is_no_whole_question_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
