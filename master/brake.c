/* brake.c: see brake.h. */
#include "master/brake.h"

void brake_split(const struct fpset *held, const struct fpset *due, struct fpset *still, struct fpset *fresh)
{
	fpset_common(held, due, still);
	fpset_minus(due, held, fresh);
}

/* a is more than percent of b. The counts are far from 2^57, so nothing overflows. */
static bool more_than(uint64_t a, uint32_t percent, uint64_t b)
{
	return a * 100 > b * percent;
}

enum brake_verdict brake_judge(const struct brake_case *facts)
{
	if (facts->fresh == 0)
		return BRAKE_LET_GO;
	if (facts->doubt)
		return BRAKE_DOUBT;
	if (facts->fresh_recipients > 0 && facts->fresh_recipients >= facts->recipients)
		return BRAKE_EMPTY;
	if (facts->source_emptied)
		return BRAKE_EMPTIED;
	/* What is held counts too: a list that dwindles in steps is no less suspicious than one that is cut. */
	uint64_t all = facts->held + facts->fresh;
	if (all > facts->min_shrink && more_than(all, facts->max_shrink_percent, facts->published))
		return BRAKE_SHRINK;
	return BRAKE_LET_GO;
}

const char *brake_reason(enum brake_verdict verdict)
{
	switch (verdict) {
	case BRAKE_LET_GO:
		return "they may go";
	case BRAKE_SHRINK:
		return "they are more than max_shrink_percent of the zone and more than min_shrink";
	case BRAKE_EMPTY:
		return "none of the recipients that were published before would be left";
	case BRAKE_EMPTIED:
		return "a source that had records has none any more";
	case BRAKE_DOUBT:
		return "the file that says what was held is lost, so none of them goes without being asked";
	}
	return "?";
}
