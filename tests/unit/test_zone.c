/* test_zone.c: what would make a valid address be refused: each way in, played with real sources, store and journal.
 *
 * A crash is a copy of the folder, made at the worst moment and opened instead. Sources that are doubtful, slow or sick
 * while others change are in test_zone_doubt.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/zone_scene.h"

#include <inttypes.h>

/* ---- The first publication ---- */

static void nothing_before_all_sources_are_read(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	scene_write(scene, 0, "a@example.com\n");
	scene_open(scene);
	assert_false(zone_published(scene->zone));
	assert_int_equal(scene->announcements, 0);
	assert_health(scene, ZONE_CRITICAL, "source \"second\" can't be read");
	scene_write(scene, 1, "b@example.com\n");
	scene_refresh(scene);
	assert_true(zone_published(scene->zone));
	assert_int_equal(scene_serial(scene), 1);
	assert_int_equal(scene->announcements, 1);
	assert_true(scene_has(scene, "a@example.com") && scene_has(scene, "b@example.com"));
	assert_health(scene, ZONE_OK, "");
	assert_int_equal(scene_status(scene).recipients, 2);
	assert_int_equal(scene_status(scene).domains, 1);
	scene_free(scene);
}

static void a_partial_first_reading_counts_for_nothing(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	scene_write(scene, 0, "a@example.com\n");
	scene->spec.source_count = 1;
	free(scene->texts[0]);
	scene->sources[0].text = scene->texts[0] = mem_sprintf("echo x@example.com; cat %s/more", scene->folder);
	scene_open(scene);
	assert_false(zone_published(scene->zone));
	scene_shell("echo y@example.com >%s/more", scene->folder);
	scene_refresh(scene);
	assert_true(scene_has(scene, "x@example.com") && scene_has(scene, "y@example.com"));
	scene_free(scene);
}

static void an_empty_zone_is_never_published(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	scene_write(scene, 0, "");
	scene_write(scene, 1, "");
	scene_open(scene);
	assert_false(zone_published(scene->zone));
	assert_health(scene, ZONE_CRITICAL, "no recipient");
	scene_write(scene, 1, "b@example.com\n");
	scene_refresh(scene);
	assert_true(zone_published(scene->zone));
	assert_health(scene, ZONE_OK, "");
	scene_free(scene);
}

/* ---- Changes ---- */

static void additions_and_small_deletions_go_at_once(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	scene_write(scene, 1, "b1@example.com\nb2@example.com\n");
	scene_refresh(scene);
	/* Both sources are read: the deletion waits for the second to be heard, the addition doesn't. */
	assert_int_equal(scene_serial(scene), 3);
	assert_int_equal(scene->changesets, 2);
	assert_int_equal(scene->operations, 1);
	assert_true(scene_has(scene, "b2@example.com"));
	assert_false(scene_has(scene, "b0@example.com"));
	scene_refresh(scene);
	assert_int_equal(scene_serial(scene), 3);
	scene_free(scene);
}

static void an_address_in_two_sources_stays_while_one_has_it(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	scene_write(scene, 1, "b0@example.com\nb1@example.com\na0@example.com\n");
	scene_refresh(scene);
	assert_int_equal(scene_serial(scene), 1);
	scene_shell("sed -i 1d %s/source0", scene->folder);
	scene_refresh(scene);
	assert_int_equal(scene_serial(scene), 1);
	assert_true(scene_has(scene, "a0@example.com"));
	scene_write(scene, 1, "b0@example.com\nb1@example.com\n");
	scene_refresh(scene);
	assert_false(scene_has(scene, "a0@example.com"));
	scene_free(scene);
}

static void a_failing_source_keeps_its_last_good_set(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	scene_break(scene, 1);
	scene_shell("sed -i 1d %s/source0; echo new@example.com >>%s/source0", scene->folder, scene->folder);
	scene_refresh(scene);
	assert_true(scene_has(scene, "b0@example.com") && scene_has(scene, "new@example.com"));
	assert_health(scene, ZONE_WARNING, "source \"second\" can't be read");
	scene_free(scene);
}

static void after_a_restart_deletions_wait_for_a_sick_source(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	zone_close(&scene->zone);
	scene_break(scene, 1);
	scene_shell("sed -i 1d %s/source0; echo new@example.com >>%s/source0", scene->folder, scene->folder);
	scene_open(scene);
	assert_true(scene_has(scene, "new@example.com"));
	assert_true(scene_has(scene, "a0@example.com"));
	assert_true(scene_has(scene, "b0@example.com") && scene_has(scene, "b1@example.com"));
	uint64_t count;
	struct why why;
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_AGAIN);
	assert_non_null(strstr(why.text, "second"));
	scene_write(scene, 1, "a0@example.com\nb1@example.com\n");
	scene_refresh(scene);
	assert_true(scene_has(scene, "a0@example.com"));
	assert_false(scene_has(scene, "b0@example.com"));
	scene_free(scene);
}

static void many_additions_are_split(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	scene_shell("seq -f 'm%%.0f@example.com' 1 60000 >>%s/source0", scene->folder);
	scene_refresh(scene);
	assert_true(scene->changesets >= 2);
	assert_int_equal(scene_serial(scene), 1 + scene->changesets);
	assert_int_equal(scene_status(scene).recipients, 60022);
	assert_true(scene_has(scene, "m60000@example.com"));
	scene_free(scene);
}

/* ---- The brake ---- */

static void hold_five(struct scene *scene)
{
	scene_shell("sed -i 1,5d %s/source0; echo new@example.com >>%s/source0", scene->folder, scene->folder);
	scene_refresh(scene);
}

static void a_large_deletion_is_held_until_approved(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	uint64_t count;
	struct why why;
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_NOT_FOUND);
	hold_five(scene);
	assert_true(scene_has(scene, "new@example.com") && scene_has(scene, "a0@example.com"));
	assert_int_equal(scene_status(scene).held_deletions, 5);
	assert_health(scene, ZONE_WARNING, "rxfer approve example");
	/* One comes back, and another goes: what is held counts too. */
	scene_shell("echo a0@example.com >>%s/source0", scene->folder);
	scene_write(scene, 1, "b0@example.com\n");
	scene_refresh(scene);
	assert_int_equal(scene_status(scene).held_deletions, 5);
	assert_true(scene_has(scene, "b1@example.com"));
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_OK);
	assert_int_equal(count, 5);
	assert_true(scene_has(scene, "a0@example.com"));
	assert_false(scene_has(scene, "a1@example.com"));
	assert_false(scene_has(scene, "b1@example.com"));
	assert_health(scene, ZONE_OK, "");
	scene_free(scene);
}

static void held_deletions_are_off_when_the_source_recovers(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	hold_five(scene);
	scene_write_usual(scene);
	scene_refresh(scene);
	assert_int_equal(scene_status(scene).held_deletions, 0);
	assert_true(scene_has(scene, "a0@example.com"));
	assert_false(scene_has(scene, "new@example.com"));
	scene_free(scene);
}

static void a_restart_releases_nothing(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	hold_five(scene);
	uint64_t before = scene_serial(scene);
	scene->spec.max_shrink_percent = 100;      /* the limits may be raised meanwhile */
	scene_restart(scene);
	assert_int_equal(scene_status(scene).held_deletions, 5);
	assert_int_equal(scene_serial(scene), before);
	scene_restart(scene);
	assert_true(scene_has(scene, "a0@example.com"));
	/* Nor does the loss of the file. */
	zone_close(&scene->zone);
	scene_shell("rm %s/held", scene->zone_folder);
	scene_open(scene);
	assert_int_equal(scene_status(scene).held_deletions, 5);
	zone_close(&scene->zone);
	scene_shell("printf x >>%s/held", scene->zone_folder);
	scene_open(scene);
	assert_int_equal(scene_status(scene).held_deletions, 5);
	assert_health(scene, ZONE_WARNING, "is lost");
	assert_int_equal(scene_serial(scene), before);
	scene_free(scene);
}

static void an_emptied_source_is_held_however_small(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	scene_write(scene, 1, "");
	scene_refresh(scene);
	assert_true(scene_has(scene, "b0@example.com"));
	assert_health(scene, ZONE_WARNING, "has none any more");
	scene_write_usual(scene);
	scene_refresh(scene);
	assert_int_equal(scene_status(scene).held_deletions, 0);
	/* The same while the daemon is down. */
	zone_close(&scene->zone);
	scene_write(scene, 1, "");
	scene_open(scene);
	assert_int_equal(scene_status(scene).held_deletions, 2);
	assert_true(scene_has(scene, "b0@example.com"));
	scene_free(scene);
}

/* Postmaster is always valid where aliases are, and no sign that there are any. */
static void an_emptied_alias_file_is_empty(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	static const char *const domains[] = {"example.com"};
	scene_write(scene, 0, "root: a\ninfo: b\n");
	scene->spec.source_count = 1;
	free(scene->texts[0]);
	scene->texts[0] = mem_sprintf("%s/source0", scene->folder);
	scene->sources[0] = (struct source_spec){
		.name = "aliases", .kind = SOURCE_ALIASES, .text = scene->texts[0], .interval_ms = 86400000, .timeout_ms = 10000,
		.rule = {.filter = &scene->filter, .aliases = true, .domains = domains, .domain_count = 1},
	};
	scene_open(scene);
	assert_true(scene_has(scene, "root@example.com") && scene_has(scene, "postmaster@example.com"));
	scene_write(scene, 0, "");
	scene_refresh(scene);
	assert_true(scene_has(scene, "root@example.com") && scene_has(scene, "info@example.com"));
	assert_int_equal(scene_status(scene).held_deletions, 2);
	scene_free(scene);
}

static void approval_never_empties_a_zone(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	uint64_t count;
	struct why why;
	scene_write(scene, 0, "");
	scene_write(scene, 1, "");
	scene_refresh(scene);
	assert_int_equal(scene_status(scene).recipients, 22);
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_REFUSED);
	assert_true(scene_has(scene, "a0@example.com"));
	scene_free(scene);
}

/* ---- Crashes, damage, old copies ---- */

static void a_crash_after_the_commit_loses_nothing(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	char *copy = mem_sprintf("%s/copy", scene->folder);
	scene->crash_to = copy;
	scene_write(scene, 1, "b0@example.com\nb1@example.com\nb2@example.com\n");
	scene_refresh(scene);
	assert_int_equal(scene->changesets, 1);
	scene->crash_to = NULL;
	zone_close(&scene->zone);
	scene->spec.folder = copy;
	scene->announcements = 0;
	scene_open(scene);
	assert_int_equal(scene_serial(scene), 2);
	assert_int_equal(scene->announcements, 1);
	assert_int_equal(scene->changesets, 1);
	assert_true(scene_has(scene, "b2@example.com"));
	scene_free(scene);
	free(copy);
}

static void lost_records_are_made_anew_from_the_sources(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	struct soa before;
	struct soa after;
	hold_five(scene);
	assert_true(zone_soa(scene->zone, &before));
	zone_close(&scene->zone);
	scene_shell("rm %s/records.tch*", scene->zone_folder);
	scene_open(scene);
	assert_true(zone_soa(scene->zone, &after));
	assert_true(epoch_equal(&before.epoch, &after.epoch));
	assert_true(before.serial == after.serial);
	assert_int_equal(scene_status(scene).held_deletions, 5);
	assert_true(scene_has(scene, "a0@example.com"));
	scene_free(scene);
}

static void lost_records_and_other_sources_are_a_new_epoch(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	struct soa before;
	struct soa after;
	assert_true(zone_soa(scene->zone, &before));
	zone_close(&scene->zone);
	scene_shell("rm %s/records.tch*; echo new@example.com >>%s/source0", scene->zone_folder, scene->folder);
	scene_open(scene);
	assert_true(zone_soa(scene->zone, &after));
	assert_int_equal(soa_compare(&before, &after), SOA_LATER_EPOCH);
	assert_int_equal(after.serial, 1);
	assert_true(scene_has(scene, "new@example.com") && scene_has(scene, "b0@example.com"));
	/* The sources were told of the new key. */
	scene_shell("echo newer@example.com >>%s/source0", scene->folder);
	scene_refresh(scene);
	assert_true(scene_has(scene, "newer@example.com"));
	assert_int_equal(scene_serial(scene), 2);
	scene_free(scene);
}

static void lost_records_and_far_fewer_addresses_wait_for_approval(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	uint64_t count;
	struct why why;
	zone_close(&scene->zone);
	scene_shell("rm %s/records.tch*; sed -i 1,10d %s/source0", scene->zone_folder, scene->folder);
	scene_open(scene);
	assert_false(zone_published(scene->zone));
	assert_health(scene, ZONE_CRITICAL, "rxfer approve example");
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_OK);
	assert_int_equal(count, 10);
	assert_true(zone_published(scene->zone));
	assert_false(scene_has(scene, "a0@example.com"));
	assert_health(scene, ZONE_OK, "");
	scene_free(scene);
}

static void evidence_of_a_newer_history_begins_an_epoch_after_it(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	struct soa old;
	struct soa now;
	hold_five(scene);
	assert_true(zone_soa(scene->zone, &old));
	struct soa shown = old;
	shown.serial = shown.from = 77;
	soa_sign(&shown, scene->identity);
	zone_evidence(scene->zone, &old);
	scene_settle(scene);
	assert_int_equal(scene_serial(scene), old.serial);      /* no news */
	unsigned announcements = scene->announcements;
	zone_evidence(scene->zone, &shown);
	scene_settle(scene);
	assert_true(zone_soa(scene->zone, &now));
	assert_int_equal(soa_compare(&shown, &now), SOA_LATER_EPOCH);
	assert_int_equal(now.serial, 1);
	assert_true(scene->announcements > announcements);
	assert_true(scene_has(scene, "a0@example.com") && scene_has(scene, "b0@example.com"));
	assert_true(scene_has(scene, "new@example.com"));
	assert_int_equal(scene_status(scene).held_deletions, 5);
	zone_evidence(scene->zone, &shown);
	scene_settle(scene);
	assert_int_equal(scene_serial(scene), 1);
	scene_shell("echo newer@example.com >>%s/source0", scene->folder);
	scene_refresh(scene);
	assert_int_equal(scene_serial(scene), 2);
	assert_true(scene_has(scene, "newer@example.com"));
	scene_restart(scene);
	assert_int_equal(scene_status(scene).held_deletions, 5);
	scene_free(scene);
}

/* An old copy lacks what was added since, and backups have that in their tables. */
static void evidence_waits_for_sources(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	struct soa shown;
	struct soa after;
	scene_shell("cp -r %s %s/old", scene->zone_folder, scene->folder);
	scene_shell("echo later@example.com >>%s/source1", scene->folder);
	scene_refresh(scene);
	assert_true(zone_soa(scene->zone, &shown));
	assert_int_equal(shown.serial, 2);
	zone_close(&scene->zone);
	scene_shell("rm -r %s && mv %s/old %s && mv %s/source1 %s/away", scene->zone_folder, scene->folder,
	            scene->zone_folder, scene->folder, scene->folder);
	scene_open(scene);
	assert_int_equal(scene_serial(scene), 1);
	unsigned announcements = scene->announcements;
	zone_evidence(scene->zone, &shown);
	scene_settle(scene);
	assert_false(zone_published(scene->zone));
	assert_false(zone_soa(scene->zone, &after));
	assert_int_equal(scene->announcements, announcements);
	assert_health(scene, ZONE_CRITICAL, "nothing is published until it can");
	scene_shell("mv %s/away %s/source1", scene->folder, scene->folder);
	scene_refresh(scene);
	assert_true(zone_soa(scene->zone, &after));
	assert_int_equal(soa_compare(&shown, &after), SOA_LATER_EPOCH);
	assert_int_equal(after.serial, 1);
	assert_true(scene_has(scene, "later@example.com") && scene_has(scene, "a0@example.com"));
	assert_health(scene, ZONE_OK, "");
	scene_free(scene);
}

/* Killed between the announcement and the contents of a new epoch. */
static void a_half_begun_epoch_is_begun_anew(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	struct soa before;
	struct soa next;
	struct soa after;
	struct zonedb *db = NULL;
	struct why why;
	assert_true(zone_soa(scene->zone, &before));
	zone_close(&scene->zone);
	next = before;
	next.epoch = epoch_begin(&before.epoch);
	soa_sign(&next, scene->identity);
	assert_int_equal(zonedb_open(scene->zone_folder, "example", &db, &why), RC_OK);
	assert_int_equal(zonedb_note_soa(db, &next, next.time, &why), RC_OK);
	zonedb_close(&db);
	scene_open(scene);
	assert_true(zone_soa(scene->zone, &after));
	assert_int_equal(soa_compare(&next, &after), SOA_LATER_EPOCH);
	assert_true(scene_has(scene, "a0@example.com"));
	assert_health(scene, ZONE_OK, "");
	scene_restart(scene);
	assert_true(zone_soa(scene->zone, &next));
	assert_int_equal(soa_compare(&next, &after), SOA_SAME);
	scene_free(scene);
}

static void evidence_before_the_first_publication(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	scene_write(scene, 0, "a@example.com\n");
	scene_open(scene);
	struct soa shown = {.zone = "example", .serial = 9, .from = 9};
	struct soa now;
	shown.epoch = epoch_begin(NULL);
	shown.epoch.began.ms += 1000000;
	zone_evidence(scene->zone, &shown);
	scene_write(scene, 1, "b@example.com\n");
	scene_settle(scene);
	scene_refresh(scene);
	assert_true(zone_soa(scene->zone, &now));
	assert_int_equal(soa_compare(&shown, &now), SOA_LATER_EPOCH);
	assert_true(scene_has(scene, "a@example.com") && scene_has(scene, "b@example.com"));
	scene_refresh(scene);
	assert_int_equal(now.serial, scene_serial(scene));
	scene_free(scene);
}

static void another_identity_begins_an_epoch(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
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
	scene_open(scene);
	assert_true(zone_soa(scene->zone, &now));
	assert_int_equal(soa_compare(&before, &now), SOA_LATER_EPOCH);
	assert_true(scene_has(scene, "a0@example.com"));
	assert_int_equal(now.serial, 1);
	/* And an old copy under it: what the sources have comes with the new epoch. */
	zone_close(&scene->zone);
	scene_shell("cp %s/identity %s/other; echo later@example.com >>%s/source1", scene->folder, scene->folder, scene->folder);
	identity_free(&scene->identity);
	assert_int_equal(identity_load(path, &scene->identity, &why), RC_OK);
	scene_open(scene);
	assert_int_equal(scene_serial(scene), 1);
	assert_true(scene_has(scene, "later@example.com"));
	scene_free(scene);
}

/* What was added is published, what was to be held couldn't be written down, and when the source is read again it has
 * neither. The other source is at rest, so nothing is put off. */
static void what_a_half_committed_reading_added_goes_again(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	for (int i = 0; i < 2; i++)
		scene_use_text(scene, i);
	scene_write(scene, 0, "a0@example.com x\na1@example.com x\na2@example.com x\na3@example.com x\na4@example.com x\n");
	scene_write(scene, 1, "b0@example.com x\n");
	scene_open(scene);
	scene_shell("mkdir %s/held.tmp", scene->zone_folder);
	scene_write(scene, 0, "a0@example.com x\nnew@example.com x\n");
	scene_settle(scene);
	assert_true(scene_has(scene, "new@example.com") && scene_has(scene, "a1@example.com"));
	assert_health(scene, ZONE_CRITICAL, "held.tmp");
	scene_shell("rmdir %s/held.tmp", scene->zone_folder);
	scene_write(scene, 0, "a0@example.com x\na1@example.com x\na2@example.com x\na3@example.com x\na4@example.com x\n");
	scene_settle(scene);
	assert_false(scene_has(scene, "new@example.com"));
	assert_true(scene_has(scene, "a0@example.com") && scene_has(scene, "a1@example.com"));
	assert_health(scene, ZONE_OK, "");
	scene_free(scene);
}

static void a_full_disk_publishes_nothing_and_loses_nothing(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	char path[300];
	struct stat stat_of;
	struct rlimit before;
	(void)snprintf(path, sizeof path, "%s/journal", scene->zone_folder);
	assert_int_equal(stat(path, &stat_of), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	scene_shell("echo new@example.com >>%s/source0; sed -i 1d %s/source0", scene->folder, scene->folder);
	(void)signal(SIGXFSZ, SIG_IGN);
	const struct rlimit full = {(rlim_t)stat_of.st_size, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	scene_refresh(scene);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(scene->changesets, 0);
	assert_int_equal(scene_serial(scene), 1);
	assert_health(scene, ZONE_CRITICAL, "nothing can be published");
	scene_refresh(scene);
	assert_int_equal(scene->fatals, 0);
	assert_int_equal(scene_serial(scene), 3);
	assert_true(scene_has(scene, "new@example.com"));
	assert_false(scene_has(scene, "a0@example.com"));
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
	struct scene *scene = scene_usual();
	struct wall past = {1000000};
	const struct clock_source source = {usual_mono, set_back, &past};
	clock_use(&source);
	/* on_changeset and on_announcement look at the times. */
	scene_write(scene, 1, "b0@example.com\nb1@example.com\nb2@example.com\n");
	scene_refresh(scene);
	assert_int_equal(scene->changesets, 1);
	scene_restart(scene);
	assert_int_equal(scene_serial(scene), 2);
	clock_use(NULL);
	scene_free(scene);
}

static void announcements_are_dated_anew(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	struct mono begin = clock_mono();
	struct why why;
	scene_write_usual(scene);
	scene->spec.refresh_s = 1;
	scene_open(scene);
	while (scene->announcements < 3) {
		assert_int_equal(loop_turn(scene->loop, 1000, &why), RC_OK);
		assert_true(mono_since(begin) < SCENE_DEADLINE_MS);
	}
	assert_int_equal(scene_serial(scene), 1);
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
		cmocka_unit_test(evidence_waits_for_sources),
		cmocka_unit_test(a_half_begun_epoch_is_begun_anew),
		cmocka_unit_test(evidence_before_the_first_publication),
		cmocka_unit_test(another_identity_begins_an_epoch),
		cmocka_unit_test(what_a_half_committed_reading_added_goes_again),
		cmocka_unit_test(a_full_disk_publishes_nothing_and_loses_nothing),
		cmocka_unit_test(times_grow_when_the_clock_goes_back),
		cmocka_unit_test(announcements_are_dated_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
