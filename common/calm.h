/* calm.h: a bound on the lines in the log about what somebody else can make happen as often as he likes. */
#ifndef COMMON_CALM_H
#define COMMON_CALM_H

#include "common/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define CALM_LINES 10u      /* in a minute */

/* Plain data; zeroed at the beginning. */
struct calm {
	struct mono began;         /* the minute that counts */
	unsigned lines;            /* in it */
	uint64_t kept_back;        /* asked for since the last line, and not allowed */
};

/* May a line be logged now? When it may, *kept_back says how many may not since the last one. */
bool calm_allows(struct calm *calm, uint64_t *kept_back);

/* The end of such a line: "", or " (and N more such lines were left out)". */
#define CALM_TEXT_MAX 64
void calm_text(uint64_t kept_back, char out[CALM_TEXT_MAX]);

#endif
