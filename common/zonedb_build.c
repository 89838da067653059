/* zonedb_build.c: the whole contents of a zone anew.
 *
 * A new store and a new journal are made beside the old ones, complete and synced; then each takes its place by a
 * rename, the store first. A crash between the two renames leaves the new store with an old journal, which
 * zonedb_open.c recognises by its age. That is why contents older than what the journal reaches are refused: there
 * the two could be confused, and serials never go back anyway. */
#include "common/zonedb_private.h"

#include "common/file.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct zonedb_builder {
	struct zonedb *db;
	struct store *store;       /* NULL when closed */
	char *store_path;          /* the new one, beside the old one */
	char *journal_path;
	struct store_meta meta;
	struct buf params;
};

enum rc zonedb_build(struct zonedb *db, const struct epoch *epoch, uint64_t expected, struct zonedb_builder **out,
                     struct why *why)
{
	if (db->building)
		return why_set(why, RC_AGAIN, "zone \"%s\": its contents are being built already", db->zone);
	struct zonedb_builder *builder = mem_zalloc(sizeof(*builder));
	builder->db = db;
	builder->meta.epoch = *epoch;
	builder->store_path = mem_sprintf("%s.new", db->store_path);
	builder->journal_path = mem_sprintf("%s.new", db->journal_path);
	db->building = true;
	enum rc rc = store_create(builder->store_path, epoch, expected, &builder->store, why);
	if (rc != RC_OK) {
		zonedb_build_abandon(&builder);
		return rc;
	}
	*out = builder;
	return RC_OK;
}

enum rc zonedb_build_add(struct zonedb_builder *builder, const struct record *record, uint64_t since, struct why *why)
{
	struct fingerprint print = record_fingerprint(builder->meta.epoch.id, record);
	enum rc rc = store_put(builder->store, &print, &(struct store_entry){.record = *record, .since = since}, why);
	if (rc == RC_INVALID)
		return why_set(why, RC_INVALID, "\"%.*s\" is there twice", record->key_length, record->key);
	if (rc == RC_OK) {
		digest_add(&builder->meta.digest, &print);
		builder->meta.count++;
		zonedb_params_put(&builder->params, record);
	}
	return rc;
}

struct digest zonedb_build_digest(const struct zonedb_builder *builder)
{
	return builder->meta.digest;
}

uint64_t zonedb_build_count(const struct zonedb_builder *builder)
{
	return builder->meta.count;
}

static void remove_suffixed(const char *path, const char *suffix)
{
	char *name = mem_sprintf("%s%s", path, suffix);
	(void)unlink(name);
	free(name);
}

void zonedb_build_abandon(struct zonedb_builder **handle)
{
	struct zonedb_builder *builder = *handle;
	if (builder == NULL)
		return;
	store_discard(&builder->store);
	remove_suffixed(builder->store_path, "");
	remove_suffixed(builder->store_path, ".wal");
	remove_suffixed(builder->store_path, ".clean");
	remove_suffixed(builder->journal_path, "");
	builder->db->building = false;
	buf_free(&builder->params);
	free(builder->store_path);
	free(builder->journal_path);
	free(builder);
	*handle = NULL;
}

static enum rc check_announced(const struct zonedb_builder *builder, const struct soa *soa, struct why *why)
{
	const struct zonedb *db = builder->db;
	if (strcmp(soa->zone, db->zone) != 0 || !epoch_equal(&soa->epoch, &builder->meta.epoch))
		return why_set(why, RC_INVALID, "the announcement isn't of this zone and epoch");
	if (!digest_equal(&soa->digest, &builder->meta.digest) || soa->count != builder->meta.count)
		return why_set(why, RC_INVALID, "serial %" PRIu64 " doesn't come out as announced: %" PRIu64 " records, not %"
		               PRIu64 ", or others", soa->serial, builder->meta.count, soa->count);
	if (db->journal == NULL)
		return RC_OK;
	struct soa held = {.epoch = *journal_epoch(db->journal), .serial = journal_last(db->journal)};
	enum soa_order order = soa_compare(&held, soa);
	if (order == SOA_OLDER || order == SOA_EARLIER_EPOCH)
		return why_set(why, RC_INVALID, "serial %" PRIu64 " is older than %" PRIu64 ", up to which changes are held",
		               soa->serial, held.serial);
	return RC_OK;
}

/* All that can fail for want of room, before anything that counts is touched. */
static enum rc prepare(struct zonedb_builder *builder, const struct soa *soa, struct wall received, struct why *why)
{
	builder->meta.serial = soa->serial;
	enum rc rc = store_commit(builder->store, &builder->meta, why);
	if (rc == RC_OK)
		rc = store_close(&builder->store, why);
	if (rc != RC_OK)
		return rc;
	struct journal *journal;
	rc = journal_create(builder->journal_path, &soa->epoch, soa->serial, &journal, why);
	if (rc != RC_OK)
		return rc;
	journal_close(&journal);
	struct soa known;
	enum soa_order order = zonedb_soa(builder->db, &known) ? soa_compare(&known, soa) : SOA_NEWER;
	if (order == SOA_OLDER || order == SOA_EARLIER_EPOCH || (order == SOA_SAME && soa->time.ms < known.time.ms))
		return RC_OK;
	return zonedb_note_soa(builder->db, soa, received, why);
}

/* The clean mark moves after the store that it speaks of; one that doesn't fit its store counts for nothing. */
static enum rc put_in_place(struct zonedb_builder *builder, struct why *why)
{
	struct zonedb *db = builder->db;
	enum rc rc = file_promote(builder->store_path, db->store_path, why);
	if (rc != RC_OK)
		return rc;
	remove_suffixed(db->store_path, ".wal");
	char *from = mem_sprintf("%s.clean", builder->store_path);
	char *to = mem_sprintf("%s.clean", db->store_path);
	if (rename(from, to) != 0)
		rc = file_fail(why, "can't replace", to);
	free(from);
	free(to);
	return rc == RC_OK ? file_promote(builder->journal_path, db->journal_path, why) : rc;
}

enum rc zonedb_build_finish(struct zonedb_builder **handle, const struct soa *soa, struct wall received,
                            struct why *why)
{
	struct zonedb_builder *builder = *handle;
	struct zonedb *db = builder->db;
	enum rc rc = check_announced(builder, soa, why);
	if (rc == RC_OK)
		rc = prepare(builder, soa, received, why);
	if (rc != RC_OK) {
		zonedb_build_abandon(handle);
		return rc;
	}
	store_discard(&db->store);
	rc = put_in_place(builder, why);
	/* Whatever happened, the disk says where we are: this is the recovery of a restart. */
	struct why inner = {""};
	enum rc loaded = zonedb_load(db, &inner);
	if (rc == RC_OK && loaded == RC_OK && !db->present)
		rc = why_set(why, RC_IO, "%s", db->trouble);
	else if (rc == RC_OK && loaded != RC_OK)
		rc = why_set(why, loaded, "%s", inner.text);
	if (rc == RC_OK) {
		zonedb_take_soa(db, soa, received);
		zonedb_params_forget(db);
		db->params = builder->params;
		db->params_known = true;
		builder->params = (struct buf){0};
	}
	zonedb_build_abandon(handle);
	return rc;
}
