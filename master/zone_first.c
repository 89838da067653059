/* zone_first.c: the first publication of a zone, or the first after its records were lost.
 *
 * Backups without a table defer, so nothing is lost by waiting: until every source has been read, has been looked at once
 * more after the others had been read, can be read still, and is at rest; and until there is at least one recipient. If the records were lost, and the sources (with what is
 * held) come to what the newest announcement speaks of, its serial goes on; otherwise it's a new epoch. */
#include "master/zone_private.h"

#include "common/log.h"

#include <inttypes.h>

struct filling {
	struct zone *zone;
	struct edition_filler *filler;
};

static enum rc fill_wanted(void *context, const struct record *record, struct why *why)
{
	const struct filling *filling = context;
	return edition_fill_add(filling->filler, record, why);
}

/* What is held is published still, so it belongs to what was lost. */
static enum rc fill_held(void *context, const struct record *record, struct why *why)
{
	const struct filling *filling = context;
	struct fingerprint print = record_fingerprint(filling->zone->epoch.id, record);
	struct merge_sets sets = feeds_sets(filling->zone->feeds, FEEDS_NONE, NULL);
	return merge_wanted(&sets, &print) ? RC_OK : edition_fill_add(filling->filler, record, why);
}

static enum rc fill(void *context, struct edition_filler *filler, struct why *why)
{
	struct filling filling = {context, filler};
	enum rc rc = feeds_each_wanted(filling.zone->feeds, fill_wanted, &filling, why);
	return rc == RC_OK ? held_each(deletions_file(filling.zone->deletions), fill_held, &filling, why) : rc;
}

/* Were the records lost while a source was being cut short, nothing would show it but their number. */
static bool suspiciously_few(struct zone *zone, uint64_t known, uint64_t now)
{
	if (now >= known || zone->begin_anyway)
		return false;
	const struct brake_case facts = {
		.published = known,
		.fresh = known - now,
		.max_shrink_percent = zone->spec->max_shrink_percent,
		.min_shrink = zone->spec->min_shrink,
	};
	if (brake_judge(&facts) == BRAKE_LET_GO)
		return false;
	zone->missing = known - now;
	return true;
}

static enum rc publish_first(struct zone *zone, struct why *why)
{
	const struct soa *known = edition_known(zone->edition);
	if (known && epoch_equal(&known->epoch, &zone->epoch)) {
		uint64_t count = 0;
		enum rc rc = edition_restore(zone->edition, fill, zone, &count, why);
		if (rc == RC_OK)
			log_info("zone \"%s\": the records were made anew from the sources; serial %" PRIu64 " goes on",
			         zone->spec->name, known->serial);
		if (rc != RC_NOT_FOUND)
			return rc;
		if (suspiciously_few(zone, known->count, count))
			return why_set(why, RC_REFUSED, "the records on disk were lost, and the sources hold %" PRIu64 " records "
			               "fewer than serial %" PRIu64 " had: mend the sources, or `rxfer approve %s`",
			               zone->missing, known->serial, zone->spec->name);
		zone->epoch = epoch_begin(&known->epoch);
		feeds_rekey(zone->feeds, zone->epoch.id);
	}
	enum rc rc = edition_begin(zone->edition, &zone->epoch, fill, zone, why);
	if (rc == RC_OK)
		log_info("zone \"%s\": a new epoch begins: %" PRIu64 " recipients, %" PRIu64 " domains", zone->spec->name,
		         edition_recipients(zone->edition), edition_domains(zone->edition));
	return rc;
}

void zone_first_try(struct zone *zone, bool patient)
{
	struct why why;
	if (zone->must_renew || feeds_unread(zone->feeds))
		return;
	if (zone_must_wait(zone, FEEDS_NONE, patient)) {
		zone_set_waiting(zone, true);
		return;
	}
	zone_set_waiting(zone, false);
	if (feeds_recipients(zone->feeds) == 0) {
		why_set(&why, RC_REFUSED, "the sources list no recipient at all, and an empty zone would refuse everybody's mail");
		zone_fail(zone, RC_REFUSED, &why);
		return;
	}
	enum rc rc = publish_first(zone, &why);
	if (rc != RC_OK) {
		zone_fail(zone, rc, &why);
		return;
	}
	zone_recovered(zone);
	feeds_settle(zone->feeds);
	struct merge_sets sets = feeds_sets(zone->feeds, FEEDS_NONE, NULL);
	struct held_file names = {0};
	feeds_names(zone->feeds, FEEDS_NONE, &names);
	rc = deletions_adopt(zone->deletions, &sets, &names, &why);
	held_free(&names);
	zone_dated(zone);
	zone_tell(zone);
	if (rc != RC_OK) {
		feeds_read_again(zone->feeds, 0);      /* which writes the file too */
		zone_fail(zone, rc, &why);
	}
}
