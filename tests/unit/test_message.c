/* test_message.c: every message goes there and back; every field out of its bounds is refused, and says which. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/protocol_fixture.h"

static struct identity *signer;
static struct buf changeset;

static int set_up(void **state)
{
	(void)state;
	identity_init();
	signer = fixture_identity(1);
	fixture_changeset(signer, &changeset);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	identity_free(&signer);
	buf_free(&changeset);
	return 0;
}

/* A well-formed message of each type. */
static struct message sample(enum message_type type)
{
	struct message message = {.type = type, .zone = "example", .serial = 7};
	memset(message.epoch_id, 0xa5, sizeof(message.epoch_id));
	switch (type) {
	case MESSAGE_HELLO:
	case MESSAGE_WELCOME:
		message.zone[0] = '\0';
		message.version_min = message.version_max = 1;
		strcpy(message.software, "rxfer-replica 0.1");
		break;
	case MESSAGE_REFRESH:
		message.present = true;
		message.soa = fixture_signed(SOA_PLAIN, signer);
		break;
	case MESSAGE_SOA:
		message.soa = fixture_signed(SOA_PLAIN, signer);
		break;
	case MESSAGE_FETCH:
		message.offset = 262144;
		message.length = CHUNK_BYTES_MAX;
		break;
	case MESSAGE_ACK:
		message.served = 6;
		message.health = HEALTH_WARNING;
		strcpy(message.reason, "can't write /var/lib/rxfer/tables/relay: no space left — free some");
		break;
	case MESSAGE_CHANGES:
		message.more = true;
		message.data = changeset.data;
		message.data_length = changeset.length;
		break;
	case MESSAGE_SNAPSHOT:
		message.stream_bytes = 123456;
		message.soa = fixture_signed(SOA_SNAPSHOT, signer);
		break;
	case MESSAGE_CHUNK:
		message.offset = 4096;
		message.data = (const uint8_t *)"some bytes";
		message.data_length = 10;
		break;
	case MESSAGE_ERROR:
		message.error = ERROR_NO_HISTORY;
		strcpy(message.reason, "the oldest held is 5");
		break;
	case MESSAGE_KEYS:
	case MESSAGE_KEPT:
		message.zone[0] = '\0';
		message.handover = fixture_handover(signer);
		break;
	case MESSAGE_IXFR:
	case MESSAGE_AXFR:
		break;
	}
	return message;
}

static const enum message_type all[] = {
	MESSAGE_HELLO, MESSAGE_REFRESH, MESSAGE_IXFR, MESSAGE_AXFR, MESSAGE_FETCH, MESSAGE_ACK, MESSAGE_WELCOME,
	MESSAGE_SOA, MESSAGE_CHANGES, MESSAGE_SNAPSHOT, MESSAGE_CHUNK, MESSAGE_ERROR, MESSAGE_KEYS,
};
#define TYPES (sizeof(all) / sizeof(all[0]))

static struct buf encoded(const struct message *message)
{
	struct buf bytes = {0};
	message_encode(&bytes, message);
	return bytes;
}

static void decode_well(const struct buf *bytes, struct message *out)
{
	struct why why = {""};
	if (message_decode(bytes->data, bytes->length, out, &why) != RC_OK)
		fail_msg("%s", why.text);
}

static void there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < TYPES; i++) {
		struct message message = sample(all[i]), back;
		struct buf bytes = encoded(&message);
		decode_well(&bytes, &back);
		assert_int_equal(back.type, all[i]);
		struct buf again = encoded(&back);
		assert_int_equal(again.length, bytes.length);
		assert_memory_equal(again.data, bytes.data, bytes.length);
		buf_free(&again);
		buf_free(&bytes);
	}
}

static void fields_arrive(void **state)
{
	(void)state;
	struct message message = sample(MESSAGE_ACK), back;
	struct buf bytes = encoded(&message);
	decode_well(&bytes, &back);
	assert_string_equal(back.zone, "example");
	assert_memory_equal(back.epoch_id, message.epoch_id, 16);
	assert_int_equal(back.serial, 7);
	assert_int_equal(back.served, 6);
	assert_int_equal(back.health, HEALTH_WARNING);
	assert_string_equal(back.reason, message.reason);
	buf_free(&bytes);

	message = sample(MESSAGE_CHANGES);
	bytes = encoded(&message);
	decode_well(&bytes, &back);
	assert_true(back.more);
	assert_string_equal(back.zone, "example");
	assert_int_equal(back.soa.from, 6);
	assert_int_equal(back.data_length, changeset.length);
	assert_ptr_equal(back.data, bytes.data + 2);
	struct changeset decoded;
	assert_int_equal(changeset_decode(back.data, back.data_length, &decoded, NULL), RC_OK);
	assert_true(soa_verify(&decoded.soa, identity_public(signer)));
	changeset_free(&decoded);
	buf_free(&bytes);

	message = sample(MESSAGE_SNAPSHOT);
	bytes = encoded(&message);
	decode_well(&bytes, &back);
	assert_int_equal(back.stream_bytes, 123456);
	assert_true(soa_verify(&back.soa, identity_public(signer)));
	buf_free(&bytes);

	message = sample(MESSAGE_CHUNK);
	bytes = encoded(&message);
	decode_well(&bytes, &back);
	assert_int_equal(back.offset, 4096);
	assert_int_equal(back.length, 10);
	assert_memory_equal(back.data, "some bytes", 10);
	buf_free(&bytes);
}

/* A replica's newest announcement may have come with a changeset: the hash goes with it, or nobody could verify it. */
static void evidence_of_any_kind_verifies(void **state)
{
	(void)state;
	struct changeset decoded;
	assert_int_equal(changeset_decode(changeset.data, changeset.length, &decoded, NULL), RC_OK);
	struct message message = sample(MESSAGE_REFRESH), back;
	message.soa = decoded.soa;
	struct buf bytes = encoded(&message);
	decode_well(&bytes, &back);
	assert_int_equal(back.soa.kind, SOA_CHANGESET);
	assert_true(soa_verify(&back.soa, identity_public(signer)));
	buf_free(&bytes);
	changeset_free(&decoded);

	message = sample(MESSAGE_REFRESH);
	message.present = false;
	bytes = encoded(&message);
	assert_int_equal(bytes.length, 1 + 1 + 7 + 1);
	decode_well(&bytes, &back);
	assert_false(back.present);
	buf_free(&bytes);
}

static void every_cut_and_every_tail_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < TYPES; i++) {
		struct message message = sample(all[i]), back = {.serial = 4711};
		struct buf bytes = encoded(&message);
		/* What a CHUNK or a changeset holds may be of any length; their heads may not. */
		size_t head = all[i] == MESSAGE_CHUNK ? bytes.length - 9 :
		              all[i] == MESSAGE_CHANGES ? bytes.length - 52 : bytes.length;
		for (size_t length = 0; length < head; length++) {
			/* A copy of just that length, so that a sanitizer sees a read beyond it. */
			uint8_t *cut = mem_alloc(length + 1);
			memcpy(cut + 1, bytes.data, length);
			struct why why = {""};
			if (message_decode(cut + 1, length, &back, &why) == RC_OK)
				fail_msg("%s cut to %zu bytes was taken", message_type_name(all[i]), length);
			assert_int_equal(back.serial, 4711);
			assert_true(why.text[0] != '\0');
			free(cut);
		}
		buf_put_u8(&bytes, 0);
		enum rc rc = message_decode(bytes.data, bytes.length, &back, NULL);
		assert_true((rc == RC_OK) == (all[i] == MESSAGE_CHUNK || all[i] == MESSAGE_CHANGES));
		buf_free(&bytes);
	}
}

/* The sample with one byte changed must be refused with a sentence that has `word` in it. */
static void refused(struct message message, size_t at, uint8_t value, const char *word)
{
	struct buf bytes = encoded(&message);
	assert_true(at < bytes.length);
	bytes.data[at] = value;
	struct message back;
	struct why why = {""};
	assert_int_not_equal(message_decode(bytes.data, bytes.length, &back, &why), RC_OK);
	if (!strstr(why.text, word))
		fail_msg("\"%s\" doesn't say \"%s\"", why.text, word);
	buf_free(&bytes);
}

static void bad_fields_are_named(void **state)
{
	(void)state;
	refused(sample(MESSAGE_HELLO), 0, 0, "unknown type 0");
	refused(sample(MESSAGE_HELLO), 0, 8, "unknown type 8");
	refused(sample(MESSAGE_HELLO), 0, 16, "unknown type 16");
	refused(sample(MESSAGE_ERROR), 0, 24, "unknown type 24");
	refused(sample(MESSAGE_HELLO), 0, 255, "unknown type 255");
	refused(sample(MESSAGE_HELLO), 1, 0, "versions");
	refused(sample(MESSAGE_HELLO), 1, 2, "2 to 1");
	refused(sample(MESSAGE_HELLO), 3, 65, "software");
	refused(sample(MESSAGE_HELLO), 5, '\n', "software");
	refused(sample(MESSAGE_HELLO), 5, 0, "software");
	refused(sample(MESSAGE_HELLO), 5, 0xff, "software");
	refused(sample(MESSAGE_WELCOME), 1, 0, "version 0");
	refused(sample(MESSAGE_REFRESH), 9, 2, "present is 2");
	refused(sample(MESSAGE_REFRESH), 2, 'f', "shows");
	refused(sample(MESSAGE_REFRESH), 2, '-', "zone's name");
	refused(sample(MESSAGE_AXFR), 2, 'E', "zone's name");
	refused(sample(MESSAGE_AXFR), 1, 0, "zone's name");
	refused(sample(MESSAGE_IXFR), 1, 64, "zone");
	refused(sample(MESSAGE_SOA), 1, 2, "kind 2");
	refused(sample(MESSAGE_CHANGES), 1, 2, "more is 2");
	refused(sample(MESSAGE_SNAPSHOT), 1, 0xff, "snapshot can't have");
	refused(sample(MESSAGE_ACK), 1 + 8 + 16 + 8 + 8, 3, "health 3");
	refused(sample(MESSAGE_ERROR), 9, 0, "code 0");
	refused(sample(MESSAGE_ERROR), 9, 8, "code 8");
	/* KEYS: two keys of two halves each, then the time. */
	refused(sample(MESSAGE_KEYS), 1 + 128, 0x80, "beyond");
	struct message keys = sample(MESSAGE_KEYS);
	memset(keys.handover.next.transport, 0, 32);
	refused(keys, 0, MESSAGE_KEYS, "next key is half empty");
	keys.handover.next = keys.handover.present;
	refused(keys, 0, MESSAGE_KEPT, "has a half of it");
	keys = sample(MESSAGE_KEYS);
	memcpy(keys.handover.next.transport, keys.handover.present.transport, 32);
	refused(keys, 0, MESSAGE_KEYS, "has a half of it");
	memset(keys.handover.present.sign, 0, 32);
	refused(keys, 0, MESSAGE_KEYS, "present key is half empty");
	/* FETCH: zone 8 bytes, epoch, serial, then offset and length. */
	refused(sample(MESSAGE_FETCH), 33, 0xff, "beyond");
	refused(sample(MESSAGE_FETCH), 41, 1, "1 to 262144");
	struct message fetch = sample(MESSAGE_FETCH);
	fetch.length = 1;
	refused(fetch, 44, 0, "1 to 262144");
}

static void limits_hold(void **state)
{
	(void)state;
	struct message message = sample(MESSAGE_CHUNK), back;
	uint8_t *large = mem_zalloc(MESSAGE_BYTES_MAX + 1);
	message.data = large;
	message.data_length = CHUNK_BYTES_MAX;
	struct buf bytes = encoded(&message);
	decode_well(&bytes, &back);
	buf_put_u8(&bytes, 0);
	assert_int_equal(message_decode(bytes.data, bytes.length, &back, NULL), RC_LIMIT);
	buf_free(&bytes);
	large[0] = MESSAGE_CHANGES;
	assert_int_equal(message_decode(large, MESSAGE_BYTES_MAX + 1, &back, NULL), RC_LIMIT);
	assert_int_equal(message_decode(large, CHANGESET_BYTES_MAX + 3, &back, NULL), RC_LIMIT);
	free(large);

	message = sample(MESSAGE_SNAPSHOT);
	message.stream_bytes = SNAPSHOT_BYTES_MIN - 1;
	bytes = encoded(&message);
	assert_int_equal(message_decode(bytes.data, bytes.length, &back, NULL), RC_LIMIT);
	buf_free(&bytes);
	assert_int_equal(message_decode("", 0, &back, NULL), RC_INVALID);
}

/* What a replica says of itself may have been cut in the middle of a character; the master must still take it. */
static void texts_are_made_fit(void **state)
{
	(void)state;
	struct message message = sample(MESSAGE_ERROR), back;
	memset(message.reason, 'x', REASON_MAX);
	message.reason[REASON_MAX - 1] = (char)0xc3;
	message.reason[REASON_MAX] = '\0';
	message.reason[3] = '\t';
	message.zone[0] = '\0';
	struct buf bytes = encoded(&message);
	decode_well(&bytes, &back);
	assert_int_equal(strlen(back.reason), REASON_MAX);
	assert_int_equal(back.reason[REASON_MAX - 1], '?');
	assert_int_equal(back.reason[3], '?');
	assert_string_equal(back.zone, "");
	buf_free(&bytes);
}

static void all_have_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < TYPES; i++)
		assert_string_not_equal(message_type_name(all[i]), "?");
	for (int error = ERROR_VERSION; error <= ERROR_BUSY; error++)
		assert_string_not_equal(message_error_name((enum message_error)error), "?");
	assert_string_equal(message_type_name((enum message_type)99), "?");
	assert_string_equal(message_error_name((enum message_error)99), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(fields_arrive),
		cmocka_unit_test(evidence_of_any_kind_verifies),
		cmocka_unit_test(every_cut_and_every_tail_is_refused),
		cmocka_unit_test(bad_fields_are_named),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(texts_are_made_fit),
		cmocka_unit_test(all_have_names),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
