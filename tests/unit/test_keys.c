/* test_keys.c: what a map's key means as records: qualified, filtered, counted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t hash_key[RECORD_HASH_KEY_BYTES] = {9};
static const char *const two[] = {"example.com", "example.org"};
static const char *const one[] = {"example.org"};
static const char *const none_of[] = {"@example.org", "root@example.com"};      /* sorted */

static const struct keys_filter everything = {.smtputf8 = true};

struct bench {
	struct keys_rule rule;
	struct reading *reading;
	struct keys_tally tally;
};

static struct bench begin(struct keys_rule rule)
{
	if (!rule.filter)
		rule.filter = &everything;
	return (struct bench){.rule = rule, .reading = reading_new(hash_key)};
}

static enum rc put(struct bench *bench, const char *key)
{
	struct why why;
	return keys_add(&bench->rule, key, strlen(key), bench->reading, &bench->tally, &why);
}

static bool has(const struct bench *bench, enum record_type type, const char *text)
{
	struct record record = record_make(type, text, strlen(text)), found;
	struct fingerprint print = record_fingerprint(hash_key, &record);
	return reading_find(bench->reading, &print, &found);
}

/* Seals, and compares with all the recipients and domains that there should be; frees. */
static void assert_holds(struct bench *bench, const char *const *recipients, const char *const *domains)
{
	uint64_t count = 0;
	reading_seal(bench->reading);
	for (; recipients[count]; count++)
		if (!has(bench, RECORD_RCPT, recipients[count]))
			fail_msg("%s is missing", recipients[count]);
	assert_int_equal(reading_count(bench->reading, RECORD_RCPT), count);
	for (count = 0; domains[count]; count++)
		if (!has(bench, RECORD_DOMAIN, domains[count]))
			fail_msg("domain %s is missing", domains[count]);
	assert_int_equal(reading_count(bench->reading, RECORD_DOMAIN), count);
	reading_free(&bench->reading);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NOTHING ((const char *const[]){NULL})

static void addresses_and_catchalls_are_folded_and_give_their_domain(void **state)
{
	(void)state;
	struct bench bench = begin((struct keys_rule){0});
	assert_int_equal(put(&bench, "Alice@Example.COM"), RC_OK);
	assert_int_equal(put(&bench, "@example.ORG"), RC_OK);
	assert_int_equal(put(&bench, "stra\xc3\x9f" "e@example.com"), RC_OK);
	assert_int_equal(put(&bench, "a b@example.com"), RC_OK);
	assert_int_equal(bench.tally.keys, 4);
	assert_holds(&bench, LIST("alice@example.com", "@example.org", "strasse@example.com", "\"a b\"@example.com"),
	             LIST("example.com", "example.org"));
}

static void bare_keys_are_qualified_with_each_domain_or_counted(void **state)
{
	(void)state;
	struct bench bench = begin((struct keys_rule){.domains = two, .domain_count = 2});
	assert_int_equal(put(&bench, "Root"), RC_OK);
	assert_holds(&bench, LIST("root@example.com", "root@example.org"), LIST("example.com", "example.org"));
	bench = begin((struct keys_rule){0});
	assert_int_equal(put(&bench, "root"), RC_OK);
	assert_int_equal(bench.tally.unqualified, 1);
	assert_holds(&bench, NOTHING, NOTHING);
}

static void the_zone_lets_through_what_it_wants(void **state)
{
	(void)state;
	const struct keys_filter filter = {.domains = two, .domain_count = 2, .exclude = none_of, .exclude_count = 2,
	                                   .smtputf8 = true};
	struct bench bench = begin((struct keys_rule){.filter = &filter});
	assert_int_equal(put(&bench, "root@example.com"), RC_OK);
	assert_int_equal(put(&bench, "@example.org"), RC_OK);
	assert_int_equal(put(&bench, "a@example.net"), RC_OK);
	assert_int_equal(put(&bench, "a@sub.example.com"), RC_OK);
	assert_int_equal(put(&bench, "a@example.com"), RC_OK);
	assert_int_equal(bench.tally.filtered, 4);
	assert_holds(&bench, LIST("a@example.com"), LIST("example.com"));
}

/* More of them than are looked through one by one, given in any order. */
static void long_lists_are_searched(void **state)
{
	(void)state;
	enum { COUNT = 1000 };
	static char keys[COUNT][64];
	const char *list[COUNT];
	for (int i = 0; i < COUNT; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "a@d%d.example", (i * 7919) % COUNT);
		list[i] = keys[i] + 2;
	}
	keys_sort(list, COUNT);
	const struct keys_filter filter = {.domains = list, .domain_count = COUNT, .smtputf8 = true};
	struct keys_rule rule = {.filter = &filter};
	keys_check(&rule);
	struct bench bench = begin(rule);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(put(&bench, keys[i]), RC_OK);
	assert_int_equal(put(&bench, "a@d1000.example"), RC_OK);
	assert_int_equal(bench.tally.filtered, 1);
	reading_seal(bench.reading);
	assert_int_equal(reading_count(bench.reading, RECORD_RCPT), COUNT);
	reading_free(&bench.reading);
}

static void what_is_no_address_is_counted_and_refused(void **state)
{
	(void)state;
	struct bench bench = begin((struct keys_rule){.domains = one, .domain_count = 1});
	char longest[ADDRESS_MAX + 2];
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(put(&bench, "user@"), RC_INVALID);
	assert_int_equal(put(&bench, ""), RC_INVALID);
	assert_int_equal(put(&bench, "a\nb@c"), RC_INVALID);
	assert_int_equal(put(&bench, longest), RC_INVALID);
	/* Long enough by itself, too long with its domain: nobody can ask for it. */
	longest[ADDRESS_MAX - 3] = '\0';
	assert_int_equal(put(&bench, longest), RC_OK);
	assert_int_equal(bench.tally.invalid, 5);
	assert_int_equal(bench.tally.keys, 5);
	assert_holds(&bench, NOTHING, NOTHING);
}

static void alias_keys_are_local_parts(void **state)
{
	(void)state;
	struct bench bench = begin((struct keys_rule){.domains = one, .domain_count = 1, .aliases = true});
	assert_int_equal(put(&bench, "root"), RC_OK);
	assert_int_equal(put(&bench, "two words"), RC_OK);
	assert_int_equal(put(&bench, "\"from 3.12\""), RC_OK);
	assert_int_equal(put(&bench, "\"half"), RC_OK);
	assert_int_equal(put(&bench, "@"), RC_OK);
	assert_int_equal(put(&bench, "YP_LAST_MODIFIED"), RC_OK);
	assert_int_equal(put(&bench, "yp_alias"), RC_OK);
	assert_int_equal(bench.tally.keys, 5);
	assert_holds(&bench,
	             LIST("root@example.org", "\"two words\"@example.org", "\"from 3.12\"@example.org",
	                  "\"\\\"half\"@example.org", "yp_alias@example.org"),
	             LIST("example.org"));
}

/* smtpd finds them in alias_maps both ways. */
static void alias_keys_with_an_at_count_twice(void **state)
{
	(void)state;
	struct bench bench = begin((struct keys_rule){.domains = one, .domain_count = 1, .aliases = true});
	assert_int_equal(put(&bench, "@example.org"), RC_OK);
	assert_int_equal(put(&bench, "x@example.org"), RC_OK);
	assert_int_equal(put(&bench, "y@example.net"), RC_OK);
	assert_holds(&bench,
	             LIST("@example.org", "\"@example.org\"@example.org", "x@example.org", "\"x@example.org\"@example.org",
	                  "\"y@example.net\"@example.org"),
	             LIST("example.org"));
}

static void the_class_of_aliases_has_three_names_more(void **state)
{
	(void)state;
	struct bench bench = begin((struct keys_rule){.domains = one, .domain_count = 1, .aliases = true});
	assert_int_equal(keys_always(&bench.rule, bench.reading, NULL), RC_OK);
	assert_holds(&bench, LIST("postmaster@example.org", "mailer-daemon@example.org", "double-bounce@example.org"),
	             LIST("example.org"));
	bench = begin((struct keys_rule){.domains = one, .domain_count = 1});
	assert_int_equal(keys_always(&bench.rule, bench.reading, NULL), RC_OK);
	assert_holds(&bench, NOTHING, NOTHING);
}

static void the_first_keys_of_a_kind_are_kept_for_people(void **state)
{
	(void)state;
	struct bench bench = begin((struct keys_rule){0});
	char name[8], longest[KEYS_SHOWN_MAX + 3];
	for (int i = 0; i < 10; i++) {
		(void)snprintf(name, sizeof(name), "user%d", i);
		assert_int_equal(put(&bench, name), RC_OK);
	}
	assert_int_equal(bench.tally.unqualified, 10);
	assert_string_equal(bench.tally.unqualified_shown.text[0], "user0");
	assert_string_equal(bench.tally.unqualified_shown.text[KEYS_SHOWN - 1], "user2");
	/* Clean, and cut; one that just fits isn't. */
	struct why why;
	assert_int_equal(keys_add(&bench.rule, "x\0\033[2J@", 7, bench.reading, &bench.tally, &why), RC_INVALID);
	memset(longest, 'l', sizeof(longest));
	longest[KEYS_SHOWN_MAX - 2] = '@';
	longest[KEYS_SHOWN_MAX - 1] = '\0';
	assert_int_equal(put(&bench, longest), RC_INVALID);
	longest[KEYS_SHOWN_MAX - 1] = '@';
	longest[KEYS_SHOWN_MAX] = '\0';
	assert_int_equal(put(&bench, longest), RC_INVALID);
	assert_int_equal(bench.tally.invalid, 3);
	assert_string_equal(bench.tally.invalid_shown.text[0], "x??[2J@");
	assert_int_equal(strlen(bench.tally.invalid_shown.text[1]), KEYS_SHOWN_MAX - 1);
	assert_null(strstr(bench.tally.invalid_shown.text[1], "..."));
	assert_int_equal(strlen(bench.tally.invalid_shown.text[2]), KEYS_SHOWN_MAX - 1);
	assert_string_equal(bench.tally.invalid_shown.text[2] + KEYS_SHOWN_MAX - 4, "...");
	reading_free(&bench.reading);
}

static void what_is_not_folded_never_hits(void **state)
{
	(void)state;
	struct bench bench = begin((struct keys_rule){.exact = true});
	assert_int_equal(put(&bench, "a@example.org"), RC_OK);
	assert_int_equal(put(&bench, "stra\303\237e@example.org"), RC_INVALID);
	assert_int_equal(put(&bench, "B@example.org"), RC_INVALID);
	assert_int_equal(bench.tally.invalid, 2);
	assert_holds(&bench, (const char *const[]){"a@example.org", NULL}, (const char *const[]){"example.org", NULL});
	bench = begin((struct keys_rule){.exact = true, .aliases = true, .domains = one, .domain_count = 1});
	assert_int_equal(put(&bench, "a"), RC_OK);
	assert_int_equal(put(&bench, "x y"), RC_OK);
	assert_int_equal(put(&bench, "stra\303\237e"), RC_INVALID);
	assert_holds(&bench, (const char *const[]){"a@example.org", "\"x y\"@example.org", NULL},
	             (const char *const[]){"example.org", NULL});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_keys_of_a_kind_are_kept_for_people),
		cmocka_unit_test(addresses_and_catchalls_are_folded_and_give_their_domain),
		cmocka_unit_test(bare_keys_are_qualified_with_each_domain_or_counted),
		cmocka_unit_test(the_zone_lets_through_what_it_wants),
		cmocka_unit_test(long_lists_are_searched),
		cmocka_unit_test(what_is_no_address_is_counted_and_refused),
		cmocka_unit_test(alias_keys_are_local_parts),
		cmocka_unit_test(alias_keys_with_an_at_count_twice),
		cmocka_unit_test(the_class_of_aliases_has_three_names_more),
		cmocka_unit_test(what_is_not_folded_never_hits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
