/* folder.h: a folder of a test's own below $TMPDIR, with names in it, removed at the end. */
#ifndef TESTS_UNIT_FOLDER_H
#define TESTS_UNIT_FOLDER_H

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>

static char folder[256];

/* The path of NAME in the folder; good for the next eight calls. */
static inline char *in_folder(const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *path = paths[next++ % 8];
	(void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

/* 0, or -1 as cmocka's set-up functions have it. */
static inline int folder_make(const char *name)
{
	const char *tmp = getenv("TMPDIR");
	(void)snprintf(folder, sizeof(folder), "%s/rxfer-%s-XXXXXX", tmp ? tmp : "/tmp", name);
	return mkdtemp(folder) ? 0 : -1;
}

static inline int folder_remove(void)
{
	char *command = mem_sprintf("rm -rf '%s'", folder);
	int status = system(command);
	free(command);
	return status;
}

#endif
