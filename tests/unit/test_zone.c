/* test_zone.c: what would make a valid address be refused: each way in, played with real sources, store and journal.
 *
 * Sources are commands that print a file, so that a test decides what they say and whether they fail. A test turns the
 * loop until no source is being read. A crash is a copy of the folder, made at the worst moment and opened instead. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/file.h"
#include "common/mem.h"
#include "master/read.h"
#include "master/zone.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCES 2
#define DEADLINE_MS 20000

struct scene {
	char folder[200];
	char *zone_folder;
	struct identity *identity;
	struct loop *loop;
	struct keys_filter filter;
	struct source_spec sources[SOURCES];
	char *texts[SOURCES];
	struct zone_spec spec;
	struct zone *zone;
	unsigned changesets;
	unsigned announcements;
	unsigned fatals;
	struct soa soa;                  /* of the newest event */
	uint32_t operations;             /* of the newest changeset */
	const char *crash_to;            /* copy the folder there when a changeset is told */
};

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void shell(const char *format, ...)
{
	char command[1000];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(command, sizeof command, format, arguments);
	va_end(arguments);
	assert_int_equal(system(command), 0);
}

static void on_changeset(void *context, struct zone *zone, const struct soa *soa, const void *data, size_t length)
{
	struct scene *scene = context;
	struct changeset changeset;
	struct soa now;
	assert_int_equal(changeset_decode(data, length, &changeset, NULL), RC_OK);
	assert_true(soa_verify(&changeset.soa, identity_public(scene->identity)));
	assert_true(zone_soa(zone, &now) && now.serial == soa->serial && now.kind == SOA_PLAIN);
	assert_true(soa_verify(&now, identity_public(scene->identity)));
	scene->operations = changeset.count;
	changeset_free(&changeset);
	assert_true(soa->time.ms > scene->soa.time.ms);
	scene->changesets++;
	scene->soa = *soa;
	if (scene->crash_to)
		shell("cp -r %s %s", scene->zone_folder, scene->crash_to);
}

static void on_announcement(void *context, struct zone *zone, const struct soa *soa)
{
	struct scene *scene = context;
	(void)zone;
	assert_int_equal(soa->kind, SOA_PLAIN);
	assert_true(soa_verify(soa, identity_public(scene->identity)));
	assert_true(soa->time.ms > scene->soa.time.ms);
	scene->announcements++;
	scene->soa = *soa;
}

static void on_fatal(void *context, struct zone *zone, const char *reason)
{
	struct scene *scene = context;
	(void)zone;
	(void)reason;
	scene->fatals++;
}

static void write_source(struct scene *scene, int index, const char *text)
{
	char path[300];
	struct why why;
	(void)snprintf(path, sizeof path, "%s/source%d", scene->folder, index);
	assert_int_equal(file_replace(path, 0600, text, strlen(text), &why), RC_OK);
}

static void break_source(struct scene *scene, int index)
{
	char path[300];
	(void)snprintf(path, sizeof path, "%s/source%d", scene->folder, index);
	assert_int_equal(unlink(path), 0);
}

static struct scene *scene_new(void)
{
	struct scene *scene = mem_zalloc(sizeof *scene);
	const char *tmp = getenv("TMPDIR");
	struct why why;
	identity_init();
	(void)snprintf(scene->folder, sizeof scene->folder, "%s/test_zone.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(scene->folder));
	char path[300];
	(void)snprintf(path, sizeof path, "%s/identity", scene->folder);
	assert_int_equal(identity_generate(path, &why), RC_OK);
	assert_int_equal(identity_load(path, &scene->identity, &why), RC_OK);
	scene->zone_folder = mem_sprintf("%s/zone", scene->folder);
	scene->loop = loop_new();
	scene->filter.smtputf8 = true;
	for (int i = 0; i < SOURCES; i++) {
		scene->texts[i] = mem_sprintf("cat %s/source%d", scene->folder, i);
		scene->sources[i] = (struct source_spec){
			.name = i == 0 ? "first" : "second", .kind = SOURCE_COMMAND, .text = scene->texts[i], .interval_ms = 86400000,
			.timeout_ms = 10000, .rule.filter = &scene->filter,
		};
	}
	scene->spec = (struct zone_spec){
		.name = "example", .folder = scene->zone_folder, .sources = scene->sources, .source_count = SOURCES,
		.refresh_s = 3600, .retry_s = 15, .expire_s = 604800, .max_shrink_percent = 10, .min_shrink = 3,
	};
	return scene;
}

/* Until nothing is being read and nothing is put off any more. */
static void settle(struct scene *scene)
{
	struct mono begin = clock_mono();
	struct why why;
	unsigned quiet = 0;
	while (quiet < 3) {
		bool busy = false;
		for (size_t i = 0; i < zone_source_count(scene->zone); i++)
			busy = busy || source_status(zone_source(scene->zone, i)).reading;
		quiet = busy ? 0 : quiet + 1;
		assert_int_equal(loop_turn(scene->loop, busy ? 1000 : 0, &why), RC_OK);
		assert_true(mono_since(begin) < DEADLINE_MS);
	}
}

static void open_zone(struct scene *scene)
{
	const struct zone_events events = {on_changeset, on_announcement, on_fatal, scene};
	struct why why;
	if (zone_open(scene->loop, &scene->spec, scene->identity, &events, &scene->zone, &why) != RC_OK)
		fail_msg("%s", why.text);
	settle(scene);
}

static void restart(struct scene *scene)
{
	zone_close(&scene->zone);
	open_zone(scene);
}

static void refresh(struct scene *scene)
{
	zone_refresh(scene->zone);
	settle(scene);
}

static void scene_free(struct scene *scene)
{
	zone_close(&scene->zone);
	loop_free(scene->loop);
	identity_free(&scene->identity);
	shell("rm -rf %s", scene->folder);
	free(scene->zone_folder);
	for (int i = 0; i < SOURCES; i++)
		free(scene->texts[i]);
	free(scene);
}

/* "first" with 20 addresses a0..a19, "second" with b0, b1: serial 1 in all but a few tests. */
static void write_usual(struct scene *scene)
{
	struct buf text = {0};
	for (int i = 0; i < 20; i++)
		buf_printf(&text, "a%d@example.com\n", i);
	write_source(scene, 0, buf_text(&text));
	buf_free(&text);
	write_source(scene, 1, "b0@example.com\nb1@example.com\n");
}

static struct scene *usual_scene(void)
{
	struct scene *scene = scene_new();
	write_usual(scene);
	open_zone(scene);
	assert_true(zone_published(scene->zone));
	return scene;
}

static bool has(const struct scene *scene, const char *address)
{
	struct record record = record_make(RECORD_RCPT, address, strlen(address));
	struct zonedb *db = zone_db(scene->zone);
	struct fingerprint print = record_fingerprint(zonedb_meta(db)->epoch.id, &record);
	struct buf scratch = {0};
	enum rc rc = zonedb_get(db, &print, &scratch, NULL, NULL);
	buf_free(&scratch);
	return rc == RC_OK;
}

static uint64_t serial(const struct scene *scene)
{
	struct soa soa;
	assert_true(zone_soa(scene->zone, &soa));
	return soa.serial;
}

static struct zone_status status(const struct scene *scene)
{
	struct zone_status status;
	zone_status(scene->zone, &status);
	return status;
}

#define assert_health(scene, expected, words) do { \
	struct zone_status now = status(scene); \
	if (now.health != (expected) || !strstr(now.reason, words)) \
		fail_msg("health %d, \"%s\"; expected %d, \"%s\"", (int)now.health, now.reason, (int)(expected), words); \
} while (0)

/* ---- The first publication ---- */

static void nothing_before_all_sources_are_read(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	write_source(scene, 0, "a@example.com\n");
	open_zone(scene);
	assert_false(zone_published(scene->zone));
	assert_int_equal(scene->announcements, 0);
	assert_health(scene, ZONE_CRITICAL, "source \"second\" can't be read");
	write_source(scene, 1, "b@example.com\n");
	refresh(scene);
	assert_true(zone_published(scene->zone));
	assert_int_equal(serial(scene), 1);
	assert_int_equal(scene->announcements, 1);
	assert_true(has(scene, "a@example.com") && has(scene, "b@example.com"));
	assert_health(scene, ZONE_OK, "");
	assert_int_equal(status(scene).recipients, 2);
	assert_int_equal(status(scene).domains, 1);
	scene_free(scene);
}

static void a_partial_first_reading_counts_for_nothing(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	write_source(scene, 0, "a@example.com\n");
	scene->spec.source_count = 1;
	free(scene->texts[0]);
	scene->sources[0].text = scene->texts[0] = mem_sprintf("echo x@example.com; cat %s/more", scene->folder);
	open_zone(scene);
	assert_false(zone_published(scene->zone));
	shell("echo y@example.com >%s/more", scene->folder);
	refresh(scene);
	assert_true(has(scene, "x@example.com") && has(scene, "y@example.com"));
	scene_free(scene);
}

static void an_empty_zone_is_never_published(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	write_source(scene, 0, "");
	write_source(scene, 1, "");
	open_zone(scene);
	assert_false(zone_published(scene->zone));
	assert_health(scene, ZONE_CRITICAL, "no recipient");
	write_source(scene, 1, "b@example.com\n");
	refresh(scene);
	assert_true(zone_published(scene->zone));
	assert_health(scene, ZONE_OK, "");
	scene_free(scene);
}

/* ---- Changes ---- */

static void additions_and_small_deletions_go_at_once(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	write_source(scene, 1, "b1@example.com\nb2@example.com\n");
	refresh(scene);
	/* Both sources are read: the deletion waits for the second to be heard, the addition doesn't. */
	assert_int_equal(serial(scene), 3);
	assert_int_equal(scene->changesets, 2);
	assert_int_equal(scene->operations, 1);
	assert_true(has(scene, "b2@example.com"));
	assert_false(has(scene, "b0@example.com"));
	refresh(scene);
	assert_int_equal(serial(scene), 3);
	scene_free(scene);
}

static void an_address_in_two_sources_stays_while_one_has_it(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	write_source(scene, 1, "b0@example.com\nb1@example.com\na0@example.com\n");
	refresh(scene);
	assert_int_equal(serial(scene), 1);
	shell("sed -i 1d %s/source0", scene->folder);
	refresh(scene);
	assert_int_equal(serial(scene), 1);
	assert_true(has(scene, "a0@example.com"));
	write_source(scene, 1, "b0@example.com\nb1@example.com\n");
	refresh(scene);
	assert_false(has(scene, "a0@example.com"));
	scene_free(scene);
}

static void a_failing_source_keeps_its_last_good_set(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	break_source(scene, 1);
	shell("sed -i 1d %s/source0; echo new@example.com >>%s/source0", scene->folder, scene->folder);
	refresh(scene);
	assert_true(has(scene, "b0@example.com") && has(scene, "new@example.com"));
	assert_false(has(scene, "a0@example.com"));
	assert_health(scene, ZONE_WARNING, "source \"second\" can't be read");
	scene_free(scene);
}

static void after_a_restart_deletions_wait_for_a_sick_source(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	zone_close(&scene->zone);
	break_source(scene, 1);
	shell("sed -i 1d %s/source0; echo new@example.com >>%s/source0", scene->folder, scene->folder);
	open_zone(scene);
	assert_true(has(scene, "new@example.com"));
	assert_true(has(scene, "a0@example.com") && has(scene, "b0@example.com") && has(scene, "b1@example.com"));
	uint64_t count;
	struct why why;
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_AGAIN);
	assert_non_null(strstr(why.text, "second"));
	write_source(scene, 1, "a0@example.com\nb1@example.com\n");
	refresh(scene);
	assert_true(has(scene, "a0@example.com"));
	assert_false(has(scene, "b0@example.com"));
	scene_free(scene);
}

static void many_additions_are_split(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	shell("seq -f 'm%%.0f@example.com' 1 60000 >>%s/source0", scene->folder);
	refresh(scene);
	assert_true(scene->changesets >= 2);
	assert_int_equal(serial(scene), 1 + scene->changesets);
	assert_int_equal(status(scene).recipients, 60022);
	assert_true(has(scene, "m60000@example.com"));
	scene_free(scene);
}

/* ---- The brake ---- */

static void hold_five(struct scene *scene)
{
	shell("sed -i 1,5d %s/source0; echo new@example.com >>%s/source0", scene->folder, scene->folder);
	refresh(scene);
}

static void a_large_deletion_is_held_until_approved(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	uint64_t count;
	struct why why;
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_NOT_FOUND);
	hold_five(scene);
	assert_true(has(scene, "new@example.com") && has(scene, "a0@example.com"));
	assert_int_equal(status(scene).held_deletions, 5);
	assert_health(scene, ZONE_WARNING, "rxfer approve example");
	/* One comes back, and another goes: what is held counts too. */
	shell("echo a0@example.com >>%s/source0", scene->folder);
	write_source(scene, 1, "b0@example.com\n");
	refresh(scene);
	assert_int_equal(status(scene).held_deletions, 5);
	assert_true(has(scene, "b1@example.com"));
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_OK);
	assert_int_equal(count, 5);
	assert_true(has(scene, "a0@example.com"));
	assert_false(has(scene, "a1@example.com"));
	assert_false(has(scene, "b1@example.com"));
	assert_health(scene, ZONE_OK, "");
	scene_free(scene);
}

static void held_deletions_are_off_when_the_source_recovers(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	hold_five(scene);
	write_usual(scene);
	refresh(scene);
	assert_int_equal(status(scene).held_deletions, 0);
	assert_true(has(scene, "a0@example.com"));
	assert_false(has(scene, "new@example.com"));
	scene_free(scene);
}

static void a_restart_releases_nothing(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	hold_five(scene);
	uint64_t before = serial(scene);
	scene->spec.max_shrink_percent = 100;      /* the limits may be raised meanwhile */
	restart(scene);
	assert_int_equal(status(scene).held_deletions, 5);
	assert_int_equal(serial(scene), before);
	restart(scene);
	assert_true(has(scene, "a0@example.com"));
	/* Nor does the loss of the file. */
	zone_close(&scene->zone);
	shell("rm %s/held", scene->zone_folder);
	open_zone(scene);
	assert_int_equal(status(scene).held_deletions, 5);
	zone_close(&scene->zone);
	shell("printf x >>%s/held", scene->zone_folder);
	open_zone(scene);
	assert_int_equal(status(scene).held_deletions, 5);
	assert_health(scene, ZONE_WARNING, "is lost");
	assert_int_equal(serial(scene), before);
	scene_free(scene);
}

static void an_emptied_source_is_held_however_small(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	write_source(scene, 1, "");
	refresh(scene);
	assert_true(has(scene, "b0@example.com"));
	assert_health(scene, ZONE_WARNING, "has none any more");
	write_usual(scene);
	refresh(scene);
	assert_int_equal(status(scene).held_deletions, 0);
	/* The same while the daemon is down. */
	zone_close(&scene->zone);
	write_source(scene, 1, "");
	open_zone(scene);
	assert_int_equal(status(scene).held_deletions, 2);
	assert_true(has(scene, "b0@example.com"));
	scene_free(scene);
}

/* Postmaster is always valid where aliases are, and no sign that there are any. */
static void an_emptied_alias_file_is_empty(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	static const char *const domains[] = {"example.com"};
	write_source(scene, 0, "root: a\ninfo: b\n");
	scene->spec.source_count = 1;
	free(scene->texts[0]);
	scene->texts[0] = mem_sprintf("%s/source0", scene->folder);
	scene->sources[0] = (struct source_spec){
		.name = "aliases", .kind = SOURCE_ALIASES, .text = scene->texts[0], .interval_ms = 86400000, .timeout_ms = 10000,
		.rule = {.filter = &scene->filter, .aliases = true, .domains = domains, .domain_count = 1},
	};
	open_zone(scene);
	assert_true(has(scene, "root@example.com") && has(scene, "postmaster@example.com"));
	write_source(scene, 0, "");
	refresh(scene);
	assert_true(has(scene, "root@example.com") && has(scene, "info@example.com"));
	assert_int_equal(status(scene).held_deletions, 2);
	scene_free(scene);
}

static void approval_never_empties_a_zone(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	uint64_t count;
	struct why why;
	write_source(scene, 0, "");
	write_source(scene, 1, "");
	refresh(scene);
	assert_int_equal(status(scene).recipients, 22);
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_REFUSED);
	assert_true(has(scene, "a0@example.com"));
	scene_free(scene);
}

/* ---- Crashes, damage, old copies ---- */

static void a_crash_after_the_commit_loses_nothing(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	char *copy = mem_sprintf("%s/copy", scene->folder);
	scene->crash_to = copy;
	write_source(scene, 1, "b0@example.com\nb1@example.com\nb2@example.com\n");
	refresh(scene);
	assert_int_equal(scene->changesets, 1);
	scene->crash_to = NULL;
	zone_close(&scene->zone);
	scene->spec.folder = copy;
	scene->announcements = 0;
	open_zone(scene);
	assert_int_equal(serial(scene), 2);
	assert_int_equal(scene->announcements, 1);
	assert_int_equal(scene->changesets, 1);
	assert_true(has(scene, "b2@example.com"));
	scene_free(scene);
	free(copy);
}

static void lost_records_are_made_anew_from_the_sources(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	struct soa before;
	struct soa after;
	hold_five(scene);
	assert_true(zone_soa(scene->zone, &before));
	zone_close(&scene->zone);
	shell("rm %s/records.tch*", scene->zone_folder);
	open_zone(scene);
	assert_true(zone_soa(scene->zone, &after));
	assert_true(epoch_equal(&before.epoch, &after.epoch));
	assert_true(before.serial == after.serial);
	assert_int_equal(status(scene).held_deletions, 5);
	assert_true(has(scene, "a0@example.com"));
	scene_free(scene);
}

static void lost_records_and_other_sources_are_a_new_epoch(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	struct soa before;
	struct soa after;
	assert_true(zone_soa(scene->zone, &before));
	zone_close(&scene->zone);
	shell("rm %s/records.tch*; echo new@example.com >>%s/source0", scene->zone_folder, scene->folder);
	open_zone(scene);
	assert_true(zone_soa(scene->zone, &after));
	assert_int_equal(soa_compare(&before, &after), SOA_LATER_EPOCH);
	assert_int_equal(after.serial, 1);
	assert_true(has(scene, "new@example.com") && has(scene, "b0@example.com"));
	/* The sources were told of the new key. */
	shell("echo newer@example.com >>%s/source0", scene->folder);
	refresh(scene);
	assert_true(has(scene, "newer@example.com"));
	assert_int_equal(serial(scene), 2);
	scene_free(scene);
}

static void lost_records_and_far_fewer_addresses_wait_for_approval(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	uint64_t count;
	struct why why;
	zone_close(&scene->zone);
	shell("rm %s/records.tch*; sed -i 1,10d %s/source0", scene->zone_folder, scene->folder);
	open_zone(scene);
	assert_false(zone_published(scene->zone));
	assert_health(scene, ZONE_CRITICAL, "rxfer approve example");
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_OK);
	assert_int_equal(count, 10);
	assert_true(zone_published(scene->zone));
	assert_false(has(scene, "a0@example.com"));
	assert_health(scene, ZONE_OK, "");
	scene_free(scene);
}

static void evidence_of_a_newer_history_begins_an_epoch_after_it(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	struct soa old;
	struct soa now;
	hold_five(scene);
	assert_true(zone_soa(scene->zone, &old));
	struct soa shown = old;
	shown.serial = shown.from = 77;
	soa_sign(&shown, scene->identity);
	zone_evidence(scene->zone, &old);
	settle(scene);
	assert_int_equal(serial(scene), old.serial);      /* no news */
	unsigned announcements = scene->announcements;
	zone_evidence(scene->zone, &shown);
	settle(scene);
	assert_true(zone_soa(scene->zone, &now));
	assert_int_equal(soa_compare(&shown, &now), SOA_LATER_EPOCH);
	assert_int_equal(now.serial, 1);
	assert_true(scene->announcements > announcements);
	assert_true(has(scene, "a0@example.com") && has(scene, "new@example.com") && has(scene, "b0@example.com"));
	assert_int_equal(status(scene).held_deletions, 5);
	zone_evidence(scene->zone, &shown);
	settle(scene);
	assert_int_equal(serial(scene), 1);
	shell("echo newer@example.com >>%s/source0", scene->folder);
	refresh(scene);
	assert_int_equal(serial(scene), 2);
	assert_true(has(scene, "newer@example.com"));
	restart(scene);
	assert_int_equal(status(scene).held_deletions, 5);
	scene_free(scene);
}

static void evidence_before_the_first_publication(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	write_source(scene, 0, "a@example.com\n");
	open_zone(scene);
	struct soa shown = {.zone = "example", .serial = 9, .from = 9};
	struct soa now;
	shown.epoch = epoch_begin(NULL);
	shown.epoch.began.ms += 1000000;
	zone_evidence(scene->zone, &shown);
	write_source(scene, 1, "b@example.com\n");
	settle(scene);
	refresh(scene);
	assert_true(zone_soa(scene->zone, &now));
	assert_int_equal(soa_compare(&shown, &now), SOA_LATER_EPOCH);
	assert_true(has(scene, "a@example.com") && has(scene, "b@example.com"));
	refresh(scene);
	assert_int_equal(now.serial, serial(scene));
	scene_free(scene);
}

static void another_identity_begins_an_epoch(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	struct soa before;
	struct soa now;
	struct why why;
	char path[300];
	assert_true(zone_soa(scene->zone, &before));
	zone_close(&scene->zone);
	identity_free(&scene->identity);
	(void)snprintf(path, sizeof path, "%s/other", scene->folder);
	assert_int_equal(identity_generate(path, &why), RC_OK);
	assert_int_equal(identity_load(path, &scene->identity, &why), RC_OK);
	open_zone(scene);
	assert_true(zone_soa(scene->zone, &now));
	assert_int_equal(soa_compare(&before, &now), SOA_LATER_EPOCH);
	assert_true(has(scene, "a0@example.com"));
	scene_free(scene);
}

static void a_full_disk_publishes_nothing_and_loses_nothing(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	char path[300];
	struct stat stat_of;
	struct rlimit before;
	(void)snprintf(path, sizeof path, "%s/journal", scene->zone_folder);
	assert_int_equal(stat(path, &stat_of), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	shell("echo new@example.com >>%s/source0; sed -i 1d %s/source0", scene->folder, scene->folder);
	(void)signal(SIGXFSZ, SIG_IGN);
	const struct rlimit full = {(rlim_t)stat_of.st_size, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	refresh(scene);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(scene->changesets, 0);
	assert_int_equal(serial(scene), 1);
	assert_health(scene, ZONE_CRITICAL, "nothing can be published");
	refresh(scene);
	assert_int_equal(scene->fatals, 0);
	assert_int_equal(serial(scene), 3);
	assert_true(has(scene, "new@example.com"));
	assert_false(has(scene, "a0@example.com"));
	assert_health(scene, ZONE_OK, "");
	scene_free(scene);
}

/* ---- Time ---- */

static struct wall set_back(void *context)
{
	return *(struct wall *)context;
}

static struct mono usual_mono(void *context)
{
	(void)context;
	struct timespec now;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (struct mono){(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000};
}

static void times_grow_when_the_clock_goes_back(void **state)
{
	(void)state;
	struct scene *scene = usual_scene();
	struct wall past = {1000000};
	const struct clock_source source = {usual_mono, set_back, &past};
	clock_use(&source);
	/* on_changeset and on_announcement look at the times. */
	write_source(scene, 1, "b0@example.com\nb1@example.com\nb2@example.com\n");
	refresh(scene);
	assert_int_equal(scene->changesets, 1);
	restart(scene);
	assert_int_equal(serial(scene), 2);
	clock_use(NULL);
	scene_free(scene);
}

static void announcements_are_dated_anew(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	struct mono begin = clock_mono();
	struct why why;
	write_usual(scene);
	scene->spec.refresh_s = 1;
	open_zone(scene);
	while (scene->announcements < 3) {
		assert_int_equal(loop_turn(scene->loop, 1000, &why), RC_OK);
		assert_true(mono_since(begin) < DEADLINE_MS);
	}
	assert_int_equal(serial(scene), 1);
	scene_free(scene);
}

int main(int argc, char **argv)
{
	/* Maps are read by this very program: see source.h. */
	if (argc == 3 && strcmp(argv[1], "--read") == 0)
		return read_main(argv[2]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_before_all_sources_are_read),
		cmocka_unit_test(a_partial_first_reading_counts_for_nothing),
		cmocka_unit_test(an_empty_zone_is_never_published),
		cmocka_unit_test(additions_and_small_deletions_go_at_once),
		cmocka_unit_test(an_address_in_two_sources_stays_while_one_has_it),
		cmocka_unit_test(a_failing_source_keeps_its_last_good_set),
		cmocka_unit_test(after_a_restart_deletions_wait_for_a_sick_source),
		cmocka_unit_test(many_additions_are_split),
		cmocka_unit_test(a_large_deletion_is_held_until_approved),
		cmocka_unit_test(held_deletions_are_off_when_the_source_recovers),
		cmocka_unit_test(a_restart_releases_nothing),
		cmocka_unit_test(an_emptied_source_is_held_however_small),
		cmocka_unit_test(an_emptied_alias_file_is_empty),
		cmocka_unit_test(approval_never_empties_a_zone),
		cmocka_unit_test(a_crash_after_the_commit_loses_nothing),
		cmocka_unit_test(lost_records_are_made_anew_from_the_sources),
		cmocka_unit_test(lost_records_and_other_sources_are_a_new_epoch),
		cmocka_unit_test(lost_records_and_far_fewer_addresses_wait_for_approval),
		cmocka_unit_test(evidence_of_a_newer_history_begins_an_epoch_after_it),
		cmocka_unit_test(evidence_before_the_first_publication),
		cmocka_unit_test(another_identity_begins_an_epoch),
		cmocka_unit_test(a_full_disk_publishes_nothing_and_loses_nothing),
		cmocka_unit_test(times_grow_when_the_clock_goes_back),
		cmocka_unit_test(announcements_are_dated_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
