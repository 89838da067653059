/* What rxfer explain prints, against tests/golden/explain-NAME.json and .txt. RXFER_GOLDEN_WRITE=1 writes the texts anew:
 * look at the difference before you keep it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/file.h"
#include "ctl/explain.h"
#include "ctl/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void path_of(const char *name, const char *suffix, char out[512])
{
	const char *srcdir = getenv("srcdir");

	snprintf(out, 512, "%s/tests/golden/explain-%s.%s", srcdir != NULL ? srcdir : ".", name, suffix);
}

static json_t *load(const char *name)
{
	char path[512];
	json_error_t error;

	path_of(name, "json", path);
	json_t *answer = json_load_file(path, 0, &error);
	if (answer == NULL)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	return answer;
}

static void check(const char *name, int status)
{
	json_t *answer = load(name);
	struct buf text = { 0 };
	struct buf golden = { 0 };
	struct why why;
	char path[512];

	assert_int_equal(explain_status(answer), status);
	explain_format(answer, &text);
	path_of(name, "txt", path);
	if (getenv("RXFER_GOLDEN_WRITE") != NULL)
		assert_int_equal(file_replace(path, 0644, text.data, text.length, &why), RC_OK);
	assert_int_equal(file_read(path, 1 << 20, &golden, &why), RC_OK);
	if (strcmp(buf_text(&text), buf_text(&golden)) != 0)
		fail_msg("%s: wanted\n%s\ngot\n%s", name, buf_text(&golden), buf_text(&text));
	for (const char *at = buf_text(&text); *at != '\0'; at++)
		assert_true((unsigned char)*at >= 0x20 || *at == '\n');
	for (char *line = strtok((char *)text.data, "\n"); line != NULL; line = strtok(NULL, "\n"))
		assert_true(text_width(line) <= 100 || strcmp(name, "hostile") == 0);
	buf_free(&text);
	buf_free(&golden);
	json_decref(answer);
}

static void test_golden(void **state)
{
	(void)state;
	check("accepted", 0);
	check("held", 0);
	check("replica", 0);
	check("refused", 1);
	check("foreign", 1);
	check("two-zones", 1);
	check("first", 2);
	check("replica-empty", 2);
	check("hostile", 2);
	check("nothing", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
