/* source_process.c: see source_process.h. */
#include "master/source_process.h"

#include <string.h>
#include <unistd.h>

/* This very program. Its own path while that is still ours: under valgrind /proc/self/exe is valgrind. When the file
 * was replaced by an upgrade, the link leads to the old one, which speaks our language. */
static const char *self(char path[PATH_MAX])
{
	static const char gone[] = " (deleted)";
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
	size_t tail = sizeof(gone) - 1;
	if (length <= 0 || ((size_t)length > tail && memcmp(path + length - tail, gone, tail) == 0))
		return "/proc/self/exe";
	path[length] = '\0';
	return path;
}

void source_process_fill(struct source_process *process, const struct source_spec *spec, const struct source_map *map)
{
	bool command = spec->kind == SOURCE_COMMAND, postfix = spec->kind == SOURCE_POSTFIX;
	process->argv[0] = command ? "/bin/sh" : self(process->path);
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
