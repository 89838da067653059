/* Changesets: what is drafted comes back; what is cut, changed or absurd is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/changeset.h"

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct identity *signer;

static int set_up(void **state)
{
	(void)state;
	identity_init();
	const char *base = getenv("TMPDIR");
	char *folder = mem_sprintf("%s/rxfer-changeset-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(folder));
	char *path = mem_sprintf("%s/identity", folder);
	assert_int_equal(identity_generate(path, NULL), RC_OK);
	assert_int_equal(identity_load(path, &signer, NULL), RC_OK);
	unlink(path);
	rmdir(folder);
	free(path);
	free(folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	identity_free(&signer);
	return 0;
}

static struct soa base_soa(void)
{
	return (struct soa){.zone = "z", .serial = 5, .from = 4, .time = {1700000000000}, .refresh_s = 1, .retry_s = 1,
	                    .expire_s = 1};
}

static void put(struct changeset_draft *draft, enum change change, const char *text)
{
	struct record record = record_make(RECORD_RCPT, text, strlen(text));
	assert_true(changeset_draft_put(draft, change, &record));
}

static void make_example(struct buf *out)
{
	struct changeset_draft draft = {0};
	struct soa soa = base_soa();
	put(&draft, CHANGE_ADD, "new@example.com");
	put(&draft, CHANGE_ADD, "@example.org");
	put(&draft, CHANGE_DELETE, "old@example.com");
	changeset_draft_finish(&draft, &soa, signer, out);
	assert_int_equal(draft.count, 0);
	assert_int_equal(draft.operations.length, 0);
	changeset_draft_free(&draft);
}

static void comes_back(void **state)
{
	(void)state;
	struct buf buf = {0};
	struct changeset changeset;
	make_example(&buf);
	assert_int_equal(changeset_decode(buf.data, buf.length, &changeset, NULL), RC_OK);
	assert_true(soa_verify(&changeset.soa, identity_public(signer)));
	assert_int_equal(changeset.count, 3);
	assert_int_equal(changeset.operations[0].change, CHANGE_ADD);
	assert_memory_equal(changeset.operations[0].record.key, "new@example.com", 15);
	assert_int_equal(changeset.operations[2].change, CHANGE_DELETE);
	changeset_free(&changeset);
	buf_free(&buf);
}

static void any_change_is_refused(void **state)
{
	(void)state;
	struct buf buf = {0};
	struct changeset changeset;
	make_example(&buf);
	for (size_t cut = 0; cut < buf.length; cut++)
		assert_int_equal(changeset_decode(buf.data, cut, &changeset, NULL), RC_INVALID);
	buf_put_u8(&buf, 0);
	assert_int_equal(changeset_decode(buf.data, buf.length, &changeset, NULL), RC_INVALID);
	buf.length--;
	for (size_t bit = 0; bit < buf.length * 8; bit++) {
		buf.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		if (changeset_decode(buf.data, buf.length, &changeset, NULL) == RC_OK) {
			assert_false(soa_verify(&changeset.soa, identity_public(signer)));
			changeset_free(&changeset);
		}
		buf.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
	}
	buf_free(&buf);
}

static enum rc decode_contents(const void *contents, size_t length)
{
	struct buf buf = {0};
	struct soa soa = base_soa();
	soa.kind = SOA_CHANGESET;
	soa_encode(&buf, &soa);
	buf_put(&buf, contents, length);
	struct changeset changeset;
	enum rc rc = changeset_decode(buf.data, buf.length, &changeset, NULL);
	if (rc == RC_OK)
		changeset_free(&changeset);
	buf_free(&buf);
	return rc;
}

static void refuses_absurdities(void **state)
{
	(void)state;
	assert_int_equal(decode_contents("\0\0\0\1\1\1\0\1a", 9), RC_OK);
	assert_int_equal(decode_contents("\0\0\0\0", 4), RC_OK);
	assert_int_equal(decode_contents("\0\0\0\1\3\1\0\1a", 9), RC_INVALID);
	assert_int_equal(decode_contents("\0\0\0\1\1\11\0\1a", 9), RC_UNSUPPORTED);
	assert_int_equal(decode_contents("\0\0\0\2\2\1\0\1a\1\1\0\1b", 14), RC_INVALID);
	assert_int_equal(decode_contents("\0\0\xc3\x50\1\1\0\1a", 9), RC_INVALID);
	assert_int_equal(decode_contents("\xff\xff\xff\xff\1\1\0\1a", 9), RC_LIMIT);
	struct buf plain = {0};
	struct soa soa = base_soa();
	soa.from = soa.serial;
	soa_encode(&plain, &soa);
	buf_put_u32(&plain, 0);
	struct changeset changeset;
	assert_int_equal(changeset_decode(plain.data, plain.length, &changeset, NULL), RC_INVALID);
	buf_free(&plain);
	void *large = calloc(1, CHANGESET_BYTES_MAX + 1);
	assert_int_equal(changeset_decode(large, CHANGESET_BYTES_MAX + 1, &changeset, NULL), RC_LIMIT);
	free(large);
}

/* A draft filled to its brim, by number and by bytes, is still accepted by the decoder. */
static void keeps_to_the_limits(void **state)
{
	(void)state;
	static char key[RECORD_KEY_MAX + 1];
	memset(key, 'k', RECORD_KEY_MAX);
	for (int large = 0; large < 2; large++) {
		struct changeset_draft draft = {0};
		uint32_t count = 0;
		for (;; count++) {
			char number[10];
			(void)snprintf(number, sizeof(number), "%07u@", count);
			memcpy(key, number, 8);
			struct record record = record_make(RECORD_RCPT, key, large ? RECORD_KEY_MAX : 9);
			if (!changeset_draft_put(&draft, CHANGE_ADD, &record))
				break;
		}
		assert_int_equal(count, draft.count);
		assert_true(large ? count > 950 : count == CHANGESET_OPERATIONS_MAX);
		struct soa soa = base_soa();
		memset(soa.zone, 'z', SOA_ZONE_MAX);
		struct buf buf = {0};
		changeset_draft_finish(&draft, &soa, signer, &buf);
		assert_true(buf.length <= CHANGESET_BYTES_MAX);
		struct changeset changeset;
		enum rc rc = changeset_decode(buf.data, buf.length, &changeset, NULL);
		assert_int_equal(rc, RC_OK);
		assert_int_equal(changeset.count, count);
		changeset_free(&changeset);
		buf_free(&buf);
		changeset_draft_free(&draft);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(any_change_is_refused),
		cmocka_unit_test(refuses_absurdities),
		cmocka_unit_test(keeps_to_the_limits),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
