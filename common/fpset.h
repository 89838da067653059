/* fpset.h: a set of fingerprints as a sorted array: 16 bytes a record, compared with another in one pass. */
#ifndef COMMON_FPSET_H
#define COMMON_FPSET_H

#include "common/record.h"

#include <stdbool.h>
#include <stddef.h>

/* Plain data; zeroed is empty. Between fpset_append and fpset_seal the order is none and duplicates are allowed. */
struct fpset {
	struct fingerprint *at;
	size_t count;
	size_t capacity;
};

void fpset_free(struct fpset *set);
void fpset_append(struct fpset *set, struct fingerprint print);
void fpset_seal(struct fpset *set);                                         /* sorts in place, drops duplicates */
/* The same, and tags[i], which belongs to member i, goes with it; of duplicates' tags one is left. All members begin with
 * the same `equal` bits of `high`. */
void fpset_seal_tagged(struct fpset *set, uint32_t *tags, unsigned equal);
/* Of a sealed set: where it is; set->count: it isn't there. */
size_t fpset_find(const struct fpset *set, const struct fingerprint *print);
bool fpset_has(const struct fpset *set, const struct fingerprint *print);

/* a \ b of two sealed sets, sealed, into *out (which is emptied before). */
void fpset_minus(const struct fpset *a, const struct fpset *b, struct fpset *out);
void fpset_union(const struct fpset *a, const struct fpset *b, struct fpset *out);
void fpset_common(const struct fpset *a, const struct fpset *b, struct fpset *out);

#endif
