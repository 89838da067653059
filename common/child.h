/* child.h: another program run beside the loop: its output bounded, its time limited, its exit status heard.
 *
 * The child leads a process group of its own, so that a time-out ends all that it started. It gets its
 * input or /dev/null, none of our descriptors and signals, and a clean signal mask. */
#ifndef COMMON_CHILD_H
#define COMMON_CHILD_H

#include "common/buf.h"
#include "common/loop.h"
#include "common/why.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct child;

enum child_end {
	CHILD_EXITED,        /* code: its exit status */
	CHILD_KILLED,        /* code: the signal's number */
	CHILD_TIMED_OUT,     /* killed by us after timeout_ms */
	CHILD_STOPPED        /* killed by us because on_output said so */
};

struct child_spec {
	const char *const *argv;      /* argv[0] is the path of the program; NULL ends it; copied by the system */
	int64_t timeout_ms;           /* for all of it: the process's end and the end of its output */
	/* Standard output as it comes, any cut, at most 64 KiB a call. Returning false kills the child (CHILD_STOPPED):
	 * no more output, then on_end. May call child_abandon. */
	bool (*on_output)(void *context, const void *data, size_t length);
	/* Called once from the loop, after the end of both output and process; the child has freed itself before, the
	 * handle is dead. After a kill the output isn't waited for, and a process that even SIGKILL doesn't end (it
	 * hangs in the kernel) not longer than two seconds. `code` is 0 for CHILD_TIMED_OUT and CHILD_STOPPED.
	 * `complaint` is the last line of its standard error that isn't blank, cleaned for printing, cut at 300 bytes,
	 * or "". */
	void (*on_end)(void *context, enum child_end end, int code, const char *complaint);
	void *context;
	const struct buf *input;      /* its standard input, whole; NULL: nothing */
};

/* RC_OK: running, and *out is a handle valid until on_end. RC_IO: nothing was started, on_end won't be called.
 * Ends are heard by SIGCHLD, which is blocked (loop_new); its disposition is left at (and if it was ignored, brought back to) its default. Everything of
 * spec is copied. */
enum rc child_start(struct loop *loop, const struct child_spec *spec, struct child **out, struct why *why);

/* Kills it and all its group without calling on_end; reaps it (waiting two seconds at most). Nulls the handle. */
void child_abandon(struct child **child);

/* The path of this very program, for being its own helper. `path` is its memory when it needs some. */
const char *child_self(char path[PATH_MAX]);

#endif
