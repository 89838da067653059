/* zone_epoch.c: a new epoch for what is published: another identity signs from now on, or a replica has shown that our
 * state is an old copy. The contents stay as they are, and what the sources list comes to them; the sources are read again
 * after, for fingerprints have a new key.
 *
 * An old copy lacks what was added since, and backups have it in their tables: a new epoch with the old copy's contents
 * would take it away from them. So it is begun when every source has been read and is at rest, as for the first
 * publication, and until then nothing is published; the backups go on with what they have. */
#include "master/zone_private.h"

#include "common/log.h"

#include <inttypes.h>

struct more {
	struct zone *zone;
	struct edition_filler *filler;
	struct buf scratch;
};

static enum rc add_missing(void *context, const struct record *record, struct why *why)
{
	struct more *more = context;
	struct fingerprint print = record_fingerprint(more->zone->epoch.id, record);
	enum rc rc = zonedb_get(edition_db(more->zone->edition), &print, &more->scratch, NULL, why);
	return rc == RC_NOT_FOUND ? edition_fill_add(more->filler, record, why) : rc;
}

/* What was read before anything could be published, and isn't there. */
static enum rc fill_missing(void *context, struct edition_filler *filler, struct why *why)
{
	struct more more = {.zone = context, .filler = filler};
	enum rc rc = feeds_each_wanted(more.zone->feeds, add_missing, &more, why);
	buf_free(&more.scratch);
	return rc;
}

static void renew(struct zone *zone)
{
	struct why why;
	struct held_file kept = {0};
	const struct soa *known = edition_known(zone->edition);
	if (known && known->epoch.began.ms > zone->after.began.ms)
		zone->after = known->epoch;
	struct epoch epoch = epoch_begin(&zone->after);
	enum rc rc = RC_OK;
	if (zonedb_present(edition_db(zone->edition))) {
		rc = deletions_keep(zone->deletions, &kept, &why);
		if (rc == RC_OK)
			rc = edition_renew(zone->edition, &epoch, fill_missing, zone, &why);
		if (rc != RC_OK)
			goto out;
		deletions_rekey(zone->deletions, &kept);
		feeds_forget(zone->feeds);
	}
	zone->must_renew = false;
	zone->epoch = epoch;
	feeds_rekey(zone->feeds, epoch.id);
	zone_recovered(zone);
out:
	held_free(&kept);
	if (rc != RC_OK) {
		zone_fail(zone, rc, &why);
	} else if (edition_published(zone->edition)) {
		zone_dated(zone);
		zone_tell_soon(zone);
	}
}

void zone_renew(struct zone *zone, bool patient)
{
	if (!zone->must_renew || zone->fatal)
		return;
	bool present = zonedb_present(edition_db(zone->edition));
	if (present && (feeds_unread(zone->feeds) || zone_must_wait(zone, FEEDS_NONE, patient))) {
		zone_set_waiting(zone, true);
		return;
	}
	zone_set_waiting(zone, false);
	renew(zone);
}

void zone_evidence(struct zone *zone, const struct soa *soa)
{
	const struct soa *known = edition_known(zone->edition);
	if (zone->fatal || (!epoch_equal(&zone->epoch, &soa->epoch) && zone->epoch.began.ms > soa->epoch.began.ms))
		return;
	if (known) {
		enum soa_order order = soa_compare(known, soa);
		bool forked = order == SOA_SAME &&
		              (known->count != soa->count || !digest_equal(&known->digest, &soa->digest));
		bool tied = order == SOA_EARLIER_EPOCH && known->epoch.began.ms == soa->epoch.began.ms;
		if (order != SOA_NEWER && order != SOA_LATER_EPOCH && !forked && !tied)
			return;
	}
	/* One copy of the news is enough while the disk is full. */
	if (zone->must_renew && zone->after.began.ms >= soa->epoch.began.ms)
		return;
	log_warn("zone \"%s\": a replica has serial %" PRIu64 " under our own signature, which isn't in our history: the "
	         "state here is an old copy, or was lost; a new epoch begins when all sources have been read",
	         zone->spec->name, soa->serial);
	zone->must_renew = true;
	zone->after = soa->epoch;
	zone_renew(zone, true);
}
