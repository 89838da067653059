/* compare_lists.c: lists of domains, read and asked; see compare_private.h.
 *
 * A list is tried from left to right, and the first pattern that matches decides; '!' turns it round. mydestination
 * and the virtual lists match a domain exactly, relay_domains match parents too. match_list(3). */
#include "replica/compare_private.h"

#include "common/mem.h"
#include "postfix/postfix_lines.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8              /* of files in each other */

/* ---- reading ---- */

struct reader {
	struct compare *compare;
	struct compare_patterns *out;
	const char *via;
	bool negated;
};

static void add_pattern(const struct reader *reader, bool map, const char *text)
{
	struct compare_patterns *out = reader->out;
	out->at = mem_realloc(out->at, out->count + 1, sizeof *out->at);
	out->at[out->count++] = (struct compare_pattern){reader->negated, map, mem_strdup(text), mem_strdup(reader->via)};
}

static bool add_map(void *context, const struct postfix_map *map)
{
	add_pattern(context, true, map->text);
	return true;
}

static void add_name(const struct reader *reader, const char *word)
{
	char folded[ADDRESS_MAX + 1];
	bool dot = word[0] == '.';
	if (address_parse_domain(word + dot, compare_utf8(reader->compare), folded, NULL) != RC_OK)
		return;      /* what can't be a domain matches none */
	char *name = mem_sprintf("%s%s", dot ? "." : "", folded);
	add_pattern(reader, false, name);
	free(name);
}

static void read_words(const struct reader *outer, const char *value, int depth);

static void read_file(const struct reader *reader, const char *path, int depth)
{
	const struct compare_world *world = reader->compare->world;
	struct buf text = {0};
	struct why why;
	enum rc rc = depth < DEPTH_MAX ? world->file(world->context, path, &text, &why) :
	             why_set(&why, RC_LIMIT, "files name each other");
	if (rc != RC_OK) {
		reader->out->doubt = true;
		compare_trouble(reader->compare, reader->out->parameter, path, rc, why.text);
	}
	struct postfix_lines lines = postfix_lines_of(&text);
	const char *line;
	size_t length;
	while (rc == RC_OK && postfix_lines_next(&lines, &line, &length)) {
		if (length == 0 || line[0] == '#')
			continue;
		char *copy = mem_strndup(line, length);
		read_words(reader, copy, depth + 1);
		free(copy);
	}
	buf_free(&text);
}

static void read_words(const struct reader *outer, const char *value, int depth)
{
	const char *queue = compare_get(&outer->compare->postfix->rewrite, "queue_directory");
	const char *word;
	size_t length;
	while (postfix_word_next(&value, &word, &length)) {
		struct reader reader = *outer;
		char *whole = mem_strndup(word, length);
		const char *text = whole;
		for (; text[0] == '!'; text++)
			reader.negated = !reader.negated;
		if (depth == 0)
			reader.via = text;
		if (text[0] == '/')
			read_file(&reader, text, depth);
		else if (text[0] != '[' && strchr(text, ':'))
			(void)postfix_maps_each(text, queue, add_map, &reader);
		else if (text[0] != '\0')
			add_name(&reader, text);
		free(whole);
	}
}

void compare_lists_read(struct compare *compare, const char *parameter, struct compare_patterns *out)
{
	const struct compare_side *rewrite = &compare->postfix->rewrite;
	const struct reader reader = {compare, out, "", false};
	*out = (struct compare_patterns){.parameter = parameter, .relay = strcmp(parameter, "relay_domains") == 0};
	out->parents = out->relay && postfix_words_have(compare_get(rewrite, "parent_domain_matches_subdomains"),
	                                                parameter);
	read_words(&reader, compare_get(rewrite, parameter), 0);
}

void compare_lists_free(struct compare_patterns *patterns)
{
	for (size_t i = 0; i < patterns->count; i++) {
		free(patterns->at[i].text);
		free(patterns->at[i].via);
	}
	free(patterns->at);
	*patterns = (struct compare_patterns){.at = NULL};
}

/* ---- asking ---- */

/* What is looked for: the domain, and in relay_domains its parents: b.c, c; or .b.c, .c. */
static const char *next_key(const struct compare_patterns *patterns, const char *key)
{
	if (!patterns->relay)
		return NULL;
	const char *dot = strchr(key + 1, '.');
	return dot && patterns->parents ? dot + 1 : dot;
}

static bool name_matches(const struct compare_patterns *patterns, const char *name, const char *domain)
{
	for (const char *key = domain; key && key[0] != '\0'; key = next_key(patterns, key))
		if (strcmp(key, name) == 0)
			return true;
	return false;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct answers {
	char **at;
	size_t count;
};

static void take_answers(const struct buf *text, struct answers *out)
{
	struct postfix_lines lines = postfix_lines_of(text);
	const char *line;
	size_t length;
	while (postfix_lines_next(&lines, &line, &length)) {
		const char *tab = memchr(line, '\t', length);
		if (!tab)
			continue;
		out->at = mem_realloc(out->at, out->count + 1, sizeof *out->at);
		out->at[out->count++] = mem_strndup(line, (size_t)(tab - line));
	}
	if (out->count > 1)
		qsort(out->at, out->count, sizeof *out->at, compare_text);
}

static void match_answers(const struct compare *compare, const struct compare_patterns *patterns,
                          const struct compare_pattern *pattern, const struct answers *answers,
                          const struct compare_pattern **out)
{
	for (size_t i = 0; i < compare->domain_count; i++)
		for (const char *key = compare->domains[i]; !out[i] && key && key[0] != '\0'; key = next_key(patterns, key))
			if (answers->count > 0 && bsearch(&key, answers->at, answers->count, sizeof *answers->at, compare_text))
				out[i] = pattern;
}

static void match_map(struct compare *compare, struct compare_patterns *patterns, const struct compare_pattern *pattern,
                      const struct compare_pattern **out)
{
	struct buf keys = {0}, values = {0};
	struct answers answers = {0};
	struct why why;
	if (!compare_type_fine(compare, patterns->parameter, pattern->text)) {
		patterns->doubt = true;
		return;
	}
	for (size_t i = 0; i < compare->domain_count; i++)
		for (const char *key = compare->domains[i]; !out[i] && key && key[0] != '\0'; key = next_key(patterns, key))
			buf_printf(&keys, "%s\n", key);
	enum rc rc = keys.length == 0 ? RC_OK :
	             compare->world->values(compare->world->context, pattern->text, &keys, &values, &why);
	if (rc == RC_OK) {
		take_answers(&values, &answers);
		match_answers(compare, patterns, pattern, &answers, out);
	} else {
		patterns->doubt = true;
		compare_trouble(compare, patterns->parameter, pattern->text, rc, why.text);
	}
	for (size_t i = 0; i < answers.count; i++)
		free(answers.at[i]);
	free(answers.at);
	buf_free(&keys);
	buf_free(&values);
}

struct own_search {
	const struct compare *compare;
	const struct question_table *found;
};

static bool find_own(void *context, const struct postfix_map *map)
{
	struct own_search *search = context;
	search->found = compare_own(search->compare, map, false);
	return true;
}

/* What our tables have is known; the file may not even be there yet. */
static bool match_own(const struct compare *compare, const struct compare_patterns *patterns,
                      const struct compare_pattern *pattern, const struct compare_pattern **out)
{
	struct own_search search = {compare, NULL};
	if (patterns->relay)
		(void)postfix_maps_each(pattern->text, "/", find_own, &search);
	if (!search.found)
		return false;
	for (size_t i = 0; i < compare->domain_count; i++)
		if (!out[i] && compare_table_has(compare, search.found, compare->domains[i]))
			out[i] = pattern;
	return true;
}

void compare_lists_match(struct compare *compare, struct compare_patterns *patterns,
                         const struct compare_pattern **out)
{
	for (size_t i = 0; i < compare->domain_count; i++)
		out[i] = NULL;
	for (size_t i = 0; i < patterns->count; i++) {
		const struct compare_pattern *pattern = &patterns->at[i];
		if (pattern->map) {
			if (!match_own(compare, patterns, pattern, out))
				match_map(compare, patterns, pattern, out);
			continue;
		}
		for (size_t j = 0; j < compare->domain_count; j++)
			if (!out[j] && name_matches(patterns, pattern->text, compare->domains[j]))
				out[j] = pattern;
	}
	for (size_t i = 0; i < compare->domain_count; i++)
		if (out[i] && out[i]->negated)
			out[i] = NULL;
}
