/* soa.h: the announcement: what a master says of its zone, dated and signed, the one thing that is ever signed.
 *
 * A changeset and a whole transfer are the same announcement with the hash of what comes with it, so that one
 * signature covers a change, and the newest of any kind proves how far the master's history goes.
 *
 * Byte table (numbers big-endian), the same on the wire, in journals and in files:
 *     0  u8      kind: 0 plain, 1 changeset, 2 snapshot
 *     1  u8      length Z of the zone's name, 1..63
 *     2  Z       the zone's name: a-z 0-9 . _ - , beginning with a letter or digit
 *     then u8[16] epoch id, u64 epoch began (ms since 1970), u64 serial, u64 from (kind 1: the serial it leads from;
 *     else = serial), u8[16] digest, u64 count, u64 time (ms since 1970), u32 refresh, u32 retry, u32 expire (s),
 *     u8[64] signature.
 * What is signed: the context "rxfer soa 1", all the bytes before the signature, and for kinds 1 and 2 the BLAKE2b-256
 * of the contents. The contents' hash itself isn't sent with them: it is computed from what arrived. */
#ifndef COMMON_SOA_H
#define COMMON_SOA_H

#include "common/buf.h"
#include "common/clock.h"
#include "common/identity.h"
#include "common/record.h"
#include "common/why.h"

#include <stdbool.h>
#include <stdint.h>

#define SOA_ZONE_MAX 63
#define SOA_SECONDS_MAX 31536000u      /* refresh, retry, expire: 1 second to a year */

enum soa_kind { SOA_PLAIN = 0, SOA_CHANGESET = 1, SOA_SNAPSHOT = 2 };

/* One history of a zone. */
struct epoch {
	uint8_t id[16];           /* random; also the key of the records' fingerprints */
	struct wall began;
};

/* Plain data: validated when it comes out of soa_decode. */
struct soa {
	enum soa_kind kind;
	char zone[SOA_ZONE_MAX + 1];
	struct epoch epoch;
	uint64_t serial;
	uint64_t from;
	struct digest digest;
	uint64_t count;
	struct wall time;
	uint32_t refresh_s;
	uint32_t retry_s;
	uint32_t expire_s;
	uint8_t signature[IDENTITY_SIGNATURE_BYTES];
	uint8_t content_hash[IDENTITY_HASH_BYTES];     /* kinds 1 and 2: set by whoever has hashed the contents */
};

bool soa_zone_name_valid(const char *name);
bool epoch_equal(const struct epoch *a, const struct epoch *b);

/* A new history: random id, began now, but in any case after `after` (NULL: no earlier one is known). */
struct epoch epoch_begin(const struct epoch *after);

/* Where (epoch, serial) of b stands, seen from a. */
enum soa_order {
	SOA_SAME,             /* same epoch, same serial */
	SOA_NEWER,            /* b: same epoch, higher serial */
	SOA_OLDER,            /* b: same epoch, lower serial */
	SOA_LATER_EPOCH,      /* b: another epoch that began later */
	SOA_EARLIER_EPOCH     /* b: another epoch that began earlier or at the same time */
};
enum soa_order soa_compare(const struct soa *a, const struct soa *b);

void soa_sign(struct soa *soa, const struct identity *signer);
bool soa_verify(const struct soa *soa, const struct pubkey *signer);

void soa_encode(struct buf *out, const struct soa *soa);
/* Reads one announcement from the cursor and checks everything but the signature (content_hash is zeroed). Contents
 * may follow it. RC_INVALID with a sentence that says which field. */
enum rc soa_decode(struct cursor *in, struct soa *out, struct why *why);

#endif
