/* test_publisher.c: the master's side of the protocol, spoken to as replicas do, with a real zonedb behind it.
 *
 * The zone is a stand-in: the few functions that the publisher asks of it. Messages go into a list instead of a
 * socket. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/publisher.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/history_fixture.h"

/* ---- The zone's stand-in ---- */

struct zone {
	struct zone_spec spec;
	struct history history;
	bool published;
	unsigned evidences;
	unsigned damages;
	struct soa evidence;
};

const struct zone_spec *zone_spec(const struct zone *zone)
{
	return &zone->spec;
}

bool zone_published(const struct zone *zone)
{
	return zone->published;
}

bool zone_soa(const struct zone *zone, struct soa *out)
{
	if (zone->published)
		*out = zone->history.soa;
	return zone->published;
}

struct zonedb *zone_db(struct zone *zone)
{
	return zone->history.db;
}

const struct identity *zone_identity(const struct zone *zone)
{
	return zone->history.signer;
}

void zone_evidence(struct zone *zone, const struct soa *soa)
{
	zone->evidences++;
	zone->evidence = *soa;
}

void zone_damaged(struct zone *zone, const struct why *why)
{
	(void)why;
	zone->damages++;
}

/* ---- The stage ---- */

static struct identity *master, *mx2, *mx3, *stranger;
static struct loop *loop;
static struct publisher *publisher;
static struct zone zone;

#define SENT_MAX 600
static struct sent {
	struct link_peer link;
	struct buf bytes;
	struct message message;
} sent[SENT_MAX];
static size_t sent_count;
static enum rc send_says;
static size_t send_takes;      /* so many, then send_says */

static enum rc on_send(void *context, const struct link_peer *peer, const void *data, size_t length)
{
	(void)context;
	if (send_says != RC_OK && send_takes == 0)
		return send_says;
	if (send_says != RC_OK)
		send_takes--;
	assert_true(sent_count < SENT_MAX);
	struct sent *to = &sent[sent_count++];
	to->link = *peer;
	to->bytes = (struct buf){0};
	buf_put(&to->bytes, data, length);
	struct why why;
	must(message_decode(to->bytes.data, to->bytes.length, &to->message, &why), &why);
	return RC_OK;
}

static void forget_sent(void)
{
	for (size_t i = 0; i < sent_count; i++)
		buf_free(&sent[i].bytes);
	sent_count = 0;
}

static const char *const zone_names[] = {"example"};
static const char *const both_names[] = {"example", "other"};

static void configure(size_t replicas)
{
	struct zone *zones[] = {&zone};
	const struct publisher_replica specs[] = {
		{.name = "mx2", .key = *identity_public(mx2), .zones = zone_names, .zone_count = 1},
		{.name = "mx3", .key = *identity_public(mx3), .zones = both_names, .zone_count = 2},
	};
	publisher_configure(publisher, zones, 1, specs, replicas);
}

static int set_up(void **state)
{
	(void)state;
	now_ms = 1000;
	clock_use(&fake_clock);
	memset(&zone, 0, sizeof(zone));
	history_open(&zone.history, master);
	history_begin(&zone.history, 100);
	zone.spec = (struct zone_spec){.name = "example", .folder = zone.history.folder, .refresh_s = 60, .retry_s = 15};
	zone.published = true;
	send_says = RC_OK;
	loop = loop_new();
	publisher = publisher_new(loop, master, &(struct publisher_send){on_send, NULL});
	configure(2);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	publisher_free(&publisher);
	loop_free(loop);
	forget_sent();
	history_close(&zone.history);
	clock_use(NULL);
	return 0;
}

static struct link_peer link_of(const struct identity *identity, uint8_t connection)
{
	struct link_peer link = {.routing = {0, 0, 0, 0, connection}, .routing_length = 5};
	memcpy(link.transport_key, identity_public(identity)->transport, 32);
	return link;
}

/* ---- What replicas say ---- */

static void say(const struct link_peer *link, const struct message *message)
{
	struct buf bytes = {0};
	message_encode(&bytes, message);
	publisher_message(publisher, link, bytes.data, bytes.length);
	buf_free(&bytes);
}

static void hello(const struct link_peer *link)
{
	say(link, &(struct message){.type = MESSAGE_HELLO, .version_min = 1, .version_max = 3, .software = "test 1"});
}

static void refresh(const struct link_peer *link, const struct soa *shown)
{
	struct message message = {.type = MESSAGE_REFRESH, .zone = "example", .present = shown != NULL};
	if (shown)
		message.soa = *shown;
	say(link, &message);
}

static void ixfr(const struct link_peer *link, uint64_t from)
{
	struct message message = {.type = MESSAGE_IXFR, .zone = "example", .serial = from};
	memcpy(message.epoch_id, zone.history.soa.epoch.id, 16);
	say(link, &message);
}

static void ack(const struct link_peer *link, uint64_t serial, uint64_t served)
{
	struct message message = {.type = MESSAGE_ACK, .zone = "example", .serial = serial, .served = served};
	memcpy(message.epoch_id, zone.history.soa.epoch.id, 16);
	say(link, &message);
}

static void change(void)
{
	history_change(&zone.history);
	publisher_changeset(publisher, &zone, &zone.history.soa, zone.history.encoded.data, zone.history.encoded.length);
}

/* The only message since the last look, and to whom. */
static struct message got(const struct link_peer *link, enum message_type type)
{
	static struct buf kept;      /* views stay valid until the next call */
	if (sent_count != 1)
		fail_msg("%zu messages, not one (the first: %s)", sent_count,
		         sent_count ? message_type_name(sent[0].message.type) : "none");
	assert_memory_equal(sent[0].link.routing, link->routing, 5);
	if (sent[0].message.type != type)
		fail_msg("%s (%s), not %s", message_type_name(sent[0].message.type), sent[0].message.reason,
		         message_type_name(type));
	buf_free(&kept);
	kept = sent[0].bytes;
	sent_count = 0;
	struct message message;
	assert_int_equal(message_decode(kept.data, kept.length, &message, NULL), RC_OK);
	return message;
}

static void got_error(const struct link_peer *link, enum message_error error)
{
	struct message message = got(link, MESSAGE_ERROR);
	if (message.error != error)
		fail_msg("%s (%s), not %s", message_error_name(message.error), message.reason, message_error_name(error));
	assert_true(message.reason[0] != '\0');
}

static void got_soa(const struct link_peer *link)
{
	struct message message = got(link, MESSAGE_SOA);
	assert_int_equal(message.soa.serial, zone.history.soa.serial);
	assert_int_equal(message.soa.kind, SOA_PLAIN);
	assert_true(soa_verify(&message.soa, identity_public(master)));
}

/* Connected, and shown to have everything. */
static struct link_peer current(const struct identity *identity)
{
	struct link_peer link = link_of(identity, 1);
	hello(&link);
	(void)got(&link, MESSAGE_WELCOME);
	refresh(&link, &zone.history.soa);
	got_soa(&link);
	return link;
}

/* ---- Tests ---- */

static void hello_is_welcomed(void **state)
{
	(void)state;
	struct link_peer link = link_of(mx2, 1);
	struct publisher_replica_status status;
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_NEVER);
	hello(&link);
	struct message welcome = got(&link, MESSAGE_WELCOME);
	assert_int_equal(welcome.version_min, 1);
	assert_non_null(strstr(welcome.software, "rxfer-master"));
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_CONNECTED);
	assert_string_equal(status.software, "test 1");
	assert_string_equal(status.name, "mx2");
	assert_true(pubkey_equal(status.key, identity_public(mx2)));
	assert_int_equal(status.last_contact.ms, 1700000001000);

	say(&link, &(struct message){.type = MESSAGE_HELLO, .version_min = 2, .version_max = 3});
	got_error(&link, ERROR_VERSION);
	assert_int_equal(publisher_refused(publisher), 1);
}

static void who_is_admitted(void **state)
{
	(void)state;
	assert_true(publisher_admit(publisher, identity_public(mx2)->transport));
	assert_false(publisher_admit(publisher, identity_public(stranger)->transport));
	struct link_peer link = link_of(stranger, 1);
	hello(&link);
	got_error(&link, ERROR_NO_ZONE);
	assert_int_equal(publisher_refused(publisher), 1);
}

static void nothing_before_hello(void **state)
{
	(void)state;
	struct link_peer link = link_of(mx2, 1), second = link_of(mx2, 2);
	refresh(&link, NULL);
	got_error(&link, ERROR_MALFORMED);
	hello(&link);
	(void)got(&link, MESSAGE_WELCOME);
	refresh(&second, NULL);
	got_error(&second, ERROR_MALFORMED);
	/* A new connection of the same key supersedes the old one. */
	hello(&second);
	(void)got(&second, MESSAGE_WELCOME);
	refresh(&link, NULL);
	got_error(&link, ERROR_MALFORMED);
	refresh(&second, &zone.history.soa);
	got_soa(&second);
	change();
	(void)got(&second, MESSAGE_CHANGES);
	assert_int_equal(publisher_refused(publisher), 3);
}

static void rubbish_is_refused(void **state)
{
	(void)state;
	struct link_peer link = current(mx2);
	publisher_message(publisher, &link, "\377rubbish", 8);
	got_error(&link, ERROR_MALFORMED);
	publisher_message(publisher, &link, "", 0);
	got_error(&link, ERROR_MALFORMED);
	/* A master's message from a replica. */
	say(&link, &(struct message){.type = MESSAGE_SOA, .soa = zone.history.soa});
	got_error(&link, ERROR_MALFORMED);
	assert_int_equal(publisher_refused(publisher), 3);
	/* And it goes on. */
	change();
	(void)got(&link, MESSAGE_CHANGES);
}

static void changes_are_pushed_without_waiting(void **state)
{
	(void)state;
	struct link_peer link = current(mx2);
	for (unsigned i = 0; i < 20; i++) {
		change();
		struct message message = got(&link, MESSAGE_CHANGES);
		assert_false(message.more);
		assert_int_equal(message.data_length, zone.history.encoded.length);
		assert_memory_equal(message.data, zone.history.encoded.data, message.data_length);
	}
	/* Crossed on the way: it shows what it had before the pushes. Pushes go on. */
	struct soa old = zone.history.soa;
	old.serial = old.from = 3;
	old.kind = SOA_PLAIN;
	refresh(&link, &old);
	got_soa(&link);
	change();
	(void)got(&link, MESSAGE_CHANGES);
	/* A new date only. */
	publisher_announcement(publisher, &zone, &zone.history.soa);
	got_soa(&link);
}

/* A changeset that it wasn't sent lies between: the next one would be of no use to it. */
static void a_gap_is_told_and_not_pushed(void **state)
{
	(void)state;
	struct link_peer link = current(mx2);
	history_change(&zone.history);
	change();
	got_soa(&link);
	ixfr(&link, 1);
	assert_int_equal(sent_count, 2);
	forget_sent();
	change();
	(void)got(&link, MESSAGE_CHANGES);
}

static void a_greeted_one_is_told_and_asks(void **state)
{
	(void)state;
	struct link_peer link = link_of(mx2, 1);
	hello(&link);
	(void)got(&link, MESSAGE_WELCOME);
	change();
	got_soa(&link);
	ixfr(&link, 1);
	struct message message = got(&link, MESSAGE_CHANGES);
	assert_int_equal(message.soa.from, 1);
	assert_false(message.more);
	change();
	message = got(&link, MESSAGE_CHANGES);
	assert_int_equal(message.soa.from, 2);
}

static void a_burst_ends_and_goes_on(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++)
		change();
	assert_int_equal(sent_count, 0);      /* nobody is there */
	struct link_peer link = link_of(mx2, 1);
	hello(&link);
	(void)got(&link, MESSAGE_WELCOME);
	ixfr(&link, 1);
	assert_int_equal(sent_count, IXFR_BURST);
	for (size_t i = 0; i < sent_count; i++) {
		assert_int_equal(sent[i].message.type, MESSAGE_CHANGES);
		assert_int_equal(sent[i].message.soa.from, 1 + i);
		assert_int_equal(sent[i].message.more, i + 1 < IXFR_BURST);
	}
	forget_sent();
	/* Not pushed to: there is a gap. */
	change();
	got_soa(&link);
	ixfr(&link, 1 + IXFR_BURST);
	assert_int_equal(sent_count, 5);
	assert_false(sent[4].message.more);
	forget_sent();
	change();
	(void)got(&link, MESSAGE_CHANGES);
	ixfr(&link, zone.history.soa.serial);
	got_soa(&link);
}

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

static void zones_that_are_not_there(void **state)
{
	(void)state;
	struct link_peer link = current(mx2);
	struct message message = {.type = MESSAGE_AXFR, .zone = "nowhere"};
	say(&link, &message);
	got_error(&link, ERROR_NO_ZONE);
	/* mx3 may have it, mx2 not; and it isn't published: all the same from outside. */
	message = (struct message){.type = MESSAGE_AXFR, .zone = "other"};
	say(&link, &message);
	got_error(&link, ERROR_NO_ZONE);
	struct link_peer third = current(mx3);
	say(&third, &message);
	got_error(&third, ERROR_NO_ZONE);

	zone.published = false;
	refresh(&link, NULL);
	got_error(&link, ERROR_NOT_YET);
	ixfr(&link, 1);
	got_error(&link, ERROR_NOT_YET);
	message = (struct message){.type = MESSAGE_AXFR, .zone = "example"};
	say(&link, &message);
	got_error(&link, ERROR_NOT_YET);
	/* Told as soon as something is. */
	zone.published = true;
	publisher_announcement(publisher, &zone, &zone.history.soa);
	assert_int_equal(sent_count, 2);
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

static void a_full_queue_stops_pushes_until_it_asks(void **state)
{
	(void)state;
	struct link_peer link = current(mx2);
	send_says = RC_AGAIN;
	change();
	send_says = RC_OK;
	assert_int_equal(sent_count, 0);
	change();
	got_soa(&link);      /* told, not pushed with a gap */
	ixfr(&link, 1);
	assert_int_equal(sent_count, 2);
	forget_sent();
	change();
	(void)got(&link, MESSAGE_CHANGES);

	/* In the midst of a burst. */
	send_says = RC_AGAIN;
	send_takes = 2;
	ixfr(&link, 1);
	send_says = RC_OK;
	assert_int_equal(sent_count, 2);
	forget_sent();
	change();
	got_soa(&link);
}

static void a_gone_connection_is_lost(void **state)
{
	(void)state;
	struct link_peer link = current(mx2);
	send_says = RC_NOT_FOUND;
	change();
	send_says = RC_OK;
	struct publisher_replica_status status;
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_LOST);
	change();
	assert_int_equal(sent_count, 0);
	link = link_of(mx2, 2);
	hello(&link);
	(void)got(&link, MESSAGE_WELCOME);
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_CONNECTED);
}

static void silence_is_shown(void **state)
{
	(void)state;
	struct link_peer link = current(mx2);
	struct publisher_replica_status status;
	struct why why;
	now_ms += 195000;      /* 3 * refresh + retry */
	must(loop_turn(loop, 0, &why), &why);
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_CONNECTED);
	now_ms += 30000;
	must(loop_turn(loop, 0, &why), &why);
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_LOST);
	/* The connection may be well: it's still served, and a word brings it back. */
	change();
	(void)got(&link, MESSAGE_CHANGES);
	ack(&link, 2, 2);
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_CONNECTED);
	assert_int_equal(status.last_contact.ms, 1700000000000 + now_ms);
}

static void acks_are_shown(void **state)
{
	(void)state;
	struct link_peer link = link_of(mx2, 1);
	struct publisher_zone_status status;
	publisher_zone_status(publisher, 0, 0, &status);
	assert_false(status.known);
	hello(&link);
	(void)got(&link, MESSAGE_WELCOME);
	refresh(&link, NULL);
	got_soa(&link);
	publisher_zone_status(publisher, 0, 0, &status);
	assert_false(status.known);
	struct message message = {
		.type = MESSAGE_ACK, .zone = "example", .serial = 9, .served = 8, .health = HEALTH_CRITICAL,
		.reason = "disk full",
	};
	memcpy(message.epoch_id, zone.history.soa.epoch.id, 16);
	say(&link, &message);
	assert_int_equal(sent_count, 0);
	publisher_zone_status(publisher, 0, 0, &status);
	assert_true(status.known);
	assert_true(status.same_epoch);
	assert_int_equal(status.serial, 9);
	assert_int_equal(status.served, 8);
	assert_int_equal(status.health, HEALTH_CRITICAL);
	assert_string_equal(status.reason, "disk full");
	assert_string_equal(status.zone, "example");
	assert_int_equal(publisher_replica_count(publisher), 2);
	assert_int_equal(publisher_zone_count(publisher, 1), 2);
	publisher_zone_status(publisher, 1, 1, &status);
	assert_string_equal(status.zone, "other");
	assert_false(status.known);
}

static void a_flood_is_bounded(void **state)
{
	(void)state;
	struct link_peer link = current(mx2), other = current(mx3);
	unsigned answered = 0;
	for (unsigned i = 0; i < 600; i++) {
		refresh(&link, &zone.history.soa);
		assert_int_equal(sent_count, 1);
		if (sent[0].message.type == MESSAGE_SOA)
			answered++;
		else
			assert_int_equal(sent[0].message.error, ERROR_BUSY);
		forget_sent();
	}
	assert_in_range(answered, 400, 500);
	assert_int_equal(publisher_refused(publisher), 600 - answered);
	/* Another one doesn't notice. */
	refresh(&other, &zone.history.soa);
	got_soa(&other);
	/* And it recovers. */
	now_ms += 100;
	refresh(&link, &zone.history.soa);
	got_soa(&link);
}

static void configured_anew(void **state)
{
	(void)state;
	struct link_peer second = current(mx2), third = current(mx3);
	ack(&third, 1, 1);
	configure(1);      /* without mx3 */
	assert_int_equal(publisher_replica_count(publisher), 1);
	assert_false(publisher_admit(publisher, identity_public(mx3)->transport));
	change();
	(void)got(&second, MESSAGE_CHANGES);      /* known ones keep their connection and place */
	refresh(&third, &zone.history.soa);
	got_error(&third, ERROR_NO_ZONE);         /* revoked in a running connection */
	assert_int_equal(publisher_refused(publisher), 1);
	configure(2);
	refresh(&third, &zone.history.soa);
	got_error(&third, ERROR_MALFORMED);       /* HELLO anew */
	hello(&third);
	(void)got(&third, MESSAGE_WELCOME);
}

static void a_zone_gained_while_connected(void **state)
{
	(void)state;
	static const char *const none[] = {"other"};
	struct zone *zones[] = {&zone};
	struct publisher_replica spec = {.name = "mx2", .key = *identity_public(mx2), .zones = none, .zone_count = 1};
	publisher_configure(publisher, zones, 1, &spec, 1);
	struct link_peer link = link_of(mx2, 1);
	hello(&link);
	(void)got(&link, MESSAGE_WELCOME);
	refresh(&link, NULL);
	got_error(&link, ERROR_NO_ZONE);
	configure(1);
	refresh(&link, &zone.history.soa);
	got_soa(&link);
	change();
	(void)got(&link, MESSAGE_CHANGES);
}

int main(void)
{
	identity_init();
	master = fixture_identity(1);
	mx2 = fixture_identity(2);
	mx3 = fixture_identity(4);
	stranger = fixture_identity(6);
#define PUBLISHER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(hello_is_welcomed),
		PUBLISHER_TEST(who_is_admitted),
		PUBLISHER_TEST(nothing_before_hello),
		PUBLISHER_TEST(rubbish_is_refused),
		PUBLISHER_TEST(changes_are_pushed_without_waiting),
		PUBLISHER_TEST(a_gap_is_told_and_not_pushed),
		PUBLISHER_TEST(a_greeted_one_is_told_and_asks),
		PUBLISHER_TEST(a_burst_ends_and_goes_on),
		PUBLISHER_TEST(no_history_says_why),
		PUBLISHER_TEST(zones_that_are_not_there),
		PUBLISHER_TEST(a_whole_transfer),
		PUBLISHER_TEST(records_that_are_damaged_are_told_to_the_zone),
		PUBLISHER_TEST(a_snapshot_is_never_older_than_what_a_replica_has),
		PUBLISHER_TEST(evidence_is_passed_on_once),
		PUBLISHER_TEST(forged_evidence_is_refused),
		PUBLISHER_TEST(a_new_epoch_is_told_to_all),
		PUBLISHER_TEST(a_full_queue_stops_pushes_until_it_asks),
		PUBLISHER_TEST(a_gone_connection_is_lost),
		PUBLISHER_TEST(silence_is_shown),
		PUBLISHER_TEST(acks_are_shown),
		PUBLISHER_TEST(a_flood_is_bounded),
		PUBLISHER_TEST(configured_anew),
		PUBLISHER_TEST(a_zone_gained_while_connected),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	identity_free(&master);
	identity_free(&mx2);
	identity_free(&mx3);
	identity_free(&stranger);
	return failed;
}
