/* test_hash_proof.c: what is proved is whole: the library's own verification finds nothing, and all keys are walked. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/hash_proof.h"

#include "folder.h"

#include <db.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS 3000
#define ROUNDS 4000

static uint64_t seed = 88172645463325252u;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void change_key(DB *db, int number, size_t value_bytes)
{
	char text[64];
	int length = snprintf(text, sizeof(text), "user.number.%d@example.com", number);
	DBT key = {.data = text, .size = (u_int32_t)length + 1};
	if (value_bytes == 0) {
		assert_int_equal(db->del(db, NULL, &key, 0), 0);
		return;
	}
	char *bytes = calloc(1, value_bytes);
	DBT value = {.data = bytes, .size = (u_int32_t)value_bytes};
	memset(bytes, 'v', value_bytes);
	assert_int_equal(db->put(db, NULL, &key, &value, 0), 0);
	free(bytes);
}

/* Each hundredth value fills overflow pages, and every seventh key has been there and is gone. */
static void make(const char *path, DBTYPE type, uint32_t page_size, uint32_t flags, int count)
{
	DB *db = NULL;
	assert_int_equal(db_create(&db, NULL, 0), 0);
	assert_int_equal(db->set_pagesize(db, page_size), 0);
	if (flags)
		assert_int_equal(db->set_flags(db, flags), 0);
	assert_int_equal(db->open(db, NULL, path, NULL, type, DB_CREATE | DB_TRUNCATE, 0600), 0);
	for (int i = 0; i < count; i++)
		change_key(db, i, i % 100 == 3 ? (size_t)page_size * 2 + (size_t)i : 2);
	for (int i = 0; i < count; i += 7)
		change_key(db, i, 0);
	assert_int_equal(db->close(db, 0), 0);
}

static int left(int count)
{
	return count - (count + 6) / 7;
}

static bool proves(const char *path, uint64_t *keys)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	bool proved = hash_proof(fd, (uint64_t)st.st_size, keys);
	(void)close(fd);
	return proved;
}

static void what_the_library_makes_is_proved(void **state)
{
	(void)state;
	static const uint32_t page_sizes[] = {512, 4096, 65536};
	static const int counts[] = {200, KEYS};
	const char *path = in_folder("x.db");
	for (size_t p = 0; p < sizeof(page_sizes) / sizeof(*page_sizes); p++) {
		for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
			uint64_t keys = 0;
			make(path, DB_HASH, page_sizes[p], 0, counts[c]);
			assert_true(proves(path, &keys));
			assert_int_equal(keys, left(counts[c]));
		}
	}
}

static void what_a_postmap_does_not_make_is_left_to_the_library(void **state)
{
	(void)state;
	uint64_t keys = 77;
	const char *path = in_folder("x.db");
	make(path, DB_HASH, 4096, 0, 1);      /* a bucket that was never used */
	assert_false(proves(path, &keys));
	make(path, DB_BTREE, 4096, 0, 100);
	assert_false(proves(path, &keys));
	make(path, DB_HASH, 4096, DB_DUP, 100);
	assert_false(proves(path, &keys));
	make(path, DB_HASH, 4096, DB_CHKSUM, 100);
	assert_false(proves(path, &keys));
	make(path, DB_HASH, 4096, 0, 100);
	assert_int_equal(truncate(path, 4096), 0);
	assert_false(proves(path, &keys));
	assert_int_equal(truncate(path, 100), 0);
	assert_false(proves(path, &keys));
	assert_int_equal(truncate(path, 0), 0);
	assert_false(proves(path, &keys));
	assert_int_equal(keys, 77);
}

/* ---- Damage ---- */

static void say_nothing(const DB_ENV *env, const char *prefix, const char *message)
{
	(void)env;
	(void)prefix;
	(void)message;
}

static void tell_nothing(const DB_ENV *env, const char *message)
{
	(void)env;
	(void)message;
}

static bool library_verifies(const char *path)
{
	DB *db = NULL;
	assert_int_equal(db_create(&db, NULL, 0), 0);
	db->set_errcall(db, say_nothing);
	db->set_msgcall(db, tell_nothing);
	return db->verify(db, path, NULL, NULL, 0) == 0;
}

/* Only for a file that was verified: the library doesn't survive any. */
static uint64_t walk(const char *path)
{
	DB *db = NULL;
	DBC *cursor = NULL;
	DBT key = {0}, value = {0};
	uint64_t keys = 0;
	assert_int_equal(db_create(&db, NULL, 0), 0);
	assert_int_equal(db->open(db, NULL, path, NULL, DB_HASH, DB_RDONLY, 0), 0);
	assert_int_equal(db->cursor(db, NULL, &cursor, 0), 0);
	while (cursor->get(cursor, &key, &value, DB_NEXT) == 0)
		keys++;
	assert_int_equal(cursor->close(cursor), 0);
	assert_int_equal(db->close(db, 0), 0);
	return keys;
}

/* Where structure is, damage is found; so half of it goes there. */
static off_t somewhere(off_t size, uint32_t page_size)
{
	off_t at = (off_t)(next() % (uint64_t)size);
	return next() % 2 ? at : at - at % (off_t)page_size + (off_t)(next() % 120);
}

static void damage(int fd, off_t size, uint32_t page_size)
{
	uint8_t bytes[4];
	off_t at = somewhere(size, page_size);
	size_t length = 1 + next() % sizeof(bytes);
	if (at + (off_t)length > size)
		at = size - (off_t)length;
	for (size_t i = 0; i < length; i++)
		bytes[i] = next() % 3 ? (uint8_t)next() : 0;
	assert_int_equal(pwrite(fd, bytes, length, at), (ssize_t)length);
}

static void restore(int fd, const void *data, size_t length)
{
	assert_int_equal(pwrite(fd, data, length, 0), (ssize_t)length);
	assert_int_equal(ftruncate(fd, (off_t)length), 0);
}

static void what_is_damaged_is_not_proved(void **state)
{
	(void)state;
	const char *path = in_folder("x.db");
	const uint32_t page_size = 512;
	make(path, DB_HASH, page_size, 0, 400);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	void *whole = malloc((size_t)st.st_size);
	assert_int_equal(pread(fd, whole, (size_t)st.st_size, 0), st.st_size);
	const char *rounds = getenv("RXFER_ROUNDS");
	int proved = 0, refused = 0;
	for (int i = 0; i < (rounds ? atoi(rounds) : ROUNDS); i++) {
		uint64_t keys = 0;
		restore(fd, whole, (size_t)st.st_size);
		damage(fd, st.st_size, page_size);
		if (!proves(path, &keys)) {
			refused++;
			continue;
		}
		proved++;
		/* A value's bytes aren't structure, nor is what no item uses. */
		if (!library_verifies(path))
			fail_msg("round %d: proved, but the library doesn't verify it", i);
		assert_int_equal(keys, left(400));
		assert_int_equal(walk(path), keys);
	}
	print_message("%d proved, %d refused\n", proved, refused);
	assert_true(proved > 0 && refused > 0);
	free(whole);
	(void)close(fd);
}

static int make_folder(void **state)
{
	(void)state;
	return folder_make("hash-proof");
}

static int remove_folder(void **state)
{
	(void)state;
	return folder_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_library_makes_is_proved),
		cmocka_unit_test(what_a_postmap_does_not_make_is_left_to_the_library),
		cmocka_unit_test(what_is_damaged_is_not_proved),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
