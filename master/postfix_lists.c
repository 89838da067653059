/* postfix_lists.c: see postfix_lists.h.
 *
 * A list is tried from left to right, and the first pattern that matches decides; '!' turns it round. The local and virtual
 * lists match a domain exactly. relay_domains match parents too: `example.com` covers what's below it when
 * parent_domain_matches_subdomains says so, `.example.com` when it doesn't. match_list(3), match_ops(3).
 *
 * All domains that any list names are candidates, and each is put to the lists as Postfix would. What lies below a
 * candidate and isn't one itself can only match by its parents: so a made-up name below it stands for all of them. */
#include "master/postfix_lists.h"

#include "common/address.h"
#include "common/mem.h"
#include "postfix/postfix_words.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8              /* of files in each other */
#define MADE_UP "\001."

/* Neighbours in a list with the same sign: names, and keys of tables. Both match alike. */
struct pattern {
	bool negated;
	char **keys;                 /* sorted when all are read */
	size_t count;
	size_t capacity;
};

struct list {
	struct pattern *at;
	size_t count;
};

struct finder {
	const struct postfix_lists_spec *spec;
	const struct postfix_world *world;
	struct postfix_plan *plan;
	struct list lists[POSTFIX_CLASSES];
	enum postfix_class reading;
};

/* ---- Reading the lists ---- */

static int compare_keys(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

static struct pattern *pattern_for(struct list *list, bool negated)
{
	if (list->count > 0 && list->at[list->count - 1].negated == negated)
		return &list->at[list->count - 1];
	list->at = mem_realloc(list->at, list->count + 1, sizeof *list->at);
	list->at[list->count] = (struct pattern){.negated = negated};
	return &list->at[list->count++];
}

static void add_key(struct pattern *pattern, char *key)
{
	if (pattern->count == pattern->capacity) {
		pattern->capacity = pattern->capacity > 0 ? pattern->capacity * 2 : 16;
		pattern->keys = mem_realloc(pattern->keys, pattern->capacity, sizeof *pattern->keys);
	}
	pattern->keys[pattern->count++] = key;
}

static void add_name(struct finder *finder, const char *word, bool negated)
{
	char folded[ADDRESS_MAX + 1];
	bool dot = word[0] == '.';
	/* What can't be a domain matches none. */
	if (address_parse_domain(word + dot, finder->spec->smtputf8, folded, NULL) == RC_OK)
		add_key(pattern_for(&finder->lists[finder->reading], negated), mem_sprintf("%s%s", dot ? "." : "", folded));
}

/* The domain that's looked up is folded; the keys are not, unless the index was made so. */
static bool can_match(const char *key, bool smtputf8)
{
	char folded[ADDRESS_MAX + 1];
	if (strchr(key, '@'))
		return false;
	bool dot = key[0] == '.';
	return address_parse_domain(key + dot, smtputf8, folded, NULL) == RC_OK && strcmp(key + dot, folded) == 0;
}

static void add_keys(const struct finder *finder, const struct buf *text, struct pattern *pattern)
{
	struct postfix_lines lines = postfix_lines_of(text);
	const char *line;
	size_t length;
	while (postfix_lines_next(&lines, &line, &length)) {
		char *key = mem_strndup(line, length);
		if (can_match(key, finder->spec->smtputf8))
			add_key(pattern, key);
		else
			free(key);
	}
}

static void watch_map(struct postfix_plan *plan, const struct postfix_map *map)
{
	static const struct { const char *type, *suffix; } files[] = {
		{"hash", ".db"}, {"btree", ".db"}, {"cdb", ".cdb"}, {"lmdb", ".lmdb"}, {"texthash", ""}, {"regexp", ""},
		{"pcre", ""}, {"cidr", ""},
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (!postfix_map_is(map, files[i].type))
			continue;
		char *path = mem_sprintf("%s%s", map->name, files[i].suffix);
		postfix_plan_watch(plan, path);
		free(path);
	}
}

/* Lists a map; RC_UNSUPPORTED: it can't be. */
static enum rc list_map(const struct postfix_map *map, const struct postfix_world *world, struct buf *out, bool *ignored,
                        struct why *why)
{
	const char *command = NULL;
	switch (world->treat(world->context, map->text, &command)) {
	case POSTFIX_IGNORE:
		*ignored = true;
		return RC_OK;
	case POSTFIX_LIST:
		if (command)
			return world->command(world->context, command, out, why);
		break;
	case POSTFIX_CATCH_ALL:
		return why_set(why, RC_UNSUPPORTED, "a catch-all here would mean every domain there is");
	case POSTFIX_ASK:
		break;
	}
	if (map->kind == POSTFIX_MAP_LISTED)
		return world->keys(world->context, map->text, out, why);
	if (map->kind == POSTFIX_MAP_EVERYTHING)
		return why_set(why, RC_UNSUPPORTED, "it has an answer for everything, so for every domain there is");
	return why_set(why, RC_UNSUPPORTED, "maps of this type can be asked about one key, but not for all of them");
}

enum rc postfix_lists_keys(const struct postfix_map *map, const char *parameter, const struct postfix_world *world,
                           struct postfix_plan *plan, struct buf *out)
{
	struct why why;
	bool ignored = false;
	watch_map(plan, map);
	enum rc rc = list_map(map, world, out, &ignored, &why);
	if (rc == RC_UNSUPPORTED)
		postfix_plan_ask(plan, parameter, map->text, why.text, "\"ignore\"");
	else if (rc != RC_OK)
		postfix_plan_problem(plan, parameter, map->text, why.text);
	return rc == RC_OK && ignored ? RC_NOT_FOUND : rc == RC_NOT_FOUND ? RC_IO : rc;
}

struct table_visit {
	struct finder *finder;
	bool negated;
};

static bool add_table(void *context, const struct postfix_map *map)
{
	const struct table_visit *visit = context;
	struct finder *finder = visit->finder;
	struct buf text = {0};
	const char *parameter = finder->spec->parameters[finder->reading];
	if (postfix_lists_keys(map, parameter, finder->world, finder->plan, &text) == RC_OK)
		add_keys(finder, &text, pattern_for(&finder->lists[finder->reading], visit->negated));
	buf_free(&text);
	return true;
}

static void read_list(struct finder *finder, const char *value, bool negated, int depth);

static void read_file(struct finder *finder, const char *path, bool negated, int depth)
{
	struct buf text = {0};
	struct why why;
	const char *parameter = finder->spec->parameters[finder->reading];
	postfix_plan_watch(finder->plan, path);
	enum rc rc = depth < DEPTH_MAX ? finder->world->file(finder->world->context, path, &text, &why) :
	             why_set(&why, RC_LIMIT, "files name each other");
	if (rc != RC_OK)
		postfix_plan_problem(finder->plan, parameter, path, why.text);
	struct postfix_lines lines = postfix_lines_of(&text);
	const char *line;
	size_t length;
	while (rc == RC_OK && postfix_lines_next(&lines, &line, &length)) {
		if (length == 0 || line[0] == '#')
			continue;
		char *copy = mem_strndup(line, length);
		read_list(finder, copy, negated, depth + 1);
		free(copy);
	}
	buf_free(&text);
}

static void read_list(struct finder *finder, const char *value, bool negated, int depth)
{
	const char *word;
	size_t length;
	while (postfix_word_next(&value, &word, &length)) {
		struct table_visit visit = {finder, negated};
		for (; length > 0 && word[0] == '!'; word++, length--)
			visit.negated = !visit.negated;
		if (length == 0)
			continue;
		char *copy = mem_strndup(word, length);
		if (copy[0] == '/')
			read_file(finder, copy, visit.negated, depth);
		else if (copy[0] != '[' && strchr(copy, ':'))
			(void)postfix_maps_each(copy, finder->spec->queue, add_table, &visit);
		else
			add_name(finder, copy, visit.negated);
		free(copy);
	}
}

/* ---- Asking them ---- */

static bool has_key(const struct pattern *pattern, const char *text)
{
	return pattern->count > 0 &&
	       bsearch(&text, pattern->keys, pattern->count, sizeof *pattern->keys, compare_keys) != NULL;
}

/* With parents: a.b.c, b.c, c; without: a.b.c, .b.c, .c. */
static bool has_parent(const struct pattern *pattern, const char *domain, bool parents)
{
	for (const char *at = domain; at && *at != '\0';) {
		if (has_key(pattern, at))
			return true;
		at = strchr(at + 1, '.');
		if (at && parents)
			at++;
	}
	return false;
}

static bool matches(const struct finder *finder, enum postfix_class class, const char *domain)
{
	const struct list *list = &finder->lists[class];
	for (size_t i = 0; i < list->count; i++) {
		const struct pattern *pattern = &list->at[i];
		if (class == POSTFIX_RELAY ? has_parent(pattern, domain, finder->spec->parents) : has_key(pattern, domain))
			return !pattern->negated;
	}
	return false;
}

static enum postfix_class classify(const struct finder *finder, const char *domain)
{
	for (int class = POSTFIX_LOCAL; class < POSTFIX_NONE; class++)
		if (matches(finder, (enum postfix_class)class, domain))
			return (enum postfix_class)class;
	return POSTFIX_NONE;
}

/* ---- All candidates ---- */

typedef void candidate_visit(struct finder *finder, const char *name);

static void each_candidate(struct finder *finder, candidate_visit *visit)
{
	for (size_t i = 0; i < POSTFIX_CLASSES; i++)
		for (size_t j = 0; j < finder->lists[i].count; j++)
			for (size_t k = 0; k < finder->lists[i].at[j].count; k++)
				visit(finder, finder->lists[i].at[j].keys[k]);
}

static void judge_below(struct finder *finder, const char *name)
{
	name += name[0] == '.';
	char *made_up = mem_sprintf(MADE_UP "%s", name);
	enum postfix_class class = matches(finder, POSTFIX_RELAY, made_up) ? POSTFIX_RELAY : POSTFIX_NONE;
	postfix_domains_add(&finder->plan->domains.below, name, class);
	free(made_up);
}

static void judge(struct finder *finder, const char *name)
{
	if (name[0] == '.')
		return;
	enum postfix_class class = classify(finder, name);
	if (class != POSTFIX_NONE || postfix_domains_below(&finder->plan->domains, name) != POSTFIX_NONE)
		postfix_domains_add(&finder->plan->domains.names, name, class);
}

/* Leaves the rules that say something else than the nearest parent's. */
static void thin_out(struct postfix_domains *domains)
{
	struct postfix_domains thin = {0};
	for (size_t i = 0; i < domains->below.count; i++) {
		const struct postfix_domain *rule = &domains->below.at[i];
		if (postfix_domains_below(domains, rule->name) != rule->class)
			postfix_domains_add(&thin.below, rule->name, rule->class);
	}
	postfix_domains_free(domains);
	*domains = thin;
	postfix_domains_seal(domains);
}

static void sort_lists(struct finder *finder)
{
	for (size_t i = 0; i < POSTFIX_CLASSES; i++)
		for (size_t j = 0; j < finder->lists[i].count; j++)
			if (finder->lists[i].at[j].count > 1)
				qsort(finder->lists[i].at[j].keys, finder->lists[i].at[j].count, sizeof(char *), compare_keys);
}

static void free_lists(struct finder *finder)
{
	for (size_t i = 0; i < POSTFIX_CLASSES; i++) {
		for (size_t j = 0; j < finder->lists[i].count; j++) {
			struct pattern *pattern = &finder->lists[i].at[j];
			for (size_t k = 0; k < pattern->count; k++)
				free(pattern->keys[k]);
			free(pattern->keys);
		}
		free(finder->lists[i].at);
	}
}

void postfix_lists_find(const struct postfix_lists_spec *spec, const struct postfix_world *world,
                        struct postfix_plan *plan)
{
	struct finder finder = {.spec = spec, .world = world, .plan = plan};
	for (int class = POSTFIX_LOCAL; class < POSTFIX_NONE; class++) {
		finder.reading = (enum postfix_class)class;
		read_list(&finder, spec->values[class], false, 0);
	}
	sort_lists(&finder);
	each_candidate(&finder, judge_below);
	postfix_domains_seal(&plan->domains);
	thin_out(&plan->domains);
	each_candidate(&finder, judge);
	postfix_domains_seal(&plan->domains);
	free_lists(&finder);
}
