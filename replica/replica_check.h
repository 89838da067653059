/* replica_check.h: `rxfer-replica --check`: would it work on this machine? Changes nothing. */
#ifndef REPLICA_REPLICA_CHECK_H
#define REPLICA_REPLICA_CHECK_H

#include "replica/replica_conf.h"

/* Prints to standard output. 0: all is well; 1: there are warnings; 2: there are errors. */
int replica_check_run(const struct replica_conf *conf);

/* The part of it that looks at this host's Postfix. 0 or 1. */
int replica_check_postfix(const struct replica_conf *conf);

#endif
