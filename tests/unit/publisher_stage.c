/* publisher_stage.c: see publisher_stage.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/publisher_stage.h"

#include "tests/unit/fake_clock.h"

/* ---- The zone's stand-in ---- */

const struct zone_spec *zone_spec(const struct zone *asked)
{
	return &asked->spec;
}

bool zone_published(const struct zone *asked)
{
	return asked->published;
}

bool zone_soa(const struct zone *asked, struct soa *out)
{
	if (asked->published)
		*out = asked->history.soa;
	return asked->published;
}

struct zonedb *zone_db(struct zone *asked)
{
	return asked->history.db;
}

const struct identity *zone_identity(const struct zone *asked)
{
	return asked->history.signer;
}

void zone_evidence(struct zone *asked, const struct soa *soa)
{
	asked->evidences++;
	asked->evidence = *soa;
}

void zone_damaged(struct zone *asked, const struct why *why)
{
	(void)why;
	asked->damages++;
}

/* ---- The stage ---- */

struct identity *master, *mx2, *mx3, *stranger;
struct loop *loop;
struct publisher *publisher;
struct zone zone;

struct sent sent[SENT_MAX];
size_t sent_count;
enum rc send_says;
size_t send_takes;

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

void forget_sent(void)
{
	for (size_t i = 0; i < sent_count; i++)
		buf_free(&sent[i].bytes);
	sent_count = 0;
}

static const char *const zone_names[] = {"example"};
static const char *const both_names[] = {"example", "other"};

void configure(size_t replicas)
{
	struct zone *zones[] = {&zone};
	const struct publisher_replica specs[] = {
		{.name = "mx2", .key = *identity_public(mx2), .zones = zone_names, .zone_count = 1},
		{.name = "mx3", .key = *identity_public(mx3), .zones = both_names, .zone_count = 2},
	};
	publisher_configure(publisher, zones, 1, specs, replicas);
}

int stage_set_up(void **state)
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

int stage_tear_down(void **state)
{
	(void)state;
	publisher_free(&publisher);
	loop_free(loop);
	forget_sent();
	history_close(&zone.history);
	clock_use(NULL);
	return 0;
}

void pass_ms(int64_t ms)
{
	now_ms += ms;
}

struct link_peer link_of(const struct identity *identity, uint8_t connection)
{
	struct link_peer link = {.routing = {0, 0, 0, 0, connection}, .routing_length = 5};
	memcpy(link.transport_key, identity_public(identity)->transport, 32);
	return link;
}

/* ---- What replicas say ---- */

void say(const struct link_peer *link, const struct message *message)
{
	struct buf bytes = {0};
	message_encode(&bytes, message);
	publisher_message(publisher, link, bytes.data, bytes.length);
	buf_free(&bytes);
}

void hello(const struct link_peer *link)
{
	say(link, &(struct message){.type = MESSAGE_HELLO, .version_min = 1, .version_max = 3, .software = "test 1"});
}

void refresh(const struct link_peer *link, const struct soa *shown)
{
	struct message message = {.type = MESSAGE_REFRESH, .zone = "example", .present = shown != NULL};
	if (shown)
		message.soa = *shown;
	say(link, &message);
}

void ixfr(const struct link_peer *link, uint64_t from)
{
	struct message message = {.type = MESSAGE_IXFR, .zone = "example", .serial = from};
	memcpy(message.epoch_id, zone.history.soa.epoch.id, 16);
	say(link, &message);
}

void ack(const struct link_peer *link, uint64_t serial, uint64_t served)
{
	struct message message = {.type = MESSAGE_ACK, .zone = "example", .serial = serial, .served = served};
	memcpy(message.epoch_id, zone.history.soa.epoch.id, 16);
	say(link, &message);
}

void change(void)
{
	history_change(&zone.history);
	publisher_changeset(publisher, &zone, &zone.history.soa, zone.history.encoded.data, zone.history.encoded.length);
}

struct message got(const struct link_peer *link, enum message_type type)
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

void got_error(const struct link_peer *link, enum message_error error)
{
	struct message message = got(link, MESSAGE_ERROR);
	if (message.error != error)
		fail_msg("%s (%s), not %s", message_error_name(message.error), message.reason, message_error_name(error));
	assert_true(message.reason[0] != '\0');
}

void got_soa(const struct link_peer *link)
{
	struct message message = got(link, MESSAGE_SOA);
	assert_int_equal(message.soa.serial, zone.history.soa.serial);
	assert_int_equal(message.soa.kind, SOA_PLAIN);
	assert_true(soa_verify(&message.soa, identity_public(master)));
}

struct link_peer current(const struct identity *identity)
{
	struct link_peer link = link_of(identity, 1);
	hello(&link);
	(void)got(&link, MESSAGE_WELCOME);
	refresh(&link, &zone.history.soa);
	got_soa(&link);
	return link;
}

int stage_main(const struct CMUnitTest *tests, size_t count)
{
	identity_init();
	master = fixture_identity(1);
	mx2 = fixture_identity(2);
	mx3 = fixture_identity(4);
	stranger = fixture_identity(6);
	int failed = _cmocka_run_group_tests("publisher", tests, count, NULL, NULL);
	identity_free(&master);
	identity_free(&mx2);
	identity_free(&mx3);
	identity_free(&stranger);
	return failed;
}
