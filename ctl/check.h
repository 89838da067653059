/* check.h: `rxfer check`: which daemon a configuration is for, and that daemon's own check of it. */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include "ctl/options.h"

enum check_kind { CHECK_MASTER, CHECK_REPLICA, CHECK_UNCLEAR };

/* Becomes `rxfer-master --check -c FILE` or `rxfer-replica --check -c FILE`; returns only when that failed, with 2. */
int check_main(const struct options *options);

/* Decides by the words at the top level of a text without comments (conf_scan's): listen and replica are a master's,
 * master and table a replica's. */
enum check_kind check_kind(const char *text);

#endif
