/* source_scene.h: one source and what it tells, for the tests of source.c: real files, commands, and helper processes
 * (the test program started again with --read, which scene_main sees to). */
#ifndef TESTS_SOURCE_SCENE_H
#define TESTS_SOURCE_SCENE_H

#include "common/mem.h"
#include "master/source.h"
#include "tests/unit/index_fixture.h"

#define DEADLINE_MS 20000

extern struct loop *loop;
extern struct mono stopped;                  /* the time, after stop_clock */
extern const uint8_t key[RECORD_HASH_KEY_BYTES], other_key[RECORD_HASH_KEY_BYTES];

/* What one source has told. */
struct heard {
	struct source *source;
	struct source_spec spec;
	int readings;
	int changes;
	struct reading *newest;
	bool free_it;
};

void begin(struct heard *heard, enum source_kind kind, const char *text);
void start(struct heard *heard);
struct source_events events_of(struct heard *heard);
void end(struct heard *heard);
bool has(const struct heard *heard, const char *text);

void stop_clock(void);                       /* it moves only when it's told to; clock_use(NULL) makes it go again */
void turn(void);                             /* whatever the kernel has to tell is heard, whatever is due is done */
void turn_until(struct heard *heard, bool (*done)(const struct heard *heard, int number), int number);
bool read_times(const struct heard *heard, int number);
bool at_rest(const struct heard *heard, int number);
bool has_failed(const struct heard *heard, int number);
void until_error(struct heard *heard, const char *part);

void put(const char *path, const char *text);
void put_by_rename(const char *path, const char *text);

/* The test program's main. */
struct scene_tests {
	const struct CMUnitTest *at;
	size_t count;
	CMFixtureFunction set_up, tear_down;
};
int scene_main(int argc, char **argv, const struct scene_tests *tests);

#endif
