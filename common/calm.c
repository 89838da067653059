/* calm.c: see calm.h. A minute begins with its first line, so that the first word about anything is never lost. */
#include "common/calm.h"

#include <inttypes.h>
#include <stdio.h>

#define MINUTE_MS 60000

bool calm_allows(struct calm *calm, uint64_t *kept_back)
{
	if (calm->lines == 0 || mono_since(calm->began) >= MINUTE_MS) {
		calm->began = clock_mono();
		calm->lines = 0;
	}
	if (calm->lines >= CALM_LINES) {
		calm->kept_back++;
		return false;
	}
	calm->lines++;
	*kept_back = calm->kept_back;
	calm->kept_back = 0;
	return true;
}

void calm_text(uint64_t kept_back, char out[CALM_TEXT_MAX])
{
	if (kept_back > 0)
		(void)snprintf(out, CALM_TEXT_MAX, " (and %" PRIu64 " more such lines were left out)", kept_back);
	else
		out[0] = '\0';
}
