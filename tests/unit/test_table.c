/* test_table.c: tables over real zones on disk. First of all what would make a valid address be refused: a first file
 * that lacks a zone, an emptied file, a file written in place, a domain before its recipients. */
#include "tests/unit/table_fixture.h"

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
	look_again();                                    /* nothing of its type has changed */
	assert_int_equal(look().st_ino, before.st_ino);
	assert_true(table_served(table, "one", &epoch, &serial));
	assert_int_equal(serial, 3);
}

/* A table of domains waits for the recipients', without going round in circles, and goes on when it is told to. */
static void one_waits_for_another(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com");
	start(1);
	assert_false(table_behind(table));
	FILL(0, 2, "b@example.com");
	must_wait = true;
	touch();
	assert_true(table_behind(table));
	EXPECT("a@example.com");
	int before = changes;
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	assert_int_equal(changes, before);
	must_wait = false;
	table_go_on(table);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	EXPECT("b@example.com");
	assert_false(table_behind(table));
	table_go_on(table);      /* nobody waits */
	before = changes;
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	assert_int_equal(changes, before);
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

static void bursts_are_one_writing(void **state)
{
	(void)state;
	FILL(0, 1, "a@example.com");
	start(1);
	int before = changes;
	for (int i = 0; i < 100; i++)
		table_touch(table, true);
	settle(before);
	assert_int_equal(loop_turn(loop, 0, NULL), RC_OK);
	assert_int_equal(changes, before + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(no_file_before_all_zones),
		TEST(only_allowed_domains),
		TEST(any_domain),
		TEST(never_empty),
		TEST(always_a_new_file),
		TEST(an_unchanged_one_stands),
		TEST(one_waits_for_another),
		TEST(expired_zones_accept_their_domains),
		TEST(domains),
		TEST(bursts_are_one_writing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
