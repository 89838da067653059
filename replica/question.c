/* question.c: see question.h. */
#include "replica/question.h"

#include "common/log.h"
#include "common/mem.h"
#include "postfix/postfix_lines.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 6

/* ---- writing ---- */

void question_begin(struct buf *out, const char *commands, const char *service)
{
	buf_printf(out, "question\t1\n");
	if (commands)
		buf_printf(out, "commands\t%s\n", commands);
	if (service)
		buf_printf(out, "service\t%s\n", service);
}

void question_table(struct buf *out, const struct table_spec *spec)
{
	buf_printf(out, "table\t%s\t%s\t%s\t%s\t%s\n", spec->name, table_holds_name(spec->holds), spec->type->name,
	           spec->path, spec->type->extension);
}

void question_in(struct buf *out, const char *zone)
{
	buf_printf(out, "in\t%s\n", zone);
}

void question_zone(struct buf *out, const char *zone)
{
	buf_printf(out, "zone\t%s\n", zone);
}

void question_domain(struct buf *out, const char *domain)
{
	buf_printf(out, "domain\t%s\n", domain);
}

void question_end(struct buf *out)
{
	buf_printf(out, "end\n");
}

struct collect {
	const struct session *session;
	struct buf params;
	char **domains;
	size_t count, capacity;
};

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool collect_one(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	(void)print;
	struct collect *collect = context;
	const struct record *record = &entry->record;
	if (record->type == RECORD_PARAM)
		buf_printf(&collect->params, "param\t%.*s\t%.*s\n", (int)record->key_length, record->key,
		           (int)record->value_length, record->value);
	if (record->type != RECORD_DOMAIN || !allow_has(session_allow(collect->session), record))
		return true;
	if (collect->count == collect->capacity) {
		collect->capacity = collect->capacity > 0 ? collect->capacity * 2 : 16;
		collect->domains = mem_realloc(collect->domains, collect->capacity, sizeof *collect->domains);
	}
	collect->domains[collect->count++] = mem_strndup(record->key, record->key_length);
	return true;
}

void question_session(struct buf *out, const struct session *session)
{
	struct collect collect = {.session = session};
	struct why why;
	if (zonedb_present(session_db(session)) && zonedb_walk(session_db(session), collect_one, &collect, &why) != RC_OK)
		log_error("zone \"%s\": %s", session_name(session), why.text);
	if (collect.count > 1)
		qsort(collect.domains, collect.count, sizeof *collect.domains, compare_text);
	buf_put(out, collect.params.data, collect.params.length);
	for (size_t i = 0; i < collect.count; i++) {
		if (i < QUESTION_DOMAINS_MAX)
			question_domain(out, collect.domains[i]);
		free(collect.domains[i]);
	}
	if (collect.count > QUESTION_DOMAINS_MAX)
		buf_printf(out, "left\t%zu\n", collect.count - QUESTION_DOMAINS_MAX);
	free(collect.domains);
	buf_free(&collect.params);
}

/* ---- reading ---- */

static void add_text(char ***list, size_t *count, const char *text)
{
	*list = mem_realloc(*list, *count + 1, sizeof **list);
	(*list)[(*count)++] = mem_strdup(text);
}

static struct question_table *last_table(struct question *question)
{
	return question->table_count > 0 ? &question->tables[question->table_count - 1] : NULL;
}

static struct question_zone *last_zone(struct question *question)
{
	return question->zone_count > 0 ? &question->zones[question->zone_count - 1] : NULL;
}

static bool take_commands(struct question *question, char *const *fields)
{
	if (question->commands)
		return false;
	question->commands = mem_strdup(fields[1]);
	return true;
}

static bool take_service(struct question *question, char *const *fields)
{
	if (question->service)
		return false;
	question->service = mem_strdup(fields[1]);
	return true;
}

static bool take_table(struct question *question, char *const *fields)
{
	bool domains = strcmp(fields[2], table_holds_name(TABLE_DOMAINS)) == 0;
	if (!domains && strcmp(fields[2], table_holds_name(TABLE_RECIPIENTS)) != 0)
		return false;
	question->tables = mem_realloc(question->tables, question->table_count + 1, sizeof *question->tables);
	question->tables[question->table_count++] = (struct question_table){
		.name = mem_strdup(fields[1]), .domains = domains, .type = mem_strdup(fields[3]), .path = mem_strdup(fields[4]),
		.file = mem_sprintf("%s%s", fields[4], fields[5]),
	};
	return true;
}

static bool take_in(struct question *question, char *const *fields)
{
	struct question_table *table = last_table(question);
	if (table)
		add_text(&table->zones, &table->zone_count, fields[1]);
	return table != NULL;
}

static bool take_zone(struct question *question, char *const *fields)
{
	question->zones = mem_realloc(question->zones, question->zone_count + 1, sizeof *question->zones);
	question->zones[question->zone_count++] = (struct question_zone){.name = mem_strdup(fields[1])};
	return true;
}

static bool take_param(struct question *question, char *const *fields)
{
	struct question_zone *zone = last_zone(question);
	if (!zone)
		return false;
	zone->params = mem_realloc(zone->params, zone->param_count + 1, sizeof *zone->params);
	zone->params[zone->param_count++] = (struct question_param){mem_strdup(fields[1]), mem_strdup(fields[2])};
	return true;
}

static bool take_domain(struct question *question, char *const *fields)
{
	struct question_zone *zone = last_zone(question);
	if (zone)
		add_text(&zone->domains, &zone->domain_count, fields[1]);
	return zone != NULL;
}

static bool take_left(struct question *question, char *const *fields)
{
	struct question_zone *zone = last_zone(question);
	if (zone)
		zone->left = strtoull(fields[1], NULL, 10);
	return zone != NULL;
}

static const struct {
	const char *word;
	size_t fields;
	bool (*take)(struct question *question, char *const *fields);
} kinds[] = {
	{"commands", 2, take_commands}, {"service", 2, take_service}, {"table", 6, take_table}, {"in", 2, take_in},
	{"zone", 2, take_zone}, {"param", 3, take_param}, {"domain", 2, take_domain}, {"left", 2, take_left},
};

static bool take_line(struct question *question, char *line)
{
	char *fields[FIELDS_MAX];
	size_t count = 0;
	for (char *field; (field = strsep(&line, "\t")) != NULL; count++) {
		if (count == FIELDS_MAX)
			return false;
		fields[count] = field;
	}
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (count == kinds[i].fields && strcmp(fields[0], kinds[i].word) == 0)
			return kinds[i].take(question, fields);
	return false;
}

enum rc question_parse(const struct buf *text, struct question *out, struct why *why)
{
	struct question found = {0};
	struct postfix_lines lines = postfix_lines_of(text);
	const char *line;
	size_t length;
	bool whole = false;
	enum rc rc = RC_OK;
	if (!postfix_lines_next(&lines, &line, &length) || length != 10 || memcmp(line, "question\t1", 10) != 0)
		return why_set(why, RC_INVALID, "the question isn't one of version 1");
	while (rc == RC_OK && !whole && postfix_lines_next(&lines, &line, &length)) {
		char *copy = mem_strndup(line, length);
		whole = strcmp(copy, "end") == 0;
		if (!whole && !take_line(&found, copy))
			rc = why_set(why, RC_INVALID, "the question's line \"%.*s\" isn't understood",
			             (int)(length < 100 ? length : 100), line);
		free(copy);
	}
	if (rc == RC_OK && !whole)
		rc = why_set(why, RC_INVALID, "the question is cut off");
	if (rc == RC_OK)
		*out = found;
	else
		question_free(&found);
	return rc;
}

static void free_list(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

void question_free(struct question *question)
{
	for (size_t i = 0; i < question->table_count; i++) {
		struct question_table *table = &question->tables[i];
		free_list(table->zones, table->zone_count);
		free(table->name);
		free(table->type);
		free(table->path);
		free(table->file);
	}
	for (size_t i = 0; i < question->zone_count; i++) {
		struct question_zone *zone = &question->zones[i];
		for (size_t j = 0; j < zone->param_count; j++) {
			free(zone->params[j].name);
			free(zone->params[j].value);
		}
		free(zone->params);
		free_list(zone->domains, zone->domain_count);
		free(zone->name);
	}
	free(question->tables);
	free(question->zones);
	free(question->commands);
	free(question->service);
	*question = (struct question){0};
}
