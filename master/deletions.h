/* deletions.h: what is due to go from a zone, what of it is held, and the file that remembers that over a restart.
 *
 * Due is what is published and not wanted. The brake (brake.h) decides when all sources are known; what it holds is
 * written down (held.h) before anything else is deleted, so that no crash can let it go. */
#ifndef MASTER_DELETIONS_H
#define MASTER_DELETIONS_H

#include "master/brake.h"
#include "master/edition.h"
#include "master/held.h"
#include "master/merge.h"

struct deletions;

struct deletions_limits {
	uint32_t max_shrink_percent;
	uint64_t min_shrink;
};

/* Reads the file of held deletions. A lost or damaged one, where something is published, is doubt: then all that is due
 * at the first comparison is held. RC_UNSUPPORTED: the file is a newer version's. RC_DAMAGED, RC_IO from the zonedb. */
enum rc deletions_open(struct edition *edition, const char *zone, const char *path,
                       const struct deletions_limits *limits, struct deletions **out, struct why *why);
void deletions_close(struct deletions **deletions);

uint64_t deletions_held(const struct deletions *deletions);
bool deletions_holds(const struct deletions *deletions, const struct fingerprint *print);
const char *deletions_reason(const struct deletions *deletions);             /* why the newest were held, or "" */
bool deletions_source_had_records(const struct deletions *deletions, const char *source);     /* says the file */
/* What is published was compared with what is wanted since the start, or since it was published anew. */
bool deletions_compared(const struct deletions *deletions);
/* A reading came to nothing half-way: what it added may be published, and in no source's set. */
void deletions_compare_anew(struct deletions *deletions);
const struct held_file *deletions_file(const struct deletions *deletions);   /* as it was last read or written */

/* How things stand at the sources now; all of them have been read. */
struct deletions_view {
	struct merge_sets sets;            /* the set at `index` is the one before this reading */
	size_t index;
	const struct fpset *fresh;
	bool wait;                         /* a source may have what this one dropped (zone_must_wait) */
	bool emptied;                      /* a source that had records has none now */
	const struct held_file *names;     /* of the sources that have records, for the file */
};

/* Judges what is due, writes down what is held, deletes the rest, and flushes the edition with all that was drafted
 * before. With `wait` what is due is remembered for the next time, and only the flush is done. A domain stays while one
 * of its recipients is held. On failure nothing is remembered: the same reading again comes to the same result. RC_IO,
 * RC_DAMAGED. */
enum rc deletions_settle(struct deletions *deletions, const struct deletions_view *view, struct why *why);

/* Deletes what is held, but for what a source lists again. RC_NOT_FOUND: nothing is. RC_REFUSED: no recipient would be
 * left. RC_IO, RC_DAMAGED. */
enum rc deletions_approve(struct deletions *deletions, const struct merge_sets *sets, uint64_t *count, struct why *why);

/* The whole contents were published anew. Before: deletions_keep collects the texts of what is held. After:
 * deletions_rekey finds them in the edition again; nothing else is due until the next comparison. */
enum rc deletions_keep(struct deletions *deletions, struct held_file *out, struct why *why);
void deletions_rekey(struct deletions *deletions, const struct held_file *kept);

/* After a first publication out of what the sources and the file hold: what isn't wanted is held; no doubt is left. */
enum rc deletions_adopt(struct deletions *deletions, const struct merge_sets *sets, const struct held_file *names,
                        struct why *why);

#endif
