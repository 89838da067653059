/* compare_maps.c: maps of this host that have a word on recipients in the zones' domains; see compare_private.h.
 *
 * Keys that can be listed are. Of the others it's asked whether they have an answer for an address that nobody has:
 * then they have one for everybody. For the rest their word isn't known. */
#include "replica/compare_private.h"

#include "common/mem.h"
#include "postfix/postfix_lines.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY "rxfer-knows-nobody-by-this-name"
#define ASKED_MAX 200            /* of maps that may be other hosts' databases, at each look */

static const struct {
	const char *parameter;
	const char *consequence;
	bool of_rewrite;
} kinds[] = {
	{"recipient_canonical_maps", "accepted whatever the zone says, and rewritten here", false},
	{"canonical_maps", "accepted whatever the zone says, and rewritten here", false},
	{"virtual_alias_maps", "accepted whatever the zone says, and rewritten here", false},
	{"relay_recipient_maps", "accepted whatever the zone says", false},
	{"relocated_maps", "refused here as moved", true},
};

struct finder {
	struct compare *compare;
	const char *parameter;
	const char *consequence;
};

static void tell(const struct finder *finder, const struct postfix_map *map, struct compare_some *some)
{
	if (some->count > 0)
		findings_add(finder->compare->out, true, NULL, "%s (%.200s) has %s: %s", finder->parameter, map->text,
		             compare_some_text(some), finder->consequence);
}

/* ---- listed ---- */

static bool is_ours(const struct compare *compare, const struct address *address)
{
	if (address->kind == ADDRESS_BARE)
		return compare->origin[0] != '\0' && compare_domain_find(compare, compare->origin, NULL);
	return compare_domain_find(compare, address_domain(address), NULL);
}

static void take_keys(const struct finder *finder, const struct postfix_map *map, const struct buf *text)
{
	struct compare *compare = finder->compare;
	struct compare_some some = {.count = 0};
	struct postfix_lines lines = postfix_lines_of(text);
	const char *line;
	size_t length;
	while (postfix_lines_next(&lines, &line, &length)) {
		const char *tab = memchr(line, '\t', length);
		struct address address;
		if (!tab || address_parse(line, (size_t)(tab - line), compare_utf8(compare), &address, NULL) != RC_OK ||
		    !is_ours(compare, &address))
			continue;
		char *bare = address.kind == ADDRESS_BARE ? mem_sprintf("%s (at %s, as that is myorigin)", address.text,
		                                                        compare->origin) : NULL;
		compare_some_add(&some, bare ? bare : address.text);
		free(bare);
	}
	tell(finder, map, &some);
	compare_some_free(&some);
}

/* ---- asked ---- */

static void ask(const struct finder *finder, const struct postfix_map *map)
{
	struct compare *compare = finder->compare;
	struct buf keys = {0}, values = {0};
	struct compare_some some = {.count = 0};
	struct why why;
	for (size_t i = 0; i < compare->domain_count && i < ASKED_MAX; i++)
		buf_printf(&keys, NOBODY "@%s\n@%s\n", compare->domains[i], compare->domains[i]);
	enum rc rc = compare->world->values(compare->world->context, map->text, &keys, &values, &why);
	const char *answers = buf_text(&values);
	for (size_t i = 0; rc == RC_OK && i < compare->domain_count && i < ASKED_MAX; i++) {
		char *domain = mem_sprintf("@%s\t", compare->domains[i]);
		if (strstr(answers, domain)) {
			char *everybody = mem_sprintf("everybody in %s", compare->domains[i]);
			compare_some_add(&some, everybody);
			free(everybody);
		}
		free(domain);
	}
	if (rc != RC_OK)
		compare_trouble(compare, finder->parameter, map->text, rc, why.text);
	else if (some.count == 0)
		compare_trouble(compare, finder->parameter, map->text, RC_UNSUPPORTED, "it can't be listed");
	tell(finder, map, &some);
	compare_some_free(&some);
	buf_free(&keys);
	buf_free(&values);
}

static bool look_at(void *context, const struct postfix_map *map)
{
	const struct finder *finder = context;
	struct compare *compare = finder->compare;
	struct buf text = {0};
	struct why why;
	if (compare_own(compare, map, true) || !compare_type_fine(compare, finder->parameter, map->text))
		return true;
	bool listed = map->kind == POSTFIX_MAP_LISTED && !postfix_map_is(map, "unix") && !postfix_map_is(map, "pipemap");
	enum rc rc = listed ? compare->world->list(compare->world->context, map->text, &text, &why) : RC_UNSUPPORTED;
	if (rc == RC_OK)
		take_keys(finder, map, &text);
	else
		ask(finder, map);
	buf_free(&text);
	return true;
}

void compare_maps_find(struct compare *compare)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && compare->domain_count > 0; i++) {
		const struct compare_side *side = kinds[i].of_rewrite ? &compare->postfix->rewrite : &compare->postfix->smtpd;
		struct finder finder = {compare, kinds[i].parameter, kinds[i].consequence};
		(void)postfix_maps_each(compare_get(side, finder.parameter), compare_get(side, "queue_directory"), look_at,
		                        &finder);
	}
}
