/* zone_scene.c: see zone_scene.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/zone_scene.h"

void scene_shell(const char *format, ...)
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
		scene_shell("cp -r %s %s", scene->zone_folder, scene->crash_to);
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

void scene_write(struct scene *scene, int index, const char *text)
{
	char path[300];
	struct why why;
	(void)snprintf(path, sizeof path, "%s/source%d", scene->folder, index);
	assert_int_equal(file_replace(path, 0600, text, strlen(text), &why), RC_OK);
}

void scene_break(struct scene *scene, int index)
{
	char path[300];
	(void)snprintf(path, sizeof path, "%s/source%d", scene->folder, index);
	assert_int_equal(unlink(path), 0);
}

struct scene *scene_new(void)
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
	for (int i = 0; i < SCENE_SOURCES; i++) {
		scene->texts[i] = mem_sprintf("cat %s/source%d", scene->folder, i);
		scene->sources[i] = (struct source_spec){
			.name = i == 0 ? "first" : "second", .kind = SOURCE_COMMAND, .text = scene->texts[i], .interval_ms = 86400000,
			.timeout_ms = 10000, .rule.filter = &scene->filter,
		};
	}
	scene->spec = (struct zone_spec){
		.name = "example", .folder = scene->zone_folder, .sources = scene->sources, .source_count = SCENE_SOURCES,
		.refresh_s = 3600, .retry_s = 15, .expire_s = 604800, .max_shrink_percent = 10, .min_shrink = 3,
	};
	return scene;
}

void scene_settle(struct scene *scene)
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
		assert_true(mono_since(begin) < SCENE_DEADLINE_MS);
	}
}

void scene_begin(struct scene *scene)
{
	const struct zone_events events = {on_changeset, on_announcement, on_fatal, scene, NULL};
	struct why why;
	if (zone_open(scene->loop, &scene->spec, scene->identity, &events, &scene->zone, &why) != RC_OK)
		fail_msg("%s", why.text);
}

void scene_open(struct scene *scene)
{
	scene_begin(scene);
	scene_settle(scene);
}

void scene_turn(struct scene *scene)
{
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_turn(scene->loop, 0, NULL), RC_OK);
}

void scene_use_text(struct scene *scene, int index)
{
	free(scene->texts[index]);
	scene->texts[index] = mem_sprintf("%s/source%d", scene->folder, index);
	scene->sources[index].kind = SOURCE_MAP;
	scene->sources[index].text = scene->texts[index];
}

void scene_restart(struct scene *scene)
{
	zone_close(&scene->zone);
	scene_open(scene);
}

void scene_refresh(struct scene *scene)
{
	zone_refresh(scene->zone);
	scene_settle(scene);
}

void scene_free(struct scene *scene)
{
	zone_close(&scene->zone);
	loop_free(scene->loop);
	identity_free(&scene->identity);
	scene_shell("rm -rf %s", scene->folder);
	free(scene->zone_folder);
	for (int i = 0; i < SCENE_SOURCES; i++)
		free(scene->texts[i]);
	free(scene);
}

void scene_write_usual(struct scene *scene)
{
	struct buf text = {0};
	for (int i = 0; i < 20; i++)
		buf_printf(&text, "a%d@example.com\n", i);
	scene_write(scene, 0, buf_text(&text));
	buf_free(&text);
	scene_write(scene, 1, "b0@example.com\nb1@example.com\n");
}

struct scene *scene_usual(void)
{
	struct scene *scene = scene_new();
	scene_write_usual(scene);
	scene_open(scene);
	assert_true(zone_published(scene->zone));
	return scene;
}

static bool holds(const struct scene *scene, enum record_type type, const char *key)
{
	struct record record = record_make(type, key, strlen(key));
	struct zonedb *db = zone_db(scene->zone);
	struct fingerprint print = record_fingerprint(zonedb_meta(db)->epoch.id, &record);
	struct buf scratch = {0};
	enum rc rc = zonedb_get(db, &print, &scratch, NULL, NULL);
	buf_free(&scratch);
	return rc == RC_OK;
}

bool scene_has(const struct scene *scene, const char *address)
{
	return holds(scene, RECORD_RCPT, address);
}

bool scene_has_domain(const struct scene *scene, const char *domain)
{
	return holds(scene, RECORD_DOMAIN, domain);
}

uint64_t scene_serial(const struct scene *scene)
{
	struct soa soa;
	assert_true(zone_soa(scene->zone, &soa));
	return soa.serial;
}

struct zone_status scene_status(const struct scene *scene)
{
	struct zone_status status;
	zone_status(scene->zone, &status);
	return status;
}
