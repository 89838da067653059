/* What an SMTP server says, whole and byte by byte, kind and hostile. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ctl/smtp_reply.h"

#include <stdlib.h>
#include <string.h>

/* Feeds pieces of so many bytes. RC_AGAIN: it isn't whole after all of them. */
static enum rc feed(struct smtp_reply_reader *reader, const char *bytes, size_t length, size_t piece, size_t *used,
                    struct why *why)
{
	enum rc rc = RC_AGAIN;

	*used = 0;
	while (rc == RC_AGAIN && *used < length) {
		size_t taken = 0, size = length - *used < piece ? length - *used : piece;
		rc = smtp_reply_read(reader, bytes + *used, size, &taken, why);
		*used += taken;
	}
	return rc;
}

static void check_good(const char *bytes, int code, const char *text, size_t left)
{
	const size_t pieces[] = { 1, 2, 7, 10000 };

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct smtp_reply_reader *reader = calloc(1, sizeof *reader);
		size_t used;
		assert_int_equal(feed(reader, bytes, strlen(bytes), pieces[i], &used, NULL), RC_OK);
		assert_int_equal(reader->reply.code, code);
		assert_string_equal(reader->reply.text, text);
		assert_int_equal(strlen(bytes) - used, left);
		free(reader);
	}
}

static void check_bad(const char *bytes, size_t length, enum rc wanted, const char *word)
{
	struct smtp_reply_reader *reader = calloc(1, sizeof *reader);
	struct why why;
	size_t used;

	assert_int_equal(feed(reader, bytes, length, 100, &used, &why), wanted);
	assert_non_null(strstr(why.text, word));
	free(reader);
}

static void test_good(void **state)
{
	(void)state;
	check_good("250 Ok\r\n", 250, "Ok", 0);
	check_good("250\r\n", 250, "", 0);
	check_good("250 \r\n", 250, "", 0);
	check_good("220 a bare LF will do\n", 220, "a bare LF will do", 0);
	check_good("250-mx\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n", 250, "mx\nPIPELINING\nSMTPUTF8", 0);
	check_good("250-mx\r\n250\r\n", 250, "mx\n", 0);
	check_good("421 4.7.0 too many errors\r\n250 next", 421, "4.7.0 too many errors", 8);
	check_good("550 \xc3\xa9\x1b[2J\xff\r\n", 550, "\xc3\xa9\x1b[2J\xff", 0);
}

static void test_two_in_a_row(void **state)
{
	(void)state;
	struct smtp_reply_reader *reader = calloc(1, sizeof *reader);
	const char *bytes = "250-one\r\n250 two\r\n550 three\r\n";
	size_t used, more;

	assert_int_equal(feed(reader, bytes, strlen(bytes), 4, &used, NULL), RC_OK);
	assert_string_equal(reader->reply.text, "one\ntwo");
	assert_int_equal(feed(reader, bytes + used, strlen(bytes) - used, 4, &more, NULL), RC_OK);
	assert_int_equal(reader->reply.code, 550);
	assert_string_equal(reader->reply.text, "three");
	free(reader);
}

static void test_bad(void **state)
{
	(void)state;
	const char *bad[] = { "\r\n", "25\r\n", "hello\r\n", "250Ok\r\n", "150 a\r\n", "650 a\r\n", "2a0 a\r\n",
	                      "25\xff a\r\n", " 250 a\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request\r\n" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		check_bad(bad[i], strlen(bad[i]), RC_INVALID, "isn't a reply");
	check_bad("250-a\r\n550 b\r\n", 14, RC_INVALID, "250 and 550");
	check_bad("250 a\0b\r\n", 9, RC_INVALID, "NUL");
	check_bad("\0\0\0\r\n", 5, RC_INVALID, "NUL");
}

static void test_endless(void **state)
{
	(void)state;
	size_t length = (size_t)1 << 20;
	char *bytes = malloc(length);

	memset(bytes, 'x', length);
	check_bad(bytes, length, RC_LIMIT, "4096");
	for (size_t i = 0; i + 7 <= length; i += 7)
		memcpy(bytes + i, "250-a\r\n", 7);
	check_bad(bytes, length, RC_LIMIT, "200");
	free(bytes);
}

/* Long texts are cut, and the reader stays right. */
static void test_long(void **state)
{
	(void)state;
	struct smtp_reply_reader *reader = calloc(1, sizeof *reader);
	size_t length = 0, used;
	char bytes[7000];

	for (int i = 0; i < 3; i++) {
		memset(bytes + length, 'x', 2000);
		memcpy(bytes + length, i < 2 ? "250-" : "250 ", 4);
		memcpy(bytes + length + 2000, "\r\n", 2);
		length += 2002;
	}
	assert_int_equal(feed(reader, bytes, length, 512, &used, NULL), RC_OK);
	assert_int_equal(strlen(reader->reply.text), SMTP_REPLY_TEXT_MAX);
	assert_int_equal(feed(reader, "250 ok\r\n", 8, 8, &used, NULL), RC_OK);
	assert_string_equal(reader->reply.text, "ok");
	free(reader);
}

static void test_line(void **state)
{
	(void)state;
	struct smtp_reply reply = { .code = 550, .text = "5.1.1 a\nb" };
	char line[12];

	smtp_reply_line(&reply, line, sizeof line);
	assert_string_equal(line, "550 5.1.1 a");
	char longer[40];
	smtp_reply_line(&reply, longer, sizeof longer);
	assert_string_equal(longer, "550 5.1.1 a b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_two_in_a_row), cmocka_unit_test(test_bad),
		cmocka_unit_test(test_endless), cmocka_unit_test(test_long), cmocka_unit_test(test_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
