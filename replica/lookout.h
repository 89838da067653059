/* lookout.h: keeps an eye on this host's Postfix: has a helper process look at it (look.h), at the start, when main.cf
 * or master.cf or the question changed, and every `interval`; keeps what it found. Nothing else is done about it: no
 * table and no verdict depends on it. */
#ifndef REPLICA_LOOKOUT_H
#define REPLICA_LOOKOUT_H

#include "common/clock.h"
#include "common/loop.h"
#include "replica/findings.h"

/* From the configuration; the strings outlive the lookout. */
struct lookout_spec {
	const char *config;              /* folder of main.cf */
	const char *commands;            /* NULL: wherever they are */
	const char *service;             /* NULL: the usual */
	int64_t interval_ms;
	int64_t timeout_ms;
};

struct lookout_events {
	/* Appends the question's text. May be costly: asked before a look when `version` is another than the last time. */
	void (*question)(void *context, struct buf *out);
	/* Another number when the question may be another; cheap. */
	uint64_t (*version)(void *context);
	/* A look has ended, well or not. NULL: nobody wants to know. */
	void (*looked)(void *context);
	void *context;
	bool silent;                     /* nothing is logged: whoever asked says what was found */
};

struct lookout;

/* The first look begins at the end of this turn of the loop. */
struct lookout *lookout_new(struct loop *loop, const struct lookout_spec *spec, const struct lookout_events *events);
void lookout_free(struct lookout **lookout);
/* After a reload: looks again in any case. */
void lookout_configure(struct lookout *lookout, const struct lookout_spec *spec);

struct lookout_status {
	const char *config;
	struct wall looked;              /* when the findings were found; 0: there are none yet */
	const char *error;               /* why the newest look failed; or "" */
	const struct findings *findings;
};
struct lookout_status lookout_status(const struct lookout *lookout);

#endif
