/* handover.h: a master's dated word on its own keys: the one that it has, and the one that it will have next.
 *
 * Byte table (numbers big-endian), the same on the wire and in files, HANDOVER_BYTES long:
 *     0  u8[32]  the present key, its signing half
 *    32  u8[32]  its transport half
 *    64  u8[32]  the next key, its signing half;  all zeros, and
 *    96  u8[32]  its transport half;              these too: no next one is announced
 *   128  u64     time (ms since 1970)
 *   136  u8[64]  signature by the present key
 * What is signed: the context "rxfer keys 1", and all the bytes before the signature. */
#ifndef COMMON_HANDOVER_H
#define COMMON_HANDOVER_H

#include "common/buf.h"
#include "common/clock.h"
#include "common/identity.h"
#include "common/why.h"

#include <stdbool.h>

#define HANDOVER_BYTES (128 + 8 + IDENTITY_SIGNATURE_BYTES)

/* Plain data: validated when it comes out of handover_decode. */
struct handover {
	struct pubkey present;
	struct pubkey next;
	bool announced;          /* there is a next one */
	struct wall time;
	uint8_t signature[IDENTITY_SIGNATURE_BYTES];
};

/* next: NULL for none; it shares no half with the signer's. */
struct handover handover_make(const struct identity *signer, const struct pubkey *next, struct wall time);
bool handover_verify(const struct handover *handover);
/* Do both say the same of the keys, whenever it was? */
bool handover_agrees(const struct handover *a, const struct handover *b);
/* Two keys that have a half in common: neither can follow the other. */
bool handover_shares(const struct pubkey *a, const struct pubkey *b);

void handover_encode(struct buf *out, const struct handover *handover);
/* Reads one from the cursor and checks everything but the signature. RC_INVALID with a sentence that says what. */
enum rc handover_decode(struct cursor *in, struct handover *out, struct why *why);

#endif
