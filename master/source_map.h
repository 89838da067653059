/* source_map.h: a map as it's named in a configuration, and the file that this means. */
#ifndef MASTER_SOURCE_MAP_H
#define MASTER_SOURCE_MAP_H

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>

struct source_map {
	char *name;          /* TYPE:PATH, as Postfix's tools take it; a text: its path */
	char *argument;      /* for --read */
	char *file;          /* what is read and watched; NULL: it's no file, and read at each poll */
	bool text;           /* not an index: no lock */
	bool index;
	char **members;      /* of one that's no file: files whose changes concern it; NULL: none */
	size_t member_count;
};

/* "hash:/etc/postfix/virtual", "proxy:..." in front of it or not; a bare path is text, in the format of aliases when
 * `aliases` says so. RC_INVALID: a type that can't be listed or isn't built in, or a path that isn't absolute. */
enum rc source_map_parse(const char *text, bool aliases, bool smtputf8, struct source_map *out, struct why *why);
/* The same for a map of a Postfix's plan, which may be no file, too: inline, accounts, pipes as read_pipe.c wants them or as
 * main.cf has them. */
enum rc source_map_planned(const char *text, bool aliases, bool smtputf8, struct source_map *out, struct why *why);
void source_map_free(struct source_map *map);

#endif
