/* Records: encoding, what a decoder must refuse, fingerprints and digests. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/record.h"

#include <stdio.h>
#include <string.h>

static const uint8_t key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static enum rc decode(const void *data, size_t length, struct record *out)
{
	struct cursor in = cursor_over(data, length);
	struct why why;
	enum rc rc = record_decode(&in, out, &why);
	if (rc == RC_OK)
		assert_true(cursor_done(&in));
	return rc;
}

static void comes_back(void **state)
{
	(void)state;
	struct record param = {RECORD_PARAM, 19, 1, "recipient_delimiter", "+"};
	struct record empty = {RECORD_PARAM, 19, 0, "recipient_delimiter", ""};
	struct record records[] = {record_make(RECORD_RCPT, "a@b", 3), record_make(RECORD_DOMAIN, "example.com", 11), param,
	                           empty};
	for (size_t i = 0; i < 4; i++) {
		struct buf buf = {0};
		record_encode(&buf, &records[i]);
		struct record back;
		assert_int_equal(decode(buf.data, buf.length, &back), RC_OK);
		assert_int_equal(back.type, records[i].type);
		assert_int_equal(back.key_length, records[i].key_length);
		assert_memory_equal(back.key, records[i].key, back.key_length);
		assert_int_equal(back.value_length, records[i].value_length);
		assert_memory_equal(back.value, records[i].value, back.value_length);
		for (size_t cut = 0; cut < buf.length; cut++)
			assert_int_equal(decode(buf.data, cut, &back), RC_INVALID);
		buf_free(&buf);
	}
	struct buf buf = {0};
	record_encode(&buf, &records[0]);
	assert_int_equal(buf.length, 6);
	assert_memory_equal(buf.data, "\x01\x00\x03" "a@b", 6);
	buf_free(&buf);
}

static void refuses(void **state)
{
	(void)state;
	struct record out = {.key_length = 77};
	assert_int_equal(decode("\x00\x00\x01x", 4, &out), RC_UNSUPPORTED);
	assert_int_equal(decode("\x04\x00\x01x", 4, &out), RC_UNSUPPORTED);
	assert_int_equal(decode("\x01\x00\x00", 3, &out), RC_INVALID);
	assert_int_equal(decode("\x01\x00\x03" "a\nb", 6, &out), RC_INVALID);
	assert_int_equal(decode("\x01\x00\x03" "a\x7f" "b", 6, &out), RC_INVALID);
	assert_int_equal(decode("\x01\x00\x03" "a\x00" "b", 6, &out), RC_INVALID);
	assert_int_equal(decode("\x03\x00\x01" "a\x00\x01\x09", 7, &out), RC_INVALID);
	assert_int_equal(decode("\x01\xff\xff" "abc", 6, &out), RC_LIMIT);
	assert_int_equal(decode("\x03\x00\x01" "a\xff\xff", 6, &out), RC_LIMIT);
	assert_int_equal(out.key_length, 77);
	uint8_t longest[3 + RECORD_KEY_MAX + 1] = {1, RECORD_KEY_MAX >> 8, RECORD_KEY_MAX & 255};
	memset(longest + 3, 'k', RECORD_KEY_MAX + 1);
	assert_int_equal(decode(longest, 3 + RECORD_KEY_MAX, &out), RC_OK);
	longest[2]++;
	assert_int_equal(decode(longest, sizeof(longest), &out), RC_LIMIT);
}

static void speaks_of_a_domain(void **state)
{
	(void)state;
	const char *domain;
	size_t length;
	struct record rcpt = record_make(RECORD_RCPT, "\"a@b\"@example.com", 17);
	record_domain(&rcpt, &domain, &length);
	assert_int_equal(length, 11);
	assert_memory_equal(domain, "example.com", 11);
	struct record all = record_make(RECORD_RCPT, "@x.org", 6);
	record_domain(&all, &domain, &length);
	assert_int_equal(length, 5);
	struct record itself = record_make(RECORD_DOMAIN, "x.org", 5);
	record_domain(&itself, &domain, &length);
	assert_int_equal(length, 5);
	struct record param = {RECORD_PARAM, 3, 3, "a@b", "c@d"};
	record_domain(&param, &domain, &length);
	assert_int_equal(length, 0);
	assert_string_equal(record_type_name(RECORD_DOMAIN), "DOMAIN");
	assert_string_equal(record_type_name((enum record_type)9), "?");
}

/* Fixed, so that a second implementation, or another libsodium, gets the same numbers. */
static void fingerprints_are_fixed(void **state)
{
	(void)state;
	struct record record = record_make(RECORD_RCPT, "user@example.com", 16);
	struct fingerprint print = record_fingerprint(key, &record);
	char text[40];
	(void)snprintf(text, sizeof(text), "%016llx%016llx", (unsigned long long)print.high, (unsigned long long)print.low);
	assert_string_equal(text, "c4892393796d3487bb3d1345fea64115");
	struct record other = record_make(RECORD_DOMAIN, "user@example.com", 16);
	struct fingerprint second = record_fingerprint(key, &other);
	assert_int_not_equal(fingerprint_compare(&print, &second), 0);
	struct record a = {RECORD_PARAM, 2, 1, "ab", "c"};
	struct record b = {RECORD_PARAM, 1, 2, "a", "bc"};
	struct fingerprint fa = record_fingerprint(key, &a);
	struct fingerprint fb = record_fingerprint(key, &b);
	assert_int_not_equal(fingerprint_compare(&fa, &fb), 0);
}

static void digests_carry(void **state)
{
	(void)state;
	struct digest digest = {.high = 1, .low = UINT64_MAX};
	struct digest before = digest;
	struct fingerprint one = {.high = 0, .low = 1};
	struct fingerprint big = {.high = UINT64_MAX, .low = UINT64_MAX};
	digest_add(&digest, &one);
	assert_true(digest.high == 2 && digest.low == 0);
	digest_add(&digest, &big);
	assert_true(digest.high == 1 && digest.low == UINT64_MAX);
	digest_subtract(&digest, &one);
	assert_false(digest_equal(&digest, &before));
	digest_subtract(&digest, &big);
	assert_true(digest_equal(&digest, &before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(refuses),
		cmocka_unit_test(speaks_of_a_domain),
		cmocka_unit_test(fingerprints_are_fixed),
		cmocka_unit_test(digests_carry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
