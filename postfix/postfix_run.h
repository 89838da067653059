/* postfix_run.h: runs a program to its end and keeps what it says. For the discovery, a process that may wait; its own time
 * is limited by the daemon that started it. */
#ifndef POSTFIX_RUN_H
#define POSTFIX_RUN_H

#include "common/buf.h"
#include "common/why.h"

/* input: NULL for none. Appends standard output. RC_IO: it can't be run, or ended badly: the last line of its standard
 * error; RC_LIMIT: more output than fits. argv[0] is a path. */
enum rc postfix_run(const char *const *argv, const struct buf *input, struct buf *out, struct why *why);
/* The same, but its exit status is for the caller to judge; what it complained of last is in *why, or "". */
enum rc postfix_run_status(const char *const *argv, const struct buf *input, struct buf *out, int *status,
                           struct why *why);

/* The path of one of Postfix's commands, the caller's: in `folder`, or (NULL) in $PATH and the usual places. RC_NOT_FOUND. */
enum rc postfix_run_find(const char *folder, const char *name, char **out, struct why *why);

#endif
