/* test_table_hash.c: the bytes that Postfix wants to find, and failures that leave nothing half done. That Postfix's
 * own postmap reads it is shown by the system tests. */
#include "replica/table_type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <db.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[96];

static int setup(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	(void)snprintf(folder, sizeof(folder), "%s/rxfer-hash-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/table.db", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static struct table_writer *create(uint64_t expected)
{
	struct table_writer *writer = NULL;
	struct why why;
	if (table_hash.create(path, expected, &writer, &why) != RC_OK)
		fail_msg("%s", why.text);
	return writer;
}

static bool put(struct table_writer *writer, const char *key)
{
	bool added;
	struct why why;
	if (table_hash.put(writer, key, strlen(key), &added, &why) != RC_OK)
		fail_msg("%s", why.text);
	return added;
}

static void finish(struct table_writer **writer)
{
	struct why why;
	if (table_hash.finish(writer, &why) != RC_OK)
		fail_msg("%s", why.text);
	assert_null(*writer);
}

/* As Postfix's dict_db does it: key with its NUL; the value must be there with a NUL of its own. */
static void keys_and_values_end_with_a_stored_nul(void **state)
{
	(void)state;
	struct table_writer *writer = create(2);
	assert_true(put(writer, "a@example.com"));
	assert_false(put(writer, "a@example.com"));
	assert_true(put(writer, "@example.org"));
	finish(&writer);

	DB *db;
	assert_int_equal(db_create(&db, NULL, 0), 0);
	assert_int_equal(db->open(db, NULL, path, NULL, DB_HASH, DB_RDONLY, 0), 0);
	u_int32_t page;
	assert_int_equal(db->get_pagesize(db, &page), 0);
	assert_int_equal(page, 4096);
	char with_nul[] = "a@example.com";
	DBT key = {.data = with_nul, .size = sizeof(with_nul)}, value = {.data = NULL};
	assert_int_equal(db->get(db, NULL, &key, &value, 0), 0);
	assert_int_equal(value.size, 3);
	assert_memory_equal(value.data, "OK", 3);
	key.size--;
	assert_int_equal(db->get(db, NULL, &key, &value, 0), DB_NOTFOUND);
	assert_int_equal(db->close(db, 0), 0);
}

static bool count_key(void *context, const char *key, size_t length)
{
	assert_int_equal(strnlen(key, length), length);
	return ++*(size_t *)context < 50000;
}

static void many_keys_whatever_was_expected(void **state)
{
	(void)state;
	static const uint64_t expected[] = {0, 100, 20000, 1000000};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct table_writer *writer = create(expected[i]);
		char key[512];
		for (int n = 0; n < 20000; n++) {
			/* Of all lengths, some as long as a page's eighth. */
			(void)snprintf(key, sizeof(key), "%0*d@example.com", n % 97 == 0 ? 480 : 5 + n % 40, n);
			assert_true(put(writer, key));
		}
		finish(&writer);
		size_t count = 0;
		assert_int_equal(table_hash.walk(path, count_key, &count, NULL), RC_OK);
		assert_int_equal(count, 20000);
		assert_int_equal(unlink(path), 0);
	}
}

static void an_existing_file_isnt_touched(void **state)
{
	(void)state;
	struct table_writer *writer = create(1);
	(void)put(writer, "a");
	finish(&writer);
	struct why why;
	assert_int_equal(table_hash.create(path, 1, &writer, &why), RC_IO);
	assert_null(writer);
	size_t count = 0;
	assert_int_equal(table_hash.walk(path, count_key, &count, NULL), RC_OK);
	assert_int_equal(count, 1);
}

/* libdb makes a file under the name __db.NAME first, and waits for ever for one that is there to go away. */
static void a_leftover_of_a_kill_is_no_obstacle(void **state)
{
	(void)state;
	char leftover[sizeof(path) + 16];
	(void)snprintf(leftover, sizeof(leftover), "%s/__db.table.db", folder);
	int fd = open(leftover, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "half", 4), 4);
	assert_int_equal(close(fd), 0);
	(void)alarm(5);
	struct table_writer *writer = create(1);
	(void)alarm(0);
	(void)put(writer, "a");
	finish(&writer);
	assert_int_equal(access(leftover, F_OK), -1);
}

static void failures_have_a_sentence(void **state)
{
	(void)state;
	struct why why;
	size_t count = 0;
	assert_int_equal(table_hash.walk(path, count_key, &count, &why), RC_IO);
	assert_non_null(strstr(why.text, path));
	struct table_writer *writer = NULL;
	assert_int_equal(table_hash.create("/nowhere/at/all.db", 1, &writer, &why), RC_IO);
	assert_non_null(strstr(why.text, "/nowhere/at/all.db"));
	writer = create(1);
	char key[3000];
	memset(key, 'a', sizeof(key));
	bool added;
	assert_int_equal(table_hash.put(writer, key, sizeof(key), &added, &why), RC_LIMIT);
	table_hash.abandon(&writer);
	assert_null(writer);
}

static void types(void **state)
{
	(void)state;
	assert_ptr_equal(table_type_find("hash"), &table_hash);
	assert_null(table_type_find("mysql"));
	assert_non_null(strstr(table_type_list(), "hash"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(keys_and_values_end_with_a_stored_nul), TEST(many_keys_whatever_was_expected),
		TEST(an_existing_file_isnt_touched), TEST(a_leftover_of_a_kill_is_no_obstacle),
		TEST(failures_have_a_sentence), TEST(types),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
