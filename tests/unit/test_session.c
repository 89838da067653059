/* test_session.c: a zone's session with a scripted master in the link's place, a real zonedb, and a clock that the test
 * sets. The master here can sign, and can lie in every other way. */
#include "replica/session.h"

#include "common/mem.h"

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
#define SENT_MAX 64

/* ---- the world ---- */

static char folder[64];
static struct loop *loop;
static struct session *session;
static struct identity *identity, *stranger;
static struct pubkey keys[1];
static struct session_spec spec;
static struct session_tables tables;
static struct message sent[SENT_MAX];
static size_t sent_count;
static int refused, recipients_changed, fatal;
static bool link_full;
static int64_t clock_ms;

static struct mono fake_mono(void *context)
{
	(void)context;
	return (struct mono){clock_ms};
}

static struct wall fake_wall(void *context)
{
	(void)context;
	return (struct wall){NOW + clock_ms};
}

static const struct clock_source fake_clock = {.mono = fake_mono, .wall = fake_wall};

static enum rc on_send(void *context, struct session *from, const void *data, size_t length)
{
	(void)context;
	(void)from;
	if (link_full)
		return RC_AGAIN;
	assert_true(sent_count < SENT_MAX);
	struct why why;
	if (message_decode(data, length, &sent[sent_count], &why) != RC_OK)
		fail_msg("what was sent can't be decoded: %s", why.text);
	sent_count++;
	return RC_OK;
}

static void on_changed(void *context, struct session *from, bool recipients, bool domains)
{
	(void)context;
	(void)from;
	(void)domains;
	recipients_changed += recipients;
}

static void on_tables(void *context, const struct session *from, struct session_tables *out)
{
	(void)context;
	(void)from;
	*out = tables;
}

static void on_refused(void *context, const struct session *from, const char *sentence)
{
	(void)context;
	(void)from;
	(void)sentence;
	refused++;
}

static void on_fatal(void *context, const char *sentence)
{
	(void)context;
	(void)sentence;
	fatal++;
}

static void turn(void)
{
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
}

static void turns(int count)
{
	for (int i = 0; i < count; i++)
		turn();
}

static void pass(int64_t ms)
{
	clock_ms += ms;
	turn();
	turn();
}

static void open_session(void)
{
	static const struct session_events events = {.send = on_send, .changed = on_changed, .tables = on_tables,
	                                             .refused = on_refused, .fatal = on_fatal};
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/zone", folder);
	struct why why;
	if (session_new(loop, &spec, path, &events, &session, &why) != RC_OK)
		fail_msg("%s", why.text);
}

static struct identity *make_identity(const char *name)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	struct identity *made = NULL;
	assert_int_equal(identity_generate(path, NULL), RC_OK);
	assert_int_equal(identity_load(path, &made, NULL), RC_OK);
	return made;
}

static int setup(void **state)
{
	(void)state;
	static const char *const domains[] = {"example.com"};
	identity_init();
	clock_ms = 1000;
	clock_use(&fake_clock);
	const char *tmp = getenv("TMPDIR");
	(void)snprintf(folder, sizeof(folder), "%s/rxfer-session-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(folder));
	identity = make_identity("master");
	stranger = make_identity("stranger");
	keys[0] = *identity_public(identity);
	spec = (struct session_spec){.name = "example", .keys = keys, .key_count = 1, .domains = domains, .domain_count = 1};
	tables = (struct session_tables){.any = false};
	sent_count = 0;
	refused = recipients_changed = fatal = 0;
	link_full = false;
	loop = loop_new();
	open_session();
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	session_free(&session);
	loop_free(loop);
	identity_free(&identity);
	identity_free(&stranger);
	clock_use(NULL);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- the master ---- */

/* Its zone at serial n: the keys "k1@example.com" to "kn@example.com" (and `bulk` more), in one of two epochs. */
struct history {
	struct epoch epoch;
	uint64_t bulk;
	const char *domain;
};
static const struct history first = {.epoch = {.id = {1}, .began = {NOW - 100000}}, .domain = "example.com"};
static const struct history second = {.epoch = {.id = {2}, .began = {NOW - 50000}}, .domain = "example.com"};

static struct record nth(const struct history *history, uint64_t n, char key[64])
{
	int length = snprintf(key, 64, "k%06llu@%s", (unsigned long long)n, history->domain);
	return record_make(RECORD_RCPT, key, (size_t)length);
}

static struct soa soa_at(const struct history *history, enum soa_kind kind, uint64_t from, uint64_t serial)
{
	struct soa soa = {.kind = kind, .zone = "example", .epoch = history->epoch, .serial = serial, .from = from,
	                  .count = serial + history->bulk, .time = clock_wall(), .refresh_s = 60, .retry_s = 10,
	                  .expire_s = 600};
	for (uint64_t n = 1; n <= soa.count; n++) {
		char key[64];
		struct record record = nth(history, n, key);
		struct fingerprint print = record_fingerprint(history->epoch.id, &record);
		digest_add(&soa.digest, &print);
	}
	return soa;
}

static void say(const struct message *message)
{
	struct buf bytes = {.data = NULL};
	struct message heard;
	struct why why;
	message_encode(&bytes, message);
	if (message_decode(bytes.data, bytes.length, &heard, &why) != RC_OK)
		fail_msg("the test says something that can't be decoded: %s", why.text);
	session_message(session, &heard);
	buf_free(&bytes);
	turn();
}

static void say_soa_of(struct soa soa, const struct identity *signer)
{
	struct message message = {.type = MESSAGE_SOA};
	soa_sign(&soa, signer);
	message.soa = soa;
	memcpy(message.zone, soa.zone, sizeof(soa.zone));
	say(&message);
}

static void say_soa(const struct history *history, uint64_t serial)
{
	say_soa_of(soa_at(history, SOA_PLAIN, serial, serial), identity);
}

static void say_changes_by(const struct history *history, uint64_t from, uint64_t to, bool more,
                           const struct identity *signer)
{
	struct changeset_draft draft = {.count = 0};
	struct soa soa = soa_at(history, SOA_CHANGESET, from, to);
	struct buf bytes = {.data = NULL};
	for (uint64_t n = from + 1; n <= to; n++) {
		char key[64];
		struct record record = nth(history, n + history->bulk, key);
		assert_true(changeset_draft_put(&draft, CHANGE_ADD, &record));
	}
	changeset_draft_finish(&draft, &soa, signer, &bytes);
	struct message message = {.type = MESSAGE_CHANGES, .more = more, .data = bytes.data, .data_length = bytes.length,
	                          .zone = "example"};
	say(&message);
	buf_free(&bytes);
	changeset_draft_free(&draft);
}

static void say_changes(const struct history *history, uint64_t from, uint64_t to, bool more)
{
	say_changes_by(history, from, to, more, identity);
}

static void say_error(enum message_error error)
{
	struct message message = {.type = MESSAGE_ERROR, .zone = "example", .error = error, .reason = "because"};
	say(&message);
}

static void stream_of(const struct history *history, uint64_t serial, struct buf *out)
{
	buf_put_u64(out, serial + history->bulk);
	for (uint64_t n = 1; n <= serial + history->bulk; n++) {
		char key[64];
		struct record record = nth(history, n, key);
		record_encode(out, &record);
	}
}

static void say_snapshot(const struct history *history, uint64_t serial, const struct buf *stream)
{
	struct message message = {.type = MESSAGE_SNAPSHOT, .zone = "example", .stream_bytes = stream->length};
	message.soa = soa_at(history, SOA_SNAPSHOT, serial, serial);
	identity_hash(stream->data, stream->length, message.soa.content_hash);
	soa_sign(&message.soa, identity);
	say(&message);
}

static void say_chunk(const struct message *fetch, const struct buf *stream)
{
	assert_true(fetch->offset + fetch->length <= stream->length);
	struct message message = {.type = MESSAGE_CHUNK, .zone = "example", .serial = fetch->serial, .offset = fetch->offset,
	                          .data = stream->data + fetch->offset, .data_length = fetch->length};
	memcpy(message.epoch_id, fetch->epoch_id, sizeof(message.epoch_id));
	say(&message);
}

/* ---- what the session did ---- */

static struct session_status status(void)
{
	struct session_status out;
	session_status(session, &out);
	return out;
}

/* The last message of that type, and forgets all that was sent. */
static struct message expect_sent(enum message_type type)
{
	for (size_t i = sent_count; i-- > 0;) {
		if (sent[i].type != type)
			continue;
		sent_count = 0;
		return sent[i];
	}
	fail_msg("%s wasn't sent", message_type_name(type));
	abort();
}

static size_t count_sent(enum message_type type)
{
	size_t count = 0;
	for (size_t i = 0; i < sent_count; i++)
		count += sent[i].type == type;
	return count;
}

static void expect_state(enum refresh_state state)
{
	if (status().state != state)
		fail_msg("state %s, expected %s", refresh_state_name(status().state), refresh_state_name(state));
}

static void answer_fetches(const struct buf *stream)
{
	for (size_t i = 0; i < sent_count; i++) {
		if (sent[i].type != MESSAGE_FETCH)
			continue;
		struct message fetch = sent[i];
		sent[i].type = MESSAGE_ACK;
		say_chunk(&fetch, stream);
	}
	sent_count = 0;
}

static void connect(void)
{
	session_link(session, true);
	session_welcome(session);
	turn();
}

/* Connected, empty, asked for everything: gives it. */
static void give_all(const struct history *history, uint64_t serial)
{
	struct buf stream = {.data = NULL};
	stream_of(history, serial, &stream);
	(void)expect_sent(MESSAGE_AXFR);
	say_snapshot(history, serial, &stream);
	answer_fetches(&stream);
	turns(10);
	buf_free(&stream);
}

static void begin_at(const struct history *history, uint64_t serial)
{
	connect();
	say_soa(history, serial);
	give_all(history, serial);
	say_soa(history, serial);
	expect_state(REFRESH_CURRENT);
	assert_int_equal(status().serial, serial);
	sent_count = 0;
}

/* ---- tests ---- */

static void the_first_transfer(void **state)
{
	(void)state;
	assert_int_equal(status().freshness, FRESHNESS_EMPTY);
	assert_int_equal(status().health, HEALTH_CRITICAL);
	connect();
	assert_false(expect_sent(MESSAGE_REFRESH).present);
	say_soa(&first, 5);
	expect_state(REFRESH_AXFR_ASKED);
	give_all(&first, 5);
	expect_state(REFRESH_ASKED);
	assert_true(recipients_changed > 0);
	say_soa(&first, 5);
	expect_state(REFRESH_CURRENT);
	struct session_status now = status();
	assert_int_equal(now.health, HEALTH_OK);
	assert_int_equal(now.freshness, FRESHNESS_FRESH);
	assert_int_equal(now.records, 5);
	assert_int_equal(now.tally.recipients, 5);
	assert_int_equal(refused, 0);
}

static void pushes_and_acks(void **state)
{
	(void)state;
	begin_at(&first, 5);
	tables = (struct session_tables){.any = true, .held = true, .epoch = first.epoch, .serial = 5};
	say_changes(&first, 5, 6, false);
	struct message ack = expect_sent(MESSAGE_ACK);
	assert_int_equal(ack.serial, 6);
	assert_int_equal(ack.served, 5);
	tables.serial = 6;
	session_served(session);
	session_served(session);
	turn();
	assert_int_equal(count_sent(MESSAGE_ACK), 1);
	assert_int_equal(expect_sent(MESSAGE_ACK).served, 6);
	session_served(session);      /* nothing new to tell */
	turn();
	assert_int_equal(sent_count, 0);
	tables.epoch = second.epoch;
	session_served(session);
	turn();
	assert_int_equal(expect_sent(MESSAGE_ACK).served, 0);
	assert_int_equal(status().serial, 6);
	assert_int_equal(status().tally.recipients, 6);
}

static void a_gap_asks_at_once(void **state)
{
	(void)state;
	begin_at(&first, 5);
	say_changes(&first, 7, 8, false);
	struct message ixfr = expect_sent(MESSAGE_IXFR);
	assert_int_equal(ixfr.serial, 5);
	assert_int_equal(status().serial, 5);
	say_changes(&first, 5, 6, true);
	say_changes(&first, 6, 7, true);
	expect_state(REFRESH_IXFR);
	say_changes(&first, 7, 8, false);
	expect_state(REFRESH_CURRENT);
	assert_int_equal(status().serial, 8);
	assert_int_equal(refused, 0);
}

static void an_answer_that_ends_early_is_asked_for_again(void **state)
{
	(void)state;
	begin_at(&first, 5);
	say_soa(&first, 9);
	(void)expect_sent(MESSAGE_IXFR);
	say_changes(&first, 5, 6, false);
	assert_int_equal(expect_sent(MESSAGE_IXFR).serial, 6);
	for (uint64_t n = 6; n < 6 + IXFR_BURST; n++)      /* a whole burst, with more to come */
		say_changes(&first, n, n + 1, true);
	assert_int_equal(expect_sent(MESSAGE_IXFR).serial, 6 + IXFR_BURST);
}

static void no_history_means_everything(void **state)
{
	(void)state;
	begin_at(&first, 5);
	say_soa(&first, 9);
	(void)expect_sent(MESSAGE_IXFR);
	say_error(ERROR_NO_HISTORY);
	give_all(&first, 9);
	assert_int_equal(status().serial, 9);
	expect_state(REFRESH_ASKED);
}

static void a_later_epoch_replaces_all(void **state)
{
	(void)state;
	begin_at(&first, 5);
	say_soa(&second, 2);
	give_all(&second, 2);
	assert_int_equal(status().serial, 2);
	assert_int_equal(status().records, 2);
	say_soa(&first, 9);      /* and back: never */
	assert_int_equal(refused, 1);
	assert_int_equal(status().serial, 2);
}

static void lies_change_nothing(void **state)
{
	(void)state;
	begin_at(&first, 5);
	say_changes_by(&first, 5, 6, false, stranger);
	say_soa_of(soa_at(&first, SOA_PLAIN, 9, 9), stranger);
	say_soa(&first, 4);
	say_changes(&first, 3, 4, false);
	assert_int_equal(refused, 4);
	assert_int_equal(status().serial, 5);
	expect_state(REFRESH_CURRENT);
	assert_int_equal(status().health, HEALTH_OK);
	say_changes(&first, 5, 6, false);
	assert_int_equal(status().serial, 6);
}

/* Signed, but its announcement is of another set than it leads to. */
static void a_misfit_means_everything(void **state)
{
	(void)state;
	begin_at(&first, 5);
	struct history odd = first;
	odd.domain = "example.com";
	odd.bulk = 1;      /* counts one record more than there is */
	say_changes(&odd, 5, 6, false);
	assert_int_equal(status().serial, 5);
	assert_int_equal(status().health, HEALTH_CRITICAL);
	give_all(&first, 6);
	say_soa(&first, 6);
	assert_int_equal(status().serial, 6);
	assert_int_equal(status().health, HEALTH_OK);
}

static void damage_is_shown_and_healed(void **state)
{
	(void)state;
	begin_at(&first, 5);
	struct soa soa = soa_at(&first, SOA_PLAIN, 5, 5);
	soa.digest.low++;
	say_soa_of(soa, identity);
	assert_int_equal(status().health, HEALTH_CRITICAL);
	give_all(&first, 5);
	say_soa(&first, 5);
	assert_int_equal(status().health, HEALTH_OK);
	expect_state(REFRESH_CURRENT);
}

/* Two masters with one key, each announcing its own: whole transfers don't follow one another without a pause. */
static void whole_transfers_are_bounded(void **state)
{
	(void)state;
	begin_at(&first, 5);
	size_t wholes = 0;
	for (int i = 0; i < 10; i++) {
		struct soa soa = soa_at(&first, SOA_PLAIN, 5, 5);
		soa.digest.low++;
		sent_count = 0;
		say_soa_of(soa, identity);
		if (count_sent(MESSAGE_AXFR) == 0)
			break;
		wholes++;
		give_all(&first, 5);
	}
	assert_int_equal(wholes, 3);
	expect_state(REFRESH_WAIT);
	pass(12000);
	assert_int_equal(count_sent(MESSAGE_REFRESH), 1);
}

static const struct history large = {.epoch = {.id = {3}, .began = {NOW}}, .bulk = 60000, .domain = "example.com"};

static void a_cut_transfer_goes_on_where_it_stopped(void **state)
{
	(void)state;
	struct buf stream = {.data = NULL};
	stream_of(&large, 1, &stream);
	assert_true(stream.length > 5 * CHUNK_BYTES_MAX);
	connect();
	say_soa(&large, 1);
	say_snapshot(&large, 1, &stream);
	assert_int_equal(count_sent(MESSAGE_FETCH), FETCHES_IN_FLIGHT);
	struct message fetches[2] = {{.type = MESSAGE_FETCH}};
	size_t found = 0;
	for (size_t i = 0; i < sent_count && found < 2; i++)
		if (sent[i].type == MESSAGE_FETCH)
			fetches[found++] = sent[i];
	say_chunk(&fetches[0], &stream);
	say_chunk(&fetches[1], &stream);
	session_link(session, false);
	say_chunk(&fetches[1], &stream);      /* nobody waits for it now */
	sent_count = 0;
	connect();
	say_soa(&large, 1);
	(void)expect_sent(MESSAGE_AXFR);
	say_snapshot(&large, 1, &stream);
	for (size_t i = 0; i < sent_count; i++)
		assert_true(sent[i].type != MESSAGE_FETCH || sent[i].offset >= 2 * CHUNK_BYTES_MAX);
	for (int i = 0; i < 4; i++)      /* each answer brings forth the next question */
		for (size_t j = 0; j < sent_count; j++)
			if (sent[j].type == MESSAGE_FETCH) {
				struct message fetch = sent[j];
				sent[j].type = MESSAGE_ACK;
				say_chunk(&fetch, &stream);
			}
	sent_count = 0;
	turns(60);
	expect_state(REFRESH_ASKED);
	assert_int_equal(status().records, 60001);
	buf_free(&stream);
}

static void a_falsified_snapshot_isnt_stored(void **state)
{
	(void)state;
	begin_at(&first, 5);
	session_retransfer(session);
	(void)expect_sent(MESSAGE_AXFR);
	struct buf stream = {.data = NULL};
	stream_of(&first, 6, &stream);
	say_snapshot(&first, 6, &stream);
	stream.data[stream.length - 1] ^= 1;
	answer_fetches(&stream);
	turns(5);
	expect_state(REFRESH_WAIT);
	assert_int_equal(status().serial, 5);
	assert_int_equal(status().records, 5);
	assert_int_equal(status().health, HEALTH_WARNING);
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/zone/incoming", folder);
	assert_int_not_equal(access(path, F_OK), 0);
	buf_free(&stream);
}

/* Signed as a whole, yet against the rules inside: records left over, too few, a length that can't be. */
static void a_malformed_snapshot_isnt_stored(void **state)
{
	(void)state;
	begin_at(&first, 5);
	for (int i = 0; i < 3; i++) {
		struct buf stream = {.data = NULL};
		stream_of(&first, 6, &stream);
		if (i == 0)
			buf_put_u8(&stream, 1);
		if (i == 1)
			stream.data[7]++;
		if (i == 2)
			stream.data[8] = 99;
		session_retransfer(session);
		(void)expect_sent(MESSAGE_AXFR);
		say_snapshot(&first, 6, &stream);
		answer_fetches(&stream);
		turns(5);
		expect_state(REFRESH_WAIT);
		assert_int_equal(status().records, 5);
		buf_free(&stream);
	}
	struct buf huge = {.data = NULL};
	stream_of(&first, 6, &huge);
	buf_reserve(&huge, 100000);
	memset(huge.data + huge.length, 0, 100000);
	huge.length += 100000;
	session_retransfer(session);
	say_snapshot(&first, 6, &huge);
	assert_int_equal(count_sent(MESSAGE_FETCH), 0);
	expect_state(REFRESH_WAIT);
	buf_free(&huge);
}

static void never_backwards_by_a_snapshot(void **state)
{
	(void)state;
	begin_at(&first, 5);
	struct buf stream = {.data = NULL};
	stream_of(&first, 4, &stream);
	session_retransfer(session);
	say_snapshot(&first, 4, &stream);
	assert_int_equal(refused, 1);
	assert_int_equal(count_sent(MESSAGE_FETCH), 0);
	expect_state(REFRESH_WAIT);
	buf_free(&stream);
}

static void pushes_during_a_transfer_wait(void **state)
{
	(void)state;
	begin_at(&first, 5);
	session_retransfer(session);
	(void)expect_sent(MESSAGE_AXFR);
	struct buf stream = {.data = NULL};
	stream_of(&first, 5, &stream);
	say_snapshot(&first, 5, &stream);
	say_changes(&first, 5, 6, false);
	say_soa(&first, 6);
	assert_int_equal(status().serial, 5);
	answer_fetches(&stream);
	turns(10);
	expect_state(REFRESH_ASKED);
	say_soa(&first, 6);
	(void)expect_sent(MESSAGE_IXFR);
	say_changes(&first, 5, 6, false);
	assert_int_equal(status().serial, 6);
	buf_free(&stream);
}

static void an_overdue_piece_is_asked_for_again(void **state)
{
	(void)state;
	struct buf stream = {.data = NULL};
	stream_of(&first, 5, &stream);
	connect();
	say_soa(&first, 5);
	say_snapshot(&first, 5, &stream);
	assert_int_equal(expect_sent(MESSAGE_FETCH).offset, 0);
	for (int i = 0; i < 4; i++) {
		pass(10000);
		assert_int_equal(expect_sent(MESSAGE_FETCH).offset, 0);
	}
	pass(10000);
	expect_state(REFRESH_WAIT);
	buf_free(&stream);
}

static void nothing_there_yet_and_then_at_once(void **state)
{
	(void)state;
	connect();
	say_error(ERROR_NOT_YET);
	expect_state(REFRESH_NOTHING);
	say_soa(&first, 1);
	give_all(&first, 1);
	assert_int_equal(status().serial, 1);
}

static void polls_and_backs_off(void **state)
{
	(void)state;
	begin_at(&first, 5);
	pass(59999);
	assert_int_equal(count_sent(MESSAGE_REFRESH), 0);
	pass(12001);
	struct message refresh = expect_sent(MESSAGE_REFRESH);
	assert_true(refresh.present);
	assert_int_equal(refresh.soa.serial, 5);
	static const int64_t pauses[] = {10000, 20000, 40000, 60000, 60000};      /* retry, doubled up to refresh */
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		pass(10000);      /* no answer */
		expect_state(REFRESH_WAIT);
		sent_count = 0;
		pass(pauses[i] * 9 / 10 - 1);
		assert_int_equal(count_sent(MESSAGE_REFRESH), 0);
		pass(pauses[i] / 5 + 2);
		(void)expect_sent(MESSAGE_REFRESH);
	}
	say_soa(&first, 5);
	expect_state(REFRESH_CURRENT);
	assert_string_equal(status().error, "");
}

static void stale_expired_and_back(void **state)
{
	(void)state;
	spec.on_expire = ON_EXPIRE_ACCEPT;
	begin_at(&first, 5);
	pass(90001);
	assert_int_equal(status().freshness, FRESHNESS_STALE);
	assert_int_equal(status().health, HEALTH_WARNING);
	struct soa replayed = soa_at(&first, SOA_PLAIN, 5, 5);
	replayed.time.ms -= 90001;
	say_soa_of(replayed, identity);      /* an old word doesn't make it fresh */
	assert_int_equal(status().freshness, FRESHNESS_STALE);
	int before = recipients_changed;
	for (int i = 0; i < 11; i++)
		pass(50000);
	assert_int_equal(status().freshness, FRESHNESS_EXPIRED);
	assert_int_equal(status().health, HEALTH_CRITICAL);
	assert_true(session_open(session));
	assert_int_equal(recipients_changed, before + 1);
	session_free(&session);      /* a restart doesn't make it fresh either */
	open_session();
	assert_int_equal(status().freshness, FRESHNESS_EXPIRED);
	assert_true(session_open(session));
	sent_count = 0;
	connect();
	say_soa(&first, 5);
	assert_int_equal(status().freshness, FRESHNESS_FRESH);
	assert_false(session_open(session));
	assert_int_equal(status().health, HEALTH_OK);
}

static void foreign_domains_are_counted(void **state)
{
	(void)state;
	struct history foreign = first;
	foreign.domain = "other.net";
	begin_at(&foreign, 3);
	assert_int_equal(status().records, 3);
	assert_int_equal(status().tally.refused, 3);
	assert_int_equal(status().health, HEALTH_WARNING);
	assert_non_null(strstr(status().reason, "other.net"));
	session_free(&session);
	open_session();
	assert_int_equal(status().tally.refused, 3);
	static const char *const more[] = {"example.com", "other.net"};
	spec.domains = more;
	spec.domain_count = 2;
	int before = recipients_changed;
	assert_int_equal(session_configure(session, &spec, NULL), RC_OK);
	assert_int_equal(recipients_changed, before + 1);
	assert_int_equal(status().tally.refused, 0);
	assert_int_equal(status().tally.recipients, 3);
}

static void a_restart_goes_on(void **state)
{
	(void)state;
	begin_at(&first, 5);
	say_changes(&first, 5, 6, false);
	session_free(&session);
	open_session();
	assert_int_equal(status().serial, 6);
	assert_int_equal(status().tally.recipients, 6);
	sent_count = 0;
	connect();
	struct message refresh = expect_sent(MESSAGE_REFRESH);
	assert_true(refresh.present);
	assert_int_equal(refresh.soa.serial, 6);
	assert_true(soa_verify(&refresh.soa, &keys[0]) || refresh.soa.kind != SOA_PLAIN);
	say_changes(&first, 6, 7, false);
	assert_int_equal(status().serial, 7);
}

static void a_full_link_loses_nothing(void **state)
{
	(void)state;
	begin_at(&first, 5);
	link_full = true;
	say_changes(&first, 5, 6, false);
	link_full = false;
	assert_int_equal(sent_count, 0);
	pass(73000);
	assert_int_equal(count_sent(MESSAGE_REFRESH), 1);
	assert_int_equal(expect_sent(MESSAGE_ACK).serial, 6);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_first_transfer),
		TEST(pushes_and_acks),
		TEST(a_gap_asks_at_once),
		TEST(an_answer_that_ends_early_is_asked_for_again),
		TEST(no_history_means_everything),
		TEST(a_later_epoch_replaces_all),
		TEST(lies_change_nothing),
		TEST(a_misfit_means_everything),
		TEST(damage_is_shown_and_healed),
		TEST(whole_transfers_are_bounded),
		TEST(a_cut_transfer_goes_on_where_it_stopped),
		TEST(a_falsified_snapshot_isnt_stored),
		TEST(a_malformed_snapshot_isnt_stored),
		TEST(never_backwards_by_a_snapshot),
		TEST(pushes_during_a_transfer_wait),
		TEST(an_overdue_piece_is_asked_for_again),
		TEST(nothing_there_yet_and_then_at_once),
		TEST(polls_and_backs_off),
		TEST(stale_expired_and_back),
		TEST(foreign_domains_are_counted),
		TEST(a_restart_goes_on),
		TEST(a_full_link_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
