/* loop.c: one zmq_poll over everything, because a ZeroMQ socket can't be waited for in any other way.
 *
 * A turn is: wait, events, timers that were due when the events were done, deferred calls, sweep. Whatever a callback
 * adds takes part from the next turn on; whatever it removes is marked dead at once (its callback won't be called any
 * more) and freed in the sweep. The two lists that are being run are detached first, so a callback that sets its own
 * timer to "now" can't keep the turn from ending.
 *
 * An idle loop sleeps in zmq_poll. Times are whole milliseconds: a timer that isn't due is at least one away, so a wait
 * is never rounded down to a spin. */
#include "common/loop.h"
#include "common/log.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

/* zmq_poll doesn't count the time of a suspend, but our timers do: with a timer set, look again after a minute. */
#define WAIT_MAX_MS 60000

struct watch_handle {
	struct loop *loop;
	void *socket;           /* NULL: fd */
	int fd;
	int events;
	loop_io *callback;
	void *context;
	bool dead;
};

struct signal_call {
	loop_call *callback;
	void *context;
};

struct loop {
	struct watch_handle **handles;
	zmq_pollitem_t *items;            /* of this turn */
	struct watch_handle **polled;     /* whose they are */
	size_t count;
	size_t capacity;                  /* of all three */
	bool some_dead;

	struct timer *timers;             /* by due, then by when they were set */
	struct timer *due;                /* detached, being fired */
	struct timer *deferred;           /* in the order of deferring */
	struct timer *running;            /* detached, being run */

	int signal_fd;
	sigset_t signals;
	struct signal_call calls[NSIG];
	struct child_watch *children;
	struct child_watch *next_child;   /* to be called next, while they are being called */

	bool turning;
	bool stopped;
};

static void read_signals(void *context, int events)
{
	(void)events;
	struct loop *loop = context;
	struct signalfd_siginfo info;
	while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		struct signal_call *call = &loop->calls[info.ssi_signo];
		call->callback(call->context);
	}
}

static void call_child_watches(void *context)
{
	struct loop *loop = context;
	for (struct child_watch *watch = loop->children; watch != NULL; watch = loop->next_child) {
		loop->next_child = watch->next;
		watch->callback(watch->context);
	}
}

struct loop *loop_new(void)
{
	struct loop *loop = mem_zalloc(sizeof(*loop));
	sigemptyset(&loop->signals);
	/* Watched from the start, even with no signal in it: zmq_poll over nothing can't wait. */
	loop->signal_fd = signalfd(-1, &loop->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->signal_fd < 0) {
		log_error("can't start the event loop: signalfd: %s", strerror(errno));
		exit(EXIT_FAILURE);
	}
	loop_add_fd(loop, loop->signal_fd, LOOP_READ, read_signals, loop);
	loop_signal(loop, SIGCHLD, call_child_watches, loop);
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	assert(!loop->turning);
	for (size_t i = 0; i < loop->count; i++)
		free(loop->handles[i]);
	free(loop->handles);
	free(loop->items);
	free(loop->polled);
	(void)close(loop->signal_fd);
	free(loop);
}

/* ---- descriptors and sockets ---- */

static struct watch_handle *add(struct loop *loop, const struct watch_handle *proto)
{
	if (loop->count == loop->capacity) {
		/* Even within a turn: dispatch, which is walking them, takes them from the loop anew for each step. */
		loop->capacity = loop->capacity ? loop->capacity * 2 : 16;
		loop->handles = mem_realloc(loop->handles, loop->capacity, sizeof(struct watch_handle *));
		loop->polled = mem_realloc(loop->polled, loop->capacity, sizeof(struct watch_handle *));
		loop->items = mem_realloc(loop->items, loop->capacity, sizeof(zmq_pollitem_t));
	}
	struct watch_handle *handle = mem_alloc(sizeof(*handle));
	*handle = *proto;
	handle->loop = loop;
	loop->handles[loop->count++] = handle;
	return handle;
}

struct watch_handle *loop_add_fd(struct loop *loop, int fd, int events, loop_io *callback, void *context)
{
	return add(loop, &(struct watch_handle){.fd = fd, .events = events, .callback = callback,
	                                        .context = context});
}

struct watch_handle *loop_add_zmq(struct loop *loop, void *socket, int events, loop_io *callback, void *context)
{
	return add(loop, &(struct watch_handle){.socket = socket, .fd = -1, .events = events, .callback = callback,
	                                        .context = context});
}

void loop_set_events(struct watch_handle *handle, int events)
{
	handle->events = events;
}

static void sweep(struct loop *loop)
{
	if (!loop->some_dead)
		return;
	size_t kept = 0;
	for (size_t i = 0; i < loop->count; i++) {
		if (loop->handles[i]->dead)
			free(loop->handles[i]);
		else
			loop->handles[kept++] = loop->handles[i];
	}
	loop->count = kept;
	loop->some_dead = false;
}

void loop_remove(struct loop *loop, struct watch_handle **handle)
{
	if (!*handle)
		return;
	assert((*handle)->loop == loop && !(*handle)->dead);
	(*handle)->dead = true;
	*handle = NULL;
	loop->some_dead = true;
	if (!loop->turning)
		sweep(loop);
}

/* ---- timers and deferred calls ---- */

static bool unlink_from(struct timer **list, struct timer *timer)
{
	for (struct timer **at = list; *at; at = &(*at)->next) {
		if (*at != timer)
			continue;
		*at = timer->next;
		timer->next = NULL;
		return true;
	}
	return false;
}

void loop_timer_clear(struct loop *loop, struct timer *timer)
{
	if (!timer->armed)
		return;
	bool found = unlink_from(&loop->timers, timer) || unlink_from(&loop->due, timer) ||
	             unlink_from(&loop->deferred, timer) || unlink_from(&loop->running, timer);
	assert(found);
	(void)found;
	timer->armed = false;
}

void loop_timer_set(struct loop *loop, struct timer *timer, struct mono due, loop_call *callback, void *context)
{
	loop_timer_clear(loop, timer);
	struct timer **at = &loop->timers;
	while (*at && (*at)->due.ms <= due.ms)
		at = &(*at)->next;
	*timer = (struct timer){.due = due, .callback = callback, .context = context, .armed = true, .next = *at};
	*at = timer;
}

void loop_timer_after(struct loop *loop, struct timer *timer, int64_t ms, loop_call *callback, void *context)
{
	loop_timer_set(loop, timer, mono_add(clock_mono(), ms), callback, context);
}

void loop_defer(struct loop *loop, struct timer *handle, loop_call *callback, void *context)
{
	if (handle->armed) {      /* deferred already: it keeps its place */
		handle->callback = callback;
		handle->context = context;
		return;
	}
	struct timer **at = &loop->deferred;
	while (*at)
		at = &(*at)->next;
	*handle = (struct timer){.callback = callback, .context = context, .armed = true};
	*at = handle;
}

/* Runs a detached list. The struct is free for its owner's use (or for being freed) once its callback is called. */
static void run_list(struct timer **list)
{
	while (*list) {
		struct timer *timer = *list;
		*list = timer->next;
		timer->next = NULL;
		timer->armed = false;
		timer->callback(timer->context);
	}
}

static void run_timers(struct loop *loop)
{
	if (!loop->timers)
		return;
	int64_t now = clock_mono().ms;
	struct timer **at = &loop->timers;
	while (*at && (*at)->due.ms <= now)
		at = &(*at)->next;
	if (at == &loop->timers)
		return;
	loop->due = loop->timers;
	loop->timers = *at;
	*at = NULL;
	run_list(&loop->due);
}

static void run_deferred(struct loop *loop)
{
	loop->running = loop->deferred;
	loop->deferred = NULL;
	run_list(&loop->running);
}

/* ---- signals ---- */

void loop_signal(struct loop *loop, int signal, loop_call *callback, void *context)
{
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, signal);
	(void)pthread_sigmask(SIG_BLOCK, &one, NULL);
	loop->calls[signal] = (struct signal_call){callback, context};
	sigaddset(&loop->signals, signal);
	(void)signalfd(loop->signal_fd, &loop->signals, 0);
}

void loop_add_child_watch(struct loop *loop, struct child_watch *watch, loop_call *callback, void *context)
{
	*watch = (struct child_watch){callback, context, loop->children};
	loop->children = watch;
}

void loop_remove_child_watch(struct loop *loop, struct child_watch *watch)
{
	struct child_watch **at = &loop->children;
	while (*at != watch) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = watch->next;
	if (loop->next_child == watch)
		loop->next_child = watch->next;
}

/* ---- the turn ---- */

int64_t loop_idle_ms(const struct loop *loop)
{
	if (loop->deferred)
		return 0;
	if (!loop->timers)
		return -1;
	int64_t left = -mono_since(loop->timers->due);
	return left < 0 ? 0 : left;
}

static long wait_ms(const struct loop *loop, int64_t max_wait_ms)
{
	int64_t wait = loop_idle_ms(loop);
	if (wait < 0 || (max_wait_ms >= 0 && max_wait_ms < wait))
		wait = max_wait_ms;
	return wait > WAIT_MAX_MS ? WAIT_MAX_MS : (long)wait;
}

/* A descriptor with events 0 must stay out: poll would report its hang-up again and again. */
static int collect(struct loop *loop)
{
	int count = 0;
	for (size_t i = 0; i < loop->count; i++) {
		struct watch_handle *handle = loop->handles[i];
		if (handle->events == 0)
			continue;
		short wanted = (short)((handle->events & LOOP_READ ? ZMQ_POLLIN : 0) |
		                       (handle->events & LOOP_WRITE ? ZMQ_POLLOUT : 0));
		loop->items[count] = (zmq_pollitem_t){.socket = handle->socket, .fd = handle->fd, .events = wanted};
		loop->polled[count] = handle;
		count++;
	}
	return count;
}

static void dispatch(struct loop *loop, int count)
{
	for (int i = 0; i < count; i++) {
		struct watch_handle *handle = loop->polled[i];
		short found = loop->items[i].revents;
		if (found == 0 || handle->dead)
			continue;
		int events = (found & ZMQ_POLLIN ? LOOP_READ : 0) | (found & ZMQ_POLLOUT ? LOOP_WRITE : 0);
		if (found & ~(ZMQ_POLLIN | ZMQ_POLLOUT))
			events = LOOP_READ | LOOP_WRITE;
		events &= handle->events;      /* an earlier callback of this turn may have taken some back */
		if (events)
			handle->callback(handle->context, events);
	}
}

enum rc loop_turn(struct loop *loop, int64_t max_wait_ms, struct why *why)
{
	assert(!loop->turning);
	int count = collect(loop);
	int found = zmq_poll(loop->items, count, wait_ms(loop, max_wait_ms));
	if (found < 0 && errno != EINTR)
		return why_set(why, RC_IO, "waiting for events failed: %s", zmq_strerror(errno));

	loop->turning = true;
	if (found > 0)      /* otherwise revents may be what they were */
		dispatch(loop, count);
	run_timers(loop);
	run_deferred(loop);
	loop->turning = false;
	sweep(loop);
	return RC_OK;
}

enum rc loop_run(struct loop *loop, struct why *why)
{
	enum rc rc = RC_OK;
	while (rc == RC_OK && !loop->stopped)
		rc = loop_turn(loop, -1, why);
	loop->stopped = false;
	return rc;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
