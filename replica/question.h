/* question.h: what this host's Postfix is to be compared with: tables, and of each zone the domains and parameters.
 *
 * The helper that looks at Postfix reads it as text, a line for each fact, its fields separated by tabs:
 *
 *   question 1                          the version of this format
 *   commands FOLDER                     where postconf and postmap are
 *   service NAME                        the smtpd that strangers reach, in master.cf
 *   table NAME HOLDS TYPE PATH ENDING   HOLDS: "recipients" or "domains"; PATH ENDING is the file; then its zones:
 *   in ZONE
 *   zone NAME                           then what it has, as far as it's allowed here:
 *   param NAME VALUE
 *   domain NAME
 *   left COUNT                          domains that there are besides, and aren't compared
 *   end                                 the last line: nothing is cut off */
#ifndef REPLICA_QUESTION_H
#define REPLICA_QUESTION_H

#include "replica/session.h"
#include "replica/table.h"

#define QUESTION_DOMAINS_MAX 2000    /* of a zone: of maps that are other hosts' databases each is a question */

struct question_param {
	char *name;
	char *value;
};
struct question_zone {
	char *name;
	struct question_param *params;
	size_t param_count;
	char **domains;                  /* sorted */
	size_t domain_count;
	uint64_t left;
};
struct question_table {
	char *name;
	bool domains;                    /* what it holds */
	char *type;
	char *path;
	char *file;                      /* with the type's ending */
	char **zones;
	size_t zone_count;
};
/* Plain data, its own memory. A zeroed struct is empty. */
struct question {
	char *commands;                  /* or NULL */
	char *service;                   /* or NULL */
	struct question_table *tables;
	size_t table_count;
	struct question_zone *zones;
	size_t zone_count;
};

/* Parts of the text, in this order, and at last question_end. Names and paths are the configuration's. */
void question_begin(struct buf *out, const char *commands, const char *service);       /* either may be NULL */
void question_table(struct buf *out, const struct table_spec *spec);
void question_in(struct buf *out, const char *zone);
void question_zone(struct buf *out, const char *zone);
void question_domain(struct buf *out, const char *domain);
/* The lines below `zone`, from what is there. Reads the whole zone: not without need. */
void question_session(struct buf *out, const struct session *session);
void question_end(struct buf *out);

/* RC_INVALID: not a whole question, or a line that isn't understood. */
enum rc question_parse(const struct buf *text, struct question *out, struct why *why);
void question_free(struct question *question);

#endif
