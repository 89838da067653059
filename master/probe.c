/* probe.c: see probe.h.
 *
 * Each line goes through the rule twice: first through one that lets everything pass, into a reading that takes nothing
 * but what is looked for; and only what is found so goes through the source's own rule, which says whether it counts,
 * or why it doesn't. */
#include "master/probe.h"

#include "common/child.h"
#include "common/mem.h"
#include "master/source_failure.h"
#include "master/source_lines.h"
#include "master/source_map.h"
#include "master/source_process.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t hash_key[RECORD_HASH_KEY_BYTES] = {'p', 'r', 'o', 'b', 'e'};

struct probe {
	struct loop *loop;
	struct probe_spec spec;
	struct address keys[LOOKUP_KEYS_MAX];
	struct fingerprint prints[LOOKUP_KEYS_MAX];
	struct fpset wanted;
	struct source_map map;
	struct keys_filter open_filter;
	struct keys_rule open;            /* lets everything pass */
	struct source_lines lines;
	struct child *child;
	struct probe_result result;
	size_t found;                     /* that are there, without any doubt */
};

static void destroy(struct probe *probe)
{
	child_abandon(&probe->child);
	source_lines_free(&probe->lines);
	source_map_free(&probe->map);
	fpset_free(&probe->wanted);
	free(probe);
}

static struct reading *look_out(const struct probe *probe)
{
	struct reading *reading = reading_new(hash_key);
	reading_only(reading, &probe->wanted);
	return reading;
}

static bool listed(const char *const *list, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

/* Why the source's own rule doesn't let it pass. */
static enum probe_state find_obstacle(const struct probe *probe, const struct address *key)
{
	const struct keys_rule *rule = &probe->spec.source->rule;
	const char *domain = address_domain(key);
	enum postfix_class class = rule->plan ? postfix_domains_class(&rule->plan->domains, domain) : POSTFIX_NONE;
	if (rule->plan && !(rule->classes & POSTFIX_BIT(class)))
		return PROBE_OTHER_CLASS;
	if (rule->filter->domain_count > 0 && !listed(rule->filter->domains, rule->filter->domain_count, domain))
		return PROBE_OTHER_DOMAIN;
	return listed(rule->filter->exclude, rule->filter->exclude_count, key->text) ? PROBE_EXCLUDED : PROBE_AWAY;
}

static void note(struct probe *probe, size_t index, enum probe_state state, const char *line, size_t length,
                 uint64_t number)
{
	struct probe_find *find = &probe->result.finds[index];
	if (state <= find->state)
		return;
	size_t shown = length < ADDRESS_MAX ? length : ADDRESS_MAX;
	*find = (struct probe_find){.state = state, .line = number};
	memcpy(find->key, line, shown);
	probe->found += state == PROBE_THERE;
}

/* The open rule has let something pass that is looked for. */
static void look_closer(struct probe *probe, const char *line, size_t length, uint64_t number)
{
	struct reading *passed = look_out(probe), *found = probe->lines.reading;
	struct keys_tally tally = {0};
	(void)keys_add(&probe->spec.source->rule, line, length, passed, &tally, NULL);
	reading_seal(passed);
	reading_seal(found);
	for (size_t i = 0; i < probe->spec.count; i++) {
		struct record record;
		if (reading_find(passed, &probe->prints[i], &record))
			note(probe, i, PROBE_THERE, line, length, number);
		else if (reading_find(found, &probe->prints[i], &record))
			note(probe, i, find_obstacle(probe, &probe->keys[i]), line, length, number);
	}
	reading_free(&passed);
	reading_free(&found);
	probe->lines.reading = look_out(probe);
}

/* A catch-all can come to single addresses, which only the source's own rule knows (keys.c). */
static void on_line(void *context, const char *line, size_t length, uint64_t number)
{
	struct probe *probe = context;
	if (!reading_empty(probe->lines.reading) || (line[0] == '@' && probe->open.plan))
		look_closer(probe, line, length, number);
}

static bool on_output(void *context, const void *data, size_t length)
{
	struct probe *probe = context;
	if (!source_lines_take(&probe->lines, data, length))
		return false;
	/* A command isn't killed in the middle of what it does. */
	return probe->found < probe->spec.count || probe->spec.source->kind == SOURCE_COMMAND;
}

/* What is valid in an alias source without standing there (keys_always). */
static void take_always(struct probe *probe)
{
	reading_seal(probe->lines.reading);
	for (size_t i = 0; i < probe->spec.count; i++) {
		struct record record;
		if (reading_find(probe->lines.reading, &probe->prints[i], &record))
			note(probe, i, PROBE_THERE, "", 0, 0);
	}
}

static void on_end(void *context, enum child_end end, int code, const char *complaint)
{
	struct probe *probe = context;
	struct why why = {""};
	probe->child = NULL;
	bool early = end == CHILD_STOPPED && probe->lines.spoilt.text[0] == '\0';
	bool complete = end == CHILD_EXITED && code == 0 && source_lines_end(&probe->lines);
	const struct source_failure failure = {
		.spec = probe->spec.source, .map = &probe->map, .spoilt = probe->lines.spoilt.text, .end = end, .code = code,
		.complaint = complaint,
	};
	if (complete)
		take_always(probe);
	else if (!early)
		source_failure_explain(&failure, &why);
	struct probe_result result = probe->result;
	const struct probe_spec spec = probe->spec;
	result.error = why.text;
	destroy(probe);
	spec.end(spec.context, &result);
}

static void open_rule(struct probe *probe)
{
	const struct keys_rule *rule = &probe->spec.source->rule;
	probe->open_filter = (struct keys_filter){.smtputf8 = rule->filter->smtputf8};
	probe->open = *rule;
	probe->open.filter = &probe->open_filter;
	probe->open.classes = POSTFIX_ALL_CLASSES;
	probe->open.first = true;
}

static enum rc find_map(const struct source_spec *source, struct source_map *map, struct why *why)
{
	bool aliases = source->kind == SOURCE_ALIASES, smtputf8 = source->rule.filter->smtputf8;
	if (source->kind == SOURCE_COMMAND)
		return RC_OK;
	return source->rule.plan ? source_map_planned(source->text, aliases, smtputf8, map, why) :
	       source_map_parse(source->text, aliases, smtputf8, map, why);
}

enum rc probe_start(struct loop *loop, const struct probe_spec *spec, struct probe **out, struct why *why)
{
	struct probe *probe = mem_zalloc(sizeof *probe);
	probe->loop = loop;
	probe->spec = *spec;
	for (size_t i = 0; i < spec->count; i++) {
		probe->keys[i] = spec->keys[i];
		struct record record = record_make(RECORD_RCPT, probe->keys[i].text, probe->keys[i].length);
		probe->prints[i] = record_fingerprint(hash_key, &record);
		fpset_append(&probe->wanted, probe->prints[i]);
	}
	fpset_seal(&probe->wanted);
	open_rule(probe);
	enum rc rc = find_map(spec->source, &probe->map, why);
	if (rc == RC_OK) {
		struct source_process process;
		bool command = spec->source->kind == SOURCE_COMMAND;
		source_process_fill_lines(&process, spec->source, &probe->map);
		source_lines_begin(&probe->lines, &probe->open, command, hash_key);
		reading_only(probe->lines.reading, &probe->wanted);
		probe->lines.numbered = !command;
		probe->lines.taken = on_line;
		probe->lines.context = probe;
		const struct child_spec child = {.argv = process.argv, .timeout_ms = spec->source->timeout_ms,
		                                 .on_output = on_output, .on_end = on_end, .context = probe};
		rc = child_start(loop, &child, &probe->child, why);
	}
	if (rc != RC_OK) {
		destroy(probe);
		return rc;
	}
	*out = probe;
	return RC_OK;
}

void probe_abandon(struct probe **probe)
{
	if (*probe)
		destroy(*probe);
	*probe = NULL;
}

void probe_names(const struct source_spec *source, char **map, char **file)
{
	struct source_map parsed = {0};
	bool command = source->kind == SOURCE_COMMAND;
	const char *text = command ? "" : source->text;
	const char *tab = strrchr(text, '\t');      /* what `pipe:` has before the map itself (read_pipe.c) */
	bool known = !command && find_map(source, &parsed, NULL) == RC_OK;
	bool own = known && parsed.file && (parsed.text || parsed.index);
	*map = mem_strdup(tab ? tab + 1 : text);
	*file = mem_strdup(own ? parsed.file : "");
	source_map_free(&parsed);
}
