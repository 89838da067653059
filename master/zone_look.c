/* zone_look.c: how a single record stands at the zone's sources: for people who ask why it's there, or why not. */
#include "master/zone_private.h"

#include <string.h>

static struct fingerprint print_of(const struct zone *zone, const struct record *record)
{
	return record_fingerprint(zone->epoch.id, record);
}

bool zone_source_has(const struct zone *zone, size_t index, const struct record *record)
{
	struct fingerprint print = print_of(zone, record);
	return fpset_has(feeds_sets(zone->feeds, FEEDS_NONE, NULL).at[index], &print);
}

bool zone_source_unread(const struct zone *zone, size_t index)
{
	return source_status(feeds_source(zone->feeds, index)).read.ms == 0;
}

/* The first that can't be read; or whose reading is due. NULL: none. */
static const struct source *find_source(const struct zone *zone, bool failed)
{
	for (size_t i = 0; i < zone->spec->source_count; i++) {
		const struct source *source = feeds_source(zone->feeds, i);
		struct source_status status = source_status(source);
		if (failed ? status.state == SOURCE_FAILED || status.partial : status.reading)
			return source;
	}
	return NULL;
}

static void say_waiting(const struct zone *zone, struct why *reason)
{
	const struct source *failed = find_source(zone, true), *reading = find_source(zone, false);
	if (zone->failure[0] != '\0')
		(void)why_set(reason, RC_OK, "no source has it any more, but nothing can be published: %s", zone->failure);
	else if (failed)
		(void)why_set(reason, RC_OK, "no other source has it any more, but source \"%s\" may: %s", source_spec(failed)->name,
		              source_status(failed).partial ? "it's being written" : source_status(failed).error);
	else if (reading)
		(void)why_set(reason, RC_OK, "no source has it any more; before it goes source \"%s\" is read once more",
		              source_spec(reading)->name);
	else
		(void)why_set(reason, RC_OK, "no source has it any more; it's about to go");
}

bool zone_held(const struct zone *zone, const struct record *record, struct why *reason)
{
	struct fingerprint print = print_of(zone, record);
	struct merge_sets sets = feeds_sets(zone->feeds, FEEDS_NONE, NULL);
	if (merge_wanted(&sets, &print))
		return false;
	if (deletions_holds(zone->deletions, &print)) {
		const char *known = deletions_reason(zone->deletions);
		(void)why_set(reason, RC_OK, "no source has it any more, and its deletion is held%s%s; to let it go: rxfer approve "
		              "%s", known[0] ? ", because " : "", known, zone->spec->name);
		return true;
	}
	if (feeds_unread(zone->feeds))
		return false;
	say_waiting(zone, reason);
	return true;
}
