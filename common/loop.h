/* loop.h: the event loop of the daemons: descriptors, ZeroMQ sockets, timers, signals, work for the end of a turn.
 *
 * Everything runs in the one thread that calls loop_run. A callback may add and remove anything, itself included. */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include "common/clock.h"
#include "common/why.h"

#include <stdbool.h>

struct loop;
struct watch_handle;     /* one descriptor or ZeroMQ socket being watched */

enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2 };

/* Ends the process if the system has no descriptor left for it. */
struct loop *loop_new(void);
/* Frees the handles that are left too; timers are their owners'. Signals stay blocked. Not from within a callback. */
void loop_free(struct loop *loop);

/* Turns until loop_stop (which may come before, and then ends the next loop_run at once). RC_OK after loop_stop,
 * RC_IO when polling itself failed. */
enum rc loop_run(struct loop *loop, struct why *why);
/* One turn: waits until something happens or max_wait_ms have gone by (-1: for ever), runs what is due: events, then
 * timers, then deferred calls. A long wait may end early with nothing done. Not from within a callback. For tests. */
enum rc loop_turn(struct loop *loop, int64_t max_wait_ms, struct why *why);
void loop_stop(struct loop *loop);
/* How long it would sleep if no descriptor stirred: ms, 0 when something is due, -1 for ever. For whoever moves the
 * clock himself. */
int64_t loop_idle_ms(const struct loop *loop);

typedef void loop_io(void *context, int events);
typedef void loop_call(void *context);

/* The caller owns fd and socket, and must remove the handle before closing them. loop_remove nulls the handle (a NULL
 * one is a no-op). An error or hang-up calls back with all the events that were asked for, so that the next read or
 * write meets it. With events 0 nothing is watched, errors neither. */
struct watch_handle *loop_add_fd(struct loop *loop, int fd, int events, loop_io *callback, void *context);
struct watch_handle *loop_add_zmq(struct loop *loop, void *socket, int events, loop_io *callback, void *context);
void loop_set_events(struct watch_handle *handle, int events);
void loop_remove(struct loop *loop, struct watch_handle **handle);

/* A timer lives inside its owner's struct: zeroed is idle. Setting it again moves it; it fires once. One that is set
 * for now from within a callback fires in the next turn, so descriptors have their say in between. */
struct timer {
	struct mono due;
	loop_call *callback;
	void *context;
	bool armed;
	struct timer *next;
};
void loop_timer_set(struct loop *loop, struct timer *timer, struct mono due, loop_call *callback, void *context);
void loop_timer_after(struct loop *loop, struct timer *timer, int64_t ms, loop_call *callback, void *context);
void loop_timer_clear(struct loop *loop, struct timer *timer);

/* Runs once after all events of this turn: where bursts are coalesced. Setting it twice in a turn runs it once.
 * Deferred by a deferred call, it runs in the next turn. A zeroed timer struct serves as its handle (it can't be a
 * timer at the same time); loop_timer_clear takes it back. */
void loop_defer(struct loop *loop, struct timer *handle, loop_call *callback, void *context);

/* Takes the signal from the process (blocked, read through a signalfd); the callback runs in the loop.
 * Call before any thread exists (a ZeroMQ context makes threads), so that all of them have it blocked. */
void loop_signal(struct loop *loop, int signal, loop_call *callback, void *context);

/* Calls back at each SIGCHLD, which loop_new takes from the process; which child has ended is for the callback to find out.
 * Lives inside its owner's struct. */
struct child_watch {
	loop_call *callback;
	void *context;
	struct child_watch *next;
};
void loop_add_child_watch(struct loop *loop, struct child_watch *watch, loop_call *callback, void *context);
void loop_remove_child_watch(struct loop *loop, struct child_watch *watch);

#endif
