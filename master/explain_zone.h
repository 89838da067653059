/* explain_zone.h: what rxfer explain says of one zone: what is known without reading anything, which sources are worth
 * being read for it, and what their readings come to. */
#ifndef MASTER_EXPLAIN_ZONE_H
#define MASTER_EXPLAIN_ZONE_H

#include "master/probe.h"
#include "master/status.h"
#include "postfix/answer.h"

/* Plain data, for explain.c. `zone` must stay open until explain_zone_end. */
struct explain_zone {
	struct zone *zone;
	struct answer answer;
	json_t *json;                        /* the zone's object, as far as it goes */
	enum probe_state unpublished;        /* the best reason in `sentence` */
	struct why sentence;                 /* for not_published, or "" */
};

/* As answer_ask. */
enum rc explain_zone_begin(struct explain_zone *explain, const struct status_facts *facts, struct zone *zone,
                           const char *address, struct why *why);

/* Which keys the source at `index` should be read for, into keys[LOOKUP_KEYS_MAX]; their indices among the look-ups
 * into `which`. Returns how many. */
size_t explain_zone_wants(const struct explain_zone *explain, size_t index, struct address *keys, size_t *which);

/* A reading's result; `error` may also be why none was begun, or why it wasn't waited for. */
void explain_zone_take(struct explain_zone *explain, size_t index, const struct probe_result *result,
                       const size_t *which, size_t count);

/* The whole object: the caller's, explain->json is NULL then. */
json_t *explain_zone_end(struct explain_zone *explain);

#endif
