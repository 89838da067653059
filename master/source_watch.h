/* source_watch.h: the files whose changes concern a source, and whether they can be watched. */
#ifndef MASTER_SOURCE_WATCH_H
#define MASTER_SOURCE_WATCH_H

#include "master/source.h"
#include "master/source_map.h"

/* Plain data; zeroed watches nothing. */
struct source_watch {
	struct watch *own;                   /* when the spec has none; or NULL */
	struct watch_entry **entries;
	size_t count;
	char blind[WHY_MAX];                 /* why we can't watch, or "" */
};

/* A map's file, what a pipemap looks into, or all that a Postfix's plan is made of; of a command nothing. */
void source_watch_open(struct source_watch *watching, struct loop *loop, const struct source_spec *spec,
                       const struct source_map *map, watch_call *call, void *context);
/* Sets `blind` by how things stand now. */
void source_watch_look(struct source_watch *watching, const struct source_spec *spec);
void source_watch_close(struct source_watch *watching);

#endif
