/* audit.h: `rxfer audit [ZONE]`: does a real smtpd answer as the published zone has it? */
#ifndef CTL_AUDIT_H
#define CTL_AUDIT_H

#include "ctl/options.h"

/* Exit status: 0 all agree, 1 there is a disagreement, 2 it couldn't be done or finished (or a wrong command line),
 * 3 no disagreement, but the server put something off. */
int audit_main(const struct options *options);

#endif
