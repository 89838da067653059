/* compare_mend.c: the command lines that mend; see compare_private.h.
 *
 * A value is changed as it's written, so that `$name` stays what it is, and where it's written: main.cf by `postconf
 * -e`, an override of master.cf by `postconf -P`, which takes no white space. */
#include "replica/compare_private.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_CONFIG "/etc/postfix"

static void put_quoted(struct buf *out, const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-=+:,@%";
	if (text[0] != '\0' && strspn(text, safe) == strlen(text)) {
		buf_put(out, text, strlen(text));
		return;
	}
	buf_put_u8(out, '\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			buf_printf(out, "'\\''");
		else
			buf_put_u8(out, (uint8_t)*text);
	}
	buf_put_u8(out, '\'');
}

static const struct postconf_pair *override_of(const struct compare_side *side, const char *name)
{
	for (size_t i = 0; side->service && i < side->service->override_count; i++)
		if (strcmp(side->service->overrides[i].name, name) == 0)
			return &side->service->overrides[i];
	return NULL;
}

const char *compare_mend_where(const struct compare_side *side, const char *name, struct buf *buf)
{
	buf_clear(buf);
	if (override_of(side, name))
		buf_printf(buf, " (by the -o of %s in master.cf)", side->service->name);
	return buf_text(buf);
}

char *compare_mend_value(const struct compare *compare, const struct compare_side *side, const char *name,
                         const char *value)
{
	bool override = override_of(side, name) != NULL;
	if (override && strpbrk(value, " \t"))
		return NULL;
	struct buf line = {0};
	if (compare->question->commands) {
		char *command = mem_sprintf("%s/postconf", compare->question->commands);
		put_quoted(&line, command);
		free(command);
	} else {
		buf_printf(&line, "postconf");
	}
	if (strcmp(compare->postfix->config, DEFAULT_CONFIG) != 0) {
		buf_printf(&line, " -c ");
		put_quoted(&line, compare->postfix->config);
	}
	char *setting = override ? mem_sprintf("%s/%s/%s=%s", side->service->name, side->service->type, name, value) :
	                mem_sprintf("%s = %s", name, value);
	buf_printf(&line, override ? " -P " : " -e ");
	put_quoted(&line, setting);
	free(setting);
	char *text = mem_strdup(buf_text(&line));
	buf_free(&line);
	return text;
}

/* ---- lists ---- */

struct words {
	char **at;
	size_t count;
};

static void add_word(struct words *words, char *word)
{
	words->at = mem_realloc(words->at, words->count + 1, sizeof *words->at);
	words->at[words->count++] = word;
}

static void drop_word(struct words *words, size_t index)
{
	free(words->at[index]);
	words->count--;
	memmove(&words->at[index], &words->at[index + 1], (words->count - index) * sizeof *words->at);
}

static void free_words(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->at[i]);
	free(words->at);
}

static struct words split(const char *value)
{
	struct words words = {0};
	const char *word;
	size_t length;
	while (postfix_word_next(&value, &word, &length))
		add_word(&words, mem_strndup(word, length));
	return words;
}

/* $name, ${name} and $(name): what it stands for; other words that begin so: ""; else the word itself. */
static const char *expanded(const struct compare_side *side, const char *word, char name[128])
{
	size_t length = strlen(word);
	if (length < 2 || word[0] != '$')
		return word;
	word++;
	length--;
	if ((word[0] == '{' && word[length - 1] == '}') || (word[0] == '(' && word[length - 1] == ')')) {
		word++;
		length -= 2;
	}
	if (length == 0 || length >= 128 || strcspn(word, "${}()?:") < length)
		return "";
	memcpy(name, word, length);
	name[length] = '\0';
	return compare_get(side, name);
}

static bool same_domain(const struct compare *compare, const char *a, const char *b)
{
	char folded[ADDRESS_MAX + 1];
	return address_parse_domain(a, compare_utf8(compare), folded, NULL) == RC_OK && strcmp(folded, b) == 0;
}

static bool drop(const struct compare *compare, const struct compare_side *side, struct words *words, const char *old)
{
	bool dropped = false;
	for (size_t i = words->count; i-- > 0;) {
		char name[128];
		const char *means = expanded(side, words->at[i], name);
		if (strcmp(means, old) != 0 && !same_domain(compare, means, old))
			continue;
		drop_word(words, i);
		dropped = true;
	}
	return dropped;
}

static bool is_edge(char c)
{
	return c == '\0' || strchr(" \t,:{}", c) != NULL;
}

/* Within a word, which may be unionmap:{...}. */
static bool replace(struct words *words, const char *old, const char *new_word)
{
	bool replaced = false;
	for (size_t i = 0; i < words->count; i++) {
		char *word = words->at[i];
		for (char *at = strstr(word, old); at; at = strstr(at + 1, old)) {
			const char *rest = at + strlen(old);
			if ((at > word && !is_edge(at[-1])) || !is_edge(*rest))
				continue;
			words->at[i] = mem_sprintf("%.*s%s%s", (int)(at - word), word, new_word, rest);
			free(word);
			replaced = true;
			break;
		}
	}
	return replaced;
}

static bool edit(const struct compare *compare, const struct compare_side *side, struct words *words,
                 const struct compare_edit *change)
{
	if (!change->new_word)
		return drop(compare, side, words, change->old);
	if (change->old)
		return replace(words, change->old, change->new_word);
	add_word(words, mem_strdup(change->new_word));
	return true;
}

char *compare_mend_list(const struct compare *compare, const struct compare_side *side, const char *name,
                        const struct compare_edit *edits, size_t count)
{
	const struct postconf_pair *override = override_of(side, name);
	struct words words = split(override ? override->value : postconf_get(compare->postfix->main, name));
	bool fine = true;
	for (size_t i = 0; i < count && fine; i++)
		fine = edit(compare, side, &words, &edits[i]);
	struct buf value = {0};
	for (size_t i = 0; i < words.count; i++)
		buf_printf(&value, "%s%s", i == 0 ? "" : override ? "," : ", ", words.at[i]);
	char *mend = fine ? compare_mend_value(compare, side, name, buf_text(&value)) : NULL;
	buf_free(&value);
	free_words(&words);
	return mend;
}
