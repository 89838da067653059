/* changeset.h: additions and deletions that lead from one serial to the next, under the master's signature.
 *
 * Encoding: an announcement of kind 1 (soa.h), then the contents: u32 number of operations, each a u8 (1 add,
 * 2 delete) and a record (record.h). Additions come before deletions, so that no address that stays is ever away. */
#ifndef COMMON_CHANGESET_H
#define COMMON_CHANGESET_H

#include "common/soa.h"

#define CHANGESET_OPERATIONS_MAX 50000u
#define CHANGESET_BYTES_MAX (960u * 1024u)     /* of the whole encoding */

enum change { CHANGE_ADD = 1, CHANGE_DELETE = 2 };

struct operation {
	enum change change;
	struct record record;      /* a view into the memory that was decoded */
};

/* Plain data; `operations` is the struct's own, freed by changeset_free, what they point to is not. */
struct changeset {
	struct soa soa;
	struct operation *operations;
	uint32_t count;
};

/* Decodes and checks all but the signature; fills soa.content_hash so that soa_verify can follow. The input must live
 * as long as *out. RC_INVALID, RC_LIMIT, RC_UNSUPPORTED (a record type this version doesn't know). */
enum rc changeset_decode(const void *data, size_t length, struct changeset *out, struct why *why);
void changeset_free(struct changeset *changeset);

/* Collects operations' encodings; zeroed is empty. */
struct changeset_draft {
	struct buf operations;
	uint32_t count;
	bool deleting;             /* a deletion is in it: additions must have come before */
};
/* False when it would pass a limit: finish this changeset first, then begin another. */
bool changeset_draft_put(struct changeset_draft *draft, enum change change, const struct record *record);
/* Hashes the contents, signs and appends the encoding to out. soa->kind, content_hash, signature are set here; the rest is
 * the caller's. The draft is emptied. */
void changeset_draft_finish(struct changeset_draft *draft, struct soa *soa, const struct identity *signer, struct buf *out);
void changeset_draft_free(struct changeset_draft *draft);

#endif
