/* postfix_lines.c: see postfix_lines.h. */
#include "postfix/postfix_lines.h"

#include <string.h>

struct postfix_lines postfix_lines_of(const struct buf *buf)
{
	const char *at = (const char *)buf->data;
	return (struct postfix_lines){at, at ? at + buf->length : at};
}

bool postfix_lines_next(struct postfix_lines *lines, const char **line, size_t *length)
{
	if (lines->at == lines->end)
		return false;
	const char *stop = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
	*line = lines->at;
	*length = (size_t)((stop ? stop : lines->end) - lines->at);
	lines->at = stop ? stop + 1 : lines->end;
	return true;
}
