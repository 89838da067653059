/* source_postfix.h: the source that is a Postfix: what `rxfer-master --postfix` says, and whether it says something new. */
#ifndef MASTER_SOURCE_POSTFIX_H
#define MASTER_SOURCE_POSTFIX_H

#include "master/keys.h"

/* From the configuration. */
struct source_postfix {
	const char *config;                  /* the folder of main.cf */
	const char *argument;                /* for --postfix (postfix_find.h) */
	const struct postfix_plan *plan;     /* that the zone's other sources are made of; NULL: none yet */
	const char *text;                    /* its text */
};

enum source_postfix_end { SOURCE_POSTFIX_SAME, SOURCE_POSTFIX_NEW, SOURCE_POSTFIX_FAILED };
/* Looks at what the helper printed. Same: adds the plan's own records to the reading. Failed: it isn't whole, or has
 * problems; the sentence names parameter, map and mend. */
enum source_postfix_end source_postfix_judge(const struct source_postfix *postfix, const struct buf *text,
                                             const struct keys_rule *rule, struct reading *reading,
                                             struct keys_tally *tally, struct why *why);

/* The sentence for a plan's problems: the first in full, the others counted. */
void source_postfix_explain(const struct postfix_plan *plan, struct why *why);

/* The files to be watched: main.cf, master.cf, and all that the plan was made of. */
void source_postfix_files(const struct source_postfix *postfix, void (*visit)(void *context, const char *path),
                          void *context);

#endif
