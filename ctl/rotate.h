/* rotate.h: `rxfer rotate-key`. */
#ifndef CTL_ROTATE_H
#define CTL_ROTATE_H

#include "ctl/options.h"

int rotate_main(const struct options *options);

#endif
