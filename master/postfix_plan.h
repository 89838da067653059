/* postfix_plan.h: what `rxfer-master --postfix DIR` found out: which sources there are, and how their keys are meant.
 *
 * The plan is text, a line for each fact, its fields separated by tabs. Domains are folded, keys are folded and quoted as
 * smtpd asks for them.
 *
 *   plan 1                                the version of this format
 *   domain CLASS NAME                     a domain and its address class; "none": excepted from its parent's rule
 *   below CLASS NAME                      the class of all domains below NAME that aren't nearer to another line
 *   bare CLASS NAME                       a domain where keys without '@' hold: smtpd's mydestination and myorigin
 *   map CLASSES PARAMETER FORMAT TEXT     a source: its keys count in domains of these classes ("local,alias"). FORMAT:
 *                                         map, aliases, command; with "=" behind it keys with capitals never hit, with "!"
 *                                         (canonical and virtual alias maps) nothing of it is taken away
 *   rcpt KEY                              always valid
 *   param NAME VALUE                      what a backup must have as well
 *   away KEY, kept KEY, own KEY,
 *   moved KEY                             what transport_maps and relocated_maps do (postfix_away.h)
 *   gone CLASS                            its transport is error: (as away, for what transport_maps don't know)
 *   moved-origin NAME                     where bare keys of relocated_maps hold, beside the local class
 *   away-parents                          a domain of theirs covers those below it
 *   split DELIMITERS lists                where an extension begins for all these; "" instead of "lists": not in owner-x
 *   watch PATH                            when it changes the plan must be made anew
 *   note TEXT                             what the administrator should know
 *   problem PARAMETER MAP TEXT            the plan isn't to be used before this is mended
 *   end                                   the last line: the plan is whole */
#ifndef MASTER_POSTFIX_PLAN_H
#define MASTER_POSTFIX_PLAN_H

#include "common/buf.h"
#include "common/why.h"
#include "master/postfix_away.h"
#include "master/postfix_domains.h"

enum postfix_format { POSTFIX_FORMAT_MAP, POSTFIX_FORMAT_ALIASES, POSTFIX_FORMAT_COMMAND };

struct postfix_source {
	unsigned classes;              /* bits of enum postfix_class */
	enum postfix_format format;
	bool exact;                    /* keys aren't folded (postfix_words.h) */
	bool first;                    /* asked before transports are looked at: nothing is taken away */
	char *parameter;
	char *text;                    /* TYPE:NAME, or the command */
};
struct postfix_problem {
	char *parameter;
	char *map;                     /* "" when it isn't about a map */
	char *text;
};
struct postfix_text {              /* of param: name and value; else only name */
	char *name;
	char *value;
};
struct postfix_texts {
	struct postfix_text *at;
	size_t count;
	size_t capacity;
};

/* Plain data. A zeroed struct is an empty plan; postfix_plan_free leaves one behind. */
struct postfix_plan {
	struct postfix_domains domains;
	struct postfix_domain_set bare;
	struct postfix_source *sources;
	size_t source_count;
	struct postfix_texts recipients, params, watches, notes;
	struct postfix_away away;
	struct postfix_away later;     /* what retry: puts off, for the discovery itself */
	struct postfix_problem *problems;
	size_t problem_count;
};

void postfix_plan_free(struct postfix_plan *plan);
void postfix_plan_source(struct postfix_plan *plan, const struct postfix_source *source);    /* copies; once for all doubles */
void postfix_plan_problem(struct postfix_plan *plan, const char *parameter, const char *map, const char *text);
/* One that the administrator can also mend by saying what is to be done with the map; `others`: beside "list". */
void postfix_plan_ask(struct postfix_plan *plan, const char *parameter, const char *map, const char *text,
                      const char *others);
void postfix_plan_text(struct postfix_texts *texts, const char *name, const char *value);    /* copies */
void postfix_plan_watch(struct postfix_plan *plan, const char *path);                        /* once for doubles */
void postfix_plan_note(struct postfix_plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));

void postfix_plan_print(const struct postfix_plan *plan, struct buf *out);
/* RC_INVALID: not a whole plan, or a line that isn't understood. */
enum rc postfix_plan_parse(const void *text, size_t length, struct postfix_plan *out, struct why *why);

#endif
