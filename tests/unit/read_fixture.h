/* read_fixture.h: for the tests of the text parsers: a sink that writes down what it's told, and golden files. */
#ifndef TESTS_READ_FIXTURE_H
#define TESTS_READ_FIXTURE_H

#include "common/file.h"
#include "common/mem.h"
#include "master/read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef void parser(const void *data, size_t length, bool utf8, const struct read_sink *sink);

static inline void note_key(void *context, const void *key, size_t length, uint64_t line)
{
	buf_printf(context, "%" PRIu64 " ", line);
	buf_put(context, key, length);
	buf_put(context, "\n", 1);
}

static inline void note_ignored(void *context, uint64_t line, const char *reason)
{
	buf_printf(context, "%" PRIu64 " passed over: %s\n", line, reason);
}

/* What the parser makes of the input, a line each: "LINE KEY" or "LINE passed over: REASON". */
static inline void parse_into(parser *parse, const void *data, size_t length, bool utf8, struct buf *out)
{
	/* A copy of exactly that size, so that a sanitizer sees a read beyond it. */
	char *copy = mem_alloc(length ? length : 1);
	if (length > 0)
		memcpy(copy, data, length);
	parse(copy, length, utf8, &(struct read_sink){.key = note_key, .ignored = note_ignored, .context = out});
	free(copy);
}

static inline void assert_parsed(parser *parse, const char *text, bool utf8, const char *expected)
{
	struct buf out = {0};
	parse_into(parse, text, strlen(text), utf8, &out);
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
}

/* tests/golden/NAME.in gives NAME.out. With RXFER_GOLDEN_PRINT set, prints instead of comparing. */
static inline void assert_golden(parser *parse, const char *name)
{
	const char *srcdir = getenv("srcdir");
	struct buf in = {0}, expected = {0}, out = {0};
	struct why why = {""};
	char *in_path = mem_sprintf("%s/tests/golden/%s.in", srcdir ? srcdir : ".", name);
	char *out_path = mem_sprintf("%s/tests/golden/%s.out", srcdir ? srcdir : ".", name);
	assert_int_equal(file_read(in_path, 1 << 20, &in, &why), RC_OK);
	parse_into(parse, in.data, in.length, true, &out);
	if (getenv("RXFER_GOLDEN_PRINT")) {
		(void)printf("== %s\n%s", name, buf_text(&out));
	} else {
		assert_int_equal(file_read(out_path, 1 << 20, &expected, &why), RC_OK);
		assert_string_equal(buf_text(&out), buf_text(&expected));
	}
	buf_free(&in);
	buf_free(&expected);
	buf_free(&out);
	free(in_path);
	free(out_path);
}

/* The whole input, cut off after each byte, in memory that ends there: nothing may be read beyond it. */
static inline void parse_all_prefixes(parser *parse, const char *text)
{
	for (size_t length = 0; length <= strlen(text); length++) {
		struct buf out = {0};
		parse_into(parse, text, length, true, &out);
		buf_free(&out);
	}
}

#endif
