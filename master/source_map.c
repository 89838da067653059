/* source_map.c: takes TYPE:PATH apart.
 *
 * Only types whose keys can be listed make sense here; for the others Postfix can be asked about one address, but
 * not for all, and the mend is a command that can list them. */
#include "master/source_map.h"

#include "common/mem.h"
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
	}
	free(type);
	return rc;
}

void source_map_free(struct source_map *map)
{
	free(map->name);
	free(map->argument);
	free(map->file);
	*map = (struct source_map){0};
}
