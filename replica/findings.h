/* findings.h: what was found to be wrong with this host's Postfix, and the line that mends it.
 *
 * Between the helper that looks and the daemon they are text, a line each, fields separated by tabs:
 *
 *   warning SENTENCE MEND       MEND: a command line, or empty
 *   hint SENTENCE MEND          worth knowing, or can't be known; nothing is wrong
 *   end                         the last line: nothing is cut off */
#ifndef REPLICA_FINDINGS_H
#define REPLICA_FINDINGS_H

#include "common/buf.h"
#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>

struct finding {
	bool warning;
	char *sentence;              /* without a final full stop */
	char *mend;                  /* to be given to a shell as it is; or "" */
};
/* Plain data. A zeroed struct is empty; findings_free leaves an empty one. */
struct findings {
	struct finding *at;
	size_t count;
};

/* The sentence is cleaned. mend may be NULL; one that can't be shown as it is (control characters) is left out. */
void findings_add(struct findings *findings, bool warning, const char *mend, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void findings_free(struct findings *findings);

size_t findings_warnings(const struct findings *findings);
bool findings_has(const struct findings *findings, const char *sentence);

void findings_print(const struct findings *findings, struct buf *out);
/* RC_INVALID: a line that isn't understood, or no end. */
enum rc findings_parse(const struct buf *text, struct findings *out, struct why *why);

#endif
