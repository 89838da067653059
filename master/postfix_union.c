/* postfix_union.c: see postfix_union.h. */
#include "master/postfix_union.h"

#include "common/buf.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

void postfix_union_add(struct postfix_union *answers, const char *key, const char *value, size_t length)
{
	if (answers->count == answers->capacity) {
		answers->capacity = answers->capacity > 0 ? answers->capacity * 2 : 16;
		answers->at = mem_realloc(answers->at, answers->capacity, sizeof *answers->at);
	}
	answers->at[answers->count] = (struct postfix_answer){key ? mem_strdup(key) : NULL, mem_strndup(value, length),
	                                                      answers->count};
	answers->count++;
}

/* Those for everything come last. */
static int compare(const void *left, const void *right)
{
	const struct postfix_answer *a = left, *b = right;
	int order = !a->key || !b->key ? !a->key - !b->key : strcmp(a->key, b->key);
	return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static void put(struct buf *out, const struct postfix_answer *answer)
{
	buf_printf(out, "%s%s", out->length > 0 ? "," : "", answer->value);
}

/* One key's answers, and those for everything, both in their order. */
static void join(const struct postfix_answer *own, size_t own_count, const struct postfix_answer *all, size_t all_count,
                 struct buf *out)
{
	size_t i = 0, j = 0;
	while (i < own_count || j < all_count)
		put(out, j == all_count || (i < own_count && own[i].order < all[j].order) ? &own[i++] : &all[j++]);
}

void postfix_union_each(struct postfix_union *answers, void (*visit)(void *context, const char *key, const char *value),
                        void *context)
{
	size_t keyed = 0;
	struct buf text = {0};
	if (answers->count > 1)
		qsort(answers->at, answers->count, sizeof *answers->at, compare);
	while (keyed < answers->count && answers->at[keyed].key)
		keyed++;
	const struct postfix_answer *all = answers->count > 0 ? &answers->at[keyed] : NULL;
	for (size_t i = 0, next; i < answers->count; i = next) {
		const struct postfix_answer *own = &answers->at[i];
		for (next = i + 1; next < keyed && i < keyed && strcmp(answers->at[next].key, own->key) == 0; next++)
			;
		if (i == keyed)
			next = answers->count;
		buf_clear(&text);
		join(own, i < keyed ? next - i : 0, all, answers->count - keyed, &text);
		visit(context, own->key, buf_text(&text));
	}
	buf_free(&text);
}

void postfix_union_free(struct postfix_union *answers)
{
	for (size_t i = 0; i < answers->count; i++) {
		free(answers->at[i].key);
		free(answers->at[i].value);
	}
	free(answers->at);
	*answers = (struct postfix_union){0};
}
