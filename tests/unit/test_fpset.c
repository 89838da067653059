/* Sets of fingerprints, compared with the plain way of doing the same. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/fpset.h"

#include <stdlib.h>

static uint64_t seed = 88172645463325252u;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void check_sorted(const struct fpset *set)
{
	for (size_t i = 1; i < set->count; i++)
		assert_true(fingerprint_compare(&set->at[i - 1], &set->at[i]) < 0);
}

/* `mask` makes some runs full of equal halves and duplicates. */
static void fill(struct fpset *set, size_t count, uint64_t high_mask, uint64_t low_mask)
{
	for (size_t i = 0; i < count; i++)
		fpset_append(set, (struct fingerprint){.high = next() & high_mask, .low = next() & low_mask});
}

static int compare(const void *a, const void *b)
{
	return fingerprint_compare(a, b);
}

static void seals(void **state)
{
	(void)state;
	static const uint64_t masks[][2] = {{UINT64_MAX, UINT64_MAX}, {0, UINT64_MAX}, {0xff, 0xff}, {UINT64_MAX, 0},
	                                    {(uint64_t)0xff << 56, 3}, {(uint64_t)7 << 30, UINT64_MAX}};
	static const size_t counts[] = {0, 1, 2, 511, 512, 513, 5000, 70000};
	for (size_t m = 0; m < sizeof(masks) / sizeof(*masks); m++) {
		for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
			struct fpset set = {0};
			fill(&set, counts[c], masks[m][0], masks[m][1]);
			size_t count = set.count;
			struct fingerprint *copy = calloc(count + 1, sizeof(*copy));
			for (size_t i = 0; i < count; i++)
				copy[i] = set.at[i];
			qsort(copy, count, sizeof(*copy), compare);
			fpset_seal(&set);
			size_t at = 0;
			for (size_t i = 0; i < count; i++) {
				if (i > 0 && compare(&copy[i], &copy[i - 1]) == 0)
					continue;
				assert_true(at < set.count);
				assert_int_equal(compare(&copy[i], &set.at[at++]), 0);
			}
			assert_int_equal(at, set.count);
			free(copy);
			fpset_free(&set);
		}
	}
}

static void compares(void **state)
{
	(void)state;
	struct fpset a = {0}, b = {0}, minus = {0}, both = {0}, either = {0};
	fill(&a, 3000, 0xfff, 0);
	fill(&b, 2000, 0xfff, 0);
	fpset_seal(&a);
	fpset_seal(&b);
	fill(&minus, 10, 1, 1);
	fpset_minus(&a, &b, &minus);
	fpset_common(&a, &b, &both);
	fpset_union(&a, &b, &either);
	check_sorted(&minus);
	check_sorted(&both);
	check_sorted(&either);
	assert_int_equal(minus.count + both.count, a.count);
	assert_int_equal(either.count, minus.count + b.count);
	for (uint64_t high = 0; high <= 0x1000; high++) {
		struct fingerprint print = {.high = high};
		bool in_a = fpset_has(&a, &print);
		bool in_b = fpset_has(&b, &print);
		assert_int_equal(fpset_has(&minus, &print), in_a && !in_b);
		assert_int_equal(fpset_has(&both, &print), in_a && in_b);
		assert_int_equal(fpset_has(&either, &print), in_a || in_b);
	}
	struct fpset none = {0};
	fpset_minus(&a, &none, &minus);
	assert_int_equal(minus.count, a.count);
	fpset_common(&none, &a, &both);
	assert_int_equal(both.count, 0);
	assert_false(fpset_has(&none, &(struct fingerprint){0}));
	fpset_free(&a);
	fpset_free(&b);
	fpset_free(&minus);
	fpset_free(&both);
	fpset_free(&either);
}

/* Hashes, and sets in which a member is nowhere near where it would be if all were spread evenly. */
static void finds(void **state)
{
	(void)state;
	static const uint64_t masks[][2] = {{UINT64_MAX, UINT64_MAX}, {0, UINT64_MAX}, {0xffff, 1}, {(uint64_t)0xff << 56, 0xff},
	                                    {(uint64_t)0xfff << 30, 0xf}};
	for (size_t m = 0; m < sizeof(masks) / sizeof(*masks); m++) {
		struct fpset set = {0};
		fill(&set, 20000, masks[m][0], masks[m][1]);
		fpset_append(&set, (struct fingerprint){0});
		fpset_append(&set, (struct fingerprint){.high = UINT64_MAX, .low = UINT64_MAX});
		fpset_seal(&set);
		for (size_t i = 0; i < set.count; i++)
			assert_int_equal(fpset_find(&set, &set.at[i]), i);
		for (size_t i = 0; i + 1 < set.count; i++) {
			struct fingerprint between = set.at[i];
			between.high += ++between.low == 0;
			if (fingerprint_compare(&between, &set.at[i + 1]) != 0)
				assert_int_equal(fpset_find(&set, &between), set.count);
		}
		fpset_free(&set);
	}
}

static void tags_go_along(void **state)
{
	(void)state;
	enum { COUNT = 30000 };
	struct fpset set = {0};
	static struct fingerprint before[COUNT];
	static uint32_t tags[COUNT];
	fill(&set, COUNT, UINT64_MAX >> 8, UINT64_MAX);
	for (uint32_t i = 0; i < COUNT; i++) {
		if (i % 10 == 9)
			set.at[i] = set.at[i - 1];
		before[i] = set.at[i];
		tags[i] = i;
	}
	fpset_seal_tagged(&set, tags, 8);
	check_sorted(&set);
	assert_int_equal(set.count, COUNT - COUNT / 10);
	for (size_t i = 0; i < set.count; i++)
		assert_int_equal(fingerprint_compare(&set.at[i], &before[tags[i]]), 0);
	fpset_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(seals), cmocka_unit_test(compares), cmocka_unit_test(finds),
	                                   cmocka_unit_test(tags_go_along)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
