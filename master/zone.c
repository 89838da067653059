/* zone.c: see zone.h.
 *
 * Who does what: edition.c makes serials, deletions.c knows what is due to go and what is held, this file knows the
 * sources and puts readings through.
 *
 *                   all sources read once            new epoch (evidence, another identity)
 *   UNPUBLISHED --------------------------> PUBLISHED <-----------------------------------.
 *                 edition_restore or _begin   |  |  `--------------------------------------'
 *                                             |  `- a reading: additions; and when all are read: deletions
 *                                             `---- every `refresh`: a new date
 *
 * An address that moves from one source to another is away for a moment when the one that lost it is read first. So
 * deletions wait while another source is about to be read, commands are run again before anything is deleted, and what
 * was dropped counts when all have been heard; but a source that never rests holds nothing up for longer than a minute.
 *
 * A reading that can't be committed (full disk) leaves its source's set as it was, and the source is read again a bit
 * later: so nothing but the sets needs to be remembered, and what was partly committed is found in the zonedb. */
#include "master/zone.h"

#include "common/log.h"
#include "common/mem.h"
#include "master/deletions.h"
#include "master/feeds.h"
#include "master/health.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 10000
#define WAIT_MS 60000

struct zone {
	struct loop *loop;
	const struct zone_spec *spec;
	const struct identity *identity;
	struct zone_events events;
	struct edition *edition;
	struct deletions *deletions;
	struct feeds *feeds;
	struct epoch epoch;              /* whose id the sources are keyed with */
	bool must_renew;                 /* a new epoch is due, after: */
	struct epoch after;
	uint64_t missing;                /* the first publication waits for approval: so many records fewer than were known */
	bool begin_anyway;
	bool fatal;
	char failure[WHY_MAX];           /* why nothing can be committed, or "" */
	char undated[WHY_MAX];           /* why the newest announcement couldn't be remembered, or "" */
	struct timer refresh;
	struct timer retry;
	struct timer tell;
	bool waiting;                    /* deletions, for sources that are about to be read */
	struct timer patience;           /* its end */
	struct timer heard;
};

static void on_retry(void *context);

/* ---- Failures ---- */

static void fail(struct zone *zone, enum rc rc, const struct why *why)
{
	if (strcmp(zone->failure, why->text) != 0)
		log_error("zone \"%s\": nothing can be published: %s", zone->spec->name, why->text);
	memcpy(zone->failure, why->text, sizeof zone->failure);
	if (rc == RC_REFUSED)
		return;      /* only other readings can change that */
	if (rc != RC_DAMAGED) {
		loop_timer_after(zone->loop, &zone->retry, RETRY_MS, on_retry, zone);
		return;
	}
	zone->fatal = true;
	loop_timer_clear(zone->loop, &zone->refresh);
	loop_timer_clear(zone->loop, &zone->retry);
	if (zone->events.fatal)
		zone->events.fatal(zone->events.context, zone, zone->failure);
}

static void recovered(struct zone *zone)
{
	if (zone->failure[0] != '\0')
		log_info("zone \"%s\": publishing works again", zone->spec->name);
	zone->failure[0] = '\0';
	zone->missing = 0;
	zone->begin_anyway = false;
}

/* ---- Dated announcements ---- */

static void tell_announcement(void *context)
{
	struct zone *zone = context;
	if (!zone->fatal && edition_published(zone->edition))
		zone->events.announcement(zone->events.context, zone, edition_soa(zone->edition));
}

static void on_refresh(void *context);

static void date(struct zone *zone)
{
	struct why why;
	enum rc rc = edition_announce(zone->edition, &why);
	if (rc == RC_DAMAGED) {
		fail(zone, rc, &why);
		return;
	}
	if (rc != RC_OK && zone->undated[0] == '\0')
		log_error("zone \"%s\": %s", zone->spec->name, why.text);
	/* Told all the same: the backups would otherwise take a full disk here for a master that is gone. */
	if (rc != RC_OK)
		memcpy(zone->undated, why.text, sizeof zone->undated);
	else
		zone->undated[0] = '\0';
	loop_timer_after(zone->loop, &zone->refresh, (int64_t)zone->spec->refresh_s * 1000, on_refresh, zone);
}

static void upkeep(struct zone *zone)
{
	struct why why;
	enum rc rc = zonedb_checkpoint(edition_db(zone->edition), &why);
	if (rc != RC_OK)
		fail(zone, rc, &why);
	else if (!feeds_again(zone->feeds) && !zone->must_renew)
		recovered(zone);
}

static void on_refresh(void *context)
{
	struct zone *zone = context;
	date(zone);
	tell_announcement(zone);
	if (!zone->fatal)
		upkeep(zone);
}

static void on_committed(void *context, const struct soa *soa, const void *data, size_t length)
{
	struct zone *zone = context;
	loop_timer_after(zone->loop, &zone->refresh, (int64_t)zone->spec->refresh_s * 1000, on_refresh, zone);
	zone->events.changeset(zone->events.context, zone, soa, data, length);
}

/* ---- The first publication, or the first after the records were lost ---- */

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

static void try_first(struct zone *zone)
{
	struct why why;
	if (zone->must_renew || feeds_unread(zone->feeds))
		return;
	if (feeds_recipients(zone->feeds) == 0) {
		why_set(&why, RC_REFUSED, "the sources list no recipient at all, and an empty zone would refuse everybody's mail");
		fail(zone, RC_REFUSED, &why);
		return;
	}
	enum rc rc = publish_first(zone, &why);
	if (rc != RC_OK) {
		fail(zone, rc, &why);
		return;
	}
	recovered(zone);
	feeds_settle(zone->feeds);
	struct merge_sets sets = feeds_sets(zone->feeds, FEEDS_NONE, NULL);
	struct held_file names = {0};
	feeds_names(zone->feeds, FEEDS_NONE, &names);
	rc = deletions_adopt(zone->deletions, &sets, &names, &why);
	held_free(&names);
	loop_timer_after(zone->loop, &zone->refresh, (int64_t)zone->spec->refresh_s * 1000, on_refresh, zone);
	tell_announcement(zone);
	if (rc != RC_OK) {
		feeds_read_again(zone->feeds, 0);      /* which writes the file too */
		fail(zone, rc, &why);
	}
}

/* ---- A reading ---- */

static enum rc add_gained(struct zone *zone, const struct fpset *old, struct reading *reading, struct why *why)
{
	struct fpset gained = {0};
	struct buf scratch = {0};
	enum rc rc = RC_OK;

	merge_gained(old, reading_set(reading), &gained);
	for (size_t i = 0; i < gained.count && rc == RC_OK; i++) {
		struct record record;
		rc = zonedb_get(edition_db(zone->edition), &gained.at[i], &scratch, NULL, why);
		if (rc == RC_NOT_FOUND && reading_find(reading, &gained.at[i], &record))
			rc = edition_add(zone->edition, &record, why);
	}
	buf_free(&scratch);
	fpset_free(&gained);
	return rc;
}

static void on_patience_end(void *context);

static void set_waiting(struct zone *zone, bool waiting)
{
	if (waiting && !zone->waiting)
		loop_timer_after(zone->loop, &zone->patience, WAIT_MS, on_patience_end, zone);
	else if (!waiting)
		loop_timer_clear(zone->loop, &zone->patience);
	zone->waiting = waiting;
}

/* `delivered`: whose reading is being delivered; FEEDS_NONE: nobody's, the sets are as they stand. */
static enum rc settle(struct zone *zone, struct deletions_view *view, size_t delivered, struct why *why)
{
	struct held_file names = {0};
	feeds_names(zone->feeds, delivered, &names);
	view->names = &names;
	view->emptied = feeds_emptied(zone->feeds, delivered, deletions_file(zone->deletions));
	enum rc rc = deletions_settle(zone->deletions, view, why);
	held_free(&names);
	if (rc == RC_OK)
		set_waiting(zone, view->wait);
	return rc;
}

static bool drops(const struct fpset *old, const struct fpset *fresh)
{
	struct fpset dropped = {0};
	fpset_minus(old, fresh, &dropped);
	bool any = dropped.count > 0;
	fpset_free(&dropped);
	return any;
}

static enum rc take(struct zone *zone, size_t index, struct reading *reading, struct why *why)
{
	const struct fpset *fresh = reading_set(reading);
	struct deletions_view view = {.sets = feeds_sets(zone->feeds, FEEDS_NONE, NULL), .index = index, .fresh = fresh};
	enum rc rc = add_gained(zone, view.sets.at[index], reading, why);
	if (rc != RC_OK)
		return rc;
	if (feeds_unread_but(zone->feeds, index))
		return edition_flush(zone->edition, why);
	if (drops(view.sets.at[index], fresh))
		feeds_ask_commands(zone->feeds, index);
	view.wait = feeds_pending_but(zone->feeds, index);
	return settle(zone, &view, index, why);
}

/* Deletions have waited, and something was heard of a source. */
static void settle_waiting(struct zone *zone, bool patient)
{
	struct why why;
	if (!zone->waiting || zone->fatal || feeds_unread(zone->feeds) || (patient && feeds_pending_but(zone->feeds, FEEDS_NONE)))
		return;
	struct deletions_view view = {.sets = feeds_sets(zone->feeds, FEEDS_NONE, NULL)};
	view.fresh = view.sets.at[view.index];
	enum rc rc = settle(zone, &view, FEEDS_NONE, &why);
	if (rc == RC_OK)
		return;
	edition_drop(zone->edition);
	feeds_read_again(zone->feeds, view.index);      /* which tries all of this again */
	fail(zone, rc, &why);
}

static void on_patience_end(void *context)
{
	settle_waiting(context, false);
}

static void on_heard(void *context)
{
	settle_waiting(context, true);
}

static void on_source_changed(void *context)
{
	struct zone *zone = context;
	if (zone->waiting)
		loop_defer(zone->loop, &zone->heard, on_heard, zone);
}

static void on_reading(void *context, size_t index, struct reading **reading)
{
	struct zone *zone = context;
	struct why why;
	if (zone->fatal) {
		reading_free(reading);
		return;
	}
	if (!edition_published(zone->edition)) {
		feeds_keep(zone->feeds, index, reading);
		try_first(zone);
		return;
	}
	enum rc rc = take(zone, index, *reading, &why);
	if (rc != RC_OK) {
		edition_drop(zone->edition);
		reading_free(reading);
		feeds_read_again(zone->feeds, index);
		fail(zone, rc, &why);
		return;
	}
	feeds_take(zone->feeds, index, reading);
	on_source_changed(zone);
	if (!feeds_again(zone->feeds) && !zone->must_renew)
		recovered(zone);
}

/* ---- A new epoch for what is published ---- */

static void renew(struct zone *zone)
{
	struct why why;
	struct held_file kept = {0};
	const struct soa *known = edition_known(zone->edition);
	if (known && known->epoch.began.ms > zone->after.began.ms)
		zone->after = known->epoch;
	struct epoch epoch = epoch_begin(&zone->after);
	enum rc rc = RC_OK;
	if (edition_published(zone->edition) || zonedb_present(edition_db(zone->edition))) {
		rc = deletions_keep(zone->deletions, &kept, &why);
		if (rc == RC_OK)
			rc = edition_renew(zone->edition, &epoch, &why);
		if (rc != RC_OK)
			goto out;
		deletions_rekey(zone->deletions, &kept);
		feeds_forget(zone->feeds);
	}
	zone->must_renew = false;
	zone->epoch = epoch;
	feeds_rekey(zone->feeds, epoch.id);
	recovered(zone);
out:
	held_free(&kept);
	if (rc != RC_OK) {
		fail(zone, rc, &why);
	} else if (edition_published(zone->edition)) {
		loop_timer_after(zone->loop, &zone->refresh, (int64_t)zone->spec->refresh_s * 1000, on_refresh, zone);
		loop_defer(zone->loop, &zone->tell, tell_announcement, zone);
	}
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
	         "state here is an old copy, or was lost; a new epoch begins", zone->spec->name, soa->serial);
	zone->must_renew = true;
	zone->after = soa->epoch;
	renew(zone);
}

static void on_retry(void *context)
{
	struct zone *zone = context;
	if (zone->must_renew)
		renew(zone);
	else if (!edition_published(zone->edition))
		try_first(zone);
	else if (feeds_again(zone->feeds))
		feeds_read_failed(zone->feeds);
	else
		upkeep(zone);
}

/* ---- Opening and closing ---- */

static enum rc open_edition(struct zone *zone, struct why *why)
{
	const struct zone_spec *spec = zone->spec;
	const struct edition_spec edition = {
		.folder = spec->folder, .zone = spec->name, .identity = zone->identity, .refresh_s = spec->refresh_s,
		.retry_s = spec->retry_s, .expire_s = spec->expire_s, .committed = on_committed, .context = zone,
	};
	enum rc rc = edition_open(&edition, &zone->edition, why);
	if (rc != RC_OK)
		return rc;
	const struct soa *known = edition_known(zone->edition);
	struct zonedb *db = edition_db(zone->edition);
	if (zonedb_present(db))
		zone->epoch = zonedb_meta(db)->epoch;
	else if (known && !edition_foreign(zone->edition))
		zone->epoch = known->epoch;
	else
		zone->epoch = epoch_begin(known ? &known->epoch : NULL);
	const struct deletions_limits limits = {spec->max_shrink_percent, spec->min_shrink};
	char *path = mem_sprintf("%s/held", spec->folder);
	rc = deletions_open(zone->edition, spec->name, path, &limits, &zone->deletions, why);
	free(path);
	return rc;
}

enum rc zone_open(struct loop *loop, const struct zone_spec *spec, const struct identity *identity,
                  const struct zone_events *events, struct zone **out, struct why *why)
{
	struct zone *zone = mem_zalloc(sizeof *zone);
	zone->loop = loop;
	zone->spec = spec;
	zone->identity = identity;
	zone->events = *events;
	enum rc rc = open_edition(zone, why);
	if (rc != RC_OK)
		goto fail;
	const struct feeds_events heard = {on_reading, on_source_changed, zone};
	rc = feeds_open(loop, spec, zone->epoch.id, &heard, &zone->feeds, why);
	if (rc != RC_OK)
		goto fail;
	if (zonedb_present(edition_db(zone->edition)) && edition_foreign(zone->edition)) {
		log_warn("zone \"%s\": what is on disk was signed with another identity; a new epoch begins", spec->name);
		zone->must_renew = true;
		zone->after = zone->epoch;
		renew(zone);
	} else if (zonedb_present(edition_db(zone->edition))) {
		date(zone);
		loop_defer(loop, &zone->tell, tell_announcement, zone);
	}
	*out = zone;
	return RC_OK;
fail:
	zone_close(&zone);
	return rc;
}

void zone_close(struct zone **zone)
{
	if (!*zone)
		return;
	loop_timer_clear((*zone)->loop, &(*zone)->refresh);
	loop_timer_clear((*zone)->loop, &(*zone)->retry);
	loop_timer_clear((*zone)->loop, &(*zone)->tell);
	loop_timer_clear((*zone)->loop, &(*zone)->patience);
	loop_timer_clear((*zone)->loop, &(*zone)->heard);
	feeds_close(&(*zone)->feeds);
	deletions_close(&(*zone)->deletions);
	edition_close(&(*zone)->edition);
	free(*zone);
	*zone = NULL;
}

/* ---- Asking ---- */

const struct zone_spec *zone_spec(const struct zone *zone)
{
	return zone->spec;
}

bool zone_published(const struct zone *zone)
{
	return edition_published(zone->edition);
}

bool zone_soa(const struct zone *zone, struct soa *out)
{
	if (!edition_published(zone->edition))
		return false;
	*out = *edition_soa(zone->edition);
	return true;
}

struct zonedb *zone_db(struct zone *zone)
{
	return edition_db(zone->edition);
}

const struct identity *zone_identity(const struct zone *zone)
{
	return zone->identity;
}

void zone_refresh(struct zone *zone)
{
	feeds_read_now(zone->feeds);
}

enum rc zone_approve(struct zone *zone, uint64_t *count, struct why *why)
{
	if (zone->fatal)
		return why_set(why, RC_DAMAGED, "zone \"%s\": %s", zone->spec->name, zone->failure);
	const char *unread = feeds_unread(zone->feeds);
	if (unread)
		return why_set(why, RC_AGAIN, "zone \"%s\": source \"%s\" hasn't been read since the start, it may still hold these "
		               "records: mend it first (see rxfer status)", zone->spec->name, unread);
	if (!edition_published(zone->edition) && zone->missing > 0) {
		uint64_t missing = zone->missing;
		zone->begin_anyway = true;
		try_first(zone);
		if (!edition_published(zone->edition))
			return why_set(why, RC_IO, "zone \"%s\": %s", zone->spec->name, zone->failure);
		*count = missing;
		return RC_OK;
	}
	enum rc rc = deletions_approve(zone->deletions, count, why);
	if (rc == RC_DAMAGED) {
		const struct why reason = *why;
		fail(zone, rc, &reason);
	}
	return rc;
}

size_t zone_source_count(const struct zone *zone)
{
	return zone->spec->source_count;
}

const struct source *zone_source(const struct zone *zone, size_t index)
{
	return feeds_source(zone->feeds, index);
}

void zone_status(const struct zone *zone, struct zone_status *out)
{
	const struct health_facts facts = {
		.spec = zone->spec,
		.feeds = zone->feeds,
		.published = edition_published(zone->edition),
		.failure = zone->failure,
		.undated = zone->undated,
		.held = deletions_held(zone->deletions),
		.held_reason = deletions_reason(zone->deletions),
	};
	*out = (struct zone_status){
		.held_deletions = facts.held,
		.changed = edition_changed(zone->edition),
		.recipients = edition_recipients(zone->edition),
		.domains = edition_domains(zone->edition),
	};
	health_judge(&facts, out);
}
