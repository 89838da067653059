/* compare_domains.c: in which address class this Postfix has the zones' domains; see compare_private.h.
 *
 * The first class that has a domain takes it, and only for those of relay_domains are our tables asked. */
#include "replica/compare_private.h"

#include "common/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *parameter;
	const char *consequence;
} rivals[] = {
	{"mydestination", "this host looks for their recipients among its own users and aliases"},
	{"virtual_alias_domains", "this host accepts its own virtual aliases in them"},
	{"virtual_mailbox_domains", "this host looks for their recipients in its own virtual_mailbox_maps"},
};

/* ---- other classes ---- */

struct rival {
	struct compare_some domains;
	struct compare_some places;      /* where it has to be taken out by hand */
	struct compare_edit *edits;
	size_t edit_count;
};

static void add_rival(const struct compare *compare, const struct compare_patterns *patterns, const char *domain,
                      const struct compare_pattern *pattern, struct rival *rival)
{
	struct compare_edit edit = {pattern->text, NULL};
	compare_some_add(&rival->domains, domain);
	for (size_t i = 0; i < rival->edit_count; i++)
		if (strcmp(rival->edits[i].old, pattern->text) == 0)
			return;
	char *mend = pattern->map || pattern->via[0] == '/' ? NULL :
	             compare_mend_list(compare, &compare->postfix->rewrite, patterns->parameter, &edit, 1);
	if (mend) {
		rival->edits = mem_realloc(rival->edits, rival->edit_count + 1, sizeof *rival->edits);
		rival->edits[rival->edit_count++] = edit;
	} else {
		char *place = mem_sprintf("%s (by %.200s)", domain, pattern->via);
		compare_some_add(&rival->places, place);
		free(place);
	}
	free(mend);
}

static void tell_rival(struct compare *compare, size_t index, struct rival *rival)
{
	const struct compare_side *rewrite = &compare->postfix->rewrite;
	const char *parameter = rivals[index].parameter;
	struct buf where = {0};
	char *mend = rival->edit_count == 0 ? NULL :
	             compare_mend_list(compare, rewrite, parameter, rival->edits, rival->edit_count);
	compare_mend_where(rewrite, parameter, &where);
	findings_add(compare->out, true, mend, "%s has %s%s: %s, and not in relay_recipient_maps%s%s", parameter,
	             compare_some_text(&rival->domains), buf_text(&where), rivals[index].consequence,
	             rival->places.count > 0 ? "; take out " : "", compare_some_text(&rival->places));
	free(mend);
	buf_free(&where);
}

static void find_rivals(struct compare *compare, size_t index, bool *taken)
{
	struct compare_patterns patterns;
	struct rival rival = {.edits = NULL};
	const struct compare_pattern **found = mem_zalloc((compare->domain_count + 1) * sizeof *found);
	compare_lists_read(compare, rivals[index].parameter, &patterns);
	compare_lists_match(compare, &patterns, found);
	for (size_t i = 0; i < compare->domain_count; i++) {
		if (!found[i] || taken[i])
			continue;
		taken[i] = true;
		add_rival(compare, &patterns, compare->domains[i], found[i], &rival);
	}
	if (rival.domains.count > 0)
		tell_rival(compare, index, &rival);
	compare_some_free(&rival.domains);
	compare_some_free(&rival.places);
	free(rival.edits);
	free(found);
	compare_lists_free(&patterns);
}

/* ---- relay_domains ---- */

/* It's told of a table that isn't named. */
static bool is_told(const struct compare *compare, const char *domain)
{
	for (size_t i = 0; i < compare->question->table_count; i++) {
		const struct question_table *table = &compare->question->tables[i];
		if (table->domains && !compare->named[i] && compare_table_has(compare, table, domain))
			return true;
	}
	return false;
}

/* The master's word would stand in main.cf, where "static:x" or "$x" are more than names. */
static bool is_name(const char *domain)
{
	for (const char *at = domain; *at != '\0'; at++)
		if ((unsigned char)*at < 0x80 && !isalnum((unsigned char)*at) && !strchr("-._", *at))
			return false;
	return domain[0] != '\0';
}

static void find_uncovered(struct compare *compare, struct compare_patterns *relay, const bool *taken)
{
	const struct compare_pattern **found = mem_zalloc((compare->domain_count + 1) * sizeof *found);
	struct compare_edit *edits = mem_zalloc((compare->domain_count + 1) * sizeof *edits);
	struct compare_some some = {.count = 0};
	size_t count = 0;
	bool names = true;
	compare_lists_match(compare, relay, found);
	for (size_t i = 0; i < compare->domain_count && !relay->doubt; i++) {
		if (found[i] || taken[i] || is_told(compare, compare->domains[i]))
			continue;
		compare_some_add(&some, compare->domains[i]);
		edits[count++] = (struct compare_edit){NULL, compare->domains[i]};
		names = names && is_name(compare->domains[i]);
	}
	if (count > 0) {
		struct buf where = {0};
		char *mend = !names ? NULL :
		             compare_mend_list(compare, &compare->postfix->rewrite, relay->parameter, edits, count);
		findings_add(compare->out, true, mend, "%s%s doesn't have %s: all mail for them is refused", relay->parameter,
		             compare_mend_where(&compare->postfix->rewrite, relay->parameter, &where),
		             compare_some_text(&some));
		free(mend);
		buf_free(&where);
	}
	compare_some_free(&some);
	free(edits);
	free(found);
}

void compare_domains_find(struct compare *compare, struct compare_patterns *relay)
{
	bool *taken = mem_zalloc(compare->domain_count + 1);
	for (size_t i = 0; i < sizeof rivals / sizeof *rivals; i++)
		find_rivals(compare, i, taken);
	find_uncovered(compare, relay, taken);
	free(taken);
}
