/* replica_explain.h: `rxfer explain ADDRESS` at a backup: by which zone and in which tables it is valid here. */
#ifndef REPLICA_REPLICA_EXPLAIN_H
#define REPLICA_REPLICA_EXPLAIN_H

#include "common/control.h"
#include "replica/replica.h"

/* Answers "explain ADDRESS [brief]" with the JSON that rxfer(1) describes; brief leaves out the tables. */
void replica_explain(const struct replica *replica, struct control_request *request);

#endif
