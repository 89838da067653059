/* list.c: `rxfer list`. The daemon sends its records in the order of its store, so as not to hold them all; sorting is
 * done here, where nobody waits for a mail server. */
#include "ctl/list.h"

#include "common/mem.h"
#include "ctl/daemon.h"
#include "ctl/text.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
	const char *text;
	size_t length;
};

static int compare(const void *a, const void *b)
{
	const struct line *x = a;
	const struct line *y = b;
	int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);

	return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

static size_t cut_lines(const char *answer, size_t length, struct line **out)
{
	const char *end = answer + length;
	struct line *lines = NULL;
	size_t count = 0, capacity = 0;

	for (const char *at = answer; at < end; ) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		if (stop == NULL)
			stop = end;
		if (count == capacity) {
			capacity = capacity * 2 + 64;
			lines = mem_realloc(lines, capacity, sizeof *lines);
		}
		lines[count++] = (struct line){ .text = at, .length = (size_t)(stop - at) };
		at = stop + 1;
	}
	*out = lines;
	return count;
}

/* "TYPE KEY" or "PARAM KEY VALUE": only a parameter has a value; a recipient's key may have spaces in it. */
static void put_object(const char *text, struct buf *out)
{
	size_t type = strcspn(text, " ");
	const char *key = text + type + (text[type] == ' ');
	size_t key_length = strlen(key);
	const char *value = NULL;

	if (type == 5 && memcmp(text, "PARAM", 5) == 0 && strchr(key, ' ') != NULL) {
		key_length = strcspn(key, " ");
		value = key + key_length + 1;
	}
	json_t *object = json_pack("{s:s%, s:s%}", "type", text, type, "key", key, key_length);
	if (value != NULL)
		json_object_set_new(object, "value", json_string(value));
	char *dump = json_dumps(object, JSON_COMPACT);
	buf_printf(out, "%s", dump);
	free(dump);
	json_decref(object);
}

void list_format(const char *answer, size_t length, bool json, struct buf *out)
{
	struct buf clean = { 0 };
	struct line *lines;
	size_t count = cut_lines(answer, length, &lines);

	if (count > 0)
		qsort(lines, count, sizeof *lines, compare);
	if (json)
		buf_put(out, "[", 1);
	for (size_t i = 0; i < count; i++) {
		buf_clear(&clean);
		text_put(&clean, lines[i].text, lines[i].length);
		if (json) {
			buf_printf(out, "%s\n", i > 0 ? "," : "");
			put_object(buf_text(&clean), out);
		} else {
			buf_printf(out, "%s\n", buf_text(&clean));
		}
	}
	if (json)
		buf_printf(out, "\n]\n");
	buf_free(&clean);
	free(lines);
}

int list_main(const struct options *options)
{
	struct buf answer = { 0 };
	struct buf out = { 0 };
	struct why why;
	int status = 0;

	if (daemon_ask(options, "list", OPTIONS_TIMEOUT_MS, &answer, &why) == RC_OK) {
		list_format((const char *)answer.data, answer.length, options->json, &out);
		if (fwrite(out.data, 1, out.length, stdout) != out.length || fflush(stdout) != 0) {
			fprintf(stderr, "rxfer list: standard output: %s\n", strerror(errno));
			status = 1;
		}
	} else {
		fprintf(stderr, "rxfer list: %s\n", why.text);
		status = 1;
	}
	buf_free(&answer);
	buf_free(&out);
	return status;
}
