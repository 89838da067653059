/* compare_tables.c: are our tables named where Postfix looks for them? See compare_private.h.
 *
 * A table that isn't written yet must not be named: Postfix would put off mail. So it's no fault then. */
#include "replica/compare_private.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

struct place {
	struct compare *compare;
	const char *parameter;
	const struct compare_side *side;
	bool domains;
	struct compare_edit *edits;
	char **words;                    /* of the edits: each has two */
	size_t edit_count;
	struct compare_some missing, wrong;
};

/* ---- which are named ---- */

static bool note_map(void *context, const struct postfix_map *map)
{
	struct place *place = context;
	const struct question_table *own = compare_own(place->compare, map, false);
	if (own && own->domains == place->domains)
		place->compare->named[own - place->compare->question->tables] = true;
	return true;
}

static void each_recipient_map(const struct place *place, postfix_map_visit *visit, void *context)
{
	(void)postfix_maps_each(compare_get(place->side, place->parameter), compare_get(place->side, "queue_directory"), visit,
	                        context);
}

static void note_named(struct place *place, const struct compare_patterns *relay)
{
	if (!place->domains)
		each_recipient_map(place, note_map, place);
	for (size_t i = 0; place->domains && i < relay->count; i++)
		if (relay->at[i].map && !relay->at[i].negated)
			(void)postfix_maps_each(relay->at[i].text, "/", note_map, place);
}

/* ---- which are named by another type ---- */

struct other_type {
	const struct compare *compare;
	const struct question_table *table;
	char *text;                      /* TYPE:NAME */
};

static bool find_other_type(void *context, const struct postfix_map *map)
{
	struct other_type *search = context;
	if (compare_own(search->compare, map, false) || compare_own(search->compare, map, true) != search->table)
		return true;
	search->text = mem_strdup(map->text);
	return false;
}

static char *other_type(const struct place *place, const struct compare_patterns *relay,
                        const struct question_table *table)
{
	struct other_type search = {place->compare, table, NULL};
	if (!place->domains)
		each_recipient_map(place, find_other_type, &search);
	for (size_t i = 0; place->domains && i < relay->count && !search.text; i++)
		if (relay->at[i].map)
			(void)postfix_maps_each(relay->at[i].text, "/", find_other_type, &search);
	return search.text;
}

/* ---- what to do about it ---- */

static void add_edit(struct place *place, char *old, char *new_word)
{
	place->words = mem_realloc(place->words, 2 * (place->edit_count + 1), sizeof *place->words);
	place->words[2 * place->edit_count] = old;
	place->words[2 * place->edit_count + 1] = new_word;
	place->edits = mem_realloc(place->edits, place->edit_count + 1, sizeof *place->edits);
	place->edits[place->edit_count++] = (struct compare_edit){old, new_word};
}

static void judge_table(struct place *place, const struct question_table *table, const struct compare_patterns *relay)
{
	struct compare *compare = place->compare;
	char *map = mem_sprintf("%s:%s", table->type, table->path);
	char *quoted = mem_sprintf("\"%s\" (%s)", table->name, map);
	char *other = other_type(place, relay, table);
	if (!compare_type_known(compare, table->type, strlen(table->type)))
		findings_add(compare->out, true, NULL, "table %s is of a type that this Postfix doesn't know: `postconf -m` "
		             "shows those that it does", quoted);
	if (compare->named[table - compare->question->tables]) {
		free(map);
		map = NULL;
	} else if (!compare->world->there(compare->world->context, table->file)) {
		findings_add(compare->out, false, NULL, "table %s isn't written yet; when it is, name it in %s", quoted,
		             place->parameter);
		free(map);
		map = NULL;
	} else if (other) {
		char *pair = mem_sprintf("%s for %s", other, quoted);
		compare_some_add(&place->wrong, pair);
		free(pair);
	} else {
		compare_some_add(&place->missing, quoted);
	}
	if (map)
		add_edit(place, other, map);
	else
		free(other);
	free(quoted);
}

static void tell(struct place *place)
{
	struct compare *compare = place->compare;
	const char *value = compare_get(place->side, place->parameter);
	bool empty = value[strspn(value, ", \t")] == '\0';
	struct buf where = {0};
	const char *by = compare_mend_where(place->side, place->parameter, &where);
	char *mend = compare_mend_list(compare, place->side, place->parameter, place->edits, place->edit_count);
	if (place->wrong.count > 0)
		findings_add(compare->out, true, mend, "%s%s names %s: Postfix looks for another file, and puts mail off",
		             place->parameter, by, compare_some_text(&place->wrong));
	const char *rest = place->wrong.count > 0 ? NULL : mend;      /* one line mends both */
	if (place->missing.count > 0 && empty && !place->domains)
		findings_add(compare->out, true, rest, "%s is empty%s: every recipient in relay_domains is accepted; it must name "
		             "table %s", place->parameter, by, compare_some_text(&place->missing));
	else if (place->missing.count > 0)
		findings_add(compare->out, true, rest, "%s%s doesn't name table %s: %s", place->parameter, by,
		             compare_some_text(&place->missing),
		             place->domains ? "mail for domains that only it has is refused" :
		             "recipients that only it has are refused");
	free(mend);
	buf_free(&where);
}

static void look_at(struct compare *compare, bool domains, const struct compare_patterns *relay)
{
	struct place place = {
		.compare = compare, .parameter = domains ? "relay_domains" : "relay_recipient_maps",
		.side = domains ? &compare->postfix->rewrite : &compare->postfix->smtpd, .domains = domains,
	};
	const struct question *question = compare->question;
	note_named(&place, relay);
	for (size_t i = 0; i < question->table_count; i++)
		if (question->tables[i].domains == domains)
			judge_table(&place, &question->tables[i], relay);
	if (place.edit_count > 0)
		tell(&place);
	for (size_t i = 0; i < 2 * place.edit_count; i++)
		free(place.words[i]);
	free(place.words);
	free(place.edits);
	compare_some_free(&place.missing);
	compare_some_free(&place.wrong);
}

void compare_tables_find(struct compare *compare, const struct compare_patterns *relay)
{
	look_at(compare, false, relay);
	look_at(compare, true, relay);
}
