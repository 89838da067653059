/* record.c: encoding, fingerprint and digest of records.
 *
 * A fingerprint is the 16 bytes that SipHash-2-4 with 128 bits of output gives, read as two big-endian numbers, the
 * first eight bytes being `high`: written out big-endian they are the hash's own bytes again. A digest is the sum of
 * fingerprints modulo 2^128, so that adding and taking away a record cost the same whatever the size of the set. */
#include "common/record.h"

#include <sodium.h>

#include <assert.h>
#include <string.h>

#define HEAD_MAX (1 + 2 + 2)
#define ENCODED_MAX (HEAD_MAX + RECORD_KEY_MAX + RECORD_VALUE_MAX)

_Static_assert(crypto_shorthash_siphashx24_KEYBYTES == RECORD_HASH_KEY_BYTES, "the epoch's id is the key");
_Static_assert(crypto_shorthash_siphashx24_BYTES == 16, "a fingerprint has 16 bytes");

struct record record_make(enum record_type type, const char *key, size_t key_length)
{
	return (struct record){.type = type, .key_length = (uint16_t)key_length, .key = key, .value = ""};
}

const char *record_type_name(enum record_type type)
{
	switch (type) {
	case RECORD_RCPT:
		return "RCPT";
	case RECORD_DOMAIN:
		return "DOMAIN";
	case RECORD_PARAM:
		return "PARAM";
	}
	return "?";
}

static size_t put_text(uint8_t *out, const char *text, uint16_t length)
{
	out[0] = (uint8_t)(length >> 8);
	out[1] = (uint8_t)length;
	memcpy(out + 2, text, length);
	return 2 + (size_t)length;
}

/* Returns how many bytes were used: HEAD_MAX beside key and value at most. */
static size_t encode(uint8_t *out, const struct record *record)
{
	size_t length = 1;
	out[0] = (uint8_t)record->type;
	length += put_text(out + length, record->key, record->key_length);
	if (record->type == RECORD_PARAM)
		length += put_text(out + length, record->value, record->value_length);
	return length;
}

void record_encode(struct buf *out, const struct record *record)
{
	buf_reserve(out, HEAD_MAX + (size_t)record->key_length + record->value_length);
	out->length += encode(out->data + out->length, record);
}

static bool has_control(const uint8_t *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] < 0x20 || text[i] == 0x7f)
			return true;
	return false;
}

enum rc record_decode(struct cursor *in, struct record *out, struct why *why)
{
	uint8_t type = cursor_u8(in);
	if (in->failed)
		return why_set(why, RC_INVALID, "a record is cut short");
	if (type != RECORD_RCPT && type != RECORD_DOMAIN && type != RECORD_PARAM)
		return why_set(why, RC_UNSUPPORTED, "a record has type %u, which this version doesn't know", type);
	uint16_t key_length = cursor_u16(in);
	if (key_length > RECORD_KEY_MAX)
		return why_set(why, RC_LIMIT, "a record's key has %u bytes, more than %d", key_length, RECORD_KEY_MAX);
	const uint8_t *key = cursor_take(in, key_length);
	uint16_t value_length = 0;
	const uint8_t *value = (const uint8_t *)"";
	if (type == RECORD_PARAM) {
		value_length = cursor_u16(in);
		if (value_length > RECORD_VALUE_MAX)
			return why_set(why, RC_LIMIT, "a record's value has %u bytes, more than %d", value_length,
			               RECORD_VALUE_MAX);
		value = cursor_take(in, value_length);
	}
	if (in->failed)
		return why_set(why, RC_INVALID, "a record is cut short");
	if (key_length == 0)
		return why_set(why, RC_INVALID, "a record's key is empty");
	if (has_control(key, key_length) || has_control(value, value_length))
		return why_set(why, RC_INVALID, "a record contains a control character");
	*out = (struct record){
		.type = (enum record_type)type,
		.key_length = key_length,
		.value_length = value_length,
		.key = (const char *)key,
		.value = (const char *)value,
	};
	return RC_OK;
}

void record_domain(const struct record *record, const char **domain, size_t *length)
{
	*domain = record->key + record->key_length;
	*length = 0;
	if (record->type == RECORD_DOMAIN) {
		*domain = record->key;
		*length = record->key_length;
	} else if (record->type == RECORD_RCPT) {
		const char *at = memrchr(record->key, '@', record->key_length);
		if (at != NULL) {
			*domain = at + 1;
			*length = (size_t)(record->key + record->key_length - *domain);
		}
	}
}

static uint64_t load_u64(const uint8_t *bytes)
{
	uint64_t value = 0;
	for (int i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

struct fingerprint record_fingerprint_encoded(const uint8_t key[RECORD_HASH_KEY_BYTES], const void *encoded,
                                              size_t length)
{
	uint8_t hash[crypto_shorthash_siphashx24_BYTES];
	crypto_shorthash_siphashx24(hash, encoded, length, key);
	return (struct fingerprint){.high = load_u64(hash), .low = load_u64(hash + 8)};
}

/* The encoding is made on the stack: this runs once for each record of a zone at start. */
struct fingerprint record_fingerprint(const uint8_t key[RECORD_HASH_KEY_BYTES], const struct record *record)
{
	uint8_t encoded[ENCODED_MAX];
	assert(record->key_length <= RECORD_KEY_MAX && record->value_length <= RECORD_VALUE_MAX);
	return record_fingerprint_encoded(key, encoded, encode(encoded, record));
}

void digest_add(struct digest *digest, const struct fingerprint *print)
{
	digest->low += print->low;
	digest->high += print->high + (digest->low < print->low ? 1 : 0);
}

void digest_subtract(struct digest *digest, const struct fingerprint *print)
{
	uint64_t borrow = digest->low < print->low ? 1 : 0;
	digest->low -= print->low;
	digest->high -= print->high + borrow;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->high == b->high && a->low == b->low;
}
