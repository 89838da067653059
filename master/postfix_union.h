/* postfix_union.h: what a unionmap answers: the answers of all members that have one, in their order, with commas between.
 * unionmap_table(5). */
#ifndef MASTER_POSTFIX_UNION_H
#define MASTER_POSTFIX_UNION_H

#include <stddef.h>

struct postfix_answer {
	char *key;               /* as it's asked for; NULL: whatever the key */
	char *value;
	size_t order;
};
/* Plain data; zeroed: a union of nothing. */
struct postfix_union {
	struct postfix_answer *at;
	size_t count;
	size_t capacity;
};

/* One member's answer, member by member; key NULL: it has this one for everything. Copies. */
void postfix_union_add(struct postfix_union *answers, const char *key, const char *value, size_t length);
/* The whole one for each key that is there, and at last, with a key of NULL, for all others, if there is one. Once. */
void postfix_union_each(struct postfix_union *answers, void (*visit)(void *context, const char *key, const char *value),
                        void *context);
void postfix_union_free(struct postfix_union *answers);

#endif
