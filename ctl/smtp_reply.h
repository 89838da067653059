/* smtp_reply.h: what an SMTP server says, taken apart as it comes. Pure; whoever is at the other end may be hostile. */
#ifndef CTL_SMTP_REPLY_H
#define CTL_SMTP_REPLY_H

#include "common/why.h"

#include <stddef.h>

#define SMTP_REPLY_LINE_MAX 4096      /* RFC 5321 (4.5.3.1.5) has 512; servers with long explanations there are */
#define SMTP_REPLY_LINES_MAX 200
#define SMTP_REPLY_TEXT_MAX 2000      /* what is kept of the text, in bytes */

/* Plain data. */
struct smtp_reply {
	int code;                                 /* 200 to 599 */
	/* Lines without their codes, LF between them, cut when longer; not cleaned. */
	char text[SMTP_REPLY_TEXT_MAX + 1];
};

/* Plain data; zeroed it is ready for a reply, and after a whole one for the next. */
struct smtp_reply_reader {
	struct smtp_reply reply;
	size_t text_length;
	size_t lines;
	char line[SMTP_REPLY_LINE_MAX];
	size_t line_length;
};

/* Takes bytes up to the end of a reply; *taken says how many. RC_OK: reader->reply is whole. RC_AGAIN: all was taken,
 * and more is wanted (why isn't set). RC_INVALID: not SMTP (a line without a code, a NUL, codes that differ within a
 * reply); RC_LIMIT: a line or a reply too long; after these two the reader is of no more use. RFC 5321, 4.2. */
enum rc smtp_reply_read(struct smtp_reply_reader *reader, const void *data, size_t length, size_t *taken,
                        struct why *why);

/* The reply in one line: "550 5.1.1 unknown user", at most length bytes with the NUL; not cleaned. */
void smtp_reply_line(const struct smtp_reply *reply, char *out, size_t length);

#endif
