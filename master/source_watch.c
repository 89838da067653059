/* source_watch.c: see source_watch.h. */
#include "master/source_watch.h"

#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct opening {
	struct source_watch *watching;
	struct watch *watch;
	watch_call *call;
	void *context;
};

static void add(void *context, const char *path)
{
	const struct opening *opening = context;
	struct source_watch *watching = opening->watching;
	watching->entries = mem_realloc(watching->entries, watching->count + 1, sizeof *watching->entries);
	watching->entries[watching->count++] = watch_path(opening->watch, path, opening->call, opening->context);
}

void source_watch_open(struct source_watch *watching, struct loop *loop, const struct source_spec *spec,
                       const struct source_map *map, watch_call *call, void *context)
{
	struct why why;
	struct watch *watch = spec->watch;
	if (spec->kind != SOURCE_POSTFIX && !map->file && map->member_count == 0)
		return;
	if (!watch && watch_new(loop, &watching->own, &why) == RC_OK)
		watch = watching->own;
	if (!watch) {
		(void)snprintf(watching->blind, sizeof watching->blind, "changes are seen by the poll alone: %.600s", why.text);
		return;
	}
	struct opening opening = {watching, watch, call, context};
	if (spec->kind == SOURCE_POSTFIX)
		source_postfix_files(spec->postfix, add, &opening);
	if (map->file)
		add(&opening, map->file);
	for (size_t i = 0; i < map->member_count; i++)
		add(&opening, map->members[i]);
}

/* Changes are seen late then, and somebody will want to know why. */
void source_watch_look(struct source_watch *watching, const struct source_spec *spec)
{
	int code = 0;
	for (size_t i = 0; i < watching->count && code == 0; i++)
		code = watch_trouble(watching->entries[i]);
	if (watching->count > 0)
		watching->blind[0] = '\0';
	if (code != 0)
		(void)snprintf(watching->blind, sizeof watching->blind, "changes are seen by the poll alone: a folder on the way to "
		               "%.600s can't be watched: %s%s", spec->text, strerror(code),
		               code == ENOSPC ? "; raise fs.inotify.max_user_watches" : "");
}

void source_watch_close(struct source_watch *watching)
{
	for (size_t i = 0; i < watching->count; i++)
		watch_remove(&watching->entries[i]);
	free(watching->entries);
	watch_free(&watching->own);
	*watching = (struct source_watch){0};
}
