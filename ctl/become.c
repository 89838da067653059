/* become.c: see become.h. Beside this program first, so that a build folder works with its own daemons. */
#include "ctl/become.h"

#include "common/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void become_daemon(const char *command, char *const *arguments)
{
	char self[PATH_MAX];
	const char *program = arguments[0];
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

	if (length > 0) {
		self[length] = '\0';
		*strrchr(self, '/') = '\0';
		char *beside = mem_sprintf("%s/%s", self, program);
		execv(beside, arguments);
		free(beside);
	}
	char *installed = mem_sprintf("%s/%s", SBINDIR, program);
	execv(installed, arguments);
	free(installed);
	execvp(program, arguments);
	fprintf(stderr, "rxfer %s: can't run %s: %s; it isn't beside rxfer, in %s or on the PATH\n", command, program,
	        strerror(errno), SBINDIR);
}
