/* merge.h: what a new reading of one source means for a zone that has several. Pure: sets in, sets out.
 *
 * A record is wanted while at least one source has it, so only what no source has any more may go. */
#ifndef MASTER_MERGE_H
#define MASTER_MERGE_H

#include "common/fpset.h"

/* The sets of all sources of a zone as they stand, sealed. */
struct merge_sets {
	const struct fpset *const *at;
	size_t count;
};

bool merge_wanted(const struct merge_sets *sets, const struct fingerprint *print);

/* What the source itself gained: `fresh` \ `old`, sealed. Whether it's published already is the caller's to ask. */
void merge_gained(const struct fpset *old, const struct fpset *fresh, struct fpset *out);

/* What is due to go after source `index` was read: `due` as it stood before and what the source has dropped, without
 * anything that is wanted now. sets holds the old set at `index`; `fresh` takes its place. out is sealed. */
void merge_due(const struct merge_sets *sets, size_t index, const struct fpset *fresh, const struct fpset *due,
               struct fpset *out);

#endif
