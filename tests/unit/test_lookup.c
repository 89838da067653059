/* Which keys a backup's smtpd asks for. What stands here was seen of Postfix 3.7: tests/system/test_explain.py compares
 * again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mem.h"
#include "postfix/lookup.h"

#include <stdlib.h>
#include <string.h>

static struct lookup_rules rules_of(const char *delimiter, const char *owner_special, const char *smtputf8)
{
	static const char *const names[] = {"recipient_delimiter", "owner_request_special", "smtputf8_enable"};
	const char *const values[] = {delimiter, owner_special, smtputf8};
	struct lookup_rules rules = lookup_rules_default();
	for (size_t i = 0; i < 3; i++) {
		if (!values[i])
			continue;
		struct record param = record_make(RECORD_PARAM, names[i], strlen(names[i]));
		param.value = values[i];
		param.value_length = (uint16_t)strlen(values[i]);
		assert_true(lookup_rules_take(&rules, &param));
	}
	return rules;
}

/* The keys, separated by blanks; or the sentence. */
static char *ask(const char *address, const struct lookup_rules *rules)
{
	struct lookup lookup;
	struct why why;
	struct buf out = {0};
	if (lookup_parse(address, strlen(address), rules, &lookup, &why) != RC_OK)
		return mem_sprintf("! %s", why.text);
	for (size_t i = 0; i < lookup.count; i++) {
		assert_int_equal(lookup.keys[i].length, strlen(lookup.keys[i].text));
		buf_printf(&out, "%s%s", i > 0 ? " " : "", lookup.keys[i].text);
	}
	assert_int_equal(lookup.keys[lookup.count - 1].kind, ADDRESS_CATCHALL);
	assert_string_equal(lookup_domain(&lookup), lookup.keys[lookup.count - 1].text + 1);
	char *text = mem_strdup(buf_text(&out));
	buf_free(&out);
	return text;
}

struct one {
	const char *address, *keys;
};

static void check(const struct lookup_rules *rules, const struct one *ones, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *keys = ask(ones[i].address, rules);
		if (strcmp(keys, ones[i].keys) != 0)
			fail_msg("%s: wanted %s, got %s", ones[i].address, ones[i].keys, keys);
		free(keys);
	}
}
#define CHECK(rules, ones) check(rules, ones, sizeof ones / sizeof *ones)

static void the_address_then_without_extension_then_the_domain(void **state)
{
	(void)state;
	static const struct one ones[] = {
		{"alice@example.com", "alice@example.com @example.com"},
		{"Alice+X@Example.COM", "alice+x@example.com alice@example.com @example.com"},
		{"alice+@example.com", "alice+@example.com alice@example.com @example.com"},
		{"+x@example.com", "+x@example.com @example.com"},
		{"+@example.com", "+@example.com @example.com"},
		{"a+b+c@example.com", "a+b+c@example.com a@example.com @example.com"},
		{"a-b+c@example.com", "a-b+c@example.com a-b@example.com @example.com"},
		{"alice@a.example.com", "alice@a.example.com @a.example.com"},
		{"alice@example.com.", "alice@example.com @example.com"},
		{"alice@example.com..", "alice@example.com.. @example.com.."},
		{"alice@[192.0.2.1]", "alice@[192.0.2.1] @[192.0.2.1]"},
		{"@example.com", "\"\"@example.com @example.com"},
		{"\"\"@example.com", "\"\"@example.com @example.com"},
	};
	const struct lookup_rules rules = rules_of("+", NULL, NULL);
	CHECK(&rules, ones);
}

static void no_delimiter_no_extension(void **state)
{
	(void)state;
	static const struct one ones[] = {{"alice+x@example.com", "alice+x@example.com @example.com"}};
	struct lookup_rules rules = lookup_rules_default();
	CHECK(&rules, ones);
	rules = rules_of("+", NULL, NULL);
	const struct lookup_rules none = rules_of("", NULL, NULL);
	CHECK(&none, ones);
	struct record param = record_make(RECORD_PARAM, "recipient_delimiter", 19);
	assert_true(lookup_rules_take(&rules, &param));      /* an empty value takes the old one back */
	CHECK(&rules, ones);
}

static void any_of_several_delimiters_cuts_at_the_first(void **state)
{
	(void)state;
	static const struct one ones[] = {
		{"a-b+c@example.com", "a-b+c@example.com a@example.com @example.com"},
		{"a+b-c@example.com", "a+b-c@example.com a@example.com @example.com"},
		{"-a+b@example.com", "-a+b@example.com @example.com"},
	};
	const struct lookup_rules rules = rules_of("+-", NULL, NULL);
	CHECK(&rules, ones);
}

static void a_capital_letter_never_cuts(void **state)
{
	(void)state;
	static const struct one ones[] = {
		{"aliceX1@example.com", "alicex1@example.com @example.com"},
		{"alicex1@example.com", "alicex1@example.com @example.com"},
	};
	static const struct one small[] = {{"aliceX1@example.com", "alicex1@example.com alice@example.com @example.com"}};
	struct lookup_rules rules = rules_of("X", NULL, NULL);
	CHECK(&rules, ones);
	rules = rules_of("x", NULL, NULL);
	CHECK(&rules, small);
}

static void some_names_are_never_cut(void **state)
{
	(void)state;
	static const struct one ones[] = {
		{"Postmaster@example.com", "postmaster@example.com @example.com"},
		{"mailer-daemon@example.com", "mailer-daemon@example.com @example.com"},
		{"double-bounce@example.com", "double-bounce@example.com @example.com"},
		{"double-bounce-x@example.com", "double-bounce-x@example.com double@example.com @example.com"},
		{"postmaster-x@example.com", "postmaster-x@example.com postmaster@example.com @example.com"},
		{"owner-list@example.com", "owner-list@example.com @example.com"},
		{"Owner-@example.com", "owner-@example.com @example.com"},
		{"owner@example.com", "owner@example.com @example.com"},
		{"list-request@example.com", "list-request@example.com @example.com"},
		{"a-b-request@example.com", "a-b-request@example.com @example.com"},
		{"list-requests@example.com", "list-requests@example.com list@example.com @example.com"},
		{"-request@example.com", "-request@example.com @example.com"},
	};
	static const struct one plain[] = {
		{"owner-list@example.com", "owner-list@example.com owner@example.com @example.com"},
		{"list-request@example.com", "list-request@example.com list@example.com @example.com"},
		{"mailer-daemon@example.com", "mailer-daemon@example.com @example.com"},
	};
	static const struct one letters[] = {
		{"postmaster@example.com", "postmaster@example.com @example.com"},
		{"owner-x+list@example.com", "owner-x+list@example.com owner-x@example.com @example.com"},
	};
	struct lookup_rules rules = rules_of("-", "yes", NULL);
	CHECK(&rules, ones);
	rules = rules_of("-", "no", NULL);
	CHECK(&rules, plain);
	rules = rules_of("t+", "yes", NULL);
	check(&rules, letters, 1);
	rules = rules_of("+", "yes", NULL);
	check(&rules, letters + 1, 1);
}

static void it_is_cut_without_its_quotes(void **state)
{
	(void)state;
	static const struct one ones[] = {
		{"\"alice\"@example.com", "alice@example.com @example.com"},
		{"\"a\\b\"@example.com", "ab@example.com @example.com"},
		{"\"a b\"@example.com", "\"a b\"@example.com @example.com"},
		{"a b@example.com", "\"a b\"@example.com @example.com"},
		{"\"a+b c\"@example.com", "\"a+b c\"@example.com a@example.com @example.com"},
		{"\"a b+c\"@example.com", "\"a b+c\"@example.com \"a b\"@example.com @example.com"},
		{"\"+x\"@example.com", "+x@example.com @example.com"},
		{"a.+x@example.com", "a.+x@example.com \"a.\"@example.com @example.com"},
		{"a..b@example.com", "\"a..b\"@example.com @example.com"},
		{"\"a\\\"b\"@example.com", "\"a\\\"b\"@example.com @example.com"},
		{"\"a\\\\b\"@example.com", "\"a\\\\b\"@example.com @example.com"},
		/* Without the outer quotes it's another recipient's key. */
		{"\"\\\"a b\\\"\"@example.com", "\"\\\"a b\\\"\"@example.com \"a b\"@example.com @example.com"},
		{"\"\\\"a b\\\"+x\"@example.com",
		 "\"\\\"a b\\\"+x\"@example.com \"\\\"a b\\\"\"@example.com \"a b\"@example.com @example.com"},
	};
	const struct lookup_rules rules = rules_of("+", NULL, NULL);
	CHECK(&rules, ones);
}

static void folded_as_smtputf8_has_it(void **state)
{
	(void)state;
	static const struct one on[] = {
		{"Straße+X@Example.com", "strasse+x@example.com strasse@example.com @example.com"},
		{"STRASSE@example.com", "strasse@example.com @example.com"},
		{"ÄRGER@EXÄMPLE.com", "ärger@exämple.com @exämple.com"},
		{"a\xff@example.com", "! not UTF-8, which smtputf8_enable demands"},
	};
	static const struct one off[] = {
		{"ÄRGER@Example.com", "Ärger@example.com @example.com"},
		{"a\xff@example.com", "a\xff@example.com @example.com"},
	};
	struct lookup_rules rules = rules_of("+", NULL, "yes");
	CHECK(&rules, on);
	rules = rules_of("+", NULL, "no");
	CHECK(&rules, off);
	/* By bytes: ö and ä begin with the same one. */
	static const struct one bytes[] = {{"xö@example.com", "xö@example.com x@example.com @example.com"}};
	rules = rules_of("ä", NULL, "yes");
	CHECK(&rules, bytes);
}

static void what_is_no_address(void **state)
{
	(void)state;
	static const struct one ones[] = {
		{"", "! empty"},
		{"alice", "! it has no domain"},
		{"\"a@example.com\"", "! it has no domain"},
		{"alice@", "! no domain behind the '@'"},
		{"\"alice@example.com", "! an opening quote without a closing one"},
		{"PostMaster", "! it has no domain, and every smtpd accepts postmaster alone without looking it up"},
		{"a\tb@example.com", "! a control character (0x09) at byte 2"},
		{"alice@exam ple.com", "! white space in the domain"},
	};
	const struct lookup_rules rules = rules_of("+", NULL, NULL);
	CHECK(&rules, ones);

	char address[ADDRESS_MAX + 20];
	struct lookup lookup;
	struct why why;
	memset(address, 'x', sizeof address);
	memcpy(address + ADDRESS_MAX - 6, "@a.org", 6);
	assert_int_equal(lookup_parse(address, ADDRESS_MAX, &rules, &lookup, &why), RC_OK);
	assert_int_equal(lookup.keys[0].length, ADDRESS_MAX);
	assert_int_equal(lookup_parse(address, ADDRESS_MAX + 1, &rules, &lookup, &why), RC_LIMIT);
	/* It would have to be quoted without the extension, and is too long then: no zone has such a key. */
	memcpy(address + ADDRESS_MAX - 8, ".+", 2);
	assert_int_equal(lookup_parse(address, ADDRESS_MAX, &rules, &lookup, &why), RC_OK);
	assert_int_equal(lookup.count, 2);
	memcpy(address + ADDRESS_MAX - 9, " ", 1);
	assert_int_equal(lookup_parse(address, ADDRESS_MAX, &rules, &lookup, &why), RC_LIMIT);
}

static void barred(void **state)
{
	(void)state;
	static const struct { const char *address; enum lookup_bar bar; } cases[] = {
		{"a%b@example.com", LOOKUP_ROUTED}, {"a!b@example.com", LOOKUP_ROUTED},
		{"\"a@b\"@example.com", LOOKUP_ROUTED}, {"a@b@example.com", LOOKUP_ROUTED},
		{"\"a%b\"@example.com", LOOKUP_ROUTED}, {"a@b%example.com", LOOKUP_OPEN}, {"alice@example.com", LOOKUP_OPEN},
		{"-a@example.com", LOOKUP_DASHED}, {"\"-a b\"@example.com", LOOKUP_DASHED}, {"a-@example.com", LOOKUP_OPEN},
	};
	const struct lookup_rules rules = lookup_rules_default();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct lookup lookup;
		assert_int_equal(lookup_parse(cases[i].address, strlen(cases[i].address), &rules, &lookup, NULL), RC_OK);
		assert_int_equal(lookup.bar, cases[i].bar);
	}
	struct lookup_rules lenient = rules;
	struct lookup lookup;
	lenient.min_user = true;
	assert_int_equal(lookup_parse("-a@example.com", 14, &lenient, &lookup, NULL), RC_OK);
	assert_int_equal(lookup.bar, LOOKUP_OPEN);
}

static void parameters(void **state)
{
	(void)state;
	struct lookup_rules rules = lookup_rules_default();
	struct record other = record_make(RECORD_PARAM, "mydestination", 13);
	struct record domain = record_make(RECORD_DOMAIN, "recipient_delimiter", 19);
	struct record begin = record_make(RECORD_PARAM, "recipient_delimiters", 20);
	assert_false(lookup_rules_take(&rules, &other));
	assert_false(lookup_rules_take(&rules, &domain));
	assert_false(lookup_rules_take(&rules, &begin));
	assert_true(rules.owner_special);
	assert_true(rules.smtputf8);
	rules = rules_of("+", "no", "no");
	assert_false(rules.owner_special);
	assert_false(rules.smtputf8);
	assert_true(rules.delimits['+']);
	assert_false(rules.delimits['-']);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_address_then_without_extension_then_the_domain),
		cmocka_unit_test(no_delimiter_no_extension),
		cmocka_unit_test(any_of_several_delimiters_cuts_at_the_first),
		cmocka_unit_test(a_capital_letter_never_cuts),
		cmocka_unit_test(some_names_are_never_cut),
		cmocka_unit_test(it_is_cut_without_its_quotes),
		cmocka_unit_test(folded_as_smtputf8_has_it),
		cmocka_unit_test(what_is_no_address),
		cmocka_unit_test(barred),
		cmocka_unit_test(parameters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
