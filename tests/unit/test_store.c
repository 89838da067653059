/* The store: transactions, kill -9 inside them, damage at random places, a full disk. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/store.h"

#include "common/file.h"
#include "common/mem.h"
#include "tests/unit/folder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *path;
static struct epoch epoch;

static int set_up(void **state)
{
	(void)state;
	identity_init();
	epoch = epoch_begin(NULL);
	if (folder_make("store") != 0)
		return -1;
	path = mem_strdup(in_folder("records.tch"));
	return 0;
}

static void remove_suffixed(const char *suffix)
{
	char *name = mem_sprintf("%s%s", path, suffix);
	unlink(name);
	free(name);
}

static int tear_down(void **state)
{
	(void)state;
	free(path);
	return folder_remove();
}

static struct record numbered(int number, char text[64])
{
	int length = snprintf(text, 64, "user%d@example.com", number);
	return record_make(RECORD_RCPT, text, (size_t)length);
}

static struct fingerprint print_of(int number)
{
	char text[64];
	struct record record = numbered(number, text);
	return record_fingerprint(epoch.id, &record);
}

static enum rc put(struct store *store, int number, uint64_t since)
{
	char text[64];
	struct store_entry entry = {.record = numbered(number, text), .since = since};
	struct fingerprint print = print_of(number);
	return store_put(store, &print, &entry, NULL);
}

static enum rc take(struct store *store, int number)
{
	struct fingerprint print = print_of(number);
	return store_remove(store, &print, NULL);
}

static bool has(struct store *store, int number)
{
	struct fingerprint print = print_of(number);
	enum rc rc = store_get(store, &print, NULL, NULL, NULL);
	assert_true(rc == RC_OK || rc == RC_NOT_FOUND);
	return rc == RC_OK;
}

/* A store of serial 1 with records 0..count-1. */
static struct store *make(int count)
{
	struct store *store = NULL;
	struct why why;
	assert_int_equal(store_create(path, &epoch, (uint64_t)count, &store, &why), RC_OK);
	struct store_meta meta = {.epoch = epoch, .serial = 1};
	for (int i = 0; i < count; i++) {
		struct fingerprint print = print_of(i);
		assert_int_equal(put(store, i, 1), RC_OK);
		digest_add(&meta.digest, &print);
		meta.count++;
	}
	assert_int_equal(store_commit(store, &meta, &why), RC_OK);
	return store;
}

static struct store *reopen(void)
{
	struct store *store = NULL;
	struct why why = {""};
	if (store_open(path, &store, &why) != RC_OK)
		fail_msg("%s", why.text);
	return store;
}

struct sum {
	struct digest digest;
	uint64_t count;
	uint64_t stop_at;
};

static bool add_up(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	struct sum *sum = context;
	struct fingerprint real = record_fingerprint(epoch.id, &entry->record);
	assert_int_equal(fingerprint_compare(&real, print), 0);
	digest_add(&sum->digest, print);
	return ++sum->count != sum->stop_at;
}

static void check_whole(struct store *store)
{
	struct sum sum = {0};
	assert_int_equal(store_walk(store, add_up, &sum, NULL), RC_OK);
	assert_int_equal(sum.count, store_meta(store)->count);
	assert_true(digest_equal(&sum.digest, &store_meta(store)->digest));
}

static void comes_back(void **state)
{
	(void)state;
	struct store *store = make(1000);
	assert_int_equal(put(store, 5, 2), RC_INVALID);
	pid_t other = fork();
	if (other == 0) {
		struct store *second = NULL;
		_exit((int)store_open(path, &second, NULL));
	}
	int end;
	assert_int_equal(waitpid(other, &end, 0), other);
	assert_true(WIFEXITED(end) && WEXITSTATUS(end) == RC_AGAIN);
	for (int opened = 0; opened < 2; opened++) {
		assert_int_equal(store_meta(store)->serial, 1);
		assert_true(epoch_equal(&store_meta(store)->epoch, &epoch));
		check_whole(store);
		struct buf scratch = {0};
		struct store_entry entry;
		struct fingerprint print = print_of(7);
		assert_int_equal(store_get(store, &print, &scratch, &entry, NULL), RC_OK);
		assert_int_equal(entry.since, 1);
		assert_int_equal(entry.record.key_length, 17);
		assert_memory_equal(entry.record.key, "user7@example.com", 17);
		print = print_of(1000);
		assert_int_equal(store_get(store, &print, &scratch, &entry, NULL), RC_NOT_FOUND);
		buf_free(&scratch);
		struct sum sum = {.stop_at = 3};
		assert_int_equal(store_walk(store, add_up, &sum, NULL), RC_OK);
		assert_int_equal(sum.count, 3);
		assert_int_equal(store_close(&store, NULL), RC_OK);
		assert_null(store);
		store = reopen();
		assert_true(store_was_clean(store));
	}
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	store_discard(&store);
	remove_suffixed("");
	assert_int_equal(store_open(path, &store, NULL), RC_NOT_FOUND);
}

static void transactions_are_whole(void **state)
{
	(void)state;
	struct store *store = make(100);
	assert_int_equal(store_begin(store, NULL), RC_OK);
	assert_int_equal(put(store, 200, 2), RC_OK);
	assert_int_equal(take(store, 3), RC_OK);
	assert_int_equal(take(store, 999), RC_NOT_FOUND);
	store_abort(store);
	assert_false(has(store, 200));
	assert_true(has(store, 3));
	check_whole(store);
	assert_int_equal(store_begin(store, NULL), RC_OK);
	assert_int_equal(put(store, 200, 2), RC_OK);
	struct store_meta meta = *store_meta(store);
	struct fingerprint print = print_of(200);
	digest_add(&meta.digest, &print);
	meta.count++;
	meta.serial = 2;
	assert_int_equal(store_commit(store, &meta, NULL), RC_OK);
	assert_int_equal(store_sync(store, NULL), RC_OK);
	char *log = mem_sprintf("%s.wal", path);
	struct stat status;
	assert_int_equal(stat(log, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	free(log);
	store_discard(&store);
	store = reopen();
	assert_false(store_was_clean(store));
	assert_int_equal(store_meta(store)->serial, 2);
	check_whole(store);
	assert_int_equal(store_close(&store, NULL), RC_OK);
	/* A clean store that is opened, and killed without a change, stays clean; with a change it doesn't. */
	for (int change = 0; change < 2; change++) {
		pid_t child = fork();
		if (child == 0) {
			store = reopen();
			if (change && store_begin(store, NULL) == RC_OK && put(store, 300, 3) == RC_OK)
				store_abort(store);
			(void)raise(SIGKILL);
		}
		assert_true(child > 0);
		int end;
		assert_int_equal(waitpid(child, &end, 0), child);
		store = reopen();
		assert_int_equal(store_was_clean(store), !change);
		check_whole(store);
		assert_int_equal(store_close(&store, NULL), RC_OK);
	}
}

/* Serial s holds 500 records: number n is there when (n + s) % 3 != 0, n < 750. Each step changes 500 of them. */
static bool member(int number, uint64_t serial)
{
	return (number + (int)serial) % 3 != 0;
}

static void step(struct store *store)
{
	struct store_meta meta = *store_meta(store);
	uint64_t next = meta.serial + 1;
	if (store_begin(store, NULL) != RC_OK)
		_exit(3);
	for (int n = 0; n < 750; n++) {
		struct fingerprint print = print_of(n);
		bool was = member(n, meta.serial);
		bool is = member(n, next);
		if (is && !was) {
			if (put(store, n, next) != RC_OK)
				_exit(4);
			digest_add(&meta.digest, &print);
			meta.count++;
		} else if (was && !is) {
			if (take(store, n) != RC_OK)
				_exit(5);
			digest_subtract(&meta.digest, &print);
			meta.count--;
		}
	}
	meta.serial = next;
	if (store_commit(store, &meta, NULL) != RC_OK)
		_exit(6);
}

static void survives_kill(void **state)
{
	(void)state;
	struct store *store = make(0);
	struct store_meta meta = {.epoch = epoch, .serial = 1};
	for (int n = 0; n < 750; n++) {
		if (!member(n, 1))
			continue;
		struct fingerprint print = print_of(n);
		assert_int_equal(put(store, n, 1), RC_OK);
		digest_add(&meta.digest, &print);
		meta.count++;
	}
	assert_int_equal(store_commit(store, &meta, NULL), RC_OK);
	assert_int_equal(store_close(&store, NULL), RC_OK);
	uint64_t last = 1;
	for (int round = 0; round < 30; round++) {
		int pipe_ends[2];
		assert_int_equal(pipe(pipe_ends), 0);
		pid_t child = fork();
		if (child == 0) {
			store = reopen();
			for (;;) {
				step(store);
				if (write(pipe_ends[1], "x", 1) != 1)
					_exit(7);
			}
		}
		assert_true(child > 0);
		close(pipe_ends[1]);
		char byte;
		for (int i = 0; i < 1 + round % 4; i++)
			assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
		for (volatile int spin = 0; spin < round * 20011 % 300000; spin++)
			;
		kill(child, SIGKILL);
		int end;
		assert_int_equal(waitpid(child, &end, 0), child);
		assert_true(WIFSIGNALED(end));
		close(pipe_ends[0]);
		store = reopen();
		uint64_t serial = store_meta(store)->serial;
		assert_true(serial > last);
		last = serial;
		check_whole(store);
		for (int n = 0; n < 750; n++)
			assert_int_equal(has(store, n), member(n, serial));
		if (round % 2)
			assert_int_equal(store_close(&store, NULL), RC_OK);
		else
			store_discard(&store);
	}
}

/* What a power cut may leave: any block old, zero or wrong. Opening and reading end, and either say so or are right. */
static bool ignore(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	(void)context;
	(void)print;
	(void)entry;
	return true;
}

static void damage_ends_nothing_when(bool clean)
{
	struct store *store = make(300);
	if (clean)
		assert_int_equal(store_close(&store, NULL), RC_OK);
	else
		store_discard(&store);
	struct buf whole = {0};
	assert_int_equal(file_read(path, 1 << 26, &whole, NULL), RC_OK);
	size_t records = 256 + 131071 * 8;
	unsigned seed = 4711;
	int refused = 0;
	for (int round = 0; round < 400; round++) {
		struct buf copy = {0};
		buf_put(&copy, whole.data, whole.length);
		seed = seed * 1103515245u + 12345u;
		size_t at = round < 100 ? seed % 256 : records + seed % (copy.length - records);
		size_t length = round % 3 == 0 ? 1 : 1 + seed / 65536 % 4096;
		for (size_t i = at; i < at + length && i < copy.length; i++)
			copy.data[i] = (uint8_t)(round % 3 == 2 ? 0u : copy.data[i] ^ (1u << (i % 8)));
		if (round % 10 == 9)
			copy.length = at;
		int fd = open(path, O_WRONLY | O_TRUNC);
		assert_true(fd >= 0);
		assert_int_equal(file_write_all(fd, copy.data, copy.length, path, NULL), RC_OK);
		close(fd);
		enum rc rc = store_open(path, &store, NULL);
		assert_true(rc == RC_OK || rc == RC_DAMAGED || rc == RC_UNSUPPORTED);
		if (rc == RC_OK) {
			for (int n = 0; n < 300; n++)
				(void)has(store, n);
			(void)store_walk(store, ignore, NULL, NULL);
			store_discard(&store);
		} else {
			refused++;
		}
		buf_free(&copy);
	}
	assert_true(refused > 200);
	buf_free(&whole);
}

static void damage_ends_nothing(void **state)
{
	(void)state;
	damage_ends_nothing_when(false);
	damage_ends_nothing_when(true);
}

/* The offset of the first record, in whichever order the library was built to write its numbers. */
static size_t first_record(const struct buf *whole)
{
	size_t big = 0, little = 0;
	for (int i = 0; i < 8; i++) {
		big = big << 8 | whole->data[64 + i];
		little = little << 8 | whole->data[71 - i];
	}
	return big < whole->length ? big : little;
}

/* The hash beside a record, by which it is found: nothing points wrong, and it isn't found. */
static void a_record_that_is_not_found_is_damage(void **state)
{
	(void)state;
	struct store *store = make(30);
	assert_int_equal(store_close(&store, NULL), RC_OK);
	struct buf whole = {0};
	assert_int_equal(file_read(path, 1 << 26, &whole, NULL), RC_OK);
	struct fingerprint print = print_of(7);
	uint8_t key[16];
	for (int i = 0; i < 8; i++) {
		key[i] = (uint8_t)(print.high >> (56 - 8 * i));
		key[8 + i] = (uint8_t)(print.low >> (56 - 8 * i));
	}
	uint8_t *at = memmem(whole.data, whole.length, key, sizeof(key));
	assert_non_null(at);
	assert_int_equal(at[-22], 0xc8);
	at[-21] ^= 4;
	assert_int_equal(file_replace(path, 0600, whole.data, whole.length, NULL), RC_OK);
	assert_int_equal(store_open(path, &store, NULL), RC_DAMAGED);
	buf_free(&whole);
}

/* A pool of free blocks that lies, behind a clean mark: the first record's place is said to be free. */
static void a_lying_pool_overwrites_nothing(void **state)
{
	(void)state;
	struct store *store = make(30);
	assert_int_equal(store_close(&store, NULL), RC_OK);
	struct buf whole = {0};
	assert_int_equal(file_read(path, 1 << 26, &whole, NULL), RC_OK);
	uint8_t *pool = whole.data + 256 + 131071 * 8;
	size_t place = first_record(&whole) >> 4;
	for (; place >= 128; place >>= 7)
		*pool++ = (uint8_t)~(place & 127);
	*pool++ = (uint8_t)place;
	*pool = 112;      /* bytes */
	assert_int_equal(file_replace(path, 0600, whole.data, whole.length, NULL), RC_OK);
	store = reopen();
	struct store_meta meta = *store_meta(store);
	assert_int_equal(store_begin(store, NULL), RC_OK);
	for (int i = 30; i < 60; i++) {
		struct fingerprint print = print_of(i);
		assert_int_equal(put(store, i, 2), RC_OK);
		digest_add(&meta.digest, &print);
		meta.count++;
	}
	assert_int_equal(store_commit(store, &meta, NULL), RC_OK);
	check_whole(store);
	for (int i = 0; i < 60; i++)
		assert_true(has(store, i));
	store_discard(&store);
	buf_free(&whole);
}

/* Serial and epoch aren't in any digest of records. */
static void a_damaged_description_is_damage(void **state)
{
	(void)state;
	struct store *store = make(30);
	assert_int_equal(store_close(&store, NULL), RC_OK);
	struct buf whole = {0};
	assert_int_equal(file_read(path, 1 << 26, &whole, NULL), RC_OK);
	uint8_t *id = memmem(whole.data, whole.length, epoch.id, sizeof(epoch.id));
	assert_non_null(id);
	for (int clean = 1; clean >= 0; clean--) {
		if (!clean)
			remove_suffixed(".clean");
		for (uint8_t *at = id - 1; at < id + 64; at++) {
			*at ^= (uint8_t)(1u << (at - id + 1) % 8);
			assert_int_equal(file_replace(path, 0600, whole.data, whole.length, NULL), RC_OK);
			assert_int_equal(store_open(path, &store, NULL), RC_DAMAGED);
			*at ^= (uint8_t)(1u << (at - id + 1) % 8);
		}
		assert_int_equal(file_replace(path, 0600, whole.data, whole.length, NULL), RC_OK);
		store = reopen();
		assert_int_equal(store_was_clean(store), clean);
		assert_int_equal(store_meta(store)->serial, 1);
		store_discard(&store);
	}
	buf_free(&whole);
}

/* Logs that don't belong: zeros, which the library would take as "cut the file down to nothing". */
static void bad_logs_are_not_applied(void **state)
{
	(void)state;
	struct store *store = make(10);
	assert_int_equal(store_close(&store, NULL), RC_OK);
	for (int round = 0; round < 3; round++) {
		pid_t child = fork();
		if (child == 0) {
			store = reopen();
			if (store_begin(store, NULL) == RC_OK)
				(void)put(store, 77, 2);
			(void)raise(SIGKILL);
		}
		int end;
		assert_int_equal(waitpid(child, &end, 0), child);
		char *log = mem_sprintf("%s.wal", path);
		struct buf content = {0};
		assert_int_equal(file_read(log, 1 << 20, &content, NULL), RC_OK);
		assert_true(content.length > 280);
		if (round == 0) {
			/* Killed while it wrote another piece: what is whole undoes the half transaction. */
			buf_put(&content, "\0\0\0\0\0\0\1\0\0\0\0\10half", 16);
			assert_int_equal(file_replace(log, 0600, content.data, content.length, NULL), RC_OK);
			store = reopen();
			assert_int_equal(store_meta(store)->count, 10);
			assert_false(has(store, 77));
			check_whole(store);
			assert_int_equal(store_close(&store, NULL), RC_OK);
		} else {
			memset(content.data, 0, round == 1 ? content.length : 8);
			assert_int_equal(file_replace(log, 0600, content.data, content.length, NULL), RC_OK);
			struct stat before, after;
			assert_int_equal(stat(path, &before), 0);
			assert_int_equal(store_open(path, &store, NULL), RC_DAMAGED);
			assert_int_equal(stat(path, &after), 0);
			assert_int_equal(before.st_size, after.st_size);
			unlink(log);
			store = make(10);
			assert_int_equal(store_close(&store, NULL), RC_OK);
		}
		buf_free(&content);
		free(log);
	}
}

static void full_disk_is_an_error(void **state)
{
	(void)state;
	struct store *store = make(1000);
	assert_int_equal(store_close(&store, NULL), RC_OK);
	signal(SIGXFSZ, SIG_IGN);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	struct rlimit before;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	store = reopen();
	assert_int_equal(store_begin(store, NULL), RC_OK);
	struct rlimit limit = {.rlim_cur = (rlim_t)status.st_size + 100, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	enum rc rc = RC_OK;
	for (int n = 2000; n < 3000 && rc == RC_OK; n++)
		rc = put(store, n, 2);
	assert_int_equal(rc, RC_IO);
	store_abort(store);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(store_begin(store, NULL), RC_IO);
	store_discard(&store);
	store = reopen();
	assert_false(store_was_clean(store));
	assert_int_equal(store_meta(store)->count, 1000);
	check_whole(store);
	assert_int_equal(store_close(&store, NULL), RC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(transactions_are_whole),
		cmocka_unit_test(survives_kill),
		cmocka_unit_test(damage_ends_nothing),
		cmocka_unit_test(a_record_that_is_not_found_is_damage),
		cmocka_unit_test(a_lying_pool_overwrites_nothing),
		cmocka_unit_test(a_damaged_description_is_damage),
		cmocka_unit_test(bad_logs_are_not_applied),
		cmocka_unit_test(full_disk_is_an_error),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
