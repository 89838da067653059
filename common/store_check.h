/* store_check.h: looks a store's file over before and after Tokyo Cabinet opens it, so that a damaged one can't
 * hang or end the process. Only store.c uses it. */
#ifndef COMMON_STORE_CHECK_H
#define COMMON_STORE_CHECK_H

#include "common/why.h"

#include <stdbool.h>
#include <stdint.h>

/* The shape in which store.c makes its files; another isn't ours. */
#define STORE_ALIGN_POWER 4
#define STORE_POOL_POWER 10

/* Before the library opens path: the header is sane; a write-ahead log that a crash left is whole (a torn end is cut
 * off), or is removed where it isn't to be used. `clean`: the file was closed properly, no log can belong to it.
 * RC_NOT_FOUND, RC_DAMAGED, RC_IO, RC_AGAIN (another process has it locked). */
enum rc store_check_before(const char *path, bool clean, struct why *why);

struct store_shape {
	int fd;
	uint64_t buckets;         /* number of them, 8 bytes each */
	uint64_t first;           /* offset of the first record */
	uint64_t size;            /* offset behind the last one */
	uint64_t records;
};

/* After it was opened: records follow one another without gap up to the end, each
 * has a plausible size, and each is pointed at exactly once, by a bucket or by another record. Then no walk and no
 * look-up can run in circles or ask for absurd amounts of memory. RC_DAMAGED, RC_IO. */
enum rc store_check_shape(const char *path, const struct store_shape *shape, struct why *why);

#endif
