/* postfix_plan.c: see postfix_plan.h: the plan's memory, and its text. */
#include "master/postfix_plan.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION "1"
#define FIELDS_MAX 5

static const char *const formats[] = {"map", "aliases", "command"};
static const char *const verdicts[] = {[POSTFIX_KEPT] = "kept", [POSTFIX_AWAY] = "away", [POSTFIX_OWN] = "own"};
#define FORMAT_COUNT (sizeof formats / sizeof *formats)

/* ---- Memory ---- */

static void free_texts(struct postfix_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++) {
		free(texts->at[i].name);
		free(texts->at[i].value);
	}
	free(texts->at);
}

void postfix_plan_free(struct postfix_plan *plan)
{
	postfix_domains_free(&plan->domains);
	postfix_domains_empty(&plan->bare);
	for (size_t i = 0; i < plan->source_count; i++) {
		free(plan->sources[i].parameter);
		free(plan->sources[i].text);
	}
	free(plan->sources);
	free_texts(&plan->recipients);
	free_texts(&plan->params);
	free_texts(&plan->watches);
	free_texts(&plan->notes);
	postfix_away_free(&plan->away);
	postfix_away_free(&plan->later);
	for (size_t i = 0; i < plan->problem_count; i++) {
		free(plan->problems[i].parameter);
		free(plan->problems[i].map);
		free(plan->problems[i].text);
	}
	free(plan->problems);
	*plan = (struct postfix_plan){0};
}

void postfix_plan_source(struct postfix_plan *plan, const struct postfix_source *source)
{
	for (size_t i = 0; i < plan->source_count; i++) {
		struct postfix_source *other = &plan->sources[i];
		if (other->classes == source->classes && other->format == source->format && other->first == source->first &&
		    other->exact == source->exact &&
		    strcmp(other->text, source->text) == 0)
			return;
	}
	plan->sources = mem_realloc(plan->sources, plan->source_count + 1, sizeof *plan->sources);
	struct postfix_source *added = &plan->sources[plan->source_count++];
	*added = *source;
	added->parameter = mem_strdup(source->parameter);
	added->text = mem_strdup(source->text);
}

void postfix_plan_problem(struct postfix_plan *plan, const char *parameter, const char *map, const char *text)
{
	for (size_t i = 0; i < plan->problem_count; i++)
		if (strcmp(plan->problems[i].parameter, parameter) == 0 && strcmp(plan->problems[i].map, map) == 0)
			return;
	plan->problems = mem_realloc(plan->problems, plan->problem_count + 1, sizeof *plan->problems);
	plan->problems[plan->problem_count++] =
		(struct postfix_problem){mem_strdup(parameter), mem_strdup(map), mem_strdup(text)};
}

void postfix_plan_ask(struct postfix_plan *plan, const char *parameter, const char *map, const char *text,
                      const char *others)
{
	char *asking = mem_sprintf("%s; mend it there, or say here: treat \"%s\" { as = \"list\" command = \"...\" } (or %s); "
	                           "rxfer-recipes(7) has examples",
	                           text, map, others);
	postfix_plan_problem(plan, parameter, map, asking);
	free(asking);
}

void postfix_plan_text(struct postfix_texts *texts, const char *name, const char *value)
{
	if (texts->count == texts->capacity) {
		texts->capacity = texts->capacity > 0 ? texts->capacity * 2 : 16;
		texts->at = mem_realloc(texts->at, texts->capacity, sizeof *texts->at);
	}
	texts->at[texts->count++] = (struct postfix_text){mem_strdup(name), value ? mem_strdup(value) : NULL};
}

void postfix_plan_watch(struct postfix_plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->watches.count; i++)
		if (strcmp(plan->watches.at[i].name, path) == 0)
			return;
	postfix_plan_text(&plan->watches, path, NULL);
}

void postfix_plan_note(struct postfix_plan *plan, const char *format, ...)
{
	char text[WHY_MAX];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	postfix_plan_text(&plan->notes, text, NULL);
}

/* ---- Printing ---- */

static void put_classes(struct buf *out, unsigned classes)
{
	const char *comma = "";
	for (unsigned class = POSTFIX_LOCAL; class < POSTFIX_NONE; class++) {
		if (classes & POSTFIX_BIT(class)) {
			buf_printf(out, "%s%s", comma, postfix_class_name((enum postfix_class)class));
			comma = ",";
		}
	}
}

/* A tab or a newline would be taken for the end of a field. They are nowhere of weight: Postfix's words have neither. */
static void put_text(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		buf_put_u8(out, (unsigned char)*text < 0x20 ? ' ' : (uint8_t)*text);
}

static void put_line(struct buf *out, const char *word, const char *first, const char *second)
{
	buf_printf(out, "%s\t", word);
	put_text(out, first);
	if (second) {
		buf_put_u8(out, '\t');
		put_text(out, second);
	}
	buf_put_u8(out, '\n');
}

static void put_domains(struct buf *out, const char *word, const struct postfix_domain_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		put_line(out, word, postfix_class_name(set->at[i].class), set->at[i].name);
}

static void put_texts(struct buf *out, const char *word, const struct postfix_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		put_line(out, word, texts->at[i].name, texts->at[i].value);
}

static void put_away(struct buf *out, const struct postfix_away *away)
{
	for (size_t i = 0; i < away->transport.count; i++)
		put_line(out, verdicts[away->transport.at[i].verdict], away->transport.at[i].key, NULL);
	for (size_t i = 0; i < away->moved.count; i++)
		put_line(out, "moved", away->moved.at[i].key, NULL);
	for (unsigned class = POSTFIX_LOCAL; class < POSTFIX_NONE; class++)
		if (away->gone & POSTFIX_BIT(class))
			put_line(out, "gone", postfix_class_name((enum postfix_class)class), NULL);
	if (away->moved.count > 0 && away->origin)
		put_line(out, "moved-origin", away->origin, NULL);
	if (away->parents)
		buf_printf(out, "away-parents\n");
	if (postfix_away_any(away) && away->split.delimiters[0] != '\0')
		put_line(out, "split", away->split.delimiters, away->split.lists ? "lists" : "");
}

static void put_sources(struct buf *out, const struct postfix_plan *plan)
{
	for (size_t i = 0; i < plan->source_count; i++) {
		const struct postfix_source *source = &plan->sources[i];
		buf_printf(out, "map\t");
		put_classes(out, source->classes);
		buf_printf(out, "\t%s\t%s%s%s\t", source->parameter, formats[source->format], source->exact ? "=" : "",
		           source->first ? "!" : "");
		put_text(out, source->text);
		buf_put_u8(out, '\n');
	}
}

void postfix_plan_print(const struct postfix_plan *plan, struct buf *out)
{
	buf_printf(out, "plan\t" VERSION "\n");
	put_domains(out, "domain", &plan->domains.names);
	put_domains(out, "below", &plan->domains.below);
	put_domains(out, "bare", &plan->bare);
	put_sources(out, plan);
	put_texts(out, "rcpt", &plan->recipients);
	put_texts(out, "param", &plan->params);
	put_away(out, &plan->away);
	put_texts(out, "watch", &plan->watches);
	put_texts(out, "note", &plan->notes);
	for (size_t i = 0; i < plan->problem_count; i++) {
		const struct postfix_problem *problem = &plan->problems[i];
		buf_printf(out, "problem\t%s\t", problem->parameter);
		put_text(out, problem->map);
		buf_put_u8(out, '\t');
		put_text(out, problem->text);
		buf_put_u8(out, '\n');
	}
	buf_printf(out, "end\n");
}

/* ---- Parsing ---- */

struct fields {
	char *at[FIELDS_MAX];
	size_t count;
};

static void split(char *line, struct fields *out)
{
	out->count = 0;
	for (char *at = line; at && out->count < FIELDS_MAX;) {
		out->at[out->count++] = at;
		at = out->count < FIELDS_MAX ? strchr(at, '\t') : NULL;
		if (at)
			*at++ = '\0';
	}
}

static bool parse_classes(const char *text, unsigned *out)
{
	*out = 0;
	while (*text != '\0') {
		size_t length = strcspn(text, ",");
		enum postfix_class class;
		if (!postfix_class_parse(text, length, &class) || class == POSTFIX_NONE)
			return false;
		*out |= POSTFIX_BIT(class);
		text += length + (text[length] == ',');
	}
	return true;
}

static bool parse_map(const struct fields *fields, struct postfix_plan *plan)
{
	struct postfix_source source = {.parameter = fields->at[2], .text = fields->at[4]};
	size_t length = strlen(fields->at[3]);
	source.first = length > 0 && fields->at[3][length - 1] == '!';
	length -= source.first;
	source.exact = length > 0 && fields->at[3][length - 1] == '=';
	length -= source.exact;
	size_t i = 0;
	while (i < FORMAT_COUNT && (strlen(formats[i]) != length || strncmp(formats[i], fields->at[3], length) != 0))
		i++;
	if (i == FORMAT_COUNT || !parse_classes(fields->at[1], &source.classes))
		return false;
	source.format = (enum postfix_format)i;
	postfix_plan_source(plan, &source);
	return true;
}

static bool parse_domain(struct postfix_domain_set *set, const struct fields *fields)
{
	enum postfix_class class;
	if (!postfix_class_parse(fields->at[1], strlen(fields->at[1]), &class))
		return false;
	postfix_domains_add(set, fields->at[2], class);
	return true;
}

static bool parse_gone(const struct fields *fields, struct postfix_plan *plan)
{
	unsigned classes;
	bool fine = parse_classes(fields->at[1], &classes);
	if (fine)
		plan->away.gone |= classes;
	return fine;
}

static bool parse_origin(const struct fields *fields, struct postfix_plan *plan)
{
	free(plan->away.origin);
	plan->away.origin = mem_strdup(fields->at[1]);
	return true;
}

static bool parse_split(const struct fields *fields, struct postfix_plan *plan)
{
	plan->away.split = postfix_split_of_rewrite(fields->at[1], strcmp(fields->at[2], "lists") != 0);
	return true;
}

static bool parse_fields(const struct fields *f, struct postfix_plan *plan)
{
	const char *word = f->at[0];
	if (f->count == 1 && strcmp(word, "away-parents") == 0)
		plan->away.parents = true;
	else if (f->count == 2 && strcmp(word, "plan") == 0)
		return strcmp(f->at[1], VERSION) == 0;
	else if (f->count == 3 && strcmp(word, "domain") == 0)
		return parse_domain(&plan->domains.names, f);
	else if (f->count == 3 && strcmp(word, "below") == 0)
		return parse_domain(&plan->domains.below, f);
	else if (f->count == 3 && strcmp(word, "bare") == 0)
		return parse_domain(&plan->bare, f);
	else if (f->count == 5 && strcmp(word, "map") == 0)
		return parse_map(f, plan);
	else if (f->count == 2 && strcmp(word, "rcpt") == 0)
		postfix_plan_text(&plan->recipients, f->at[1], NULL);
	else if (f->count == 3 && strcmp(word, "param") == 0)
		postfix_plan_text(&plan->params, f->at[1], f->at[2]);
	else if (f->count == 2 && (strcmp(word, "away") == 0 || strcmp(word, "kept") == 0 || strcmp(word, "own") == 0))
		postfix_away_add(&plan->away.transport, f->at[1],
		                 word[0] == 'a' ? POSTFIX_AWAY : word[0] == 'k' ? POSTFIX_KEPT : POSTFIX_OWN);
	else if (f->count == 2 && strcmp(word, "moved") == 0)
		postfix_away_add(&plan->away.moved, f->at[1], POSTFIX_AWAY);
	else if (f->count == 2 && strcmp(word, "gone") == 0)
		return parse_gone(f, plan);
	else if (f->count == 2 && strcmp(word, "moved-origin") == 0)
		return parse_origin(f, plan);
	else if (f->count == 3 && strcmp(word, "split") == 0)
		return parse_split(f, plan);
	else if (f->count == 2 && strcmp(word, "watch") == 0)
		postfix_plan_text(&plan->watches, f->at[1], NULL);
	else if (f->count == 2 && strcmp(word, "note") == 0)
		postfix_plan_text(&plan->notes, f->at[1], NULL);
	else if (f->count == 4 && strcmp(word, "problem") == 0)
		postfix_plan_problem(plan, f->at[1], f->at[2], f->at[3]);
	else
		return false;
	return true;
}

enum rc postfix_plan_parse(const void *text, size_t length, struct postfix_plan *out, struct why *why)
{
	struct postfix_plan plan = {0};
	const char *at = text, *end = length > 0 ? at + length : at;
	uint64_t number = 0;
	bool ended = false, fine = true;
	while (at < end && fine) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		if (!stop)
			break;
		char *line = mem_strndup(at, (size_t)(stop - at));
		struct fields fields = {0};
		number++;
		split(line, &fields);
		fine = !ended && (number > 1 || strcmp(fields.at[0], "plan") == 0);
		if (fine && fields.count == 1 && strcmp(line, "end") == 0)
			ended = true;
		else
			fine = fine && parse_fields(&fields, &plan);
		free(line);
		at = stop + 1;
	}
	if (!fine || !ended || at < end) {
		postfix_plan_free(&plan);
		return fine ? why_set(why, RC_INVALID, "the plan breaks off after line %" PRIu64, number) :
		       why_set(why, RC_INVALID, "line %" PRIu64 " of the plan isn't understood", number);
	}
	postfix_domains_seal(&plan.domains);
	postfix_domains_sort(&plan.bare);
	postfix_away_seal(&plan.away);
	*out = plan;
	return RC_OK;
}
