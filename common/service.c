/* service.c: see service.h. */
#include "config.h"

#include "common/service.h"

#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void service_harden(void)
{
	umask(0077);
	signal(SIGPIPE, SIG_IGN);
#ifndef HAVE_SANITIZERS
	/* LeakSanitizer attaches to its own process as a debugger does, and couldn't if we weren't dumpable. */
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
#endif
}

enum rc service_lock(const char *folder, struct why *why)
{
	enum rc rc = file_make_folder(folder, why);
	if (rc != RC_OK)
		return rc;
	char *path = mem_sprintf("%s/lock", folder);
	/* The descriptor stays open until the process ends, and the lock with it. */
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		rc = why_set(why, RC_IO, "%s: %s: the folder must belong to the daemon's user", path, strerror(errno));
	else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		rc = why_set(why, RC_AGAIN, "%s is in use by another daemon: stop it, or give this one its own `state`",
		             folder);
		close(fd);
	}
	free(path);
	return rc;
}
