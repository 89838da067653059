/* status.h: `rxfer status`. */
#ifndef CTL_STATUS_H
#define CTL_STATUS_H

#include "ctl/options.h"

/* Exit status: 0 well, 1 warning, 2 critical, 3 can't tell. */
int status_main(const struct options *options);

#endif
