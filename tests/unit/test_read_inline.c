/* test_read_inline.c: keys of inline: tables, and where accounts can be listed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/buf.h"
#include "master/read.h"

static void put(void *context, const void *key, size_t length, uint64_t line)
{
	(void)line;
	buf_put(context, key, length);
	buf_put_u8(context, '|');
}

static void assert_keys(const char *name, const char *expected)
{
	struct buf found = {0};
	struct why why;
	assert_int_equal(read_inline(name, &(struct read_sink){.key = put, .context = &found}, &why), RC_OK);
	assert_string_equal(buf_text(&found), expected);
	buf_free(&found);
}

static void inline_tables(void **state)
{
	(void)state;
	assert_keys("{a@b=x, c= }", "a@b|c|");
	assert_keys("{ {a b = c d} {\"e f\" = g},@h=i=j a@b=x}", "a b|\"e f\"|@h|a@b|");
	assert_keys("{}", "");
}

static void what_postfix_refuses(void **state)
{
	(void)state;
	static const char *const bad[] = {"a=b", "{a}", "{=b}", "{a=b, c}", "{", "{ {a b} }"};
	struct buf found = {0};
	struct why why;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(read_inline(bad[i], &(struct read_sink){.key = put, .context = &found}, &why), RC_INVALID);
	buf_free(&found);
}

static void accounts_that_a_directory_adds_cannot_be_listed(void **state)
{
	(void)state;
	static const struct { const char *text; bool listable; } cases[] = {
		{"passwd: files systemd\n", true}, {"# passwd: sss\npasswd:\tcompat # sss\n", true}, {"", true},
		{"group: ldap\npasswd: files [NOTFOUND=return]\n", true}, {"passwd: files sss", false},
		{"hosts: dns\n passwd : ldap files\n", false}, {"passwd: files [!NOTFOUND=return] winbind\n", false},
		{"passwd: filesx\n", false}, {"passwd: [", true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char culprit[32];
		assert_int_equal(read_accounts_listable(cases[i].text, "passwd", culprit), cases[i].listable);
	}
	char culprit[32];
	assert_false(read_accounts_listable("passwd: files sss\n", "passwd", culprit));
	assert_string_equal(culprit, "sss");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inline_tables),
		cmocka_unit_test(what_postfix_refuses),
		cmocka_unit_test(accounts_that_a_directory_adds_cannot_be_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
