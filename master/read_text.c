/* read_text.c: the text that postmap makes indexes of, line by line as postmap takes it.
 *
 * The rules are those of postmap(1), and where that is silent, what postmap 3.7 does: comments and empty lines vanish
 * wherever they are, even between a line and its continuation; continued lines are joined without anything between; the
 * key ends at the first white space outside quotes; a backslash takes the next character's meaning away; a line ends at
 * a NUL. Lines without a value, with an open quote, or that aren't UTF-8 are passed over, not fatal. The key stays
 * as it's written, quotes included. */
#include "master/read.h"

#include <string.h>

static bool is_space(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool is_ascii(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] & 0x80)
			return false;
	return true;
}

/* RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
static bool is_utf8(const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *end = at + length;
	while (at < end) {
		unsigned char lead = *at++;
		size_t more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
		if (more == 0)
			continue;
		if (lead < 0xc2 || lead > 0xf4 || (size_t)(end - at) < more)
			return false;
		if ((lead == 0xe0 && at[0] < 0xa0) || (lead == 0xed && at[0] > 0x9f) || (lead == 0xf0 && at[0] < 0x90) ||
		    (lead == 0xf4 && at[0] > 0x8f))
			return false;
		for (; more > 0; more--, at++)
			if ((*at & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* The next physical line, without its LF. */
static const char *take_line(struct read_text_lines *lines, size_t *length)
{
	const char *begin = lines->at;
	const char *stop = memchr(begin, '\n', (size_t)(lines->end - begin));
	lines->at = stop ? stop + 1 : lines->end;
	*length = (size_t)((stop ? stop : lines->end) - begin);
	lines->number++;
	return begin;
}

static bool says_nothing(const char *text, size_t length)
{
	size_t i = 0;
	while (i < length && is_space(text[i]))
		i++;
	return i == length || text[i] == '#';
}

static void join(struct read_text_lines *lines, struct read_text_line *line, const char *more, size_t length)
{
	if (lines->joined.length == 0)
		buf_put(&lines->joined, line->text, line->length);
	buf_put(&lines->joined, more, length);
	line->text = (const char *)lines->joined.data;
	line->length = lines->joined.length;
}

bool read_text_next(struct read_text_lines *lines, struct read_text_line *out)
{
	struct read_text_line line = {0};
	buf_clear(&lines->joined);
	while (lines->at < lines->end) {
		size_t length;
		const char *text = take_line(lines, &length);
		if (!says_nothing(text, length)) {
			if (line.length > 0)
				join(lines, &line, text, length);
			else
				line = (struct read_text_line){.text = text, .length = length, .number = lines->number};
		}
		bool continues = lines->at < lines->end && (*lines->at == '#' || is_space(*lines->at));
		if (line.length > 0 && !continues)
			break;
	}
	if (line.length == 0)
		return false;
	line.stray = is_space(line.text[0]);
	size_t whole = line.length;
	const char *nul = memchr(line.text, '\0', whole);
	if (nul)
		line.length = (size_t)(nul - line.text);
	line.utf8 = is_ascii(line.text, line.length) || is_utf8(line.text, whole);
	*out = line;
	return true;
}

/* The key's length; false: a quote stays open. */
static bool measure_key(const struct read_text_line *line, size_t *out)
{
	bool quoted = false;
	size_t i = 0;
	for (; i < line->length; i++) {
		char byte = line->text[i];
		if (byte == '\\' && i + 1 < line->length)
			i++;
		else if (byte == '"')
			quoted = !quoted;
		else if (!quoted && is_space(byte))
			break;
	}
	*out = i;
	return !quoted;
}

static const char *parse(const struct read_text_line *line, bool utf8, size_t *key_length)
{
	if (line->stray)
		return "it begins with white space, but there is no line before that it continues";
	if (utf8 && !line->utf8)
		return "it isn't UTF-8";
	if (!measure_key(line, key_length))
		return "a quote isn't closed";
	size_t value = *key_length;
	while (value < line->length && is_space(line->text[value]))
		value++;
	if (*key_length == 0 || value == line->length)
		return "a key, white space and a value are expected";
	return NULL;
}

void read_text(const void *data, size_t length, bool utf8, const struct read_sink *sink)
{
	if (length == 0)
		return;
	struct read_text_lines lines = {.at = data, .end = (const char *)data + length};
	struct read_text_line line;
	while (read_text_next(&lines, &line)) {
		size_t key_length = 0;
		const char *trouble = parse(&line, utf8, &key_length);
		if (trouble)
			sink->ignored(sink->context, line.number, trouble);
		else
			sink->key(sink->context, line.text, key_length, line.number);
	}
	buf_free(&lines.joined);
}
