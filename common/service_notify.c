/* service_notify.c: see service_notify.h.
 *
 * The protocol is a datagram of VARIABLE=VALUE lines to the socket that NOTIFY_SOCKET names, a path or, with '@', an
 * abstract name. It's spoken here and not by libsystemd, whose call waits while the socket's queue is full. */
#include "common/service_notify.h"

#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define STATUS_MS 30000
#define AGAIN_MS 500

/* False: there is no room for it now. What can't be sent at all is never taken, and counts as said. */
static bool say(const char *text)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	if (!path || (path[0] != '/' && path[0] != '@') || path[1] == '\0' || strlen(path) >= sizeof(address.sun_path))
		return true;
	size_t length = strlen(path);
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	ssize_t sent = sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&address,
	                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	bool again = sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == EINTR);
	(void)close(fd);
	return !again;
}

/* READY when it's owed, and the summary when it's another. */
static void tell(void *context)
{
	struct service_notify *notify = context;
	char summary[WHY_MAX];
	notify->summary(notify->context, summary);
	bool taken = true;
	if (notify->ready_owed || strcmp(summary, notify->told) != 0) {
		char *text = mem_sprintf("%sSTATUS=%s", notify->ready_owed ? "READY=1\n" : "", summary);
		taken = say(text);
		free(text);
	}
	if (taken) {
		notify->ready_owed = false;
		memcpy(notify->told, summary, sizeof(summary));
	}
	loop_timer_after(notify->loop, &notify->timer, taken ? STATUS_MS : AGAIN_MS, tell, notify);
}

void service_notify_begin(struct service_notify *notify, struct loop *loop,
                          void (*summary)(const void *context, char out[WHY_MAX]), const void *context)
{
	*notify = (struct service_notify){.loop = loop, .summary = summary, .context = context};
	service_notify_ready(notify);
}

void service_notify_ready(struct service_notify *notify)
{
	notify->ready_owed = true;
	tell(notify);
}

void service_notify_reloading(struct service_notify *notify)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	char *text = mem_sprintf("RELOADING=1\nMONOTONIC_USEC=%" PRId64, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	/* A READY that is still owed would come after it, and say what isn't so. */
	notify->ready_owed = false;
	(void)say(text);
	free(text);
}

void service_notify_stopping(void)
{
	(void)say("STOPPING=1");
}

void service_notify_end(struct service_notify *notify)
{
	if (notify->loop)
		loop_timer_clear(notify->loop, &notify->timer);
}
