/* A zone on disk after a crash: kill -9 among commits and whole transfers, files lost, damaged, or of different ages. */
#include "tests/unit/zonedb_fixture.h"

#include <fcntl.h>

/* Runs work in a child that then is killed (by itself, or when the pipe brought `wait` bytes and `spin` went by). */
static void run_and_kill(void (*work)(int progress), int wait, int spin)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		work(ends[1]);
		(void)raise(SIGKILL);
	}
	assert_true(child > 0);
	close(ends[1]);
	for (int i = 0; i < wait; i++) {
		char byte;
		assert_int_equal(read(ends[0], &byte, 1), 1);
	}
	for (volatile int i = 0; i < spin; i++)
		;
	if (wait > 0)
		kill(child, SIGKILL);
	int end;
	assert_int_equal(waitpid(child, &end, 0), child);
	assert_true(WIFSIGNALED(end) && WTERMSIG(end) == SIGKILL);
	close(ends[0]);
}

static void commit_for_ever(int progress)
{
	struct zonedb *db = open_zone();
	for (;;) {
		uint64_t serial = zonedb_meta(db)->serial + 1;
		if (commit(db, serial) != RC_OK)
			_exit(3);
		/* Told only after the commit: from here on the serial must never be given to other contents. */
		if (write(progress, "x", 1) != 1)
			_exit(4);
		if (serial % 5 == 0 && zonedb_checkpoint(db, NULL) != RC_OK)
			_exit(5);
	}
}

static void survives_kill(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(1);
	uint64_t told = 1;
	zonedb_close(&db);
	for (int round = 0; round < 30; round++) {
		int commits = 1 + round % 5;
		run_and_kill(commit_for_ever, commits, (round * 7919) % 400000);
		db = open_zone();
		assert_string_equal(zonedb_trouble(db), "");
		assert_true(zonedb_present(db));
		assert_true(zonedb_meta(db)->serial >= told + (uint64_t)commits);
		told = zonedb_meta(db)->serial;
		check_contents(db);
		struct soa soa;
		assert_true(zonedb_soa(db, &soa));
		assert_int_equal(soa.serial, told);
		zonedb_close(&db);
	}
}

static void build_for_ever(int progress)
{
	struct zonedb *db = open_zone();
	for (uint64_t serial = zonedb_meta(db)->serial + 1;; serial++) {
		if (build(db, serial, NULL) != RC_OK || write(progress, "x", 1) != 1 || commit(db, serial + 1) != RC_OK)
			_exit(3);
	}
}

static void survives_kill_in_whole_transfers(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(1);
	uint64_t told = 1;
	zonedb_close(&db);
	for (int round = 0; round < 30; round++) {
		run_and_kill(build_for_ever, 1, (round * 7919) % 900000 * 8);
		db = open_zone();
		assert_string_equal(zonedb_trouble(db), "");
		assert_true(zonedb_present(db));
		assert_true(zonedb_meta(db)->serial > told);
		told = zonedb_meta(db)->serial;
		check_contents(db);
		assert_int_equal(commit(db, told + 1), RC_OK);
		check_contents(db);
		zonedb_close(&db);
	}
}

static void remove_inside(const char *name)
{
	char *path = inside(name);
	assert_true(unlink(path) == 0 || errno == ENOENT);
	free(path);
}

/* The crash between the two renames of a whole transfer: the new store with the old journal. */
static void new_store_with_old_journal(void **state)
{
	(void)state;
	for (int later_epoch = 0; later_epoch < 2; later_epoch++) {
		struct zonedb *db = open_zone();
		if (!zonedb_present(db))
			assert_int_equal(build(db, 5, NULL), RC_OK);
		assert_int_equal(commit(db, zonedb_meta(db)->serial + 1), RC_OK);
		zonedb_close(&db);
		copy_file("journal", "kept");
		db = open_zone();
		uint64_t serial = zonedb_meta(db)->serial + 4;
		if (later_epoch) {
			epoch = epoch_begin(&epoch);
			serial = 1;
		}
		assert_int_equal(build(db, serial, NULL), RC_OK);
		zonedb_close(&db);
		copy_file("kept", "journal");
		remove_inside("records.tch.clean");
		db = open_zone();
		assert_true(zonedb_present(db));
		assert_int_equal(zonedb_meta(db)->serial, serial);
		check_contents(db);
		assert_int_equal(commit(db, serial + 1), RC_OK);
		zonedb_close(&db);
		db = open_zone();
		assert_int_equal(zonedb_meta(db)->serial, serial + 1);
		check_contents(db);
		zonedb_close(&db);
	}
}

/* The journal is gone, or damaged, or an older one: no serial may be given out twice. */
static void lost_journals(void **state)
{
	(void)state;
	enum { CLEAN_MISSING, UNCLEAN_MISSING, CLEAN_DAMAGED, UNCLEAN_DAMAGED, ANNOUNCED_MISSING, CASES };
	for (int kind = 0; kind < CASES; kind++) {
		(void)start(NULL);
		struct zonedb *db = zone_at(5);
		assert_int_equal(commit(db, 6), RC_OK);
		assert_int_equal(commit(db, 7), RC_OK);
		if (kind == ANNOUNCED_MISSING) {
			struct soa soa = soa_of(8);
			soa_sign(&soa, signer);
			assert_int_equal(zonedb_note_soa(db, &soa, (struct wall){1}, NULL), RC_OK);
		}
		zonedb_close(&db);
		char *path = inside("journal");
		if (kind == CLEAN_DAMAGED || kind == UNCLEAN_DAMAGED)
			assert_int_equal(truncate(path, 20), 0);
		else
			unlink(path);
		free(path);
		if (kind == UNCLEAN_DAMAGED || kind == UNCLEAN_MISSING)
			remove_inside("records.tch.clean");
		db = open_zone();
		assert_int_equal(zonedb_present(db), kind != UNCLEAN_DAMAGED && kind != ANNOUNCED_MISSING);
		assert_int_equal(zonedb_trouble(db)[0] != '\0', kind != CLEAN_MISSING && kind != UNCLEAN_MISSING);
		if (zonedb_present(db)) {
			assert_int_equal(zonedb_meta(db)->serial, 7);
			check_contents(db);
			assert_int_equal(commit(db, 8), RC_OK);
			zonedb_close(&db);
			db = open_zone();
			assert_int_equal(zonedb_meta(db)->serial, 8);
		} else {
			struct soa soa;
			assert_true(zonedb_soa(db, &soa));
			assert_int_equal(build(db, 9, NULL), RC_OK);
		}
		assert_true(zonedb_present(db));
		check_contents(db);
		zonedb_close(&db);
	}
}

/* Cut off at its end, the journal looks as if its last entry had never been synced. That it was is known from the announcement
 * of what it led to: to go on from the serial before would refuse addresses, and at a master give a serial out twice. */
static void a_journal_that_lost_its_end(void **state)
{
	(void)state;
	for (int announced = 0; announced < 2; announced++) {
		(void)start(NULL);
		struct zonedb *db = zone_at(5);
		zonedb_close(&db);
		copy_file("records.tch", "kept");
		db = open_zone();
		assert_int_equal(commit(db, 6), RC_OK);
		assert_int_equal(commit(db, 7), RC_OK);
		if (announced) {
			struct soa soa = soa_of(7);
			soa_sign(&soa, signer);
			assert_int_equal(zonedb_note_soa(db, &soa, (struct wall){1}, NULL), RC_OK);
		}
		zonedb_close(&db);
		copy_file("kept", "records.tch");
		remove_inside("records.tch.clean");
		char *path = inside("journal");
		struct stat status;
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(truncate(path, status.st_size - 10), 0);
		free(path);
		db = open_zone();
		assert_int_equal(zonedb_present(db), !announced);
		if (announced) {
			struct soa soa;
			assert_true(zonedb_soa(db, &soa));
			assert_int_equal(soa.serial, 7);
			assert_int_equal(build(db, 7, NULL), RC_OK);
			assert_int_equal(zonedb_meta(db)->serial, 7);
		} else {
			assert_int_equal(zonedb_meta(db)->serial, 6);
		}
		check_contents(db);
		zonedb_close(&db);
	}
}

/* The store is gone or damaged, or older than the journal. */
static void lost_stores(void **state)
{
	(void)state;
	enum { MISSING, DAMAGED, BEHIND, TOO_OLD, OTHER_RECORDS, CASES };
	for (int kind = 0; kind < CASES; kind++) {
		(void)start(NULL);
		struct zonedb *db = zone_at(5);
		zonedb_close(&db);
		copy_file("records.tch", "kept");
		db = open_zone();
		assert_int_equal(commit(db, 6), RC_OK);
		if (kind == TOO_OLD)
			assert_int_equal(build(db, 7, NULL), RC_OK);
		assert_int_equal(commit(db, 8), RC_OK);
		zonedb_close(&db);
		remove_inside("records.tch.clean");
		if (kind == MISSING) {
			remove_inside("records.tch");
		} else if (kind == DAMAGED) {
			char *path = inside("records.tch");
			assert_int_equal(truncate(path, 1 << 19), 0);
			free(path);
		} else if (kind == OTHER_RECORDS) {
			struct store *store = NULL;
			struct store_meta meta;
			char *path = inside("records.tch");
			char text[64];
			struct record record = numbered(3, text);
			struct fingerprint print = record_fingerprint(epoch.id, &record);
			assert_int_equal(store_open(path, &store, NULL), RC_OK);
			meta = *store_meta(store);
			assert_int_equal(store_begin(store, NULL), RC_OK);
			assert_int_equal(store_remove(store, &print, NULL), RC_OK);
			assert_int_equal(store_commit(store, &meta, NULL), RC_OK);
			store_discard(&store);
			free(path);
		} else {
			copy_file("kept", "records.tch");
		}
		db = open_zone();
		assert_int_equal(zonedb_present(db), kind == BEHIND);
		assert_int_equal(zonedb_trouble(db)[0] != '\0', kind != BEHIND);
		struct soa soa;
		assert_true(zonedb_soa(db, &soa));
		assert_int_equal(soa.serial, 8);
		if (kind != BEHIND)
			assert_int_equal(build(db, 8, NULL), RC_OK);
		assert_int_equal(zonedb_meta(db)->serial, 8);
		check_contents(db);
		zonedb_close(&db);
		db = open_zone();
		assert_string_equal(zonedb_trouble(db), "");
		check_contents(db);
		zonedb_close(&db);
	}
}

#define BUCKETS 131071

/* Half of the index leads nowhere. */
static void break_index(int half)
{
	static const uint8_t nowhere[8] = {0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff};
	char *path = inside("records.tch");
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (int i = half ? BUCKETS / 2 : 0; i < (half ? BUCKETS : BUCKETS / 2); i++)
		assert_int_equal(pwrite(fd, nowhere, 8, 256 + 8 * i), 8);
	close(fd);
	free(path);
}

static enum rc look_up_all(struct zonedb *db)
{
	enum rc rc = RC_OK;
	for (int n = 0; n < NUMBERS && rc != RC_DAMAGED; n++) {
		char text[64];
		struct record record = numbered(n, text);
		struct fingerprint print = record_fingerprint(epoch.id, &record);
		rc = zonedb_get(db, &print, NULL, NULL, NULL);
	}
	return rc;
}

/* Damage behind a clean mark: found at the start; or, when it happens later, at a look-up, and from then on it's known. */
static void an_index_that_leads_nowhere(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		(void)start(NULL);
		struct zonedb *db = zone_at(5);
		zonedb_close(&db);
		bool later = kind >= 2;
		if (!later)
			break_index(kind % 2);
		db = open_zone();
		assert_int_equal(zonedb_present(db), later);
		if (later) {
			break_index(kind % 2);
			assert_int_equal(look_up_all(db), RC_DAMAGED);
			(void)look_up_all(db);
			assert_false(zonedb_present(db));
		}
		zonedb_close(&db);
		db = open_zone();
		assert_false(zonedb_present(db));
		assert_int_equal(build(db, 5, NULL), RC_OK);
		check_contents(db);
		zonedb_close(&db);
	}
}

/* A store from before the journal's beginning, and nothing else that tells of what is missing. */
static void a_gap_is_seen_by_the_journal_alone(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(5);
	zonedb_close(&db);
	copy_file("records.tch", "kept");
	db = open_zone();
	assert_int_equal(build(db, 7, NULL), RC_OK);
	zonedb_close(&db);
	copy_file("kept", "records.tch");
	remove_inside("records.tch.clean");
	remove_inside("soa");
	db = open_zone();
	assert_false(zonedb_present(db));
	assert_non_null(strstr(zonedb_trouble(db), "missing"));
	zonedb_close(&db);
}

/* The journal takes the changeset, the store can't: the commit stands, and the next use mends the store. */
static void store_fails_behind_the_journal(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(5);
	zonedb_close(&db);
	db = open_zone();
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit before;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	/* Room for the journal, which is small, but not for the store, which is larger than a megabyte. */
	struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	enum rc committed = commit(db, 6);
	struct fingerprint print = {0};
	enum rc got = zonedb_get(db, &print, NULL, NULL, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(committed, RC_OK);
	assert_int_equal(zonedb_meta(db)->serial, 6);
	assert_int_equal(got, RC_IO);
	check_contents(db);
	assert_int_equal(commit(db, 7), RC_OK);
	check_contents(db);
	zonedb_close(&db);
	db = open_zone();
	assert_int_equal(zonedb_meta(db)->serial, 7);
	check_contents(db);
	zonedb_close(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(survives_kill),
		TEST(survives_kill_in_whole_transfers),
		TEST(new_store_with_old_journal),
		TEST(lost_journals),
		TEST(a_journal_that_lost_its_end),
		TEST(lost_stores),
		TEST(an_index_that_leads_nowhere),
		TEST(a_gap_is_seen_by_the_journal_alone),
		TEST(store_fails_behind_the_journal),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
