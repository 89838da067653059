/* list.h: `rxfer list [ZONE]`: the records of a zone, sorted. Exit status 0 or 1. */
#ifndef CTL_LIST_H
#define CTL_LIST_H

#include "common/buf.h"
#include "ctl/options.h"

int list_main(const struct options *options);

/* Sorts the lines of a daemon's answer bytewise and appends them, cleaned: as lines, or as a JSON array of objects with
 * type, key and, where there is one, value. */
void list_format(const char *answer, size_t length, bool json, struct buf *out);

#endif
