/* audit_progress.h: how far an audit is, on standard error: a line that is written anew at a terminal, else a line
 * every ten seconds at most. */
#ifndef CTL_AUDIT_PROGRESS_H
#define CTL_AUDIT_PROGRESS_H

#include "common/clock.h"

#include <stdbool.h>
#include <stddef.h>

/* Zeroed until begun. */
struct audit_progress {
	bool terminal;
	bool dirty;                  /* there is a line to be wiped */
	struct mono last;            /* when something was written */
	size_t done, total;
	size_t suspects;
};

void audit_progress_begin(struct audit_progress *progress, size_t total);
void audit_progress_add(struct audit_progress *progress, size_t answers);
void audit_progress_suspect(struct audit_progress *progress);
void audit_progress_again(struct audit_progress *progress, size_t total);      /* the second look begins */
void audit_progress_wait(struct audit_progress *progress, const char *server, const char *words);
void audit_progress_end(struct audit_progress *progress);

#endif
