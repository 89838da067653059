/* zones.c: see zones.h. */
#include "master/zones.h"

#include "common/log.h"
#include "common/mem.h"

#include <stdlib.h>

struct place {
	struct zone *zone;               /* NULL only while they are being replaced */
	struct buf plan;                 /* what its Postfix accepts now; empty: nothing is due */
};

struct zones {
	struct loop *loop;
	const struct identity *identity;
	struct zones_events events;
	struct master_conf *conf;
	struct place *at;                /* as in conf */
	struct zone **all;               /* the same, for others to read */
	size_t count;
	struct timer replan;
};

struct zones *zones_new(struct loop *loop, const struct identity *identity, const struct zones_events *events)
{
	struct zones *zones = mem_zalloc(sizeof(*zones));
	*zones = (struct zones){.loop = loop, .identity = identity, .events = *events};
	return zones;
}

static enum rc open_one(struct zones *zones, size_t index, struct why *why)
{
	const struct zone_spec *spec = master_conf_zone(zones->conf, index);
	enum rc rc = zone_open(zones->loop, spec, zones->identity, &zones->events.zone, &zones->at[index].zone, why);
	zones->all[index] = zones->at[index].zone;
	return rc == RC_OK ? rc : why_prepend(why, rc, "zone \"%s\"", spec->name);
}

static void make_room(struct zones *zones, struct master_conf *conf)
{
	size_t count = master_conf_zone_count(conf);
	zones->conf = conf;
	zones->at = mem_zalloc((count ? count : 1) * sizeof(*zones->at));
	zones->all = mem_zalloc((count ? count : 1) * sizeof(struct zone *));
	zones->count = 0;
}

static void close_places(struct place *places, size_t from, size_t count)
{
	for (size_t i = from; i < count; i++) {
		if (places[i].zone)
			zone_close(&places[i].zone);
		buf_free(&places[i].plan);
	}
}

void zones_free(struct zones **zones)
{
	if (!*zones)
		return;
	close_places((*zones)->at, 0, (*zones)->count);
	loop_timer_clear((*zones)->loop, &(*zones)->replan);
	free((*zones)->at);
	free((*zones)->all);
	free(*zones);
	*zones = NULL;
}

enum rc zones_open(struct zones *zones, struct master_conf *conf, struct why *why)
{
	make_room(zones, conf);
	enum rc rc = RC_OK;
	while (rc == RC_OK && zones->count < master_conf_zone_count(conf)) {
		rc = open_one(zones, zones->count, why);
		zones->count += rc == RC_OK;
	}
	return rc;
}

static void lose(struct zones *zones, size_t index, size_t count, const struct why *why)
{
	close_places(zones->at, index, count);
	zones->count = index;
	zones->events.lost(zones->events.context, why->text);
}

/* Takes the zone with that spec out of the old ones, if it's there. */
static struct place take(struct place *old, size_t count, const struct zone_spec *spec)
{
	for (size_t i = 0; i < count; i++) {
		struct place place = old[i];
		if (!place.zone || zone_spec(place.zone) != spec)
			continue;
		old[i] = (struct place){.zone = NULL};
		return place;
	}
	return (struct place){.zone = NULL};
}

void zones_replace(struct zones *zones, struct master_conf *conf)
{
	struct place *old = zones->at;
	struct zone **old_all = zones->all;
	size_t old_count = zones->count, count = master_conf_zone_count(conf);
	struct why why;
	zones->events.closing(zones->events.context);
	make_room(zones, conf);
	for (size_t i = 0; i < count; i++) {
		zones->at[i] = take(old, old_count, master_conf_zone(conf, i));
		zones->all[i] = zones->at[i].zone;
	}
	close_places(old, 0, old_count);
	free(old);
	free(old_all);
	for (zones->count = 0; zones->count < count; zones->count++) {
		if (zones->at[zones->count].zone || open_one(zones, zones->count, &why) == RC_OK)
			continue;
		lose(zones, zones->count, count, &why);
		return;
	}
}

struct zone *const *zones_all(const struct zones *zones, size_t *count)
{
	*count = zones->count;
	return zones->all;
}

/* ---- Plans ---- */

/* False: it's lost. */
static bool replan(struct zones *zones, size_t index)
{
	struct why why;
	struct place *place = &zones->at[index];
	const struct zone_spec *spec = master_conf_zone(zones->conf, index);
	zones->events.closing(zones->events.context);
	zone_close(&place->zone);
	if (master_conf_plan(zones->conf, index, &place->plan, &why) != RC_OK)
		log_error("zone \"%s\": %s", spec->name, why.text);
	buf_clear(&place->plan);
	if (open_one(zones, index, &why) != RC_OK) {
		lose(zones, index, zones->count, &why);
		return false;
	}
	log_info("zone \"%s\": what its Postfix accepts is found out: %zu sources", spec->name, spec->source_count);
	const char *note;
	for (size_t i = 0; (note = master_conf_note(zones->conf, index, i)) != NULL; i++)
		log_info("zone \"%s\": %s", spec->name, note);
	return true;
}

static void on_replan(void *context)
{
	struct zones *zones = context;
	bool well = true;
	for (size_t i = 0; i < zones->count && well; i++)
		if (zones->at[i].plan.length > 0)
			well = replan(zones, i);
	zones->events.changed(zones->events.context);
}

void zones_plan(struct zones *zones, const struct zone *zone, const struct buf *text)
{
	for (size_t i = 0; i < zones->count; i++) {
		if (zones->at[i].zone != zone)
			continue;
		buf_clear(&zones->at[i].plan);
		buf_put(&zones->at[i].plan, text->data, text->length);
		loop_defer(zones->loop, &zones->replan, on_replan, zones);
	}
}
