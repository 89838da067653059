/* explain.h: `rxfer explain ADDRESS` at the master: whether the address is valid, by which key, since when and at which
 * backups; and, because that is what people want to know, in which map, file and line that key stands.
 *
 * The verdict comes from what is published, and from nothing else. The places are found by reading the sources once
 * more, as they are read for the zone (a child process, its time limited), so an answer may take a while: few are read
 * at once, the others wait, and what isn't known after EXPLAIN_MS is said to be unknown. */
#ifndef MASTER_EXPLAIN_H
#define MASTER_EXPLAIN_H

#include "common/control.h"
#include "master/status.h"

#define EXPLAIN_MS 60000      /* rxfer waits a bit longer */

struct explain;

struct explain *explain_new(struct loop *loop);
/* Nothing may be pending: explain_finish first. */
void explain_free(struct explain **explain);

/* Answers "explain ADDRESS [brief]", now or later, with the JSON that rxfer(1) describes. */
void explain_request(struct explain *explain, const struct status_facts *facts, struct control_request *request);

/* Answers all that is pending with what is known by now. To be called before zones are closed, for their sources are
 * what is being read, and before the control socket is. */
void explain_finish(struct explain *explain);

#endif
