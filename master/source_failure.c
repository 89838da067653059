/* source_failure.c: see source_failure.h. */
#include "master/source_failure.h"

#include "common/mem.h"
#include "master/read.h"

#include <stdlib.h>
#include <string.h>

static void explain_map(const struct source_failure *failure, struct why *why)
{
	const struct source_map *map = failure->map;
	bool index = map->index;
	const char *tool = failure->spec->kind == SOURCE_ALIASES ? "postalias" : "postmap";
	if (failure->end == CHILD_TIMED_OUT && strncmp(map->name, "unix:", 5) == 0)
		why_set(why, RC_IO, "%s: the account database doesn't answer within %lld ms: mend what " READ_NSSWITCH " names, raise "
		        "the timeout of postfix { }, or say what lists them: treat \"%s\" { as = \"list\" command = \"...\" }",
		        map->name, (long long)failure->spec->timeout_ms, map->name);
	else if (failure->end == CHILD_TIMED_OUT)
		why_set(why, RC_IO, "%s: couldn't be read within %lld ms: somebody holds its lock, or the disk is slow", map->name,
		        (long long)failure->spec->timeout_ms);
	else if (failure->end == CHILD_KILLED && index)
		why_set(why, RC_IO, "%s: %s can't be read: the reader died of signal %d, so it's damaged: run %s %s", map->name,
		        map->file, failure->code, tool, map->name);
	else if (failure->end == CHILD_KILLED)
		why_set(why, RC_IO, "%s: the reader died of signal %d", map->name, failure->code);
	else {
		char *mend = index ? read_mend(map->name, tool, map->file, failure->code) : mem_strdup("");
		why_set(why, RC_IO, "%s: %s%s", map->name,
		        failure->complaint[0] ? failure->complaint : "the reader gave no reason", mend);
		free(mend);
	}
}

static void explain_command(const struct source_failure *failure, struct why *why)
{
	const char *text = failure->spec->text;
	const char *complaint = failure->complaint;
	const char *colon = complaint[0] ? ": " : "";
	if (failure->end == CHILD_TIMED_OUT)
		why_set(why, RC_IO, "command \"%s\": not done after %lld ms, and killed: raise its timeout, or make it faster",
		        text, (long long)failure->spec->timeout_ms);
	else if (failure->end == CHILD_KILLED)
		why_set(why, RC_IO, "command \"%s\": died of signal %d%s%s", text, failure->code, colon, complaint);
	else
		why_set(why, RC_IO, "command \"%s\": ended with status %d%s%s", text, failure->code, colon, complaint);
}

static void explain_postfix(const struct source_failure *failure, struct why *why)
{
	const char *config = failure->spec->postfix->config;
	if (failure->end == CHILD_TIMED_OUT)
		why_set(why, RC_IO, "Postfix in %s: couldn't be looked at within %lld ms: raise its timeout", config,
		        (long long)failure->spec->timeout_ms);
	else if (failure->end == CHILD_EXITED)
		why_set(why, RC_IO, "Postfix in %s: %s", config,
		        failure->complaint[0] ? failure->complaint : "it can't be looked at, and nothing says why");
	else
		why_set(why, RC_IO, "Postfix in %s: whoever looks at it was killed (signal %d)", config, failure->code);
}

void source_failure_explain(const struct source_failure *failure, struct why *why)
{
	bool command = failure->spec->kind == SOURCE_COMMAND;
	if (failure->spec->kind == SOURCE_POSTFIX)
		explain_postfix(failure, why);
	else if (failure->spoilt[0] && command)
		why_set(why, RC_INVALID, "command \"%s\": %s", failure->spec->text, failure->spoilt);
	else if (failure->spoilt[0])
		why_set(why, RC_INVALID, "%s: %s", failure->map->name, failure->spoilt);
	else if (command)
		explain_command(failure, why);
	else
		explain_map(failure, why);
}
