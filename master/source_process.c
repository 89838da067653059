/* source_process.c: see source_process.h. */
#include "master/source_process.h"

#include "common/child.h"

void source_process_fill(struct source_process *process, const struct source_spec *spec, const struct source_map *map)
{
	bool command = spec->kind == SOURCE_COMMAND, postfix = spec->kind == SOURCE_POSTFIX;
	process->argv[0] = command ? "/bin/sh" : child_self(process->path);
	process->argv[1] = command ? "-c" : postfix ? "--postfix" : "--read";
	process->argv[2] = command ? spec->text : postfix ? spec->postfix->argument : map->argument;
	process->argv[3] = NULL;
}

void source_process_fill_lines(struct source_process *process, const struct source_spec *spec,
                               const struct source_map *map)
{
	source_process_fill(process, spec, map);
	if (spec->kind == SOURCE_MAP || spec->kind == SOURCE_ALIASES)
		process->argv[1] = "--read-lines";
}
