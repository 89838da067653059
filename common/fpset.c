/* fpset.c: sets of fingerprints as sorted arrays.
 *
 * Fingerprints are hashes, so nearly all differ in their first 33 bits: by these they are sorted by radix, in three
 * passes of 11 bits, and the rare runs that are equal there are put right by comparison. */
#include "common/fpset.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 11
#define DIGITS 3
#define SORTED_SHIFT (64 - DIGIT_BITS * DIGITS)      /* `high` without it is what the passes sort by */
#define BINS (1u << DIGIT_BITS)
#define SMALL 512      /* below this the histograms cost more than comparing does */

void fpset_free(struct fpset *set)
{
	free(set->at);
	*set = (struct fpset){0};
}

static void reserve(struct fpset *set, size_t capacity)
{
	if (capacity <= set->capacity)
		return;
	set->at = mem_realloc(set->at, capacity, sizeof(*set->at));
	set->capacity = capacity;
}

void fpset_append(struct fpset *set, struct fingerprint print)
{
	if (set->count == set->capacity)
		reserve(set, set->capacity < 16 ? 32 : set->capacity * 2);
	set->at[set->count++] = print;
}

static int compare(const void *a, const void *b)
{
	return fingerprint_compare(a, b);
}

static unsigned digit(uint64_t value, int index)
{
	return (unsigned)(value >> (SORTED_SHIFT + index * DIGIT_BITS)) & (BINS - 1);
}

/* Sorts by the first bits of `high`. Each pass moves everything to the other array, in the order of one digit. */
static void sort_high(struct fpset *set)
{
	size_t (*bins)[BINS] = mem_zalloc(sizeof(*bins) * DIGITS);
	for (size_t i = 0; i < set->count; i++)
		for (int d = 0; d < DIGITS; d++)
			bins[d][digit(set->at[i].high, d)]++;
	struct fingerprint *from = set->at;
	struct fingerprint *to = mem_realloc(NULL, set->capacity, sizeof(*to));
	for (int d = 0; d < DIGITS; d++) {
		if (bins[d][digit(from[0].high, d)] == set->count)
			continue;
		size_t start = 0;
		for (unsigned b = 0; b < BINS; b++) {
			size_t size = bins[d][b];
			bins[d][b] = start;
			start += size;
		}
		for (size_t i = 0; i < set->count; i++)
			to[bins[d][digit(from[i].high, d)]++] = from[i];
		struct fingerprint *other = from;
		from = to;
		to = other;
	}
	set->at = from;
	free(to);
	free(bins);
}

static void sort_ties(struct fpset *set)
{
	for (size_t i = 0; i < set->count;) {
		size_t end = i + 1;
		while (end < set->count && set->at[end].high >> SORTED_SHIFT == set->at[i].high >> SORTED_SHIFT)
			end++;
		if (end - i > 1)
			qsort(set->at + i, end - i, sizeof(*set->at), compare);
		i = end;
	}
}

void fpset_seal(struct fpset *set)
{
	if (set->count < 2)
		return;
	if (set->count < SMALL) {
		qsort(set->at, set->count, sizeof(*set->at), compare);
	} else {
		sort_high(set);
		sort_ties(set);
	}
	size_t kept = 1;
	for (size_t i = 1; i < set->count; i++)
		if (fingerprint_compare(&set->at[i], &set->at[kept - 1]) != 0)
			set->at[kept++] = set->at[i];
	set->count = kept;
}

bool fpset_has(const struct fpset *set, const struct fingerprint *print)
{
	return set->count > 0 && bsearch(print, set->at, set->count, sizeof(*set->at), compare) != NULL;
}

enum keep { KEEP_LEFT = 1, KEEP_RIGHT = 2, KEEP_BOTH = 4 };

/* One pass over two sorted arrays; `keep` says which of the three kinds of members go into the result. */
static void merge(const struct fpset *a, const struct fpset *b, int keep, struct fpset *out)
{
	out->count = 0;
	size_t i = 0;
	size_t j = 0;
	while (i < a->count || j < b->count) {
		int order;
		if (i == a->count)
			order = 1;
		else if (j == b->count)
			order = -1;
		else
			order = fingerprint_compare(&a->at[i], &b->at[j]);
		if (order < 0 && (keep & KEEP_LEFT))
			fpset_append(out, a->at[i]);
		else if (order > 0 && (keep & KEEP_RIGHT))
			fpset_append(out, b->at[j]);
		else if (order == 0 && (keep & KEEP_BOTH))
			fpset_append(out, a->at[i]);
		if (order <= 0)
			i++;
		if (order >= 0)
			j++;
	}
}

void fpset_minus(const struct fpset *a, const struct fpset *b, struct fpset *out)
{
	merge(a, b, KEEP_LEFT, out);
}

void fpset_union(const struct fpset *a, const struct fpset *b, struct fpset *out)
{
	reserve(out, a->count > b->count ? a->count : b->count);
	merge(a, b, KEEP_LEFT | KEEP_RIGHT | KEEP_BOTH, out);
}

void fpset_common(const struct fpset *a, const struct fpset *b, struct fpset *out)
{
	merge(a, b, KEEP_BOTH, out);
}
