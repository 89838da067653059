/* test_zone_doubt.c: nothing is deleted while a source may hold what another one dropped: one that is slow, sick, being
 * written, or read and not yet committed. And what goes together stays together. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/zone_scene.h"

#include <fcntl.h>
#include <inttypes.h>
#include <time.h>

/* ---- A command that stands still where the test wants it ---- */

struct gate {
	int fd;
	char *ran;               /* made when the command has listed its file, and waits */
};

/* Makes the second source such a command. */
static struct gate put_gate(struct scene *scene)
{
	char path[300];
	struct gate gate;
	(void)snprintf(path, sizeof path, "%s/gate", scene->folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	gate.fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(gate.fd >= 0);
	gate.ran = mem_sprintf("%s/ran", scene->folder);
	free(scene->texts[1]);
	scene->texts[1] = mem_sprintf("cat %s/source1; touch %s; dd if=%s bs=1 count=1 status=none of=/dev/null",
	                              scene->folder, gate.ran, path);
	scene->sources[1].text = scene->texts[1];
	return gate;
}

static void let_run(const struct gate *gate, int times)
{
	assert_int_equal(write(gate->fd, "xxxx", (size_t)times), times);
}

static void wait_for_gate(struct scene *scene, const struct gate *gate)
{
	struct mono begin = clock_mono();
	while (access(gate->ran, F_OK) != 0) {
		assert_int_equal(loop_turn(scene->loop, 10, NULL), RC_OK);
		assert_true(mono_since(begin) < SCENE_DEADLINE_MS);
	}
	assert_int_equal(unlink(gate->ran), 0);
}

/* Opens the zone. Until it's published the command may be run more than once: when the other source was read after it. */
static void open_through(struct scene *scene, const struct gate *gate)
{
	struct mono begin = clock_mono();
	scene_begin(scene);
	while (!zone_published(scene->zone)) {
		if (unlink(gate->ran) == 0)
			let_run(gate, 1);
		assert_int_equal(loop_turn(scene->loop, 10, NULL), RC_OK);
		assert_true(mono_since(begin) < SCENE_DEADLINE_MS);
	}
	scene_settle(scene);
}

static void wait_for(struct scene *scene, size_t index)
{
	struct mono begin = clock_mono();
	while (source_status(zone_source(scene->zone, index)).reading) {
		assert_int_equal(loop_turn(scene->loop, 100, NULL), RC_OK);
		assert_true(mono_since(begin) < SCENE_DEADLINE_MS);
	}
}

static void remove_gate(struct gate *gate)
{
	(void)close(gate->fd);
	free(gate->ran);
}

/* ---- An address that moves ---- */

/* The second source was being read when the address was moved there: that reading doesn't have it yet. */
static void an_address_moves_to_a_source_that_is_being_read(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	struct gate gate = put_gate(scene);
	scene_write_usual(scene);
	open_through(scene, &gate);
	scene_shell("sed -i 1d %s/source0", scene->folder);
	zone_refresh(scene->zone);
	wait_for_gate(scene, &gate);
	wait_for(scene, 0);
	scene_write(scene, 1, "a0@example.com\nb0@example.com\nb1@example.com\n");
	let_run(&gate, 1);
	wait_for_gate(scene, &gate);
	assert_true(scene_has(scene, "a0@example.com"));
	let_run(&gate, 1);
	scene_settle(scene);
	assert_true(scene_has(scene, "a0@example.com"));
	assert_int_equal(scene->changesets, 0);
	scene_free(scene);
	remove_gate(&gate);
}

static int64_t ahead;

static struct mono mono_ahead(void *context)
{
	(void)context;
	struct timespec now;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (struct mono){(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + ahead};
}

static struct wall usual_wall(void *context)
{
	(void)context;
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (struct wall){(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000};
}

static const struct clock_source clock_ahead = {mono_ahead, usual_wall, NULL};

/* A command may take its time-out, and be run once more after it. */
static void deletions_wait_for_a_slow_command(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	struct gate gate = put_gate(scene);
	scene_write_usual(scene);
	scene->sources[1].timeout_ms = 100000;
	ahead = 0;
	clock_use(&clock_ahead);
	open_through(scene, &gate);
	scene_shell("sed -i 1d %s/source0", scene->folder);
	zone_refresh(scene->zone);
	wait_for(scene, 0);
	wait_for_gate(scene, &gate);
	ahead += 90000;
	scene_turn(scene);
	assert_true(scene_has(scene, "a0@example.com"));
	let_run(&gate, 2);
	scene_settle(scene);
	assert_false(scene_has(scene, "a0@example.com"));
	clock_use(NULL);
	scene_free(scene);
	remove_gate(&gate);
}

/* What a sick source holds by now, nobody knows: an index that was made anew and is ours to read no more, say. */
static void nothing_is_deleted_while_a_source_is_sick(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	scene_break(scene, 1);
	scene_shell("sed -i 1,2d %s/source0; echo new@example.com >>%s/source0", scene->folder, scene->folder);
	scene_refresh(scene);
	assert_true(scene_has(scene, "new@example.com"));
	assert_true(scene_has(scene, "a0@example.com") && scene_has(scene, "a1@example.com"));
	assert_health(scene, ZONE_WARNING, "nothing is deleted until it can");
	ahead = 100000000;
	clock_use(&clock_ahead);
	scene_turn(scene);
	assert_true(scene_has(scene, "a0@example.com"));
	scene_write(scene, 1, "a0@example.com\nb0@example.com\nb1@example.com\n");
	scene_refresh(scene);
	assert_true(scene_has(scene, "a0@example.com"));
	assert_false(scene_has(scene, "a1@example.com"));
	assert_health(scene, ZONE_OK, "");
	clock_use(NULL);
	scene_free(scene);
}

/* The other source's reading came, with the address, but there was no room for all that it brought. */
static void an_address_moves_to_a_source_that_could_not_be_committed(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	struct stat stat_of;
	struct rlimit before;
	char path[300];
	scene_use_text(scene, 0);
	scene_use_text(scene, 1);
	scene_write(scene, 0, "a0@example.com x\na1@example.com x\na2@example.com x\n");
	scene_write(scene, 1, "b0@example.com x\n");
	scene_open(scene);
	(void)snprintf(path, sizeof path, "%s/journal", scene->zone_folder);
	assert_int_equal(stat(path, &stat_of), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	scene_shell("(echo a0@example.com x; echo b0@example.com x; seq -f 'm%%.0f@example.com x' 1 2000) >%s/tmp",
	            scene->folder);
	(void)signal(SIGXFSZ, SIG_IGN);
	const struct rlimit tight = {(rlim_t)stat_of.st_size + 2000, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	scene_shell("mv %s/tmp %s/source1", scene->folder, scene->folder);
	scene_settle(scene);
	assert_health(scene, ZONE_CRITICAL, "nothing can be published");
	scene_write(scene, 0, "a1@example.com x\na2@example.com x\n");
	scene_settle(scene);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(scene_has(scene, "a0@example.com"));
	scene_refresh(scene);
	assert_true(scene_has(scene, "a0@example.com") && scene_has(scene, "m2000@example.com"));
	assert_health(scene, ZONE_OK, "");
	scene_free(scene);
}

/* Nobody tells what happens behind another name of the file; a look at it does. */
static void an_address_moves_to_a_source_whose_change_nobody_told(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	scene_use_text(scene, 0);
	scene_use_text(scene, 1);
	scene_write(scene, 0, "a0@example.com x\na1@example.com x\n");
	scene_write(scene, 1, "b0@example.com x\n");
	scene_shell("mkdir %s/elsewhere; ln %s/source1 %s/elsewhere/name", scene->folder, scene->folder, scene->folder);
	scene_open(scene);
	scene_shell("echo a0@example.com x >>%s/elsewhere/name", scene->folder);
	scene_settle(scene);
	scene_write(scene, 0, "a1@example.com x\n");
	scene_settle(scene);
	assert_true(scene_has(scene, "a0@example.com"));
	assert_int_equal(scene->changesets, 0);
	scene_free(scene);
}

/* ---- A text that is being written ---- */

static void put_in_place(const struct scene *scene, int index, const char *text)
{
	char path[300];
	(void)snprintf(path, sizeof path, "%s/source%d", scene->folder, index);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

/* What it has counts, what it lacks doesn't. */
static void a_text_that_never_rests_adds_and_deletes_nothing(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	struct mono begin;
	scene_write_usual(scene);
	scene_use_text(scene, 1);
	scene_write(scene, 1, "b0@example.com x\nb1@example.com x\n");
	scene->sources[1].settle_ms = 300;
	scene_open(scene);
	scene->sources[1].interval_ms = 600;
	begin = clock_mono();
	for (int i = 0; !scene_has(scene, "new@example.com"); i++) {
		put_in_place(scene, 1, i % 2 ? "new@example.com x\n" : "new@example.com x\nb0@example.com x\n");
		assert_int_equal(loop_turn(scene->loop, 10, NULL), RC_OK);
		assert_true(mono_since(begin) < SCENE_DEADLINE_MS);
	}
	/* Nor do others delete what it may be about to get. */
	scene_shell("sed -i 1d %s/source0", scene->folder);
	put_in_place(scene, 1, "new@example.com x\n");
	zone_refresh(scene->zone);
	wait_for(scene, 0);
	assert_true(scene_has(scene, "a0@example.com"));
	assert_true(scene_has(scene, "b0@example.com") && scene_has(scene, "b1@example.com"));
	put_in_place(scene, 1, "a0@example.com x\nnew@example.com x\nb0@example.com x\n");
	scene_settle(scene);
	assert_true(scene_has(scene, "a0@example.com") && scene_has(scene, "b0@example.com"));
	assert_false(scene_has(scene, "b1@example.com"));
	scene_free(scene);
}

/* ---- The first publication ---- */

static void the_first_publication_waits_for_a_source_that_is_about_to_be_read(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	struct gate gate = put_gate(scene);
	scene_use_text(scene, 0);
	scene_write(scene, 0, "b0@example.com x\n");
	scene_write(scene, 1, "a0@example.com\n");
	scene->sources[0].settle_ms = 1;
	scene_begin(scene);
	wait_for_gate(scene, &gate);
	wait_for(scene, 0);
	/* Moved: the command has listed its file already. */
	scene->sources[0].settle_ms = 1000000;
	scene->sources[0].interval_ms = 10000000;
	put_in_place(scene, 0, "a0@example.com x\nb0@example.com x\n");
	scene_turn(scene);
	scene_write(scene, 1, "c0@example.com\n");
	let_run(&gate, 1);
	wait_for(scene, 1);
	assert_false(zone_published(scene->zone));
	scene_write(scene, 0, "a0@example.com x\nb0@example.com x\n");
	scene_settle(scene);
	assert_true(zone_published(scene->zone));
	assert_true(scene_has(scene, "a0@example.com") && scene_has(scene, "b0@example.com"));
	scene_free(scene);
	remove_gate(&gate);
}

/* A command that was read before the address was moved into what it lists; the other one's first reading lacks it already.
 * Backups may have a table that has it, from before the master lost its state. */
static void the_first_publication_looks_at_what_nobody_tells_of(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	struct gate gate = put_gate(scene);
	free(scene->texts[1]);
	scene->texts[1] = mem_sprintf("touch %s; dd if=%s/gate bs=1 count=1 status=none of=/dev/null; cat %s/source1",
	                              gate.ran, scene->folder, scene->folder);
	scene->sources[1].text = scene->texts[1];
	scene_write(scene, 0, "b0@example.com\n");
	scene_write(scene, 1, "a0@example.com\nc0@example.com\n");
	scene_begin(scene);
	wait_for_gate(scene, &gate);
	wait_for(scene, 0);
	scene_write(scene, 0, "a0@example.com\nb0@example.com\n");
	scene_write(scene, 1, "c0@example.com\n");
	let_run(&gate, 4);
	scene_settle(scene);
	assert_true(zone_published(scene->zone));
	assert_true(scene_has(scene, "a0@example.com") && scene_has(scene, "c0@example.com"));
	assert_int_equal(scene_serial(scene), 1);
	scene_free(scene);
	remove_gate(&gate);
}

/* Before there is a table at the backups they defer: better than to refuse what a sick source has. */
static void the_first_publication_waits_for_a_source_that_fell_sick(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	struct gate gate = put_gate(scene);
	scene_write(scene, 0, "a0@example.com\n");
	scene_write(scene, 1, "b0@example.com\n");
	scene_begin(scene);
	wait_for_gate(scene, &gate);
	wait_for(scene, 0);
	scene_break(scene, 0);
	zone_refresh(scene->zone);
	wait_for(scene, 0);
	let_run(&gate, 2);
	scene_settle(scene);
	assert_false(zone_published(scene->zone));
	assert_health(scene, ZONE_CRITICAL, "nothing is published until it can");
	scene_write(scene, 0, "a0@example.com\n");
	let_run(&gate, 1);
	scene_refresh(scene);
	assert_true(zone_published(scene->zone));
	scene_free(scene);
	remove_gate(&gate);
}

/* ---- What is held ---- */

/* Without its domain a backup refuses the recipient that is held for being doubtful. */
static void a_domain_stays_while_one_of_its_recipients_is_held(void **state)
{
	(void)state;
	struct scene *scene = scene_new();
	uint64_t count;
	struct why why;
	scene_write_usual(scene);
	scene_shell("echo y@small.example >>%s/source0", scene->folder);
	scene_write(scene, 1, "b0@small.example\n");
	scene_open(scene);
	scene_write(scene, 1, "");
	scene_refresh(scene);
	assert_int_equal(scene_status(scene).held_deletions, 1);
	scene_shell("sed -i '$d' %s/source0", scene->folder);
	scene_refresh(scene);
	assert_false(scene_has(scene, "y@small.example"));
	assert_true(scene_has(scene, "b0@small.example"));
	assert_true(scene_has_domain(scene, "small.example"));
	scene_restart(scene);
	assert_true(scene_has_domain(scene, "small.example"));
	assert_int_equal(scene_status(scene).held_deletions, 2);
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_OK);
	assert_false(scene_has(scene, "b0@small.example") || scene_has_domain(scene, "small.example"));
	assert_true(scene_has_domain(scene, "example.com"));
	scene_free(scene);
}

static void approval_spares_what_is_listed_again(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	uint64_t count;
	struct why why;
	scene_shell("sed -i 1,5d %s/source0", scene->folder);
	scene_refresh(scene);
	assert_int_equal(scene_status(scene).held_deletions, 5);
	/* With another source sick nothing is judged anew. */
	scene_break(scene, 1);
	scene_shell("echo a0@example.com >>%s/source0", scene->folder);
	scene_refresh(scene);
	assert_int_equal(zone_approve(scene->zone, &count, &why), RC_OK);
	assert_int_equal(count, 4);
	assert_true(scene_has(scene, "a0@example.com"));
	assert_false(scene_has(scene, "a1@example.com"));
	assert_int_equal(scene_status(scene).held_deletions, 0);
	scene_restart(scene);
	assert_true(scene_has(scene, "a0@example.com"));
	scene_free(scene);
}

/* ---- Upkeep, and damage ---- */

/* Changes that come more often than announcements are due. */
static void the_journal_is_trimmed_while_changes_flow(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	struct stat journal;
	char path[300];
	(void)snprintf(path, sizeof path, "%s/journal", scene->zone_folder);
	scene->spec.max_shrink_percent = 100;
	scene_restart(scene);
	for (int i = 0; i < 6; i++) {
		scene_shell("(echo a@example.com; seq -f 'm%%.0f.%d@example.com' 1 20000) >%s/source0", i, scene->folder);
		scene_refresh(scene);
	}
	assert_int_equal(stat(path, &journal), 0);
	assert_true(journal.st_size < 3 << 20);
	assert_true(scene_has(scene, "m20000.5@example.com"));
	scene_free(scene);
}

static bool find_text(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	const char **wanted = context;
	(void)print;
	if (strlen(*wanted) == entry->record.key_length && memcmp(*wanted, entry->record.key, strlen(*wanted)) == 0)
		*wanted = "";
	return true;
}

static bool has_text(const struct scene *scene, const char *address)
{
	assert_int_equal(zonedb_walk(zone_db(scene->zone), find_text, &address, NULL), RC_OK);
	return address[0] == '\0';
}

/* The disk gives other bytes back than it got, though all was closed properly. */
static void damage_behind_a_clean_mark_heals_at_the_start(void **state)
{
	(void)state;
	struct scene *scene = scene_usual();
	struct soa before, after;
	assert_true(zone_soa(scene->zone, &before));
	for (int i = 0; i < 2; i++) {
		zone_close(&scene->zone);
		/* A letter of an address, then the type of a record. */
		scene_shell("cd %s && cp records.tch before && LC_ALL=C sed -i '%s' records.tch && ! cmp -s before records.tch",
		            scene->zone_folder, i == 0 ? "s/a7@example/aX@example/"
		                                       : "s/\\x01\\x00\\x0ea7@example/\\x77\\x00\\x0ea7@example/");
		scene_open(scene);
		assert_true(zone_soa(scene->zone, &after));
		assert_int_equal(soa_compare(&before, &after), SOA_SAME);
		assert_true(digest_equal(&before.digest, &after.digest));
		assert_true(has_text(scene, "a7@example.com"));
	}
	scene_free(scene);
}

int main(int argc, char **argv)
{
	/* Maps are read by this very program: see source.h. */
	if (argc == 3 && strcmp(argv[1], "--read") == 0)
		return read_main(argv[2]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_moves_to_a_source_that_is_being_read),
		cmocka_unit_test(deletions_wait_for_a_slow_command),
		cmocka_unit_test(nothing_is_deleted_while_a_source_is_sick),
		cmocka_unit_test(an_address_moves_to_a_source_that_could_not_be_committed),
		cmocka_unit_test(an_address_moves_to_a_source_whose_change_nobody_told),
		cmocka_unit_test(a_text_that_never_rests_adds_and_deletes_nothing),
		cmocka_unit_test(the_first_publication_waits_for_a_source_that_is_about_to_be_read),
		cmocka_unit_test(the_first_publication_waits_for_a_source_that_fell_sick),
		cmocka_unit_test(the_first_publication_looks_at_what_nobody_tells_of),
		cmocka_unit_test(a_domain_stays_while_one_of_its_recipients_is_held),
		cmocka_unit_test(approval_spares_what_is_listed_again),
		cmocka_unit_test(the_journal_is_trimmed_while_changes_flow),
		cmocka_unit_test(damage_behind_a_clean_mark_heals_at_the_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
