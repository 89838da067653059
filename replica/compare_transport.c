/* compare_transport.c: transports that refuse or put off mail for the zones; see compare_private.h.
 *
 * transport_maps is asked for the whole address, the domain, its parents and "*", each of all maps before the next;
 * then relay_transport counts. transport(5). */
#include "replica/compare_private.h"

#include "common/mem.h"
#include "postfix/postfix_lines.h"

#include <stdlib.h>
#include <string.h>

#define PARAMETER "transport_maps"
#define NOBODY "rxfer-knows-nobody-by-this-name"

struct answer {
	char *key;
	char *value;
};
struct map {
	char *text;
	struct answer *answers;          /* sorted by key */
	size_t count;
};
struct finder {
	struct compare *compare;
	bool parents;
	struct map *maps;
	size_t map_count;
	bool doubt;
	struct compare_some addresses;   /* with an entry of their own that refuses them */
};

/* `transport:nexthop`: what comes of it, or NULL when mail goes its way. */
static const char *trouble_of(const char *value)
{
	size_t length = strcspn(value, ":");
	if (length == 5 && strncmp(value, "error", length) == 0)
		return "refused";
	return length == 5 && strncmp(value, "retry", length) == 0 ? "put off" : NULL;
}

/* ---- what the maps say ---- */

static int compare_answers(const void *left, const void *right)
{
	return strcmp(((const struct answer *)left)->key, ((const struct answer *)right)->key);
}

static void take_answers(const struct buf *text, struct map *out)
{
	struct postfix_lines lines = postfix_lines_of(text);
	const char *line;
	size_t length;
	while (postfix_lines_next(&lines, &line, &length)) {
		const char *tab = memchr(line, '\t', length);
		if (!tab)
			continue;
		out->answers = mem_realloc(out->answers, out->count + 1, sizeof *out->answers);
		out->answers[out->count++] = (struct answer){mem_strndup(line, (size_t)(tab - line)),
		                                             mem_strndup(tab + 1, length - (size_t)(tab + 1 - line))};
	}
	if (out->count > 1)
		qsort(out->answers, out->count, sizeof *out->answers, compare_answers);
}

static void free_map(struct map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		free(map->answers[i].key);
		free(map->answers[i].value);
	}
	free(map->answers);
	free(map->text);
}

static const char *next_parent(const struct finder *finder, const char *domain)
{
	const char *dot = strchr(domain + 1, '.');
	return dot && finder->parents ? dot + 1 : dot;
}

/* Patterns are asked for whole addresses alone. */
static bool asks_parts(const struct postfix_map *map)
{
	return !postfix_map_is(map, "regexp") && !postfix_map_is(map, "pcre") && !postfix_map_is(map, "cidr");
}

static void put_keys(const struct finder *finder, bool parts, struct buf *out)
{
	const struct compare *compare = finder->compare;
	for (size_t i = 0; i < compare->domain_count; i++) {
		buf_printf(out, NOBODY "@%s\n", compare->domains[i]);
		for (const char *at = compare->domains[i]; parts && at && at[0] != '\0'; at = next_parent(finder, at))
			buf_printf(out, "%s\n", at);
	}
	if (parts)
		buf_printf(out, "*\n");
}

static void note_address(struct finder *finder, const struct answer *answer)
{
	const struct compare *compare = finder->compare;
	struct address address;
	if (trouble_of(answer->value) &&
	    address_parse(answer->key, strlen(answer->key), compare_utf8(compare), &address, NULL) == RC_OK &&
	    address.kind == ADDRESS_FULL && compare_domain_find(compare, address_domain(&address), NULL))
		compare_some_add(&finder->addresses, address.text);
}

/* Of a map that can't be listed only what it says of whole domains is known. */
static void note_addresses(struct finder *finder, const struct postfix_map *map)
{
	const struct compare_world *world = finder->compare->world;
	struct buf text = {0};
	struct map all = {.text = NULL};
	if (map->kind == POSTFIX_MAP_LISTED && world->list(world->context, map->text, &text, NULL) == RC_OK)
		take_answers(&text, &all);
	for (size_t i = 0; i < all.count; i++)
		note_address(finder, &all.answers[i]);
	free_map(&all);
	buf_free(&text);
}

static bool ask_map(void *context, const struct postfix_map *map)
{
	struct finder *finder = context;
	struct compare *compare = finder->compare;
	struct buf keys = {0}, values = {0};
	struct why why;
	if (!compare_type_fine(compare, PARAMETER, map->text)) {
		finder->doubt = true;
		return true;
	}
	put_keys(finder, asks_parts(map), &keys);
	enum rc rc = compare->world->values(compare->world->context, map->text, &keys, &values, &why);
	if (rc == RC_OK) {
		finder->maps = mem_realloc(finder->maps, finder->map_count + 1, sizeof *finder->maps);
		finder->maps[finder->map_count] = (struct map){.text = mem_strdup(map->text)};
		take_answers(&values, &finder->maps[finder->map_count++]);
		note_addresses(finder, map);
	} else {
		finder->doubt = true;
		compare_trouble(compare, PARAMETER, map->text, rc, why.text);
	}
	buf_free(&keys);
	buf_free(&values);
	return true;
}

/* ---- what comes of it ---- */

static const char *find(const struct finder *finder, const char *key)
{
	const struct answer wanted = {(char *)(uintptr_t)key, NULL};
	for (size_t i = 0; i < finder->map_count; i++) {
		const struct map *map = &finder->maps[i];
		const struct answer *found = map->count == 0 ? NULL :
			bsearch(&wanted, map->answers, map->count, sizeof *map->answers, compare_answers);
		if (found)
			return found->value;
	}
	return NULL;
}

/* An empty transport leaves it to the class, as having no entry does. */
static const char *transport_of(const struct finder *finder, const char *domain, bool *own)
{
	char *address = mem_sprintf(NOBODY "@%s", domain);
	const char *value = find(finder, address);
	free(address);
	for (const char *at = domain; !value && at && at[0] != '\0'; at = next_parent(finder, at))
		value = find(finder, at);
	if (!value)
		value = find(finder, "*");
	*own = value && value[0] != '\0' && value[0] != ':';
	return *own ? value : compare_get(&finder->compare->postfix->rewrite, "relay_transport");
}

static void judge(struct finder *finder)
{
	struct compare *compare = finder->compare;
	struct compare_some by_map = {.count = 0};
	bool relay = false;
	for (size_t i = 0; i < compare->domain_count; i++) {
		bool own;
		const char *value = transport_of(finder, compare->domains[i], &own);
		if (trouble_of(value) && own)
			compare_some_add(&by_map, compare->domains[i]);
		relay = relay || (trouble_of(value) && !own);
	}
	if (by_map.count > 0)
		findings_add(compare->out, true, NULL, PARAMETER " has error: or retry: for %s: their mail is refused or put "
		             "off", compare_some_text(&by_map));
	if (finder->addresses.count > 0)
		findings_add(compare->out, true, NULL, PARAMETER " has error: or retry: for %s: refused or put off whatever the "
		             "zone says", compare_some_text(&finder->addresses));
	if (relay) {
		const struct compare_side *rewrite = &compare->postfix->rewrite;
		const char *value = compare_get(rewrite, "relay_transport");
		char *mend = compare_mend_value(compare, rewrite, "relay_transport", "relay");
		findings_add(compare->out, true, mend, "relay_transport is %.64s: all mail for the zones' domains is %s", value,
		             trouble_of(value));
		free(mend);
	}
	compare_some_free(&by_map);
}

void compare_transport_find(struct compare *compare)
{
	const struct compare_side *rewrite = &compare->postfix->rewrite;
	struct finder finder = {.compare = compare};
	finder.parents = postfix_words_have(compare_get(rewrite, "parent_domain_matches_subdomains"), PARAMETER);
	if (compare->domain_count == 0)
		return;
	(void)postfix_maps_each(compare_get(rewrite, PARAMETER), compare_get(rewrite, "queue_directory"), ask_map, &finder);
	if (!finder.doubt)
		judge(&finder);
	for (size_t i = 0; i < finder.map_count; i++)
		free_map(&finder.maps[i]);
	free(finder.maps);
	compare_some_free(&finder.addresses);
}
