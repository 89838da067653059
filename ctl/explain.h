/* explain.h: `rxfer explain ADDRESS`: is it valid, by which key, from which map and line, since when, at which backups?
 * Exit status: 0 accepted; 1 refused, or of a domain that isn't ours; 2 deferred, or it can't be said. */
#ifndef CTL_EXPLAIN_H
#define CTL_EXPLAIN_H

#include "common/buf.h"
#include "ctl/options.h"

#include <jansson.h>

/* How long to wait for an answer with places: the master reads maps for it, for at most a minute. */
#define EXPLAIN_TIMEOUT_MS 75000

int explain_main(const struct options *options);

/* A daemon's answer as text for eyes, cleaned. Pure. What is missing or of another type is left out: the daemon may be
 * older or newer. */
void explain_format(const json_t *answer, struct buf *out);
/* The exit status that the answer is worth. */
int explain_status(const json_t *answer);

#endif
