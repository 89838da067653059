/* service.h: what both daemons do the same way as services: limits, the one-daemon lock, words with the service manager. */
#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H

#include "common/why.h"

/* umask 0077, no core dumps (secrets), SIGPIPE ignored. */
void service_harden(void);

/* Makes the state folder (0700) and locks it: RC_AGAIN when another daemon has it, RC_IO. The lock goes with the
 * process. */
enum rc service_lock(const char *folder, struct why *why);

/* To systemd, when it started us; otherwise nothing. status: one line for `systemctl status`, or NULL. */
void service_ready(const char *status);
void service_reloading(void);
void service_stopping(void);
void service_status(const char *status);

#endif
