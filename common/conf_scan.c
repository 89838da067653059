/* conf_scan.c: the first look at a configuration's text.
 *
 * libconfuse 3.3 parses well what is right and is careless with what is wrong. Each of these was tried:
 *   - a comment counts a line too many, so that later messages name the wrong place; a C comment that is never closed
 *     swallows the rest of the file in silence;
 *   - "${X}" is replaced from the environment, and by nothing when X isn't set;
 *   - "\x00" cuts a string short; a string may run over many lines, so a lost quote is found far from its place;
 *   - a lone '+', or any other byte that fits nowhere, is dropped;
 *   - an option given twice: the last one wins; a section without title given twice: merged;
 *   - '|' in an option's name walks into sections: "zone|refresh" = 5 changes the first zone;
 *   - a section remembers only the line where it ends.
 * So the text is read here first, token by token, with a strict grammar, and what goes on to libconfuse has no comments
 * and none of these traps:
 *
 *     file    = { option | section }
 *     option  = WORD '=' ( value | '{' [ value { ',' value } [ ',' ] ] '}' )
 *     section = WORD [ value ] '{' { option | section } '}'
 *     value   = WORD | string        WORD: letters, digits, '_', '-', '.'
 */
#include "common/conf_scan.h"

#include "common/mem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum state {
	WANT_NAME,       /* an option's or section's name, or the end of the section */
	WANT_MEANING,    /* after a name: '=', '{' or a title */
	WANT_BRACE,      /* after a title */
	WANT_VALUE,      /* after '=' */
	WANT_ITEM,       /* in a list */
	WANT_COMMA       /* in a list, after an item */
};

struct word {
	const char *text;
	size_t length;
	int line;
};

struct frame {
	int line;              /* where the section began */
	size_t first_word;     /* its options begin here in scanner.words */
};

struct scanner {
	const char *name;
	const char *at;
	const char *end;
	char *out;             /* the copy, being written */
	int line;
	enum state state;
	int list_line;
	struct word last;      /* the name that was read last */
	struct frame frames[CONF_SCAN_DEPTH_MAX + 1];
	size_t depth;
	struct word *words;    /* the options seen in the sections that are open */
	size_t word_count;
	size_t word_capacity;
	struct conf_scan *result;
	size_t section_capacity;
	size_t sections_begun;
	struct why *why;
};

static enum rc scan_fail(struct scanner *s, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

static enum rc scan_fail(struct scanner *s, int line, const char *format, ...)
{
	char sentence[WHY_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	return why_set(s->why, RC_INVALID, "%s:%d: %s", s->name, line, sentence);
}

/* Length of the UTF-8 character at `at`, 0 when it isn't one (RFC 3629: no surrogates, nothing overlong). */
static size_t utf8_length(const unsigned char *at, size_t left)
{
	size_t length = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3
	                : at[0] >= 0xf0 && at[0] < 0xf5 ? 4 : 0;

	if (length == 0 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0) || (at[0] == 0xf0 && at[1] < 0x90) ||
	    (at[0] == 0xf4 && at[1] >= 0x90))
		return 0;
	return length;
}

/* The whole text: UTF-8, and no control characters besides TAB, LF and CR. */
static enum rc check_characters(struct scanner *s)
{
	int line = 1;

	for (const char *at = s->at; at < s->end; ) {
		unsigned char byte = (unsigned char)*at;
		size_t length = utf8_length((const unsigned char *)at, (size_t)(s->end - at));

		if (length == 0)
			return scan_fail(s, line, "the byte 0x%02x isn't UTF-8 text: save the file as UTF-8", byte);
		if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f)
			return scan_fail(s, line, "a control character (0x%02x) in the file: take it out", byte);
		if (byte == '\n')
			line++;
		at += length;
	}
	return RC_OK;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
	       c == '.';
}

static void copy(struct scanner *s, size_t length)
{
	memcpy(s->out, s->at, length);
	s->out += length;
	s->at += length;
}

/* Goes on to the next token; comments become spaces in the copy. */
static enum rc skip_blanks(struct scanner *s)
{
	while (s->at < s->end) {
		const char *close = NULL;
		int line = s->line;
		char next = s->at + 1 < s->end ? s->at[1] : '\0';

		if (*s->at == '#' || (*s->at == '/' && next == '/')) {
			close = memchr(s->at, '\n', (size_t)(s->end - s->at));
			if (close == NULL)
				close = s->end;
		} else if (*s->at == '/' && next == '*') {
			close = memmem(s->at + 2, (size_t)(s->end - s->at) - 2, "*/", 2);
			if (close == NULL)
				return scan_fail(s, line, "the comment that begins here isn't closed with */");
			close += 2;
		} else if (strchr(" \t\r\n", *s->at) != NULL) {
			close = s->at + 1;
		} else {
			return RC_OK;
		}
		for (; s->at < close; s->at++) {
			*s->out++ = *s->at == '\n' ? '\n' : ' ';
			if (*s->at == '\n')
				s->line++;
		}
	}
	return RC_OK;
}

/* at is at the opening quote. */
static enum rc scan_string(struct scanner *s)
{
	const char quote = *s->at;
	const char *at = s->at + 1;

	for (; at < s->end && *at != quote && *at != '\n'; at++) {
		if (*at == '\t' || *at == '\r')
			return scan_fail(s, s->line, "a TAB or CR within a string: write a space");
		if (quote == '"' && *at == '$' && at + 1 < s->end && at[1] == '{')
			return scan_fail(s, s->line, "\"${\": variables aren't replaced here; "
			                 "put the string in single quotes if it is meant so");
		if (*at != '\\')
			continue;
		at++;
		if (at == s->end || *at == '\n')
			break;
		if (quote == '"' && *at != '"' && *at != '\\')
			return scan_fail(s, s->line, "a backslash in double quotes must be followed by \" or \\: "
			                 "write \\\\ for a backslash");
	}
	if (at >= s->end || *at != quote)
		return scan_fail(s, s->line, "the string that begins here isn't closed on its line");
	if (at == s->at + 1)
		return scan_fail(s, s->line, "an empty string: write a value, or leave the option out");
	copy(s, (size_t)(at + 1 - s->at));
	return RC_OK;
}

/* Remembers that the last name was given in the innermost open section. */
static enum rc note_option(struct scanner *s)
{
	size_t first = s->frames[s->depth].first_word;

	for (size_t i = first; i < s->word_count; i++)
		if (s->words[i].length == s->last.length && memcmp(s->words[i].text, s->last.text, s->last.length) == 0)
			return scan_fail(s, s->last.line, "\"%.*s\" is given a second time, first in line %d: join them",
			                 (int)s->last.length, s->last.text, s->words[i].line);
	if (s->word_count - first == CONF_SCAN_OPTIONS_MAX)
		return scan_fail(s, s->last.line, "more than %d options in a section", CONF_SCAN_OPTIONS_MAX);
	if (s->word_count == s->word_capacity) {
		s->word_capacity = s->word_capacity * 2 + 16;
		s->words = mem_realloc(s->words, s->word_capacity, sizeof *s->words);
	}
	s->words[s->word_count++] = s->last;
	return RC_OK;
}

static enum rc open_section(struct scanner *s)
{
	if (s->depth == CONF_SCAN_DEPTH_MAX)
		return scan_fail(s, s->line, "sections are nested more than %d deep", CONF_SCAN_DEPTH_MAX);
	if (s->sections_begun++ == CONF_SCAN_SECTIONS_MAX)
		return scan_fail(s, s->line, "more than %d sections", CONF_SCAN_SECTIONS_MAX);
	s->frames[++s->depth] = (struct frame){ .line = s->last.line, .first_word = s->word_count };
	s->state = WANT_NAME;
	return RC_OK;
}

static enum rc close_section(struct scanner *s)
{
	struct conf_scan *result = s->result;

	if (s->depth == 0)
		return scan_fail(s, s->line, "a '}' without a section that it could close");
	if (result->sections == s->section_capacity) {
		s->section_capacity = s->section_capacity * 2 + 16;
		result->section_lines = mem_realloc(result->section_lines, s->section_capacity, sizeof(int));
	}
	result->section_lines[result->sections++] = s->frames[s->depth].line;
	s->word_count = s->frames[s->depth].first_word;
	s->depth--;
	return RC_OK;
}

static enum rc unexpected(struct scanner *s)
{
	static const char *const wanted[] = {
		[WANT_NAME] = "the name of an option or a section", [WANT_MEANING] = "'=', '{' or a title",
		[WANT_BRACE] = "'{'", [WANT_VALUE] = "a value", [WANT_ITEM] = "a value or '}'", [WANT_COMMA] = "',' or '}'",
	};
	size_t length = utf8_length((const unsigned char *)s->at, (size_t)(s->end - s->at));

	if (strchr("={},\"'", *s->at) == NULL)
		return scan_fail(s, s->line, "unexpected '%.*s': a value that isn't only letters, digits, '_', '-' and '.' "
		                 "must be in quotes", (int)length, s->at);
	return scan_fail(s, s->line, "unexpected '%c'; here should be %s", *s->at, wanted[s->state]);
}

static enum rc scan_word(struct scanner *s)
{
	const char *at = s->at;

	while (at < s->end && is_word(*at))
		at++;
	if (at < s->end && strchr(" \t\r\n={},#", *at) == NULL) {
		s->at = at;
		return unexpected(s);
	}
	if (s->state == WANT_NAME)
		s->last = (struct word){ .text = s->at, .length = (size_t)(at - s->at), .line = s->line };
	copy(s, (size_t)(at - s->at));
	return RC_OK;
}

static enum rc scan_value(struct scanner *s)
{
	enum rc rc = is_word(*s->at) ? scan_word(s) : scan_string(s);

	if (rc != RC_OK)
		return rc;
	switch (s->state) {
	case WANT_MEANING:
		s->state = WANT_BRACE;
		break;
	case WANT_ITEM:
		s->state = WANT_COMMA;
		break;
	default:
		s->state = WANT_NAME;
	}
	return RC_OK;
}

static enum rc scan_mark(struct scanner *s)
{
	const char mark = *s->at;
	enum rc rc = RC_OK;

	if (mark == '}' && s->state == WANT_NAME) {
		rc = close_section(s);
	} else if (mark == '=' && s->state == WANT_MEANING) {
		rc = note_option(s);
		s->state = WANT_VALUE;
	} else if (mark == '{' && (s->state == WANT_MEANING || s->state == WANT_BRACE)) {
		if (s->state == WANT_MEANING)
			rc = note_option(s);
		if (rc == RC_OK)
			rc = open_section(s);
	} else if (mark == '{' && s->state == WANT_VALUE) {
		s->list_line = s->line;
		s->state = WANT_ITEM;
	} else if (mark == '}' && (s->state == WANT_ITEM || s->state == WANT_COMMA)) {
		s->state = WANT_NAME;
	} else if (mark == ',' && s->state == WANT_COMMA) {
		s->state = WANT_ITEM;
	} else {
		rc = unexpected(s);
	}
	if (rc == RC_OK)
		copy(s, 1);
	return rc;
}

static enum rc scan_end(struct scanner *s)
{
	if (s->state == WANT_ITEM || s->state == WANT_COMMA)
		return scan_fail(s, s->list_line, "the list that begins here isn't closed with '}'");
	if (s->state != WANT_NAME)
		return scan_fail(s, s->line, "the file ends in the middle of \"%.*s\"", (int)s->last.length, s->last.text);
	if (s->depth > 0)
		return scan_fail(s, s->frames[s->depth].line, "the section that begins here isn't closed with '}'");
	return RC_OK;
}

enum rc conf_scan(const char *name, const char *text, size_t length, struct conf_scan *out, struct why *why)
{
	struct conf_scan result = { .text = mem_alloc(length + 1) };
	struct scanner s = { .name = name, .at = text, .end = text + length, .out = result.text, .line = 1,
	                     .result = &result, .why = why };
	enum rc rc = check_characters(&s);

	while (rc == RC_OK && (rc = skip_blanks(&s)) == RC_OK && s.at < s.end) {
		if (s.state == WANT_NAME && is_word(*s.at)) {
			rc = scan_word(&s);
			s.state = WANT_MEANING;
		} else if ((is_word(*s.at) || *s.at == '"' || *s.at == '\'') &&
		           (s.state == WANT_MEANING || s.state == WANT_VALUE || s.state == WANT_ITEM)) {
			rc = scan_value(&s);
		} else {
			rc = scan_mark(&s);
		}
	}
	if (rc == RC_OK)
		rc = scan_end(&s);
	*s.out = '\0';
	free(s.words);
	if (rc != RC_OK)
		conf_scan_free(&result);
	else
		*out = result;
	return rc;
}

void conf_scan_free(struct conf_scan *scan)
{
	free(scan->text);
	free(scan->section_lines);
	*scan = (struct conf_scan){ 0 };
}
