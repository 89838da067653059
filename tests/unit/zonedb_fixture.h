/* zonedb_fixture.h: a zone on disk to be tested: its folder, its keys, and contents that can be told from the serial.
 *
 * The zone of serial s holds the numbers n < 400 with (n + s) % 7 != 0. */
#ifndef ZONEDB_FIXTURE_H
#define ZONEDB_FIXTURE_H

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

static inline int set_up(void **state)
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

static inline void empty_folder(void)
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

static inline int start(void **state)
{
	(void)state;
	empty_folder();
	epoch = epoch_begin(&epoch);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	empty_folder();
	rmdir(top);
	free(folder);
	free(top);
	identity_free(&signer);
	return 0;
}

static inline bool member(int number, uint64_t serial)
{
	return ((uint64_t)number + serial) % STEP != 0;
}

static inline struct record numbered(int number, char text[64])
{
	int length = snprintf(text, 64, "user%d@example.com", number);
	return record_make(RECORD_RCPT, text, (size_t)length);
}

static inline struct soa soa_of(uint64_t serial)
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
static inline void changeset_of(uint64_t from, uint64_t to, bool lie, struct buf *out)
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

static inline enum rc commit_encoding(struct zonedb *db, const struct buf *data, struct why *why)
{
	struct changeset changeset;
	if (changeset_decode(data->data, data->length, &changeset, why) != RC_OK)
		return RC_UNSUPPORTED;
	enum rc rc = zonedb_commit(db, &changeset, data->data, data->length, (struct wall){1234}, why);
	changeset_free(&changeset);
	return rc;
}

static inline enum rc commit(struct zonedb *db, uint64_t to)
{
	struct buf data = {0};
	changeset_of(zonedb_meta(db)->serial, to, false, &data);
	enum rc rc = commit_encoding(db, &data, NULL);
	buf_free(&data);
	return rc;
}

static inline struct zonedb *open_zone(void)
{
	struct zonedb *db = NULL;
	struct why why = {""};
	if (zonedb_open(folder, "z", &db, &why) != RC_OK)
		fail_msg("%s", why.text);
	return db;
}

static inline struct zonedb_builder *fill(struct zonedb *db, uint64_t serial)
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

static inline enum rc build(struct zonedb *db, uint64_t serial, struct why *why)
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

static inline bool add_up(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	struct sum *sum = context;
	struct fingerprint real = record_fingerprint(epoch.id, &entry->record);
	assert_int_equal(fingerprint_compare(&real, print), 0);
	digest_add(&sum->digest, &real);
	sum->count++;
	return true;
}

/* That it holds exactly the numbers of its serial. */
static inline void check_contents(struct zonedb *db)
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

static inline struct zonedb *zone_at(uint64_t serial)
{
	struct zonedb *db = open_zone();
	struct why why = {""};
	if (build(db, serial, &why) != RC_OK)
		fail_msg("%s", why.text);
	return db;
}

static inline void copy_file(const char *from, const char *to)
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

#define TEST(name) cmocka_unit_test_setup(name, start)

#endif
