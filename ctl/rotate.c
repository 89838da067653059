/* rotate.c: `rxfer rotate-key`. Where the identity is only the master's configuration says, and only rxfer-master reads
 * that; so the work is its own. */
#include "ctl/rotate.h"

#include "ctl/become.h"

#include <stdio.h>

#define MISUSE 2

int rotate_main(const struct options *options)
{
	const char *path = options->config != NULL ? options->config : OPTIONS_MASTER_CONF;
	const char *word = options->cancel ? "cancel" : options->force ? "force" : options->finish ? "finish" : "announce";
	char *arguments[] = { (char *)"rxfer-master", (char *)"-c", (char *)path, (char *)"--rotate-key", (char *)word,
	                      NULL };

	if ((options->force && !options->finish) || (options->cancel && options->finish)) {
		fprintf(stderr, "rxfer rotate-key: --finish or --cancel, and --force with --finish only\n");
		return MISUSE;
	}
	become_daemon("rotate-key", arguments);
	return 1;
}
