/* audit_report.h: what an audit found, for eyes and for programs. Pure. */
#ifndef CTL_AUDIT_REPORT_H
#define CTL_AUDIT_REPORT_H

#include "common/buf.h"
#include "ctl/audit_predict.h"
#include "ctl/audit_probe.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_REPORT_SHOWN 20      /* of each kind in text; so many disagreements are explained with places */

/* An answer that isn't as it should be. Owns its texts. */
struct audit_finding {
	char *address;
	enum audit_kind kind;
	enum audit_verdict expected;
	int code;
	char *reply;                   /* one line, not cleaned */
	bool confirmed;                /* asked twice, in two sessions */
	json_t *explanation;           /* the daemon's, or NULL */
};

/* Plain data; zeroed is empty. */
struct audit_findings {
	struct audit_finding *at;
	size_t count;
	size_t capacity;
};

struct audit_report {
	const char *server;            /* HOST:PORT */
	const char *zone;              /* or NULL: the daemon's only one */
	uint64_t seed;
	size_t published;              /* recipients in the zone */
	size_t members, neighbours;    /* asked about */
	size_t sessions;
	size_t agree;
	size_t foreign;                /* recipients passed over: in domains that the server isn't responsible for */
	size_t no_utf8;                /* addresses not asked about for want of SMTPUTF8 */
	struct audit_findings differ, deferred;
	const char *unfinished;        /* why it couldn't be finished, or NULL */
};

enum audit_outcome { AUDIT_AGREES, AUDIT_DIFFERS, AUDIT_PUT_OFF, AUDIT_UNASKED };

/* A code of RCPT (or AUDIT_ASK_NOT_ASKED) against what was expected. Where the zone itself can only put off, accepting
 * loses nothing. */
enum audit_outcome audit_report_judge(enum audit_verdict expected, int code);

/* Takes the finding over; nulls what it pointed to. */
void audit_report_add(struct audit_findings *findings, struct audit_finding *finding);
void audit_report_drop(struct audit_findings *findings, size_t index);
void audit_report_clear(struct audit_findings *findings);           /* frees all; empty again */
void audit_report_free(struct audit_report *report);

void audit_report_text(const struct audit_report *report, struct buf *out);
void audit_report_json(const struct audit_report *report, struct buf *out);

/* 0: all agree; 1: a disagreement; 2: not finished; 3: no disagreement, but the server put something off. */
int audit_report_status(const struct audit_report *report);

#endif
