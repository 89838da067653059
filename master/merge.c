/* merge.c: set logic over the sources of a zone.
 *
 * The order of things matters for the mail: an address that moves from one source to another may be seen in both or
 * in none for a moment, depending on which is read first. In both: nothing happens. In none: it is due to go, and comes
 * back as an addition when the other source is read. So `due` is always computed anew against what is wanted now. */
#include "master/merge.h"

bool merge_wanted(const struct merge_sets *sets, const struct fingerprint *print)
{
	for (size_t i = 0; i < sets->count; i++)
		if (fpset_has(sets->at[i], print))
			return true;
	return false;
}

void merge_gained(const struct fpset *old, const struct fpset *fresh, struct fpset *out)
{
	fpset_minus(fresh, old, out);
}

void merge_due(const struct merge_sets *sets, size_t index, const struct fpset *fresh, const struct fpset *due,
               struct fpset *out)
{
	struct fpset dropped = {0};
	struct fpset all = {0};
	struct fpset left = {0};

	fpset_minus(sets->at[index], fresh, &dropped);
	fpset_union(due, &dropped, &all);
	/* What is due is little as a rule, the sources' sets are large: look up rather than pass over all of them. */
	for (size_t i = 0; i < all.count; i++) {
		bool wanted = fpset_has(fresh, &all.at[i]);
		for (size_t j = 0; j < sets->count && !wanted; j++)
			wanted = j != index && fpset_has(sets->at[j], &all.at[i]);
		if (!wanted)
			fpset_append(&left, all.at[i]);
	}
	fpset_seal(&left);
	fpset_free(out);
	*out = left;
	fpset_free(&dropped);
	fpset_free(&all);
}
