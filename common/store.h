/* store.h: the records of a zone in a Tokyo Cabinet hash database: the one file that uses the library.
 *
 * The store follows the journal: it is written in transactions that aren't synced (safe against kill -9), synced at
 * checkpoints and at the end. After a power cut it may be behind or damaged; zonedb finds out. Key: the record's
 * fingerprint. Only one process can have it open. */
#ifndef COMMON_STORE_H
#define COMMON_STORE_H

#include "common/soa.h"

struct store;

/* Kept inside the file, written in the same transaction as the records. */
struct store_meta {
	struct epoch epoch;
	uint64_t serial;
	struct digest digest;
	uint64_t count;
};

struct store_entry {
	struct record record;      /* views into the buffer given, or valid during the callback */
	uint64_t since;            /* the serial that added it */
};

/* RC_NOT_FOUND, RC_DAMAGED, RC_UNSUPPORTED, RC_IO, RC_AGAIN (another process has it open). */
enum rc store_open(const char *path, struct store **out, struct why *why);
/* Makes an empty one at path (removing what is there), laid out for about `expected` records. */
enum rc store_create(const char *path, const struct epoch *epoch, uint64_t expected, struct store **out,
                     struct why *why);
/* Syncs, and marks it clean when nothing failed. Nulls the handle. */
enum rc store_close(struct store **store, struct why *why);
/* Closes without the clean mark: for a store that is to be thrown away. */
void store_discard(struct store **store);

const struct store_meta *store_meta(const struct store *store);
bool store_was_clean(const struct store *store);       /* closed properly the last time */
uint64_t store_bytes(const struct store *store);       /* size of the file */

/* `scratch` is emptied and holds what entry points to. RC_NOT_FOUND, RC_DAMAGED, RC_IO. entry may be NULL. */
enum rc store_get(struct store *store, const struct fingerprint *print, struct buf *scratch, struct store_entry *entry,
                  struct why *why);

/* Put: RC_INVALID when the record is there already. Remove: RC_NOT_FOUND when it isn't.
 * Puts and removes between begin and commit are all there or none after a kill. On any failure call store_abort.
 * Without store_begin (a new store being filled) they are plain writes. */
enum rc store_begin(struct store *store, struct why *why);
enum rc store_put(struct store *store, const struct fingerprint *print, const struct store_entry *entry,
                  struct why *why);
enum rc store_remove(struct store *store, const struct fingerprint *print, struct why *why);
enum rc store_commit(struct store *store, const struct store_meta *meta, struct why *why);
void store_abort(struct store *store);

/* Everything written so far survives a power cut after this. */
enum rc store_sync(struct store *store, struct why *why);

/* Calls back for each record in no particular order until false is returned. RC_DAMAGED when an entry can't be
 * read. The store must not change meanwhile. */
typedef bool store_visit(void *context, const struct fingerprint *print, const struct store_entry *entry);
enum rc store_walk(struct store *store, store_visit *visit, void *context, struct why *why);

#endif
