/* Addresses: each line of the table is a key as a map holds it, and what Postfix's smtpd would ask for. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/address.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *key;
	bool smtputf8;
	const char *text;      /* NULL: refused with rc */
	enum address_kind kind;
	const char *domain;
	enum rc rc;
} table[] = {
	{"User@Example.COM", true, "user@example.com", ADDRESS_FULL, "example.com", RC_OK},
	{"@Example.com", true, "@example.com", ADDRESS_CATCHALL, "example.com", RC_OK},
	{"Root", true, "root", ADDRESS_BARE, "", RC_OK},
	{".example.com", true, ".example.com", ADDRESS_BARE, "", RC_OK},
	{"user+Ext@x.org", true, "user+ext@x.org", ADDRESS_FULL, "x.org", RC_OK},
	{"user@[1.2.3.4]", true, "user@[1.2.3.4]", ADDRESS_FULL, "[1.2.3.4]", RC_OK},
	{"user@x.org.", true, "user@x.org.", ADDRESS_FULL, "x.org.", RC_OK},
	{"o'brien!#$%&*/=?^_`{|}~-@x", true, "o'brien!#$%&*/=?^_`{|}~-@x", ADDRESS_FULL, "x", RC_OK},
	{"joe smith@x", true, "\"joe smith\"@x", ADDRESS_FULL, "x", RC_OK},
	{"a@b@c", true, "\"a@b\"@c", ADDRESS_FULL, "c", RC_OK},
	{"a..b@x", true, "\"a..b\"@x", ADDRESS_FULL, "x", RC_OK},
	{".a@x", true, "\".a\"@x", ADDRESS_FULL, "x", RC_OK},
	{"a.@x", true, "\"a.\"@x", ADDRESS_FULL, "x", RC_OK},
	{"a\\b@x", true, "\"a\\\\b\"@x", ADDRESS_FULL, "x", RC_OK},
	{"a\"b@x", true, "\"a\\\"b\"@x", ADDRESS_FULL, "x", RC_OK},
	{"a(b)<c>[d],;:@x", true, "\"a(b)<c>[d],;:\"@x", ADDRESS_FULL, "x", RC_OK},
	{"\"Joe Smith\"@X", true, "\"joe smith\"@x", ADDRESS_FULL, "x", RC_OK},
	{"\"joe\"@x", true, "\"joe\"@x", ADDRESS_FULL, "x", RC_OK},
	{"\"a@b\"@x", true, "\"a@b\"@x", ADDRESS_FULL, "x", RC_OK},
	{"\"a\\\"@b\"@x", true, "\"a\\\"@b\"@x", ADDRESS_FULL, "x", RC_OK},
	{"\"a@b\"", true, "\"a@b\"", ADDRESS_BARE, "", RC_OK},
	{"\"a\"b@x", true, "\"\\\"a\\\"b\"@x", ADDRESS_FULL, "x", RC_OK},
	/* SMTPUTF8: full case folding */
	{"STRASSE@x", true, "strasse@x", ADDRESS_FULL, "x", RC_OK},
	{"Stra\xc3\x9f" "e@x", true, "strasse@x", ADDRESS_FULL, "x", RC_OK},
	{"\xc3\x84@\xc3\x96.org", true, "\xc3\xa4@\xc3\xb6.org", ADDRESS_FULL, "\xc3\xb6.org", RC_OK},
	{"\xc4\xb0@x", true, "i\xcc\x87@x", ADDRESS_FULL, "x", RC_OK},
	/* and without it: bytes are bytes */
	{"\xc3\x84" "A@x", false, "\xc3\x84" "a@x", ADDRESS_FULL, "x", RC_OK},
	{"\xff@x", false, "\xff@x", ADDRESS_FULL, "x", RC_OK},
	{"\xff@x", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"\xc3@x", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"\xed\xa0\x80@x", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"user@", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"@", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"\"@x", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"\"a\\\"@x", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"\"a\"@b@c", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"a@b c", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"a\tb@x", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"a@x\n", true, NULL, ADDRESS_FULL, "", RC_INVALID},
	{"a\x7f@x", true, NULL, ADDRESS_FULL, "", RC_INVALID},
};

static void parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct address address = {.at = 7777};
		struct why why = {""};
		enum rc rc = address_parse(table[i].key, strlen(table[i].key), table[i].smtputf8, &address, &why);
		if (table[i].text == NULL) {
			assert_int_equal(rc, table[i].rc);
			assert_int_equal(address.at, 7777);
			assert_true(why.text[0] != '\0');
			continue;
		}
		assert_int_equal(rc, RC_OK);
		assert_string_equal(address.text, table[i].text);
		assert_int_equal(address.length, strlen(table[i].text));
		assert_int_equal(address.kind, table[i].kind);
		assert_string_equal(address_domain(&address), table[i].domain);
		/* What has been normalised stays as it is. */
		struct address again;
		assert_int_equal(address_parse(address.text, address.length, table[i].smtputf8, &again, NULL), RC_OK);
		assert_string_equal(again.text, address.text);
		assert_int_equal(again.at, address.at);
	}
	struct address address;
	assert_int_equal(address_parse("a\0b@x", 5, true, &address, NULL), RC_INVALID);
}

static enum rc parse_repeated(const char *piece, size_t times, const char *end)
{
	char *key = calloc(1, strlen(piece) * times + strlen(end) + 1);
	for (size_t i = 0; i < times; i++)
		strcat(key, piece);
	strcat(key, end);
	struct address address;
	enum rc rc = address_parse(key, strlen(key), true, &address, NULL);
	if (rc == RC_OK)
		assert_true(address.length <= ADDRESS_MAX);
	free(key);
	return rc;
}

static void knows_its_limits(void **state)
{
	(void)state;
	assert_int_equal(parse_repeated("a", ADDRESS_MAX - 2, "@x"), RC_OK);
	assert_int_equal(parse_repeated("a", ADDRESS_MAX - 1, "@x"), RC_LIMIT);
	assert_int_equal(parse_repeated("a", ADDRESS_MAX - 4, " @x"), RC_LIMIT);       /* with its quotes */
	assert_int_equal(parse_repeated("a", ADDRESS_MAX - 5, " @x"), RC_OK);
	assert_int_equal(parse_repeated("\\", ADDRESS_MAX - 2, "@x"), RC_LIMIT);
	assert_int_equal(parse_repeated("\xc4\xb0", 332, "@x"), RC_OK);                /* two bytes become three */
	assert_int_equal(parse_repeated("\xc4\xb0", 333, "@x"), RC_LIMIT);
	assert_int_equal(parse_repeated("a", ADDRESS_MAX, ""), RC_OK);
}

static void qualifies(void **state)
{
	(void)state;
	static const char *const cases[][2] = {{"Root", "root@x.org"}, {"joe smith", "\"joe smith\"@x.org"},
	                                       {"\"joe smith\"", "\"joe smith\"@x.org"}, {".a", "\".a\"@x.org"}};
	for (size_t i = 0; i < 4; i++) {
		struct address bare, full;
		assert_int_equal(address_parse(cases[i][0], strlen(cases[i][0]), true, &bare, NULL), RC_OK);
		assert_int_equal(address_qualify(&bare, "x.org", &full, NULL), RC_OK);
		assert_string_equal(full.text, cases[i][1]);
		assert_string_equal(address_domain(&full), "x.org");
		assert_int_equal(full.kind, ADDRESS_FULL);
		assert_int_equal(address_qualify(&bare, "", &full, NULL), RC_INVALID);
		assert_int_equal(address_qualify(&bare, "a@b", &full, NULL), RC_INVALID);
		assert_int_equal(address_qualify(&full, "x.org", &full, NULL), RC_INVALID);
	}
	struct address bare = {.kind = ADDRESS_BARE, .length = ADDRESS_MAX - 1, .at = ADDRESS_MAX - 1};
	memset(bare.text, 'a', ADDRESS_MAX - 1);
	struct address full;
	assert_int_equal(address_qualify(&bare, "x", &full, NULL), RC_LIMIT);
}

static void parses_domains(void **state)
{
	(void)state;
	char out[ADDRESS_MAX + 1] = "untouched";
	assert_int_equal(address_parse_domain(".x", true, out, NULL), RC_INVALID);
	assert_int_equal(address_parse_domain("a@x", true, out, NULL), RC_INVALID);
	assert_int_equal(address_parse_domain("a x", true, out, NULL), RC_INVALID);
	assert_int_equal(address_parse_domain("", true, out, NULL), RC_INVALID);
	assert_string_equal(out, "untouched");
	assert_int_equal(address_parse_domain("Example.ORG", true, out, NULL), RC_OK);
	assert_string_equal(out, "example.org");
	assert_int_equal(address_parse_domain("\xc3\x96.org", true, out, NULL), RC_OK);
	assert_string_equal(out, "\xc3\xb6.org");
}

/* As Postfix has it inside: without quotes; and back, quoted where needed. */
static void local_parts(void **state)
{
	(void)state;
	static const struct { const char *key, *local, *made; } cases[] = {
		{"a@b.c", "a", "a@b.c"}, {"\"a\"@b.c", "a", "a@b.c"}, {"\"a b\"@b.c", "a b", "\"a b\"@b.c"},
		{"a b@b.c", "a b", "\"a b\"@b.c"}, {"\"a\\\"b\\\\c\"@b.c", "a\"b\\c", "\"a\\\"b\\\\c\"@b.c"},
		{"\"x\\y\"@b.c", "xy", "xy@b.c"}, {"@b.c", "", "\"\"@b.c"}, {"\"\"@b.c", "", "\"\"@b.c"},
		{"\"\\\"a\\\"\"@b.c", "\"a\"", "\"\\\"a\\\"\"@b.c"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct address address, made;
		char local[ADDRESS_MAX + 1];
		assert_int_equal(address_parse(cases[i].key, strlen(cases[i].key), true, &address, NULL), RC_OK);
		size_t length = address_local(&address, local);
		assert_string_equal(local, cases[i].local);
		assert_int_equal(length, strlen(local));
		assert_int_equal(address_make(local, length, address_domain(&address), &made, NULL), RC_OK);
		assert_string_equal(made.text, cases[i].made);
		assert_int_equal(made.kind, ADDRESS_FULL);
		assert_string_equal(address_domain(&made), "b.c");
	}
	struct address made = {.text = "untouched"};
	struct why why;
	char local[ADDRESS_MAX + 2];
	memset(local, '"', sizeof local);
	assert_int_equal(address_make(local, ADDRESS_MAX + 1, "b.c", &made, &why), RC_LIMIT);
	assert_int_equal(address_make(local, ADDRESS_MAX / 2, "b.c", &made, &why), RC_LIMIT);
	assert_string_equal(made.text, "untouched");
	assert_int_equal(address_make(local, ADDRESS_MAX / 2 - 3, "b.c", &made, &why), RC_OK);
	assert_int_equal(made.length, ADDRESS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(knows_its_limits),
		cmocka_unit_test(qualifies),
		cmocka_unit_test(parses_domains),
		cmocka_unit_test(local_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
