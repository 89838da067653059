/* transfer_store.c: first the hash over the whole file, then the records: u64 count, then that many encodings
 * (record.h), and nothing behind them.
 *
 * The file is read, not mapped, so that a disk that fails is an error and not a signal. Each step reads or stores so
 * much that it takes some milliseconds, then gives the loop its turn. */
#include "replica/transfer_store.h"

#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_BYTES (256u * 1024u)
#define WINDOW_LOW 4096u            /* less than this left: read on; the longest record fits */
#define HASH_WINDOWS_PER_STEP 16
#define RECORDS_PER_STEP 4000

struct transfer_store {
	struct transfer_store_spec spec;
	struct identity_hasher *hasher;        /* NULL: hashing is done */
	struct zonedb_builder *builder;
	uint64_t read;                         /* bytes taken from the file */
	uint64_t stored;                       /* records */
	uint8_t *window;
	size_t at, held;                       /* of the window */
	struct timer timer;
};

static void step(void *context);

struct transfer_store *transfer_store_new(const struct transfer_store_spec *spec)
{
	struct transfer_store *store = mem_zalloc(sizeof(*store));
	store->spec = *spec;
	store->hasher = identity_hasher_new();
	store->window = mem_alloc(WINDOW_BYTES);
	loop_timer_after(spec->loop, &store->timer, 0, step, store);
	return store;
}

void transfer_store_free(struct transfer_store **store)
{
	if (!*store)
		return;
	loop_timer_clear((*store)->spec.loop, &(*store)->timer);
	if ((*store)->hasher) {
		uint8_t hash[IDENTITY_HASH_BYTES];
		identity_hasher_finish(&(*store)->hasher, hash);
	}
	zonedb_build_abandon(&(*store)->builder);
	free((*store)->window);
	free(*store);
	*store = NULL;
}

/* Moves what is left of the window to its front and fills it up from the file. */
static enum rc refill(struct transfer_store *store, struct why *why)
{
	store->held -= store->at;
	memmove(store->window, store->window + store->at, store->held);
	store->at = 0;
	while (store->held < WINDOW_BYTES && store->read < store->spec.total) {
		uint64_t left = store->spec.total - store->read;
		size_t room = WINDOW_BYTES - store->held;
		ssize_t got = pread(store->spec.fd, store->window + store->held, left < room ? (size_t)left : room,
		                    (off_t)store->read);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_fail(why, "can't read", store->spec.path);
		if (got == 0)
			return why_set(why, RC_IO, "%s has become shorter", store->spec.path);
		store->held += (size_t)got;
		store->read += (uint64_t)got;
	}
	return RC_OK;
}

/* ---- hashing ---- */

static enum rc finish_hash(struct transfer_store *store, struct why *why)
{
	uint8_t hash[IDENTITY_HASH_BYTES];
	identity_hasher_finish(&store->hasher, hash);
	if (memcmp(hash, store->spec.soa->content_hash, sizeof(hash)) != 0)
		return why_set(why, RC_INVALID, "the snapshot that came isn't the one that was signed");
	store->read = 0;
	store->at = store->held = 0;
	return zonedb_build(store->spec.db, &store->spec.soa->epoch, store->spec.soa->count, &store->builder, why);
}

static enum rc hash_step(struct transfer_store *store, struct why *why)
{
	for (int i = 0; i < HASH_WINDOWS_PER_STEP; i++) {
		store->at = store->held;
		enum rc rc = refill(store, why);
		if (rc != RC_OK)
			return rc;
		if (store->held == 0)
			return finish_hash(store, why);
		identity_hasher_add(store->hasher, store->window, store->held);
	}
	return RC_OK;
}

/* ---- storing ---- */

static enum rc read_count(struct transfer_store *store, struct why *why)
{
	enum rc rc = refill(store, why);
	if (rc != RC_OK)
		return rc;
	struct cursor in = cursor_over(store->window, store->held);
	uint64_t count = cursor_u64(&in);
	if (in.failed || count != store->spec.soa->count)
		return why_set(why, RC_INVALID, "the snapshot says %" PRIu64 " records, its announcement %" PRIu64, count,
		               store->spec.soa->count);
	store->at = 8;
	store->spec.record(store->spec.context, NULL);
	return RC_OK;
}

static enum rc store_one(struct transfer_store *store, struct why *why)
{
	if (store->held - store->at < WINDOW_LOW && store->read < store->spec.total) {
		enum rc rc = refill(store, why);
		if (rc != RC_OK)
			return rc;
	}
	struct cursor in = cursor_over(store->window + store->at, store->held - store->at);
	struct record record;
	enum rc rc = record_decode(&in, &record, why);
	if (rc == RC_OK)
		rc = zonedb_build_add(store->builder, &record, store->spec.soa->serial, why);
	if (rc != RC_OK)
		return why_prepend(why, rc, "the snapshot's record %" PRIu64, store->stored + 1);
	store->spec.record(store->spec.context, &record);
	store->at = store->held - cursor_left(&in);
	store->stored++;
	return RC_OK;
}

static enum rc finish_store(struct transfer_store *store, struct why *why)
{
	if (store->at != store->held || store->read != store->spec.total)
		return why_set(why, RC_INVALID, "something follows the snapshot's last record");
	enum rc rc = store->spec.agree(store->spec.context, store->spec.soa, why);
	if (rc != RC_OK)
		return rc;
	return zonedb_build_finish(&store->builder, store->spec.soa, clock_wall(), why);
}

static enum rc store_step(struct transfer_store *store, bool *done, struct why *why)
{
	enum rc rc = RC_OK;
	if (store->read == 0)
		rc = read_count(store, why);
	for (int i = 0; rc == RC_OK && i < RECORDS_PER_STEP && store->stored < store->spec.soa->count; i++)
		rc = store_one(store, why);
	if (rc == RC_OK && store->stored == store->spec.soa->count) {
		*done = true;
		rc = finish_store(store, why);
	}
	return rc;
}

static void step(void *context)
{
	struct transfer_store *store = context;
	struct why why = {""};
	bool done = false;
	enum rc rc = store->hasher ? hash_step(store, &why) : store_step(store, &done, &why);
	if (rc == RC_OK && !done) {
		loop_timer_after(store->spec.loop, &store->timer, 0, step, store);
		return;
	}
	zonedb_build_abandon(&store->builder);
	store->spec.end(store->spec.context, rc, &why);
}
