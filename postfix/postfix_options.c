/* postfix_options.c: see postfix_options.h. */
#include "postfix/postfix_options.h"

const struct conf_option postfix_options[] = {
	{.name = "config_directory", .kind = CONF_STRING, .flags = CONF_PATH, .fallback = "/etc/postfix"},
	{.name = "command_directory", .kind = CONF_STRING, .flags = CONF_PATH},
	{.name = "service", .kind = CONF_STRING},
	{.name = "interval", .kind = CONF_INTEGER, .fallback = "60", .minimum = 1, .maximum = 86400},
	{.name = "timeout", .kind = CONF_INTEGER, .fallback = "60", .minimum = 1, .maximum = 3600},
	{0}
};
