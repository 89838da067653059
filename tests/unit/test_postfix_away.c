/* test_postfix_away.c: which addresses transports and relocations take away. The look-ups are those of transport(5) and
 * relocated(5). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/mem.h"
#include "master/postfix_away.h"

#include <string.h>

static struct postfix_away away;

static bool takes(const char *text, enum postfix_class class)
{
	struct address address;
	assert_int_equal(address_parse(text, strlen(text), true, &address, NULL), RC_OK);
	return postfix_away_takes(&away, &address, class);
}

static int clean(void **state)
{
	(void)state;
	postfix_away_free(&away);
	away = (struct postfix_away){.split = {.delimiters = "+"}};
	return 0;
}

static void the_address_then_without_extension_then_its_domains(void **state)
{
	(void)state;
	postfix_away_add(&away.transport, "u@a.example", POSTFIX_AWAY);
	postfix_away_add(&away.transport, "u+keep@a.example", POSTFIX_KEPT);
	postfix_away_add(&away.transport, "b.example", POSTFIX_AWAY);
	postfix_away_add(&away.transport, ".c.example", POSTFIX_AWAY);
	postfix_away_add(&away.transport, "ok.c.example", POSTFIX_KEPT);
	postfix_away_seal(&away);
	assert_true(takes("u@a.example", POSTFIX_MAILBOX));
	assert_true(takes("u+x@a.example", POSTFIX_MAILBOX));
	assert_false(takes("u+keep@a.example", POSTFIX_MAILBOX));
	assert_false(takes("v@a.example", POSTFIX_MAILBOX));
	assert_true(takes("v@b.example", POSTFIX_RELAY));
	assert_true(takes("@b.example", POSTFIX_RELAY));
	assert_false(takes("v@x.b.example", POSTFIX_RELAY));
	assert_false(takes("v@c.example", POSTFIX_RELAY));
	assert_true(takes("v@x.c.example", POSTFIX_RELAY));
	assert_true(takes("v@y.x.c.example", POSTFIX_RELAY));
	assert_false(takes("v@ok.c.example", POSTFIX_RELAY));
	away.parents = true;
	assert_true(takes("v@x.b.example", POSTFIX_RELAY));
	assert_false(takes("v@x.c.example", POSTFIX_RELAY));
}

static void the_star_and_the_class_come_last(void **state)
{
	(void)state;
	away.gone = POSTFIX_BIT(POSTFIX_LOCAL);
	assert_true(takes("u@a.example", POSTFIX_LOCAL));
	assert_false(takes("u@a.example", POSTFIX_RELAY));
	postfix_away_add(&away.transport, "*", POSTFIX_KEPT);
	postfix_away_seal(&away);
	assert_false(takes("u@a.example", POSTFIX_LOCAL));
}

static void a_null_transport_leaves_it_to_the_class(void **state)
{
	(void)state;
	away.gone = POSTFIX_BIT(POSTFIX_LOCAL);
	postfix_away_add(&away.transport, "*", POSTFIX_AWAY);
	postfix_away_add(&away.transport, "a.example", POSTFIX_OWN);
	postfix_away_seal(&away);
	assert_true(takes("u@a.example", POSTFIX_LOCAL));
	assert_false(takes("u@a.example", POSTFIX_RELAY));
	assert_true(takes("u@b.example", POSTFIX_RELAY));
}

static void virtual_alias_domains_have_no_transport(void **state)
{
	(void)state;
	postfix_away_add(&away.transport, "*", POSTFIX_AWAY);
	postfix_away_add(&away.moved, "m@a.example", POSTFIX_AWAY);
	postfix_away_seal(&away);
	assert_false(takes("u@a.example", POSTFIX_ALIAS));
	assert_true(takes("m@a.example", POSTFIX_ALIAS));
	assert_true(takes("u@a.example", POSTFIX_RELAY));
}

static void relocated(void **state)
{
	(void)state;
	postfix_away_add(&away.moved, "u@a.example", POSTFIX_AWAY);
	postfix_away_add(&away.moved, "bare", POSTFIX_AWAY);
	postfix_away_add(&away.moved, "@b.example", POSTFIX_AWAY);
	postfix_away_seal(&away);
	assert_true(takes("u+x@a.example", POSTFIX_RELAY));
	assert_true(takes("bare@a.example", POSTFIX_LOCAL));
	assert_true(takes("bare+x@a.example", POSTFIX_LOCAL));
	assert_false(takes("bare@a.example", POSTFIX_RELAY));
	away.origin = mem_strdup("a.example");
	assert_true(takes("bare@a.example", POSTFIX_RELAY));
	assert_false(takes("bare@b.c.example", POSTFIX_RELAY));
	assert_true(takes("any@b.example", POSTFIX_RELAY));
	assert_true(takes("@b.example", POSTFIX_RELAY));
	assert_false(takes("@a.example", POSTFIX_RELAY));
	postfix_away_add(&away.moved, POSTFIX_AWAY_EVERYBODY, POSTFIX_AWAY);
	postfix_away_seal(&away);
	assert_true(takes("@a.example", POSTFIX_ALIAS));
}

static void the_first_of_doubles_stands(void **state)
{
	(void)state;
	for (int i = 0; i < 9; i++)
		postfix_away_add(&away.transport, i % 2 ? "x@a.example" : "y@a.example",
		                 i == 1 ? POSTFIX_KEPT : POSTFIX_AWAY);
	postfix_away_seal(&away);
	assert_int_equal(away.transport.count, 2);
	assert_false(takes("x@a.example", POSTFIX_RELAY));
	assert_true(takes("y@a.example", POSTFIX_RELAY));
}

static void extensions(void **state)
{
	(void)state;
	static const struct { const char *local, *delimiters; bool lists; size_t length; } cases[] = {
		{"a+b", "+", false, 1}, {"a+b", "", false, 3}, {"a-b+c", "+-", false, 1}, {"+a", "+", false, 2}, {"a+", "+", false, 1},
		{"postmaster", "o", false, 10}, {"postmaster+x", "+", false, 10}, {"owner-x", "-", false, 7},
		{"x-request", "-", false, 9}, {"x-requests", "-", false, 1}, {"double-bounce", "-", false, 13},
		{"owner-x", "-", true, 5}, {"x-request", "-", true, 1}, {"mailer-daemon", "-", true, 13},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct postfix_split split = {.lists = cases[i].lists};
		strcpy(split.delimiters, cases[i].delimiters);
		assert_int_equal(postfix_away_strip(cases[i].local, strlen(cases[i].local), &split), cases[i].length);
	}
	assert_int_equal(postfix_away_strip("a+b", 3, &(struct postfix_split){0}), 3);
}

static void letters_as_delimiters(void **state)
{
	(void)state;
	static const struct { const char *given, *smtpd, *rewrite; } cases[] = {
		{"+-+", "+-", "+-"}, {"", "", ""}, {"X", "", ""}, {"x", "x", ""}, {"+X", "+", ""}, {"+x", "+x", ""},
		{"\303\274", "\303\274", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_string_equal(postfix_split_of_smtpd(cases[i].given, true).delimiters, cases[i].smtpd);
		assert_string_equal(postfix_split_of_rewrite(cases[i].given, true).delimiters, cases[i].rewrite);
	}
}

static bool agrees(const char *smtpd, bool smtpd_special, const char *rewrite, bool rewrite_special, const char *local)
{
	struct postfix_split a = postfix_split_of_smtpd(smtpd, smtpd_special);
	struct postfix_split b = postfix_split_of_rewrite(rewrite, rewrite_special);
	return postfix_split_agrees(&a, &b, local, strlen(local));
}

static void two_ways_of_splitting(void **state)
{
	(void)state;
	assert_true(agrees("+-", true, "-+", true, "u"));
	assert_true(agrees("", true, "+", true, "u+x"));
	assert_true(agrees("+", true, "+=", true, "u"));
	/* u+x is u to one of them, and u=a+x is another's u=a and the other's u. */
	assert_false(agrees("+-", true, "+", true, "u"));
	assert_false(agrees("+", true, "+=", true, "u=a"));
	/* u+x-request, owner-u+x: whole to who spares lists. */
	assert_false(agrees("+", true, "+-", true, "u"));
	assert_true(agrees("+", true, "+-", false, "u"));
	assert_true(agrees("+", true, "+", false, "u"));
	assert_false(agrees("-", false, "-", true, "u"));
	assert_true(agrees("-", true, "-", false, "u"));
	assert_true(agrees("-", true, "-", true, "u"));
	assert_false(agrees("x", true, "x", true, "u"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_address_then_without_extension_then_its_domains, clean, clean),
		cmocka_unit_test_setup_teardown(the_star_and_the_class_come_last, clean, clean),
		cmocka_unit_test_setup_teardown(a_null_transport_leaves_it_to_the_class, clean, clean),
		cmocka_unit_test_setup_teardown(virtual_alias_domains_have_no_transport, clean, clean),
		cmocka_unit_test_setup_teardown(relocated, clean, clean),
		cmocka_unit_test_setup_teardown(the_first_of_doubles_stands, clean, clean),
		cmocka_unit_test(extensions),
		cmocka_unit_test(letters_as_delimiters),
		cmocka_unit_test(two_ways_of_splitting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
