/* test_read_alias.c: alias text, as postalias takes it. The golden inputs were given to postalias 3.7 as well. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/read_fixture.h"

#define INCOMPLETE "passed over: a name, a colon and a value are expected\n"
#define NOT_LOCAL "passed over: the name must be local, without an unquoted '@' or '%'\n"

static void golden_files(void **state)
{
	(void)state;
	assert_golden(read_alias, "alias-plain");
	assert_golden(read_alias, "alias-quotes");
	assert_golden(read_alias, "alias-odd");
}

static void a_name_is_unquoted_and_folded(void **state)
{
	(void)state;
	assert_parsed(read_alias, "\"Big Name\": x\n", true, "1 big name\n");
	assert_parsed(read_alias, "a\\ b: x\n", true, "1 a b\n");
	assert_parsed(read_alias, "\"a\\\"b\\\\\": x\n", true, "1 a\"b\\\n");
	assert_parsed(read_alias, "john . doe: x\n", true, "1 john.doe\n");
	assert_parsed(read_alias, "YP_X: x\n", true, "1 yp_x\n");
}

static void a_colon_counts_outside_quotes_and_comments(void **state)
{
	(void)state;
	assert_parsed(read_alias, "\"a:b\": x\n", true, "1 a:b\n");
	assert_parsed(read_alias, "[a:b]: x\n", true, "1 [a:b]\n");
	assert_parsed(read_alias, "(a:b)c: x\n", true, "1 (a:b) c\n");
	assert_parsed(read_alias, "a\\:b: x\n", true, "1 a:b\n");
	assert_parsed(read_alias, "\"a: x\n", true, "1 " INCOMPLETE);
}

static void only_local_names(void **state)
{
	(void)state;
	assert_parsed(read_alias, "a@b: x\n", true, "1 " NOT_LOCAL);
	assert_parsed(read_alias, "a%b: x\n", true, "1 " NOT_LOCAL);
	assert_parsed(read_alias, "\"a@b\": x\n", true, "1 a@b\n");
	assert_parsed(read_alias, "a: x@y\n", true, "1 a\n");
}

static void values_are_wanted_and_not_read(void **state)
{
	(void)state;
	assert_parsed(read_alias, "a:\n", true, "1 " INCOMPLETE);
	assert_parsed(read_alias, "a:  \n  b\n", true, "1 a\n");
	assert_parsed(read_alias, "a: :include:/x, |\"/bin/y\n", true, "1 a\n");
}

static void nothing_is_read_beyond_the_end(void **state)
{
	(void)state;
	parse_all_prefixes(read_alias, "\"a\\\" b\" (c(\\)d)) [e\\]f] <g h\\ i: x\n\\");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_files),
		cmocka_unit_test(a_name_is_unquoted_and_folded),
		cmocka_unit_test(a_colon_counts_outside_quotes_and_comments),
		cmocka_unit_test(only_local_names),
		cmocka_unit_test(values_are_wanted_and_not_read),
		cmocka_unit_test(nothing_is_read_beyond_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
