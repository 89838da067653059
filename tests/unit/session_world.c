/* session_world.c: what surrounds a session in its tests: a scripted master in the link's place, which can sign, and
 * can lie in every other way; a real zonedb; tables that say what the test wants; and a clock that the test sets. */
#include "tests/unit/session_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW 1700000000000

/* ---- the world ---- */

struct world world;

static struct mono fake_mono(void *context)
{
	(void)context;
	return (struct mono){world.clock_ms};
}

static struct wall fake_wall(void *context)
{
	(void)context;
	return (struct wall){NOW + world.clock_ms - world.wall_behind_ms};
}

static const struct clock_source fake_clock = {.mono = fake_mono, .wall = fake_wall};

static enum rc on_send(void *context, struct session *from, const void *data, size_t length)
{
	(void)context;
	(void)from;
	if (world.link_full)
		return RC_AGAIN;
	assert_true(world.sent_count < WORLD_SENT_MAX);
	struct why why;
	if (message_decode(data, length, &world.sent[world.sent_count], &why) != RC_OK)
		fail_msg("what was sent can't be decoded: %s", why.text);
	world.sent_count++;
	return RC_OK;
}

static void on_changed(void *context, struct session *from, bool recipients, bool domains)
{
	(void)context;
	(void)from;
	(void)domains;
	world.recipients_changed += recipients;
}

static void on_tables(void *context, const struct session *from, struct session_tables *out)
{
	(void)context;
	(void)from;
	*out = world.tables;
}

static void on_refused(void *context, const struct session *from, const char *sentence)
{
	(void)context;
	(void)from;
	(void)sentence;
	world.refused++;
}

static void on_fatal(void *context, const char *sentence)
{
	(void)context;
	(void)sentence;
	world.fatal++;
}

void world_turn(void)
{
	assert_int_equal(loop_turn(world.loop, 0, NULL), RC_OK);
}

void world_turns(int count)
{
	for (int i = 0; i < count; i++)
		world_turn();
}

void world_pass(int64_t ms)
{
	world.clock_ms += ms;
	world_turn();
	world_turn();
}

void world_open_session(void)
{
	static const struct session_events events = {.send = on_send, .changed = on_changed, .tables = on_tables,
	                                             .refused = on_refused, .fatal = on_fatal};
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/zone", world.folder);
	struct why why;
	if (session_new(world.loop, &world.spec, path, &events, &world.session, &why) != RC_OK)
		fail_msg("%s", why.text);
}

static struct identity *make_identity(const char *name)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/%s", world.folder, name);
	struct identity *made = NULL;
	assert_int_equal(identity_generate(path, NULL), RC_OK);
	assert_int_equal(identity_load(path, &made, NULL), RC_OK);
	return made;
}

int world_setup(void **state)
{
	(void)state;
	static const char *const domains[] = {"example.com"};
	identity_init();
	world.clock_ms = 1000;
	world.wall_behind_ms = 0;
	clock_use(&fake_clock);
	const char *tmp = getenv("TMPDIR");
	(void)snprintf(world.folder, sizeof(world.folder), "%s/rxfer-session-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(world.folder));
	world.identity = make_identity("master");
	world.stranger = make_identity("stranger");
	world.keys[0] = *identity_public(world.identity);
	world.spec = (struct session_spec){.name = "example", .keys = world.keys, .key_count = 1, .domains = domains,
	                                   .domain_count = 1};
	world.tables = (struct session_tables){.any = false};
	world.sent_count = 0;
	world.refused = world.recipients_changed = world.fatal = 0;
	world.link_full = false;
	world.loop = loop_new();
	world_open_session();
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

int world_teardown(void **state)
{
	(void)state;
	session_free(&world.session);
	loop_free(world.loop);
	identity_free(&world.identity);
	identity_free(&world.stranger);
	clock_use(NULL);
	return nftw(world.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- the master ---- */

const struct world_history world_first = {.epoch = {.id = {1}, .began = {NOW - 100000}}, .domain = "example.com"};
const struct world_history world_second = {.epoch = {.id = {2}, .began = {NOW - 50000}}, .domain = "example.com"};

static struct record world_nth(const struct world_history *history, uint64_t n, char key[64])
{
	int length = snprintf(key, 64, "k%06llu@%s", (unsigned long long)n, history->domain);
	return record_make(RECORD_RCPT, key, (size_t)length);
}

struct soa world_soa_at(const struct world_history *history, enum soa_kind kind, uint64_t from, uint64_t serial)
{
	struct soa soa = {.kind = kind, .zone = "example", .epoch = history->epoch, .serial = serial, .from = from,
	                  .count = serial + history->bulk, .time = clock_wall(), .refresh_s = 60, .retry_s = 10,
	                  .expire_s = 600};
	for (uint64_t n = 1; n <= soa.count; n++) {
		char key[64];
		struct record record = world_nth(history, n, key);
		struct fingerprint print = record_fingerprint(history->epoch.id, &record);
		digest_add(&soa.digest, &print);
	}
	return soa;
}

void world_say(const struct message *message)
{
	struct buf bytes = {.data = NULL};
	struct message heard;
	struct why why;
	message_encode(&bytes, message);
	if (message_decode(bytes.data, bytes.length, &heard, &why) != RC_OK)
		fail_msg("the test says something that can't be decoded: %s", why.text);
	session_message(world.session, &heard);
	buf_free(&bytes);
	world_turn();
}

void world_say_soa_of(struct soa soa, const struct identity *signer)
{
	struct message message = {.type = MESSAGE_SOA};
	soa_sign(&soa, signer);
	message.soa = soa;
	memcpy(message.zone, soa.zone, sizeof(soa.zone));
	world_say(&message);
}

void world_say_soa(const struct world_history *history, uint64_t serial)
{
	world_say_soa_of(world_soa_at(history, SOA_PLAIN, serial, serial), world.identity);
}

void world_say_changes_by(const struct world_history *history, uint64_t from, uint64_t to, bool more,
                           const struct identity *signer)
{
	struct changeset_draft draft = {.count = 0};
	struct soa soa = world_soa_at(history, SOA_CHANGESET, from, to);
	struct buf bytes = {.data = NULL};
	for (uint64_t n = from + 1; n <= to; n++) {
		char key[64];
		struct record record = world_nth(history, n + history->bulk, key);
		assert_true(changeset_draft_put(&draft, CHANGE_ADD, &record));
	}
	changeset_draft_finish(&draft, &soa, signer, &bytes);
	struct message message = {.type = MESSAGE_CHANGES, .more = more, .data = bytes.data, .data_length = bytes.length,
	                          .zone = "example"};
	world_say(&message);
	buf_free(&bytes);
	changeset_draft_free(&draft);
}

void world_say_changes(const struct world_history *history, uint64_t from, uint64_t to, bool more)
{
	world_say_changes_by(history, from, to, more, world.identity);
}

void world_say_error(enum message_error error)
{
	struct message message = {.type = MESSAGE_ERROR, .zone = "example", .error = error, .reason = "because"};
	world_say(&message);
}

void world_stream_of(const struct world_history *history, uint64_t serial, struct buf *out)
{
	buf_put_u64(out, serial + history->bulk);
	for (uint64_t n = 1; n <= serial + history->bulk; n++) {
		char key[64];
		struct record record = world_nth(history, n, key);
		record_encode(out, &record);
	}
}

void world_say_snapshot(const struct world_history *history, uint64_t serial, const struct buf *stream)
{
	struct message message = {.type = MESSAGE_SNAPSHOT, .zone = "example", .stream_bytes = stream->length};
	message.soa = world_soa_at(history, SOA_SNAPSHOT, serial, serial);
	identity_hash(stream->data, stream->length, message.soa.content_hash);
	soa_sign(&message.soa, world.identity);
	world_say(&message);
}

void world_say_chunk(const struct message *fetch, const struct buf *stream)
{
	assert_true(fetch->offset + fetch->length <= stream->length);
	struct message message = {.type = MESSAGE_CHUNK, .zone = "example", .serial = fetch->serial,
	                          .offset = fetch->offset,
	                          .data = stream->data + fetch->offset, .data_length = fetch->length};
	memcpy(message.epoch_id, fetch->epoch_id, sizeof(message.epoch_id));
	world_say(&message);
}

/* ---- what the session did ---- */

struct session_status world_status(void)
{
	struct session_status out;
	session_status(world.session, &out);
	return out;
}

/* The last message of that type, and forgets all that was sent. */
struct message world_expect_sent(enum message_type type)
{
	for (size_t i = world.sent_count; i-- > 0;) {
		if (world.sent[i].type != type)
			continue;
		world.sent_count = 0;
		return world.sent[i];
	}
	fail_msg("%s wasn't sent", message_type_name(type));
	abort();
}

size_t world_count_sent(enum message_type type)
{
	size_t count = 0;
	for (size_t i = 0; i < world.sent_count; i++)
		count += world.sent[i].type == type;
	return count;
}

void world_expect_state(enum refresh_state state)
{
	if (world_status().state != state)
		fail_msg("state %s, expected %s", refresh_state_name(world_status().state), refresh_state_name(state));
}

void world_answer_fetches(const struct buf *stream)
{
	for (size_t i = 0; i < world.sent_count; i++) {
		if (world.sent[i].type != MESSAGE_FETCH)
			continue;
		struct message fetch = world.sent[i];
		world.sent[i].type = MESSAGE_ACK;
		world_say_chunk(&fetch, stream);
	}
	world.sent_count = 0;
}

void world_connect(void)
{
	session_link(world.session, true);
	session_welcome(world.session);
	world_turn();
}

/* Connected, empty, asked for everything: gives it. */
void world_give_all(const struct world_history *history, uint64_t serial)
{
	struct buf stream = {.data = NULL};
	world_stream_of(history, serial, &stream);
	(void)world_expect_sent(MESSAGE_AXFR);
	world_say_snapshot(history, serial, &stream);
	world_answer_fetches(&stream);
	world_turns(10);
	buf_free(&stream);
}

void world_begin_at(const struct world_history *history, uint64_t serial)
{
	world_connect();
	world_say_soa(history, serial);
	world_give_all(history, serial);
	world_say_soa(history, serial);
	world_expect_state(REFRESH_CURRENT);
	assert_int_equal(world_status().serial, serial);
	world.sent_count = 0;
}
