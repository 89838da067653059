/* test_table_trouble.c: tables after trouble: a restart in between, somebody else's hands, a zone that can't be read, a
 * folder that is gone, a writing that fails. No key that is in the file may go because of it. */
#include "tests/unit/table_fixture.h"

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
	look_again();
	EXPECT("a@example.com");
	assert_int_equal(unlink(file), 0);
	look_again();
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

static void lose_zone_two(void)
{
	zonedb_close(&dbs[1]);
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/zone1/journal", folder);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/zone1/records.tch", folder);
	assert_int_equal(unlink(path), 0);
	open_zone(1);
	assert_false(zonedb_present(dbs[1]));
}

/* Zone two is damaged while zone one goes on: two's keys stay, one's additions come, deletions wait. */
static void a_zone_that_is_away_loses_nothing(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com", "gone@example.com");
	FILL(1, 1, "b@example.org");
	start(2);
	lose_zone_two();
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

/* Killed between the file's rename and the stamp's, and then a zone is away: the other's additions still come. */
static void a_file_without_stamp_gains_additions_too(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com");
	FILL(1, 1, "b@example.org");
	start(2);
	table_free(&table);
	char stamp[128];
	(void)snprintf(stamp, sizeof(stamp), "%s/recipients.stamp", folder);
	assert_int_equal(unlink(stamp), 0);
	lose_zone_two();
	FILL(0, 2, "new@example.com");
	start(2);
	EXPECT("a@example.com", "new@example.com", "b@example.org");
	assert_int_equal(table_status(table).state, TABLE_OK);
	assert_non_null(strstr(table_status(table).error, "\"two\""));
	FILL(1, 1, "b@example.org");
	touch();
	EXPECT("new@example.com", "b@example.org");
}

/* A domain is allowed with a restart while the other zone is away. */
static void another_rule_while_a_zone_is_away(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com", "n@example.net");
	FILL(1, 1, "b@example.org");
	start(2);
	table_free(&table);
	lose_zone_two();
	const char *domains[] = {"example.com", "example.org", "example.net"};
	allow_free(&allow);
	assert_int_equal(allow_new(domains, 3, &allow, NULL), RC_OK);
	start(2);
	EXPECT("a@example.com", "n@example.net", "b@example.org");
}

static void a_folder_that_was_removed_is_made_again(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com");
	start(1);
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/tables/README.rxfer", folder);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(file), 0);
	(void)snprintf(path, sizeof(path), "%s/tables", folder);
	assert_int_equal(rmdir(path), 0);
	look_again();
	EXPECT("a@example.com");
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

/* With a zone away, a file that can't be read can be neither trusted nor replaced: it stands. */
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
	look_again();
	assert_int_equal(table_status(table).state, TABLE_OK);
	EXPECT("b@example.com");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(changes_while_we_were_away),
		TEST(what_others_did_is_put_right),
		TEST(a_zone_that_is_away_loses_nothing),
		TEST(a_file_without_stamp_gains_additions_too),
		TEST(another_rule_while_a_zone_is_away),
		TEST(a_folder_that_was_removed_is_made_again),
		TEST(a_strange_file_stands_while_a_zone_is_away),
		TEST(a_failed_writing_leaves_the_old_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
