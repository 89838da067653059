/* edition.c: see edition.h.
 *
 * A serial's life: draft -> signed changeset -> zonedb_commit (journal synced) -> a plain announcement of the same
 * state -> told. Digest and count of the draft are kept along with it, so that a changeset costs what it changes. */
#include "master/edition.h"

#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct tally {
	uint64_t recipients;
	uint64_t domains;
};

struct edition {
	struct edition_spec spec;
	struct zonedb *db;
	bool has_known;
	struct soa known;                /* the newest announcement, of any kind: what epochs and times must come after */
	bool announced;                  /* soa below is signed, and of the present state */
	struct soa soa;
	bool foreign;
	struct wall changed;
	struct tally tally;              /* of what is published */

	struct changeset_draft draft;
	uint64_t added, deleted;         /* in the draft */
	struct digest digest;            /* after the draft */
	uint64_t count;
	struct tally after;
	struct buf scratch;
};

struct edition_filler {
	struct zonedb_builder *builder;
	uint64_t serial;
	struct tally tally;
	struct why *why;                 /* for the walk, whose callback can only say stop */
	enum rc rc;
};

static void tally_count(struct tally *tally, enum record_type type, bool more)
{
	uint64_t *counter = type == RECORD_RCPT ? &tally->recipients : type == RECORD_DOMAIN ? &tally->domains : NULL;
	if (counter)
		*counter += more ? 1 : (uint64_t)-1;
}

struct proof {
	const struct store_meta *meta;
	struct tally tally;
	struct digest digest;
	uint64_t count;
	bool wrong;
};

static bool prove_record(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	struct proof *proof = context;
	struct fingerprint real = record_fingerprint(proof->meta->epoch.id, &entry->record);
	proof->wrong = fingerprint_compare(&real, print) != 0;
	tally_count(&proof->tally, entry->record.type, true);
	digest_add(&proof->digest, print);
	proof->count++;
	return !proof->wrong;
}

/* Counts the records, and proves on the way that they are those of the serial: a store that was closed properly was
 * believed up to here. If they aren't, it's as if they were lost: they will be made anew from the sources. */
static enum rc prove(struct edition *edition, struct why *why)
{
	struct zonedb *db = edition->db;
	const struct store_meta meta = *zonedb_meta(db);
	struct proof proof = {.meta = &meta};
	enum rc rc = zonedb_walk(db, prove_record, &proof, why);
	if (rc == RC_OK && (proof.wrong || proof.count != meta.count || !digest_equal(&proof.digest, &meta.digest)))
		rc = why_set(why, RC_DAMAGED, "the records on disk aren't those of serial %" PRIu64, meta.serial);
	if (rc == RC_DAMAGED) {
		zonedb_distrust(db, why->text);
		return RC_OK;
	}
	edition->tally = proof.tally;
	return rc;
}

static void draft_begin(struct edition *edition)
{
	changeset_draft_free(&edition->draft);
	edition->added = edition->deleted = 0;
	edition->after = edition->tally;
	if (zonedb_present(edition->db)) {
		edition->digest = zonedb_meta(edition->db)->digest;
		edition->count = zonedb_meta(edition->db)->count;
	}
}

void edition_drop(struct edition *edition)
{
	draft_begin(edition);
}

/* Times of announcements only grow, whatever the clock does: a replica takes an older one for a replay. */
static struct wall next_time(const struct edition *edition)
{
	struct wall now = clock_wall();
	if (edition->has_known && now.ms <= edition->known.time.ms)
		now.ms = edition->known.time.ms + 1;
	return now;
}

/* All but the kind and the signature. */
static struct soa describe(const struct edition *edition, const struct epoch *epoch, uint64_t serial)
{
	struct soa soa = {
		.kind = SOA_PLAIN,
		.epoch = *epoch,
		.serial = serial,
		.from = serial,
		.time = next_time(edition),
		.refresh_s = edition->spec.refresh_s,
		.retry_s = edition->spec.retry_s,
		.expire_s = edition->spec.expire_s,
	};
	memcpy(soa.zone, edition->spec.zone, strlen(edition->spec.zone) + 1);
	return soa;
}

/* Signs a plain announcement of what is in the zonedb. */
static void sign_present(struct edition *edition)
{
	const struct store_meta *meta = zonedb_meta(edition->db);
	struct soa soa = describe(edition, &meta->epoch, meta->serial);
	soa.digest = meta->digest;
	soa.count = meta->count;
	soa_sign(&soa, edition->spec.identity);
	edition->soa = edition->known = soa;
	edition->has_known = edition->announced = true;
}

/* When was the newest serial made? The newest changeset tells; without one it was the epoch's beginning. */
static void look_back(struct edition *edition)
{
	const struct store_meta *meta = zonedb_meta(edition->db);
	struct buf data = {0};
	struct changeset changeset = {0};
	uint64_t to = 0;

	edition->changed = meta->epoch.began;
	if (meta->serial > 1 &&
	    zonedb_changes_from(edition->db, &meta->epoch, meta->serial - 1, &data, &to, NULL) == RC_OK &&
	    changeset_decode(data.data, data.length, &changeset, NULL) == RC_OK)
		edition->changed = changeset.soa.time;
	changeset_free(&changeset);
	buf_free(&data);
}

enum rc edition_open(const struct edition_spec *spec, struct edition **out, struct why *why)
{
	struct edition *edition = mem_zalloc(sizeof *edition);
	edition->spec = *spec;
	enum rc rc = zonedb_open(spec->folder, spec->zone, &edition->db, why);
	if (rc != RC_OK)
		goto fail;
	if (zonedb_present(edition->db)) {
		rc = prove(edition, why);
		if (rc != RC_OK)
			goto fail;
	}
	if (zonedb_trouble(edition->db)[0] != '\0')
		log_warn("zone \"%s\": %s", spec->zone, zonedb_trouble(edition->db));
	edition->has_known = zonedb_soa(edition->db, &edition->known);
	edition->foreign = edition->has_known && !soa_verify(&edition->known, identity_public(spec->identity));
	if (zonedb_present(edition->db))
		look_back(edition);
	draft_begin(edition);
	*out = edition;
	return RC_OK;
fail:
	edition_close(&edition);
	return rc;
}

void edition_close(struct edition **edition)
{
	if (!*edition)
		return;
	changeset_draft_free(&(*edition)->draft);
	buf_free(&(*edition)->scratch);
	if ((*edition)->db)
		zonedb_close(&(*edition)->db);
	free(*edition);
	*edition = NULL;
}

struct zonedb *edition_db(struct edition *edition)
{
	return edition->db;
}

bool edition_published(const struct edition *edition)
{
	return edition->announced;
}

const struct soa *edition_soa(const struct edition *edition)
{
	return &edition->soa;
}

const struct soa *edition_known(const struct edition *edition)
{
	return edition->has_known ? &edition->known : NULL;
}

bool edition_foreign(const struct edition *edition)
{
	return edition->foreign;
}

bool edition_half_begun(const struct edition *edition)
{
	if (!zonedb_present(edition->db) || !edition->has_known)
		return false;
	const struct epoch *present = &zonedb_meta(edition->db)->epoch;
	return !epoch_equal(&edition->known.epoch, present) && edition->known.epoch.began.ms >= present->began.ms;
}

uint64_t edition_recipients(const struct edition *edition)
{
	return edition->tally.recipients;
}

uint64_t edition_domains(const struct edition *edition)
{
	return edition->tally.domains;
}

struct wall edition_changed(const struct edition *edition)
{
	return edition->changed;
}

/* ---- Changesets ---- */

/* The store may be found damaged by anybody who reads it. */
static enum rc check_present(const struct edition *edition, struct why *why)
{
	return zonedb_present(edition->db) ? RC_OK : why_set(why, RC_DAMAGED, "%s", zonedb_trouble(edition->db));
}

static enum rc commit(struct edition *edition, const struct buf *data, struct why *why)
{
	struct changeset changeset = {0};
	enum rc rc = changeset_decode(data->data, data->length, &changeset, why);
	if (rc == RC_OK)
		rc = zonedb_commit(edition->db, &changeset, data->data, data->length, changeset.soa.time, why);
	changeset_free(&changeset);
	return rc;
}

enum rc edition_flush(struct edition *edition, struct why *why)
{
	enum rc rc = check_present(edition, why);
	if (rc != RC_OK || edition->draft.count == 0)
		return rc;
	const struct store_meta *meta = zonedb_meta(edition->db);
	struct buf data = {0};
	struct soa soa = describe(edition, &meta->epoch, meta->serial + 1);
	soa.from = meta->serial;
	soa.digest = edition->digest;
	soa.count = edition->count;
	changeset_draft_finish(&edition->draft, &soa, edition->spec.identity, &data);
	rc = commit(edition, &data, why);
	if (rc != RC_OK)
		goto out;
	log_info("zone \"%s\": serial %" PRIu64 ": %" PRIu64 " added, %" PRIu64 " deleted, %" PRIu64 " records",
	         edition->spec.zone, soa.serial, edition->added, edition->deleted, soa.count);
	edition->known = soa;
	edition->changed = soa.time;
	edition->tally = edition->after;
	sign_present(edition);
	if (edition->spec.committed)
		edition->spec.committed(edition->spec.context, &soa, data.data, data.length);
out:
	buf_free(&data);
	draft_begin(edition);
	return rc;
}

static enum rc put(struct edition *edition, enum change change, const struct record *record, struct why *why)
{
	if (!changeset_draft_put(&edition->draft, change, record)) {
		enum rc rc = edition_flush(edition, why);
		if (rc != RC_OK)
			return rc;
		if (!changeset_draft_put(&edition->draft, change, record))
			return why_set(why, RC_LIMIT, "a record is larger than a changeset may be");
	}
	return RC_OK;
}

enum rc edition_add(struct edition *edition, const struct record *record, struct why *why)
{
	enum rc rc = check_present(edition, why);
	if (rc == RC_OK)
		rc = put(edition, CHANGE_ADD, record, why);
	if (rc != RC_OK)
		return rc;
	struct fingerprint print = record_fingerprint(zonedb_meta(edition->db)->epoch.id, record);
	digest_add(&edition->digest, &print);
	edition->count++;
	edition->added++;
	tally_count(&edition->after, record->type, true);
	return RC_OK;
}

enum rc edition_delete(struct edition *edition, const struct fingerprint *print, struct why *why)
{
	struct store_entry entry;
	enum rc rc = check_present(edition, why);
	if (rc != RC_OK)
		return rc;
	rc = zonedb_get(edition->db, print, &edition->scratch, &entry, why);
	if (rc == RC_NOT_FOUND)
		return RC_OK;
	if (rc == RC_OK)
		rc = put(edition, CHANGE_DELETE, &entry.record, why);
	if (rc != RC_OK)
		return rc;
	digest_subtract(&edition->digest, print);
	edition->count--;
	edition->deleted++;
	tally_count(&edition->after, entry.record.type, false);
	return RC_OK;
}

enum rc edition_announce(struct edition *edition, struct why *why)
{
	enum rc rc = check_present(edition, why);
	if (rc != RC_OK)
		return rc;
	sign_present(edition);
	return zonedb_note_soa(edition->db, &edition->soa, edition->soa.time, why);
}

/* ---- Whole contents ---- */

enum rc edition_fill_add(struct edition_filler *filler, const struct record *record, struct why *why)
{
	enum rc rc = zonedb_build_add(filler->builder, record, filler->serial, why);
	if (rc == RC_OK)
		tally_count(&filler->tally, record->type, true);
	return rc;
}

static enum rc finish(struct edition *edition, struct edition_filler *filler, const struct epoch *epoch,
                      struct why *why)
{
	struct soa soa = describe(edition, epoch, filler->serial);
	soa.digest = zonedb_build_digest(filler->builder);
	soa.count = zonedb_build_count(filler->builder);
	soa_sign(&soa, edition->spec.identity);
	bool had = zonedb_present(edition->db);
	struct store_meta before = had ? *zonedb_meta(edition->db) : (struct store_meta){.serial = 0};
	enum rc rc = zonedb_build_finish(&filler->builder, &soa, soa.time, why);
	if (rc != RC_OK) {
		/* A rename may have been done for all that: then only a restart brings us and the disk together. */
		bool has = zonedb_present(edition->db);
		bool same = has == had && (!has || epoch_equal(&before.epoch, &zonedb_meta(edition->db)->epoch));
		return same ? rc : RC_DAMAGED;
	}
	edition->soa = edition->known = soa;
	edition->has_known = edition->announced = true;
	edition->foreign = false;
	edition->tally = filler->tally;
	draft_begin(edition);
	return RC_OK;
}

enum rc edition_begin(struct edition *edition, const struct epoch *epoch, edition_fill *fill, void *context,
                      struct why *why)
{
	struct edition_filler filler = {.serial = 1};
	enum rc rc = zonedb_build(edition->db, epoch, edition->tally.recipients, &filler.builder, why);
	if (rc != RC_OK)
		return rc;
	rc = fill(context, &filler, why);
	if (rc == RC_OK)
		rc = finish(edition, &filler, epoch, why);
	if (rc != RC_OK)
		goto fail;
	edition->changed = edition->soa.time;
	return RC_OK;
fail:
	if (filler.builder)
		zonedb_build_abandon(&filler.builder);
	return rc;
}

static bool refill(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	struct edition_filler *filler = context;
	(void)print;
	filler->rc = edition_fill_add(filler, &entry->record, filler->why);
	return filler->rc == RC_OK;
}

struct renewal {
	struct edition *edition;
	edition_fill *more;
	void *context;
};

static enum rc fill_from_present(void *context, struct edition_filler *filler, struct why *why)
{
	const struct renewal *renewal = context;
	filler->rc = RC_OK;
	filler->why = why;
	enum rc rc = zonedb_walk(renewal->edition->db, refill, filler, why);
	if (filler->rc != RC_OK)
		return filler->rc;
	return rc == RC_OK ? renewal->more(renewal->context, filler, why) : rc;
}

enum rc edition_renew(struct edition *edition, const struct epoch *epoch, edition_fill *more, void *context,
                      struct why *why)
{
	struct renewal renewal = {edition, more, context};
	return edition_begin(edition, epoch, fill_from_present, &renewal, why);
}

enum rc edition_restore(struct edition *edition, edition_fill *fill, void *context, uint64_t *count, struct why *why)
{
	const struct soa known = edition->known;
	struct edition_filler filler = {.serial = known.serial};
	enum rc rc = zonedb_build(edition->db, &known.epoch, known.count, &filler.builder, why);
	if (rc != RC_OK)
		return rc;
	rc = fill(context, &filler, why);
	if (rc != RC_OK)
		goto fail;
	struct digest digest = zonedb_build_digest(filler.builder);
	*count = zonedb_build_count(filler.builder);
	if (*count != known.count || !digest_equal(&digest, &known.digest)) {
		rc = why_set(why, RC_NOT_FOUND, "the sources hold something else than serial %" PRIu64, known.serial);
		goto fail;
	}
	rc = finish(edition, &filler, &known.epoch, why);
	if (rc != RC_OK)
		goto fail;
	edition->changed = known.time;
	return RC_OK;
fail:
	if (filler.builder)
		zonedb_build_abandon(&filler.builder);
	return rc;
}
