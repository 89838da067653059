/* check.h: `rxfer-master --check`: reads every source once, and says what would be published and what can't be read. */
#ifndef MASTER_CHECK_H
#define MASTER_CHECK_H

#include "master/master_conf.h"

/* Prints to standard output. Changes nothing, needs no state, and may run beside the daemon. Returns the exit status:
 * 0 all is well, 1 there are warnings, 2 a zone couldn't be published. */
int check_run(struct loop *loop, struct master_conf *conf);

#endif
