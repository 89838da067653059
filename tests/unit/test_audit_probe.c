/* What an audit asks about: all recipients once, in an order by chance that the seed repeats, and neighbours of
 * theirs that are never in a foreign domain, nor of a kind that each Postfix treats in its own way. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/buf.h"
#include "ctl/audit_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct audit_probe *probes(const char *list, uint64_t seed)
{
	struct audit_probe *probe = NULL;
	struct why why = { "" };

	if (audit_probe_new(list, strlen(list), seed, &probe, &why) != RC_OK)
		fail_msg("%s", why.text);
	return probe;
}

static void test_each_once(void **state)
{
	(void)state;
	struct buf list = { 0 };
	unsigned seen[200] = { 0 }, moved = 0;

	for (int i = 0; i < 200; i++)
		buf_printf(&list, "RCPT u%d@example.com\n", i);
	buf_printf(&list, "DOMAIN example.com");
	struct audit_probe *probe = probes(buf_text(&list), 5);
	assert_int_equal(audit_probe_count(probe), 200);
	for (unsigned i = 0; i < 200; i++) {
		enum audit_kind kind;
		char *address = audit_probe_member(probe, i, &kind);
		unsigned number = (unsigned)atoi(address + 1);
		seen[number]++;
		moved += number != i;
		assert_int_equal(kind, AUDIT_PUBLISHED);
		free(address);
	}
	for (int i = 0; i < 200; i++)
		assert_int_equal(seen[i], 1);
	assert_true(moved > 150);
	audit_probe_free(&probe);
	buf_free(&list);
}

static void collect(const char *list, uint64_t seed, struct buf *out)
{
	struct audit_probe *probe = probes(list, seed);

	for (size_t i = 0; i < audit_probe_count(probe); i++) {
		enum audit_kind kind;
		char *address = audit_probe_member(probe, i, &kind);
		char *neighbour = audit_probe_neighbour(probe, i, &kind);
		buf_printf(out, "%s %s\n", address, neighbour != NULL ? neighbour : "-");
		free(address);
		free(neighbour);
	}
	audit_probe_free(&probe);
}

/* The order of the list says nothing, and a record that is new doesn't change what the others get. */
static void test_seed_repeats(void **state)
{
	(void)state;
	struct buf a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };

	collect("RCPT a1@x.com\nRCPT b2@x.com\nRCPT c3@y.com\nDOMAIN x.com\nDOMAIN y.com\n", 7, &a);
	collect("DOMAIN y.com\nRCPT c3@y.com\nRCPT b2@x.com\nDOMAIN x.com\nRCPT a1@x.com\n", 7, &b);
	assert_string_equal(buf_text(&a), buf_text(&b));
	collect("RCPT a1@x.com\nRCPT b2@x.com\nRCPT c3@y.com\nDOMAIN x.com\nDOMAIN y.com\n", 8, &c);
	assert_string_not_equal(buf_text(&a), buf_text(&c));
	collect("RCPT new@x.com\nRCPT a1@x.com\nRCPT b2@x.com\nRCPT c3@y.com\nDOMAIN x.com\nDOMAIN y.com\n", 7, &d);
	for (char *line = strtok((char *)(uintptr_t)buf_text(&a), "\n"); line != NULL; line = strtok(NULL, "\n"))
		assert_non_null(strstr(buf_text(&d), line));
	buf_free(&a);
	buf_free(&b);
	buf_free(&c);
	buf_free(&d);
}

/* All kinds come up, each as it is called. */
static void test_kinds(void **state)
{
	(void)state;
	unsigned seen[AUDIT_KINDS] = { 0 };
	const char *list = "RCPT anna@x.com\nDOMAIN x.com\nDOMAIN y.com\nPARAM recipient_delimiter +-\n";

	for (uint64_t seed = 0; seed < 300; seed++) {
		struct audit_probe *probe = probes(list, seed);
		enum audit_kind kind;
		char *address = audit_probe_neighbour(probe, 0, &kind);
		assert_non_null(address);
		seen[kind]++;
		size_t local = (size_t)(strchr(address, '@') - address);
		assert_string_equal(address + local, kind == AUDIT_ELSEWHERE ? "@y.com" : "@x.com");
		if (kind == AUDIT_CHANGED)
			assert_true(local == 4 && memcmp(address, "anna", 4) != 0);
		if (kind == AUDIT_DROPPED)
			assert_int_equal(local, 3);
		if (kind == AUDIT_ADDED)
			assert_true(local == 5 && memcmp(address, "anna", 4) == 0);
		if (kind == AUDIT_ELSEWHERE)
			assert_memory_equal(address, "anna@", 5);
		if (kind == AUDIT_EXTENSION)
			assert_memory_equal(address, "anna+rxferaudit@", 16);
		if (kind == AUDIT_CASE)
			assert_memory_equal(address, "ANNA@", 5);
		free(address);
		audit_probe_free(&probe);
	}
	for (int kind = AUDIT_CHANGED; kind <= AUDIT_CASE; kind++)
		assert_true(seen[kind] > 10);
}

static void test_quoted_and_utf8(void **state)
{
	(void)state;
	const char *list = "RCPT \"a \\\"b c\"@x.com\nRCPT \xc3\xbc@x.com\nDOMAIN x.com\nDOMAIN y.com\n"
	                   "PARAM recipient_delimiter +\n";

	for (uint64_t seed = 0; seed < 200; seed++) {
		struct audit_probe *probe = probes(list, seed);
		for (size_t i = 0; i < 2; i++) {
			enum audit_kind kind;
			char *member = audit_probe_member(probe, i, &kind);
			char *address = audit_probe_neighbour(probe, i, &kind);
			if (member[0] == '"') {
				const char *end = strrchr(address, '@');
				assert_true(address[0] == '"' && end[-1] == '"');
				assert_non_null(strstr(address, "\\\""));
				if (kind == AUDIT_EXTENSION)
					assert_string_equal(address, "\"a \\\"b c+rxferaudit\"@x.com");
			} else {
				assert_memory_equal(address, "\xc3\xbc", 2);
			}
			free(member);
			free(address);
		}
		audit_probe_free(&probe);
	}
}

static void test_catch_all(void **state)
{
	(void)state;
	struct audit_probe *probe = probes("RCPT @x.com\nDOMAIN x.com\nDOMAIN y.com\n", 3);
	enum audit_kind kind;
	char *address = audit_probe_member(probe, 0, &kind);

	assert_int_equal(kind, AUDIT_CATCH_ALL);
	assert_memory_equal(address, "rxferaudit", 10);
	assert_non_null(strstr(address, "@x.com"));
	free(address);
	address = audit_probe_neighbour(probe, 0, &kind);
	assert_true(strchr(address, '@') - address > 15);
	free(address);
	audit_probe_free(&probe);
}

/* Nothing is made up where the answer would depend on who is asked. */
static void test_never_made(void **state)
{
	(void)state;
	const char *list = "RCPT postmaster@x.com\nRCPT a%b@x.com\nRCPT a!b@x.com\nRCPT \"a@b\"@x.com\nRCPT u@localhost\n"
	                   "RCPT u@[192.0.2.1]\nRCPT u@foreign.com\nRCPT v@gone.com\nDOMAIN x.com\nDOMAIN localhost\n"
	                   "DOMAIN [192.0.2.1]\nDOMAIN .parent.com\nDOMAIN gone.com\nPARAM recipient_delimiter +\n";

	for (uint64_t seed = 0; seed < 100; seed++) {
		struct audit_probe *probe = probes(list, seed);
		audit_probe_foreign(probe, "whoever@gone.com");
		for (size_t i = 0; i < audit_probe_count(probe); i++) {
			enum audit_kind kind;
			char *member = audit_probe_member(probe, i, &kind);
			char *address = audit_probe_neighbour(probe, i, &kind);
			if (member == NULL || strstr(member, "postmaster") == NULL)
				assert_null(address);
			else
				assert_true(kind != AUDIT_EXTENSION && strcmp(strchr(address, '@'), "@x.com") == 0);
			free(member);
			free(address);
		}
		audit_probe_free(&probe);
	}
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct audit_probe *probe = probes("RCPT u@sub.x.com\nRCPT @x.com\nRCPT v@y.com\nRCPT w@sub.y.com\n"
		                                   "DOMAIN x.com\nDOMAIN sub.x.com\nDOMAIN y.com\nDOMAIN sub.y.com\n", seed);
		size_t made = 0;
		for (size_t i = 0; i < audit_probe_count(probe); i++) {
			enum audit_kind kind;
			char *address = audit_probe_neighbour(probe, i, &kind);
			assert_true(address == NULL || strstr(address, "sub.x.com") == NULL);
			made += address != NULL;
			free(address);
		}
		assert_int_equal(made, 3);
		audit_probe_free(&probe);
	}
	struct audit_probe *probe = probes("RCPT u@foreign.com\nDOMAIN x.com\n", 1);
	enum audit_kind kind;
	assert_null(audit_probe_member(probe, 0, &kind));
	audit_probe_free(&probe);
}

static void test_bad_lists(void **state)
{
	(void)state;
	const char *bad[] = { "\n", "RCPT\n", "RCPT \n", "RCPT bare\n", "DOMAIN\n", "nonsense\n" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct audit_probe *probe = NULL;
		struct why why;
		assert_int_equal(audit_probe_new(bad[i], strlen(bad[i]), 1, &probe, &why), RC_INVALID);
		assert_null(probe);
	}
	struct audit_probe *probe = probes("", 1);
	assert_int_equal(audit_probe_count(probe), 0);
	audit_probe_free(&probe);
	probe = probes("BLOCK 192.0.2.1 until\nPARAM recipient_delimiter\nRCPT a b@x.com\n", 1);
	assert_int_equal(audit_probe_count(probe), 1);
	audit_probe_free(&probe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once), cmocka_unit_test(test_seed_repeats), cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_quoted_and_utf8), cmocka_unit_test(test_catch_all), cmocka_unit_test(test_never_made),
		cmocka_unit_test(test_bad_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
