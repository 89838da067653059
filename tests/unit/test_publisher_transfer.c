/* test_publisher_transfer.c: whole transfers, and what replicas know of our own past. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/publisher_stage.h"

static void no_history_says_why(void **state)
{
	(void)state;
	change();
	struct link_peer link = current(mx2);
	ixfr(&link, 0);
	struct message message = got(&link, MESSAGE_ERROR);
	assert_int_equal(message.error, ERROR_NO_HISTORY);
	assert_non_null(strstr(message.reason, "serial 1"));
	ixfr(&link, 99);
	message = got(&link, MESSAGE_ERROR);
	assert_int_equal(message.error, ERROR_NO_HISTORY);
	assert_non_null(strstr(message.reason, "newest serial is 2"));
	struct message other = {.type = MESSAGE_IXFR, .zone = "example", .serial = 1};
	say(&link, &other);
	message = got(&link, MESSAGE_ERROR);
	assert_int_equal(message.error, ERROR_NO_HISTORY);
	assert_non_null(strstr(message.reason, "epoch"));
	/* It's behind now: told, not pushed to. */
	change();
	got_soa(&link);
}

static void a_whole_transfer(void **state)
{
	(void)state;
	struct link_peer link = link_of(mx2, 1);
	hello(&link);
	(void)got(&link, MESSAGE_WELCOME);
	struct message message = {.type = MESSAGE_AXFR, .zone = "example"};
	say(&link, &message);
	struct message offered = got(&link, MESSAGE_SNAPSHOT);
	assert_true(soa_verify(&offered.soa, identity_public(master)));

	/* A change meanwhile is told; the transfer goes on. */
	change();
	got_soa(&link);
	struct buf stream = {0};
	while (stream.length < offered.stream_bytes) {
		struct message fetch = {
			.type = MESSAGE_FETCH, .zone = "example", .serial = offered.soa.serial,
			.offset = stream.length, .length = 1000,
		};
		memcpy(fetch.epoch_id, offered.soa.epoch.id, 16);
		say(&link, &fetch);
		struct message chunk = got(&link, MESSAGE_CHUNK);
		assert_int_equal(chunk.offset, stream.length);
		assert_string_equal(chunk.zone, "example");
		buf_put(&stream, chunk.data, chunk.data_length);
	}
	uint8_t hash[32];
	identity_hash(stream.data, stream.length, hash);
	assert_memory_equal(hash, offered.soa.content_hash, 32);
	struct message beyond = {
		.type = MESSAGE_FETCH, .zone = "example", .serial = offered.soa.serial, .offset = stream.length, .length = 1,
	};
	memcpy(beyond.epoch_id, offered.soa.epoch.id, 16);
	say(&link, &beyond);
	got_error(&link, ERROR_NO_SNAPSHOT);
	beyond.serial = 4711;
	say(&link, &beyond);
	got_error(&link, ERROR_NO_SNAPSHOT);
	buf_free(&stream);

	ixfr(&link, offered.soa.serial);
	(void)got(&link, MESSAGE_CHANGES);
	change();
	(void)got(&link, MESSAGE_CHANGES);
}

/* The disk gives back other bytes than it got: a replica would find out, and ask for the same again, for ever. */
static void records_that_are_damaged_are_told_to_the_zone(void **state)
{
	(void)state;
	struct link_peer link = current(mx2);
	char *command = mem_sprintf("cd '%s' && LC_ALL=C sed 's/user1@example/userX@example/' records.tch >copy && "
	                            "! cmp -s copy records.tch && cat copy >records.tch", zone.history.folder);
	assert_int_equal(system(command), 0);
	free(command);
	say(&link, &(struct message){.type = MESSAGE_AXFR, .zone = "example"});
	got_error(&link, ERROR_BUSY);
	assert_int_equal(zone.damages, 1);
}

static struct message axfr(const struct link_peer *link)
{
	say(link, &(struct message){.type = MESSAGE_AXFR, .zone = "example"});
	return got(link, MESSAGE_SNAPSHOT);
}

/* A young snapshot serves others, but not one that is beyond it already: it would refuse to go back. */
static void a_snapshot_is_never_older_than_what_a_replica_has(void **state)
{
	(void)state;
	struct link_peer fresh = link_of(mx3, 3), link = current(mx2);
	assert_int_equal(axfr(&link).soa.serial, 1);
	change();
	got_soa(&link);
	hello(&fresh);
	(void)got(&fresh, MESSAGE_WELCOME);
	assert_int_equal(axfr(&fresh).soa.serial, 1);
	ixfr(&link, 1);
	(void)got(&link, MESSAGE_CHANGES);
	ack(&link, 2, 1);
	assert_int_equal(axfr(&link).soa.serial, 2);
}

static void evidence_is_passed_on_once(void **state)
{
	(void)state;
	struct link_peer link = current(mx2);
	struct soa shown = zone.history.soa;
	shown.serial = shown.from = 50;
	soa_sign(&shown, master);
	refresh(&link, &shown);
	got_soa(&link);
	assert_int_equal(zone.evidences, 1);
	assert_int_equal(zone.evidence.serial, 50);
	assert_int_equal(publisher_refused(publisher), 0);

	/* Another record set under the same serial. */
	shown = zone.history.soa;
	shown.digest.low ^= 1;
	soa_sign(&shown, master);
	refresh(&link, &shown);
	got_soa(&link);
	assert_int_equal(zone.evidences, 2);

	/* A later epoch; and a changeset's announcement is as good. */
	shown = zone.history.soa;
	shown.epoch = epoch_begin(&shown.epoch);
	shown.kind = SOA_CHANGESET;
	shown.from = shown.serial - 1;
	memset(shown.content_hash, 7, sizeof(shown.content_hash));
	soa_sign(&shown, master);
	refresh(&link, &shown);
	got_soa(&link);
	assert_int_equal(zone.evidences, 3);
	/* None of that is what a push could lead on from. */
	change();
	got_soa(&link);

	zone.published = false;
	refresh(&link, &shown);
	got_error(&link, ERROR_NOT_YET);
	assert_int_equal(zone.evidences, 4);
}

static void forged_evidence_is_refused(void **state)
{
	(void)state;
	struct link_peer link = current(mx2);
	struct soa shown = zone.history.soa;
	shown.serial = shown.from = 50;      /* the signature is another's now */
	refresh(&link, &shown);
	got_soa(&link);
	soa_sign(&shown, stranger);
	refresh(&link, &shown);
	got_soa(&link);
	assert_int_equal(zone.evidences, 0);
	assert_int_equal(publisher_refused(publisher), 2);
	/* Treated as having nothing: told, not pushed to. */
	change();
	got_soa(&link);
	/* What isn't beyond us is no evidence. */
	shown = zone.history.soa;
	shown.serial = shown.from = 1;
	shown.kind = SOA_PLAIN;
	refresh(&link, &shown);
	got_soa(&link);
	assert_int_equal(publisher_refused(publisher), 2);
}

static void a_new_epoch_is_told_to_all(void **state)
{
	(void)state;
	struct link_peer link = current(mx2);
	history_begin(&zone.history, 5);
	publisher_announcement(publisher, &zone, &zone.history.soa);
	got_soa(&link);
	change();
	got_soa(&link);      /* not pushed: it has the other history */
	struct publisher_zone_status status;
	publisher_zone_status(publisher, 0, 0, &status);
	assert_true(status.known);
	assert_false(status.same_epoch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(no_history_says_why),
		STAGE_TEST(a_whole_transfer),
		STAGE_TEST(records_that_are_damaged_are_told_to_the_zone),
		STAGE_TEST(a_snapshot_is_never_older_than_what_a_replica_has),
		STAGE_TEST(evidence_is_passed_on_once),
		STAGE_TEST(forged_evidence_is_refused),
		STAGE_TEST(a_new_epoch_is_told_to_all),
	};
	return stage_main(tests, sizeof(tests) / sizeof(*tests));
}
