/* test_rollover.c: what a master says of its keys, by what is in its files and by what replicas show. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/file.h"
#include "master/rollover.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/folder.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct loop *loop;
static struct rollover *rollover;
static struct identity *present, *replica, *other;
static struct handover said;
static unsigned announcements, renewals;
static bool renew_works;

static struct identity *load(const char *name)
{
	struct identity *identity;
	struct why why;
	if (identity_load(in_folder(name), &identity, &why) != RC_OK)
		fail_msg("%s", why.text);
	return identity;
}

static struct identity *make(const char *name)
{
	struct why why;
	if (identity_generate(in_folder(name), &why) != RC_OK)
		fail_msg("%s", why.text);
	return load(name);
}

static void on_announce(void *context, const struct handover *word)
{
	(void)context;
	assert_true(handover_verify(word));
	said = *word;
	announcements++;
}

static bool on_renew(void *context, struct identity **identity)
{
	(void)context;
	renewals++;
	if (!renew_works)
		return false;
	identity_free(&present);
	present = *identity;
	*identity = NULL;
	return true;
}

static void start(void)
{
	char *path = mem_strdup(in_folder("identity"));
	char *state = mem_strdup(folder);
	identity_free(&present);
	present = load("identity");
	rollover = rollover_new(loop, &(struct rollover_spec){
		.identity_path = path, .state = state, .identity = present, .announce = on_announce, .renew = on_renew});
	free(path);
	free(state);
}

static void restart(void)
{
	rollover_free(&rollover);
	start();
}

static void turn(void)
{
	struct why why;
	assert_int_equal(loop_turn(loop, 0, &why), RC_OK);
}

static void expect_next(const struct identity *next)
{
	const struct handover *word = rollover_word(rollover);
	assert_true(handover_agrees(word, &said));
	assert_true(pubkey_equal(&word->present, identity_public(present)));
	assert_int_equal(word->announced, next != NULL);
	if (next)
		assert_true(pubkey_equal(&word->next, identity_public(next)));
	assert_string_equal(rollover_trouble(rollover), "");
}

static void expect_trouble(const char *word)
{
	if (!strstr(rollover_trouble(rollover), word))
		fail_msg("\"%s\" doesn't say \"%s\"", rollover_trouble(rollover), word);
}

static int set_up(void **state)
{
	(void)state;
	now_ms = 1000;
	clock_use(&fake_clock);
	announcements = renewals = 0;
	renew_works = true;
	if (folder_make("rollover") != 0)
		return -1;
	loop = loop_new();
	present = make("identity");
	replica = make("replica");
	other = make("other");
	start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rollover_free(&rollover);
	loop_free(loop);
	identity_free(&present);
	identity_free(&replica);
	identity_free(&other);
	clock_use(NULL);
	return folder_remove();
}

static void the_files_are_announced_and_taken_back(void **state)
{
	(void)state;
	assert_int_equal(announcements, 1);
	expect_next(NULL);
	rollover_look(rollover);
	assert_int_equal(announcements, 1);
	struct wall first = said.time;
	struct identity *next = make("identity.next");
	rollover_look(rollover);
	expect_next(next);
	/* The clock stands still, and the date grows. */
	assert_true(said.time.ms > first.ms);
	rollover_look(rollover);
	assert_int_equal(announcements, 2);
	/* A restart says the same, under the same date: nothing new to be written down by anybody. */
	struct handover before = said;
	now_ms += 60000;
	restart();
	assert_int_equal(said.time.ms, before.time.ms);
	expect_next(next);
	assert_int_equal(unlink(in_folder("identity.next")), 0);
	now_ms -= 3600000;
	rollover_look(rollover);
	expect_next(NULL);
	assert_true(said.time.ms > before.time.ms);
	identity_free(&next);
}

static void what_is_renamed_is_switched_to(void **state)
{
	(void)state;
	struct identity *next = make("identity.next");
	rollover_look(rollover);
	struct wall before = said.time;
	rollover_kept(rollover, identity_public(replica), &said);
	assert_int_equal(rename(in_folder("identity.next"), in_folder("identity")), 0);
	assert_false(rollover_switching(rollover, NULL));
	rollover_look(rollover);
	assert_true(rollover_switching(rollover, NULL));
	assert_int_equal(renewals, 0);      /* not from within */
	turn();
	assert_int_equal(renewals, 1);
	assert_false(rollover_switching(rollover, NULL));
	assert_true(pubkey_equal(identity_public(present), identity_public(next)));
	expect_next(NULL);
	assert_true(said.time.ms > before.ms);
	assert_false(rollover_has(rollover, identity_public(replica)));
	turn();
	assert_int_equal(renewals, 1);
	identity_free(&next);
}

static void a_restart_switches_too(void **state)
{
	(void)state;
	struct identity *next = make("identity.next");
	rollover_look(rollover);
	struct wall before = said.time;
	assert_int_equal(rename(in_folder("identity.next"), in_folder("identity")), 0);
	now_ms -= 3600000;
	restart();
	assert_true(pubkey_equal(&said.present, identity_public(next)));
	assert_true(said.time.ms > before.ms);
	expect_next(NULL);
	assert_int_equal(renewals, 0);
	identity_free(&next);
}

static void a_switch_that_fails_is_the_end(void **state)
{
	(void)state;
	struct identity *next = make("identity.next");
	rollover_look(rollover);
	unsigned before = announcements;
	assert_int_equal(rename(in_folder("identity.next"), in_folder("identity")), 0);
	renew_works = false;
	rollover_look(rollover);
	turn();
	assert_int_equal(renewals, 1);
	assert_int_equal(announcements, before);
	identity_free(&next);
}

static void trouble_changes_nothing(void **state)
{
	(void)state;
	struct identity *next = make("identity.next");
	rollover_look(rollover);
	const struct handover before = said;
	/* Unreadable. */
	assert_int_equal(chmod(in_folder("identity.next"), 0644), 0);
	rollover_look(rollover);
	expect_trouble("chmod 600");
	assert_int_equal(chmod(in_folder("identity.next"), 0600), 0);
	/* Another identity, of which nobody was told. */
	assert_int_equal(rename(in_folder("identity"), in_folder("away")), 0);
	assert_int_equal(link(in_folder("other"), in_folder("identity")), 0);
	rollover_look(rollover);
	expect_trouble("wasn't announced");
	assert_int_equal(unlink(in_folder("identity")), 0);
	rollover_look(rollover);
	expect_trouble("no such identity");
	assert_int_equal(rename(in_folder("away"), in_folder("identity")), 0);
	rollover_look(rollover);
	assert_int_equal(said.time.ms, before.time.ms);
	expect_next(next);
	/* The present key as its own successor. */
	assert_int_equal(unlink(in_folder("identity.next")), 0);
	assert_int_equal(link(in_folder("identity"), in_folder("identity.next")), 0);
	rollover_look(rollover);
	expect_trouble("in use");
	assert_int_equal(said.time.ms, before.time.ms);
	assert_int_equal(renewals, 0);
	identity_free(&next);
}

static void who_keeps_it_is_remembered(void **state)
{
	(void)state;
	struct identity *next = make("identity.next");
	const struct handover former = said;
	rollover_look(rollover);
	/* Not by keeping the former word. */
	rollover_kept(rollover, identity_public(replica), &former);
	assert_false(rollover_has(rollover, identity_public(replica)));
	rollover_kept(rollover, identity_public(replica), &said);
	rollover_kept(rollover, identity_public(replica), &said);
	assert_true(rollover_has(rollover, identity_public(replica)));
	assert_false(rollover_has(rollover, identity_public(other)));
	restart();
	assert_true(rollover_has(rollover, identity_public(replica)));
	/* Another next key: nobody has it. */
	assert_int_equal(unlink(in_folder("identity.next")), 0);
	identity_free(&next);
	next = make("identity.next");
	rollover_look(rollover);
	expect_next(next);
	assert_false(rollover_has(rollover, identity_public(replica)));
	identity_free(&next);
}

static void evidence_of_our_own_makes_us_later(void **state)
{
	(void)state;
	const int64_t late = said.time.ms + 1000000;
	/* Forged, of another master, or under a wrong name: nothing. */
	struct handover shown = handover_make(other, identity_public(replica), (struct wall){late});
	unsigned before = announcements;
	rollover_kept(rollover, identity_public(replica), &shown);
	shown.present = *identity_public(present);
	rollover_kept(rollover, identity_public(replica), &shown);
	shown = handover_make(present, NULL, (struct wall){late});
	shown.time.ms++;
	rollover_kept(rollover, identity_public(replica), &shown);
	assert_int_equal(announcements, before);
	/* Genuine: ours is dated after it, and stays what it is. */
	shown = handover_make(present, identity_public(other), (struct wall){late});
	rollover_kept(rollover, identity_public(replica), &shown);
	assert_int_equal(announcements, before + 1);
	assert_true(said.time.ms > late);
	expect_next(NULL);
	assert_false(rollover_has(rollover, identity_public(replica)));
	/* Once is enough. */
	rollover_kept(rollover, identity_public(replica), &shown);
	assert_int_equal(announcements, before + 1);
	/* Dates have an end. */
	shown = handover_make(present, NULL, (struct wall){INT64_MAX});
	rollover_kept(rollover, identity_public(replica), &shown);
	assert_int_equal(announcements, before + 1);
}

static void a_damaged_file_is_made_anew(void **state)
{
	(void)state;
	struct identity *next = make("identity.next");
	struct buf good = {0};
	struct why why;
	rollover_look(rollover);
	rollover_kept(rollover, identity_public(replica), &said);
	assert_int_equal(file_read(in_folder("rollover"), 4096, &good, &why), RC_OK);
	for (size_t i = 0; i < good.length; i += 13) {
		for (int way = 0; way < 2; way++) {
			struct buf bad = {0};
			buf_put(&bad, good.data, way ? good.length : i);
			if (way)
				bad.data[i] ^= 1;
			assert_int_equal(file_replace(in_folder("rollover"), 0600, bad.data, bad.length, &why), RC_OK);
			buf_free(&bad);
			restart();
			expect_next(next);
			assert_false(rollover_has(rollover, identity_public(replica)));
		}
	}
	buf_free(&good);
	identity_free(&next);
}

static void what_cant_be_remembered_is_said_all_the_same(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("rollover.tmp"), 0700), 0);
	struct identity *next = make("identity.next");
	rollover_look(rollover);
	assert_true(said.announced);
	expect_trouble("rollover");
	assert_int_equal(rmdir(in_folder("rollover.tmp")), 0);
	rollover_kept(rollover, identity_public(replica), &said);
	expect_next(next);
	identity_free(&next);
}

#define ROLLOVER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROLLOVER_TEST(the_files_are_announced_and_taken_back),
		ROLLOVER_TEST(what_is_renamed_is_switched_to),
		ROLLOVER_TEST(a_restart_switches_too),
		ROLLOVER_TEST(a_switch_that_fails_is_the_end),
		ROLLOVER_TEST(trouble_changes_nothing),
		ROLLOVER_TEST(who_keeps_it_is_remembered),
		ROLLOVER_TEST(evidence_of_our_own_makes_us_later),
		ROLLOVER_TEST(a_damaged_file_is_made_anew),
		ROLLOVER_TEST(what_cant_be_remembered_is_said_all_the_same),
	};
	identity_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
