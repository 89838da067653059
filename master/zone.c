/* zone.c: see zone.h.
 *
 * Who does what: edition.c makes serials, deletions.c knows what is due to go and what is held, this file knows the
 * sources and puts readings through.
 *
 *                   all sources read, and at rest    new epoch (evidence, another identity)
 *   UNPUBLISHED --------------------------> PUBLISHED <-----------------------------------.
 *                 edition_restore or _begin   |  |  `--------------------------------------'
 *                                             |  `- a reading: additions; and when all are read: deletions
 *                                             `---- every `refresh`: a new date
 *
 * An address that moves from one source to another is away for a moment when the one that lost it is read first. So
 * before anything is deleted the other sources are looked at (commands are run), deletions wait while any source is
 * about to be read, and what was dropped counts when all have been heard; but a source that never rests holds nothing
 * up for longer than it takes to read it twice. A source that can't be read, or only in part, may have had the address
 * moved into it: while there is one, nothing is deleted.
 *
 * A reading that can't be committed (full disk) leaves its source's set as it was, and the source is read again a bit
 * later: so nothing but the sets needs to be remembered, and what was partly committed is found in the zonedb. */
#include "master/zone_private.h"

#include "common/log.h"
#include "common/mem.h"
#include "master/health.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 10000
#define WAIT_MS 60000           /* at least */

static void on_retry(void *context);

/* ---- Failures ---- */

void zone_fail(struct zone *zone, enum rc rc, const struct why *why)
{
	bool news = strcmp(zone->failure, why->text) != 0;
	memcpy(zone->failure, why->text, sizeof zone->failure);
	if (news)
		log_error("zone \"%s\": nothing can be published: %s", zone->spec->name, zone->failure);
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

void zone_recovered(struct zone *zone)
{
	if (zone->failure[0] != '\0')
		log_info("zone \"%s\": publishing works again", zone->spec->name);
	zone->failure[0] = '\0';
	zone->missing = 0;
	zone->begin_anyway = false;
}

/* ---- Dated announcements ---- */

void zone_tell(struct zone *zone)
{
	if (!zone->fatal && zone_published(zone))
		zone->events.announcement(zone->events.context, zone, edition_soa(zone->edition));
}

static void tell_announcement(void *context)
{
	zone_tell(context);
}

void zone_tell_soon(struct zone *zone)
{
	loop_defer(zone->loop, &zone->tell, tell_announcement, zone);
}

static void on_refresh(void *context);

void zone_dated(struct zone *zone)
{
	loop_timer_after(zone->loop, &zone->refresh, (int64_t)zone->spec->refresh_s * 1000, on_refresh, zone);
}

static void date(struct zone *zone)
{
	struct why why;
	enum rc rc = edition_announce(zone->edition, &why);
	if (rc == RC_DAMAGED) {
		zone_fail(zone, rc, &why);
		return;
	}
	if (rc != RC_OK && zone->undated[0] == '\0')
		log_error("zone \"%s\": %s", zone->spec->name, why.text);
	/* Told all the same: the backups would otherwise take a full disk here for a master that is gone. */
	if (rc != RC_OK)
		memcpy(zone->undated, why.text, sizeof zone->undated);
	else
		zone->undated[0] = '\0';
	zone_dated(zone);
}

static void upkeep(void *context)
{
	struct zone *zone = context;
	struct why why;
	if (zone->fatal)
		return;
	enum rc rc = zonedb_checkpoint(edition_db(zone->edition), &why);
	if (rc != RC_OK)
		zone_fail(zone, rc, &why);
	else if (!feeds_again(zone->feeds) && !zone->must_renew)
		zone_recovered(zone);
}

static void on_refresh(void *context)
{
	struct zone *zone = context;
	date(zone);
	zone_tell(zone);
	upkeep(zone);
}

/* Each changeset puts the next announcement off, so it can't be that which brings the upkeep about. */
static void on_committed(void *context, const struct soa *soa, const void *data, size_t length)
{
	struct zone *zone = context;
	zone_dated(zone);
	loop_defer(zone->loop, &zone->upkeep, upkeep, zone);
	if (zone_published(zone))
		zone->events.changeset(zone->events.context, zone, soa, data, length);
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

/* ---- Waiting ---- */

static void on_patience_end(void *context);

bool zone_must_wait(const struct zone *zone, size_t delivered, bool patient)
{
	return feeds_doubtful_but(zone->feeds, delivered) || (patient && feeds_pending(zone->feeds));
}

void zone_set_waiting(struct zone *zone, bool waiting)
{
	int64_t patience = feeds_patience_ms(zone->feeds);
	if (waiting && !zone->patience.armed)
		loop_timer_after(zone->loop, &zone->patience, patience > WAIT_MS ? patience : WAIT_MS, on_patience_end, zone);
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
		zone_set_waiting(zone, view->wait);
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
	if (!deletions_compared(zone->deletions) || drops(view.sets.at[index], fresh))
		feeds_check_but(zone->feeds, index);
	view.wait = zone_must_wait(zone, index, true);
	return settle(zone, &view, index, why);
}

/* Only what it has counts; it's followed by another reading. */
static enum rc take_part(struct zone *zone, size_t index, struct reading **reading, struct why *why)
{
	enum rc rc = add_gained(zone, feeds_sets(zone->feeds, FEEDS_NONE, NULL).at[index], *reading, why);
	if (rc == RC_OK)
		rc = edition_flush(zone->edition, why);
	if (rc == RC_OK)
		feeds_add(zone->feeds, index, reading);
	return rc;
}

/* Deletions have waited, and something was heard of a source. */
static void settle_waiting(struct zone *zone, bool patient)
{
	struct why why;
	if (feeds_unread(zone->feeds) || zone_must_wait(zone, FEEDS_NONE, patient))
		return;
	struct deletions_view view = {.sets = feeds_sets(zone->feeds, FEEDS_NONE, NULL)};
	view.fresh = view.sets.at[view.index];
	enum rc rc = settle(zone, &view, FEEDS_NONE, &why);
	if (rc == RC_OK)
		return;
	edition_drop(zone->edition);
	feeds_read_again(zone->feeds, view.index);      /* which tries all of this again */
	zone_fail(zone, rc, &why);
}

static void stop_waiting(struct zone *zone, bool patient)
{
	if (!zone->waiting || zone->fatal)
		return;
	if (zone->must_renew)
		zone_renew(zone, patient);
	else if (edition_published(zone->edition))
		settle_waiting(zone, patient);
	else
		zone_first_try(zone, patient);
}

static void on_patience_end(void *context)
{
	stop_waiting(context, false);
}

static void on_heard(void *context)
{
	stop_waiting(context, true);
}

static void on_source_changed(void *context)
{
	struct zone *zone = context;
	if (zone->waiting)
		loop_defer(zone->loop, &zone->heard, on_heard, zone);
}

/* Not from within a source's call: they all get another key. */
static void renew_soon(struct zone *zone)
{
	if (!zone->must_renew)
		return;
	zone_set_waiting(zone, true);
	loop_defer(zone->loop, &zone->heard, on_heard, zone);
}

/* Nothing is published yet. What this source hasn't got, or not any more, may have been moved to one that was read before,
 * and whose change nobody tells of. */
static void keep(struct zone *zone, size_t index, struct reading **reading)
{
	bool lost = drops(feeds_sets(zone->feeds, FEEDS_NONE, NULL).at[index], reading_set(*reading));
	feeds_keep(zone->feeds, index, reading);
	if (feeds_unread(zone->feeds) || (zone->looked && !lost))
		return;
	zone->looked = true;
	feeds_check_but(zone->feeds, index);
}

static void on_reading(void *context, size_t index, struct reading **reading)
{
	struct zone *zone = context;
	struct why why;
	if (zone->fatal) {
		reading_free(reading);
		return;
	}
	bool part = feeds_partial(zone->feeds, index);
	if (!edition_published(zone->edition)) {
		if (!part)
			keep(zone, index, reading);
		renew_soon(zone);
		zone_first_try(zone, true);
		return;
	}
	enum rc rc = part ? take_part(zone, index, reading, &why) : take(zone, index, *reading, &why);
	if (rc != RC_OK) {
		edition_drop(zone->edition);
		reading_free(reading);
		deletions_compare_anew(zone->deletions);
		feeds_read_again(zone->feeds, index);
		zone_fail(zone, rc, &why);
		return;
	}
	if (!part)
		feeds_take(zone->feeds, index, reading);
	on_source_changed(zone);
	renew_soon(zone);
	if (!feeds_again(zone->feeds) && !zone->must_renew)
		zone_recovered(zone);
}

static void on_plan(void *context, const struct buf *text)
{
	struct zone *zone = context;
	if (zone->events.plan && !zone->fatal)
		zone->events.plan(zone->events.context, zone, text);
}

void zone_damaged(struct zone *zone, const struct why *why)
{
	if (!zone->fatal)
		zone_fail(zone, RC_DAMAGED, why);
}

static void on_retry(void *context)
{
	struct zone *zone = context;
	if (zone->must_renew && !feeds_again(zone->feeds))
		zone_renew(zone, true);
	else if (!edition_published(zone->edition))
		zone_first_try(zone, true);
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
	const struct feeds_events heard = {on_reading, on_source_changed, zone, on_plan};
	rc = feeds_open(loop, spec, zone->epoch.id, &heard, &zone->feeds, why);
	if (rc != RC_OK)
		goto fail;
	bool half_begun = edition_half_begun(zone->edition);
	if (half_begun || (zonedb_present(edition_db(zone->edition)) && edition_foreign(zone->edition))) {
		log_warn("zone \"%s\": %s; a new epoch begins when all sources have been read", spec->name,
		         half_begun ? "a new epoch was being begun" : "what is on disk was signed with another identity");
		zone->must_renew = true;
		zone->after = zone->epoch;
	} else if (zonedb_present(edition_db(zone->edition))) {
		date(zone);
		zone_tell_soon(zone);
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
	loop_timer_clear((*zone)->loop, &(*zone)->upkeep);
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
	return edition_published(zone->edition) && !zone->must_renew;
}

bool zone_soa(const struct zone *zone, struct soa *out)
{
	if (!zone_published(zone))
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

static enum rc approve_first(struct zone *zone, uint64_t *count, struct why *why)
{
	uint64_t missing = zone->missing;
	zone->begin_anyway = true;
	zone_first_try(zone, false);
	zone->begin_anyway = false;
	if (edition_published(zone->edition)) {
		*count = missing;
		return RC_OK;
	}
	if (zone_must_wait(zone, FEEDS_NONE, false))
		return why_set(why, RC_AGAIN, "zone \"%s\": a source can't be read, and may still hold these records: mend it first "
		               "(see rxfer status)", zone->spec->name);
	return why_set(why, RC_IO, "zone \"%s\": %s", zone->spec->name, zone->failure);
}

enum rc zone_approve(struct zone *zone, uint64_t *count, struct why *why)
{
	if (zone->fatal)
		return why_set(why, RC_DAMAGED, "zone \"%s\": %s", zone->spec->name, zone->failure);
	const char *unread = feeds_unread(zone->feeds);
	if (unread)
		return why_set(why, RC_AGAIN, "zone \"%s\": source \"%s\" hasn't been read since the start, it may still hold these "
		               "records: mend it first (see rxfer status)", zone->spec->name, unread);
	if (!edition_published(zone->edition) && zone->missing > 0)
		return approve_first(zone, count, why);
	struct merge_sets sets = feeds_sets(zone->feeds, FEEDS_NONE, NULL);
	enum rc rc = deletions_approve(zone->deletions, &sets, count, why);
	if (rc == RC_DAMAGED) {
		const struct why reason = *why;
		zone_fail(zone, rc, &reason);
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
		.published = zone_published(zone),
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
