/* buf.h: a growing byte buffer, and a cursor that can't read beyond its end. Numbers are big-endian. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Plain data. A zeroed struct is an empty buffer; buf_free leaves one behind. */
struct buf {
	uint8_t *data;
	size_t length;
	size_t capacity;
};

void buf_free(struct buf *buf);
void buf_clear(struct buf *buf);                       /* length 0, memory kept */
void buf_reserve(struct buf *buf, size_t more);        /* room for that many bytes beyond length */
void buf_put(struct buf *buf, const void *data, size_t length);
void buf_put_u8(struct buf *buf, uint8_t value);
void buf_put_u16(struct buf *buf, uint16_t value);
void buf_put_u32(struct buf *buf, uint32_t value);
void buf_put_u64(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_consume(struct buf *buf, size_t length);      /* drops bytes from the front */
const char *buf_text(struct buf *buf);                 /* NUL-terminated (the NUL isn't counted in length) */

/* Reads from memory that somebody else owns. A read beyond the end returns zero (or NULL) and sets `failed`, which
 * stays set: a decoder reads all its fields and looks once. */
struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

struct cursor cursor_over(const void *data, size_t length);
size_t cursor_left(const struct cursor *cursor);
bool cursor_done(const struct cursor *cursor);         /* nothing failed, nothing left over */
uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
const uint8_t *cursor_take(struct cursor *cursor, size_t length);          /* a view into the input, or NULL */
void cursor_copy(struct cursor *cursor, void *out, size_t length);         /* zeroes when it fails */

#endif
