/* test_session_transfer.c: whole transfers: when one is asked for, cut, falsified, overdue, or one too many. The world
 * around the session is session_world.c's. */
#include "common/mem.h"
#include "tests/unit/session_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void the_first_transfer(void **state)
{
	(void)state;
	assert_int_equal(world_status().freshness, FRESHNESS_EMPTY);
	assert_int_equal(world_status().health, HEALTH_CRITICAL);
	world_connect();
	assert_false(world_expect_sent(MESSAGE_REFRESH).present);
	world_say_soa(&world_first, 5);
	world_expect_state(REFRESH_AXFR_ASKED);
	world_give_all(&world_first, 5);
	world_expect_state(REFRESH_ASKED);
	assert_true(world.recipients_changed > 0);
	world_say_soa(&world_first, 5);
	world_expect_state(REFRESH_CURRENT);
	struct session_status now = world_status();
	assert_int_equal(now.health, HEALTH_OK);
	assert_int_equal(now.freshness, FRESHNESS_FRESH);
	assert_int_equal(now.records, 5);
	assert_int_equal(now.tally.recipients, 5);
	assert_int_equal(world.refused, 0);
}

static void no_history_means_everything(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	world_say_soa(&world_first, 9);
	(void)world_expect_sent(MESSAGE_IXFR);
	world_say_error(ERROR_NO_HISTORY);
	world_give_all(&world_first, 9);
	assert_int_equal(world_status().serial, 9);
	world_expect_state(REFRESH_ASKED);
}

static void a_later_epoch_replaces_all(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	world_say_soa(&world_second, 2);
	world_give_all(&world_second, 2);
	assert_int_equal(world_status().serial, 2);
	assert_int_equal(world_status().records, 2);
	world_say_soa(&world_first, 9);      /* and back: never */
	assert_int_equal(world.refused, 1);
	assert_int_equal(world_status().serial, 2);
}

static void damage_is_shown_and_healed(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	struct soa soa = world_soa_at(&world_first, SOA_PLAIN, 5, 5);
	soa.digest.low++;
	world_say_soa_of(soa, world.identity);
	assert_int_equal(world_status().health, HEALTH_CRITICAL);
	world_give_all(&world_first, 5);
	world_say_soa(&world_first, 5);
	assert_int_equal(world_status().health, HEALTH_OK);
	world_expect_state(REFRESH_CURRENT);
}

/* Two masters with one key, each announcing its own: whole transfers don't follow one another without a pause. */
/* The disk gives another letter back than it got, though all was closed properly. */
static void damage_behind_a_clean_mark_is_healed(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	session_free(&world.session);
	char *command = mem_sprintf("cd %s/zone && test -f records.tch.clean && cp records.tch before && "
	                            "LC_ALL=C sed -i 's/k000003@example/k00000X@example/' records.tch && ! cmp -s before records.tch",
	                            world.folder);
	assert_int_equal(system(command), 0);
	free(command);
	world_open_session();
	struct session_status status = world_status();
	assert_false(status.present);
	assert_int_equal(status.health, HEALTH_CRITICAL);
	assert_non_null(strstr(status.reason, "tables stay as they are"));
	world_connect();
	world_say_soa(&world_first, 5);
	world_give_all(&world_first, 5);
	world_say_soa(&world_first, 5);
	assert_int_equal(world_status().health, HEALTH_OK);
	assert_int_equal(world_status().serial, 5);
}

static void whole_transfers_are_bounded(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	size_t wholes = 0;
	for (int i = 0; i < 10; i++) {
		struct soa soa = world_soa_at(&world_first, SOA_PLAIN, 5, 5);
		soa.digest.low++;
		world.sent_count = 0;
		world_say_soa_of(soa, world.identity);
		if (world_count_sent(MESSAGE_AXFR) == 0)
			break;
		wholes++;
		world_give_all(&world_first, 5);
	}
	assert_int_equal(wholes, 3);
	world_expect_state(REFRESH_WAIT);
	world_pass(12000);
	assert_int_equal(world_count_sent(MESSAGE_REFRESH), 1);
}

static const struct world_history large = {.epoch = {.id = {3}, .began = {1700000000000}}, .bulk = 60000,
                                           .domain = "example.com"};

static void a_cut_transfer_goes_on_where_it_stopped(void **state)
{
	(void)state;
	struct buf stream = {.data = NULL};
	world_stream_of(&large, 1, &stream);
	assert_true(stream.length > 5 * CHUNK_BYTES_MAX);
	world_connect();
	world_say_soa(&large, 1);
	world_say_snapshot(&large, 1, &stream);
	assert_int_equal(world_count_sent(MESSAGE_FETCH), FETCHES_IN_FLIGHT);
	struct message fetches[2] = {{.type = MESSAGE_FETCH}};
	size_t found = 0;
	for (size_t i = 0; i < world.sent_count && found < 2; i++)
		if (world.sent[i].type == MESSAGE_FETCH)
			fetches[found++] = world.sent[i];
	world_say_chunk(&fetches[0], &stream);
	world_say_chunk(&fetches[1], &stream);
	session_link(world.session, false);
	world_say_chunk(&fetches[1], &stream);      /* nobody waits for it now */
	world.sent_count = 0;
	world_connect();
	world_say_soa(&large, 1);
	(void)world_expect_sent(MESSAGE_AXFR);
	world_say_snapshot(&large, 1, &stream);
	for (size_t i = 0; i < world.sent_count; i++)
		assert_true(world.sent[i].type != MESSAGE_FETCH || world.sent[i].offset >= 2 * CHUNK_BYTES_MAX);
	for (int i = 0; i < 4; i++)      /* each answer brings forth the next question */
		for (size_t j = 0; j < world.sent_count; j++)
			if (world.sent[j].type == MESSAGE_FETCH) {
				struct message fetch = world.sent[j];
				world.sent[j].type = MESSAGE_ACK;
				world_say_chunk(&fetch, &stream);
			}
	world.sent_count = 0;
	world_turns(60);
	world_expect_state(REFRESH_ASKED);
	assert_int_equal(world_status().records, 60001);
	buf_free(&stream);
}

/* The store is in its place, what follows fails. The tables must hear of it: they would be taken for those of its serial. */
static void a_transfer_that_fails_at_its_very_end_is_told_to_the_tables(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	char *mark = mem_sprintf("%s/zone/records.tch.clean", world.folder);
	(void)unlink(mark);
	assert_int_equal(mkdir(mark, 0700), 0);
	world_say_soa(&world_second, 2);
	int changed = world.recipients_changed;
	world_give_all(&world_second, 2);
	world_expect_state(REFRESH_WAIT);
	struct session_status now = world_status();
	assert_non_null(strstr(now.error, "records.tch.clean"));
	assert_int_equal(now.serial, 2);
	assert_int_equal(now.tally.recipients, 2);
	assert_true(world.recipients_changed > changed);
	assert_int_equal(rmdir(mark), 0);
	free(mark);
}

static void a_falsified_snapshot_isnt_stored(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	session_retransfer(world.session);
	(void)world_expect_sent(MESSAGE_AXFR);
	struct buf stream = {.data = NULL};
	world_stream_of(&world_first, 6, &stream);
	world_say_snapshot(&world_first, 6, &stream);
	uint8_t record[64];      /* two records change places: the same set, the same digest, but not what was signed */
	size_t length = (stream.length - 8) / 6;
	memcpy(record, stream.data + 8, length);
	memmove(stream.data + 8, stream.data + 8 + length, length);
	memcpy(stream.data + 8 + length, record, length);
	world_answer_fetches(&stream);
	world_turns(5);
	world_expect_state(REFRESH_WAIT);
	assert_non_null(strstr(world_status().error, "signed"));
	assert_int_equal(world_status().serial, 5);
	assert_int_equal(world_status().records, 5);
	assert_int_equal(world_status().health, HEALTH_WARNING);
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/zone/incoming", world.folder);
	assert_int_not_equal(access(path, F_OK), 0);
	buf_free(&stream);
}

/* Signed as a whole, yet against the rules inside: records left over, too few, a length that can't be. */
static void a_malformed_snapshot_isnt_stored(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	for (int i = 0; i < 3; i++) {
		struct buf stream = {.data = NULL};
		world_stream_of(&world_first, 6, &stream);
		if (i == 0)
			buf_put_u8(&stream, 1);
		if (i == 1)
			stream.data[7]++;
		if (i == 2)
			stream.data[8] = 99;
		session_retransfer(world.session);
		(void)world_expect_sent(MESSAGE_AXFR);
		world_say_snapshot(&world_first, 6, &stream);
		world_answer_fetches(&stream);
		world_turns(5);
		world_expect_state(REFRESH_WAIT);
		assert_int_equal(world_status().records, 5);
		buf_free(&stream);
	}
	struct buf huge = {.data = NULL};
	world_stream_of(&world_first, 6, &huge);
	buf_reserve(&huge, 100000);
	memset(huge.data + huge.length, 0, 100000);
	huge.length += 100000;
	session_retransfer(world.session);
	world_say_snapshot(&world_first, 6, &huge);
	assert_int_equal(world_count_sent(MESSAGE_FETCH), 0);
	world_expect_state(REFRESH_WAIT);
	buf_free(&huge);
}

static void never_backwards_by_a_snapshot(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	struct buf stream = {.data = NULL};
	world_stream_of(&world_first, 4, &stream);
	session_retransfer(world.session);
	world_say_snapshot(&world_first, 4, &stream);
	assert_int_equal(world.refused, 1);
	assert_int_equal(world_count_sent(MESSAGE_FETCH), 0);
	world_expect_state(REFRESH_WAIT);
	buf_free(&stream);
}

static void pushes_during_a_transfer_wait(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	session_retransfer(world.session);
	(void)world_expect_sent(MESSAGE_AXFR);
	struct buf stream = {.data = NULL};
	world_stream_of(&world_first, 5, &stream);
	world_say_snapshot(&world_first, 5, &stream);
	world_say_changes(&world_first, 5, 6, false);
	world_say_soa(&world_first, 6);
	assert_int_equal(world_status().serial, 5);
	world_answer_fetches(&stream);
	world_turns(10);
	world_expect_state(REFRESH_ASKED);
	world_say_soa(&world_first, 6);
	(void)world_expect_sent(MESSAGE_IXFR);
	world_say_changes(&world_first, 5, 6, false);
	assert_int_equal(world_status().serial, 6);
	buf_free(&stream);
}

static void an_overdue_piece_is_asked_for_again(void **state)
{
	(void)state;
	struct buf stream = {.data = NULL};
	world_stream_of(&world_first, 5, &stream);
	world_connect();
	world_say_soa(&world_first, 5);
	world_say_snapshot(&world_first, 5, &stream);
	assert_int_equal(world_expect_sent(MESSAGE_FETCH).offset, 0);
	for (int i = 0; i < 4; i++) {
		world_pass(10000);
		assert_int_equal(world_expect_sent(MESSAGE_FETCH).offset, 0);
	}
	world_pass(10000);
	world_expect_state(REFRESH_WAIT);
	buf_free(&stream);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_first_transfer),
		TEST(no_history_means_everything),
		TEST(a_later_epoch_replaces_all),
		TEST(damage_is_shown_and_healed),
		TEST(damage_behind_a_clean_mark_is_healed),
		TEST(whole_transfers_are_bounded),
		TEST(a_cut_transfer_goes_on_where_it_stopped),
		TEST(a_transfer_that_fails_at_its_very_end_is_told_to_the_tables),
		TEST(a_falsified_snapshot_isnt_stored),
		TEST(a_malformed_snapshot_isnt_stored),
		TEST(never_backwards_by_a_snapshot),
		TEST(pushes_during_a_transfer_wait),
		TEST(an_overdue_piece_is_asked_for_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
