/* freshness.h: how old a zone's newest announcement is, and what that means. Pure; survives a restart.
 *
 * The age is the largest of what three clocks say, since one that stands still or was set back must not make an old
 * list look new: the time since it came by the clock that counts from boot (in this process only), the time since it
 * came by the wall clock, and the time since the master dated it. Negative ones count as nothing. A clock that is wrong
 * thus ends in a warning, never in silence. */
#ifndef REPLICA_FRESHNESS_H
#define REPLICA_FRESHNESS_H

#include "common/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum freshness {
	FRESHNESS_EMPTY,      /* no complete set of records: no table, so that Postfix defers */
	FRESHNESS_FRESH,
	FRESHNESS_STALE,      /* no announcement for refresh + 3 * retry: some were missed */
	FRESHNESS_EXPIRED     /* none for expire: on_expire applies */
};

struct freshness_facts {
	bool present;                    /* there is a complete set of records */
	struct wall dated;               /* of the newest announcement of that set, by the master's clock */
	struct wall received;            /* when it came, by ours */
	bool received_here;              /* it came to this process: received_mono counts */
	struct mono received_mono;
	uint32_t refresh_s, retry_s, expire_s;
};

struct freshness_verdict {
	enum freshness freshness;
	int64_t age_ms;
	bool clocks_differ;              /* it came a short while ago, and is dated long ago */
	int64_t next_ms;                 /* in how many ms it will be worse if nothing comes; 0: never */
};

struct freshness_verdict freshness_judge(const struct freshness_facts *facts, struct wall wall, struct mono mono);

const char *freshness_name(enum freshness freshness);      /* "empty", "fresh", "stale", "expired" */

/* What to do with tables while expired. */
enum on_expire {
	ON_EXPIRE_KEEP,        /* go on with the last list */
	ON_EXPIRE_ACCEPT       /* recipients tables gain @domain for each allowed domain */
};

#endif
