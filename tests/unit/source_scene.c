/* source_scene.c: see source_scene.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/source_scene.h"

#include "master/read.h"

struct loop *loop;
struct mono stopped;
const uint8_t key[RECORD_HASH_KEY_BYTES] = {5}, other_key[RECORD_HASH_KEY_BYTES] = {6};
static const struct keys_filter everything = {.smtputf8 = true};
static const char *const domains[] = {"example.org"};

static void on_reading(void *context, struct source *source, struct reading **reading)
{
	struct heard *heard = context;
	heard->readings++;
	reading_free(&heard->newest);
	heard->newest = *reading;
	*reading = NULL;
	if (heard->free_it)
		source_free(&source);
}

static void on_changed(void *context, struct source *source)
{
	(void)source;
	struct heard *heard = context;
	heard->changes++;
}

void begin(struct heard *heard, enum source_kind kind, const char *text)
{
	*heard = (struct heard){0};
	heard->spec = (struct source_spec){
		.name = "test", .kind = kind, .text = text, .interval_ms = 60000, .timeout_ms = 20000, .settle_ms = 30,
		.rule = {.domains = domains, .domain_count = 1, .filter = &everything, .aliases = kind == SOURCE_ALIASES}};
}

struct source_events events_of(struct heard *heard)
{
	return (struct source_events){on_reading, on_changed, heard, NULL};
}

void start(struct heard *heard)
{
	struct source_events events = events_of(heard);
	struct why why = {""};
	if (source_new(loop, &heard->spec, key, &events, &heard->source, &why) != RC_OK)
		fail_msg("%s", why.text);
}

void end(struct heard *heard)
{
	source_free(&heard->source);
	reading_free(&heard->newest);
}

bool has(const struct heard *heard, const char *text)
{
	struct record record = record_make(RECORD_RCPT, text, strlen(text)), found;
	struct fingerprint print = record_fingerprint(key, &record);
	return heard->newest && reading_find(heard->newest, &print, &found);
}

static struct mono stopped_mono(void *context)
{
	(void)context;
	return stopped;
}

static struct wall true_wall(void *context)
{
	(void)context;
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (struct wall){now.tv_sec * 1000 + now.tv_nsec / 1000000};
}

void stop_clock(void)
{
	static const struct clock_source source = {stopped_mono, true_wall, NULL};
	stopped = clock_mono();
	clock_use(&source);
}

void turn(void)
{
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
}

void turn_until(struct heard *heard, bool (*done)(const struct heard *heard, int number), int number)
{
	time_t begun = time(NULL);
	while (!done(heard, number)) {
		if (time(NULL) - begun > DEADLINE_MS / 1000)
			fail_msg("nothing happens: %s", source_status(heard->source).error);
		assert_int_equal(loop_turn(loop, 200, NULL), RC_OK);
	}
}

bool read_times(const struct heard *heard, int number)
{
	return heard->readings >= number;
}

bool at_rest(const struct heard *heard, int number)
{
	(void)number;
	return !source_status(heard->source).reading;
}

bool has_failed(const struct heard *heard, int number)
{
	(void)number;
	return source_status(heard->source).state == SOURCE_FAILED && at_rest(heard, 0);
}

void put(const char *path, const char *text)
{
	index_write(path, text, strlen(text));
}

void put_by_rename(const char *path, const char *text)
{
	char *tmp = mem_sprintf("%s.tmp", path);
	put(tmp, text);
	assert_int_equal(rename(tmp, path), 0);
	free(tmp);
}

void until_error(struct heard *heard, const char *part)
{
	turn_until(heard, has_failed, 0);
	if (!strstr(source_status(heard->source).error, part))
		fail_msg("wanted \"%s\", got \"%s\"", part, source_status(heard->source).error);
}

int scene_main(int argc, char **argv, const struct scene_tests *tests)
{
	if (argc == 3 && strcmp(argv[1], "--read") == 0)
		return read_main(argv[2]);
	loop = loop_new();
	int failed = _cmocka_run_group_tests("source", tests->at, tests->count, tests->set_up, tests->tear_down);
	loop_free(loop);
	return failed;
}
