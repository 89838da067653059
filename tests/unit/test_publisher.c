/* test_publisher.c: who may say what, changes pushed and asked for, connections that are slow or gone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/publisher_stage.h"

static void hello_is_welcomed(void **state)
{
	(void)state;
	struct link_peer link = link_of(mx2, 1);
	struct publisher_replica_status status;
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_NEVER);
	hello(&link);
	struct message welcome = got(&link, MESSAGE_WELCOME);
	assert_int_equal(welcome.version_min, 2);
	assert_non_null(strstr(welcome.software, "rxfer-master"));
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_CONNECTED);
	assert_string_equal(status.software, "test 1");
	assert_string_equal(status.name, "mx2");
	assert_true(pubkey_equal(status.key, identity_public(mx2)));
	assert_int_equal(status.last_contact.ms, 1700000001000);

	say(&link, &(struct message){.type = MESSAGE_HELLO, .version_min = 3, .version_max = 4});
	got_error(&link, ERROR_VERSION);
	assert_int_equal(publisher_refused(publisher), 1);
}

static struct handover kept_shown;
static unsigned kept_calls;

static void on_kept(void *context, const struct pubkey *replica, const struct handover *shown)
{
	(void)context;
	assert_true(pubkey_equal(replica, identity_public(mx2)));
	kept_shown = *shown;
	kept_calls++;
}

static void keys_are_said_to_who_knows_them_until_they_are_kept(void **state)
{
	(void)state;
	struct link_peer link = link_of(mx2, 1), old = link_of(mx3, 2);
	const struct handover first = handover_make(master, NULL, (struct wall){5000});
	const struct handover second = handover_make(master, identity_public(stranger), (struct wall){6000});
	publisher_on_kept(publisher, on_kept, NULL);
	kept_calls = 0;
	publisher_keys(publisher, &first);
	assert_int_equal(sent_count, 0);      /* nobody is there */
	/* A replica of version 1 would refuse it. */
	say(&old, &(struct message){.type = MESSAGE_HELLO, .version_min = 1, .version_max = 1, .software = "old"});
	assert_int_equal(got(&old, MESSAGE_WELCOME).version_min, 1);
	hello(&link);
	assert_int_equal(sent_count, 2);
	assert_int_equal(sent[0].message.type, MESSAGE_WELCOME);
	assert_int_equal(sent[1].message.type, MESSAGE_KEYS);
	assert_int_equal(sent[1].message.handover.time.ms, 5000);
	forget_sent();
	struct publisher_replica_status status;
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.version, 2);
	publisher_replica_status(publisher, 1, &status);
	assert_int_equal(status.version, 1);

	publisher_keys(publisher, &second);
	assert_true(handover_verify(&sent[0].message.handover));
	struct message keys = got(&link, MESSAGE_KEYS);
	assert_true(handover_agrees(&keys.handover, &second));
	/* It answers with the former one, which is no answer; then not at all; then with this one. */
	say(&link, &(struct message){.type = MESSAGE_KEPT, .handover = first});
	assert_int_equal(kept_calls, 1);
	pass_ms(31000);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	(void)got(&link, MESSAGE_KEYS);
	say(&link, &(struct message){.type = MESSAGE_KEPT, .handover = second});
	assert_int_equal(kept_calls, 2);
	assert_true(handover_agrees(&kept_shown, &second));
	pass_ms(31000);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	assert_int_equal(sent_count, 0);
	/* A new connection is told again, and a reload changes nothing. */
	configure(2);
	link.routing[4] = 9;
	hello(&link);
	assert_int_equal(sent_count, 2);
	assert_true(handover_agrees(&sent[1].message.handover, &second));
	assert_int_equal(publisher_refused(publisher), 0);
	/* KEYS is for a master to say. */
	forget_sent();
	say(&link, &(struct message){.type = MESSAGE_KEYS, .handover = second});
	got_error(&link, ERROR_MALFORMED);
	assert_int_equal(kept_calls, 2);
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
	pass_ms(195000);      /* 3 * refresh + retry */
	must(loop_turn(loop, 0, &why), &why);
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_CONNECTED);
	pass_ms(30000);
	must(loop_turn(loop, 0, &why), &why);
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_LOST);
	/* The connection may be well: it's still served, and a word brings it back. */
	change();
	(void)got(&link, MESSAGE_CHANGES);
	ack(&link, 2, 2);
	publisher_replica_status(publisher, 0, &status);
	assert_int_equal(status.state, REPLICA_CONNECTED);
	assert_int_equal(status.last_contact.ms, clock_wall().ms);
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
	pass_ms(100);
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
	const struct CMUnitTest tests[] = {
		STAGE_TEST(hello_is_welcomed),
		STAGE_TEST(keys_are_said_to_who_knows_them_until_they_are_kept),
		STAGE_TEST(who_is_admitted),
		STAGE_TEST(nothing_before_hello),
		STAGE_TEST(rubbish_is_refused),
		STAGE_TEST(changes_are_pushed_without_waiting),
		STAGE_TEST(a_gap_is_told_and_not_pushed),
		STAGE_TEST(a_greeted_one_is_told_and_asks),
		STAGE_TEST(a_burst_ends_and_goes_on),
		STAGE_TEST(zones_that_are_not_there),
		STAGE_TEST(a_full_queue_stops_pushes_until_it_asks),
		STAGE_TEST(a_gone_connection_is_lost),
		STAGE_TEST(silence_is_shown),
		STAGE_TEST(acks_are_shown),
		STAGE_TEST(a_flood_is_bounded),
		STAGE_TEST(configured_anew),
		STAGE_TEST(a_zone_gained_while_connected),
	};
	return stage_main(tests, sizeof(tests) / sizeof(*tests));
}
