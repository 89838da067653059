/* service_notify.h: a daemon's words with the service manager (sd_notify(3)), when that started it; otherwise nothing.
 *
 * Nothing here waits: a manager that hangs doesn't stop the daemon. What it has no room for is said again until it is
 * taken, for without READY=1 it would end the daemon, or think for ever that it reloads. */
#ifndef COMMON_SERVICE_NOTIFY_H
#define COMMON_SERVICE_NOTIFY_H

#include "common/loop.h"
#include "common/why.h"

#include <stdbool.h>

/* Plain data; zeroed it's silent. */
struct service_notify {
	struct loop *loop;
	void (*summary)(const void *context, char out[WHY_MAX]);
	const void *context;
	struct timer timer;
	bool ready_owed;
	char told[WHY_MAX];              /* the newest summary that was taken */
};

/* Ready; from now on the summary, one line for `systemctl status`, is told now and then, when it has changed. */
void service_notify_begin(struct service_notify *notify, struct loop *loop,
                          void (*summary)(const void *context, char out[WHY_MAX]), const void *context);
/* Around reading the configuration again. */
void service_notify_reloading(struct service_notify *notify);
void service_notify_ready(struct service_notify *notify);
void service_notify_stopping(void);
/* Tells nothing more. */
void service_notify_end(struct service_notify *notify);

#endif
