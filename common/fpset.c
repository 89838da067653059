/* fpset.c: sets of fingerprints as sorted arrays.
 *
 * Sorting is a radix sort in place, from the first bits on: the members are swapped into bins, each bin is sorted by the
 * bits that follow, and what is left of a bin is sorted by insertion. Fingerprints are hashes, so a million is done
 * after two rounds: the first goes through all memory, the second stays within the cache. Members that are equal, or
 * only nearly, cost more rounds, never more than there are bits.
 *
 * For the same reason a member is nearly where its first bits say that it should be, and is looked for from there. */
#include "common/fpset.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

#define BITS_MAX 10u           /* of a round */
#define BINS_MAX (1u << BITS_MAX)
#define PRINT_BITS 128u
#define SMALL 24               /* what insertion does best */
#define BIN_AIM_BITS 2u        /* members of a bin, in bits, when all is even */
#define GUESSES 8u             /* before looking by halves */

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

/* What is sorted: tags is NULL, or goes along. */
struct run {
	struct fingerprint *at;
	uint32_t *tags;
	size_t count;
};

static void swap(struct run *run, size_t i, size_t j)
{
	struct fingerprint print = run->at[i];
	run->at[i] = run->at[j];
	run->at[j] = print;
	if (run->tags) {
		uint32_t tag = run->tags[i];
		run->tags[i] = run->tags[j];
		run->tags[j] = tag;
	}
}

static void insertion_sort(struct run *run)
{
	for (size_t i = 1; i < run->count; i++)
		for (size_t j = i; j > 0 && fingerprint_compare(&run->at[j - 1], &run->at[j]) > 0; j--)
			swap(run, j - 1, j);
}

/* `bits` bits from the one at `from` on, the first being 0; they don't reach over the middle. */
static unsigned digit(const struct fingerprint *print, unsigned from, unsigned bits)
{
	uint64_t half = from < 64 ? print->high : print->low;
	return (unsigned)(half << (from % 64) >> (64 - bits));
}

static unsigned choose_bits(size_t count, unsigned from)
{
	unsigned bits = 1;
	unsigned left = 64 - from % 64;
	while (bits < BITS_MAX && bits < left && count >> (bits + BIN_AIM_BITS) > 0)
		bits++;
	return bits;
}

/* Brings each member into its bin; ends[b] is where bin b ends. */
static void distribute(struct run *run, unsigned from, unsigned bits, size_t ends[BINS_MAX])
{
	size_t heads[BINS_MAX];
	unsigned bins = 1u << bits;
	memset(ends, 0, bins * sizeof(*ends));
	for (size_t i = 0; i < run->count; i++)
		ends[digit(&run->at[i], from, bits)]++;
	size_t start = 0;
	for (unsigned b = 0; b < bins; b++) {
		heads[b] = start;
		start += ends[b];
		ends[b] = start;
	}
	for (unsigned b = 0; b < bins; b++) {
		while (heads[b] < ends[b]) {
			unsigned wanted = digit(&run->at[heads[b]], from, bits);
			if (wanted == b)
				heads[b]++;
			else
				swap(run, heads[b], heads[wanted]++);
		}
	}
}

/* The bits before `from` are equal in all. */
static void radix_sort(struct run *run, unsigned from)
{
	if (run->count <= SMALL) {
		insertion_sort(run);
		return;
	}
	if (from == PRINT_BITS)
		return;
	size_t ends[BINS_MAX];
	unsigned bits = choose_bits(run->count, from);
	distribute(run, from, bits, ends);
	size_t start = 0;
	for (unsigned b = 0; b < 1u << bits; b++) {
		struct run bin = {run->at + start, run->tags ? run->tags + start : NULL, ends[b] - start};
		if (bin.count > 1)
			radix_sort(&bin, from + bits);
		start = ends[b];
	}
}

void fpset_seal_tagged(struct fpset *set, uint32_t *tags, unsigned equal)
{
	if (set->count < 2)
		return;
	struct run all = {set->at, tags, set->count};
	radix_sort(&all, equal);
	size_t kept = 1;
	for (size_t i = 1; i < set->count; i++) {
		if (fingerprint_compare(&set->at[i], &set->at[kept - 1]) == 0)
			continue;
		if (tags)
			tags[kept] = tags[i];
		set->at[kept++] = set->at[i];
	}
	set->count = kept;
}

void fpset_seal(struct fpset *set)
{
	fpset_seal_tagged(set, NULL, 0);
}

/* part / 2^64 of count. */
static size_t share(uint64_t part, size_t count)
{
	uint64_t high = part >> 32, low = part & UINT32_MAX;
	/* Exact below 2^32; beyond that only the guess would be worse. */
	return (size_t)((high * count + (low * count >> 32)) >> 32);
}

/* Each guess is as many members from the last one as there would be if all were spread evenly. */
size_t fpset_find(const struct fpset *set, const struct fingerprint *print)
{
	size_t low = 0, end = set->count, at = 0;
	uint64_t high = 0;
	for (unsigned probe = 0; low < end; probe++) {
		size_t step = share(print->high > high ? print->high - high : high - print->high, set->count);
		if (probe >= GUESSES)
			at = low + (end - low) / 2;
		else if (print->high > high)
			at = step < end - at ? at + step : end - 1;
		else
			at = step < at ? at - step : 0;
		at = at < low ? low : at < end ? at : end - 1;
		high = set->at[at].high;
		int order = fingerprint_compare(print, &set->at[at]);
		if (order == 0)
			return at;
		if (order < 0)
			end = at;
		else
			low = at + 1;
	}
	return set->count;
}

bool fpset_has(const struct fpset *set, const struct fingerprint *print)
{
	return fpset_find(set, print) < set->count;
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
