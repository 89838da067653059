/* test_allow.c: which domains a master may speak for. In doubt: none. */
#include "replica/allow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct allow *make(const char *const *domains, size_t count)
{
	struct allow *allow = NULL;
	struct why why;
	if (allow_new(domains, count, &allow, &why) != RC_OK)
		fail_msg("%s", why.text);
	return allow;
}

static bool has(const struct allow *allow, enum record_type type, const char *key)
{
	struct record record = record_make(type, key, strlen(key));
	return allow_has(allow, &record);
}

static void only_what_is_listed(void **state)
{
	(void)state;
	static const char *const domains[] = {"example.org", "Example.COM", "b.c"};
	struct allow *allow = make(domains, 3);
	static const char *const good[] = {"a@example.com", "@example.org", "\"a@b\"@example.com", "x@y@b.c"};
	static const char *const bad[] = {"a@sub.example.com", "a@xample.com", "a@example.co", "a@example.comx", "a@com",
	                                  "a@", "a", "@", "example.com", "a@EXAMPLE.com", "b.c@example.net"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(has(allow, RECORD_RCPT, good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(has(allow, RECORD_RCPT, bad[i]));
	assert_true(has(allow, RECORD_DOMAIN, "b.c"));
	assert_false(has(allow, RECORD_DOMAIN, ".b.c"));
	assert_false(has(allow, RECORD_DOMAIN, "a.b.c"));
	assert_true(has(allow, RECORD_PARAM, "recipient_delimiter"));
	assert_false(allow_any(allow));
	assert_int_equal(allow_count(allow), 3);
	assert_string_equal(allow_domain(allow, 1), "example.com");
	allow_free(&allow);
}

static void any(void **state)
{
	(void)state;
	static const char *const star[] = {"*"};
	static const char *const both[] = {"example.com", "*"};
	static const char *const rubbish[] = {"a@b"};
	struct allow *allow = make(star, 1);
	assert_true(allow_any(allow));
	assert_true(has(allow, RECORD_RCPT, "a@wherever"));
	struct why why;
	struct allow *other = NULL;
	assert_int_equal(allow_new(both, 2, &other, &why), RC_INVALID);
	assert_int_equal(allow_new(rubbish, 1, &other, &why), RC_INVALID);
	assert_null(other);
	allow_free(&allow);
}

static void order_doesnt_matter(void **state)
{
	(void)state;
	static const char *const ab[] = {"a", "b"};
	static const char *const ba[] = {"b", "A"};
	static const char *const ac[] = {"a", "c"};
	struct allow *x = make(ab, 2), *y = make(ba, 2), *z = make(ac, 2);
	assert_true(allow_same(x, y));
	assert_false(allow_same(x, z));
	allow_free(&x);
	allow_free(&y);
	allow_free(&z);
}

static void tallies(void **state)
{
	(void)state;
	static const char *const domains[] = {"a"};
	struct allow *allow = make(domains, 1);
	struct tally tally = {.recipients = 0};
	struct record records[] = {record_make(RECORD_RCPT, "x@a", 3), record_make(RECORD_RCPT, "x@b", 3),
	                           record_make(RECORD_DOMAIN, "a", 1), record_make(RECORD_PARAM, "p", 1)};
	for (size_t i = 0; i < 4; i++)
		tally_add(&tally, allow, &records[i]);
	assert_int_equal(tally.recipients, 1);
	assert_int_equal(tally.domains, 1);
	assert_int_equal(tally.refused, 1);
	assert_string_equal(tally.refused_domain, "b");
	struct operation operations[] = {{CHANGE_ADD, record_make(RECORD_RCPT, "y@a", 3)}, {CHANGE_DELETE, records[1]},
	                                 {CHANGE_DELETE, records[2]}};
	struct changeset changeset = {.operations = operations, .count = 3};
	tally_changes(&tally, allow, &changeset);
	assert_int_equal(tally.recipients, 2);
	assert_int_equal(tally.domains, 0);
	assert_int_equal(tally.refused, 0);
	allow_free(&allow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_listed),
		cmocka_unit_test(any),
		cmocka_unit_test(order_doesnt_matter),
		cmocka_unit_test(tallies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
