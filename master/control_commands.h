/* control_commands.h: what a master answers on its control socket: status, list [ZONE], refresh ZONE, approve ZONE,
 * explain ADDRESS [brief]. */
#ifndef MASTER_CONTROL_COMMANDS_H
#define MASTER_CONTROL_COMMANDS_H

#include "common/control.h"
#include "master/status.h"

/* A control_handler; context: a struct status_facts, which is up to date whenever this is called. */
void control_commands_handle(void *context, struct control_request *request);

#endif
