/* record.h: what a zone is made of, and the fingerprint that stands for a record in sets and digests. */
#ifndef COMMON_RECORD_H
#define COMMON_RECORD_H

#include "common/buf.h"
#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_type {
	RECORD_RCPT = 1,      /* key: user@domain or @domain, no value */
	RECORD_DOMAIN = 2,    /* key: a domain the primary is a final destination for, no value */
	RECORD_PARAM = 3      /* key: a Postfix parameter's name, value: what a backup must have there */
};
#define RECORD_KEY_MAX 1000
#define RECORD_VALUE_MAX 1000

/* A view: key and value belong to somebody else. */
struct record {
	enum record_type type;
	uint16_t key_length;
	uint16_t value_length;
	const char *key;
	const char *value;
};

struct record record_make(enum record_type type, const char *key, size_t key_length);   /* no value */

/* "RCPT", "DOMAIN", "PARAM"; "?" for others. */
const char *record_type_name(enum record_type type);

/* Encoding, on the wire and in files: type u8, key length u16, key, and for PARAM value length u16, value.
 * Types the reader doesn't know are RC_UNSUPPORTED; RC_INVALID for an empty key, a control character, trailing want of
 * bytes; RC_LIMIT for lengths. Decoded views point into the cursor's memory. */
void record_encode(struct buf *out, const struct record *record);
enum rc record_decode(struct cursor *in, struct record *out, struct why *why);

/* The domain a record speaks of: behind the last '@' of RCPT, the key of DOMAIN, none (length 0) for PARAM. */
void record_domain(const struct record *record, const char **domain, size_t *length);

/* SipHash-2-4 with 128 bits of output over the encoding, keyed with the epoch's 16 random bytes. */
#define RECORD_HASH_KEY_BYTES 16
struct fingerprint {
	uint64_t high;
	uint64_t low;
};
struct fingerprint record_fingerprint(const uint8_t key[RECORD_HASH_KEY_BYTES], const struct record *record);
/* The same of its encoding. */
struct fingerprint record_fingerprint_encoded(const uint8_t key[RECORD_HASH_KEY_BYTES], const void *encoded,
                                              size_t length);

/* <0, 0, >0. Here, because sets of millions are compared with it. */
static inline int fingerprint_compare(const struct fingerprint *a, const struct fingerprint *b)
{
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	return 0;
}

/* The order-free sum (modulo 2^128) of a set's fingerprints. */
struct digest {
	uint64_t high;
	uint64_t low;
};
void digest_add(struct digest *digest, const struct fingerprint *print);
void digest_subtract(struct digest *digest, const struct fingerprint *print);
bool digest_equal(const struct digest *a, const struct digest *b);

#endif
