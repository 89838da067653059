/* test_source.c: a source from the change of a file to the reading of its keys, with the real helper process (this
 * program started again with --read), real files and real commands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/mem.h"
#include "master/read.h"
#include "master/source.h"
#include "tests/unit/index_fixture.h"
#include "tests/unit/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_MS 20000

static struct loop *loop;
static const uint8_t key[RECORD_HASH_KEY_BYTES] = {5};
static const uint8_t other_key[RECORD_HASH_KEY_BYTES] = {6};
static const struct keys_filter everything = {.smtputf8 = true};
static const char *const domains[] = {"example.org"};

/* What one source has told. */
struct heard {
	struct source *source;
	struct source_spec spec;
	int readings;
	int changes;
	struct reading *newest;
	bool free_it;
};

static void on_reading(void *context, struct source *source, struct reading **reading)
{
	struct heard *heard = context;
	heard->readings++;
	reading_free(&heard->newest);
	heard->newest = *reading;
	*reading = NULL;
	if (heard->free_it)
		source_free(&source);
}

static void on_changed(void *context, struct source *source)
{
	(void)source;
	struct heard *heard = context;
	heard->changes++;
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

static void begin(struct heard *heard, enum source_kind kind, const char *text)
{
	*heard = (struct heard){0};
	heard->spec = (struct source_spec){
		.name = "test", .kind = kind, .text = text, .interval_ms = 60000, .timeout_ms = 20000, .settle_ms = 30,
		.rule = {.domains = domains, .domain_count = 1, .filter = &everything, .aliases = kind == SOURCE_ALIASES}};
}

static void start(struct heard *heard)
{
	struct source_events events = {on_reading, on_changed, heard, NULL};
	struct why why = {""};
	if (source_new(loop, &heard->spec, key, &events, &heard->source, &why) != RC_OK)
		fail_msg("%s", why.text);
}

static void end(struct heard *heard)
{
	source_free(&heard->source);
	reading_free(&heard->newest);
}

static bool has(const struct heard *heard, const char *text)
{
	struct record record = record_make(RECORD_RCPT, text, strlen(text)), found;
	struct fingerprint print = record_fingerprint(key, &record);
	return heard->newest && reading_find(heard->newest, &print, &found);
}

/* A clock that moves only when it's told to. */
static struct mono stopped;

static struct mono stopped_mono(void *context)
{
	(void)context;
	return stopped;
}

static struct wall true_wall(void *context)
{
	(void)context;
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (struct wall){now.tv_sec * 1000 + now.tv_nsec / 1000000};
}

static void stop_clock(void)
{
	static const struct clock_source source = {stopped_mono, true_wall, NULL};
	stopped = clock_mono();
	clock_use(&source);
}

/* Whatever the kernel has to tell is heard, whatever is due is done. */
static void turn(void)
{
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
}

static void turn_until(struct heard *heard, bool (*done)(const struct heard *heard, int number), int number)
{
	time_t begun = time(NULL);
	while (!done(heard, number)) {
		if (time(NULL) - begun > DEADLINE_MS / 1000)
			fail_msg("nothing happens: %s", source_status(heard->source).error);
		assert_int_equal(loop_turn(loop, 200, NULL), RC_OK);
	}
}

static bool read_times(const struct heard *heard, int number)
{
	return heard->readings >= number;
}

static bool at_rest(const struct heard *heard, int number)
{
	(void)number;
	return !source_status(heard->source).reading;
}

static bool has_failed(const struct heard *heard, int number)
{
	(void)number;
	return source_status(heard->source).state == SOURCE_FAILED && at_rest(heard, 0);
}

static void put(const char *path, const char *text)
{
	index_write(path, text, strlen(text));
}

static void put_by_rename(const char *path, const char *text)
{
	char *tmp = mem_sprintf("%s.tmp", path);
	put(tmp, text);
	assert_int_equal(rename(tmp, path), 0);
	free(tmp);
}

static void until_error(struct heard *heard, const char *part)
{
	turn_until(heard, has_failed, 0);
	if (!strstr(source_status(heard->source).error, part))
		fail_msg("wanted \"%s\", got \"%s\"", part, source_status(heard->source).error);
}

/* ---- maps ---- */

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

static void aliases_are_qualified_and_have_their_three(void **state)
{
	(void)state;
	struct heard heard;
	char *path = in_folder("aliases");
	put(path, "Root: x\n\"two words\": y\n");
	begin(&heard, SOURCE_ALIASES, path);
	start(&heard);
	turn_until(&heard, read_times, 1);
	assert_true(has(&heard, "root@example.org") && has(&heard, "\"two words\"@example.org"));
	assert_true(has(&heard, "postmaster@example.org") && has(&heard, "double-bounce@example.org"));
	assert_int_equal(source_status(heard.source).records, 5);
	end(&heard);
}

static void indexes_of_each_type_are_read_and_read_again(void **state)
{
	(void)state;
	static const struct {
		const char *type, *suffix;
		void (*make)(const char *path, const char *const *keys, size_t count, bool nul);
	} types[] = {{"hash", ".db", index_make_hash}, {"btree", ".db", index_make_btree},
	             {"lmdb", ".lmdb", index_make_lmdb}, {"proxy:cdb", ".cdb", index_make_cdb}};
	static const char *const first[] = {"a@b", "c@d"}, *const second[] = {"a@b", "e@f"};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct heard heard;
		char *path = mem_sprintf("%s/index%zu%s", folder, i, types[i].suffix);
		char *tmp = mem_sprintf("%s.tmp", path);
		char *map = mem_sprintf("%s:%s/index%zu", types[i].type, folder, i);
		types[i].make(path, first, 2, true);
		begin(&heard, SOURCE_MAP, map);
		start(&heard);
		turn_until(&heard, read_times, 1);
		assert_true(has(&heard, "c@d") && !has(&heard, "e@f"));
		types[i].make(tmp, second, 2, true);
		assert_int_equal(rename(tmp, path), 0);
		turn_until(&heard, read_times, 2);
		assert_true(has(&heard, "e@f") && !has(&heard, "c@d"));
		end(&heard);
		free(map);
		free(tmp);
		free(path);
	}
}

static void a_missing_index_fails_and_recovers(void **state)
{
	(void)state;
	struct heard heard;
	static const char *const keys[] = {"a@b"};
	char *map = mem_sprintf("hash:%s/gone", folder);
	begin(&heard, SOURCE_MAP, map);
	start(&heard);
	turn_until(&heard, has_failed, 0);
	char *expected = mem_sprintf("%s: can't open %s/gone.db: No such file or directory: "
	                             "run postmap %s, or correct the path", map, folder, map);
	assert_string_equal(source_status(heard.source).error, expected);
	assert_int_equal(heard.readings, 0);
	assert_int_equal(heard.changes, 1);
	index_make_hash(in_folder("gone.db"), keys, 1, true);
	turn_until(&heard, read_times, 1);
	turn_until(&heard, at_rest, 0);
	assert_true(has(&heard, "a@b"));
	assert_int_equal(source_status(heard.source).state, SOURCE_OK);
	assert_int_equal(heard.changes, 2);

	/* Truncated, it keeps what it had. */
	put(in_folder("gone.db"), "");
	until_error(&heard, "is empty, not even an empty table");
	assert_int_equal(heard.readings, 1);
	assert_int_equal(source_status(heard.source).records, 1);
	end(&heard);
	free(expected);
	free(map);
}

static void a_lock_that_is_never_given_ends_in_a_time_out(void **state)
{
	(void)state;
	struct heard heard;
	static const char *const keys[] = {"a@b"};
	char *map = mem_sprintf("hash:%s/locked", folder);
	index_make_hash(in_folder("locked.db"), keys, 1, true);
	int fd = open(in_folder("locked.db"), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	begin(&heard, SOURCE_MAP, map);
	heard.spec.timeout_ms = 200;
	heard.spec.interval_ms = 300;
	start(&heard);
	until_error(&heard, "couldn't be read within 200 ms: somebody holds its lock");
	assert_int_equal(flock(fd, LOCK_UN), 0);
	heard.spec.timeout_ms = 20000;
	turn_until(&heard, read_times, 1);
	(void)close(fd);
	end(&heard);
	free(map);
}

/* What inotify doesn't see, here a write through another name of the file, the poll does; and it reads no more
 * often than that. */
static void the_poll_catches_what_nobody_told(void **state)
{
	(void)state;
	struct heard heard;
	char *path = in_folder("linked");
	assert_int_equal(mkdir(in_folder("elsewhere"), 0700), 0);
	put(path, "a@b x\n");
	char *other = in_folder("elsewhere/name");
	assert_int_equal(link(path, other), 0);
	begin(&heard, SOURCE_MAP, path);
	heard.spec.interval_ms = 100;
	start(&heard);
	turn_until(&heard, at_rest, 0);
	struct mono begun = clock_mono();
	while (mono_since(begun) < 500)
		assert_int_equal(loop_turn(loop, 50, NULL), RC_OK);
	assert_int_equal(heard.readings, 1);
	put(other, "c@d x\n");
	turn_until(&heard, read_times, 2);
	assert_true(has(&heard, "c@d"));
	end(&heard);
}

/* The helper waits for the lock, the file is touched, the lock is given: that reading counts, and another follows. */
static void a_change_during_the_reading_is_read_after_it(void **state)
{
	(void)state;
	struct heard heard;
	static const char *const keys[] = {"a@b"};
	char *map = mem_sprintf("hash:%s/busy", folder);
	index_make_hash(in_folder("busy.db"), keys, 1, true);
	int fd = open(in_folder("busy.db"), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	begin(&heard, SOURCE_MAP, map);
	start(&heard);
	turn();
	assert_true(source_status(heard.source).reading);
	assert_int_equal(fchmod(fd, 0640), 0);
	turn();
	(void)close(fd);
	turn_until(&heard, read_times, 1);
	assert_true(source_status(heard.source).reading);
	turn_until(&heard, read_times, 2);
	turn_until(&heard, at_rest, 0);
	assert_int_equal(heard.readings, 2);
	assert_true(has(&heard, "a@b"));
	end(&heard);
	free(map);
}

/* ---- commands ---- */

static void a_command_prints_addresses(void **state)
{
	(void)state;
	struct heard heard;
	begin(&heard, SOURCE_COMMAND, "printf 'A@example.com\\r\\n\\nbare\\n@example.net \\n\"q q\"@example.com\\n'; "
	                               "printf 'last@example.com'");
	start(&heard);
	turn_until(&heard, at_rest, 0);
	assert_string_equal(source_status(heard.source).error, "");
	assert_true(has(&heard, "a@example.com") && has(&heard, "bare@example.org") && has(&heard, "@example.net"));
	assert_true(has(&heard, "\"q q\"@example.com") && has(&heard, "last@example.com"));
	assert_int_equal(source_status(heard.source).records, 5);
	end(&heard);
}

static void a_command_is_run_at_each_interval(void **state)
{
	(void)state;
	struct heard heard;
	begin(&heard, SOURCE_COMMAND, "echo a@b");
	heard.spec.interval_ms = 50;
	start(&heard);
	turn_until(&heard, read_times, 4);
	end(&heard);
}

static void assert_command_fails(const char *command, const char *part)
{
	struct heard heard;
	begin(&heard, SOURCE_COMMAND, command);
	heard.spec.timeout_ms = 5000;
	start(&heard);
	until_error(&heard, part);
	assert_int_equal(heard.readings, 0);
	end(&heard);
}

static void rubbish_spoils_the_reading(void **state)
{
	(void)state;
	assert_command_fails("echo a@b; echo error: no database",
	                     "line 2 of its output isn't an address (white space or a special character outside quotes): "
	                     "error: no");
	assert_command_fails("echo a@b; echo '<a@b>'", "line 2 of its output");
	assert_command_fails("echo oops:", "line 1 of its output");
	assert_command_fails("echo user@", "line 1 of its output isn't an address (no domain behind the '@'): user@");
	assert_command_fails("printf 'a@b\\0c\\n'", "line 1 of its output");
	assert_command_fails("printf 'a@b\\033[2J\\n'", "isn't an address");
	assert_command_fails("head -c 100000 /dev/zero | tr '\\0' a", "line 1 of its output isn't an address (too long)");
}

static void bare_words_need_domains(void **state)
{
	(void)state;
	struct heard heard;
	begin(&heard, SOURCE_COMMAND, "echo ok@example.com; echo Failed");
	heard.spec.rule.domain_count = 0;
	start(&heard);
	until_error(&heard, "line 2 of its output isn't an address (no '@', and the source has no domains for it): Failed");
	end(&heard);
}

static void a_command_that_fails_or_hangs_says_so(void **state)
{
	(void)state;
	assert_command_fails("echo a@b; echo no luck >&2; exit 3", "ended with status 3: no luck");
	assert_command_fails("echo a@b; kill -9 $$", "died of signal 9");
	assert_command_fails("/nonexistent/rxfer", "ended with status 127");
	struct heard heard;
	begin(&heard, SOURCE_COMMAND, "echo a@b; exec sleep 1000");
	heard.spec.timeout_ms = 100;
	start(&heard);
	until_error(&heard, "not done after 100 ms, and killed: raise its timeout, or make it faster");
	assert_int_equal(heard.readings, 0);
	end(&heard);
}

/* Long before its interval is over. */
static void a_failed_command_is_tried_again_soon(void **state)
{
	(void)state;
	struct heard heard;
	char *command = mem_sprintf("test -e '%s/cured' && echo a@b", folder);
	begin(&heard, SOURCE_COMMAND, command);
	start(&heard);
	turn_until(&heard, has_failed, 0);
	put(in_folder("cured"), "");
	turn_until(&heard, read_times, 1);
	assert_string_equal(source_status(heard.source).error, "");
	end(&heard);
	free(command);
}

/* ---- the rest ---- */

static void reading_now_and_with_another_key(void **state)
{
	(void)state;
	struct heard heard;
	begin(&heard, SOURCE_COMMAND, "echo a@b");
	start(&heard);
	turn_until(&heard, read_times, 1);
	source_read_now(heard.source);
	assert_true(source_status(heard.source).reading);
	/* Asked in the middle of a reading: another one follows. */
	source_read_now(heard.source);
	turn_until(&heard, read_times, 3);
	source_read_now(heard.source);
	source_rekey(heard.source, other_key);
	turn_until(&heard, read_times, 4);
	assert_false(has(&heard, "a@b"));
	struct record record = record_make(RECORD_RCPT, "a@b", 3), found;
	struct fingerprint print = record_fingerprint(other_key, &record);
	assert_true(reading_find(heard.newest, &print, &found));
	end(&heard);
}

static void it_can_be_freed_from_its_own_callback(void **state)
{
	(void)state;
	struct heard heard;
	begin(&heard, SOURCE_COMMAND, "echo a@b");
	heard.free_it = true;
	start(&heard);
	turn_until(&heard, read_times, 1);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	reading_free(&heard.newest);
}

static void several_share_one_watch(void **state)
{
	(void)state;
	struct heard first, second;
	struct watch *watch = NULL;
	assert_int_equal(watch_new(loop, &watch, NULL), RC_OK);
	char *one = in_folder("one"), *two = in_folder("two");
	put(one, "a@b x\n");
	put(two, "c@d x\n");
	begin(&first, SOURCE_MAP, one);
	begin(&second, SOURCE_MAP, two);
	first.spec.watch = second.spec.watch = watch;
	start(&first);
	start(&second);
	turn_until(&first, read_times, 1);
	turn_until(&second, read_times, 1);
	turn_until(&first, at_rest, 0);
	turn_until(&second, at_rest, 0);
	put_by_rename(two, "e@f x\n");
	turn_until(&second, read_times, 2);
	assert_int_equal(first.readings, 1);
	end(&first);
	end(&second);
	watch_free(&watch);
}

static void maps_that_cannot_be_listed_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *map, *sentence;
	} table[] = {
		{"mysql:/etc/x.cf", "unknown map type \"mysql\": it can't be listed; add a source with a command"},
		{"proxy:unix:passwd.byname", "unknown map type \"unix\": it can't be listed; add a source with a command"},
		{"aliases:/x", "unknown map type \"aliases\": it can't be listed; add a source with a command"},
		{"hash:virtual", "map \"hash:virtual\": the path must begin with '/'"},
		{"virtual", "map \"virtual\": the path must begin with '/'"},
		{":/x", "unknown map type \"\": it can't be listed; add a source with a command"},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct heard heard;
		struct why why = {""};
		begin(&heard, SOURCE_MAP, table[i].map);
		struct source_events events = {on_reading, on_changed, &heard, NULL};
		assert_int_equal(source_new(loop, &heard.spec, key, &events, &heard.source, &why), RC_INVALID);
		assert_null(heard.source);
		assert_string_equal(why.text, table[i].sentence);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--read") == 0)
		return read_main(argv[2]);
	loop = loop_new();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_read_at_once_and_after_each_change),
		cmocka_unit_test(a_text_written_in_place_is_left_to_settle),
		cmocka_unit_test(a_fresh_text_settles_before_the_first_reading),
		cmocka_unit_test(a_text_that_is_open_for_writing_is_left_alone),
		cmocka_unit_test(a_text_changed_during_the_reading_is_partial),
		cmocka_unit_test(a_map_whose_reader_cannot_be_started_is_tried_again_soon),
		cmocka_unit_test(a_text_that_never_rests_is_read_in_the_end),
		cmocka_unit_test(aliases_are_qualified_and_have_their_three),
		cmocka_unit_test(indexes_of_each_type_are_read_and_read_again),
		cmocka_unit_test(a_missing_index_fails_and_recovers),
		cmocka_unit_test(a_lock_that_is_never_given_ends_in_a_time_out),
		cmocka_unit_test(the_poll_catches_what_nobody_told),
		cmocka_unit_test(a_change_during_the_reading_is_read_after_it),
		cmocka_unit_test(a_command_prints_addresses),
		cmocka_unit_test(a_command_is_run_at_each_interval),
		cmocka_unit_test(rubbish_spoils_the_reading),
		cmocka_unit_test(bare_words_need_domains),
		cmocka_unit_test(a_command_that_fails_or_hangs_says_so),
		cmocka_unit_test(a_failed_command_is_tried_again_soon),
		cmocka_unit_test(reading_now_and_with_another_key),
		cmocka_unit_test(it_can_be_freed_from_its_own_callback),
		cmocka_unit_test(several_share_one_watch),
		cmocka_unit_test(maps_that_cannot_be_listed_are_refused),
	};
	int failed = cmocka_run_group_tests(tests, set_up, tear_down);
	loop_free(loop);
	return failed;
}
