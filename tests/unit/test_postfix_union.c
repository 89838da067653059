/* test_postfix_union.c: what a unionmap answers: the answers of its members, in their order. As postmap -q has it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/buf.h"
#include "master/postfix_union.h"

#include <string.h>

static void add(struct postfix_union *answers, const char *key, const char *value)
{
	postfix_union_add(answers, key, value, strlen(value));
}

static void collect(void *context, const char *key, const char *value)
{
	buf_printf(context, "%s=%s\n", key ? key : "*", value);
}

static void assert_answers(struct postfix_union *answers, const char *expected)
{
	struct buf text = {0};
	postfix_union_each(answers, collect, &text);
	assert_string_equal(buf_text(&text), expected);
	buf_free(&text);
	postfix_union_free(answers);
}

static void answers_are_joined_in_the_order_of_the_members(void **state)
{
	(void)state;
	struct postfix_union answers = {0};
	assert_answers(&answers, "");
	add(&answers, "b", "2");
	add(&answers, "a", "1");
	add(&answers, "b", "0");
	add(&answers, "c", "");
	add(&answers, "c", "3");
	assert_answers(&answers, "a=1\nb=2,0\nc=3\n");
}

static void what_answers_everything_stands_where_it_is(void **state)
{
	(void)state;
	struct postfix_union answers = {0};
	add(&answers, "a", "1");
	add(&answers, "b", "1");
	add(&answers, NULL, "all");
	add(&answers, "b", "2");
	add(&answers, NULL, "too");
	add(&answers, "c", "3");
	assert_answers(&answers, "a=1,all,too\nb=1,all,2,too\nc=all,too,3\n*=all,too\n");
	add(&answers, NULL, "alone");
	assert_answers(&answers, "*=alone\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_joined_in_the_order_of_the_members),
		cmocka_unit_test(what_answers_everything_stands_where_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
