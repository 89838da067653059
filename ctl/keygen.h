/* keygen.h: `rxfer keygen FILE` and `rxfer key FILE`. Exit status 0 or 1. */
#ifndef CTL_KEYGEN_H
#define CTL_KEYGEN_H

#include "ctl/options.h"

int keygen_main(const struct options *options);       /* makes an identity, prints its public line */
int keygen_key_main(const struct options *options);   /* prints the public line of one that is there */

#endif
