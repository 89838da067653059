/* source_failure.h: why a reading failed, in one sentence that names the place and the mend. Pure, but for a look at the
 * file. */
#ifndef MASTER_SOURCE_FAILURE_H
#define MASTER_SOURCE_FAILURE_H

#include "common/child.h"
#include "master/source.h"
#include "master/source_map.h"

struct source_failure {
	const struct source_spec *spec;
	const struct source_map *map;        /* of a map */
	const char *spoilt;                  /* why its output was refused, or "" */
	enum child_end end;
	int code;
	const char *complaint;
};

void source_failure_explain(const struct source_failure *failure, struct why *why);

#endif
