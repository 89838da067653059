/* source_lines.c: see source_lines.h.
 *
 * Of what a command prints nothing is passed over: a line that isn't plainly an address is a sign that something went
 * wrong there, an error message perhaps. What our own reader prints are keys as they stand in a map, and one that is no
 * address is nothing that Postfix would ever ask for: it's counted. */
#include "master/source_lines.h"

#include <inttypes.h>
#include <string.h>

#define LINE_MAX_BYTES (4 * ADDRESS_MAX)
#define SHOWN_MAX 100           /* of a bad line */

void source_lines_begin(struct source_lines *lines, const struct keys_rule *rule, bool strict,
                        const uint8_t key[RECORD_HASH_KEY_BYTES])
{
	source_lines_free(lines);
	lines->rule = rule;
	lines->strict = strict;
	lines->reading = reading_new(key);
}

void source_lines_free(struct source_lines *lines)
{
	reading_free(&lines->reading);
	buf_free(&lines->line);
	*lines = (struct source_lines){0};
}

static bool is_plain(const char *line, size_t length)
{
	static const char specials[] = " \t<>(),;:\\";
	bool quoted = false, local = true;
	for (size_t i = 0; i < length; i++) {
		if (quoted && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			quoted = !quoted;
		else if (!quoted && memchr(specials, line[i], local ? sizeof(specials) : 2))
			return false;
		else if (!quoted && line[i] == '@')
			local = false;
	}
	return true;
}

static bool spoil(struct source_lines *lines, const char *reason, const char *line, size_t length)
{
	int shown = (int)(length < SHOWN_MAX ? length : SHOWN_MAX);
	(void)why_set(&lines->spoilt, RC_INVALID, "line %" PRIu64 " of its output isn't an address (%s): %.*s", lines->number,
	              reason, shown, line);
	return false;
}

/* Takes the number off; 0 when there is none. */
static uint64_t take_number(const char **line, size_t *length)
{
	uint64_t number = 0;
	size_t at = 0;
	while (at < *length && (*line)[at] >= '0' && (*line)[at] <= '9')
		number = number * 10 + (uint64_t)((*line)[at++] - '0');
	if (at == *length || (*line)[at] != '\t')
		return 0;
	*line += at + 1;
	*length -= at + 1;
	return number;
}

static bool take_line(struct source_lines *lines, const char *line, size_t length)
{
	struct why why;
	uint64_t number = ++lines->number;
	if (lines->numbered)
		number = take_number(&line, &length);
	while (lines->strict && length > 0 && memchr(" \t\r", line[length - 1], 3))
		length--;
	if (length == 0)
		return true;
	if (lines->strict && !is_plain(line, length))
		return spoil(lines, "white space or a special character outside quotes", line, length);
	uint64_t unqualified = lines->tally.unqualified;
	enum rc rc = keys_add(lines->rule, line, length, lines->reading, &lines->tally, &why);
	if (rc == RC_LIMIT) {
		lines->spoilt = why;
		return false;
	}
	if (lines->strict && rc != RC_OK)
		return spoil(lines, why.text, line, length);
	if (lines->strict && lines->tally.unqualified > unqualified)
		return spoil(lines, "no '@', and the source has no domains for it", line, length);
	if (lines->taken)
		lines->taken(lines->context, line, length, number);
	return true;
}

static bool too_long(struct source_lines *lines)
{
	if (lines->strict) {
		lines->number++;
		return spoil(lines, "too long", (const char *)lines->line.data, lines->line.length);
	}
	lines->tally.keys++;
	keys_count(&lines->tally.invalid, &lines->tally.invalid_shown, lines->line.data, lines->line.length);
	lines->overlong = true;
	buf_clear(&lines->line);
	return true;
}

/* One line, or the part of one that ended the data. */
static bool take_piece(struct source_lines *lines, const char *piece, size_t length, bool ended)
{
	bool fine = true;
	if (!lines->overlong && (!ended || lines->line.length > 0))
		buf_put(&lines->line, piece, length);
	if (!lines->overlong && lines->line.length > LINE_MAX_BYTES)
		fine = too_long(lines);
	if (!ended)
		return fine;
	if (fine && !lines->overlong && lines->line.length > 0)
		fine = take_line(lines, (const char *)lines->line.data, lines->line.length);
	else if (fine && !lines->overlong)
		fine = take_line(lines, piece, length);
	lines->overlong = false;
	buf_clear(&lines->line);
	return fine;
}

bool source_lines_take(struct source_lines *lines, const void *data, size_t length)
{
	const char *at = data, *end = at + length;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		if (!take_piece(lines, at, (size_t)((stop ? stop : end) - at), stop != NULL))
			return false;
		at = stop ? stop + 1 : end;
	}
	return true;
}

bool source_lines_end(struct source_lines *lines)
{
	if (lines->line.length > 0 && !take_piece(lines, "", 0, true))
		return false;
	return keys_always(lines->rule, lines->reading, &lines->spoilt) == RC_OK;
}
