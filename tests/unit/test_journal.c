/* The journal: torn ends at every byte, a flipped bit at every byte, trimming, a full disk. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/journal.h"

#include "common/file.h"
#include "common/mem.h"
#include "tests/unit/folder.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *path;
static struct epoch epoch;

static int set_up(void **state)
{
	(void)state;
	identity_init();
	epoch = epoch_begin(NULL);
	if (folder_make("journal") != 0)
		return -1;
	path = mem_strdup(in_folder("journal"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(path);
	return folder_remove();
}

static struct journal *create(uint64_t serial)
{
	struct journal *journal = NULL;
	struct why why;
	assert_int_equal(journal_create(path, &epoch, serial, &journal, &why), RC_OK);
	return journal;
}

static struct journal *reopen(void)
{
	struct journal *journal = NULL;
	struct why why = {""};
	if (journal_open(path, &journal, &why) != RC_OK)
		fail_msg("%s", why.text);
	return journal;
}

static size_t payload_of(uint64_t serial, char out[64])
{
	return (size_t)snprintf(out, 64, "what leads on from %llu%.*s", (unsigned long long)serial, (int)(serial % 20),
	                        "....................");
}

static void append(struct journal *journal, uint64_t from, uint64_t to)
{
	char payload[64];
	struct why why;
	assert_int_equal(journal_append(journal, from, to, payload, payload_of(from, payload), &why), RC_OK);
}

static void check_entry(struct journal *journal, uint64_t from, uint64_t to)
{
	char payload[64];
	size_t length = payload_of(from, payload);
	struct buf buf = {0};
	uint64_t reached = 0;
	buf_put(&buf, "before", 6);
	assert_int_equal(journal_read(journal, from, &buf, &reached, NULL), RC_OK);
	assert_int_equal(reached, to);
	assert_int_equal(buf.length, 6 + length);
	assert_memory_equal(buf.data, "before", 6);
	assert_memory_equal(buf.data + 6, payload, length);
	buf_free(&buf);
}

static void is_absent(struct journal *journal, uint64_t from)
{
	struct buf buf = {0};
	uint64_t to;
	assert_int_equal(journal_read(journal, from, &buf, &to, NULL), RC_NOT_FOUND);
	assert_int_equal(buf.length, 0);
	buf_free(&buf);
}

/* Serials 10, 11, 13, 16, 20, 25: steps of growing size. */
static const uint64_t steps[] = {10, 11, 13, 16, 20, 25};
#define STEPS 5

static struct journal *example(size_t entries, uint64_t ends[STEPS + 1])
{
	struct journal *journal = create(steps[0]);
	ends[0] = journal_bytes(journal);
	for (size_t i = 0; i < entries; i++) {
		append(journal, steps[i], steps[i + 1]);
		ends[i + 1] = journal_bytes(journal);
	}
	return journal;
}

static void comes_back(void **state)
{
	(void)state;
	uint64_t ends[STEPS + 1];
	struct journal *journal = example(STEPS, ends);
	for (int opened = 0; opened < 2; opened++) {
		assert_true(epoch_equal(journal_epoch(journal), &epoch));
		assert_int_equal(journal_first(journal), 10);
		assert_int_equal(journal_last(journal), 25);
		assert_int_equal(journal_last_from(journal), 20);
		assert_int_equal(journal_torn_bytes(journal), 0);
		for (size_t i = 0; i < STEPS; i++)
			check_entry(journal, steps[i], steps[i + 1]);
		is_absent(journal, 9);
		is_absent(journal, 12);
		is_absent(journal, 25);
		journal_close(&journal);
		journal = reopen();
	}
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	journal_close(&journal);
	assert_null(journal);
	struct why why;
	unlink(path);
	assert_int_equal(journal_open(path, &journal, &why), RC_NOT_FOUND);
}

/* Power fails while an entry is written: whatever part of it is on disk, all before it stands and work goes on. */
static void torn_at_every_byte(void **state)
{
	(void)state;
	uint64_t ends[STEPS + 1];
	struct journal *journal = example(STEPS, ends);
	journal_close(&journal);
	struct buf whole = {0};
	assert_int_equal(file_read(path, 1 << 20, &whole, NULL), RC_OK);
	for (size_t length = 0; length < whole.length; length++) {
		assert_int_equal(file_replace(path, 0600, whole.data, length, NULL), RC_OK);
		if (length < ends[0]) {
			assert_int_equal(journal_open(path, &journal, NULL), RC_DAMAGED);
			assert_null(journal);
			continue;
		}
		size_t entries = 0;
		while (ends[entries + 1] <= length)
			entries++;
		journal = reopen();
		assert_int_equal(journal_last(journal), steps[entries]);
		assert_int_equal(journal_torn_bytes(journal), length - ends[entries]);
		for (size_t i = 0; i < entries; i++)
			check_entry(journal, steps[i], steps[i + 1]);
		append(journal, steps[entries], 99);
		journal_close(&journal);
		journal = reopen();
		assert_int_equal(journal_torn_bytes(journal), 0);
		check_entry(journal, steps[entries], 99);
		journal_close(&journal);
	}
	buf_free(&whole);
}

/* A flipped bit anywhere: damage, or (in the last entry, where it looks like a torn one) that entry is gone. Never is
 * something else read. */
static void flipped_at_every_byte(void **state)
{
	(void)state;
	uint64_t ends[STEPS + 1];
	struct journal *journal = example(STEPS, ends);
	journal_close(&journal);
	struct buf whole = {0};
	assert_int_equal(file_read(path, 1 << 20, &whole, NULL), RC_OK);
	for (size_t at = 0; at < whole.length; at++) {
		uint8_t bit = (uint8_t)(1 << (at * 5 % 8));
		whole.data[at] ^= bit;
		assert_int_equal(file_replace(path, 0600, whole.data, whole.length, NULL), RC_OK);
		enum rc rc = journal_open(path, &journal, NULL);
		if (at < ends[STEPS - 1]) {
			assert_int_equal(rc, RC_DAMAGED);
			assert_null(journal);
		} else {
			assert_int_equal(rc, RC_OK);
			assert_int_equal(journal_last(journal), steps[STEPS - 1]);
			assert_int_equal(journal_torn_bytes(journal), whole.length - ends[STEPS - 1]);
			journal_close(&journal);
		}
		whole.data[at] ^= bit;
	}
	/* Damage that comes while it is open is found by reading. */
	assert_int_equal(file_replace(path, 0600, whole.data, whole.length, NULL), RC_OK);
	journal = reopen();
	FILE *file = fopen(path, "r+");
	assert_non_null(file);
	fseek(file, (long)ends[1] + 40, SEEK_SET);
	fputc('#', file);
	fclose(file);
	struct buf buf = {0};
	uint64_t to;
	assert_int_equal(journal_read(journal, steps[1], &buf, &to, NULL), RC_DAMAGED);
	assert_int_equal(buf.length, 0);
	buf_free(&buf);
	buf_free(&whole);
	journal_close(&journal);
}

static void newer_version_is_not_read(void **state)
{
	(void)state;
	struct journal *journal = create(1);
	journal_close(&journal);
	struct buf whole = {0};
	assert_int_equal(file_read(path, 1 << 20, &whole, NULL), RC_OK);
	whole.data[15] = 2;
	uint8_t hash[IDENTITY_HASH_BYTES];
	identity_hash(whole.data, 48, hash);
	memcpy(whole.data + 48, hash, 16);
	assert_int_equal(file_replace(path, 0600, whole.data, whole.length, NULL), RC_OK);
	struct why why;
	assert_int_equal(journal_open(path, &journal, &why), RC_UNSUPPORTED);
	assert_non_null(strstr(why.text, "newer version"));
	buf_free(&whole);
}

/* Entries of another epoch, though whole, aren't taken: blocks that the disk had before. */
static void another_epochs_entries_do_not_count(void **state)
{
	(void)state;
	uint64_t ends[STEPS + 1];
	struct journal *journal = example(STEPS, ends);
	journal_close(&journal);
	struct buf old = {0};
	struct buf mixed = {0};
	assert_int_equal(file_read(path, 1 << 20, &old, NULL), RC_OK);
	struct epoch kept = epoch;
	epoch = epoch_begin(&kept);
	journal = create(steps[0]);
	journal_close(&journal);
	assert_int_equal(file_read(path, 1 << 20, &mixed, NULL), RC_OK);
	buf_put(&mixed, old.data + ends[0], old.length - ends[0]);
	assert_int_equal(file_replace(path, 0600, mixed.data, mixed.length, NULL), RC_OK);
	journal = reopen();
	assert_int_equal(journal_last(journal), steps[0]);
	journal_close(&journal);
	buf_free(&old);
	buf_free(&mixed);
}

static void trims(void **state)
{
	(void)state;
	uint64_t ends[STEPS + 1];
	struct journal *journal = example(STEPS, ends);
	assert_int_equal(journal_trim(journal, 1 << 20, 25, NULL), RC_OK);
	assert_int_equal(journal_first(journal), 10);
	assert_int_equal(journal_trim(journal, 0, 13, NULL), RC_OK);
	assert_int_equal(journal_first(journal), 13);
	assert_int_equal(journal_bytes(journal), ends[STEPS] - ends[2] + ends[0]);
	for (int opened = 0; opened < 2; opened++) {
		is_absent(journal, 11);
		for (size_t i = 2; i < STEPS; i++)
			check_entry(journal, steps[i], steps[i + 1]);
		journal_close(&journal);
		journal = reopen();
	}
	append(journal, 25, 30);
	assert_int_equal(journal_trim(journal, 150, 30, NULL), RC_OK);
	assert_true(journal_bytes(journal) <= 150);
	assert_int_equal(journal_last(journal), 30);
	assert_int_equal(journal_trim(journal, 0, 30, NULL), RC_OK);
	assert_int_equal(journal_first(journal), 30);
	append(journal, 30, 31);
	journal_close(&journal);
	journal = reopen();
	assert_int_equal(journal_first(journal), 30);
	check_entry(journal, 30, 31);
	journal_close(&journal);
}

/* A limit on the file's size stands for a full disk: a write is cut short, and leaves no trace. */
static void full_disk_changes_nothing(void **state)
{
	(void)state;
	uint64_t ends[STEPS + 1];
	struct journal *journal = example(2, ends);
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit before;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	char payload[64];
	size_t length = payload_of(13, payload);
	for (uint64_t room = 0; room < 36 + length; room += 7) {
		struct rlimit limit = {.rlim_cur = ends[2] + room, .rlim_max = before.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		struct why why = {""};
		enum rc rc = journal_append(journal, 13, 16, payload, length, &why);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_int_equal(rc, RC_IO);
		assert_true(why.text[0] != '\0');
		struct stat status;
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_size, ends[2]);
		assert_int_equal(journal_last(journal), 13);
	}
	append(journal, 13, 16);
	check_entry(journal, 13, 16);
	journal_close(&journal);
	journal = reopen();
	check_entry(journal, 13, 16);
	journal_close(&journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(torn_at_every_byte),
		cmocka_unit_test(flipped_at_every_byte),
		cmocka_unit_test(newer_version_is_not_read),
		cmocka_unit_test(another_epochs_entries_do_not_count),
		cmocka_unit_test(trims),
		cmocka_unit_test(full_disk_changes_nothing),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
