/* smtp_reply.c: see smtp_reply.h. A line may end in a bare LF: that much is forgiven. */
#include "ctl/smtp_reply.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void keep_text(struct smtp_reply_reader *reader, const char *text, size_t length)
{
	size_t room = SMTP_REPLY_TEXT_MAX - reader->text_length;
	char *end = reader->reply.text + reader->text_length;

	if (reader->lines > 1 && room > 0) {
		*end++ = '\n';
		room--;
		reader->text_length++;
	}
	if (length > room)
		length = room;
	memcpy(end, text, length);
	end[length] = '\0';
	reader->text_length += length;
}

/* RC_OK: that was the last line; RC_AGAIN: others follow. */
static enum rc take_line(struct smtp_reply_reader *reader, struct why *why)
{
	const char *line = reader->line;
	size_t length = reader->line_length;
	bool last;

	if (length > 0 && line[length - 1] == '\r')
		length--;
	if (memchr(line, '\0', length) != NULL)
		return why_set(why, RC_INVALID, "a NUL in a reply: that isn't SMTP");
	if (length < 3 || line[0] < '2' || line[0] > '5' || !isdigit((unsigned char)line[1]) ||
	    !isdigit((unsigned char)line[2]) || (length > 3 && line[3] != ' ' && line[3] != '-'))
		return why_set(why, RC_INVALID, "\"%.*s\" isn't a reply of SMTP", (int)(length < 80 ? length : 80), line);
	int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
	if (reader->lines > 0 && code != reader->reply.code)
		return why_set(why, RC_INVALID, "%d and %d in one reply: that isn't SMTP", reader->reply.code, code);
	if (reader->lines == SMTP_REPLY_LINES_MAX)
		return why_set(why, RC_LIMIT, "a reply of more than %d lines", SMTP_REPLY_LINES_MAX);
	reader->reply.code = code;
	reader->lines++;
	last = length == 3 || line[3] == ' ';
	keep_text(reader, line + (length > 3 ? 4 : 3), length > 4 ? length - 4 : 0);
	return last ? RC_OK : RC_AGAIN;
}

enum rc smtp_reply_read(struct smtp_reply_reader *reader, const void *data, size_t length, size_t *taken,
                        struct why *why)
{
	const char *bytes = data;

	for (size_t at = 0; at < length; at++) {
		if (reader->lines == 0 && reader->line_length == 0) {
			reader->text_length = 0;
			reader->reply.text[0] = '\0';
		}
		if (bytes[at] != '\n') {
			if (reader->line_length == sizeof reader->line)
				return why_set(why, RC_LIMIT, "a line of more than %d bytes in a reply", SMTP_REPLY_LINE_MAX);
			reader->line[reader->line_length++] = bytes[at];
			continue;
		}
		enum rc rc = take_line(reader, why);
		reader->line_length = 0;
		if (rc == RC_AGAIN)
			continue;
		if (rc == RC_OK) {
			reader->lines = 0;
			*taken = at + 1;
		}
		return rc;
	}
	*taken = length;
	return RC_AGAIN;
}

void smtp_reply_line(const struct smtp_reply *reply, char *out, size_t length)
{
	snprintf(out, length, "%d %s", reply->code, reply->text);
	for (char *at = out; *at != '\0'; at++)
		if (*at == '\n')
			*at = ' ';
}
