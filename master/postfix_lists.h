/* postfix_lists.h: mydestination, virtual_alias_domains, virtual_mailbox_domains and relay_domains: from their values to the
 * class of each domain. */
#ifndef MASTER_POSTFIX_LISTS_H
#define MASTER_POSTFIX_LISTS_H

#include "master/postfix_plan.h"
#include "postfix/postfix_words.h"
#include "master/postfix_world.h"

struct postfix_lists_spec {
	const char *parameters[POSTFIX_CLASSES];     /* names, by class */
	const char *values[POSTFIX_CLASSES];         /* expanded */
	bool parents;                                /* parent_domain_matches_subdomains has relay_domains */
	bool smtputf8;
	const char *queue;                           /* queue_directory */
};

/* Fills the plan's domains; adds problems for what can't be read. */
void postfix_lists_find(const struct postfix_lists_spec *spec, const struct postfix_world *world,
                        struct postfix_plan *plan);
/* What stands for the keys of a map here and in transport_maps: as world->keys or what the administrator said. RC_NOT_FOUND:
 * it's to be ignored. A failure is in the plan's problems already. Adds the files to be watched. */
enum rc postfix_lists_keys(const struct postfix_map *map, const char *parameter, const struct postfix_world *world,
                           struct postfix_plan *plan, struct buf *out);

#endif
