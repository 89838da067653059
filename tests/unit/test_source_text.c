/* test_source_text.c: texts: when one that is being written is read, and what counts of it then. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/folder.h"
#include "tests/unit/source_scene.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_text_is_read_at_once_and_after_each_change(void **state)
{
	(void)state;
	struct heard heard;
	char *path = in_folder("text");
	put(path, "Alice@example.com x\nroot y\nuser@ z\n");
	begin(&heard, SOURCE_MAP, path);
	start(&heard);
	assert_int_equal(source_status(heard.source).state, SOURCE_WAITING);
	turn_until(&heard, at_rest, 0);
	assert_int_equal(heard.readings, 1);
	assert_true(has(&heard, "alice@example.com") && has(&heard, "root@example.org"));
	struct source_status status = source_status(heard.source);
	assert_int_equal(status.state, SOURCE_OK);
	assert_int_equal(status.records, 2);
	assert_int_equal(status.tally.keys, 3);
	assert_int_equal(status.tally.invalid, 1);
	assert_true(status.read.ms > 0);
	assert_string_equal(status.error, "");

	put(path, "bob@example.com x\nlone\n");
	turn_until(&heard, read_times, 2);
	turn_until(&heard, at_rest, 0);
	assert_true(has(&heard, "bob@example.com") && !has(&heard, "alice@example.com"));
	assert_non_null(strstr(source_status(heard.source).note, "text:2: passed over: a key, white space and a value"));
	put_by_rename(path, "carol@example.com x\n");
	turn_until(&heard, read_times, 3);
	turn_until(&heard, at_rest, 0);
	assert_true(has(&heard, "carol@example.com"));
	assert_string_equal(source_status(heard.source).note, "");
	end(&heard);
}

/* Written in parts, with less than the settle time between: only the whole is ever read. */
static void a_text_written_in_place_is_left_to_settle(void **state)
{
	(void)state;
	struct heard heard;
	char *path = in_folder("slow");
	put(path, "a@b x\n");
	begin(&heard, SOURCE_MAP, path);
	heard.spec.settle_ms = 400;
	start(&heard);
	turn_until(&heard, at_rest, 0);
	assert_int_equal(heard.readings, 1);
	stop_clock();
	for (int i = 0; i < 6; i++) {
		put(path, "half@b x\n");
		turn();
		stopped.ms += 399;
		turn();
		assert_true(source_status(heard.source).reading);
	}
	put(path, "half@b x\nwhole@b x\n");
	turn();
	stopped.ms += 400;
	turn_until(&heard, at_rest, 0);
	clock_use(NULL);
	assert_int_equal(heard.readings, 2);
	assert_true(has(&heard, "whole@b"));
	end(&heard);
}

/* The first reading, too. */
static void a_fresh_text_settles_before_the_first_reading(void **state)
{
	(void)state;
	struct heard heard;
	char *path = in_folder("fresh");
	begin(&heard, SOURCE_MAP, path);
	heard.spec.settle_ms = 30000;
	stop_clock();
	put(path, "half@b x\n");
	start(&heard);
	turn();
	stopped.ms += 29999;
	turn();
	put(path, "half@b x\nwhole@b x\n");
	turn();
	stopped.ms += 29999;
	turn();
	assert_int_equal(heard.readings, 0);
	stopped.ms++;
	turn_until(&heard, read_times, 1);
	clock_use(NULL);
	assert_true(has(&heard, "whole@b"));
	end(&heard);
}

/* Whoever writes it stops in the middle, for longer than the settle time: it's closed in the end. */
static void a_text_that_is_open_for_writing_is_left_alone(void **state)
{
	(void)state;
	struct heard heard;
	char *path = in_folder("stalled");
	put(path, "a@b x\nc@d x\n");
	begin(&heard, SOURCE_MAP, path);
	start(&heard);
	turn_until(&heard, at_rest, 0);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "a@b x\n", 6), 6);
	stop_clock();
	for (int i = 0; i < 20; i++) {
		turn();
		stopped.ms += 100;
	}
	source_read_now(heard.source);
	turn();
	stopped.ms += 100;
	turn();
	assert_true(source_status(heard.source).reading);
	assert_int_equal(heard.readings, 1);
	assert_int_equal(write(fd, "c@d x\n", 6), 6);
	assert_int_equal(close(fd), 0);
	turn();
	stopped.ms += 100;
	turn_until(&heard, at_rest, 0);
	clock_use(NULL);
	assert_int_equal(heard.readings, 2);
	assert_true(has(&heard, "c@d"));
	assert_false(source_status(heard.source).partial);
	/* But not for ever. */
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "e@f x\n", 6), 6);
	stop_clock();
	turn();
	stopped.ms += heard.spec.interval_ms + 100;
	turn_until(&heard, read_times, 3);
	clock_use(NULL);
	assert_false(source_status(heard.source).partial);
	(void)close(fd);
	end(&heard);
}

/* Truncated while the helper reads it, and written again after: what was read then isn't all. */
static void a_text_changed_during_the_reading_is_partial(void **state)
{
	(void)state;
	struct heard heard;
	char *path = in_folder("interrupted");
	put(path, "a@b x\nc@d x\n");
	begin(&heard, SOURCE_MAP, path);
	start(&heard);
	turn_until(&heard, at_rest, 0);
	put_by_rename(path, "a@b x\n");
	assert_int_equal(loop_turn(loop, 200, NULL), RC_OK);
	assert_true(heard.readings == 1 && source_status(heard.source).reading);
	assert_int_equal(chmod(path, 0640), 0);
	turn_until(&heard, read_times, 2);
	assert_true(source_status(heard.source).partial);
	turn_until(&heard, at_rest, 0);
	assert_false(source_status(heard.source).partial);
	end(&heard);
}

/* No process can be started: descriptors are used up. */
static void a_map_whose_reader_cannot_be_started_is_tried_again_soon(void **state)
{
	(void)state;
	struct heard heard;
	struct rlimit before;
	char *path = in_folder("crowded");
	put(path, "a@b x\n");
	begin(&heard, SOURCE_MAP, path);
	start(&heard);
	turn_until(&heard, at_rest, 0);
	heard.spec.interval_ms = 86400000;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	(void)close(next);
	put_by_rename(path, "a@b x\nc@d x\n");
	const struct rlimit none = {(rlim_t)next, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	until_error(&heard, "raise the limit of open files");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	turn_until(&heard, read_times, 2);
	assert_true(has(&heard, "c@d"));
	end(&heard);
}

/* A file that never rests is read all the same, after the poll's interval: then it's known that it may not be all. */
static void a_text_that_never_rests_is_read_in_the_end(void **state)
{
	(void)state;
	struct heard heard;
	char *path = in_folder("restless");
	put(path, "a@b x\n");
	begin(&heard, SOURCE_MAP, path);
	heard.spec.settle_ms = 200;
	heard.spec.interval_ms = 600;
	start(&heard);
	struct mono begun = clock_mono();
	for (int i = 0; heard.readings < 2; i++) {
		assert_true(mono_since(begun) < DEADLINE_MS);
		put(path, i % 2 ? "a@b x\n" : "a@b x\nc@d y\n");
		assert_int_equal(loop_turn(loop, 10, NULL), RC_OK);
	}
	assert_true(source_status(heard.source).partial);
	assert_non_null(strstr(source_status(heard.source).note, "is being written all the time"));
	turn_until(&heard, at_rest, 0);
	assert_false(source_status(heard.source).partial);
	assert_string_equal(source_status(heard.source).note, "");
	end(&heard);
}

static int set_up(void **state)
{
	(void)state;
	return folder_make("source");
}

static int tear_down(void **state)
{
	(void)state;
	return folder_remove();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_read_at_once_and_after_each_change),
		cmocka_unit_test(a_text_written_in_place_is_left_to_settle),
		cmocka_unit_test(a_fresh_text_settles_before_the_first_reading),
		cmocka_unit_test(a_text_that_is_open_for_writing_is_left_alone),
		cmocka_unit_test(a_text_changed_during_the_reading_is_partial),
		cmocka_unit_test(a_map_whose_reader_cannot_be_started_is_tried_again_soon),
		cmocka_unit_test(a_text_that_never_rests_is_read_in_the_end),
	};
	const struct scene_tests all = {tests, sizeof(tests) / sizeof(*tests), set_up, tear_down};
	return scene_main(argc, argv, &all);
}
