/* why.c: builds the sentence that goes with an error code.
 *
 * Parts of a sentence come from input that nobody has checked (a line of a map, a peer's word), and it ends up on
 * terminals, in logs and in JSON. So it's cleaned here, once, and not by each of its readers. */
#include "common/why.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* How many bytes of continuation a UTF-8 lead byte asks for, and the bounds of the first of them, which exclude
 * overlong forms, surrogates, code points beyond U+10FFFF (RFC 3629, section 4) and the control characters U+0080 to
 * U+009F. */
struct lead {
	unsigned char from, to;
	size_t more;
	unsigned char low, high;
};

static const struct lead leads[] = {
	{0xc2, 0xc2, 1, 0xa0, 0xbf}, {0xc3, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
	{0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
	{0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

/* Length of the printable character that text begins with, 0 when it isn't one. The NUL at the end stops it. */
static size_t printable(const unsigned char *text)
{
	if (text[0] < 0x80)
		return text[0] >= 0x20 && text[0] != 0x7f;
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
		if (text[0] < leads[i].from || text[0] > leads[i].to)
			continue;
		if (text[1] < leads[i].low || text[1] > leads[i].high)
			return 0;
		for (size_t j = 2; j <= leads[i].more; j++)
			if ((text[j] & 0xc0) != 0x80)
				return 0;
		return leads[i].more + 1;
	}
	return 0;
}

void why_clean(char *text)
{
	unsigned char *at = (unsigned char *)text;
	while (*at) {
		size_t length = printable(at);
		if (length == 0) {
			*at = '?';
			length = 1;
		}
		at += length;
	}
}

static void settle(char text[WHY_MAX], int length)
{
	static const char dots[] = "...";
	bool cut = length >= WHY_MAX;
	if (cut)
		memcpy(text + WHY_MAX - sizeof(dots), dots, sizeof(dots));
	why_clean(text);
}

enum rc why_set(struct why *why, enum rc rc, const char *format, ...)
{
	if (!why)
		return rc;
	char text[WHY_MAX];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	settle(text, length);
	memcpy(why->text, text, sizeof(text));
	return rc;
}

enum rc why_prepend(struct why *why, enum rc rc, const char *format, ...)
{
	if (!why)
		return rc;
	char context[WHY_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(context, sizeof(context), format, args);
	va_end(args);
	return why_set(why, rc, "%s: %s", context, why->text);
}
