/* health.h: how a zone is, in one sentence. */
#ifndef MASTER_HEALTH_H
#define MASTER_HEALTH_H

#include "master/feeds.h"
#include "master/zone.h"

struct health_facts {
	const struct zone_spec *spec;
	const struct feeds *feeds;
	bool published;
	const char *failure;         /* why nothing can be published, or "" */
	const char *undated;         /* why the newest announcement couldn't be remembered, or "" */
	uint64_t held;
	const char *held_reason;     /* or "" */
};

/* Fills health and reason. */
void health_judge(const struct health_facts *facts, struct zone_status *out);

#endif
