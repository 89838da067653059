/* postfix_world.h: what the discovery needs to know of the world outside: files, the keys of maps, what maps answer. The
 * program has the real one (postfix_find.c), tests have one of their own. */
#ifndef MASTER_POSTFIX_WORLD_H
#define MASTER_POSTFIX_WORLD_H

#include "common/buf.h"
#include "common/why.h"
#include "postfix/postfix_lines.h"

/* What the administrator said of a map that can't be listed. */
enum postfix_treat { POSTFIX_ASK, POSTFIX_LIST, POSTFIX_CATCH_ALL, POSTFIX_IGNORE };

struct postfix_world {
	/* Appends the keys of a map, TYPE:NAME, one a line. Any failure means that it isn't known completely. */
	enum rc (*keys)(void *context, const char *map, struct buf *out, struct why *why);
	/* The output of a command that lists keys, in the same form. */
	enum rc (*command)(void *context, const char *command, struct buf *out, struct why *why);
	/* What Postfix answers for each of those keys: KEY, a tab, the value; keys without one are left out. */
	enum rc (*values)(void *context, const char *map, const struct buf *keys, struct buf *out, struct why *why);
	/* A whole file. */
	enum rc (*file)(void *context, const char *path, struct buf *out, struct why *why);
	/* *command for POSTFIX_LIST: what lists it. */
	enum postfix_treat (*treat)(void *context, const char *map, const char **command);
	void *context;
};

#endif
