/* test_session_attack.c: a master that is trusted, and means harm or has gone mad: it may harm its own zone, but never
 * the disk, the log, the memory, or the order of serials. The world around the session is session_world.c's. */
#include "common/calm.h"
#include "tests/unit/session_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const struct world_history later = {.epoch = {.id = {9}, .began = {1700000000001}}, .domain = "example.com"};
static const struct world_history large = {.epoch = {.id = {3}, .began = {1700000000000}}, .bulk = 60000,
                                           .domain = "example.com"};

static bool pieces_are_there(void)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/zone/incoming", world.folder);
	return access(path, F_OK) == 0;
}

static void a_giant_snapshot_fills_no_disk(void **state)
{
	(void)state;
	struct statvfs fs;
	assert_int_equal(statvfs(world.folder, &fs), 0);
	if ((uint64_t)fs.f_bavail * fs.f_frsize > 2 * SNAPSHOT_BYTES_MAX)
		skip();
	world_begin_at(&world_first, 5);
	session_retransfer(world.session);
	struct message giant = {.type = MESSAGE_SNAPSHOT, .zone = "example", .stream_bytes = SNAPSHOT_BYTES_MAX};
	giant.soa = world_soa_at(&world_first, SOA_SNAPSHOT, 5, 5);
	giant.soa.count = SNAPSHOT_BYTES_MAX / 64;
	soa_sign(&giant.soa, world.identity);
	world.sent_count = 0;
	world_say(&giant);
	assert_int_equal(world_count_sent(MESSAGE_FETCH), 0);
	assert_false(pieces_are_there());
	world_expect_state(REFRESH_WAIT);
	assert_non_null(strstr(world_status().error, "make room"));
	assert_int_equal(world_status().health, HEALTH_CRITICAL);
	assert_int_equal(world_status().records, 5);
	world_say_changes(&world_first, 5, 6, false);      /* the way to mend it is open */
	world_expect_state(REFRESH_CURRENT);
	assert_int_equal(world_status().health, HEALTH_OK);
}

/* What standard error gets while the master says things that each are worth a line. */
static size_t lines_while(void (*talk)(void))
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/stderr", world.folder);
	int keep = dup(STDERR_FILENO);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(keep >= 0 && fd >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	talk();
	assert_int_equal(dup2(keep, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(close(keep), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	size_t lines = 0;
	char bytes[4096];
	for (ssize_t got; (got = read(fd, bytes, sizeof(bytes))) > 0;)
		for (ssize_t i = 0; i < got; i++)
			lines += bytes[i] == '\n';
	assert_int_equal(close(fd), 0);
	return lines;
}

static void to_and_fro(void)
{
	for (int i = 0; i < 300; i++) {
		world_say_error(ERROR_NOT_YET);
		world_say_soa(&later, 1);
		world_say_error(ERROR_BUSY);
		session_refresh(world.session);
		world.sent_count = 0;
	}
}

static void from_the_future(void)
{
	for (int i = 0; i < 300; i++) {
		struct soa soa = world_soa_at(&world_first, SOA_PLAIN, 5, 5);
		soa.time.ms += (int64_t)400 * 86400 * 1000 + i;
		world_say_soa_of(soa, world.identity);
		world.sent_count = 0;      /* the ACKs */
	}
}

static void a_flood_is_few_lines(void **state)
{
	(void)state;
	world_begin_at(&world_first, 5);
	assert_true(lines_while(to_and_fro) <= CALM_LINES);
	world_pass(60000);
	world_connect();
	world_say_soa(&world_first, 5);
	assert_true(lines_while(from_the_future) <= 1);
}

static void a_new_epoch_in_the_middle(void **state)
{
	(void)state;
	struct buf stream = {.data = NULL};
	world_stream_of(&large, 1, &stream);
	world_connect();
	world_say_soa(&large, 1);
	world_say_snapshot(&large, 1, &stream);
	struct message fetch = world_expect_sent(MESSAGE_FETCH);
	world_say_soa(&later, 2);
	world_expect_state(REFRESH_AXFR);
	world_say_error(ERROR_NO_SNAPSHOT);
	world_expect_state(REFRESH_AXFR_ASKED);
	world_say_chunk(&fetch, &stream);      /* late */
	world_give_all(&later, 2);
	assert_int_equal(world_status().serial, 2);
	assert_int_equal(world_status().records, 2);
	assert_int_equal(world_status().epoch.id[0], 9);
	assert_false(pieces_are_there());
	buf_free(&stream);
}

static void what_isnt_wanted_any_more_goes(void **state)
{
	(void)state;
	struct buf stream = {.data = NULL};
	world_begin_at(&world_first, 5);
	session_retransfer(world.session);
	world_stream_of(&world_first, 5, &stream);
	world_say_snapshot(&world_first, 5, &stream);
	session_link(world.session, false);
	assert_true(pieces_are_there());      /* they may be of use when the connection is back */
	assert_int_equal(world_status().transfer_total, stream.length);
	world_connect();
	world_say_soa(&world_first, 5);
	world_expect_state(REFRESH_CURRENT);
	assert_false(pieces_are_there());
	assert_int_equal(world_status().transfer_total, 0);
	buf_free(&stream);
}

/* ---- gone mad ---- */

static uint64_t seed;
static struct world_history present;      /* each round has an epoch of its own */

static uint32_t dice(uint32_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % sides;
}

static void say_anything(void)
{
	static const struct world_history *const histories[] = {&world_first, &world_second, &present};
	const struct world_history *history = histories[dice(8) < 6 ? 2 : dice(3)];
	const struct identity *signer = dice(6) == 0 ? world.stranger : world.identity;
	uint64_t serial = dice(6) == 0 ? UINT32_MAX : 1 + dice(9);
	uint64_t from = serial == UINT32_MAX ? 1 : dice((uint32_t)serial);
	struct buf stream = {.data = NULL};
	struct soa soa = world_soa_at(history, SOA_PLAIN, 1, serial < 100 ? serial : 1);
	switch (dice(9)) {
	case 0:
	case 1:
		soa.serial = soa.from = serial;
		soa.digest.low += dice(8) == 0;
		soa.time.ms += (int64_t)dice(3) * 1000000000000 - 1000000000000;
		world_say_soa_of(soa, signer);
		break;
	case 2:
	case 3:
		if (serial < 100)
			world_say_changes_by(history, from, serial, dice(2) == 0, signer);
		break;
	case 4:
		world_say_error((enum message_error)(ERROR_VERSION + dice(ERROR_BUSY)));
		break;
	case 5:
		world_stream_of(history, serial < 100 ? serial : 1, &stream);
		if (dice(4) == 0)
			stream.data[dice((uint32_t)stream.length)] ^= (uint8_t)(1 + dice(255));
		world_say_snapshot(history, serial < 100 ? serial : 1, &stream);
		world_answer_fetches(&stream);
		world_turns(5);
		break;
	case 6:
		session_link(world.session, dice(8) != 0);
		session_welcome(world.session);
		break;
	case 7:
		world_pass(dice(70000));
		break;
	default:
		session_refresh(world.session);
		if (dice(4) == 0)
			session_retransfer(world.session);
		world_turn();
	}
	buf_free(&stream);
}

/* Anything in any order: serials only grow, answers are bounded, and afterwards a sane master finds a sane replica. */
static void a_master_gone_mad(void **state)
{
	(void)state;
	world_begin_at(&world_first, 1);
	unsigned steps = 0;
	for (uint64_t round = 1; round <= 20; round++) {
		seed = round;
		present = later;
		present.epoch.id[1] = (uint8_t)round;
		present.epoch.began.ms += (int64_t)round;
		for (int i = 0; i < 300; i++) {
			struct session_status before = world_status(), after;
			world.sent_count = 0;
			say_anything();
			assert_true(world.sent_count <= FETCHES_IN_FLIGHT + 8);
			after = world_status();
			assert_int_equal(world.fatal, 0);
			assert_true(after.present);
			if (epoch_equal(&before.epoch, &after.epoch))
				assert_true(after.serial >= before.serial);
			else
				assert_true(after.epoch.began.ms > before.epoch.began.ms);
			steps += !epoch_equal(&before.epoch, &after.epoch) || after.serial != before.serial;
		}
	}
	assert_true(steps > 40);      /* it did get somewhere */
	struct world_history sane = later;
	sane.epoch.id[0] = 10;
	sane.epoch.began.ms += 1000;
	world.sent_count = 0;
	session_link(world.session, false);
	world_connect();
	world_say_soa(&sane, 3);
	world_give_all(&sane, 3);
	world_say_soa(&sane, 3);
	world_expect_state(REFRESH_CURRENT);
	assert_int_equal(world_status().records, 3);
	assert_false(pieces_are_there());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_giant_snapshot_fills_no_disk),
		TEST(a_flood_is_few_lines),
		TEST(a_new_epoch_in_the_middle),
		TEST(what_isnt_wanted_any_more_goes),
		TEST(a_master_gone_mad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
