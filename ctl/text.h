/* text.h: words of a daemon made fit for a terminal: no control characters, known widths, numbers and ages for eyes. */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Appends length bytes of text; what isn't a printable character of UTF-8 becomes '?'. */
void text_put(struct buf *out, const char *text, size_t length);

/* The number of columns that a text made by text_put takes (a character each; East Asian wide ones aren't known). */
size_t text_width(const char *text);

/* The same text in at most `columns` columns, "..." at its end when it was cut. */
void text_put_cut(struct buf *out, const char *text, size_t columns);

/* A paragraph, broken at spaces to lines of at most `columns`, `indent` spaces before each line but the first. */
void text_put_wrapped(struct buf *out, const char *text, size_t indent, size_t columns);

/* "1,204" */
void text_put_number(struct buf *out, int64_t number);

/* "3 s ago", "just now" for less than a second and for the future; "never" for 0. Both in ms since 1970. */
void text_put_age(struct buf *out, int64_t now, int64_t then);

enum paint { PAINT_NONE, PAINT_GREEN, PAINT_YELLOW, PAINT_RED };

/* The colour that a word of health or state is written in. */
enum paint text_paint(const char *word);

/* Appends text, in colour when `colour` is set. */
void text_put_painted(struct buf *out, const char *text, enum paint paint, bool colour);

#endif
