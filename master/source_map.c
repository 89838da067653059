/* source_map.c: takes TYPE:PATH apart.
 *
 * Only types whose keys can be listed make sense here; for the others Postfix can be asked about one address, but
 * not for all, and the mend is a command that can list them. */
#include "master/source_map.h"

#include "common/mem.h"
#include "postfix/postfix_words.h"
#include "master/read.h"

#include <stdlib.h>
#include <string.h>

static const char proxy[] = "proxy:";

static const char *const indexes[] = {"btree", "cdb", "hash", "lmdb"};

static enum rc refuse(const char *type, struct why *why)
{
	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++)
		if (strcmp(indexes[i], type) == 0)
			return why_set(why, RC_INVALID, "map type \"%s\" isn't built into this rxfer-master, only %s", type,
			               read_types());
	return why_set(why, RC_INVALID, "unknown map type \"%s\": it can't be listed; add a source with a command", type);
}

/* What --read calls it. */
static const char *reader_for(const char *type, bool aliases, bool smtputf8)
{
	if (strcmp(type, "text") == 0 && aliases)
		return smtputf8 ? READ_ALIASES : READ_ALIASES_BYTES;
	if (strcmp(type, "text") == 0)
		return smtputf8 ? "text" : READ_TEXT_BYTES;
	if (strcmp(type, "texthash") == 0)
		return smtputf8 ? "texthash" : READ_TEXTHASH_BYTES;
	return type;
}

static void add_file(struct source_map *out, const char *path)
{
	out->members = mem_realloc(out->members, out->member_count + 1, sizeof *out->members);
	out->members[out->member_count++] = mem_strdup(path);
}

static void find_members(const char *pipe, struct source_map *out);

static bool add_member(void *context, const struct postfix_map *map)
{
	struct source_map *out = context;
	char *type = mem_strndup(map->type, map->type_length);
	if (map->name[0] == '/' && read_type_known(type)) {
		char *path = mem_sprintf("%s%s", map->name, read_suffix(type));
		add_file(out, path);
		free(path);
	} else if (postfix_map_is(map, "pipemap")) {
		find_members(map->text, out);
	}
	free(type);
	return true;
}

/* pipemap:{...}: what is in its braces is a list of maps. */
static void find_members(const char *pipe, struct source_map *out)
{
	const char *open = strchr(pipe, '{'), *close = strrchr(pipe, '}');
	if (!open || !close || close < open)
		return;
	char *inside = mem_strndup(open + 1, (size_t)(close - open - 1));
	(void)postfix_maps_each(inside, "/", add_member, out);
	free(inside);
}

/* Accounts may come from anywhere, so no file's time tells whether they have changed; but that of these does when it moves. */
static void find_account_files(const char *name, struct source_map *out)
{
	add_file(out, strcmp(name, "group.byname") == 0 ? "/etc/group" : "/etc/passwd");
	add_file(out, READ_NSSWITCH);
}

static bool parse_no_file(const char *text, struct source_map *out)
{
	size_t prefix = strcspn(text, ":");
	char *type = mem_strndup(text, prefix);
	const char *name = text[prefix] == ':' ? text + prefix + 1 : "";
	bool accounts = strcmp(type, "unix") == 0;
	bool piped = strcmp(type, READ_PIPE) == 0 || strcmp(type, "pipemap") == 0;
	bool known = accounts || piped || strcmp(type, "inline") == 0;
	free(type);
	if (!known)
		return false;
	const char *tab = piped ? strrchr(text, '\t') : NULL;
	out->name = mem_strdup(tab ? tab + 1 : text);
	out->argument = mem_strdup(text);
	if (accounts)
		find_account_files(name, out);
	if (piped)
		find_members(out->name, out);
	return true;
}

enum rc source_map_parse(const char *text, bool aliases, bool smtputf8, struct source_map *out, struct why *why)
{
	if (strncmp(text, proxy, strlen(proxy)) == 0)
		text += strlen(proxy);
	size_t prefix = strcspn(text, ":/");
	bool typed = text[prefix] == ':';
	char *type = typed ? mem_strndup(text, prefix) : mem_strdup("text");
	const char *path = typed ? text + prefix + 1 : text;

	enum rc rc = RC_OK;
	if (!read_type_known(type))
		rc = refuse(type, why);
	else if (path[0] != '/')
		rc = why_set(why, RC_INVALID, "map \"%s\": the path must begin with '/'", text);
	if (rc == RC_OK) {
		const char *suffix = read_suffix(type);
		out->name = mem_strdup(text);
		out->argument = mem_sprintf("%s:%s", reader_for(type, aliases, smtputf8), path);
		out->file = mem_sprintf("%s%s", path, suffix);
		out->text = suffix[0] == '\0';
		out->index = !out->text;
	}
	free(type);
	return rc;
}

enum rc source_map_planned(const char *text, bool aliases, bool smtputf8, struct source_map *out, struct why *why)
{
	return parse_no_file(text, out) ? RC_OK : source_map_parse(text, aliases, smtputf8, out, why);
}

void source_map_free(struct source_map *map)
{
	free(map->name);
	free(map->argument);
	free(map->file);
	for (size_t i = 0; i < map->member_count; i++)
		free(map->members[i]);
	free(map->members);
	*map = (struct source_map){0};
}
