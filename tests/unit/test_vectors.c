/* test_vectors.c: protocol/vectors.txt is what this code makes, and this code reads it.
 *
 * A second implementation is checked against that file, so it must never change by accident. "test_vectors --write"
 * prints what it should be. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/file.h"
#include "tests/unit/protocol_fixture.h"

#define VECTORS_MAX 50
#define FILE_MAX 65536

struct vector {
	char name[40];
	struct buf bytes;
};

struct vectors {
	struct vector at[VECTORS_MAX];
	size_t count;
};

static struct identity *signer;
static struct vectors made, given;

static struct buf *add(struct vectors *vectors, const char *name)
{
	assert_true(vectors->count < VECTORS_MAX && strlen(name) < sizeof(vectors->at[0].name));
	struct vector *vector = &vectors->at[vectors->count++];
	memcpy(vector->name, name, strlen(name) + 1);
	return &vector->bytes;
}

static void free_all(struct vectors *vectors)
{
	for (size_t i = 0; i < vectors->count; i++)
		buf_free(&vectors->at[i].bytes);
	vectors->count = 0;
}

static const struct buf *find(const struct vectors *vectors, const char *name)
{
	for (size_t i = 0; i < vectors->count; i++)
		if (strcmp(vectors->at[i].name, name) == 0)
			return &vectors->at[i].bytes;
	fail_msg("no vector %s", name);
	return NULL;
}

/* ---- Making ---- */

static void make_keys(void)
{
	const struct pubkey *key = identity_public(signer);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t secret[32];
		memset(secret, (int)i + 1, sizeof(secret));
		buf_put(add(&made, i ? "key.transport.secret" : "key.sign.seed"), secret, sizeof(secret));
		buf_put(add(&made, i ? "key.transport.public" : "key.sign.public"), i ? key->transport : key->sign, 32);
	}
	char text[PUBKEY_TEXT_MAX];
	pubkey_format(key, text);
	buf_put(add(&made, "key.line"), text, strlen(text));
}

static void make_records(void)
{
	static const char *const names[FIXTURE_RECORDS][2] = {
		{"record.rcpt", "fingerprint.rcpt"}, {"record.domain", "fingerprint.domain"},
		{"record.param", "fingerprint.param"},
	};
	const struct soa soa = fixture_soa(SOA_PLAIN);
	buf_put(add(&made, "epoch.id"), soa.epoch.id, sizeof(soa.epoch.id));
	for (unsigned i = 0; i < FIXTURE_RECORDS; i++) {
		struct record record = fixture_record(i);
		struct fingerprint print = record_fingerprint(soa.epoch.id, &record);
		record_encode(add(&made, names[i][0]), &record);
		struct buf *bytes = add(&made, names[i][1]);
		buf_put_u64(bytes, print.high);
		buf_put_u64(bytes, print.low);
	}
	struct buf *digest = add(&made, "digest");
	buf_put_u64(digest, soa.digest.high);
	buf_put_u64(digest, soa.digest.low);
}

static void make_signed(void)
{
	const struct soa plain = fixture_signed(SOA_PLAIN, signer), snapshot = fixture_signed(SOA_SNAPSHOT, signer);
	struct buf *bytes = add(&made, "soa.plain");
	soa_encode(bytes, &plain);
	/* What Ed25519 sees: u8 length of the context, the context, the announcement up to its signature. */
	struct buf *covered = add(&made, "soa.plain.signed");
	buf_put_u8(covered, 11);
	buf_put(covered, "rxfer soa 1", 11);
	buf_put(covered, bytes->data, bytes->length - IDENTITY_SIGNATURE_BYTES);

	struct buf *stream = add(&made, "stream");
	fixture_stream(stream);
	buf_put(add(&made, "stream.hash"), snapshot.content_hash, sizeof(snapshot.content_hash));
	soa_encode(add(&made, "soa.snapshot"), &snapshot);

	struct buf *whole = add(&made, "changeset");
	fixture_changeset(signer, whole);
	struct changeset changeset;
	assert_int_equal(changeset_decode(whole->data, whole->length, &changeset, NULL), RC_OK);
	buf_put(add(&made, "changeset.contents.hash"), changeset.soa.content_hash, sizeof(changeset.soa.content_hash));
	covered = add(&made, "changeset.signed");
	struct buf announcement = {0};
	soa_encode(&announcement, &changeset.soa);
	buf_put_u8(covered, 11);
	buf_put(covered, "rxfer soa 1", 11);
	buf_put(covered, announcement.data, announcement.length - IDENTITY_SIGNATURE_BYTES);
	buf_put(covered, changeset.soa.content_hash, sizeof(changeset.soa.content_hash));
	buf_free(&announcement);
	changeset_free(&changeset);

	const struct handover handover = fixture_handover(signer);
	bytes = add(&made, "keys");
	handover_encode(bytes, &handover);
	covered = add(&made, "keys.signed");
	buf_put_u8(covered, 12);
	buf_put(covered, "rxfer keys 1", 12);
	buf_put(covered, bytes->data, bytes->length - IDENTITY_SIGNATURE_BYTES);
}

static void put(const char *name, struct message message)
{
	const struct soa soa = fixture_soa(SOA_PLAIN);
	memcpy(message.epoch_id, soa.epoch.id, sizeof(message.epoch_id));
	if (message.serial == 0)
		message.serial = 7;
	if (message.zone[0] == '\0' && message.error != ERROR_VERSION)
		memcpy(message.zone, soa.zone, sizeof(message.zone));
	message_encode(add(&made, name), &message);
}

static void make_messages(void)
{
	const struct buf *stream = find(&made, "stream"), *changeset = find(&made, "changeset");
	const struct soa plain = fixture_signed(SOA_PLAIN, signer), snapshot = fixture_signed(SOA_SNAPSHOT, signer);
	struct changeset decoded;
	assert_int_equal(changeset_decode(changeset->data, changeset->length, &decoded, NULL), RC_OK);
	const struct soa brought = decoded.soa;
	changeset_free(&decoded);
	put("message.hello", (struct message){.type = MESSAGE_HELLO, .version_min = 1, .version_max = 1,
	    .software = "rxfer-replica 0.1"});
	put("message.refresh.nothing", (struct message){.type = MESSAGE_REFRESH});
	put("message.refresh.plain", (struct message){.type = MESSAGE_REFRESH, .present = true, .soa = plain});
	put("message.refresh.changeset", (struct message){.type = MESSAGE_REFRESH, .present = true, .soa = brought});
	put("message.ixfr", (struct message){.type = MESSAGE_IXFR, .serial = 6});
	put("message.axfr", (struct message){.type = MESSAGE_AXFR});
	put("message.fetch", (struct message){.type = MESSAGE_FETCH, .offset = 20, .length = 262144});
	put("message.ack", (struct message){.type = MESSAGE_ACK, .served = 6, .health = HEALTH_WARNING,
	    .reason = "table \"relay\": disk full"});
	put("message.welcome", (struct message){.type = MESSAGE_WELCOME, .version_min = 1, .version_max = 1,
	    .software = "rxfer-master 0.1"});
	put("message.soa", (struct message){.type = MESSAGE_SOA, .soa = plain});
	put("message.changes", (struct message){.type = MESSAGE_CHANGES, .more = true, .data = changeset->data,
	    .data_length = changeset->length});
	put("message.snapshot", (struct message){.type = MESSAGE_SNAPSHOT, .stream_bytes = stream->length,
	    .soa = snapshot});
	put("message.chunk", (struct message){.type = MESSAGE_CHUNK, .offset = 20, .data = stream->data + 20,
	    .data_length = stream->length - 20});
	put("message.error", (struct message){.type = MESSAGE_ERROR, .error = ERROR_NO_HISTORY,
	    .reason = "it's of another epoch"});
	put("message.error.version", (struct message){.type = MESSAGE_ERROR, .error = ERROR_VERSION, .reason = "update"});
	put("message.keys", (struct message){.type = MESSAGE_KEYS, .handover = fixture_handover(signer)});
	put("message.keys.none", (struct message){.type = MESSAGE_KEYS,
	    .handover = handover_make(signer, NULL, (struct wall){1700000123457})});
	put("message.kept", (struct message){.type = MESSAGE_KEPT, .handover = fixture_handover(signer)});
}

static void make(void)
{
	make_keys();
	make_records();
	make_signed();
	make_messages();
}

static void write_file(FILE *out)
{
	fprintf(out, "# Test vectors for PROTOCOL: NAME HEX. Made by: tests/unit/test_vectors --write\n"
	        "# The zone \"example\" at serial 7 holds the three records; the changeset leads there from 6.\n");
	for (size_t i = 0; i < made.count; i++) {
		fprintf(out, "%s ", made.at[i].name);
		for (size_t j = 0; j < made.at[i].bytes.length; j++)
			fprintf(out, "%02x", made.at[i].bytes.data[j]);
		fprintf(out, "\n");
	}
}

/* ---- Reading ---- */

static void parse(char *text)
{
	for (char *line; (line = strsep(&text, "\n"));) {
		if (*line == '\0' || *line == '#')
			continue;
		char *hex = strchr(line, ' ');
		assert_non_null(hex);
		*hex++ = '\0';
		struct buf *bytes = add(&given, line);
		buf_reserve(bytes, strlen(hex) / 2);
		size_t length;
		assert_int_equal(sodium_hex2bin(bytes->data, bytes->capacity, hex, strlen(hex), NULL, &length, NULL), 0);
		bytes->length = length;
	}
}

static int set_up(void **state)
{
	(void)state;
	const char *srcdir = getenv("srcdir");
	char *path = mem_sprintf("%s/protocol/vectors.txt", srcdir && *srcdir ? srcdir : ".");
	struct buf file = {0};
	struct why why;
	if (file_read(path, FILE_MAX, &file, &why) != RC_OK)
		fail_msg("%s", why.text);
	(void)buf_text(&file);
	parse((char *)file.data);
	buf_free(&file);
	free(path);
	make();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free_all(&made);
	free_all(&given);
	return 0;
}

static void the_file_is_what_this_code_makes(void **state)
{
	(void)state;
	assert_int_equal(given.count, made.count);
	for (size_t i = 0; i < made.count; i++) {
		assert_string_equal(given.at[i].name, made.at[i].name);
		if (given.at[i].bytes.length != made.at[i].bytes.length ||
		    memcmp(given.at[i].bytes.data, made.at[i].bytes.data, made.at[i].bytes.length) != 0)
			fail_msg("%s differs", made.at[i].name);
	}
}

static struct pubkey key_in_file(void)
{
	struct buf *line = (struct buf *)(uintptr_t)find(&given, "key.line");
	struct pubkey key;
	assert_int_equal(pubkey_parse(buf_text(line), &key, NULL), RC_OK);
	assert_memory_equal(key.sign, find(&given, "key.sign.public")->data, 32);
	assert_memory_equal(key.transport, find(&given, "key.transport.public")->data, 32);
	return key;
}

static void messages_decode_and_encode(void **state)
{
	(void)state;
	const struct pubkey key = key_in_file();
	unsigned seen = 0, verified = 0;
	for (size_t i = 0; i < given.count; i++) {
		const struct buf *bytes = &given.at[i].bytes;
		if (strncmp(given.at[i].name, "message.", 8) != 0)
			continue;
		struct message message;
		struct why why;
		if (message_decode(bytes->data, bytes->length, &message, &why) != RC_OK)
			fail_msg("%s: %s", given.at[i].name, why.text);
		struct buf again = {0};
		message_encode(&again, &message);
		assert_int_equal(again.length, bytes->length);
		assert_memory_equal(again.data, bytes->data, bytes->length);
		buf_free(&again);
		seen |= 1u << message.type;
		if (message.type == MESSAGE_SOA || message.type == MESSAGE_SNAPSHOT ||
		    (message.type == MESSAGE_REFRESH && message.present)) {
			if (!soa_verify(&message.soa, &key))
				fail_msg("%s doesn't verify", given.at[i].name);
			verified++;
		}
		if (message.type == MESSAGE_KEYS || message.type == MESSAGE_KEPT) {
			assert_true(pubkey_equal(&message.handover.present, &key));
			if (!handover_verify(&message.handover))
				fail_msg("%s doesn't verify", given.at[i].name);
			verified++;
		}
	}
	assert_int_equal(seen, 0xfeu | 0xfe0000u);      /* all types */
	assert_int_equal(verified, 7);
}

static void changeset_and_stream_are_signed(void **state)
{
	(void)state;
	const struct pubkey key = key_in_file();
	const struct buf *bytes = find(&given, "changeset");
	struct changeset changeset;
	struct why why;
	if (changeset_decode(bytes->data, bytes->length, &changeset, &why) != RC_OK)
		fail_msg("%s", why.text);
	assert_memory_equal(changeset.soa.content_hash, find(&given, "changeset.contents.hash")->data, 32);
	assert_true(soa_verify(&changeset.soa, &key));
	assert_int_equal(changeset.count, 2);
	changeset_free(&changeset);

	bytes = find(&given, "message.snapshot");
	struct message message;
	assert_int_equal(message_decode(bytes->data, bytes->length, &message, NULL), RC_OK);
	const struct buf *stream = find(&given, "stream");
	uint8_t hash[IDENTITY_HASH_BYTES];
	identity_hash(stream->data, stream->length, hash);
	assert_memory_equal(hash, message.soa.content_hash, sizeof(hash));
	assert_int_equal(message.stream_bytes, stream->length);

	struct cursor in = cursor_over(stream->data, stream->length);
	uint64_t count = cursor_u64(&in);
	struct digest digest = {0};
	for (uint64_t i = 0; i < count; i++) {
		struct record record;
		assert_int_equal(record_decode(&in, &record, NULL), RC_OK);
		struct fingerprint print = record_fingerprint(message.soa.epoch.id, &record);
		digest_add(&digest, &print);
	}
	assert_true(cursor_done(&in));
	assert_true(digest_equal(&digest, &message.soa.digest));
	assert_int_equal(count, message.soa.count);
}

int main(int argc, char **argv)
{
	identity_init();
	signer = fixture_identity(1);
	int failed = 0;
	if (argc > 1 && strcmp(argv[1], "--write") == 0) {
		make();
		write_file(stdout);
		free_all(&made);
	} else {
		const struct CMUnitTest tests[] = {
			cmocka_unit_test(the_file_is_what_this_code_makes),
			cmocka_unit_test(messages_decode_and_encode),
			cmocka_unit_test(changeset_and_stream_are_signed),
		};
		failed = cmocka_run_group_tests(tests, set_up, tear_down);
	}
	identity_free(&signer);
	return failed;
}
