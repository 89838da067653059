/* conf.h: configuration files: a table of options in, a validated tree out. The one file that uses libconfuse.
 *
 * The syntax is libconfuse's: name = value, name = { list }, name "title" { section }, '#' and C comments. Unknown words,
 * wrong types, numbers out of range, missing and doubled options are errors with file and line. */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_kind { CONF_STRING, CONF_INTEGER, CONF_LIST /* of strings */, CONF_SECTION };
enum conf_flag {
	CONF_REQUIRED = 1,     /* must be given (a section: at least one) */
	CONF_TITLED = 2,       /* a section with a title, any number of them, titles unique */
	CONF_PATH = 4          /* a string: must begin with '/' */
};

/* Tables end with a zeroed entry. A list has a fallback of one item. Values and titles are never empty strings. */
struct conf_option {
	const char *name;
	enum conf_kind kind;
	int flags;
	const char *fallback;              /* string or integer in text form; NULL: not set */
	int64_t minimum, maximum;          /* integers */
	const struct conf_option *section; /* options of a section */
};

struct conf;       /* a section; the root is one too */

/* RC_NOT_FOUND, RC_IO, RC_LIMIT (1 MiB), RC_INVALID. why->text begins with "FILE:LINE: ". */
enum rc conf_load(const char *path, const struct conf_option *options, struct conf **out, struct why *why);
/* The same from memory; name stands for the file in messages. */
enum rc conf_parse(const char *name, const char *text, size_t length, const struct conf_option *options,
                   struct conf **out, struct why *why);
void conf_free(struct conf **conf);

/* Asking for a name that isn't in the table, or of another kind, is an assertion failure. Strings live as long as the
 * tree. */
const char *conf_string(const struct conf *conf, const char *name);        /* NULL when not set */
int64_t conf_integer(const struct conf *conf, const char *name);           /* 0 when not set and no fallback */
bool conf_given(const struct conf *conf, const char *name);                /* written in the file */
size_t conf_count(const struct conf *conf, const char *name);              /* of a list or a section */
const char *conf_item(const struct conf *conf, const char *name, size_t index);
const struct conf *conf_section(const struct conf *conf, const char *name, size_t index);
const char *conf_title(const struct conf *conf);                           /* "" for the root and untitled ones */
int conf_line(const struct conf *conf);

/* RC_INVALID with "FILE:LINE: SECTION \"TITLE\": " in front of the sentence: for what the caller finds wrong. */
enum rc conf_fail(const struct conf *conf, struct why *why, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
