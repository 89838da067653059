/* replica_status.h: what `rxfer status` shows of a replica. */
#ifndef REPLICA_REPLICA_STATUS_H
#define REPLICA_REPLICA_STATUS_H

#include "common/buf.h"
#include "replica/replica.h"

/* Appends one line of JSON and LF. */
void replica_status_json(const struct replica *replica, struct buf *out);

/* The worst of all, in one line for people; "" is never returned. */
enum message_health replica_status_summary(const struct replica *replica, char out[WHY_MAX]);

#endif
