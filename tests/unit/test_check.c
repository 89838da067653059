/* rxfer check: whose configuration is this? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/conf_scan.h"
#include "common/file.h"
#include "ctl/check.h"

#include <stdio.h>
#include <stdlib.h>

static void test_words(void **state)
{
	(void)state;
	assert_int_equal(check_kind("listen = { \"tcp://*:7353\" }"), CHECK_MASTER);
	assert_int_equal(check_kind("zone \"master\" { master = \"listen\" } replica \"table\" { key = x }"), CHECK_MASTER);
	assert_int_equal(check_kind("master \"replica\" { } zone \"x\" { table = 1 }"), CHECK_REPLICA);
	assert_int_equal(check_kind("identity = \"\\\"} replica\" table 'replica' { }"), CHECK_REPLICA);
	assert_int_equal(check_kind("masters \"a\" { } listening = 1"), CHECK_UNCLEAR);
	assert_int_equal(check_kind("a_very_long_word_that_begins_like_listen = 1"), CHECK_UNCLEAR);
	assert_int_equal(check_kind("identity = \"/x\" zone \"listen\" { listen = 1 }"), CHECK_UNCLEAR);
	assert_int_equal(check_kind("listen = { \"x\" } table \"x\" { }"), CHECK_UNCLEAR);
	assert_int_equal(check_kind(""), CHECK_UNCLEAR);
	assert_int_equal(check_kind("\"open"), CHECK_UNCLEAR);
	assert_int_equal(check_kind("'\\"), CHECK_UNCLEAR);
}

static enum check_kind kind_of_example(const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[512];
	struct buf text = { 0 };
	struct conf_scan scan;
	struct why why = { "" };

	snprintf(path, sizeof path, "%s/examples/%s", srcdir != NULL ? srcdir : ".", name);
	if (file_read(path, 1 << 20, &text, &why) != RC_OK ||
	    conf_scan(path, buf_text(&text), text.length, &scan, &why) != RC_OK)
		fail_msg("%s", why.text);
	enum check_kind kind = check_kind(scan.text);
	conf_scan_free(&scan);
	buf_free(&text);
	return kind;
}

static void test_examples(void **state)
{
	(void)state;
	assert_int_equal(kind_of_example("master.conf"), CHECK_MASTER);
	assert_int_equal(kind_of_example("replica.conf"), CHECK_REPLICA);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_words), cmocka_unit_test(test_examples) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
