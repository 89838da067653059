/* A zone on disk: commits, kill -9 among them, whole transfers and crashes in the middle of one, lost and damaged files.
 *
 * The zone of serial s holds the numbers n < 400 with (n + s) % 7 != 0, so that contents can be told from a serial. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/zonedb.h"

#include "common/file.h"
#include "common/mem.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBERS 400
#define STEP 7

static char *top;
static char *folder;
static struct identity *signer;
static struct epoch epoch;

static int set_up(void **state)
{
	(void)state;
	identity_init();
	const char *base = getenv("TMPDIR");
	top = mem_sprintf("%s/rxfer-zonedb-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(top));
	char *path = mem_sprintf("%s/identity", top);
	assert_int_equal(identity_generate(path, NULL), RC_OK);
	assert_int_equal(identity_load(path, &signer, NULL), RC_OK);
	unlink(path);
	free(path);
	folder = mem_sprintf("%s/zone", top);
	return 0;
}

static char *inside(const char *name)
{
	return mem_sprintf("%s/%s", folder, name);
}

static void empty_folder(void)
{
	DIR *dir = opendir(folder);
	if (dir == NULL)
		return;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		char *path = inside(entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
		free(path);
	}
	closedir(dir);
	rmdir(folder);
}

static int start(void **state)
{
	(void)state;
	empty_folder();
	epoch = epoch_begin(&epoch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	empty_folder();
	rmdir(top);
	free(folder);
	free(top);
	identity_free(&signer);
	return 0;
}

static bool member(int number, uint64_t serial)
{
	return ((uint64_t)number + serial) % STEP != 0;
}

static struct record numbered(int number, char text[64])
{
	int length = snprintf(text, 64, "user%d@example.com", number);
	return record_make(RECORD_RCPT, text, (size_t)length);
}

static struct soa soa_of(uint64_t serial)
{
	struct soa soa = {.zone = "z", .epoch = epoch, .serial = serial, .from = serial, .refresh_s = 60, .retry_s = 15,
	                  .expire_s = 3600, .time = {1700000000000 + (int64_t)serial}};
	for (int n = 0; n < NUMBERS; n++) {
		char text[64];
		struct record record = numbered(n, text);
		if (!member(n, serial))
			continue;
		struct fingerprint print = record_fingerprint(epoch.id, &record);
		digest_add(&soa.digest, &print);
		soa.count++;
	}
	return soa;
}

/* The encoding of the changeset from `from` to `to`, in another contents than those of the numbers when `lie`. */
static void changeset_of(uint64_t from, uint64_t to, bool lie, struct buf *out)
{
	struct changeset_draft draft = {0};
	for (int deleting = 0; deleting < 2; deleting++) {
		for (int n = 0; n < NUMBERS; n++) {
			char text[64];
			struct record record = numbered(n, text);
			if (deleting ? member(n, from) && !member(n, to) : !member(n, from) && member(n, to))
				assert_true(changeset_draft_put(&draft, deleting ? CHANGE_DELETE : CHANGE_ADD, &record));
		}
	}
	struct soa soa = soa_of(to);
	soa.from = from;
	if (lie)
		soa.digest.low ^= 1;
	changeset_draft_finish(&draft, &soa, signer, out);
	changeset_draft_free(&draft);
}

static enum rc commit_encoding(struct zonedb *db, const struct buf *data, struct why *why)
{
	struct changeset changeset;
	if (changeset_decode(data->data, data->length, &changeset, why) != RC_OK)
		return RC_UNSUPPORTED;
	enum rc rc = zonedb_commit(db, &changeset, data->data, data->length, (struct wall){1234}, why);
	changeset_free(&changeset);
	return rc;
}

static enum rc commit(struct zonedb *db, uint64_t to)
{
	struct buf data = {0};
	changeset_of(zonedb_meta(db)->serial, to, false, &data);
	enum rc rc = commit_encoding(db, &data, NULL);
	buf_free(&data);
	return rc;
}

static struct zonedb *open_zone(void)
{
	struct zonedb *db = NULL;
	struct why why = {""};
	if (zonedb_open(folder, "z", &db, &why) != RC_OK)
		fail_msg("%s", why.text);
	return db;
}

static struct zonedb_builder *fill(struct zonedb *db, uint64_t serial)
{
	struct zonedb_builder *builder = NULL;
	assert_int_equal(zonedb_build(db, &epoch, NUMBERS, &builder, NULL), RC_OK);
	for (int n = 0; n < NUMBERS; n++) {
		char text[64];
		struct record record = numbered(n, text);
		if (member(n, serial))
			assert_int_equal(zonedb_build_add(builder, &record, serial, NULL), RC_OK);
	}
	return builder;
}

static enum rc build(struct zonedb *db, uint64_t serial, struct why *why)
{
	struct zonedb_builder *builder = fill(db, serial);
	struct soa soa = soa_of(serial);
	soa.kind = SOA_SNAPSHOT;
	memset(soa.content_hash, 5, sizeof(soa.content_hash));
	soa_sign(&soa, signer);
	enum rc rc = zonedb_build_finish(&builder, &soa, (struct wall){777}, why);
	assert_null(builder);
	return rc;
}

struct sum {
	struct digest digest;
	uint64_t count;
};

static bool add_up(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	struct sum *sum = context;
	struct fingerprint real = record_fingerprint(epoch.id, &entry->record);
	assert_int_equal(fingerprint_compare(&real, print), 0);
	digest_add(&sum->digest, &real);
	sum->count++;
	return true;
}

/* That it holds exactly the numbers of its serial. */
static void check_contents(struct zonedb *db)
{
	assert_true(zonedb_present(db));
	const struct store_meta *meta = zonedb_meta(db);
	struct sum sum = {0};
	assert_int_equal(zonedb_walk(db, add_up, &sum, NULL), RC_OK);
	struct soa expected = soa_of(meta->serial);
	assert_true(digest_equal(&sum.digest, &expected.digest));
	assert_true(digest_equal(&sum.digest, &meta->digest));
	assert_int_equal(sum.count, meta->count);
	for (int n = 0; n < NUMBERS; n++) {
		char text[64];
		struct record record = numbered(n, text);
		struct fingerprint print = record_fingerprint(epoch.id, &record);
		struct buf scratch = {0};
		struct store_entry entry;
		enum rc rc = zonedb_get(db, &print, &scratch, &entry, NULL);
		assert_int_equal(rc, member(n, meta->serial) ? RC_OK : RC_NOT_FOUND);
		if (rc == RC_OK)
			assert_true(entry.since <= meta->serial);
		buf_free(&scratch);
	}
}

static struct zonedb *zone_at(uint64_t serial)
{
	struct zonedb *db = open_zone();
	struct why why = {""};
	if (build(db, serial, &why) != RC_OK)
		fail_msg("%s", why.text);
	return db;
}

static void begins_empty(void **state)
{
	(void)state;
	struct zonedb *db = open_zone();
	assert_false(zonedb_present(db));
	assert_string_equal(zonedb_trouble(db), "");
	struct soa soa;
	assert_false(zonedb_soa(db, &soa));
	struct zonedb *second = NULL;
	assert_int_equal(zonedb_open(folder, "z", &second, NULL), RC_AGAIN);
	assert_null(second);
	struct fingerprint print = {0};
	assert_int_equal(zonedb_get(db, &print, NULL, NULL, NULL), RC_NOT_FOUND);
	assert_int_equal(zonedb_checkpoint(db, NULL), RC_OK);
	zonedb_close(&db);
	assert_null(db);
}

static void commits_and_reopens(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(5);
	check_contents(db);
	struct soa soa;
	assert_true(zonedb_soa(db, &soa));
	assert_int_equal(soa.kind, SOA_SNAPSHOT);
	assert_int_equal(zonedb_soa_received(db).ms, 777);
	assert_int_equal(commit(db, 6), RC_OK);
	assert_int_equal(commit(db, 9), RC_OK);
	assert_int_equal(zonedb_soa_received(db).ms, 1234);
	for (int opened = 0; opened < 2; opened++) {
		assert_int_equal(zonedb_meta(db)->serial, 9);
		assert_int_equal(zonedb_oldest(db), 5);
		assert_string_equal(zonedb_trouble(db), "");
		check_contents(db);
		assert_true(zonedb_soa(db, &soa));
		assert_int_equal(soa.serial, 9);
		assert_true(soa_verify(&soa, identity_public(signer)));
		struct buf out = {0};
		uint64_t to;
		assert_int_equal(zonedb_changes_from(db, &epoch, 6, &out, &to, NULL), RC_OK);
		assert_int_equal(to, 9);
		assert_int_equal(zonedb_changes_from(db, &epoch, 7, &out, &to, NULL), RC_NOT_FOUND);
		struct epoch other = epoch_begin(&epoch);
		assert_int_equal(zonedb_changes_from(db, &other, 6, &out, &to, NULL), RC_NOT_FOUND);
		buf_free(&out);
		zonedb_close(&db);
		db = open_zone();
	}
	/* The changeset was signed later than the file's announcement came. */
	assert_int_equal(zonedb_soa_received(db).ms, soa.time.ms);
	zonedb_close(&db);
}

static void refuses_what_does_not_fit(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(5);
	static const struct { uint64_t from, to; bool lie; } cases[] = {{4, 6, false}, {6, 7, false}, {5, 6, true}};
	for (size_t i = 0; i < 3; i++) {
		struct buf data = {0};
		changeset_of(cases[i].from, cases[i].to, cases[i].lie, &data);
		assert_int_equal(commit_encoding(db, &data, NULL), RC_INVALID);
		buf_free(&data);
	}
	/* Leads to the right digest, but adds what is there, deletes what isn't, or speaks of one record twice. */
	char a[64], b[64];
	struct record absent = numbered(NUMBERS + 1, a);
	struct record here = numbered(4, b);
	assert_true(member(4, 5) && member(4, 6) && !member(2, 5));
	struct { enum change change; struct record record; } odd[][2] = {
		{{CHANGE_ADD, absent}, {CHANGE_DELETE, absent}},
		{{CHANGE_ADD, here}, {CHANGE_DELETE, here}},
	};
	for (size_t i = 0; i < 2; i++) {
		struct changeset_draft draft = {0};
		assert_true(changeset_draft_put(&draft, odd[i][0].change, &odd[i][0].record));
		assert_true(changeset_draft_put(&draft, odd[i][1].change, &odd[i][1].record));
		struct soa soa = soa_of(5);
		soa.from = 5;
		soa.serial = 6;
		struct buf data = {0};
		changeset_draft_finish(&draft, &soa, signer, &data);
		struct why why;
		assert_int_equal(commit_encoding(db, &data, &why), RC_INVALID);
		assert_non_null(strstr(why.text, "twice"));
		buf_free(&data);
		changeset_draft_free(&draft);
	}
	for (int deleting = 0; deleting < 2; deleting++) {
		struct changeset_draft draft = {0};
		struct record *record = deleting ? &absent : &here;
		assert_true(changeset_draft_put(&draft, deleting ? CHANGE_DELETE : CHANGE_ADD, record));
		struct soa soa = soa_of(5);
		struct fingerprint print = record_fingerprint(epoch.id, record);
		soa.from = 5;
		soa.serial = 6;
		if (deleting) {
			digest_subtract(&soa.digest, &print);
			soa.count--;
		} else {
			digest_add(&soa.digest, &print);
			soa.count++;
		}
		struct buf data = {0};
		changeset_draft_finish(&draft, &soa, signer, &data);
		assert_int_equal(commit_encoding(db, &data, NULL), RC_INVALID);
		buf_free(&data);
		changeset_draft_free(&draft);
	}
	assert_int_equal(zonedb_meta(db)->serial, 5);
	check_contents(db);
	assert_int_equal(commit(db, 6), RC_OK);
	check_contents(db);
	zonedb_close(&db);
}

static void remembers_announcements(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(5);
	struct soa soa = soa_of(8);
	soa_sign(&soa, signer);
	assert_int_equal(zonedb_note_soa(db, &soa, (struct wall){4444}, NULL), RC_OK);
	soa.time.ms++;
	assert_int_equal(zonedb_note_soa(db, &soa, (struct wall){5555}, NULL), RC_OK);
	struct soa older = soa_of(7);
	assert_int_equal(zonedb_note_soa(db, &older, (struct wall){6666}, NULL), RC_INVALID);
	assert_int_equal(commit(db, 6), RC_OK);
	for (int opened = 0; opened < 2; opened++) {
		struct soa known;
		assert_true(zonedb_soa(db, &known));
		assert_memory_equal(&known, &soa, sizeof(soa));
		assert_int_equal(zonedb_soa_received(db).ms, 5555);
		assert_int_equal(zonedb_meta(db)->serial, 6);
		check_contents(db);
		zonedb_close(&db);
		db = open_zone();
	}
	zonedb_close(&db);
	char *path = inside("soa");
	assert_int_equal(truncate(path, 30), 0);
	db = open_zone();
	assert_true(zonedb_present(db));
	assert_non_null(strstr(zonedb_trouble(db), "announcement"));
	assert_true(zonedb_soa(db, &soa));
	assert_int_equal(soa.serial, 6);
	zonedb_close(&db);
	free(path);
}

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

static void copy_file(const char *from, const char *to)
{
	struct buf data = {0};
	char *from_path = inside(from);
	char *to_path = inside(to);
	assert_int_equal(file_read(from_path, 1 << 26, &data, NULL), RC_OK);
	assert_int_equal(file_replace(to_path, 0600, data.data, data.length, NULL), RC_OK);
	buf_free(&data);
	free(from_path);
	free(to_path);
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

/* Leftovers of a transfer that was killed before it took its place. */
static void leftovers_are_removed(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(5);
	zonedb_close(&db);
	copy_file("records.tch", "records.tch.new");
	copy_file("journal", "journal.new");
	db = open_zone();
	check_contents(db);
	char *path = inside("records.tch.new");
	assert_int_not_equal(access(path, F_OK), 0);
	free(path);
	/* And one given up leaves what was there. */
	struct zonedb_builder *builder = fill(db, 6);
	struct zonedb_builder *second = NULL;
	assert_int_equal(zonedb_build(db, &epoch, 1, &second, NULL), RC_AGAIN);
	zonedb_build_abandon(&builder);
	assert_null(builder);
	builder = fill(db, 6);
	char text[64];
	struct record twice = numbered(3, text);
	assert_int_equal(zonedb_build_add(builder, &twice, 6, NULL), RC_INVALID);
	zonedb_build_abandon(&builder);
	builder = fill(db, 6);
	struct soa wrong = soa_of(7);
	assert_int_equal(zonedb_build_finish(&builder, &wrong, (struct wall){1}, NULL), RC_INVALID);
	assert_null(builder);
	assert_int_equal(build(db, 4, NULL), RC_INVALID);       /* never backwards */
	assert_int_equal(zonedb_meta(db)->serial, 5);
	check_contents(db);
	assert_int_equal(build(db, 5, NULL), RC_OK);            /* the same again: healing */
	check_contents(db);
	zonedb_close(&db);
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

static void upkeep_trims(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(1);
	uint64_t serial = 1;
	while (zonedb_oldest(db) == 1 && serial < 2000) {
		assert_int_equal(commit(db, ++serial), RC_OK);
		assert_int_equal(zonedb_checkpoint(db, NULL), RC_OK);
	}
	assert_true(zonedb_oldest(db) > 1 && zonedb_oldest(db) < serial);
	char *path = inside("journal");
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_true(status.st_size <= 1 << 20 && status.st_size > 1 << 19);
	free(path);
	uint64_t oldest = zonedb_oldest(db);
	zonedb_close(&db);
	db = open_zone();
	assert_int_equal(zonedb_oldest(db), oldest);
	assert_int_equal(zonedb_meta(db)->serial, serial);
	check_contents(db);
	zonedb_close(&db);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(begins_empty),
		TEST(commits_and_reopens),
		TEST(refuses_what_does_not_fit),
		TEST(remembers_announcements),
		TEST(survives_kill),
		TEST(survives_kill_in_whole_transfers),
		TEST(new_store_with_old_journal),
		TEST(leftovers_are_removed),
		TEST(lost_journals),
		TEST(lost_stores),
		TEST(store_fails_behind_the_journal),
		TEST(upkeep_trims),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
