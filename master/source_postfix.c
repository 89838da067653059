/* source_postfix.c: see source_postfix.h.
 *
 * A plan is compared as text: it says the same for the same Postfix, so a difference is a change. */
#include "master/source_postfix.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

void source_postfix_explain(const struct postfix_plan *plan, struct why *why)
{
	const struct postfix_problem *problem = &plan->problems[0];
	(void)why_set(why, RC_UNSUPPORTED, "%s = %s: %s; mend it there, or say here: treat \"%s\" { as = \"list\" command = "
	              "\"...\" } (or \"catch-all\", \"ignore\"); rxfer-recipes(7) has examples",
	              problem->parameter, problem->map, problem->text, problem->map);
	if (plan->problem_count == 1)
		return;
	struct buf others = {0};
	for (size_t i = 1; i < plan->problem_count; i++)
		buf_printf(&others, "%s%s = %s", i > 1 ? ", " : "", plan->problems[i].parameter, plan->problems[i].map);
	(void)why_set(why, RC_UNSUPPORTED, "%s; and %zu more: %s", why->text, plan->problem_count - 1, buf_text(&others));
	buf_free(&others);
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
		else
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
