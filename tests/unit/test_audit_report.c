/* What an audit makes of an answer, what it prints, and what it ends with. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mem.h"
#include "ctl/audit_ask.h"
#include "ctl/audit_report.h"

#include <string.h>

static void test_judge(void **state)
{
	(void)state;
	static const struct {
		enum audit_verdict expected;
		int code;
		enum audit_outcome outcome;
	} cases[] = {
		{ AUDIT_ACCEPT, 250, AUDIT_AGREES }, { AUDIT_ACCEPT, 251, AUDIT_AGREES }, { AUDIT_ACCEPT, 550, AUDIT_DIFFERS },
		{ AUDIT_ACCEPT, 554, AUDIT_DIFFERS }, { AUDIT_ACCEPT, 450, AUDIT_PUT_OFF },
		{ AUDIT_ACCEPT, 421, AUDIT_PUT_OFF },
		{ AUDIT_REFUSE, 250, AUDIT_DIFFERS }, { AUDIT_REFUSE, 550, AUDIT_AGREES }, { AUDIT_REFUSE, 450, AUDIT_PUT_OFF },
		{ AUDIT_DEFER, 450, AUDIT_AGREES }, { AUDIT_DEFER, 250, AUDIT_AGREES }, { AUDIT_DEFER, 550, AUDIT_DIFFERS },
		{ AUDIT_ACCEPT, AUDIT_ASK_NOT_ASKED, AUDIT_UNASKED }, { AUDIT_REFUSE, AUDIT_ASK_NOT_ASKED, AUDIT_UNASKED },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(audit_report_judge(cases[i].expected, cases[i].code), cases[i].outcome);
}

static void add(struct audit_findings *findings, const char *address, const char *reply)
{
	struct audit_finding finding = { .address = mem_strdup(address), .kind = AUDIT_PUBLISHED, .code = 550,
	                                 .expected = AUDIT_ACCEPT, .reply = mem_strdup(reply), .confirmed = true };

	audit_report_add(findings, &finding);
	assert_null(finding.address);
}

static void test_status(void **state)
{
	(void)state;
	struct audit_report report = { .server = "s" };

	assert_int_equal(audit_report_status(&report), 0);
	add(&report.deferred, "a", "450");
	assert_int_equal(audit_report_status(&report), 3);
	add(&report.differ, "b", "550");
	assert_int_equal(audit_report_status(&report), 1);
	report.unfinished = "it ended";
	assert_int_equal(audit_report_status(&report), 2);
	audit_report_free(&report);
}

static void test_text(void **state)
{
	(void)state;
	struct audit_report report = { .server = "mx:25", .seed = 7, .published = 5000, .members = 1000, .neighbours = 990,
	                               .agree = 1988, .foreign = 3, .no_utf8 = 2 };
	struct buf out = { 0 };

	add(&report.differ, "a\x1b[2J@x.com", "550 \x1b[2J no\xff");
	add(&report.differ, "b@x.com", "550 no");
	report.differ.at[1].confirmed = false;
	report.differ.at[1].explanation = json_pack("{s:s, s:s, s:s}", "address", "b@x.com", "verdict", "accept",
	                                            "sentence", "b@x.com is listed");
	audit_report_text(&report, &out);
	assert_string_equal(buf_text(&out),
	                    "a?[2J@x.com\n    published: should be accepted\n    the server says: 550 ?[2J no?\n"
	                    "b@x.com\n    published: should be accepted\n    the server says: 550 no (asked once only)\n"
	                    "    b@x.com: accepted: b@x.com is listed\n"
	                    "1,990 addresses asked at mx:25 (1,000 of 5,000 published, 990 made up; seed 7): 1,988 agree, "
	                    "2 differ; 2 not asked, for the server doesn't offer SMTPUTF8; 3 passed over, in domains that "
	                    "aren't taken here\n");
	buf_free(&out);
	audit_report_free(&report);
}

/* The text stops somewhere, the JSON doesn't. */
static void test_many(void **state)
{
	(void)state;
	struct audit_report report = { .server = "mx:25", .seed = UINT64_MAX };
	struct buf out = { 0 };
	json_error_t error;

	for (int i = 0; i < 1030; i++)
		add(&report.differ, "a@x.com", "550 \x1b");
	audit_report_drop(&report.differ, 3);
	audit_report_text(&report, &out);
	assert_non_null(strstr(buf_text(&out), "... and 1,009 more that differ"));
	buf_clear(&out);
	audit_report_json(&report, &out);
	json_t *json = json_loads(buf_text(&out), 0, &error);
	assert_int_equal(json_array_size(json_object_get(json, "disagreements")), 1029);
	const json_t *first = json_array_get(json_object_get(json, "disagreements"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "reply")), "550 ?");
	assert_string_equal(json_string_value(json_object_get(json, "seed")), "18446744073709551615");
	assert_true(json_is_true(json_object_get(json, "finished")));
	json_decref(json);
	buf_free(&out);
	audit_report_free(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge), cmocka_unit_test(test_status), cmocka_unit_test(test_text),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
