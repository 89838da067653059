/* identity.h: who a daemon is: an Ed25519 key that signs, a Curve25519 key that ZeroMQ's CURVE talks with.
 *
 * Both lie in one file of mode 0600; the public halves travel as one printable line with a check sum:
 *     rxfer1:BASE64URL(sign[32] transport[32] check[6])
 * check is the beginning of BLAKE2b-256("rxfer1:" sign transport). This is the one file that signs and verifies. */
#ifndef COMMON_IDENTITY_H
#define COMMON_IDENTITY_H

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDENTITY_SIGNATURE_BYTES 64
#define IDENTITY_HASH_BYTES 32
#define PUBKEY_TEXT_MAX 104          /* with the NUL */

struct pubkey {
	uint8_t sign[32];
	uint8_t transport[32];
};

struct identity;       /* locked memory, wiped when freed */

/* sodium_init; call first in every program. Ends the process when the library can't start. */
void identity_init(void);

/* Makes a new identity and writes it to path (0600, durable). RC_REFUSED when path exists: never overwritten. */
enum rc identity_generate(const char *path, struct why *why);

/* RC_REFUSED when group or others have rights to it or it isn't a regular file; RC_INVALID for a damaged one, and for
 * a file that is something else, whatever its mode;
 * RC_UNSUPPORTED for a newer version; RC_NOT_FOUND, RC_IO. *out is the caller's, to be freed with identity_free. */
enum rc identity_load(const char *path, struct identity **out, struct why *why);
void identity_free(struct identity **identity);

const struct pubkey *identity_public(const struct identity *identity);
const uint8_t *identity_transport_secret(const struct identity *identity);     /* 32 bytes, for CURVE only */

void pubkey_format(const struct pubkey *key, char out[PUBKEY_TEXT_MAX]);
/* RC_INVALID with a sentence that says whether length, alphabet or check sum is wrong. */
enum rc pubkey_parse(const char *text, struct pubkey *out, struct why *why);
/* A key of which only the transport half is known: the signing half is zeros, under which no signature is valid. It's
 * enough to admit a host, and its line can be written and parsed as any other. */
struct pubkey pubkey_of_transport(const uint8_t transport[32]);
bool pubkey_signs(const struct pubkey *key);      /* false for such a one */
bool pubkey_equal(const struct pubkey *a, const struct pubkey *b);

/* context is a short constant text that keeps signatures of one purpose from being used for another; it is hashed in
 * front of the data, with its length. */
void identity_sign(const struct identity *identity, const char *context, const void *data, size_t length,
                   uint8_t signature[IDENTITY_SIGNATURE_BYTES]);
bool identity_verify(const struct pubkey *signer, const char *context, const void *data, size_t length,
                     const uint8_t signature[IDENTITY_SIGNATURE_BYTES]);

/* BLAKE2b-256, whole or in pieces. */
void identity_hash(const void *data, size_t length, uint8_t out[IDENTITY_HASH_BYTES]);
struct identity_hasher;
struct identity_hasher *identity_hasher_new(void);
void identity_hasher_add(struct identity_hasher *hasher, const void *data, size_t length);
void identity_hasher_finish(struct identity_hasher **hasher, uint8_t out[IDENTITY_HASH_BYTES]);  /* frees it */

void identity_random(void *out, size_t length);

#endif
