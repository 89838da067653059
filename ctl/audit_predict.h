/* audit_predict.h: what the daemon's `explain` says that a mail server should answer: the audit has no idea of its
 * own. */
#ifndef CTL_AUDIT_PREDICT_H
#define CTL_AUDIT_PREDICT_H

#include "common/why.h"

#include <jansson.h>
#include <stdbool.h>

enum audit_verdict { AUDIT_ACCEPT, AUDIT_REFUSE, AUDIT_DEFER, AUDIT_FOREIGN };

/* Plain data; the texts are the caller's. */
struct audit_oracle {
	const char *socket;
	const char *zone;            /* or NULL */
};

/* Asks about one address. *out is the verdict of the mail server at which the daemon is: at a master that of the
 * zone, if one is named (another zone may be another Postfix's), at a replica that of all its zones together, for
 * its tables hold them all. answer (may be NULL) gets the whole answer, the caller's reference; `places` asks also
 * where it all comes from, which takes the daemon longer. Errors as control_ask; RC_INVALID for an answer that can't
 * be understood. */
enum rc audit_predict(const struct audit_oracle *oracle, const char *address, bool places, enum audit_verdict *out,
                      json_t **answer, struct why *why);

const char *audit_predict_word(enum audit_verdict verdict);      /* "accept" */

#endif
