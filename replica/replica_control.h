/* replica_control.h: the commands that people send over the control socket: status, list, refresh, retransfer,
 * explain; and question, which the check asks. */
#ifndef REPLICA_REPLICA_CONTROL_H
#define REPLICA_REPLICA_CONTROL_H

#include "common/control.h"

/* A control_handler; context: a struct replica. */
void replica_control_handle(void *context, struct control_request *request);

#endif
