/* postfix_words.c: see postfix_words.h.
 *
 * Which types can be listed is a matter of what they are, not of what this Postfix or this program was built with: an
 * index whose library isn't here fails when it's read, with the message that says so. */
#include "postfix/postfix_words.h"

#include "common/buf.h"
#include "common/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8              /* of unionmaps in each other */

static bool is_separator(char c)
{
	return c != '\0' && strchr(", \t\r\n", c) != NULL;
}

static bool is_space(char c)
{
	return c != '\0' && strchr(" \t\r\n\v\f", c) != NULL;
}

bool postfix_word_next(const char **at, const char **word, size_t *length)
{
	const char *begin = *at;
	int depth = 0;
	while (is_separator(*begin))
		begin++;
	const char *end = begin;
	for (; *end != '\0' && (depth > 0 || !is_separator(*end)); end++) {
		if (*end == '{')
			depth++;
		else if (*end == '}' && depth > 0)
			depth--;
	}
	*at = end;
	*word = begin;
	*length = (size_t)(end - begin);
	return end > begin;
}

static char *without_braces(const char *word, size_t length)
{
	if (length >= 2 && word[0] == '{' && word[length - 1] == '}') {
		word++;
		length -= 2;
		while (length > 0 && is_space(word[0])) {
			word++;
			length--;
		}
		while (length > 0 && is_space(word[length - 1]))
			length--;
	}
	return mem_strndup(word, length);
}

char *postfix_word_take(const char **at)
{
	const char *word;
	size_t length;
	return postfix_word_next(at, &word, &length) ? without_braces(word, length) : NULL;
}

bool postfix_words_have(const char *list, const char *wanted)
{
	const char *word;
	size_t length;
	while (postfix_word_next(&list, &word, &length))
		if (strlen(wanted) == length && strncmp(word, wanted, length) == 0)
			return true;
	return false;
}

/* ---- Maps ---- */

bool postfix_map_is(const struct postfix_map *map, const char *type)
{
	return strlen(type) == map->type_length && strncmp(map->type, type, map->type_length) == 0;
}

static bool is_one_of(const struct postfix_map *map, const char *const *types)
{
	for (; *types; types++)
		if (postfix_map_is(map, *types))
			return true;
	return false;
}

static const char *const files[] = {"hash", "btree", "cdb", "lmdb", "texthash", NULL};

static char *absolute(const char *text, const char *queue)
{
	const char *colon = strchr(text, ':');
	if (!colon || colon[1] == '/')
		return mem_strdup(text);
	return mem_sprintf("%.*s:%s/%s", (int)(colon - text), text, queue, colon + 1);
}

static void take_apart(struct postfix_map *map)
{
	const char *colon = strchr(map->text, ':');
	map->type = map->text;
	map->type_length = colon ? (size_t)(colon - map->text) : 0;
	map->name = colon ? colon + 1 : map->text;
}

struct first {
	bool listed, exact;
};

static bool check_first(void *context, const struct postfix_map *map)
{
	struct first *first = context;
	first->listed = first->listed && map->kind == POSTFIX_MAP_LISTED;
	first->exact = first->exact && map->exact;
	return true;
}

/* A pipe's keys are at most those of its first map: what can't be listed or found there isn't in the pipe either. `text` has
 * its proxies yet. */
static void look_first(const char *text, struct postfix_map *map)
{
	struct postfix_map whole = {.text = (char *)(uintptr_t)text};
	struct first first = {true, true};
	take_apart(&whole);
	bool any = postfix_map_first(&whole, "/", check_first, &first);
	map->kind = any && first.listed ? POSTFIX_MAP_LISTED : POSTFIX_MAP_UNLISTED;
	map->exact = map->exact || (any && first.exact);
}

static enum postfix_map_kind kind_of(const struct postfix_map *map)
{
	static const char *const everything[] = {"static", "randmap", NULL};
	if (is_one_of(map, files) || postfix_map_is(map, "inline"))
		return POSTFIX_MAP_LISTED;
	if (postfix_map_is(map, "unix"))
		return strcmp(map->name, "passwd.byname") == 0 || strcmp(map->name, "group.byname") == 0 ?
		       POSTFIX_MAP_LISTED : POSTFIX_MAP_UNLISTED;
	if (is_one_of(map, everything))
		return POSTFIX_MAP_EVERYTHING;
	return POSTFIX_MAP_UNLISTED;
}

struct walk {
	const char *queue;
	postfix_map_visit *visit;
	void *context;
	bool proxied;
	bool whole;              /* unionmaps aren't taken apart */
};

static bool each(const struct walk *walk, const char *list, int depth);

static bool is_text(const struct postfix_map *map)
{
	return postfix_map_is(map, "texthash") || postfix_map_is(map, "inline") || postfix_map_is(map, "pipemap");
}

static void put_unproxied(struct buf *out, const char *text, size_t length, int depth);

/* The members of `list`, with all that stands between them. */
static void put_members(struct buf *out, const char *list, int depth)
{
	const char *at = list, *word;
	size_t length;
	while (postfix_word_next(&at, &word, &length)) {
		buf_put(out, list, (size_t)(word - list));
		put_unproxied(out, word, length, depth);
		list = at;
	}
	buf_put(out, list, strlen(list));
}

/* A map, perhaps in braces. Who looks into it from outside the mail system looks himself, into its members too: what is
 * inside need not be allowed to proxymap's clients. */
static void put_unproxied(struct buf *out, const char *text, size_t length, int depth)
{
	static const char *const nested[] = {"pipemap:{", "unionmap:{", NULL};
	const char *at = text, *end = text + length;
	if (length >= 2 && text[0] == '{' && end[-1] == '}') {
		for (at++, end--; at < end && is_space(*at); at++)
			;
		while (end > at && is_space(end[-1]))
			end--;
	}
	buf_put(out, text, (size_t)(at - text));
	while (end - at > 6 && strncmp(at, "proxy:", 6) == 0)
		at += 6;
	for (const char *const *type = nested; *type && depth < DEPTH_MAX; type++) {
		size_t head = strlen(*type);
		if ((size_t)(end - at) <= head || strncmp(at, *type, head) != 0 || end[-1] != '}')
			continue;
		char *inside = mem_strndup(at + head, (size_t)(end - at) - head - 1);
		buf_put(out, at, head);
		put_members(out, inside, depth + 1);
		free(inside);
		at = end - 1;
	}
	buf_put(out, at, (size_t)(text + length - at));
}

/* A pipemap is asked as it stands, by whoever looks. */
static char *unproxied(const char *text)
{
	struct buf out = {0};
	put_unproxied(&out, text, strlen(text), 0);
	char *result = mem_strdup(buf_text(&out));
	buf_free(&out);
	return result;
}

static bool add_kind(void *context, const struct postfix_map *map)
{
	enum postfix_map_kind *kind = context;
	if (map->kind > *kind)
		*kind = map->kind;
	return true;
}

static enum postfix_map_kind kind_of_union(const struct postfix_map *map)
{
	enum postfix_map_kind kind = POSTFIX_MAP_LISTED;
	(void)postfix_maps_each(map->text, "/", add_kind, &kind);
	return kind;
}

/* As main.cf has it: who wants one whole takes it apart himself. */
static bool visit_union(const struct walk *walk, const char *original, const char *text)
{
	struct postfix_map map = {.text = mem_strdup(original), .type = text, .type_length = strlen("unionmap")};
	map.name = strchr(text, ':') + 1;
	map.kind = kind_of_union(&map);
	bool more = walk->visit(walk->context, &map);
	free(map.text);
	return more;
}

static bool one(const struct walk *outer, const char *text, int depth)
{
	const char *original = text;
	struct walk inner = *outer;
	const struct walk *walk = &inner;
	for (; strncmp(text, "proxy:", 6) == 0; text += 6)
		inner.proxied = true;
	if (walk->whole && strncmp(text, "unionmap:", 9) == 0)
		return visit_union(walk, original, text);
	struct postfix_map map = {.text = strncmp(text, "pipemap:", 8) == 0 ? unproxied(text) : mem_strdup(text)};
	take_apart(&map);
	bool more;
	if (postfix_map_is(&map, "unionmap") && depth < DEPTH_MAX) {
		char *inside = without_braces(map.name, strlen(map.name));
		more = each(walk, inside, depth + 1);
		free(inside);
	} else {
		if (is_one_of(&map, files)) {
			free(map.text);
			map.text = absolute(text, walk->queue);
			take_apart(&map);
		}
		map.kind = kind_of(&map);
		map.exact = walk->proxied && is_text(&map);
		if (postfix_map_is(&map, "pipemap"))
			look_first(text, &map);
		more = walk->visit(walk->context, &map);
	}
	free(map.text);
	return more;
}

static bool each(const struct walk *walk, const char *list, int depth)
{
	const char *at = list;
	bool more = true;
	for (char *word; more && (word = postfix_word_take(&at)) != NULL; free(word))
		more = one(walk, word, depth);
	return more;
}

bool postfix_maps_each(const char *list, const char *queue, postfix_map_visit *visit, void *context)
{
	const struct walk walk = {queue, visit, context, false, false};
	return each(&walk, list, 0);
}

bool postfix_maps_whole(const char *list, const char *queue, postfix_map_visit *visit, void *context)
{
	const struct walk walk = {queue, visit, context, false, true};
	return each(&walk, list, 0);
}

bool postfix_map_first(const struct postfix_map *map, const char *queue, postfix_map_visit *visit, void *context)
{
	char *inside = without_braces(map->name, strlen(map->name));
	const char *at = inside;
	char *first = postfix_word_take(&at);
	const struct walk walk = {queue, visit, context, false, false};
	bool any = first != NULL && strlen(first) < strlen(map->text);
	if (any)
		any = one(&walk, first, 0);
	free(first);
	free(inside);
	return any;
}
