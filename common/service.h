/* service.h: what both daemons do the same way as services: limits, the one-daemon lock. */
#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H

#include "common/why.h"

/* umask 0077, no core dumps (secrets), SIGPIPE ignored. */
void service_harden(void);

/* Makes the state folder (0700) and locks it: RC_AGAIN when another daemon has it, RC_IO. The lock goes with the
 * process. */
enum rc service_lock(const char *folder, struct why *why);

#endif
