/* postfix_domains.c: see postfix_domains.h. Sorted arrays: a host can have a million domains. */
#include "master/postfix_domains.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"local", "alias", "mailbox", "relay", "none"};

const char *postfix_class_name(enum postfix_class class)
{
	return names[class];
}

bool postfix_class_parse(const char *name, size_t length, enum postfix_class *out)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
			*out = (enum postfix_class)i;
			return true;
		}
	}
	return false;
}

void postfix_domains_add(struct postfix_domain_set *set, const char *name, enum postfix_class class)
{
	if (set->count == set->capacity) {
		set->capacity = set->capacity > 0 ? set->capacity * 2 : 16;
		set->at = mem_realloc(set->at, set->capacity, sizeof *set->at);
	}
	set->at[set->count++] = (struct postfix_domain){mem_strdup(name), class};
}

static int compare(const void *left, const void *right)
{
	const struct postfix_domain *a = left, *b = right;
	int order = strcmp(a->name, b->name);
	return order != 0 ? order : (int)a->class - (int)b->class;
}

void postfix_domains_sort(struct postfix_domain_set *set)
{
	size_t kept = 0;
	if (set->count > 1)
		qsort(set->at, set->count, sizeof *set->at, compare);
	for (size_t i = 0; i < set->count; i++) {
		if (kept > 0 && strcmp(set->at[kept - 1].name, set->at[i].name) == 0)
			free(set->at[i].name);
		else
			set->at[kept++] = set->at[i];
	}
	set->count = kept;
}

void postfix_domains_seal(struct postfix_domains *domains)
{
	postfix_domains_sort(&domains->names);
	postfix_domains_sort(&domains->below);
}

void postfix_domains_empty(struct postfix_domain_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		free(set->at[i].name);
	free(set->at);
	*set = (struct postfix_domain_set){0};
}

void postfix_domains_free(struct postfix_domains *domains)
{
	postfix_domains_empty(&domains->names);
	postfix_domains_empty(&domains->below);
}

const struct postfix_domain *postfix_domains_find(const struct postfix_domain_set *set, const char *name)
{
	size_t low = 0, high = set->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(set->at[middle].name, name);
		if (order == 0)
			return &set->at[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

enum postfix_class postfix_domains_below(const struct postfix_domains *domains, const char *domain)
{
	if (domains->below.count == 0)
		return POSTFIX_NONE;
	for (const char *dot = strchr(domain, '.'); dot; dot = strchr(dot + 1, '.')) {
		const struct postfix_domain *rule = postfix_domains_find(&domains->below, dot + 1);
		if (rule)
			return rule->class;
	}
	return POSTFIX_NONE;
}

enum postfix_class postfix_domains_class(const struct postfix_domains *domains, const char *domain)
{
	const struct postfix_domain *found = postfix_domains_find(&domains->names, domain);
	return found ? found->class : postfix_domains_below(domains, domain);
}
