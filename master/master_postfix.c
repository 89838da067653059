/* master_postfix.c: see master_postfix.h.
 *
 * smtputf8_enable is the Postfix's own matter: the plan's word on it goes before the zone's `smtputf8`. */
#include "master/master_postfix.h"

#include "common/mem.h"
#include "master/postfix_find.h"
#include "master/read.h"

#include <stdlib.h>
#include <string.h>

#define NAME_SHOWN 200           /* of an inline table, which can be as long as main.cf */

const struct conf_option master_postfix_treat_options[] = {
	{.name = "as", .kind = CONF_STRING, .flags = CONF_REQUIRED},
	{.name = "command", .kind = CONF_STRING},
	{0}
};

struct planned {
	char *name;
	char *text;
	const char **domains;
	size_t domain_count;
};

struct master_postfix {
	char *config;
	char *commands;                  /* or NULL */
	struct buf argument;             /* for the helper */
	int64_t interval_ms, timeout_ms, settle_ms;
	const struct keys_filter *zone_filter;
	struct keys_filter filter;       /* the zone's, with the Postfix's smtputf8_enable */
	struct postfix_plan plan;
	struct buf text;
	struct source_postfix source;
	struct planned *planned;
};

/* ---- From the configuration ---- */

static void add_word(struct master_postfix *postfix, const char *word)
{
	buf_printf(&postfix->argument, POSTFIX_FIND_SEPARATOR "%s", word);
}

static enum rc load_treat(const struct conf *section, struct master_postfix *postfix, struct why *why)
{
	const char *as = conf_string(section, "as");
	const char *command = conf_string(section, "command");
	bool list = strcmp(as, "list") == 0;
	if (!list && strcmp(as, "catch-all") != 0 && strcmp(as, "ignore") != 0)
		return conf_fail(section, why, "as is \"%s\": say \"list\", \"catch-all\" or \"ignore\"", as);
	if (list && !command)
		return conf_fail(section, why, "say what lists it: command = \"...\", which prints one key a line");
	if (!list && command)
		return conf_fail(section, why, "command is only for as = \"list\"");
	add_word(postfix, as);
	add_word(postfix, conf_title(section));
	if (list)
		add_word(postfix, command);
	return RC_OK;
}

enum rc master_postfix_load(const struct conf *zone, struct master_postfix **out, struct why *why)
{
	const struct conf *section = conf_section(zone, "postfix", 0);
	struct master_postfix *postfix = mem_zalloc(sizeof *postfix);
	enum rc rc = RC_OK;
	postfix->config = mem_strdup(conf_string(section, "config_directory"));
	buf_printf(&postfix->argument, "%s", postfix->config);
	postfix->interval_ms = conf_integer(section, "interval") * 1000;
	postfix->timeout_ms = conf_integer(section, "timeout") * 1000;
	if (conf_string(section, "service")) {
		add_word(postfix, "service");
		add_word(postfix, conf_string(section, "service"));
	}
	if (conf_string(section, "command_directory")) {
		add_word(postfix, "commands");
		add_word(postfix, conf_string(section, "command_directory"));
		postfix->commands = mem_strdup(conf_string(section, "command_directory"));
	}
	for (size_t i = 0; i < conf_count(zone, "treat") && rc == RC_OK; i++)
		rc = load_treat(conf_section(zone, "treat", i), postfix, why);
	if (rc != RC_OK) {
		master_postfix_free(&postfix);
		return rc;
	}
	*out = postfix;
	return RC_OK;
}

static void free_planned(struct master_postfix *postfix)
{
	for (size_t i = 0; i < postfix->plan.source_count; i++) {
		free(postfix->planned[i].name);
		free(postfix->planned[i].text);
		free(postfix->planned[i].domains);
	}
	free(postfix->planned);
	postfix->planned = NULL;
	postfix_plan_free(&postfix->plan);
	buf_free(&postfix->text);
}

void master_postfix_free(struct master_postfix **handle)
{
	struct master_postfix *postfix = *handle;
	if (!postfix)
		return;
	free_planned(postfix);
	free(postfix->config);
	free(postfix->commands);
	buf_free(&postfix->argument);
	free(postfix);
	*handle = NULL;
}

bool master_postfix_same(const struct master_postfix *a, const struct master_postfix *b)
{
	if (!a || !b)
		return !a && !b;
	return a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms && a->settle_ms == b->settle_ms &&
	       strcmp(a->source.argument, b->source.argument) == 0;
}

/* ---- The plan ---- */

void master_postfix_base(struct master_postfix *postfix, const struct keys_filter *filter, int64_t settle_ms,
                         struct source_spec *out)
{
	postfix->zone_filter = filter;
	postfix->filter = *filter;
	postfix->settle_ms = settle_ms;
	postfix->source.config = postfix->config;
	postfix->source.argument = buf_text(&postfix->argument);
	*out = (struct source_spec){
		.name = "postfix", .kind = SOURCE_POSTFIX, .text = postfix->config, .interval_ms = postfix->interval_ms,
		.timeout_ms = postfix->timeout_ms, .settle_ms = settle_ms, .postfix = &postfix->source,
		.rule = {.filter = &postfix->filter, .plan = &postfix->plan},
	};
}

static void collect_bare(const struct master_postfix *postfix, unsigned classes, struct planned *out)
{
	const struct postfix_domain_set *bare = &postfix->plan.bare;
	out->domains = mem_zalloc((bare->count + 1) * sizeof *out->domains);
	for (size_t i = 0; i < bare->count; i++)
		if (classes & POSTFIX_BIT(bare->at[i].class))
			out->domains[out->domain_count++] = bare->at[i].name;
	keys_sort(out->domains, out->domain_count);
}

/* Unique, as sources are told apart by it over a restart. */
static char *make_name(const struct master_postfix *postfix, size_t index)
{
	const struct postfix_source *source = &postfix->plan.sources[index];
	size_t length = strlen(source->text);
	bool cut = length > NAME_SHOWN;
	char *name = mem_sprintf("%s %.*s%s", source->parameter, cut ? NAME_SHOWN : (int)length, source->text, cut ? "..." : "");
	why_clean(name);
	size_t twins = 0;
	for (size_t i = 0; i < index; i++)
		twins += strncmp(postfix->planned[i].name, name, strlen(name)) == 0;
	if (twins > 0) {
		char *numbered = mem_sprintf("%s #%zu", name, twins + 1);
		free(name);
		name = numbered;
	}
	return name;
}

static char *make_text(const struct master_postfix *postfix, const struct postfix_source *source)
{
	if (source->format != POSTFIX_FORMAT_COMMAND && strncmp(source->text, "pipemap:", 8) == 0)
		return mem_sprintf(READ_PIPE ":%s\t%s\t%s", postfix->config, postfix->commands ? postfix->commands : "",
		                   source->text);
	return mem_strdup(source->text);
}

static bool is_no(const struct postfix_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->params.count; i++)
		if (strcmp(plan->params.at[i].name, name) == 0)
			return strcmp(plan->params.at[i].value, "no") == 0;
	return false;
}

enum rc master_postfix_plan(struct master_postfix *postfix, const struct buf *text, struct why *why)
{
	struct postfix_plan plan = {0};
	enum rc rc = postfix_plan_parse(text->data, text->length, &plan, why);
	if (rc != RC_OK)
		return rc;
	free_planned(postfix);
	postfix->plan = plan;
	postfix->filter = *postfix->zone_filter;
	postfix->filter.smtputf8 = !is_no(&postfix->plan, "smtputf8_enable");
	buf_put(&postfix->text, text->data, text->length);
	postfix->source.plan = &postfix->plan;
	postfix->source.text = buf_text(&postfix->text);
	postfix->planned = mem_zalloc((plan.source_count + 1) * sizeof *postfix->planned);
	for (size_t i = 0; i < plan.source_count; i++) {
		postfix->planned[i].name = make_name(postfix, i);
		postfix->planned[i].text = make_text(postfix, &plan.sources[i]);
		collect_bare(postfix, plan.sources[i].classes, &postfix->planned[i]);
	}
	return RC_OK;
}

size_t master_postfix_count(const struct master_postfix *postfix)
{
	return postfix->plan.source_count;
}

void master_postfix_source(const struct master_postfix *postfix, size_t index, struct source_spec *out)
{
	static const enum source_kind kinds[] = {
		[POSTFIX_FORMAT_MAP] = SOURCE_MAP, [POSTFIX_FORMAT_ALIASES] = SOURCE_ALIASES,
		[POSTFIX_FORMAT_COMMAND] = SOURCE_COMMAND,
	};
	const struct postfix_source *source = &postfix->plan.sources[index];
	const struct planned *planned = &postfix->planned[index];
	*out = (struct source_spec){
		.name = planned->name, .kind = kinds[source->format], .text = planned->text, .interval_ms = postfix->interval_ms,
		.timeout_ms = postfix->timeout_ms, .settle_ms = postfix->settle_ms,
		.rule = {.domains = planned->domains, .domain_count = planned->domain_count,
		         .aliases = source->format == POSTFIX_FORMAT_ALIASES, .filter = &postfix->filter,
		         .plan = &postfix->plan, .classes = source->classes, .first = source->first,
		         .exact = source->exact},
	};
}

const char *master_postfix_note(const struct master_postfix *postfix, size_t index)
{
	return index < postfix->plan.notes.count ? postfix->plan.notes.at[index].name : NULL;
}
