/* master_postfix.h: a zone's `postfix` section, and the sources that the plan of that Postfix makes. */
#ifndef MASTER_MASTER_POSTFIX_H
#define MASTER_MASTER_POSTFIX_H

#include "common/conf.h"
#include "master/source.h"

#define MASTER_POSTFIX_SECTIONS 2
extern const struct conf_option master_postfix_treat_options[];

struct master_postfix;

/* `zone`: the section that holds postfix and treat. RC_INVALID as conf_fail. */
enum rc master_postfix_load(const struct conf *zone, struct master_postfix **out, struct why *why);
void master_postfix_free(struct master_postfix **postfix);
bool master_postfix_same(const struct master_postfix *a, const struct master_postfix *b);     /* either may be NULL */

/* The source that looks at it, for the first place in the zone; `filter` outlives it. */
void master_postfix_base(struct master_postfix *postfix, const struct keys_filter *filter, int64_t settle_ms,
                         struct source_spec *out);

/* Takes the plan (its text as from source_events) in the place of the last one, whose sources must be gone. RC_INVALID. */
enum rc master_postfix_plan(struct master_postfix *postfix, const struct buf *text, struct why *why);
size_t master_postfix_count(const struct master_postfix *postfix);           /* of the plan's sources */
/* One of them; lives until the next plan. */
void master_postfix_source(const struct master_postfix *postfix, size_t index, struct source_spec *out);
/* What the administrator should know; NULL: no more. */
const char *master_postfix_note(const struct master_postfix *postfix, size_t index);

#endif
