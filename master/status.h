/* status.h: what `rxfer status` is told by a master. rxfer(1) describes the JSON. */
#ifndef MASTER_STATUS_H
#define MASTER_STATUS_H

#include "master/publisher.h"
#include "master/refusals.h"
#include "master/rollover.h"

struct explain;

struct status_facts {
	const struct identity *identity;
	struct zone *const *zones;
	size_t zone_count;
	const struct publisher *publisher;
	const struct link_server *link;
	const struct refusals *refusals;
	size_t endpoint_count;
	struct explain *explain;         /* for control_commands */
	struct rollover *rollover;
};

/* One JSON object and a line end. */
void status_json(const struct status_facts *facts, struct buf *out);
/* One sentence for people, without a final full stop. Returns the health: 0 ok, 1 warning, 2 critical. */
int status_summary(const struct status_facts *facts, char out[WHY_MAX]);

#endif
