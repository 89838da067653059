/* test_read_index.c: the helper process on indexes as Postfix writes them: complete, locked, damaged. Each reading
 * runs in a process of its own, as it does in life: this program started again with --read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/mem.h"
#include "master/read.h"
#include "tests/unit/index_fixture.h"
#include "tests/unit/folder.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_up(void **state)
{
	(void)state;
	return folder_make("index");
}

static int tear_down(void **state)
{
	(void)state;
	return folder_remove();
}

struct run {
	pid_t pid;
	int out;
	int err;
};

static struct run start(const char *map)
{
	int out[2], err[2];
	struct run run = {0};
	posix_spawn_file_actions_t actions;
	char name[] = "/proc/self/exe", option[] = "--read";
	char *copy = mem_strdup(map);
	char *argv[] = {name, option, copy, NULL};
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
	assert_int_equal(posix_spawn(&run.pid, name, &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	free(copy);
	(void)close(out[1]);
	(void)close(err[1]);
	run.out = out[0];
	run.err = err[0];
	return run;
}

static void drain(int fd, struct buf *out)
{
	ssize_t got;
	do {
		buf_reserve(out, 65536);
		got = read(fd, out->data + out->length, 65536);
		out->length += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	(void)close(fd);
}

/* Returns the status, -1 for a signal. */
static int finish(struct run run, struct buf *out, struct buf *err)
{
	int status = 0;
	drain(run.out, out);
	drain(run.err, err);
	assert_int_equal(waitpid(run.pid, &status, 0), run.pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *map_of(const char *type, const char *name)
{
	return mem_sprintf("%s:%s/%s", type, folder, name);
}

/* All formats, by what makes them. */
struct format {
	const char *type;
	void (*make)(const char *path, const char *const *keys, size_t count, bool nul);
};
static const struct format formats[] = {
	{"hash", index_make_hash},
	{"btree", index_make_btree},
	{"lmdb", index_make_lmdb},
	{"cdb", index_make_cdb},
};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

static char *make(const struct format *format, const char *name, const char *const *keys, size_t count)
{
	char *path = mem_sprintf("%s/%s%s", folder, name, read_suffix(format->type));
	format->make(path, keys, count, true);
	return path;
}

static void assert_lists(const char *map, const char *expected, const char *note)
{
	struct buf out = {0}, err = {0};
	int status = finish(start(map), &out, &err);
	assert_string_equal(buf_text(&err), note);
	assert_int_equal(status, 0);
	assert_string_equal(index_sort_lines(buf_text(&out)), expected);
	buf_free(&out);
	buf_free(&err);
}

static void assert_refuses(const char *map, const char *part)
{
	struct buf out = {0}, err = {0};
	int status = finish(start(map), &out, &err);
	if ((status != 1 && status != READ_DAMAGED) || !strstr(buf_text(&err), part))
		fail_msg("%s: status %d: %s", map, status, buf_text(&err));
	buf_free(&out);
	buf_free(&err);
}

static void lists_every_key_once(void **state)
{
	(void)state;
	static const char *const keys[] = {"alice@example.com", "bob@example.com", "@example.org", "\"a b\"@example.com"};
	for (size_t i = 0; i < FORMATS; i++) {
		char *path = make(&formats[i], "few", keys, 4);
		char *map = map_of(formats[i].type, "few");
		assert_lists(map, "\"a b\"@example.com\n@example.org\nalice@example.com\nbob@example.com\n", "");
		formats[i].make(path, keys, 4, false);
		assert_lists(map, "\"a b\"@example.com\n@example.org\nalice@example.com\nbob@example.com\n", "");
		formats[i].make(path, keys, 0, true);
		assert_lists(map, "", "");
		free(map);
		(void)unlink(path);
		free(path);
	}
}

#define MANY 30000

static void lists_many_keys(void **state)
{
	(void)state;
	char **keys = mem_alloc(MANY * sizeof(char *));
	for (size_t i = 0; i < MANY; i++)
		keys[i] = mem_sprintf("user%05zu@example.com", i);
	for (size_t i = 0; i < FORMATS; i++) {
		char *path = make(&formats[i], "many", (const char *const *)keys, MANY);
		char *map = map_of(formats[i].type, "many");
		struct buf out = {0}, err = {0};
		assert_int_equal(finish(start(map), &out, &err), 0);
		const char *at = index_sort_lines(buf_text(&out));
		for (size_t j = 0; j < MANY; j++) {
			assert_memory_equal(at, keys[j], strlen(keys[j]));
			at = strchr(at, '\n') + 1;
		}
		assert_int_equal(*at, '\0');
		buf_free(&out);
		buf_free(&err);
		(void)unlink(path);
		free(path);
		free(map);
	}
	for (size_t i = 0; i < MANY; i++)
		free(keys[i]);
	free(keys);
}

static void passes_over_keys_that_no_line_can_hold(void **state)
{
	(void)state;
	static const char *const keys[] = {"a@b", "new\nline@b", "tab\t@b", "del\x7f@b"};
	for (size_t i = 0; i < FORMATS; i++) {
		char *path = make(&formats[i], "odd", keys, 4);
		char *map = map_of(formats[i].type, "odd");
		char *note = mem_sprintf("%s: 3 keys with control characters, or empty, passed over\n", path);
		assert_lists(map, "a@b\n", note);
		(void)unlink(path);
		free(note);
		free(path);
		free(map);
	}
}

static void missing_empty_or_foreign_files_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMATS; i++) {
		char *path = make(&formats[i], "bad", NULL, 0);
		char *map = map_of(formats[i].type, "bad");
		(void)unlink(path);
		assert_refuses(map, "No such file or directory");
		index_write(path, "", 0);
		assert_refuses(map, "is empty, not even an empty table");
		char junk[9000];
		memset(junk, 'j', sizeof(junk));
		index_write(path, junk, sizeof(junk));
		assert_refuses(map, "make it anew");
		(void)unlink(path);
		assert_int_equal(mkdir(path, 0700), 0);
		assert_refuses(map, "isn't a regular file");
		(void)rmdir(path);
		free(path);
		free(map);
	}
}

static void a_file_that_was_cut_off_is_refused(void **state)
{
	(void)state;
	char *keys[2000];
	for (size_t i = 0; i < 2000; i++)
		keys[i] = mem_sprintf("user%04zu@example.com", i);
	for (size_t i = 0; i < FORMATS; i++) {
		char *path = make(&formats[i], "cut", (const char *const *)keys, 2000);
		char *map = map_of(formats[i].type, "cut");
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		for (off_t size = st.st_size - 1; size > 0; size -= size > 20000 ? 9973 : size > 3000 ? 1777 : 211) {
			assert_int_equal(truncate(path, size), 0);
			assert_refuses(map, path);
		}
		(void)unlink(path);
		free(path);
		free(map);
	}
	for (size_t i = 0; i < 2000; i++)
		free(keys[i]);
}

/* Each page in turn is overwritten: the reader may refuse, crash or see fewer keys, but it ends, and never says
 * that keys are there which aren't. */
static void damage_hurts_the_helper_alone(void **state)
{
	(void)state;
	char *keys[500];
	for (size_t i = 0; i < 500; i++)
		keys[i] = mem_sprintf("user%03zu@example.com", i);
	char junk[512];
	memset(junk, 0xa5, sizeof(junk));
	for (size_t i = 0; i < FORMATS; i++) {
		char *path = make(&formats[i], "hit", (const char *const *)keys, 500);
		char *map = map_of(formats[i].type, "hit");
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		for (off_t at = 0; at < st.st_size; at += 4096) {
			formats[i].make(path, (const char *const *)keys, 500, true);
			index_overwrite(path, at, junk, sizeof(junk));
			struct buf out = {0}, err = {0};
			struct run run = start(map);
			struct pollfd ended = {.fd = run.out, .events = POLLIN | POLLHUP};
			assert_int_equal(poll(&ended, 1, 20000), 1);
			(void)finish(run, &out, &err);
			buf_free(&out);
			buf_free(&err);
		}
		(void)unlink(path);
		free(path);
		free(map);
	}
	for (size_t i = 0; i < 500; i++)
		free(keys[i]);
}

static void a_btree_is_not_taken_for_a_hash(void **state)
{
	(void)state;
	static const char *const keys[] = {"a@b"};
	char *path = make(&formats[1], "kind", keys, 1);
	char *map = map_of("hash", "kind");
	assert_refuses(map, "is a btree, not a hash: write btree: in front of its path");
	free(path);
	free(map);
}

/* Nothing comes while the writer has the lock; all of it after. */
static void assert_waits(const char *map, int fd, void (*unlock)(int fd))
{
	struct run run = start(map);
	struct pollfd out = {.fd = run.out, .events = POLLIN};
	/* It waits for the lock: the kernel says so in /proc/locks, with an arrow and its pid. */
	index_await_blocked(run.pid);
	assert_int_equal(poll(&out, 1, 0), 0);
	unlock(fd);
	struct buf text = {0}, err = {0};
	assert_int_equal(finish(run, &text, &err), 0);
	assert_string_equal(buf_text(&text), "a@b\n");
	buf_free(&text);
	buf_free(&err);
}

static void unlock_flock(int fd)
{
	assert_int_equal(flock(fd, LOCK_UN), 0);
}

static void unlock_fcntl(int fd)
{
	struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	assert_int_equal(fcntl(fd, F_SETLK, &whole), 0);
}

static void waits_for_the_lock_of_postmap(void **state)
{
	(void)state;
	static const char *const keys[] = {"a@b"};
	for (size_t i = 0; i < 3; i++) {
		char *path = make(&formats[i], "lock", keys, 1);
		char *map = map_of(formats[i].type, "lock");
		int fd = open(path, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		if (i < 2) {
			assert_int_equal(flock(fd, LOCK_EX), 0);
			assert_waits(map, fd, unlock_flock);
		} else {
			struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
			assert_int_equal(fcntl(fd, F_SETLK, &whole), 0);
			assert_waits(map, fd, unlock_fcntl);
		}
		(void)close(fd);
		(void)unlink(path);
		free(path);
		free(map);
	}
}

static void what_replaced_the_file_during_the_wait_is_read(void **state)
{
	(void)state;
	static const char *const old[] = {"old@b"}, *const new[] = {"a@b"};
	char *path = make(&formats[0], "swap", old, 1);
	char *other = make(&formats[0], "other", new, 1);
	char *map = map_of("hash", "swap");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	struct run run = start(map);
	index_await_blocked(run.pid);
	assert_int_equal(rename(other, path), 0);
	(void)close(fd);
	struct buf text = {0}, err = {0};
	assert_int_equal(finish(run, &text, &err), 0);
	assert_string_equal(buf_text(&text), "a@b\n");
	buf_free(&text);
	buf_free(&err);
	free(path);
	free(other);
	free(map);
}

static void texts_are_listed_with_a_note(void **state)
{
	(void)state;
	char *path = mem_sprintf("%s/text", folder);
	static const char text[] = "A@b x\nbroken\n\"open y\na@B z\n";
	index_write(path, text, sizeof(text) - 1);
	char *map = map_of("text", "text");
	char *note = mem_sprintf("%s:2: passed over: a key, white space and a value are expected "
	                         "(2 lines like this in all)\n", path);
	assert_lists(map, "A@b\na@B\n", note);
	free(map);
	map = map_of("texthash", "text");
	assert_refuses(map, "text:4: \"a@B\" is there already, in line 1");
	static const char once[] = "a@b x\nab y\n";
	index_write(path, once, sizeof(once) - 1);
	assert_lists(map, "a@b\nab\n", "");
	free(map);
	map = map_of("aliases", "text");
	static const char aliases[] = "Root: x\n";
	index_write(path, aliases, sizeof(aliases) - 1);
	assert_lists(map, "root\n", "");
	free(map);
	free(note);
	free(path);
}

static void types_are_known_or_refused(void **state)
{
	(void)state;
	assert_true(read_type_known("hash") && read_type_known("text"));
	assert_false(read_type_known("aliases") || read_type_known("mysql") || read_type_known(""));
	assert_string_equal(read_types(), "btree, cdb, hash, lmdb, text, texthash");
	assert_refuses("mysql:/x", "mysql:/x: can't be listed: TYPE:PATH is expected, with one of the types btree");
	assert_refuses("/x", "/x: can't be listed");
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--read") == 0)
		return read_main(argv[2]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_every_key_once),
		cmocka_unit_test(lists_many_keys),
		cmocka_unit_test(passes_over_keys_that_no_line_can_hold),
		cmocka_unit_test(missing_empty_or_foreign_files_are_refused),
		cmocka_unit_test(a_file_that_was_cut_off_is_refused),
		cmocka_unit_test(damage_hurts_the_helper_alone),
		cmocka_unit_test(a_btree_is_not_taken_for_a_hash),
		cmocka_unit_test(waits_for_the_lock_of_postmap),
		cmocka_unit_test(what_replaced_the_file_during_the_wait_is_read),
		cmocka_unit_test(texts_are_listed_with_a_note),
		cmocka_unit_test(types_are_known_or_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
