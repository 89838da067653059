/* status_format.h: a daemon's status as text for eyes. Pure: JSON in, text out; the time is the daemon's own ("now").
 *
 * Whatever is missing, of another type or unknown is left out or shown as '-': the daemon may be older or newer. */
#ifndef CTL_STATUS_FORMAT_H
#define CTL_STATUS_FORMAT_H

#include "common/buf.h"
#include "ctl/terminal.h"

#include <jansson.h>

/* As monitoring plug-ins say it. */
enum verdict { VERDICT_OK = 0, VERDICT_WARNING = 1, VERDICT_CRITICAL = 2, VERDICT_UNKNOWN = 3 };

enum verdict status_format_verdict(const json_t *status);
void status_format(const json_t *status, const struct terminal *terminal, struct buf *out);

#endif
