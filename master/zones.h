/* zones.h: the zones of the configuration: opened, replaced after SIGHUP, made anew when their Postfix accepts something
 * else. A zone has no reference to the others; the order is the configuration's. */
#ifndef MASTER_ZONES_H
#define MASTER_ZONES_H

#include "master/master_conf.h"
#include "master/zone.h"

struct zones;

struct zones_events {
	struct zone_events zone;                 /* of each zone; its plan must call zones_plan */
	void (*closing)(void *context);          /* zones are about to be closed: whoever uses them stops that */
	void (*changed)(void *context);          /* other zones than before, or the same anew: zones_all */
	/* A zone can't be opened any more. The configuration was checked, so it's the disk: end, a start says the same until
	 * it's mended. Those that stood after it are closed. */
	void (*lost)(void *context, const char *reason);
	void *context;
};

struct zones *zones_new(struct loop *loop, const struct identity *identity, const struct zones_events *events);
void zones_free(struct zones **zones);       /* NULL is fine */

/* The first time: opens all of them. conf belongs to the caller, and outlives the zones, or zones_replace. */
enum rc zones_open(struct zones *zones, struct master_conf *conf, struct why *why);
/* conf has inherited from the one before. Unchanged zones go on, with the spec they have, and with a plan of theirs that
 * is due; the others are closed first, for a folder has one user. */
void zones_replace(struct zones *zones, struct master_conf *conf);
struct zone *const *zones_all(const struct zones *zones, size_t *count);

/* What the zone's Postfix accepts now, whole. It's applied in the loop's next round, not from within the zone that says
 * it. What is published stands meanwhile; the sources of the new plan are read as after a start. */
void zones_plan(struct zones *zones, const struct zone *zone, const struct buf *text);

#endif
