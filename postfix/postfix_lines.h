/* postfix_lines.h: what a program printed, line by line. Pure. */
#ifndef POSTFIX_LINES_H
#define POSTFIX_LINES_H

#include "common/buf.h"

/* Takes the next line off; false: none left. The text isn't NUL-terminated. */
struct postfix_lines {
	const char *at;
	const char *end;
};
struct postfix_lines postfix_lines_of(const struct buf *buf);
bool postfix_lines_next(struct postfix_lines *lines, const char **line, size_t *length);

#endif
