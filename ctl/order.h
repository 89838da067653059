/* order.h: commands that tell a daemon to do something: refresh, retransfer, approve. Exit status 0 or 1. */
#ifndef CTL_ORDER_H
#define CTL_ORDER_H

#include "ctl/options.h"

int order_refresh_main(const struct options *options);
int order_retransfer_main(const struct options *options);
int order_approve_main(const struct options *options);

#endif
