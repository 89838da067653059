/* read_pipe.c: keys of pipemap:{...}: those of its first map for which the whole has an answer, in Postfix's own words.
 *
 * Asked for as CONFIG TAB COMMANDS TAB pipemap:{...}: the folder of main.cf, and that of Postfix's commands or nothing. */
#include "master/read.h"

#include "common/mem.h"
#include "postfix/postfix_run.h"
#include "postfix/postfix_lines.h"
#include "postfix/postfix_words.h"
#include "postfix/postmap.h"

#include <stdlib.h>
#include <string.h>

struct first {
	struct buf *out;
	enum rc rc;
	struct why *why;
};

static bool list_first(void *context, const struct postfix_map *map)
{
	struct first *first = context;
	if (postfix_map_is(map, "pipemap"))
		return postfix_map_first(map, "/", list_first, context);
	const char *const argv[] = {"/proc/self/exe", "--read", map->text, NULL};
	first->rc = postfix_run(argv, NULL, first->out, first->why);
	return first->rc == RC_OK;
}

static enum rc list_candidates(const char *pipe, struct buf *out, struct why *why)
{
	const struct postfix_map map = {.text = (char *)(uintptr_t)pipe, .name = strchr(pipe, ':') + 1};
	struct first first = {out, RC_OK, why};
	bool any = postfix_map_first(&map, "/", list_first, &first);
	if (first.rc == RC_OK && !any)
		return why_set(why, RC_INVALID, "%s has no map that could be listed", pipe);
	return first.rc;
}

enum rc read_pipe(const char *name, const struct read_sink *sink, struct why *why)
{
	struct buf keys = {0}, answers = {0};
	char *words = mem_strdup(name);
	char *commands = strchr(words, '\t');
	char *map = commands ? strchr(commands + 1, '\t') : NULL;
	enum rc rc = RC_OK;
	if (!map || strncmp(map + 1, "pipemap:", 8) != 0) {
		rc = why_set(why, RC_INVALID, "\"%s\" is no pipemap", name);
		goto out;
	}
	*commands++ = '\0';
	*map++ = '\0';
	rc = list_candidates(map, &keys, why);
	if (rc == RC_OK && keys.length > 0)
		rc = postmap_ask(commands[0] ? commands : NULL, words, map, &keys, &answers, why);
	struct postfix_lines lines = postfix_lines_of(&answers);
	const char *line;
	size_t length;
	while (rc == RC_OK && postfix_lines_next(&lines, &line, &length)) {
		const char *tab = memchr(line, '\t', length);
		sink->key(sink->context, line, tab ? (size_t)(tab - line) : length, 0);
	}
out:
	buf_free(&keys);
	buf_free(&answers);
	free(words);
	return rc;
}
