/* test_held.c: the file of held deletions: what was written is read, and damage anywhere is damage, never another version. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/file.h"
#include "common/identity.h"
#include "master/held.h"
#include "tests/unit/folder.h"

#include <stdlib.h>
#include <string.h>

static char *path;

static int set_up(void **state)
{
	(void)state;
	identity_init();
	if (folder_make("held") != 0)
		return -1;
	path = mem_strdup(in_folder("held"));
	struct held_file file = {0};
	struct record record = record_make(RECORD_RCPT, "anne@example.com", 16);
	held_put_name(&file, "users");
	held_put_record(&file, &record);
	record = record_make(RECORD_DOMAIN, "example.com", 11);
	held_put_record(&file, &record);
	struct why why;
	assert_int_equal(held_save(path, &file, &why), RC_OK);
	held_free(&file);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(path);
	return folder_remove();
}

static void read_all(struct buf *out)
{
	struct why why;
	assert_int_equal(file_read(path, 10000, out, &why), RC_OK);
}

static enum rc load_changed(const void *data, size_t length, struct why *why)
{
	struct held_file file = {0};
	assert_int_equal(file_replace(path, 0600, data, length, why), RC_OK);
	enum rc rc = held_load(path, &file, why);
	held_free(&file);
	return rc;
}

static void what_was_written_is_read(void **state)
{
	(void)state;
	struct held_file file = {0};
	struct why why;
	assert_int_equal(held_load(path, &file, &why), RC_OK);
	assert_int_equal(file.count, 2);
	assert_true(held_has_name(&file, "users"));
	assert_false(held_has_name(&file, "user"));
	held_free(&file);
}

static void damage_anywhere_is_damage(void **state)
{
	(void)state;
	struct buf whole = {0};
	struct why why;
	read_all(&whole);
	for (size_t i = 0; i < whole.length; i++)
		for (int bit = 0; bit < 8; bit++) {
			whole.data[i] ^= (uint8_t)(1u << bit);
			assert_int_equal(load_changed(whole.data, whole.length, &why), RC_DAMAGED);
			whole.data[i] ^= (uint8_t)(1u << bit);
		}
	for (size_t length = 0; length < whole.length; length++)
		assert_int_equal(load_changed(whole.data, length, &why), RC_DAMAGED);
	assert_int_equal(load_changed(whole.data, whole.length, &why), RC_OK);
	buf_free(&whole);
}

static void a_newer_version_is_told(void **state)
{
	(void)state;
	struct buf whole = {0};
	struct why why;
	read_all(&whole);
	whole.data[11] = 2;
	identity_hash(whole.data, whole.length - IDENTITY_HASH_BYTES, whole.data + whole.length - IDENTITY_HASH_BYTES);
	assert_int_equal(load_changed(whole.data, whole.length, &why), RC_UNSUPPORTED);
	assert_non_null(strstr(why.text, "format 2"));
	buf_free(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_written_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_anywhere_is_damage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_newer_version_is_told, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
