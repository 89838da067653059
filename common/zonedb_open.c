/* zonedb_open.c: what a zone's folder holds after a restart, and whether it can be trusted.
 *
 * The journal is synced before the store is written, so after kill -9 or a power cut the store (epoch E, serial s)
 * is at or behind the journal's end. A whole transfer puts the new store in place first and the journal after it,
 * so a crash between the two leaves a journal that is older than the store. From this follow the rules:
 *
 *   journal                                 records
 *   of E, first <= s <= last                brought up to last by replay, each step's digest checked
 *   of E, s > last; or of an epoch          the journal is what a crash in a whole transfer left behind: a new, empty
 *     that began earlier; or none           one begins at s
 *   of E, s < first; or of a later epoch    not present: changes are missing
 *   of E, and a plain announcement of E     not present: the journal has lost its end, and not by a crash, for such an
 *     beyond last is known                    announcement is remembered only of what the journal has (one of a snapshot
 *                                             just before the snapshot takes its place)
 *   damaged                                 present if the store was closed properly, for then it was at the end;
 *                                           not present otherwise: it may be behind, and a master that went on
 *                                           from there would give a serial out twice
 *
 * In the second and last case, if an announcement is known that is newer than (E, s), the lost journal held more than
 * the store: not present. The digest of a store that wasn't closed properly is computed anew, from the records
 * themselves, each of which must also be found by its key. */
#include "common/zonedb_private.h"

#include "common/clock.h"
#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

void zonedb_note_trouble(struct zonedb *db, const char *text)
{
	size_t length = strlen(db->trouble);
	(void)snprintf(db->trouble + length, sizeof(db->trouble) - length, "%s%s", length > 0 ? "; " : "", text);
}

struct count {
	struct store *store;
	const struct store_meta *meta;
	struct digest digest;
	uint64_t count;
	enum rc rc;
	struct why *why;
};

static bool count_one(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	struct count *count = context;
	struct fingerprint real = record_fingerprint(count->meta->epoch.id, &entry->record);
	if (fingerprint_compare(&real, print) != 0)
		count->rc = why_set(count->why, RC_DAMAGED, "a record isn't the one that was put there");
	else if (store_get(count->store, print, NULL, NULL, NULL) != RC_OK)
		count->rc = why_set(count->why, RC_DAMAGED, "a record isn't found by its key");
	digest_add(&count->digest, print);
	count->count++;
	return count->rc == RC_OK;
}

static enum rc prove_store(struct zonedb *db, struct store *store, struct why *why)
{
	struct count count = {.store = store, .meta = store_meta(store), .rc = RC_OK, .why = why};
	enum rc rc = store_walk(store, count_one, &count, why);
	if (rc != RC_OK)
		return rc;
	if (count.rc == RC_OK && (!digest_equal(&count.digest, &count.meta->digest) || count.count != count.meta->count))
		count.rc = why_set(why, RC_DAMAGED, "its %" PRIu64 " records aren't those of serial %" PRIu64, count.count,
		                   count.meta->serial);
	return count.rc == RC_OK ? RC_OK : why_prepend(why, count.rc, "%s: damaged", db->store_path);
}

enum rc zonedb_open_store(struct zonedb *db, struct why *why)
{
	struct store *store;
	enum rc rc = store_open(db->store_path, &store, why);
	if (rc != RC_OK)
		return rc;
	if (!store_was_clean(store)) {
		rc = prove_store(db, store, why);
		if (rc != RC_OK) {
			store_discard(&store);
			return rc;
		}
	}
	db->store = store;
	return RC_OK;
}

static enum rc replay_one(struct zonedb *db, struct buf *scratch, struct why *why)
{
	uint64_t from = store_meta(db->store)->serial;
	uint64_t to = 0;
	buf_clear(scratch);
	enum rc rc = journal_read(db->journal, from, scratch, &to, why);
	if (rc != RC_OK)
		return rc == RC_IO ? rc : RC_DAMAGED;
	struct changeset changeset;
	if (changeset_decode(scratch->data, scratch->length, &changeset, why) != RC_OK)
		return why_prepend(why, RC_DAMAGED, "%s: the changeset behind serial %" PRIu64, db->journal_path, from);
	struct fingerprint *prints = zonedb_prints(&changeset);
	if (changeset.soa.from != from || changeset.soa.serial != to ||
	    !epoch_equal(&changeset.soa.epoch, journal_epoch(db->journal)))
		rc = why_set(why, RC_DAMAGED, "%s: the changeset behind serial %" PRIu64 " is another one", db->journal_path,
		             from);
	else
		rc = zonedb_apply(db, &changeset, prints, why);
	db->pending_bytes += scratch->length;
	db->pending_operations += changeset.count;
	free(prints);
	changeset_free(&changeset);
	return rc;
}

enum rc zonedb_replay(struct zonedb *db, struct why *why)
{
	struct buf scratch = {0};
	enum rc rc = RC_OK;
	while (rc == RC_OK && store_meta(db->store)->serial < journal_last(db->journal))
		rc = replay_one(db, &scratch, why);
	buf_free(&scratch);
	return rc;
}

/* The journal's newest announcement. When it came isn't written there: at the earliest when it was signed, by the
 * master's clock, and not in the future. */
static void take_journal_soa(struct zonedb *db)
{
	struct buf data = {0};
	struct changeset changeset;
	uint64_t to;
	if (journal_read(db->journal, journal_last_from(db->journal), &data, &to, NULL) == RC_OK &&
	    changeset_decode(data.data, data.length, &changeset, NULL) == RC_OK) {
		struct wall now = clock_wall();
		struct wall received = changeset.soa.time.ms < now.ms ? changeset.soa.time : now;
		if (db->soa_known && received.ms < db->received.ms)
			received = db->received;
		if (strcmp(changeset.soa.zone, db->zone) == 0)
			zonedb_take_soa(db, &changeset.soa, received);
		changeset_free(&changeset);
	}
	buf_free(&data);
}

static void lose_records(struct zonedb *db, const char *text)
{
	store_discard(&db->store);
	db->present = false;
	zonedb_note_trouble(db, text);
}

void zonedb_forget_mark(const struct zonedb *db)
{
	char *mark = mem_sprintf("%s.clean", db->store_path);
	(void)unlink(mark);
	free(mark);
}

void zonedb_distrust(struct zonedb *db, const char *text)
{
	zonedb_forget_mark(db);
	db->behind = false;
	lose_records(db, text);
}

/* True when changes behind the store's serial existed, or may have, and aren't held any more. */
static bool changes_missing(const struct zonedb *db, bool journal_damaged)
{
	const struct store_meta *meta = store_meta(db->store);
	if (journal_damaged && !store_was_clean(db->store))
		return true;
	if (db->journal != NULL && epoch_equal(journal_epoch(db->journal), &meta->epoch) &&
	    meta->serial < journal_first(db->journal))
		return true;
	if (db->journal != NULL && !epoch_equal(journal_epoch(db->journal), &meta->epoch) &&
	    journal_epoch(db->journal)->began.ms >= meta->epoch.began.ms)
		return true;
	struct soa here = {.epoch = meta->epoch, .serial = meta->serial};
	enum soa_order order = db->soa_known ? soa_compare(&here, &db->soa) : SOA_SAME;
	return order == SOA_NEWER || order == SOA_LATER_EPOCH;
}

static bool end_missing(const struct zonedb *db)
{
	return db->soa_known && db->soa.kind == SOA_PLAIN && epoch_equal(&db->soa.epoch, journal_epoch(db->journal)) &&
	       db->soa.serial > journal_last(db->journal);
}

static enum rc reconcile(struct zonedb *db, bool journal_damaged, struct why *why)
{
	const struct store_meta *meta = store_meta(db->store);
	enum rc rc;
	db->synced_serial = store_was_clean(db->store) ? meta->serial : 0;
	if (db->journal != NULL && epoch_equal(journal_epoch(db->journal), &meta->epoch) &&
	    journal_first(db->journal) <= meta->serial && meta->serial <= journal_last(db->journal) && !end_missing(db)) {
		rc = zonedb_replay(db, why);
		if (rc == RC_DAMAGED) {
			lose_records(db, why->text);
			return RC_OK;
		}
	} else if (changes_missing(db, journal_damaged)) {
		char text[WHY_MAX];
		(void)snprintf(text, sizeof(text), "%s: at serial %" PRIu64 ", and the changes behind it are missing",
		               db->store_path, meta->serial);
		lose_records(db, text);
		return RC_OK;
	} else {
		journal_close(&db->journal);
		rc = journal_create(db->journal_path, &meta->epoch, meta->serial, &db->journal, why);
	}
	if (rc != RC_OK)
		return rc;
	db->meta = *store_meta(db->store);
	db->present = true;
	return RC_OK;
}

void zonedb_unload(struct zonedb *db)
{
	store_discard(&db->store);
	journal_close(&db->journal);
	zonedb_params_forget(db);
	db->present = false;
	db->behind = false;
	db->soa_known = false;
	db->pending_bytes = 0;
	db->pending_operations = 0;
	db->trouble[0] = '\0';
}

/* A whole transfer that a crash interrupted is begun again. */
static void remove_leftovers(const struct zonedb *db)
{
	static const char *const suffixes[] = {".new", ".new.wal", ".new.clean", ".new.clean.tmp"};
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		char *path = mem_sprintf("%s%s", db->store_path, suffixes[i]);
		(void)unlink(path);
		free(path);
	}
	char *path = mem_sprintf("%s.new", db->journal_path);
	(void)unlink(path);
	free(path);
}

enum rc zonedb_load(struct zonedb *db, struct why *why)
{
	struct why local;
	if (why == NULL)
		why = &local;
	zonedb_unload(db);
	remove_leftovers(db);
	enum rc rc = zonedb_load_soa(db, why);
	if (rc != RC_OK)
		return rc;
	rc = journal_open(db->journal_path, &db->journal, why);
	bool damaged = rc == RC_DAMAGED;
	if (damaged)
		zonedb_note_trouble(db, why->text);
	else if (rc != RC_OK && rc != RC_NOT_FOUND)
		return rc;
	if (db->journal != NULL)
		take_journal_soa(db);
	rc = zonedb_open_store(db, why);
	if (rc == RC_OK) {
		rc = reconcile(db, damaged, why);
	} else if (rc == RC_DAMAGED || (rc == RC_NOT_FOUND && (db->journal != NULL || db->soa_known))) {
		zonedb_note_trouble(db, why->text);
		rc = RC_OK;
	} else if (rc == RC_NOT_FOUND) {
		rc = RC_OK;
	}
	return rc;
}

static enum rc lock_folder(struct zonedb *db, const char *folder, struct why *why)
{
	char *path = mem_sprintf("%s/lock", folder);
	enum rc rc = RC_OK;
	db->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (db->lock_fd < 0)
		rc = file_fail(why, "can't open", path);
	else if (flock(db->lock_fd, LOCK_EX | LOCK_NB) != 0)
		rc = errno == EWOULDBLOCK ? why_set(why, RC_AGAIN, "%s: another process uses this folder", folder)
		                          : file_fail(why, "can't lock", path);
	free(path);
	return rc;
}

enum rc zonedb_open(const char *folder, const char *zone, struct zonedb **out, struct why *why)
{
	enum rc rc = file_make_folder(folder, why);
	if (rc != RC_OK)
		return rc;
	struct zonedb *db = mem_zalloc(sizeof(*db));
	db->zone = mem_strdup(zone);
	db->journal_path = mem_sprintf("%s/journal", folder);
	db->store_path = mem_sprintf("%s/records.tch", folder);
	db->soa_path = mem_sprintf("%s/soa", folder);
	rc = lock_folder(db, folder, why);
	if (rc == RC_OK)
		rc = zonedb_load(db, why);
	if (rc != RC_OK) {
		zonedb_unload(db);
		zonedb_close(&db);
		return rc;
	}
	*out = db;
	return RC_OK;
}
