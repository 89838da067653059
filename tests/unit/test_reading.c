/* test_reading.c: records in, a sorted set out, and each record's text found again by its fingerprint. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t key[RECORD_HASH_KEY_BYTES] = {1, 2, 3};

static void add(struct reading *reading, enum record_type type, const char *text)
{
	struct record record = record_make(type, text, strlen(text));
	assert_int_equal(reading_add(reading, &record, NULL), RC_OK);
}

static bool finds(const struct reading *reading, enum record_type type, const char *text)
{
	struct record record = record_make(type, text, strlen(text)), found;
	struct fingerprint print = record_fingerprint(key, &record);
	if (!reading_find(reading, &print, &found))
		return false;
	assert_int_equal(found.type, type);
	assert_int_equal(found.key_length, strlen(text));
	assert_memory_equal(found.key, text, strlen(text));
	assert_int_equal(found.value_length, 0);
	return true;
}

static void duplicates_count_once(void **state)
{
	(void)state;
	struct reading *reading = reading_new(key);
	add(reading, RECORD_RCPT, "a@b");
	add(reading, RECORD_DOMAIN, "b");
	add(reading, RECORD_RCPT, "a@b");
	add(reading, RECORD_RCPT, "b");
	reading_seal(reading);
	assert_int_equal(reading_set(reading)->count, 3);
	assert_int_equal(reading_count(reading, RECORD_RCPT), 2);
	assert_int_equal(reading_count(reading, RECORD_DOMAIN), 1);
	assert_int_equal(reading_count(reading, RECORD_PARAM), 0);
	assert_true(finds(reading, RECORD_RCPT, "a@b"));
	assert_true(finds(reading, RECORD_RCPT, "b"));
	assert_true(finds(reading, RECORD_DOMAIN, "b"));
	assert_false(finds(reading, RECORD_DOMAIN, "a@b"));
	assert_false(finds(reading, RECORD_RCPT, "c@b"));
	reading_free(&reading);
	assert_null(reading);
	reading_free(&reading);
}

static void an_empty_one_has_nothing(void **state)
{
	(void)state;
	struct reading *reading = reading_new(key);
	reading_seal(reading);
	assert_int_equal(reading_set(reading)->count, 0);
	assert_false(finds(reading, RECORD_RCPT, "a@b"));
	reading_free(&reading);
}

static void parameters_keep_their_values(void **state)
{
	(void)state;
	struct reading *reading = reading_new(key);
	struct record record = {.type = RECORD_PARAM, .key = "recipient_delimiter", .key_length = 19, .value = "+-",
	                        .value_length = 2}, found;
	assert_int_equal(reading_add(reading, &record, NULL), RC_OK);
	record.value_length = 1;
	assert_int_equal(reading_add(reading, &record, NULL), RC_OK);
	reading_seal(reading);
	assert_int_equal(reading_count(reading, RECORD_PARAM), 2);
	struct fingerprint print = record_fingerprint(key, &record);
	assert_true(reading_find(reading, &print, &found));
	assert_int_equal(found.value_length, 1);
	reading_free(&reading);
}

static void many_are_sorted_and_found(void **state)
{
	(void)state;
	struct reading *reading = reading_new(key);
	char text[64];
	for (int i = 0; i < 60000; i++) {
		(void)snprintf(text, sizeof(text), "user%d@example.com", i % 50000);
		add(reading, RECORD_RCPT, text);
	}
	reading_seal(reading);
	const struct fpset *set = reading_set(reading);
	assert_int_equal(set->count, 50000);
	for (size_t i = 1; i < set->count; i++)
		assert_true(fingerprint_compare(&set->at[i - 1], &set->at[i]) < 0);
	for (int i = 0; i < 50000; i += 7) {
		(void)snprintf(text, sizeof(text), "user%d@example.com", i);
		assert_true(finds(reading, RECORD_RCPT, text));
	}
	assert_false(finds(reading, RECORD_RCPT, "user50000@example.com"));

	struct fpset taken = {0};
	reading_take_set(&reading, &taken);
	assert_null(reading);
	assert_int_equal(taken.count, 50000);
	fpset_free(&taken);
}

/* Recipients and their domains as a map has them, in no order and some of them twice. */
static void a_large_one_is_sealed_in_pieces(void **state)
{
	(void)state;
	const int count = 150000, domains = 3000;
	struct reading *reading = reading_new(key);
	char text[64];
	for (int i = 0; i < count + 1000; i++) {
		int number = (int)((int64_t)i % count * 7919 % count);
		(void)snprintf(text, sizeof(text), "user%d@d%d.example", number, number % domains);
		add(reading, RECORD_RCPT, text);
		add(reading, RECORD_DOMAIN, strchr(text, '@') + 1);
	}
	int pieces = 1;
	while (!reading_seal_some(reading))
		pieces++;
	assert_true(pieces >= 2);
	const struct fpset *set = reading_set(reading);
	assert_int_equal(set->count, count + domains);
	assert_int_equal(reading_count(reading, RECORD_RCPT), count);
	assert_int_equal(reading_count(reading, RECORD_DOMAIN), domains);
	for (size_t i = 1; i < set->count; i++)
		assert_true(fingerprint_compare(&set->at[i - 1], &set->at[i]) < 0);
	for (int i = 0; i < count; i++) {
		(void)snprintf(text, sizeof(text), "user%d@d%d.example", i, i % domains);
		assert_true(finds(reading, RECORD_RCPT, text));
		assert_true(finds(reading, RECORD_DOMAIN, strchr(text, '@') + 1));
	}
	reading_free(&reading);

	/* Given up in the middle. */
	reading = reading_new(key);
	for (int i = 0; i < count; i++) {
		(void)snprintf(text, sizeof(text), "user%d@example.com", i);
		add(reading, RECORD_RCPT, text);
	}
	assert_false(reading_seal_some(reading));
	reading_free(&reading);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duplicates_count_once),
		cmocka_unit_test(an_empty_one_has_nothing),
		cmocka_unit_test(parameters_keep_their_values),
		cmocka_unit_test(many_are_sorted_and_found),
		cmocka_unit_test(a_large_one_is_sealed_in_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
