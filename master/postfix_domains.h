/* postfix_domains.h: which address class Postfix sees a domain in. Plain sets; filled by the discovery (postfix_lists.h) or
 * from its plan (postfix_plan.h). Domains are folded. */
#ifndef MASTER_POSTFIX_DOMAINS_H
#define MASTER_POSTFIX_DOMAINS_H

#include <stdbool.h>
#include <stddef.h>

/* In the order in which Postfix tries them. ADDRESS_CLASS_README. */
enum postfix_class { POSTFIX_LOCAL, POSTFIX_ALIAS, POSTFIX_MAILBOX, POSTFIX_RELAY, POSTFIX_NONE };
#define POSTFIX_CLASSES 4
#define POSTFIX_ALL_CLASSES 0xfu
#define POSTFIX_BIT(class) (1u << (class))

const char *postfix_class_name(enum postfix_class class);                  /* "local", "alias", ..., "none" */
bool postfix_class_parse(const char *name, size_t length, enum postfix_class *out);

struct postfix_domain {
	char *name;
	enum postfix_class class;
};
struct postfix_domain_set {
	struct postfix_domain *at;
	size_t count;
	size_t capacity;
};

/* A zeroed struct knows no domain. Add, seal (sorts; of doubles the earlier class stands), ask. */
struct postfix_domains {
	struct postfix_domain_set names;      /* the domains themselves; POSTFIX_NONE: excepted from its parent's rule */
	struct postfix_domain_set below;      /* what every domain below this one is in, unless it's nearer to another */
};
void postfix_domains_add(struct postfix_domain_set *set, const char *name, enum postfix_class class);
void postfix_domains_seal(struct postfix_domains *domains);
void postfix_domains_sort(struct postfix_domain_set *set);           /* seals one of them */
void postfix_domains_empty(struct postfix_domain_set *set);
void postfix_domains_free(struct postfix_domains *domains);
enum postfix_class postfix_domains_class(const struct postfix_domains *domains, const char *domain);
/* What `domain` would be in if only the rules for parent domains were there. */
enum postfix_class postfix_domains_below(const struct postfix_domains *domains, const char *domain);
const struct postfix_domain *postfix_domains_find(const struct postfix_domain_set *set, const char *name);

#endif
