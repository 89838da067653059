/* findings.c: see findings.h. */
#include "replica/findings.h"

#include "common/mem.h"
#include "postfix/postfix_lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENTENCE_MAX 2048
#define WARNING "warning\t"
#define HINT "hint\t"

static void add(struct findings *findings, bool warning, char *sentence, char *mend)
{
	findings->at = mem_realloc(findings->at, findings->count + 1, sizeof *findings->at);
	findings->at[findings->count++] = (struct finding){warning, sentence, mend};
}

static char *whole_or_nothing(const char *mend)
{
	char *clean = mem_strdup(mend ? mend : "");
	why_clean(clean);
	if (mend && strcmp(clean, mend) != 0)
		clean[0] = '\0';
	return clean;
}

void findings_add(struct findings *findings, bool warning, const char *mend, const char *format, ...)
{
	char sentence[SENTENCE_MAX];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	why_clean(sentence);
	add(findings, warning, mem_strdup(sentence), whole_or_nothing(mend));
}

void findings_free(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		free(findings->at[i].sentence);
		free(findings->at[i].mend);
	}
	free(findings->at);
	*findings = (struct findings){0};
}

size_t findings_warnings(const struct findings *findings)
{
	size_t warnings = 0;
	for (size_t i = 0; i < findings->count; i++)
		warnings += findings->at[i].warning;
	return warnings;
}

bool findings_has(const struct findings *findings, const char *sentence)
{
	for (size_t i = 0; i < findings->count; i++)
		if (strcmp(findings->at[i].sentence, sentence) == 0)
			return true;
	return false;
}

void findings_print(const struct findings *findings, struct buf *out)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->at[i];
		buf_printf(out, "%s%s\t%s\n", finding->warning ? WARNING : HINT, finding->sentence, finding->mend);
	}
	buf_printf(out, "end\n");
}

static bool parse_line(const char *line, size_t length, struct findings *out)
{
	bool warning = length >= sizeof WARNING - 1 && memcmp(line, WARNING, sizeof WARNING - 1) == 0;
	bool hint = length >= sizeof HINT - 1 && memcmp(line, HINT, sizeof HINT - 1) == 0;
	if (!warning && !hint)
		return false;
	const char *sentence = line + (warning ? sizeof WARNING - 1 : sizeof HINT - 1);
	const char *end = line + length;
	const char *tab = memchr(sentence, '\t', (size_t)(end - sentence));
	if (!tab || memchr(tab + 1, '\t', (size_t)(end - tab - 1)))
		return false;
	char *text = mem_strndup(sentence, (size_t)(tab - sentence));
	char *mend = mem_strndup(tab + 1, (size_t)(end - tab - 1));
	why_clean(text);
	add(out, warning, text, whole_or_nothing(mend));
	free(mend);
	return true;
}

enum rc findings_parse(const struct buf *text, struct findings *out, struct why *why)
{
	struct findings found = {0};
	struct postfix_lines lines = postfix_lines_of(text);
	const char *line;
	size_t length;
	bool whole = false, fine = true;
	while (fine && !whole && postfix_lines_next(&lines, &line, &length)) {
		whole = length == 3 && memcmp(line, "end", 3) == 0;
		fine = whole || parse_line(line, length, &found);
	}
	if (fine && whole && lines.at == lines.end) {
		*out = found;
		return RC_OK;
	}
	findings_free(&found);
	if (!fine)
		return why_set(why, RC_INVALID, "\"%.*s\" isn't understood", (int)(length < 100 ? length : 100), line);
	return why_set(why, RC_INVALID, "what was found is cut off, or goes on behind its end");
}
