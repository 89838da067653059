/* test_file.c: files are there whole or not at all, and failures say what to do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/file.h"
#include "common/mem.h"
#include "tests/unit/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int set_up(void **state)
{
	(void)state;
	return folder_make("file");
}

static int tear_down(void **state)
{
	(void)state;
	return folder_remove();
}

static bool exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

static void assert_holds(const char *path, const char *contents)
{
	struct buf buf = {0};
	struct why why = {""};
	assert_int_equal(file_read(path, 1000, &buf, &why), RC_OK);
	assert_string_equal(buf_text(&buf), contents);
	buf_free(&buf);
}

static void reads(void **state)
{
	(void)state;
	struct why why = {""};
	struct buf buf = {0};
	const char *path = in_folder("a");
	assert_int_equal(file_replace(path, 0600, "12345", 5, &why), RC_OK);
	buf_put(&buf, "0", 1);
	assert_int_equal(file_read(path, 5, &buf, &why), RC_OK);
	assert_string_equal(buf_text(&buf), "012345");
	assert_int_equal(file_read(path, 4, &buf, &why), RC_LIMIT);
	assert_non_null(strstr(why.text, path));
	static const char much[100000];      /* more than one read's worth, so some of it was taken in before */
	assert_int_equal(file_replace(in_folder("much"), 0600, much, sizeof(much), &why), RC_OK);
	assert_int_equal(file_read(in_folder("much"), sizeof(much) - 1, &buf, &why), RC_LIMIT);
	assert_int_equal(buf.length, 6);
	assert_int_equal(file_read(in_folder("none"), 4, &buf, &why), RC_NOT_FOUND);
	assert_non_null(strstr(why.text, in_folder("none")));
	assert_int_equal(file_read(folder, 4, &buf, &why), RC_IO);
	assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
	assert_int_equal(file_read(in_folder("pipe"), 4, &buf, &why), RC_IO);
	assert_non_null(strstr(why.text, "isn't a regular file"));
	assert_string_equal(buf_text(&buf), "012345");
	buf_free(&buf);
}

static void replaces(void **state)
{
	(void)state;
	struct why why = {""};
	const char *path = in_folder("r");
	mode_t umask_before = umask(077);
	assert_int_equal(file_replace(path, 0644, "one", 3, &why), RC_OK);
	umask(umask_before);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_holds(path, "one");

	/* What a crash or a prankster left under the temporary name isn't written through. */
	assert_int_equal(file_replace(in_folder("victim"), 0600, "mine", 4, &why), RC_OK);
	assert_int_equal(symlink(in_folder("victim"), in_folder("r.tmp")), 0);
	assert_int_equal(file_replace(path, 0600, "two", 3, &why), RC_OK);
	assert_holds(path, "two");
	assert_holds(in_folder("victim"), "mine");
	assert_false(exists(in_folder("r.tmp")));
}

static void failure_leaves_no_trace(void **state)
{
	(void)state;
	struct why why = {""};
	assert_int_equal(file_replace(in_folder("no/such/file"), 0600, "x", 1, &why), RC_IO);
	assert_non_null(strstr(why.text, "No such file"));

	assert_int_equal(mkdir(in_folder("dir"), 0700), 0);
	assert_int_equal(file_replace(in_folder("dir"), 0600, "x", 1, &why), RC_IO);
	assert_false(exists(in_folder("dir.tmp")));
	assert_true(exists(in_folder("dir")));

	assert_int_equal(file_replace(in_folder("new"), 0600, "x", 1, &why), RC_OK);
	assert_int_equal(file_promote(in_folder("new"), in_folder("dir"), &why), RC_IO);
	assert_false(exists(in_folder("new")));
	assert_int_equal(file_promote(in_folder("none"), in_folder("other"), &why), RC_IO);
	assert_false(exists(in_folder("other")));
}

static void promotes(void **state)
{
	(void)state;
	struct why why = {""};
	assert_int_equal(file_replace(in_folder("p"), 0600, "old", 3, &why), RC_OK);
	assert_int_equal(file_replace(in_folder("p.new"), 0600, "new", 3, &why), RC_OK);
	assert_int_equal(file_promote(in_folder("p.new"), in_folder("p"), &why), RC_OK);
	assert_holds(in_folder("p"), "new");
	assert_false(exists(in_folder("p.new")));
}

static void full_disk_says_so(void **state)
{
	(void)state;
	struct why why = {""};
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, "x", 1, "/some/file", &why), RC_IO);
	assert_string_equal(why.text, "can't write /some/file: No space left on device; free some space there");
	close(fd);
}

static void makes_folders(void **state)
{
	(void)state;
	struct why why = {""};
	assert_int_equal(file_make_folder(in_folder("x/y//z/"), &why), RC_OK);
	struct stat st;
	assert_int_equal(stat(in_folder("x/y/z"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(file_make_folder(in_folder("x/y/z"), &why), RC_OK);
	assert_int_equal(file_make_folder("/", &why), RC_OK);

	assert_int_equal(file_replace(in_folder("f"), 0600, "", 0, &why), RC_OK);
	assert_int_equal(file_make_folder(in_folder("f"), &why), RC_IO);
	assert_non_null(strstr(why.text, "something else of that name"));
	assert_int_equal(file_make_folder(in_folder("f/g"), &why), RC_IO);
	assert_non_null(strstr(why.text, in_folder("f/g")));

	assert_int_equal(chdir(folder), 0);
	assert_int_equal(file_make_folder("relative/one", &why), RC_OK);
	assert_true(exists(in_folder("relative/one")));
	assert_int_equal(file_sync_folder("relative", &why), RC_OK);
	assert_int_equal(file_sync_folder("missing/x", &why), RC_IO);
	assert_int_equal(chdir("/"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(replaces),
		cmocka_unit_test(failure_leaves_no_trace),
		cmocka_unit_test(promotes),
		cmocka_unit_test(full_disk_says_so),
		cmocka_unit_test(makes_folders),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
