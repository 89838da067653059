/* conf_scan.c: the first look at a configuration's text.
 *
 * libconfuse 3.3 parses well what is right and is careless with what is wrong. Each of these was tried:
 *   - a comment of just the wrong length makes its lexer write one byte beyond its buffer; a C comment counts a line
 *     too many, and one that is never closed swallows the rest of the file in silence;
 *   - "${X}" is replaced from the environment, and by nothing when X isn't set;
 *   - "\x00" cuts a string short; a string may run over many lines, so a lost quote is found far from its place;
 *   - bytes that it can't place (a lone '+', a '/' at the end of a word) are dropped;
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

#include <stdbool.h>
#include <stdint.h>
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

#define FAIL(s, at_line, ...) scan_fail((s), (at_line), RC_INVALID, __VA_ARGS__)

static enum rc scan_fail(struct scanner *s, int line, enum rc rc, const char *format, const char *what, size_t length)
{
	char sentence[WHY_MAX];

	if (length > 60)
		length = 60;
	/* The formats are constants of this file, with at most one "%.*s". */
	struct why text;
	why_set(&text, rc, format, (int)length, what);
	memcpy(sentence, text.text, sizeof sentence);
	return why_set(s->why, rc, "%s:%d: %s", s->name, line, sentence);
}
