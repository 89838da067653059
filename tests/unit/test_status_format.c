/* What rxfer status prints, against tests/golden/status-NAME.json and .txt. RXFER_GOLDEN_WRITE=1 writes the texts anew:
 * look at the difference before you keep it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/file.h"
#include "ctl/status_format.h"
#include "ctl/table.h"
#include "ctl/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct terminal plain_terminal = { .columns = TERMINAL_COLUMNS };
static const struct terminal colour_terminal = { .columns = TERMINAL_COLUMNS, .colour = true };

static void path_of(const char *name, const char *suffix, char out[512])
{
	const char *srcdir = getenv("srcdir");

	snprintf(out, 512, "%s/tests/golden/status-%s.%s", srcdir != NULL ? srcdir : ".", name, suffix);
}

static json_t *load(const char *name)
{
	char path[512];
	json_error_t error;

	path_of(name, "json", path);
	json_t *status = json_load_file(path, 0, &error);
	if (status == NULL)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	return status;
}

/* No line is wider, but for what is there to be copied. */
static void check_widths(const char *text, size_t columns)
{
	for (const char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		struct buf line = { 0 };
		buf_put(&line, at, (size_t)(end - at));
		if (text_width(buf_text(&line)) > columns && strstr(buf_text(&line), "rxfer1:") == NULL &&
		    strstr(buf_text(&line), "_maps = ") == NULL && strstr(buf_text(&line), "relay_domains = ") == NULL)
			fail_msg("wider than %zu: %s", columns, buf_text(&line));
		buf_free(&line);
	}
}

/* suffix: of the golden text */
static void check_at(const json_t *status, const char *name, const char *suffix, const struct terminal *terminal)
{
	struct buf text = { 0 };
	struct buf golden = { 0 };
	struct why why;
	char path[512];

	status_format(status, terminal, &text);
	path_of(name, suffix, path);
	if (getenv("RXFER_GOLDEN_WRITE") != NULL)
		assert_int_equal(file_replace(path, 0644, text.data, text.length, &why), RC_OK);
	assert_int_equal(file_read(path, 1 << 20, &golden, &why), RC_OK);
	if (strcmp(buf_text(&text), buf_text(&golden)) != 0)
		fail_msg("%s: wanted\n%s\ngot\n%s", name, buf_text(&golden), buf_text(&text));
	check_widths(buf_text(&text), terminal->columns);
	buf_free(&text);
	buf_free(&golden);
}

static void check(const char *name, enum verdict verdict)
{
	json_t *status = load(name);

	assert_int_equal(status_format_verdict(status), verdict);
	check_at(status, name, "txt", &plain_terminal);
	json_decref(status);
}

static void test_golden(void **state)
{
	(void)state;
	check("master-healthy", VERDICT_OK);
	check("master-two-zones", VERDICT_OK);
	check("master-sick-source", VERDICT_WARNING);
	check("master-held-deletions", VERDICT_CRITICAL);
	check("master-lost-replica", VERDICT_WARNING);
	check("master-next-key", VERDICT_WARNING);
	check("replica-new-key", VERDICT_OK);
	check("replica-fresh", VERDICT_OK);
	check("replica-empty", VERDICT_CRITICAL);
	check("replica-expired", VERDICT_CRITICAL);
	check("replica-wrong-key", VERDICT_WARNING);
	check("replica-postfix", VERDICT_WARNING);
	check("replica-postfix-broken", VERDICT_WARNING);
	check("replica-postfix-well", VERDICT_OK);
	check("replica-postfix-hostile", VERDICT_WARNING);
	check("hostile", VERDICT_UNKNOWN);
	check("nothing", VERDICT_UNKNOWN);
}

static void test_widths(void **state)
{
	(void)state;
	static const struct terminal narrow = { .columns = 60 }, wide = { .columns = 160 };
	static const char *const names[] = { "master-two-zones", "replica-expired" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		json_t *status = load(names[i]);
		check_at(status, names[i], "60.txt", &narrow);
		check_at(status, names[i], "160.txt", &wide);
		for (size_t columns = TERMINAL_COLUMNS_MIN; columns <= TERMINAL_COLUMNS_MAX; columns++) {
			const struct terminal terminal = { .columns = columns };
			struct buf text = { 0 };
			status_format(status, &terminal, &text);
			check_widths(buf_text(&text), columns);
			buf_free(&text);
		}
		json_decref(status);
	}
}

/* Colour changes nothing but colour. */
static void test_colour(void **state)
{
	(void)state;
	json_t *status = load("master-lost-replica");
	struct buf plain = { 0 };
	struct buf painted = { 0 };
	struct buf stripped = { 0 };

	status_format(status, &plain_terminal, &plain);
	status_format(status, &colour_terminal, &painted);
	assert_non_null(strstr(buf_text(&painted), "\033[33mWARNING\033[0m"));
	assert_non_null(strstr(buf_text(&painted), "\033[31mlost\033[0m"));
	assert_non_null(strstr(buf_text(&painted), "\033[32mok\033[0m"));
	for (const char *at = buf_text(&painted); *at != '\0'; at++) {
		if (*at == '\033')
			at = strchr(at, 'm');
		else
			buf_put_u8(&stripped, (uint8_t)*at);
	}
	assert_string_equal(buf_text(&stripped), buf_text(&plain));
	buf_free(&plain);
	buf_free(&painted);
	buf_free(&stripped);
	json_decref(status);
}

static void test_numbers_and_ages(void **state)
{
	(void)state;
	static const struct {
		int64_t number;
		const char *text;
	} numbers[] = {
		{ 0, "0" }, { 999, "999" }, { 1000, "1,000" }, { 1234567, "1,234,567" }, { -100, "-100" }, { -1000, "-1,000" },
		{ INT64_MAX, "9,223,372,036,854,775,807" }, { INT64_MIN, "-9,223,372,036,854,775,808" },
	};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		struct buf text = { 0 };
		text_put_number(&text, numbers[i].number);
		assert_string_equal(buf_text(&text), numbers[i].text);
		buf_free(&text);
	}

	static const struct {
		int64_t now, then;
		const char *text;
	} ages[] = {
		{ 100000, 97000, "3 s ago" }, { 100000, 99500, "just now" }, { 100000, 200000, "just now" },
		{ 100000, 0, "never" }, { 100000, -1, "never" }, { INT64_MIN, INT64_MAX, "just now" },
		{ 7500000, 300000, "2 h ago" },
	};
	for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
		struct buf text = { 0 };
		text_put_age(&text, ages[i].now, ages[i].then);
		assert_string_equal(buf_text(&text), ages[i].text);
		buf_free(&text);
	}
}

static void test_cleaning(void **state)
{
	(void)state;
	static const char dirty[] =
		"a\x1b[2Jb\n\x7f\xc2\x9b" "é\xff\xe2\x80\xae\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf\xe2\x82";
	struct buf text = { 0 };

	text_put(&text, dirty, sizeof dirty - 1);
	assert_string_equal(buf_text(&text), "a?[2Jb????é???????????????");
	buf_clear(&text);
	text_put(&text, "a\0b", 3);
	assert_string_equal(buf_text(&text), "a?b");
	buf_clear(&text);
	text_put_cut(&text, "ééééé", 4);
	assert_string_equal(buf_text(&text), "é...");
	buf_clear(&text);
	text_put_wrapped(&text, "one two three four", 2, 10);
	assert_string_equal(buf_text(&text), "one two\n  three\n  four");
	buf_free(&text);
}

static void test_too_many_rows(void **state)
{
	(void)state;
	static const struct table_column columns[] = { { .heading = "A" }, { .heading = "B", .right = true } };
	struct table *table = table_new(columns, 2, &plain_terminal);
	struct buf text = { 0 };
	size_t lines = 0;

	for (int i = 0; i < 1000; i++) {
		table_cell(table, "a");
		table_cell(table, "");
		table_note(table, "note %d", i);
	}
	table_finish(&table, &text);
	assert_null(table);
	for (const char *at = buf_text(&text); *at != '\0'; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 1 + 1 + 2 * TABLE_ROWS_MAX + 1);
	assert_non_null(strstr(buf_text(&text), "\n... and 500 more\n"));
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_numbers_and_ages),
		cmocka_unit_test(test_cleaning),
		cmocka_unit_test(test_too_many_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
