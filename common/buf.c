/* buf.c: the growing buffer and the bounded cursor that all codecs are written with.
 *
 * The cursor is the one place where a length from outside meets a pointer. A failed cursor stands at its end, so that
 * whatever is read after the first failure is zero as well and a decoder can't be led on by half a message. */
#include "common/buf.h"
#include "common/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

void buf_free(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
	buf->length = 0;
}

void buf_reserve(struct buf *buf, size_t more)
{
	size_t need;
	if (__builtin_add_overflow(buf->length, more, &need))
		mem_exhausted();
	if (need <= buf->capacity)
		return;
	/* Doubling keeps many small puts linear. */
	size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY;
	while (capacity < need)
		capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
	buf->data = mem_realloc(buf->data, capacity, 1);
	buf->capacity = capacity;
}

void buf_put(struct buf *buf, const void *data, size_t length)
{
	if (length == 0)
		return;
	buf_reserve(buf, length);
	memcpy(buf->data + buf->length, data, length);
	buf->length += length;
}

static void put_number(struct buf *buf, uint64_t value, size_t bytes)
{
	buf_reserve(buf, bytes);
	for (size_t i = bytes; i-- > 0; value >>= 8)
		buf->data[buf->length + i] = (uint8_t)value;
	buf->length += bytes;
}

void buf_put_u8(struct buf *buf, uint8_t value)
{
	put_number(buf, value, 1);
}

void buf_put_u16(struct buf *buf, uint16_t value)
{
	put_number(buf, value, 2);
}

void buf_put_u32(struct buf *buf, uint32_t value)
{
	put_number(buf, value, 4);
}

void buf_put_u64(struct buf *buf, uint64_t value)
{
	put_number(buf, value, 8);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	buf_reserve(buf, FIRST_CAPACITY);      /* enough for most, so that most are formatted once */
	for (;;) {
		size_t room = buf->capacity - buf->length;
		va_list args;
		va_start(args, format);
		int length = vsnprintf((char *)buf->data + buf->length, room, format, args);
		va_end(args);
		if (length < 0)
			mem_exhausted();
		if ((size_t)length < room) {
			buf->length += (size_t)length;
			return;
		}
		buf_reserve(buf, (size_t)length + 1);      /* with the NUL that vsnprintf writes behind */
	}
}

void buf_consume(struct buf *buf, size_t length)
{
	if (length >= buf->length) {
		buf->length = 0;
		return;
	}
	memmove(buf->data, buf->data + length, buf->length - length);
	buf->length -= length;
}

const char *buf_text(struct buf *buf)
{
	buf_reserve(buf, 1);
	buf->data[buf->length] = '\0';
	return (const char *)buf->data;
}

struct cursor cursor_over(const void *data, size_t length)
{
	/* No input may be NULL, and NULL + 0 is undefined before C23. */
	static const uint8_t nothing[1];
	const uint8_t *at = length ? data : nothing;
	return (struct cursor){.at = at, .end = at + length};
}

size_t cursor_left(const struct cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

bool cursor_done(const struct cursor *cursor)
{
	return !cursor->failed && cursor->at == cursor->end;
}

const uint8_t *cursor_take(struct cursor *cursor, size_t length)
{
	if (cursor->failed || length > cursor_left(cursor)) {
		cursor->failed = true;
		cursor->at = cursor->end;
		return NULL;
	}
	const uint8_t *view = cursor->at;
	cursor->at += length;
	return view;
}

static uint64_t take_number(struct cursor *cursor, size_t bytes)
{
	const uint8_t *view = cursor_take(cursor, bytes);
	uint64_t value = 0;
	for (size_t i = 0; view && i < bytes; i++)
		value = value << 8 | view[i];
	return value;
}

uint8_t cursor_u8(struct cursor *cursor)
{
	return (uint8_t)take_number(cursor, 1);
}

uint16_t cursor_u16(struct cursor *cursor)
{
	return (uint16_t)take_number(cursor, 2);
}

uint32_t cursor_u32(struct cursor *cursor)
{
	return (uint32_t)take_number(cursor, 4);
}

uint64_t cursor_u64(struct cursor *cursor)
{
	return take_number(cursor, 8);
}

void cursor_copy(struct cursor *cursor, void *out, size_t length)
{
	if (length == 0)
		return;
	const uint8_t *view = cursor_take(cursor, length);
	if (view)
		memcpy(out, view, length);
	else
		memset(out, 0, length);
}
