/* service_options.h: the command line of a daemon: the same for both, but for the helpers that are started by itself. */
#ifndef COMMON_SERVICE_OPTIONS_H
#define COMMON_SERVICE_OPTIONS_H

#include <stdbool.h>

/* "--NAME ARGUMENT": the program runs as a helper of itself and ends. */
struct service_helper {
	const char *name;
	const char *argument;            /* as it is called in the usage */
	const char *help;                /* one line */
	int (*run)(const char *argument);
	/* The same for one that needs the configuration: -c must stand before it. run is NULL then. */
	int (*run_with)(const char *conf_path, const char *argument);
};

struct service_program {
	const char *name;
	const char *conf_path;           /* default of -c */
	const char *check_help;          /* what --check does: lines of the usage, each indented and ended */
	const struct service_helper *helpers;      /* ends with a zeroed one */
};

enum service_action { SERVICE_RUN, SERVICE_TEST, SERVICE_CHECK };

struct service_options {
	const char *conf_path;
	enum service_action action;
	bool debug;
	int status;          /* -1: go on; else the exit status, everything has been said */
};

struct service_options service_options(int argc, char **argv, const struct service_program *program);

#endif
