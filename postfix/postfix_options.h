/* postfix_options.h: the section `postfix` of both configurations: where a Postfix is, and how it is looked at. */
#ifndef POSTFIX_OPTIONS_H
#define POSTFIX_OPTIONS_H

#include "common/conf.h"

/* config_directory, command_directory, service, interval, timeout (seconds). */
extern const struct conf_option postfix_options[];

#endif
