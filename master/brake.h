/* brake.h: which deletions go at once, and which wait for a human. Pure.
 *
 * A source that lost half of its lines, an index that a killed postmap left empty, a command that printed its first
 * page only: each looks like a large deletion. A wrong deletion refuses valid mail, a late one lets some spam in; so
 * what is suspicious is held until `rxfer approve`, or until the source has the records again. */
#ifndef MASTER_BRAKE_H
#define MASTER_BRAKE_H

#include "common/fpset.h"

/* Held ones stay held while they are due; the rest of what is due is fresh and to be judged. All sealed. */
void brake_split(const struct fpset *held, const struct fpset *due, struct fpset *still, struct fpset *fresh);

/* Counts are of RCPT and DOMAIN records: a Postfix parameter that changes is no shrinking. */
struct brake_case {
	uint64_t published;              /* before any of this */
	uint64_t recipients;             /* of those, the RCPT records */
	uint64_t held;                   /* held already */
	uint64_t fresh;
	uint64_t fresh_recipients;
	bool source_emptied;             /* one whole source that had records has none now */
	bool doubt;                      /* what was held before isn't known (the file was lost) */
	uint32_t max_shrink_percent;
	uint64_t min_shrink;
};

enum brake_verdict {
	BRAKE_LET_GO,
	BRAKE_SHRINK,          /* held and fresh ones together are more than max_shrink_percent and more than min_shrink */
	BRAKE_EMPTY,           /* no recipient would be left */
	BRAKE_EMPTIED,         /* source_emptied */
	BRAKE_DOUBT
};

/* Nothing fresh is BRAKE_LET_GO. Any other verdict holds all that is fresh. */
enum brake_verdict brake_judge(const struct brake_case *facts);
const char *brake_reason(enum brake_verdict verdict);       /* half a sentence: "they are more than ..." */

#endif
