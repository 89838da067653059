/* compare_private.h: what the files of the comparison share: compare.c (the order, parameters, settings),
 * compare_mend.c (the lines that mend), compare_lists.c (lists of domains), compare_domains.c (address classes),
 * compare_tables.c (where our tables are named), compare_maps.c and compare_transport.c (what accepts or refuses
 * besides). Nobody else includes it. */
#ifndef REPLICA_COMPARE_PRIVATE_H
#define REPLICA_COMPARE_PRIVATE_H

#include "postfix/postfix_words.h"
#include "replica/compare.h"

#include "common/address.h"

struct compare {
	const struct question *question;
	const struct compare_postfix *postfix;
	const struct compare_world *world;
	struct findings *out;
	const char **domains;            /* of all zones, sorted, each once */
	size_t domain_count;
	char origin[ADDRESS_MAX + 1];    /* smtpd's myorigin, or "" */
	bool *named;                     /* of the question's tables: main.cf has it where it belongs */
	char **told;                     /* maps and files whose trouble has been told */
	size_t told_count;
};

/* compare.c */
const char *compare_get(const struct compare_side *side, const char *name);
bool compare_utf8(const struct compare *compare);
bool compare_domain_find(const struct compare *compare, const char *domain, size_t *index);
/* Whether a table is meant to have the domain, or the recipients in it. */
bool compare_table_has(const struct compare *compare, const struct question_table *table, const char *domain);
/* One of our tables: by type and path, or (any_type) by its path alone. NULL: it's another's. */
const struct question_table *compare_own(const struct compare *compare, const struct postfix_map *map, bool any_type);
bool compare_type_known(const struct compare *compare, const char *type, size_t length);
/* Whether this Postfix can open a map (TYPE:NAME) of that type; if not that is told. */
bool compare_type_fine(struct compare *compare, const char *parameter, const char *map);
/* A map or file that can't be looked at: told once. */
void compare_trouble(struct compare *compare, const char *parameter, const char *map, enum rc rc, const char *reason);

/* "a, b, c and 4 more" */
struct compare_some {
	struct buf text;
	size_t count;
};
void compare_some_add(struct compare_some *some, const char *name);
const char *compare_some_text(struct compare_some *some);      /* lives until the next call */
void compare_some_free(struct compare_some *some);

/* compare_mend.c: a command line, the caller's; or NULL when there is none that would do. */
char *compare_mend_value(const struct compare *compare, const struct compare_side *side, const char *name,
                         const char *value);
/* In the list as it's written: `old` NULL: `new_word` is added at the end; `new_word` NULL: `old` is taken out, also
 * where it's written as $name. */
struct compare_edit {
	const char *old;
	const char *new_word;
};
char *compare_mend_list(const struct compare *compare, const struct compare_side *side, const char *name,
                        const struct compare_edit *edits, size_t count);
/* " (by the -o of smtp in master.cf)", or "". Lives until the next call with the same buffer. */
const char *compare_mend_where(const struct compare_side *side, const char *name, struct buf *buf);

/* compare_lists.c: lists of domains */
struct compare_pattern {
	bool negated;
	bool map;                        /* text is TYPE:NAME; else it's a name, folded */
	char *text;
	char *via;                       /* the word in main.cf that led here, expanded */
};
struct compare_patterns {
	struct compare_pattern *at;
	size_t count;
	const char *parameter;
	bool relay;                      /* parents count as well, and our own tables have what they are meant to have */
	bool parents;                    /* "example.com" stands for what is below it; else ".example.com" does */
	bool doubt;                      /* something couldn't be read or asked */
};
void compare_lists_read(struct compare *compare, const char *parameter, struct compare_patterns *out);
/* For each domain the pattern that it matches first, if that isn't a negated one; or NULL. */
void compare_lists_match(struct compare *compare, struct compare_patterns *patterns,
                         const struct compare_pattern **out);
void compare_lists_free(struct compare_patterns *patterns);

/* What the other files add to the findings. */
void compare_tables_find(struct compare *compare, const struct compare_patterns *relay);
void compare_domains_find(struct compare *compare, struct compare_patterns *relay);
void compare_maps_find(struct compare *compare);
void compare_transport_find(struct compare *compare);

#endif
