/* source_process.h: the process that lists a source: its command line. */
#ifndef MASTER_SOURCE_PROCESS_H
#define MASTER_SOURCE_PROCESS_H

#include "master/source.h"
#include "master/source_map.h"

#include <limits.h>

/* Plain data, which points into itself and into what it was filled from. */
struct source_process {
	char path[PATH_MAX];
	const char *argv[4];
};
void source_process_fill(struct source_process *process, const struct source_spec *spec, const struct source_map *map);
/* The same with line numbers (--read-lines); a command's output has none. */
void source_process_fill_lines(struct source_process *process, const struct source_spec *spec,
                               const struct source_map *map);

#endif
