/* read_alias.c: the text that postalias makes indexes of: `name: value`, names taken apart as RFC 822 words.
 *
 * The rules are those of aliases(5) and what postalias 3.7 does: the name is cut into words, quoted strings,
 * comments and operators, and put together again without quotes, neighbouring words with one space between; a name
 * with an '@' or '%' outside quotes isn't local, one with a ',' isn't one name; such lines, and those without a
 * value, are passed over. Names come out in ASCII lower case, so that they can't be taken for the YP_ entries of
 * an index. */
#include "master/read.h"

#include <string.h>

struct scan {
	const char *at;
	const char *end;
	struct buf *name;
	enum { NOTHING, OPERATOR, WORD } last;
};

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* '\\' is one too, but whoever collects a word looks for that first. */
static bool is_operator(char byte)
{
	return byte != '\0' && strchr("|%!()<>@,;:\\\".[]", byte) != NULL;
}

static void put(struct scan *scan, char byte)
{
	if (byte >= 'A' && byte <= 'Z')
		byte = (char)(byte - 'A' + 'a');
	buf_put(scan->name, &byte, 1);
}

static void begin_word(struct scan *scan)
{
	if (scan->last == WORD)
		put(scan, ' ');
	scan->last = WORD;
}

/* Up to `close`, which is swallowed; the end of the line closes too. */
static void take_enclosed(struct scan *scan, char close)
{
	while (scan->at < scan->end && *scan->at != close) {
		if (*scan->at == '\\' && ++scan->at == scan->end)
			return;
		put(scan, is_blank(*scan->at) ? ' ' : *scan->at);
		scan->at++;
	}
	if (scan->at < scan->end)
		scan->at++;
}

/* Comments nest, and stay as they are, backslashes included. */
static void take_comment(struct scan *scan)
{
	int level = 0;
	while (scan->at < scan->end) {
		char byte = *scan->at++;
		put(scan, byte);
		if (byte == '(')
			level++;
		else if (byte == ')' && --level == 0)
			return;
		else if (byte == '\\' && scan->at < scan->end)
			put(scan, *scan->at++);
	}
}

static void take_atom(struct scan *scan)
{
	while (scan->at < scan->end) {
		if (*scan->at == '\\') {
			if (++scan->at == scan->end)
				return;
		} else if (is_blank(*scan->at) || is_operator(*scan->at)) {
			return;
		}
		put(scan, is_blank(*scan->at) ? ' ' : *scan->at);
		scan->at++;
	}
}

static void take_operator(struct scan *scan, char byte)
{
	if (byte == '<' && scan->last != NOTHING)
		put(scan, ' ');
	put(scan, byte);
	scan->last = OPERATOR;
	scan->at++;
}

static void take_token(struct scan *scan)
{
	char byte = *scan->at;
	if (byte != '(' && byte != '[' && byte != '"' && byte != '\\' && is_operator(byte)) {
		take_operator(scan, byte);
		return;
	}
	begin_word(scan);
	if (byte == '(') {
		take_comment(scan);
	} else if (byte == '[') {
		put(scan, byte);
		scan->at++;
		take_enclosed(scan, ']');
		put(scan, ']');
	} else if (byte == '"') {
		scan->at++;
		take_enclosed(scan, '"');
	} else {
		take_atom(scan);
	}
}

/* The name up to the colon; returns what's wrong, or NULL. */
static const char *take_name(struct scan *scan)
{
	const char *trouble = NULL;
	for (; scan->at < scan->end && *scan->at != ':'; ) {
		if (is_blank(*scan->at)) {
			scan->at++;
			continue;
		}
		if (*scan->at == '@' || *scan->at == '%')
			trouble = "the name must be local, without an unquoted '@' or '%'";
		else if (*scan->at == ',')
			trouble = "one name, a colon and a value are expected";
		take_token(scan);
	}
	return trouble;
}

static const char *parse(const struct read_text_line *line, bool utf8, struct buf *name)
{
	static const char incomplete[] = "a name, a colon and a value are expected";
	if (line->stray)
		return "it begins with white space, but there is no line before that it continues";
	if (utf8 && !line->utf8)
		return "it isn't UTF-8";
	buf_clear(name);
	struct scan scan = {.at = line->text, .end = line->text + line->length, .name = name};
	const char *trouble = take_name(&scan);
	if (scan.at == scan.end || scan.last == NOTHING)
		return incomplete;
	if (trouble)
		return trouble;
	const char *value = scan.at + 1;
	while (value < scan.end && is_blank(*value))
		value++;
	if (value == scan.end || name->length == 0)
		return incomplete;
	if (name->length == 1 && name->data[0] == '@')
		return "\"@\" is the mark that postalias sets itself";
	return NULL;
}

void read_alias(const void *data, size_t length, bool utf8, const struct read_sink *sink)
{
	if (length == 0)
		return;
	struct read_text_lines lines = {.at = data, .end = (const char *)data + length};
	struct read_text_line line;
	struct buf name = {0};
	while (read_text_next(&lines, &line)) {
		const char *trouble = parse(&line, utf8, &name);
		if (trouble)
			sink->ignored(sink->context, line.number, trouble);
		else
			sink->key(sink->context, name.data, name.length, line.number);
	}
	buf_free(&name);
	buf_free(&lines.joined);
}
