/* test_watch.c: every way in which what a path names can change is told. Real files, and a deadline for each event. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/mem.h"
#include "master/watch.h"
#include "tests/unit/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_MS 10000

static struct loop *loop;
static struct watch *watch;
static int change;            /* the last since the last look; 0: none */

static int set_up(void **state)
{
	(void)state;
	if (folder_make("watch") != 0)
		return -1;
	loop = loop_new();
	return watch_new(loop, &watch, NULL) == RC_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	watch_free(&watch);
	loop_free(loop);
	return folder_remove();
}

static void write_to(const char *name, const char *text, int flags)
{
	int fd = open(in_folder(name), O_WRONLY | O_CLOEXEC | flags, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static void make(const char *name)
{
	write_to(name, "x", O_CREAT);
}

static void on_change(void *context, enum watch_change what)
{
	(void)context;
	change = (int)what;
}

/* Everything that the kernel has queued is seen in one turn, since inotify events are queued within the system call. */
static int seen(void)
{
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	int what = change;
	change = 0;
	return what;
}

static int wait_for_change(void)
{
	struct mono start = clock_mono();
	while (change == 0 && mono_since(start) < DEADLINE_MS)
		assert_int_equal(loop_turn(loop, 100, NULL), RC_OK);
	return seen();
}

static struct watch_entry *watch_it(const char *name)
{
	struct watch_entry *entry = watch_path(watch, in_folder(name), on_change, NULL);
	(void)seen();
	return entry;
}

static void rewriting_in_place(void **state)
{
	(void)state;
	make("file");
	struct watch_entry *entry = watch_it("file");
	write_to("file", "y", 0);
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	write_to("file", "z", O_TRUNC);
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	assert_int_equal(chmod(in_folder("file"), 0640), 0);
	assert_int_equal(wait_for_change(), WATCH_IN_PLACE);
	assert_int_equal(seen(), 0);
	watch_remove(&entry);
	assert_null(entry);
}

static void renaming_over(void **state)
{
	(void)state;
	make("file");
	struct watch_entry *entry = watch_it("file");
	for (int i = 0; i < 3; i++) {
		make("file.tmp");
		assert_int_equal(seen(), 0);
		assert_int_equal(rename(in_folder("file.tmp"), in_folder("file")), 0);
		assert_int_equal(wait_for_change(), WATCH_WHOLE);
	}
	watch_remove(&entry);
}

static void deleting_and_making_anew(void **state)
{
	(void)state;
	make("file");
	struct watch_entry *entry = watch_it("file");
	assert_int_equal(unlink(in_folder("file")), 0);
	assert_int_equal(wait_for_change(), WATCH_GONE);
	make("file");
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	watch_remove(&entry);
}

static void other_files_do_not_count(void **state)
{
	(void)state;
	make("file");
	struct watch_entry *entry = watch_it("file");
	make("file.other");
	write_to("file.other", "y", 0);
	assert_int_equal(unlink(in_folder("file.other")), 0);
	assert_int_equal(seen(), 0);
	int fd = open(in_folder("file"), O_RDONLY | O_CLOEXEC);
	char byte;
	assert_int_equal(read(fd, &byte, 1), 1);
	(void)close(fd);
	assert_int_equal(seen(), 0);
	watch_remove(&entry);
	write_to("file", "y", 0);
	assert_int_equal(seen(), 0);
}

static void put_link(const char *target, const char *name)
{
	assert_int_equal(symlink(target, in_folder("link.tmp")), 0);
	assert_int_equal(rename(in_folder("link.tmp"), in_folder(name)), 0);
}

static void a_link_and_its_target(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("a"), 0700), 0);
	assert_int_equal(mkdir(in_folder("b"), 0700), 0);
	make("a/one");
	make("b/two");
	put_link("a/one", "link");
	struct watch_entry *entry = watch_it("link");
	write_to("a/one", "y", 0);
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	put_link("b/two", "link");
	assert_int_equal(wait_for_change(), WATCH_WHOLE);
	write_to("a/one", "z", 0);
	assert_int_equal(seen(), 0);
	write_to("b/two", "z", 0);
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	/* Deleted and made anew, as ln -sf does it. */
	assert_int_equal(unlink(in_folder("link")), 0);
	assert_int_equal(symlink("a/one", in_folder("link")), 0);
	assert_int_equal(wait_for_change(), WATCH_WHOLE);
	assert_int_equal(unlink(in_folder("a/one")), 0);
	assert_int_equal(wait_for_change(), WATCH_GONE);
	make("a/one");
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	watch_remove(&entry);
}

static void a_chain_of_links_and_a_linked_folder(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("v1"), 0700), 0);
	assert_int_equal(mkdir(in_folder("v2"), 0700), 0);
	make("v1/map");
	make("v2/map");
	put_link("v1", "current");
	put_link("./current/../current//map", "second");
	put_link(in_folder("second"), "first");
	struct watch_entry *entry = watch_it("first");
	write_to("v1/map", "y", 0);
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	put_link("v2", "current");
	assert_int_equal(wait_for_change(), WATCH_WHOLE);
	write_to("v2/map", "y", 0);
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	watch_remove(&entry);
	/* A circle is watched as far as it goes. */
	put_link("second", "first");
	put_link("first", "second");
	entry = watch_it("first");
	assert_int_equal(unlink(in_folder("first")), 0);
	assert_int_equal(wait_for_change(), WATCH_GONE);
	watch_remove(&entry);
}

static void a_folder_replaced_moved_and_made_anew(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("deep"), 0700), 0);
	assert_int_equal(mkdir(in_folder("deep/er"), 0700), 0);
	make("deep/er/map");
	struct watch_entry *entry = watch_it("deep/er/map");
	assert_int_equal(rename(in_folder("deep"), in_folder("away")), 0);
	assert_true(wait_for_change() >= WATCH_GONE);
	write_to("away/er/map", "y", 0);
	assert_int_equal(seen(), 0);
	assert_int_equal(rename(in_folder("away"), in_folder("deep")), 0);
	assert_int_equal(wait_for_change(), WATCH_WHOLE);
	write_to("deep/er/map", "y", 0);
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);

	assert_int_equal(unlink(in_folder("deep/er/map")), 0);
	assert_int_equal(rmdir(in_folder("deep/er")), 0);
	assert_int_equal(rmdir(in_folder("deep")), 0);
	assert_int_equal(wait_for_change(), WATCH_GONE);
	assert_int_equal(mkdir(in_folder("deep"), 0700), 0);
	assert_int_equal(wait_for_change(), WATCH_IN_PLACE);
	assert_int_equal(mkdir(in_folder("deep/er"), 0700), 0);
	assert_int_equal(wait_for_change(), WATCH_IN_PLACE);
	make("deep/er/map");
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	/* All at once: the folders are walked anew only after the file is there. */
	assert_int_equal(folder_remove(), 0);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(mkdir(in_folder("deep"), 0700), 0);
	assert_int_equal(mkdir(in_folder("deep/er"), 0700), 0);
	make("deep/er/map");
	assert_true(wait_for_change() > 0);
	write_to("deep/er/map", "y", 0);
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	watch_remove(&entry);
}

static void what_was_never_there_is_seen_when_it_comes(void **state)
{
	(void)state;
	struct watch_entry *entry = watch_it("late/map");
	assert_int_equal(mkdir(in_folder("late"), 0700), 0);
	assert_int_equal(wait_for_change(), WATCH_IN_PLACE);
	make("late/map");
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	watch_remove(&entry);
}

/* What was renamed over may be written to right after, and is half-written then, not complete. */
static void the_last_change_of_a_burst_counts(void **state)
{
	(void)state;
	make("file");
	struct watch_entry *entry = watch_it("file");
	make("file.tmp");
	assert_int_equal(rename(in_folder("file.tmp"), in_folder("file")), 0);
	int fd = open(in_folder("file"), O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "h", 1), 1);
	assert_int_equal(wait_for_change(), WATCH_WRITING);
	assert_int_equal(write(fd, "a", 1), 1);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(wait_for_change(), WATCH_WRITING);
	assert_int_equal(close(fd), 0);
	assert_int_equal(wait_for_change(), WATCH_WRITTEN);
	make("file.tmp");
	write_to("file", "y", 0);
	assert_int_equal(rename(in_folder("file.tmp"), in_folder("file")), 0);
	assert_int_equal(wait_for_change(), WATCH_WHOLE);
	watch_remove(&entry);
}

/* More events than the kernel keeps: then anything may have changed, and may be half-written too. */
static void a_queue_that_overflows_means_everything(void **state)
{
	(void)state;
	make("file");
	struct watch_entry *entry = watch_it("file");
	FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	int most = 16384;
	if (limit && fscanf(limit, "%d", &most) != 1)
		most = 16384;
	if (limit)
		(void)fclose(limit);
	if (most > 100000)
		skip();
	for (int i = 0; i < most; i++) {
		make(i % 2 ? "noise1" : "noise2");
		(void)unlink(in_folder(i % 2 ? "noise1" : "noise2"));
	}
	int what = 0;
	struct mono start = clock_mono();
	while (what == 0 && mono_since(start) < DEADLINE_MS)
		what = seen();
	assert_int_equal(what, WATCH_IN_PLACE);
	watch_remove(&entry);
}

static void a_folder_that_cannot_be_watched_is_told(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("shut"), 0700), 0);
	make("shut/map");
	struct watch_entry *entry = watch_it("shut/map");
	assert_int_equal(watch_trouble(entry), 0);
	watch_remove(&entry);
	entry = watch_it("not/there");
	assert_int_equal(watch_trouble(entry), 0);
	watch_remove(&entry);
	if (geteuid() == 0 && seteuid(65534) != 0)
		skip();
	/* The folder around it is root's alone, or ours and shut. */
	(void)chmod(in_folder("shut"), 0);
	entry = watch_path(watch, in_folder("shut/map"), on_change, NULL);
	int trouble = watch_trouble(entry);
	watch_remove(&entry);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(in_folder("shut"), 0700), 0);
	assert_int_equal(trouble, EACCES);
}

struct remover {
	struct watch_entry *own;
	struct watch_entry *other;
	int calls;
};

static void remove_both(void *context, enum watch_change what)
{
	(void)what;
	struct remover *remover = context;
	remover->calls++;
	watch_remove(&remover->own);
	watch_remove(&remover->other);
}

static void a_callback_may_remove_itself_and_others(void **state)
{
	(void)state;
	make("file");
	struct remover remover = {0};
	remover.other = watch_path(watch, in_folder("file"), remove_both, &remover);
	remover.own = watch_path(watch, in_folder("file"), remove_both, &remover);
	write_to("file", "y", 0);
	struct mono start = clock_mono();
	while (remover.calls == 0 && mono_since(start) < DEADLINE_MS)
		assert_int_equal(loop_turn(loop, 100, NULL), RC_OK);
	assert_int_equal(remover.calls, 1);
	write_to("file", "z", 0);
	(void)seen();
	assert_int_equal(remover.calls, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rewriting_in_place),
		TEST(renaming_over),
		TEST(deleting_and_making_anew),
		TEST(other_files_do_not_count),
		TEST(a_link_and_its_target),
		TEST(a_chain_of_links_and_a_linked_folder),
		TEST(a_folder_replaced_moved_and_made_anew),
		TEST(what_was_never_there_is_seen_when_it_comes),
		TEST(the_last_change_of_a_burst_counts),
		TEST(a_queue_that_overflows_means_everything),
		TEST(a_folder_that_cannot_be_watched_is_told),
		TEST(a_callback_may_remove_itself_and_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
