/* test_snapshot.c: a whole transfer's stream: complete, signed, held while it's fetched, dropped when not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/snapshot.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/history_fixture.h"

#include <dirent.h>

static struct identity *signer;
static struct history history;
static struct snapshot *snapshot;
static uint64_t at_least;

static int set_up(void **state)
{
	(void)state;
	now_ms = 1000;
	at_least = 0;
	clock_use(&fake_clock);
	history_open(&history, signer);
	history_begin(&history, 3000);
	snapshot = snapshot_new(history.folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	snapshot_free(&snapshot);
	assert_null(snapshot);
	history_close(&history);
	clock_use(NULL);
	return 0;
}

static uint64_t offer(struct soa *soa)
{
	struct why why = {""};
	uint64_t bytes = 0;
	const struct snapshot_request request = {history.db, &history.soa, signer, at_least};
	must(snapshot_offer(snapshot, &request, soa, &bytes, &why), &why);
	return bytes;
}

static enum rc fetch(const struct soa *soa, uint64_t offset, uint32_t length, struct buf *out)
{
	struct why why = {""};
	const struct snapshot_piece piece = {soa->epoch.id, soa->serial, offset, length};
	enum rc rc = snapshot_read(snapshot, &piece, out, &why);
	assert_int_equal(rc == RC_OK, why.text[0] == '\0');
	return rc;
}

static void the_stream_is_the_zone(void **state)
{
	(void)state;
	history_change(&history);      /* so that the newest announcement is a changeset's */
	struct soa soa;
	uint64_t bytes = offer(&soa);
	assert_int_equal(soa.kind, SOA_SNAPSHOT);
	assert_int_equal(soa.serial, 2);
	assert_int_equal(soa.from, 2);
	assert_true(soa_verify(&soa, identity_public(signer)));

	struct buf stream = {0};
	while (stream.length < bytes)
		assert_int_equal(fetch(&soa, stream.length, 1000, &stream), RC_OK);
	assert_int_equal(stream.length, bytes);
	uint8_t hash[IDENTITY_HASH_BYTES];
	identity_hash(stream.data, stream.length, hash);
	assert_memory_equal(hash, soa.content_hash, sizeof(hash));

	struct cursor in = cursor_over(stream.data, stream.length);
	assert_int_equal(cursor_u64(&in), 3001);
	struct digest digest = {0};
	for (unsigned i = 0; i < 3001; i++) {
		struct record record;
		struct why why;
		must(record_decode(&in, &record, &why), &why);
		struct fingerprint print = record_fingerprint(soa.epoch.id, &record);
		digest_add(&digest, &print);
	}
	assert_true(cursor_done(&in));
	assert_true(digest_equal(&digest, &history.soa.digest));

	assert_int_equal(fetch(&soa, bytes, 1, &stream), RC_INVALID);
	assert_int_equal(fetch(&soa, UINT64_MAX, 1, &stream), RC_INVALID);
	assert_int_equal(stream.length, bytes);
	buf_free(&stream);
}

static void others_are_not_found(void **state)
{
	(void)state;
	struct soa soa;
	struct buf out = {0};
	assert_int_equal(fetch(&history.soa, 0, 1, &out), RC_NOT_FOUND);
	(void)offer(&soa);
	struct soa other = soa;
	other.serial++;
	assert_int_equal(fetch(&other, 0, 1, &out), RC_NOT_FOUND);
	other = soa;
	other.epoch.id[15] ^= 1;
	assert_int_equal(fetch(&other, 0, 1, &out), RC_NOT_FOUND);
	assert_int_equal(out.length, 0);
	buf_free(&out);
}

static void no_file_is_left(void **state)
{
	(void)state;
	struct soa soa;
	(void)offer(&soa);
	DIR *folder = opendir(history.folder);
	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder));)
		assert_null(strstr(entry->d_name, "snapshot"));
	assert_int_equal(closedir(folder), 0);
}

static void a_young_one_serves_again(void **state)
{
	(void)state;
	struct soa first, second;
	(void)offer(&first);
	history_change(&history);
	now_ms += SNAPSHOT_REUSE_MS - 1;
	(void)offer(&second);
	assert_int_equal(second.serial, first.serial);
	now_ms += 1;
	(void)offer(&second);
	assert_int_equal(second.serial, first.serial + 1);
	/* The same serial serves however old. */
	now_ms += SNAPSHOT_REUSE_MS * 5;
	struct soa third;
	(void)offer(&third);
	assert_memory_equal(third.signature, second.signature, sizeof(third.signature));
}

/* A replica never goes backwards: what is older than what it has would be refused. */
static void one_that_is_too_old_for_the_replica_does_not(void **state)
{
	(void)state;
	struct soa first, second;
	(void)offer(&first);
	history_change(&history);
	at_least = 2;
	(void)offer(&second);
	assert_int_equal(second.serial, 2);
}

static void two_at_once_at_most(void **state)
{
	(void)state;
	struct soa first, second, third;
	struct buf out = {0};
	struct why why;
	uint64_t bytes;
	(void)offer(&first);
	history_begin(&history, 10);
	(void)offer(&second);
	assert_int_equal(fetch(&first, 0, 10, &out), RC_OK);
	history_begin(&history, 20);
	const struct snapshot_request request = {history.db, &history.soa, signer, 0};
	assert_int_equal(snapshot_offer(snapshot, &request, &third, &bytes, &why), RC_AGAIN);
	assert_int_equal(fetch(&first, 0, 10, &out), RC_OK);
	assert_int_equal(fetch(&second, 0, 10, &out), RC_OK);

	/* The first one isn't fetched any more. */
	now_ms += SNAPSHOT_IN_USE_MS - 1;
	assert_int_equal(fetch(&second, 0, 10, &out), RC_OK);
	now_ms += 1;
	(void)offer(&third);
	assert_int_equal(fetch(&first, 0, 10, &out), RC_NOT_FOUND);
	assert_int_equal(fetch(&second, 0, 10, &out), RC_OK);
	assert_int_equal(fetch(&third, 0, 10, &out), RC_OK);
	buf_free(&out);
}

/* Both places are taken by those who fetch slowly: an old one and the changes since are better than none. */
static void an_old_one_serves_when_there_is_no_place(void **state)
{
	(void)state;
	struct soa first, second, third;
	struct buf out = {0};
	struct why why;
	uint64_t bytes;
	(void)offer(&first);
	for (int i = 0; i < 3; i++) {
		now_ms += SNAPSHOT_IN_USE_MS / 2;
		assert_int_equal(fetch(&first, 0, 10, &out), RC_OK);
	}
	history_change(&history);
	(void)offer(&second);
	assert_int_equal(second.serial, first.serial + 1);
	for (int i = 0; i < 3; i++) {
		now_ms += SNAPSHOT_IN_USE_MS / 2;
		assert_int_equal(fetch(&first, 0, 10, &out), RC_OK);
		assert_int_equal(fetch(&second, 0, 10, &out), RC_OK);
	}
	history_change(&history);
	(void)offer(&third);
	assert_int_equal(third.serial, second.serial);
	/* But not to who is beyond it. */
	const struct snapshot_request request = {history.db, &history.soa, signer, third.serial + 1};
	assert_int_equal(snapshot_offer(snapshot, &request, &third, &bytes, &why), RC_AGAIN);
	buf_free(&out);
}

static void unused_ones_are_dropped(void **state)
{
	(void)state;
	struct soa soa;
	struct buf out = {0};
	(void)offer(&soa);
	now_ms += SNAPSHOT_KEEP_MS - 1;
	snapshot_tidy(snapshot);
	assert_int_equal(fetch(&soa, 0, 10, &out), RC_OK);
	now_ms += SNAPSHOT_KEEP_MS;
	snapshot_tidy(snapshot);
	assert_int_equal(fetch(&soa, 0, 10, &out), RC_NOT_FOUND);
	buf_free(&out);
}

static void a_folder_that_is_gone_is_told(void **state)
{
	(void)state;
	struct snapshot *nowhere = snapshot_new("/nonexistent");
	struct soa soa;
	uint64_t bytes;
	struct why why = {""};
	const struct snapshot_request request = {history.db, &history.soa, signer, 0};
	assert_int_equal(snapshot_offer(nowhere, &request, &soa, &bytes, &why), RC_IO);
	assert_non_null(strstr(why.text, "/nonexistent/snapshot"));
	snapshot_free(&nowhere);
}

int main(void)
{
	identity_init();
	signer = fixture_identity(1);
#define SNAPSHOT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SNAPSHOT_TEST(the_stream_is_the_zone),
		SNAPSHOT_TEST(others_are_not_found),
		SNAPSHOT_TEST(no_file_is_left),
		SNAPSHOT_TEST(a_young_one_serves_again),
		SNAPSHOT_TEST(one_that_is_too_old_for_the_replica_does_not),
		SNAPSHOT_TEST(two_at_once_at_most),
		SNAPSHOT_TEST(an_old_one_serves_when_there_is_no_place),
		SNAPSHOT_TEST(unused_ones_are_dropped),
		SNAPSHOT_TEST(a_folder_that_is_gone_is_told),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	identity_free(&signer);
	return failed;
}
