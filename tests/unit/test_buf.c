/* test_buf.c: the buffer keeps what was put, the cursor never goes beyond its end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/buf.h"

#include <stdlib.h>
#include <string.h>

static void numbers_are_big_endian(void **state)
{
	(void)state;
	static const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct buf buf = {0};
	buf_put_u8(&buf, 1);
	buf_put_u16(&buf, 0x0203);
	buf_put_u32(&buf, 0x04050607);
	buf_put_u64(&buf, 0x08090a0b0c0d0e0f);
	assert_int_equal(buf.length, sizeof(expected));
	assert_memory_equal(buf.data, expected, sizeof(expected));

	struct cursor in = cursor_over(buf.data, buf.length);
	assert_int_equal(cursor_u8(&in), 1);
	assert_int_equal(cursor_u16(&in), 0x0203);
	assert_int_equal(cursor_u32(&in), 0x04050607);
	assert_false(cursor_done(&in));
	assert_int_equal(cursor_left(&in), 8);
	assert_true(cursor_u64(&in) == 0x08090a0b0c0d0e0f);
	assert_true(cursor_done(&in));
	buf_free(&buf);
}

static void grows_and_consumes(void **state)
{
	(void)state;
	struct buf buf = {0};
	for (unsigned i = 0; i < 100000; i++)
		buf_put_u32(&buf, i);
	assert_int_equal(buf.length, 400000);
	buf_consume(&buf, 4 * 99998);
	buf_put(&buf, NULL, 0);
	struct cursor in = cursor_over(buf.data, buf.length);
	assert_int_equal(cursor_u32(&in), 99998);
	assert_int_equal(cursor_u32(&in), 99999);
	assert_true(cursor_done(&in));
	buf_consume(&buf, 0);
	assert_int_equal(buf.length, 8);
	buf_consume(&buf, 9);
	assert_int_equal(buf.length, 0);
	buf_free(&buf);
	assert_null(buf.data);
	buf_free(&buf);
}

static void prints(void **state)
{
	(void)state;
	struct buf buf = {0};
	assert_string_equal(buf_text(&buf), "");
	char *big = malloc(1001);
	memset(big, 'x', 1000);
	big[1000] = '\0';
	buf_printf(&buf, "%d-", 7);
	buf_printf(&buf, "%s", big);
	buf_printf(&buf, "%s", "");
	assert_int_equal(buf.length, 1002);
	assert_memory_equal(buf.data, "7-xxx", 5);
	assert_int_equal(strlen(buf_text(&buf)), 1002);
	assert_int_equal(buf.length, 1002);
	buf_clear(&buf);
	assert_string_equal(buf_text(&buf), "");
	buf_free(&buf);
	free(big);
}

/* Every read, at every length that is too short, from memory that ends exactly there (the sanitizer watches). */
static void never_reads_beyond(void **state)
{
	(void)state;
	for (size_t length = 0; length < 8; length++) {
		uint8_t *data = malloc(length ? length : 1);
		memset(data, 0xff, length);
		struct cursor in = cursor_over(length ? data : NULL, length);
		assert_true(cursor_u64(&in) == 0);
		assert_true(in.failed);
		assert_int_equal(cursor_left(&in), 0);
		assert_int_equal(cursor_u8(&in), 0);      /* though there was a byte: failed stays failed */
		assert_null(cursor_take(&in, 0));
		assert_false(cursor_done(&in));

		in = cursor_over(data, length);
		assert_null(cursor_take(&in, SIZE_MAX));
		assert_true(in.failed);

		uint8_t out[8];
		memset(out, 0xaa, sizeof(out));
		in = cursor_over(data, length);
		cursor_copy(&in, out, sizeof(out));
		assert_true(in.failed);
		assert_memory_equal(out, "\0\0\0\0\0\0\0\0", 8);
		free(data);
	}
	uint8_t byte = 5;
	struct cursor in = cursor_over(&byte, 1);
	assert_int_equal(cursor_u16(&in), 0);
	assert_true(in.failed);
	in = cursor_over(&byte, 1);
	assert_ptr_equal(cursor_take(&in, 1), &byte);
	assert_non_null(cursor_take(&in, 0));
	assert_true(cursor_done(&in));
	in = cursor_over(NULL, 0);
	assert_true(cursor_done(&in));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_big_endian),
		cmocka_unit_test(grows_and_consumes),
		cmocka_unit_test(prints),
		cmocka_unit_test(never_reads_beyond),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
