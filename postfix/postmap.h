/* postmap.h: what maps answer and hold, in Postfix's own words: runs postmap. */
#ifndef POSTFIX_POSTMAP_H
#define POSTFIX_POSTMAP_H

#include "common/buf.h"
#include "common/why.h"

/* postmap is found as by postfix_run_find. Appends KEY TAB VALUE, one a line. RC_IO: it can't be run, or the map can't
 * be read: its own words. */
/* For each of the keys (one a line) that the map (TYPE:NAME) has. */
enum rc postmap_ask(const char *folder, const char *config, const char *map, const struct buf *keys, struct buf *out,
                    struct why *why);
/* All of them. Not every type of map can say that. */
enum rc postmap_list(const char *folder, const char *config, const char *map, struct buf *out, struct why *why);

#endif
