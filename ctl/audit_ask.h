/* audit_ask.h: asks an smtpd about many addresses, as a guest who wants to be let in again.
 *
 * One connection at a time, so many recipients a second, and a new session before the server's limits are met: after
 * nine answers that aren't 2xx (Postfix's smtpd_soft_error_limit is 10), a thousand recipients, or forty transactions
 * (RSET counts as junk from the hundredth on); at most a hundred recipients in one transaction, which every server must
 * take (RFC 5321, 4.5.3.1.8), or fewer when it says 452. A session that ends early, 421, and "too many" or "too much"
 * with 4xx, which are the words of anvil's limits, are waited out: from half a second, doubled up to 30 s. */
#ifndef CTL_AUDIT_ASK_H
#define CTL_AUDIT_ASK_H

#include "common/why.h"
#include "ctl/smtp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_ASK_ERRORS_MAX 9
#define AUDIT_ASK_NOT_ASKED (-1)

/* Plain data. */
struct audit_question {
	const char *address;
	int code;                   /* 0: no answer yet; AUDIT_ASK_NOT_ASKED: it isn't ASCII, and there is no SMTPUTF8 */
	char *reply;                /* the answer in one line, cut, not cleaned; the caller frees it */
};

/* Plain data; the texts are the caller's, and must live as long as the asker. */
struct audit_ask_spec {
	struct smtp_spec smtp;      /* its timeout_ms is also for how long a server may put us off */
	const char *from;           /* for MAIL FROM, without brackets */
	int rate;                   /* recipients a second; 0: as fast as it goes */
	void (*on_progress)(void *context, size_t answers);
	void (*on_wait)(void *context, const char *words);      /* the server puts us off, with these words */
	void *context;
};

struct audit_ask;

struct audit_ask *audit_ask_new(const struct audit_ask_spec *spec);
void audit_ask_free(struct audit_ask **ask);

/* Asks until each has a code. `apart`: in a new session, and each in a transaction of its own; so a new table is
 * seen, and no answer comes from what was asked before. An address before which the server hangs up or says 421
 * three times gets the code 421. RC_REFUSED: the server refuses us, whatever we ask; RC_AGAIN: it put us off for too
 * long; RC_NOT_FOUND, RC_IO, RC_INVALID, RC_LIMIT as smtp_open. What was answered before stays. The sentence doesn't
 * name the server. */
enum rc audit_ask(struct audit_ask *ask, struct audit_question *questions, size_t count, bool apart, struct why *why);

/* Waits; RC_IO when interrupted. */
enum rc audit_ask_pause(struct audit_ask *ask, int64_t ms, struct why *why);

size_t audit_ask_sessions(const struct audit_ask *ask);      /* opened so far */

#endif
