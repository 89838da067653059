/* zonedb.c: a zone's changes and look-ups. Recovery is in zonedb_open.c, whole transfers in zonedb_build.c.
 *
 * A changeset is proved before it is journaled: what it adds isn't there, what it deletes is, nothing occurs twice,
 * and digest and count come out as announced. After the journal has it, it exists, whatever happens to the store:
 * if that fails, the zone is "behind", and the next use first opens the store anew and replays. */
#include "common/zonedb_private.h"

#include "common/fpset.h"
#include "common/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYNC_BYTES ((uint64_t)8 << 20)
#define SYNC_OPERATIONS 10000
#define JOURNAL_KEEP_MIN ((uint64_t)1 << 20)

void zonedb_close(struct zonedb **handle)
{
	struct zonedb *db = *handle;
	if (db == NULL)
		return;
	assert(!db->building && !db->walking);
	/* A failure here means no clean mark: the next open finds out by itself what the store holds. */
	if (db->store != NULL && !db->behind)
		(void)store_close(&db->store, NULL);
	zonedb_unload(db);
	if (db->lock_fd >= 0)
		close(db->lock_fd);
	free(db->zone);
	free(db->journal_path);
	free(db->store_path);
	free(db->soa_path);
	free(db);
	*handle = NULL;
}

bool zonedb_present(const struct zonedb *db)
{
	return db->present;
}

const char *zonedb_trouble(const struct zonedb *db)
{
	return db->trouble;
}

const struct store_meta *zonedb_meta(const struct zonedb *db)
{
	assert(db->present);
	return &db->meta;
}

/* Before each use of the store. RC_NOT_FOUND: there are no records. */
static enum rc ready(struct zonedb *db, struct why *why)
{
	if (!db->present)
		return why_set(why, RC_NOT_FOUND, "zone \"%s\": no complete set of records is held", db->zone);
	if (!db->behind)
		return RC_OK;
	if (db->walking)
		return why_set(why, RC_IO, "zone \"%s\": its records can't be read any more", db->zone);
	struct why local;
	if (why == NULL)
		why = &local;
	store_discard(&db->store);
	enum rc rc = zonedb_open_store(db, why);
	if (rc == RC_OK) {
		const struct store_meta *meta = store_meta(db->store);
		if (!epoch_equal(&meta->epoch, journal_epoch(db->journal)) || meta->serial < journal_first(db->journal) ||
		    meta->serial > journal_last(db->journal))
			rc = why_set(why, RC_DAMAGED, "%s: doesn't fit the journal", db->store_path);
		else
			rc = zonedb_replay(db, why);
	}
	if (rc == RC_OK) {
		db->behind = false;
		return RC_OK;
	}
	store_discard(&db->store);
	if (rc == RC_DAMAGED || rc == RC_NOT_FOUND) {
		db->present = false;
		db->behind = false;
		zonedb_note_trouble(db, why->text);
		return RC_DAMAGED;
	}
	return rc;
}

/* After each use: RC_IO and RC_DAMAGED from the store make it be opened anew, and checked, before the next. */
static enum rc judge(struct zonedb *db, enum rc rc)
{
	if (rc == RC_DAMAGED)
		zonedb_forget_mark(db);
	if (rc == RC_IO || rc == RC_DAMAGED)
		db->behind = true;
	return rc;
}

struct fingerprint *zonedb_prints(const struct changeset *changeset)
{
	struct fingerprint *prints = mem_realloc(NULL, (size_t)changeset->count + 1, sizeof(*prints));
	for (uint32_t i = 0; i < changeset->count; i++)
		prints[i] = record_fingerprint(changeset->soa.epoch.id, &changeset->operations[i].record);
	return prints;
}

struct store_meta zonedb_after(const struct store_meta *meta, const struct changeset *changeset,
                               const struct fingerprint *prints)
{
	struct store_meta after = *meta;
	after.serial = changeset->soa.serial;
	for (uint32_t i = 0; i < changeset->count; i++) {
		if (changeset->operations[i].change == CHANGE_ADD) {
			digest_add(&after.digest, &prints[i]);
			after.count++;
		} else {
			digest_subtract(&after.digest, &prints[i]);
			after.count--;
		}
	}
	return after;
}

static enum rc check_result(const struct store_meta *after, const struct soa *soa, struct why *why)
{
	if (!digest_equal(&after->digest, &soa->digest) || after->count != soa->count)
		return why_set(why, RC_INVALID, "serial %" PRIu64 " doesn't come out as announced: %" PRIu64 " records, not %"
		               PRIu64 ", or others", soa->serial, after->count, soa->count);
	return RC_OK;
}

enum rc zonedb_apply(struct zonedb *db, const struct changeset *changeset, const struct fingerprint *prints,
                     struct why *why)
{
	struct store_meta after = zonedb_after(store_meta(db->store), changeset, prints);
	enum rc rc = check_result(&after, &changeset->soa, why);
	if (rc != RC_OK)
		return RC_DAMAGED;
	rc = store_begin(db->store, why);
	if (rc != RC_OK)
		return rc;
	for (uint32_t i = 0; i < changeset->count && rc == RC_OK; i++) {
		const struct operation *operation = &changeset->operations[i];
		struct store_entry entry = {.record = operation->record, .since = changeset->soa.serial};
		rc = operation->change == CHANGE_ADD ? store_put(db->store, &prints[i], &entry, why)
		                                     : store_remove(db->store, &prints[i], why);
	}
	if (rc == RC_OK)
		rc = store_commit(db->store, &after, why);
	if (rc != RC_OK)
		store_abort(db->store);
	return rc == RC_INVALID || rc == RC_NOT_FOUND ? RC_DAMAGED : rc;
}

static enum rc check_leads_on(const struct zonedb *db, const struct soa *soa, struct why *why)
{
	if (soa->kind != SOA_CHANGESET || strcmp(soa->zone, db->zone) != 0)
		return why_set(why, RC_INVALID, "not a changeset of zone \"%s\"", db->zone);
	if (!epoch_equal(&soa->epoch, &db->meta.epoch))
		return why_set(why, RC_INVALID, "a changeset of another epoch");
	if (soa->from != db->meta.serial || soa->serial <= soa->from)
		return why_set(why, RC_INVALID, "a changeset leads on from serial %" PRIu64 ", but we are at %" PRIu64, soa->from,
		               db->meta.serial);
	return RC_OK;
}

static enum rc check_unique(const struct changeset *changeset, const struct fingerprint *prints, struct why *why)
{
	struct fpset set = {0};
	for (uint32_t i = 0; i < changeset->count; i++)
		fpset_append(&set, prints[i]);
	fpset_seal(&set);
	bool unique = set.count == changeset->count;
	fpset_free(&set);
	return unique ? RC_OK : why_set(why, RC_INVALID, "a changeset speaks of one record twice");
}

static enum rc prove(struct zonedb *db, const struct changeset *changeset, const struct fingerprint *prints,
                     struct why *why)
{
	enum rc rc = check_leads_on(db, &changeset->soa, why);
	if (rc == RC_OK)
		rc = check_unique(changeset, prints, why);
	for (uint32_t i = 0; i < changeset->count && rc == RC_OK; i++) {
		const struct operation *operation = &changeset->operations[i];
		enum rc found = store_get(db->store, &prints[i], NULL, NULL, why);
		if (found != RC_OK && found != RC_NOT_FOUND)
			return judge(db, found);
		if (found == (operation->change == CHANGE_ADD ? RC_OK : RC_NOT_FOUND))
			rc = why_set(why, RC_INVALID, "a changeset %s \"%.*s\", which is%s there",
			             operation->change == CHANGE_ADD ? "adds" : "deletes", operation->record.key_length,
			             operation->record.key, found == RC_OK ? " already" : "n't");
	}
	if (rc != RC_OK)
		return rc;
	struct store_meta after = zonedb_after(&db->meta, changeset, prints);
	return check_result(&after, &changeset->soa, why);
}

enum rc zonedb_commit(struct zonedb *db, const struct changeset *changeset, const void *data, size_t length,
                      struct wall received, struct why *why)
{
	enum rc rc = ready(db, why);
	if (rc != RC_OK)
		return rc;
	struct fingerprint *prints = zonedb_prints(changeset);
	rc = prove(db, changeset, prints, why);
	if (rc == RC_OK)
		rc = journal_append(db->journal, changeset->soa.from, changeset->soa.serial, data, length, why);
	if (rc == RC_OK) {
		db->meta = zonedb_after(&db->meta, changeset, prints);
		db->pending_bytes += length;
		db->pending_operations += changeset->count;
		zonedb_take_soa(db, &changeset->soa, received);
		zonedb_params_change(db, changeset);
		if (zonedb_apply(db, changeset, prints, NULL) != RC_OK)
			db->behind = true;
	}
	free(prints);
	return rc;
}

enum rc zonedb_get(struct zonedb *db, const struct fingerprint *print, struct buf *scratch, struct store_entry *entry,
                   struct why *why)
{
	enum rc rc = ready(db, why);
	return rc == RC_OK ? judge(db, store_get(db->store, print, scratch, entry, why)) : rc;
}

/* Parameters are gathered on the way (zonedb_params.c). */
struct walk {
	store_visit *visit;
	void *context;
	struct buf params;
	bool stopped;
};

static bool visit_one(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	struct walk *walk = context;
	zonedb_params_put(&walk->params, &entry->record);
	walk->stopped = !walk->visit(walk->context, print, entry);
	return !walk->stopped;
}

enum rc zonedb_walk(struct zonedb *db, store_visit *visit, void *context, struct why *why)
{
	enum rc rc = ready(db, why);
	if (rc != RC_OK)
		return rc;
	assert(!db->walking);
	struct walk walk = {.visit = visit, .context = context};
	db->walking = true;
	rc = store_walk(db->store, visit_one, &walk, why);
	db->walking = false;
	if (rc == RC_OK && !walk.stopped) {
		zonedb_params_forget(db);
		db->params = walk.params;
		db->params_known = true;
	} else {
		buf_free(&walk.params);
	}
	return judge(db, rc);
}

enum rc zonedb_changes_from(struct zonedb *db, const struct epoch *epoch, uint64_t from, struct buf *out, uint64_t *to,
                            struct why *why)
{
	if (!db->present || !epoch_equal(epoch, &db->meta.epoch))
		return why_set(why, RC_NOT_FOUND, "zone \"%s\": no changes of that epoch are held", db->zone);
	return journal_read(db->journal, from, out, to, why);
}

uint64_t zonedb_oldest(const struct zonedb *db)
{
	assert(db->present);
	return journal_first(db->journal);
}

/* Trimming begins when the journal is half as large again as what is kept, so that it isn't copied for each entry. */
enum rc zonedb_checkpoint(struct zonedb *db, struct why *why)
{
	if (!db->present)
		return RC_OK;
	enum rc rc = ready(db, why);
	if (rc != RC_OK)
		return rc;
	uint64_t keep = store_bytes(db->store) / 3;
	if (keep < JOURNAL_KEEP_MIN)
		keep = JOURNAL_KEEP_MIN;
	bool large = journal_bytes(db->journal) > keep + keep / 2;
	if (db->pending_bytes > SYNC_BYTES || db->pending_operations > SYNC_OPERATIONS ||
	    (large && db->synced_serial < db->meta.serial)) {
		rc = judge(db, store_sync(db->store, why));
		if (rc != RC_OK)
			return rc;
		db->synced_serial = db->meta.serial;
		db->pending_bytes = 0;
		db->pending_operations = 0;
	}
	return large ? journal_trim(db->journal, keep, db->synced_serial, why) : RC_OK;
}
