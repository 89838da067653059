/* Announcements: encoding, checks, signature, order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/soa.h"

#include "common/file.h"
#include "common/mem.h"
#include "tests/unit/soa_same.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct identity *signer;
static struct identity *stranger;

static struct identity *make_identity(const char *folder, const char *name)
{
	struct why why;
	struct identity *identity = NULL;
	char *path = mem_sprintf("%s/%s", folder, name);
	assert_int_equal(identity_generate(path, &why), RC_OK);
	assert_int_equal(identity_load(path, &identity, &why), RC_OK);
	unlink(path);
	free(path);
	return identity;
}

static int set_up(void **state)
{
	(void)state;
	identity_init();
	const char *base = getenv("TMPDIR");
	char *folder = mem_sprintf("%s/rxfer-soa-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(folder));
	signer = make_identity(folder, "one");
	stranger = make_identity(folder, "two");
	rmdir(folder);
	free(folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	identity_free(&signer);
	identity_free(&stranger);
	return 0;
}

static struct soa make(enum soa_kind kind)
{
	struct soa soa = {.kind = kind, .zone = "example.org_1-x", .serial = 42, .from = kind == SOA_CHANGESET ? 41 : 42,
	                  .digest = {1, 2}, .count = 7, .time = {1700000000000}, .refresh_s = 60, .retry_s = 15,
	                  .expire_s = SOA_SECONDS_MAX};
	soa.epoch.began.ms = 1600000000000;
	for (uint8_t i = 0; i < 16; i++)
		soa.epoch.id[i] = i;
	memset(soa.content_hash, kind == SOA_PLAIN ? 0 : 9, sizeof(soa.content_hash));
	return soa;
}

static enum rc decode(const struct buf *buf, struct soa *out)
{
	struct cursor in = cursor_over(buf->data, buf->length);
	struct why why;
	return soa_decode(&in, out, &why);
}

static void comes_back_and_verifies(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct soa soa = make((enum soa_kind)kind);
		struct soa back;
		struct buf buf = {0};
		soa_sign(&soa, signer);
		soa_encode(&buf, &soa);
		assert_int_equal(buf.length, 2 + 15 + 16 + 8 + 8 + 8 + 16 + 8 + 8 + 12 + 64);
		assert_int_equal(decode(&buf, &back), RC_OK);
		uint8_t zero[IDENTITY_HASH_BYTES] = {0};
		assert_memory_equal(back.content_hash, zero, sizeof(zero));
		memcpy(back.content_hash, soa.content_hash, sizeof(zero));
		assert_soa_equal(&back, &soa);
		assert_true(soa_verify(&back, identity_public(signer)));
		assert_false(soa_verify(&back, identity_public(stranger)));
		back.content_hash[3] ^= 1;
		assert_int_equal(soa_verify(&back, identity_public(signer)), kind == SOA_PLAIN);
		for (size_t cut = 0; cut < buf.length; cut++) {
			struct buf less = {.data = buf.data, .length = cut};
			assert_int_equal(decode(&less, &back), RC_INVALID);
		}
		/* Any changed bit is refused, by the decoder or by the signature. */
		for (size_t bit = 0; bit < buf.length * 8; bit++) {
			buf.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
			if (decode(&buf, &back) == RC_OK) {
				memcpy(back.content_hash, soa.content_hash, sizeof(zero));
				assert_false(soa_verify(&back, identity_public(signer)));
			}
			buf.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		}
		buf_free(&buf);
	}
}

static enum rc encode_and_decode(const struct soa *soa)
{
	struct buf buf = {0};
	struct soa back;
	soa_encode(&buf, soa);
	enum rc rc = decode(&buf, &back);
	buf_free(&buf);
	return rc;
}

static void refuses_bad_fields(void **state)
{
	(void)state;
	struct soa soa = make(SOA_CHANGESET);
	soa.from = 42;
	assert_int_equal(encode_and_decode(&soa), RC_INVALID);
	soa = make(SOA_PLAIN);
	soa.from = 41;
	assert_int_equal(encode_and_decode(&soa), RC_INVALID);
	soa = make(SOA_PLAIN);
	soa.refresh_s = 0;
	assert_int_equal(encode_and_decode(&soa), RC_INVALID);
	soa = make(SOA_PLAIN);
	soa.expire_s = SOA_SECONDS_MAX + 1;
	assert_int_equal(encode_and_decode(&soa), RC_INVALID);
	soa = make(SOA_PLAIN);
	soa.time.ms = -1;
	assert_int_equal(encode_and_decode(&soa), RC_INVALID);
	soa = make(SOA_PLAIN);
	memcpy(soa.zone, "-", 2);
	assert_int_equal(encode_and_decode(&soa), RC_INVALID);
	soa = make((enum soa_kind)3);
	soa.from = 42;
	assert_int_equal(encode_and_decode(&soa), RC_INVALID);
}

static void names_zones(void **state)
{
	(void)state;
	assert_true(soa_zone_name_valid("a"));
	assert_true(soa_zone_name_valid("0.a_b-c"));
	assert_true(soa_zone_name_valid("123456789012345678901234567890123456789012345678901234567890abc"));
	assert_false(soa_zone_name_valid("123456789012345678901234567890123456789012345678901234567890abcd"));
	assert_false(soa_zone_name_valid(""));
	assert_false(soa_zone_name_valid(".a"));
	assert_false(soa_zone_name_valid("A"));
	assert_false(soa_zone_name_valid("a/b"));
	assert_false(soa_zone_name_valid("a b"));
}

static void knows_the_order(void **state)
{
	(void)state;
	struct soa a = make(SOA_PLAIN);
	struct soa b = make(SOA_CHANGESET);
	assert_int_equal(soa_compare(&a, &b), SOA_SAME);
	b.serial = 43;
	assert_int_equal(soa_compare(&a, &b), SOA_NEWER);
	assert_int_equal(soa_compare(&b, &a), SOA_OLDER);
	b.epoch = epoch_begin(&a.epoch);
	b.serial = 1;
	assert_int_equal(soa_compare(&a, &b), SOA_LATER_EPOCH);
	assert_int_equal(soa_compare(&b, &a), SOA_EARLIER_EPOCH);
	struct epoch future = a.epoch;
	future.began.ms = INT64_C(9000000000000);
	struct epoch after = epoch_begin(&future);
	assert_true(after.began.ms > future.began.ms);
	assert_false(epoch_equal(&after, &future));
	struct epoch first = epoch_begin(NULL);
	assert_true(first.began.ms > a.epoch.began.ms && first.began.ms < future.began.ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_and_verifies),
		cmocka_unit_test(refuses_bad_fields),
		cmocka_unit_test(names_zones),
		cmocka_unit_test(knows_the_order),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
