/* test_source.c: a source from the change of an index, or the output of a command, to the reading of its keys. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/folder.h"
#include "tests/unit/source_scene.h"

#include "master/source_private.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Maps ---- */

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

/* An account database that hangs is the process's matter: the message says whose it is, and what may be done. */
static void accounts_that_hang_end_in_a_time_out(void **state)
{
	(void)state;
	static const struct keys_filter filter = {.smtputf8 = true};
	static const struct postfix_plan plan = {0};
	struct heard heard;
	begin(&heard, SOURCE_ALIASES, "unix:passwd.byname");
	heard.spec.rule = (struct keys_rule){.filter = &filter, .plan = &plan, .aliases = true};
	heard.spec.timeout_ms = 0;
	start(&heard);
	until_error(&heard, "unix:passwd.byname: the account database doesn't answer within 0 ms");
	end(&heard);
}

/* /etc/passwd isn't all of them, and nothing tells of the others. */
static void accounts_are_read_at_each_poll(void **state)
{
	(void)state;
	static const struct keys_filter filter = {.smtputf8 = true};
	static const struct postfix_plan plan = {0};
	struct heard heard;
	begin(&heard, SOURCE_ALIASES, "unix:passwd.byname");
	heard.spec.rule = (struct keys_rule){.filter = &filter, .plan = &plan, .aliases = true};
	heard.spec.interval_ms = 50;
	start(&heard);
	turn_until(&heard, read_times, 3);
	end(&heard);
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

/* However often it was overtaken, what comes last is read soon, not after a pause that has grown. */
static void what_changes_all_the_time_is_read_soon_again(void **state)
{
	(void)state;
	struct heard heard;
	static const char *const keys[] = {"a@b"};
	char *map = mem_sprintf("hash:%s/restless", folder);
	index_make_hash(in_folder("restless.db"), keys, 1, true);
	stop_clock();
	begin(&heard, SOURCE_MAP, map);
	heard.spec.interval_ms = 86400000;
	start(&heard);
	for (int i = 1; i <= 12; i++) {
		int fd = open(in_folder("restless.db"), O_RDWR | O_CLOEXEC);
		assert_int_equal(flock(fd, LOCK_EX), 0);
		stopped.ms += 1000;
		turn();
		assert_int_equal(fchmod(fd, i % 2 ? 0640 : 0644), 0);
		turn();
		(void)close(fd);
		turn_until(&heard, read_times, i);
	}
	end(&heard);
	clock_use(NULL);
	free(map);
}

/* ---- Commands ---- */

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

/* ---- Large readings ---- */

#define MANY 200000

static bool is_sealing(const struct heard *heard, int number)
{
	(void)number;
	return heard->source->phase == SOURCE_READING && !heard->source->child;
}

static void count_turns(void *context)
{
	int *turns = context;
	(*turns)++;
}

/* What becomes due in the meantime isn't kept waiting; and nothing is told before all of it is sealed. */
static void a_large_reading_is_sealed_in_turns(void **state)
{
	(void)state;
	struct heard heard;
	struct timer other = {0};
	int turns = 0;
	begin(&heard, SOURCE_COMMAND, "seq -f '%.0f@example.com' 200000");
	start(&heard);
	turn_until(&heard, is_sealing, 0);
	assert_int_equal(heard.readings, 0);
	loop_timer_after(loop, &other, 0, count_turns, &turns);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	assert_int_equal(turns, 1);
	assert_int_equal(heard.readings, 0);
	assert_true(source_status(heard.source).reading);
	turn_until(&heard, at_rest, 0);
	assert_int_equal(heard.readings, 1);
	assert_int_equal(source_status(heard.source).records, MANY);
	assert_int_equal(reading_set(heard.newest)->count, MANY + 1);
	assert_true(has(&heard, "1@example.com") && has(&heard, "200000@example.com"));

	/* Asked meanwhile: another one follows. A new key: this one counts for nothing. */
	source_read_now(heard.source);
	turn_until(&heard, is_sealing, 0);
	source_read_now(heard.source);
	turn_until(&heard, read_times, 3);
	source_read_now(heard.source);
	turn_until(&heard, is_sealing, 0);
	source_rekey(heard.source, other_key);
	assert_false(is_sealing(&heard, 0));
	turn_until(&heard, at_rest, 0);
	assert_int_equal(heard.readings, 4);
	assert_false(has(&heard, "1@example.com"));

	source_read_now(heard.source);
	turn_until(&heard, is_sealing, 0);
	end(&heard);
	turn();
	assert_int_equal(heard.readings, 4);
}

/* ---- The rest ---- */

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
		struct source_events events = events_of(&heard);
		assert_int_equal(source_new(loop, &heard.spec, key, &events, &heard.source, &why), RC_INVALID);
		assert_null(heard.source);
		assert_string_equal(why.text, table[i].sentence);
	}
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
		cmocka_unit_test(aliases_are_qualified_and_have_their_three),
		cmocka_unit_test(indexes_of_each_type_are_read_and_read_again),
		cmocka_unit_test(a_missing_index_fails_and_recovers),
		cmocka_unit_test(a_lock_that_is_never_given_ends_in_a_time_out),
		cmocka_unit_test(accounts_that_hang_end_in_a_time_out),
		cmocka_unit_test(accounts_are_read_at_each_poll),
		cmocka_unit_test(the_poll_catches_what_nobody_told),
		cmocka_unit_test(a_change_during_the_reading_is_read_after_it),
		cmocka_unit_test(what_changes_all_the_time_is_read_soon_again),
		cmocka_unit_test(a_command_prints_addresses),
		cmocka_unit_test(a_command_is_run_at_each_interval),
		cmocka_unit_test(rubbish_spoils_the_reading),
		cmocka_unit_test(bare_words_need_domains),
		cmocka_unit_test(a_command_that_fails_or_hangs_says_so),
		cmocka_unit_test(a_failed_command_is_tried_again_soon),
		cmocka_unit_test(a_large_reading_is_sealed_in_turns),
		cmocka_unit_test(reading_now_and_with_another_key),
		cmocka_unit_test(it_can_be_freed_from_its_own_callback),
		cmocka_unit_test(several_share_one_watch),
		cmocka_unit_test(maps_that_cannot_be_listed_are_refused),
	};
	const struct scene_tests all = {tests, sizeof(tests) / sizeof(*tests), set_up, tear_down};
	return scene_main(argc, argv, &all);
}
