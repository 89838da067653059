/* table_type.h: what a kind of table file can do: the small interface behind which each has its own file. */
#ifndef REPLICA_TABLE_TYPE_H
#define REPLICA_TABLE_TYPE_H

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file being written. Opaque; each type has its own. */
struct table_writer;

struct table_type {
	const char *name;           /* as in main.cf */
	const char *extension;      /* ".db": what Postfix appends to the path */

	/* Makes a new file at path, where there is none, laid out for about `expected` keys. RC_IO. */
	enum rc (*create)(const char *path, uint64_t expected, struct table_writer **out, struct why *why);
	/* *added: false when the key was there already. After an error only abandon may follow. RC_IO, RC_LIMIT. */
	enum rc (*put)(struct table_writer *writer, const char *key, size_t length, bool *added, struct why *why);
	/* Closes it, complete; not synced. Nulls the handle in any case. RC_IO. */
	enum rc (*finish)(struct table_writer **writer, struct why *why);
	/* Closes it for being removed. Nulls the handle. */
	void (*abandon)(struct table_writer **writer);

	/* Calls back with each key of a file that create and put made, until false is returned. RC_DAMAGED, RC_IO. */
	enum rc (*walk)(const char *path, bool (*visit)(void *context, const char *key, size_t length), void *context,
	                struct why *why);
};

extern const struct table_type table_hash;

/* NULL: this build has none of that name. */
const struct table_type *table_type_find(const char *name);
const char *table_type_list(void);       /* "hash": for messages */

#endif
