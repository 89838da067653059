/* source_postfix.c: see source_postfix.h.
 *
 * A plan is compared as text: it says the same for the same Postfix, so a difference is a change. */
#include "master/source_postfix.h"

#include "common/mem.h"
#include "master/source_map.h"

#include <stdlib.h>
#include <string.h>

void source_postfix_explain(const struct postfix_plan *plan, struct why *why)
{
	const struct postfix_problem *problem = &plan->problems[0];
	(void)why_set(why, RC_UNSUPPORTED, "%s = %s: %s", problem->parameter, problem->map, problem->text);
	if (plan->problem_count == 1)
		return;
	struct buf others = {0};
	for (size_t i = 1; i < plan->problem_count; i++)
		buf_printf(&others, "%s%s = %s", i > 1 ? ", " : "", plan->problems[i].parameter, plan->problems[i].map);
	(void)why_set(why, RC_UNSUPPORTED, "%s; and %zu more: %s", why->text, plan->problem_count - 1, buf_text(&others));
	buf_free(&others);
}

/* A type that Postfix has and this program wasn't built with. */
static enum rc check_sources(const struct postfix_plan *plan, struct why *why)
{
	for (size_t i = 0; i < plan->source_count; i++) {
		const struct postfix_source *source = &plan->sources[i];
		struct source_map map = {0};
		if (source->format == POSTFIX_FORMAT_COMMAND)
			continue;
		if (source_map_planned(source->text, source->format == POSTFIX_FORMAT_ALIASES, true, &map, why) != RC_OK)
			return why_prepend(why, RC_UNSUPPORTED, "%s = %s", source->parameter, source->text);
		source_map_free(&map);
	}
	return RC_OK;
}

enum source_postfix_end source_postfix_judge(const struct source_postfix *postfix, const struct buf *text,
                                             const struct keys_rule *rule, struct reading *reading,
                                             struct keys_tally *tally, struct why *why)
{
	if (postfix->plan && strlen(postfix->text) == text->length && memcmp(postfix->text, text->data, text->length) == 0)
		return keys_planned(rule, reading, tally, why) == RC_OK ? SOURCE_POSTFIX_SAME : SOURCE_POSTFIX_FAILED;
	struct postfix_plan plan = {0};
	enum source_postfix_end end = SOURCE_POSTFIX_FAILED;
	if (postfix_plan_parse(text->data, text->length, &plan, why) == RC_OK) {
		if (plan.problem_count > 0)
			source_postfix_explain(&plan, why);
		else if (check_sources(&plan, why) == RC_OK)
			end = SOURCE_POSTFIX_NEW;
	}
	postfix_plan_free(&plan);
	return end;
}

void source_postfix_files(const struct source_postfix *postfix, void (*visit)(void *context, const char *path),
                          void *context)
{
	static const char *const names[] = {"main.cf", "master.cf"};
	for (size_t i = 0; i < sizeof names / sizeof *names && !postfix->plan; i++) {
		char *path = mem_sprintf("%s/%s", postfix->config, names[i]);
		visit(context, path);
		free(path);
	}
	for (size_t i = 0; postfix->plan && i < postfix->plan->watches.count; i++)
		if (postfix->plan->watches.at[i].name[0] == '/')
			visit(context, postfix->plan->watches.at[i].name);
}
