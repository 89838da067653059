/* Any bytes as an alias file: parsed to the end, with keys and places that can be. */
#include "master/read.h"

#include <stdlib.h>
#include <string.h>

struct seen {
	size_t size;
	uint64_t lines;          /* in the input */
	uint64_t last;           /* told */
};

static void check_line(struct seen *seen, uint64_t line)
{
	if (line <= seen->last || line > seen->lines)
		abort();
	seen->last = line;
}

static void on_key(void *context, const void *key, size_t length, uint64_t line)
{
	check_line(context, line);
	struct seen *seen = context;
	if (length == 0 || length > 2 * seen->size || memchr(key, '\0', length) || memchr(key, '\n', length))
		abort();
}

static void on_ignored(void *context, uint64_t line, const char *reason)
{
	check_line(context, line);
	if (reason[0] == '\0')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = {.size = size, .lines = 1};
	for (size_t i = 0; i < size; i++)
		seen.lines += data[i] == '\n';
	struct read_sink sink = {.key = on_key, .ignored = on_ignored, .context = &seen};
	read_alias(data, size, true, &sink);
	seen.last = 0;
	read_alias(data, size, false, &sink);
	return 0;
}
