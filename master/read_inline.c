/* read_inline.c: keys of inline:{key=value, {key = value with spaces}}, of main.cf itself. DATABASE_README.
 *
 * Postfix refuses the whole table when one entry isn't key=value; a key that's there twice is fine. */
#include "master/read.h"

#include "common/mem.h"
#include "postfix/postfix_words.h"

#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The key is what stands before the first '=', quotes and all. */
static enum rc take_key(const char *entry, const char **key, size_t *length, struct why *why)
{
	while (is_space(*entry))
		entry++;
	const char *equals = strchr(entry, '=');
	size_t end = equals ? (size_t)(equals - entry) : 0;
	while (end > 0 && is_space(entry[end - 1]))
		end--;
	if (end == 0)
		return why_set(why, RC_INVALID, "inline table: \"%s\" isn't key=value: Postfix refuses the whole table", entry);
	*key = entry;
	*length = end;
	return RC_OK;
}

enum rc read_inline(const char *name, const struct read_sink *sink, struct why *why)
{
	size_t length = strlen(name);
	if (length < 2 || name[0] != '{' || name[length - 1] != '}')
		return why_set(why, RC_INVALID, "inline:%s: it begins with '{' and ends with '}'", name);
	char *inside = mem_strndup(name + 1, length - 2);
	const char *at = inside;
	enum rc rc = RC_OK;
	for (char *entry; rc == RC_OK && (entry = postfix_word_take(&at)) != NULL; free(entry)) {
		const char *key = NULL;
		size_t key_length = 0;
		rc = take_key(entry, &key, &key_length, why);
		if (rc == RC_OK)
			sink->key(sink->context, key, key_length, 0);
	}
	free(inside);
	return rc;
}
