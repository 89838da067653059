/* test_table.c: tables over real zones on disk. First of all what would make a valid address be refused: a first file
 * that lacks a zone, an emptied file, a file written in place, keys that go because a zone can't be read. */
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

static const struct table_events events = {.zone = give_zone, .changed = count_change};

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

static void touch(void)
{
	table_touch(table, true);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
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

static void no_file_before_all_zones(void **state)
{
	(void)state;
	start(2);
	assert_int_equal(table_status(table).state, TABLE_ABSENT);
	assert_int_not_equal(access(file, F_OK), 0);
	FILL(0, 1, "a@example.com");
	touch();
	assert_int_equal(table_status(table).state, TABLE_ABSENT);
	assert_non_null(strstr(table_status(table).error, "\"two\""));
	assert_int_not_equal(access(file, F_OK), 0);
	FILL(1, 1, "b@example.org", "a@example.com");
	touch();
	assert_int_equal(table_status(table).state, TABLE_OK);
	EXPECT("a@example.com", "b@example.org");
	assert_int_equal(look().st_mode & 07777, 0644);
}

static void only_allowed_domains(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com", "b@sub.example.com", "c@other.net", "@example.org", "d@example.comx", "e@xample.com");
	start(1);
	EXPECT("a@example.com", "@example.org");
}

static void any_domain(void **state)
{
	(void)state;
	allow_only("*", NULL);
	FILL(0, 1, "a@example.com", "c@other.net");
	start(1);
	EXPECT("a@example.com", "c@other.net");
	opened[0] = true;
	touch();
	EXPECT("a@example.com", "c@other.net", "@example.com");
}

static void never_empty(void **state)
{
	(void)state;
	FILL(0, 1, "a@other.net");
	start(1);
	assert_int_equal(table_status(table).state, TABLE_ABSENT);
	assert_int_not_equal(access(file, F_OK), 0);
	FILL(0, 2, "a@example.com");
	touch();
	EXPECT("a@example.com");
	ino_t inode = look().st_ino;
	FILL(0, 3, "a@other.net");
	touch();
	assert_int_equal(table_status(table).state, TABLE_FAILED);
	assert_non_null(strstr(table_status(table).error, "domains"));
	assert_int_equal(look().st_ino, inode);
	EXPECT("a@example.com");
	uint64_t serial;
	struct epoch epoch;
	assert_true(table_served(table, "one", &epoch, &serial));
	assert_int_equal(serial, 2);
}

static void always_a_new_file(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com");
	start(1);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	struct stat before, after;
	assert_int_equal(fstat(fd, &before), 0);
	FILL(0, 2, "a@example.com", "b@example.com");
	touch();
	assert_int_equal(fstat(fd, &after), 0);
	assert_int_equal(after.st_nlink, 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	assert_int_not_equal(look().st_ino, before.st_ino);
	assert_int_equal(close(fd), 0);
	EXPECT("a@example.com", "b@example.com");
}

static void an_unchanged_one_stands(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com");
	start(1);
	struct stat before = look();
	table_free(&table);
	start(1);
	assert_int_equal(table_status(table).state, TABLE_OK);
	assert_int_equal(look().st_ino, before.st_ino);
	FILL(0, 2, "a@example.com", "x@other.net");      /* a new serial, but the same keys */
	touch();
	assert_int_equal(look().st_ino, before.st_ino);
	struct epoch epoch;
	uint64_t serial;
	assert_true(table_served(table, "one", &epoch, &serial));
	assert_int_equal(serial, 2);
	assert_false(table_served(table, "two", &epoch, &serial));
	FILL(0, 3, "a@example.com", "y@other.net");
	table_touch(table, false);                       /* nothing of its type */
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	assert_int_equal(look().st_ino, before.st_ino);
	assert_true(table_served(table, "one", &epoch, &serial));
	assert_int_equal(serial, 3);
}

static void changes_while_we_were_away(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com");
	start(1);
	table_free(&table);
	FILL(0, 2, "b@example.com");
	start(1);
	EXPECT("b@example.com");
	table_free(&table);
	allow_only("example.org", NULL);
	FILL(0, 3, "b@example.com", "c@example.org");
	start(1);
	EXPECT("c@example.org");
}

static void overwrite(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "rubbish", 7, 4096), 7);
	assert_int_equal(close(fd), 0);
}

static void what_others_did_is_put_right(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com");
	start(1);
	overwrite(file);
	table_touch(table, false);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	EXPECT("a@example.com");
	assert_int_equal(unlink(file), 0);
	table_touch(table, false);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	EXPECT("a@example.com");
	table_free(&table);
	assert_int_equal(truncate(file, 0), 0);
	start(1);
	EXPECT("a@example.com");
	table_free(&table);      /* a damaged stamp is as good as none */
	char stamp[128];
	(void)snprintf(stamp, sizeof(stamp), "%s/recipients.stamp", folder);
	int fd = open(stamp, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 50), 1);
	assert_int_equal(close(fd), 0);
	ino_t inode = look().st_ino;
	start(1);
	EXPECT("a@example.com");
	assert_int_not_equal(look().st_ino, inode);
}

/* Zone two is damaged while zone one goes on: two's keys stay, one's additions come, deletions wait. */
static void a_zone_that_is_away_loses_nothing(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com", "gone@example.com");
	FILL(1, 1, "b@example.org");
	start(2);
	zonedb_close(&dbs[1]);
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/zone1/journal", folder);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/zone1/records.tch", folder);
	assert_int_equal(unlink(path), 0);
	open_zone(1);
	assert_false(zonedb_present(dbs[1]));
	FILL(0, 2, "a@example.com", "new@example.com");
	touch();
	assert_int_equal(table_status(table).state, TABLE_OK);
	assert_non_null(strstr(table_status(table).error, "\"two\""));
	EXPECT("a@example.com", "gone@example.com", "new@example.com", "b@example.org");
	struct epoch epoch;
	uint64_t serial;
	assert_true(table_served(table, "one", &epoch, &serial));
	assert_int_equal(serial, 1);      /* its deletion isn't served yet */

	table_free(&table);               /* a restart changes nothing of that */
	start(2);
	EXPECT("a@example.com", "gone@example.com", "new@example.com", "b@example.org");
	FILL(1, 1, "b@example.org");
	touch();
	EXPECT("a@example.com", "new@example.com", "b@example.org");
	assert_string_equal(table_status(table).error, "");
	assert_true(table_served(table, "one", &epoch, &serial));
	assert_int_equal(serial, 2);
}

/* With a zone away, a file that isn't ours can be neither trusted nor replaced: it stands. */
static void a_strange_file_stands_while_a_zone_is_away(void **state)
{
	(void)state;
	start(2);
	assert_int_equal(file_replace(file, 0644, "strange", 7, NULL), RC_OK);
	FILL(0, 1, "a@example.com");
	touch();
	assert_int_equal(table_status(table).state, TABLE_FAILED);
	assert_int_equal(look().st_size, 7);
}

static void expired_zones_accept_their_domains(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com");
	start(1);
	opened[0] = true;
	touch();
	EXPECT("a@example.com", "@example.com", "@example.org");
	table_free(&table);
	start(1);
	EXPECT("a@example.com", "@example.com", "@example.org");
	opened[0] = false;
	touch();
	EXPECT("a@example.com");
}

static void domains(void **state)
{
	(void)state;
	spec.holds = TABLE_DOMAINS;
	opened[0] = true;
	FILL(0, 1, "a@example.com");
	start(1);
	EXPECT("example.com");
	char *line = table_main_cf(&spec);
	assert_non_null(strstr(line, "relay_domains = hash:/"));
	free(line);
}

static void a_failed_writing_leaves_the_old_one(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com");
	start(1);
	char blocked[200];
	(void)snprintf(blocked, sizeof(blocked), "%s.tmp", file);
	assert_int_equal(mkdir(blocked, 0700), 0);
	FILL(0, 2, "b@example.com");
	touch();
	assert_int_equal(table_status(table).state, TABLE_FAILED);
	EXPECT("a@example.com");
	assert_int_equal(rmdir(blocked), 0);
	table_touch(table, false);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	assert_int_equal(table_status(table).state, TABLE_OK);
	EXPECT("b@example.com");
}

static void bursts_are_one_writing(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com");
	start(1);
	int before = changes;
	for (int i = 0; i < 100; i++)
		table_touch(table, true);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	assert_int_equal(changes, before + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_file_before_all_zones, setup, teardown),
		cmocka_unit_test_setup_teardown(only_allowed_domains, setup, teardown),
		cmocka_unit_test_setup_teardown(any_domain, setup, teardown),
		cmocka_unit_test_setup_teardown(never_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(always_a_new_file, setup, teardown),
		cmocka_unit_test_setup_teardown(an_unchanged_one_stands, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_while_we_were_away, setup, teardown),
		cmocka_unit_test_setup_teardown(what_others_did_is_put_right, setup, teardown),
		cmocka_unit_test_setup_teardown(a_zone_that_is_away_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_strange_file_stands_while_a_zone_is_away, setup, teardown),
		cmocka_unit_test_setup_teardown(expired_zones_accept_their_domains, setup, teardown),
		cmocka_unit_test_setup_teardown(domains, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_writing_leaves_the_old_one, setup, teardown),
		cmocka_unit_test_setup_teardown(bursts_are_one_writing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
