/* text.c: words of a daemon made fit for a terminal.
 *
 * A daemon passes on names and sentences that came from files, peers and commands. An escape sequence among them could
 * rewrite what the administrator sees, so nothing reaches the terminal that wasn't looked at here. */
#include "ctl/text.h"

#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Length of the printable UTF-8 character at `at`, 0 when it is none: controls (C0, DEL, C1) and the marks that turn
 * the direction of writing (U+202A to U+202E, U+2066 to U+2069) are none. */
static size_t printable(const unsigned char *at, size_t left)
{
	uint32_t code;
	size_t length;

	if (at[0] < 0x80)
		return at[0] >= 0x20 && at[0] != 0x7f;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (length > left)
		return 0;
	code = at[0] & (0xffu >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3fu);
	}
	if ((length == 3 && code < 0x800) || (length == 4 && code < 0x10000) || code > 0x10ffff)
		return 0;
	if (code < 0xa0 || (code >= 0xd800 && code < 0xe000) || (code >= 0x202a && code <= 0x202e) ||
	    (code >= 0x2066 && code <= 0x2069))
		return 0;
	return length;
}

void text_put(struct buf *out, const char *text, size_t length)
{
	for (size_t at = 0; at < length; ) {
		size_t good = printable((const unsigned char *)text + at, length - at);
		if (good == 0)
			buf_put_u8(out, '?');
		else
			buf_put(out, text + at, good);
		at += good == 0 ? 1 : good;
	}
}

/* Bytes of the first `columns` characters of clean text. */
static size_t bytes_of(const char *text, size_t columns)
{
	size_t at = 0;

	while (text[at] != '\0') {
		if (((unsigned char)text[at] & 0xc0) != 0x80 && columns-- == 0)
			break;
		at++;
	}
	return at;
}

size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void text_put_cut(struct buf *out, const char *text, size_t columns)
{
	if (text_width(text) <= columns) {
		buf_put(out, text, strlen(text));
		return;
	}
	buf_put(out, text, bytes_of(text, columns - 3));
	buf_put(out, "...", 3);
}

void text_put_wrapped(struct buf *out, const char *text, size_t indent, size_t columns)
{
	size_t used = indent;

	for (bool first = true; *text != '\0'; first = false) {
		size_t length = strcspn(text, " ");
		char word[1024];

		snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), text);
		if (!first && used + 1 + text_width(word) > columns) {
			buf_printf(out, "\n%*s", (int)indent, "");
			used = indent;
		} else if (!first) {
			buf_put_u8(out, ' ');
			used++;
		}
		buf_put(out, text, length);
		used += text_width(word);
		text += length;
		text += *text == ' ';
	}
}

void text_put_number(struct buf *out, int64_t number)
{
	char digits[24];
	int length = snprintf(digits, sizeof digits, "%" PRId64, number);

	for (int i = 0; i < length; i++) {
		buf_put_u8(out, (uint8_t)digits[i]);
		if (digits[i] != '-' && i + 1 < length && (length - i - 1) % 3 == 0)
			buf_put_u8(out, ',');
	}
}

void text_put_age(struct buf *out, int64_t now, int64_t then)
{
	char duration[CLOCK_TEXT_MAX];
	int64_t age;

	if (then <= 0) {
		buf_put(out, "never", 5);
	} else if (__builtin_sub_overflow(now, then, &age) || age < 1000) {
		buf_put(out, "just now", 8);
	} else {
		clock_duration(age, duration);
		buf_printf(out, "%s ago", duration);
	}
}

enum paint text_paint(const char *word)
{
	static const struct {
		const char *word;
		enum paint paint;
	} paints[] = {
		{ "ok", PAINT_GREEN }, { "OK", PAINT_GREEN }, { "connected", PAINT_GREEN }, { "fresh", PAINT_GREEN },
		{ "warning", PAINT_YELLOW }, { "WARNING", PAINT_YELLOW }, { "stale", PAINT_YELLOW },
		{ "reading", PAINT_YELLOW }, { "waiting", PAINT_YELLOW }, { "connecting", PAINT_YELLOW },
		{ "never", PAINT_YELLOW }, { "empty", PAINT_YELLOW }, { "absent", PAINT_YELLOW },
		{ "critical", PAINT_RED }, { "CRITICAL", PAINT_RED }, { "UNKNOWN", PAINT_RED }, { "failed", PAINT_RED },
		{ "expired", PAINT_RED }, { "lost", PAINT_RED }, { "wrong-key", PAINT_RED }, { "refused", PAINT_RED },
		{ "version", PAINT_RED }, { "unreachable", PAINT_RED },
	};

	for (size_t i = 0; i < sizeof paints / sizeof paints[0]; i++)
		if (strcmp(paints[i].word, word) == 0)
			return paints[i].paint;
	return PAINT_NONE;
}

void text_put_painted(struct buf *out, const char *text, enum paint paint, bool colour)
{
	static const char *const codes[] = {
		[PAINT_GREEN] = "\033[32m", [PAINT_YELLOW] = "\033[33m", [PAINT_RED] = "\033[31m",
	};

	if (colour && paint != PAINT_NONE)
		buf_printf(out, "%s%s\033[0m", codes[paint], text);
	else
		buf_put(out, text, strlen(text));
}
