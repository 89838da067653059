/* table_fixture.h: two zones on disk and a table over them, for the tests of table.c. One test at a time. */
#ifndef TESTS_UNIT_TABLE_FIXTURE_H
#define TESTS_UNIT_TABLE_FIXTURE_H

#include "replica/table.h"

#include "common/file.h"
#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONES 2

static char folder[64], file[160];
static struct loop *loop;
static struct table *table;
static struct table_spec spec;
static struct allow *allow;
static struct zonedb *dbs[ZONES];
static bool opened[ZONES];
static bool must_wait;
static int changes;

static void give_zone(void *context, const struct table *of, size_t index, struct table_zone *out)
{
	(void)context;
	(void)of;
	static const char *const names[ZONES] = {"one", "two"};
	*out = (struct table_zone){.name = names[index], .db = dbs[index], .allow = allow, .open = opened[index],
	                           .expected = 10};
}

static void count_change(void *context, struct table *of)
{
	(void)context;
	(void)of;
	changes++;
}

static void open_zone(size_t index)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/zone%zu", folder, index);
	struct why why;
	if (zonedb_open(path, index == 0 ? "one" : "two", &dbs[index], &why) != RC_OK)
		fail_msg("%s", why.text);
}

static bool say_wait(void *context, const struct table *of)
{
	(void)context;
	(void)of;
	return must_wait;
}

static const struct table_events events = {.zone = give_zone, .wait = say_wait, .changed = count_change};

static void allow_only(const char *a, const char *b)
{
	const char *domains[] = {a, b};
	allow_free(&allow);
	assert_int_equal(allow_new(domains, b ? 2 : 1, &allow, NULL), RC_OK);
}

static void start(size_t zones)
{
	table = table_new(loop, &spec, folder, zones, &events);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
}

static int setup(void **state)
{
	(void)state;
	(void)umask(0077);
	identity_init();
	const char *tmp = getenv("TMPDIR");
	(void)snprintf(folder, sizeof(folder), "%s/rxfer-table-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(folder));
	static char path[128];
	(void)snprintf(path, sizeof(path), "%s/tables/recipients", folder);
	(void)snprintf(file, sizeof(file), "%s.db", path);
	spec = (struct table_spec){.name = "recipients", .holds = TABLE_RECIPIENTS, .type = &table_hash, .path = path};
	loop = loop_new();
	for (size_t i = 0; i < ZONES; i++) {
		open_zone(i);
		opened[i] = false;
	}
	allow_only("example.com", "example.org");
	changes = 0;
	must_wait = false;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	table_free(&table);
	for (size_t i = 0; i < ZONES; i++)
		zonedb_close(&dbs[i]);
	allow_free(&allow);
	loop_free(loop);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The zone's contents become these RCPT keys (and the DOMAIN record example.com) at this serial. */
static void fill(size_t zone, uint64_t serial, const char *const *keys, size_t count)
{
	struct epoch epoch = {.id = {(uint8_t)(zone + 1)}, .began = {1700000000000}};
	struct zonedb_builder *builder;
	assert_int_equal(zonedb_build(dbs[zone], &epoch, count + 1, &builder, NULL), RC_OK);
	struct record domain = record_make(RECORD_DOMAIN, "example.com", 11);
	assert_int_equal(zonedb_build_add(builder, &domain, serial, NULL), RC_OK);
	for (size_t i = 0; i < count; i++) {
		struct record record = record_make(RECORD_RCPT, keys[i], strlen(keys[i]));
		assert_int_equal(zonedb_build_add(builder, &record, serial, NULL), RC_OK);
	}
	struct soa soa = {.kind = SOA_SNAPSHOT, .epoch = epoch, .serial = serial, .from = serial,
	                  .digest = zonedb_build_digest(builder), .count = zonedb_build_count(builder),
	                  .time = {1700000000000}, .refresh_s = 60, .retry_s = 15, .expire_s = 600};
	(void)snprintf(soa.zone, sizeof(soa.zone), "%s", zone == 0 ? "one" : "two");
	struct why why;
	if (zonedb_build_finish(&builder, &soa, (struct wall){1700000000000}, &why) != RC_OK)
		fail_msg("%s", why.text);
}
#define FILL(zone, serial, ...) \
	fill(zone, serial, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* Until it has been put right: after a writing that was slow, on a busy machine, the table waits before the next one. */
static void settle(int before)
{
	struct mono began = clock_mono();
	while (changes == before) {
		assert_int_equal(loop_turn(loop, 100, NULL), RC_OK);
		assert_true(mono_since(began) < 60000);
	}
}

static void touch(void)
{
	int before = changes;
	table_touch(table, true);
	settle(before);
}

/* Nothing has changed in its zones: it looks at its file. */
static void look_again(void)
{
	int before = changes;
	table_touch(table, false);
	settle(before);
}

struct keys {
	char text[20][64];
	size_t count;
};

static bool collect(void *context, const char *key, size_t length)
{
	struct keys *keys = context;
	assert_true(keys->count < 20 && length < 64);
	memcpy(keys->text[keys->count], key, length);
	keys->text[keys->count++][length] = '\0';
	return true;
}

static void expect_keys(const char *const *expected, size_t count)
{
	struct keys keys = {.count = 0};
	struct why why;
	if (table_hash.walk(file, collect, &keys, &why) != RC_OK)
		fail_msg("%s", why.text);
	for (size_t i = 0; i < count; i++) {
		bool found = false;
		for (size_t j = 0; j < keys.count; j++)
			found = found || strcmp(keys.text[j], expected[i]) == 0;
		if (!found)
			fail_msg("%s isn't in the table", expected[i]);
	}
	assert_int_equal(keys.count, count);
	assert_int_equal(table_status(table).records, count);
}
#define EXPECT(...) \
	expect_keys((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static struct stat look(void)
{
	struct stat st;
	assert_int_equal(stat(file, &st), 0);
	return st;
}

#endif
