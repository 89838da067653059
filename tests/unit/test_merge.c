/* test_merge.c: a record goes when no source has it any more, and not before. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/merge.h"

#include <string.h>

/* Each letter is a record. */
static struct fpset set_of(const char *letters)
{
	struct fpset set = {0};
	for (; *letters; letters++)
		fpset_append(&set, (struct fingerprint){.high = (uint64_t)*letters << 50, .low = 1});
	fpset_seal(&set);
	return set;
}

static void assert_set(struct fpset *set, const char *letters)
{
	char text[64] = "";
	for (size_t i = 0; i < set->count; i++)
		text[i] = (char)(set->at[i].high >> 50);
	assert_string_equal(text, letters);
	fpset_free(set);
}

/* Three sources; the one at index is read anew and has `fresh`. */
static void assert_due(const char *const old[3], size_t index, const char *fresh, const char *due, const char *expected)
{
	struct fpset sets[3];
	const struct fpset *views[3];
	for (size_t i = 0; i < 3; i++) {
		sets[i] = set_of(old[i]);
		views[i] = &sets[i];
	}
	struct fpset fresh_set = set_of(fresh);
	struct fpset due_set = set_of(due);
	struct fpset out = {0};
	const struct merge_sets view = {views, 3};
	merge_due(&view, index, &fresh_set, &due_set, &out);
	assert_set(&out, expected);
	for (size_t i = 0; i < 3; i++)
		fpset_free(&sets[i]);
	fpset_free(&fresh_set);
	fpset_free(&due_set);
}

static void due_is_what_nobody_wants(void **state)
{
	(void)state;
	assert_due((const char *const[]){"abc", "", ""}, 0, "ab", "", "c");
	assert_due((const char *const[]){"abc", "c", ""}, 0, "ab", "", "");
	assert_due((const char *const[]){"abc", "", "c"}, 0, "", "", "ab");
	assert_due((const char *const[]){"abc", "bc", "c"}, 1, "", "", "");
	assert_due((const char *const[]){"a", "b", "c"}, 2, "", "", "c");
	assert_due((const char *const[]){"", "", ""}, 0, "abc", "", "");
}

static void what_is_due_stays_due_until_wanted(void **state)
{
	(void)state;
	assert_due((const char *const[]){"a", "b", "c"}, 0, "a", "xyz", "xyz");
	assert_due((const char *const[]){"a", "b", "c"}, 0, "ay", "xyz", "xz");
	assert_due((const char *const[]){"a", "b", "c"}, 1, "", "x", "bx");
	/* Moved from the first source to the second, the second read later. */
	assert_due((const char *const[]){"", "b", ""}, 1, "ab", "a", "");
	/* The old set of the source that is read doesn't count as wanting. */
	assert_due((const char *const[]){"a", "", ""}, 0, "", "a", "a");
}

static void gained_is_new_to_its_source(void **state)
{
	(void)state;
	struct fpset old = set_of("bd");
	struct fpset fresh = set_of("abcd");
	struct fpset out = {0};
	merge_gained(&old, &fresh, &out);
	assert_set(&out, "ac");
	const struct fpset *views[] = {&old};
	const struct merge_sets sets = {views, 1};
	assert_true(merge_wanted(&sets, &fresh.at[1]));
	assert_false(merge_wanted(&sets, &fresh.at[0]));
	fpset_free(&old);
	fpset_free(&fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(due_is_what_nobody_wants),
		cmocka_unit_test(what_is_due_stays_due_until_wanted),
		cmocka_unit_test(gained_is_new_to_its_source),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
