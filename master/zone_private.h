/* zone_private.h: a zone's insides, shared by zone.c, zone_first.c (the first publication) and zone_epoch.c (the later
 * epochs). */
#ifndef MASTER_ZONE_PRIVATE_H
#define MASTER_ZONE_PRIVATE_H

#include "master/deletions.h"
#include "master/feeds.h"
#include "master/zone.h"

struct zone {
	struct loop *loop;
	const struct zone_spec *spec;
	const struct identity *identity;
	struct zone_events events;
	struct edition *edition;
	struct deletions *deletions;
	struct feeds *feeds;
	struct epoch epoch;              /* whose id the sources are keyed with */
	bool must_renew;                 /* a new epoch is due, and until then nothing is published; after: */
	struct epoch after;
	uint64_t missing;                /* the first publication waits for approval: so many records fewer than were known */
	bool begin_anyway;
	bool looked;                     /* before the first publication: at all sources again, once all had been read */
	bool fatal;
	char failure[WHY_MAX];           /* why nothing can be committed, or "" */
	char undated[WHY_MAX];           /* why the newest announcement couldn't be remembered, or "" */
	struct timer refresh;
	struct timer retry;
	struct timer tell;
	struct timer upkeep;
	bool waiting;                    /* deletions, or the first publication, for sources that are about to be read */
	struct timer patience;           /* its end */
	struct timer heard;
};

/* Nothing could be committed: remembered for the status, tried again, or the end (RC_DAMAGED). */
void zone_fail(struct zone *zone, enum rc rc, const struct why *why);
void zone_recovered(struct zone *zone);
/* Sets the refresh timer anew: what is published was dated just now. */
void zone_dated(struct zone *zone);
void zone_tell(struct zone *zone);                         /* the newest announcement */
void zone_tell_soon(struct zone *zone);                    /* from the loop */

/* Whether a source may hold what isn't known here: then nothing is deleted, nor published for the first time. A source
 * that is about to be read has that long only while we're patient. */
bool zone_must_wait(const struct zone *zone, size_t delivered, bool patient);
void zone_set_waiting(struct zone *zone, bool waiting);

/* zone_epoch.c: the new epoch that is due (must_renew), when all sources are known; tried again when it fails. */
void zone_renew(struct zone *zone, bool patient);

/* zone_first.c: publishes for the first time, or anew after the records were lost, if all sources are known. */
void zone_first_try(struct zone *zone, bool patient);

#endif
