/* zone_scene.h: a zone with two sources, for the tests of zone.c: real processes, store and journal.
 *
 * Sources are commands that print a file, so that a test decides what they say and whether they fail. A test turns the
 * loop until no source is being read. */
#ifndef TESTS_ZONE_SCENE_H
#define TESTS_ZONE_SCENE_H

#include "common/file.h"
#include "common/mem.h"
#include "master/read.h"
#include "master/zone.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCENE_SOURCES 2
#define SCENE_DEADLINE_MS 20000

struct scene {
	char folder[200];
	char *zone_folder;
	struct identity *identity;
	struct loop *loop;
	struct keys_filter filter;
	struct source_spec sources[SCENE_SOURCES];
	char *texts[SCENE_SOURCES];
	struct zone_spec spec;
	struct zone *zone;
	unsigned changesets;
	unsigned announcements;
	unsigned fatals;
	struct soa soa;                  /* of the newest event */
	uint32_t operations;             /* of the newest changeset */
	const char *crash_to;            /* copy the folder there when a changeset is told */
};

/* Runs a command, which must succeed. */
void scene_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct scene *scene_new(void);                 /* nothing is written yet, nothing opened */
void scene_free(struct scene *scene);
void scene_write(struct scene *scene, int index, const char *text);      /* what a source lists, put in place whole */
void scene_break(struct scene *scene, int index);                        /* it can't be read any more */
/* "first" with 20 addresses a0..a19, "second" with b0, b1: serial 1 in all but a few tests. */
void scene_write_usual(struct scene *scene);
struct scene *scene_usual(void);               /* written, opened, published */
/* The source reads the file itself, as a postmap text of addresses, instead of running a command. */
void scene_use_text(struct scene *scene, int index);

void scene_begin(struct scene *scene);         /* opens the zone */
void scene_open(struct scene *scene);          /* and settles */
void scene_restart(struct scene *scene);
void scene_refresh(struct scene *scene);
void scene_settle(struct scene *scene);        /* until nothing is being read and nothing is put off any more */
void scene_turn(struct scene *scene);          /* whatever is there to be heard is heard, whatever is due is done */

bool scene_has(const struct scene *scene, const char *address);
bool scene_has_domain(const struct scene *scene, const char *domain);
uint64_t scene_serial(const struct scene *scene);
struct zone_status scene_status(const struct scene *scene);

#define assert_health(scene, expected, words) do { \
	struct zone_status now = scene_status(scene); \
	if (now.health != (expected) || !strstr(now.reason, words)) \
		fail_msg("health %d, \"%s\"; expected %d, \"%s\"", (int)now.health, now.reason, (int)(expected), words); \
} while (0)

#endif
