/* store.c: records in a Tokyo Cabinet hash database.
 *
 * Entries: the key is a fingerprint (16 bytes, big-endian), the value u64 since (big-endian) and the record's
 * encoding. The key "meta" (4 bytes, so never a fingerprint) holds: u8 version 1, u8[16] epoch id, u64 epoch began,
 * u64 serial, u8[16] digest, u64 count, and at the end (in all versions) u8[8] check: the beginning of BLAKE2b-256 of all
 * before; for when an epoch began, and which serial it is, no digest of records would show. Beside the file: PATH.wal, the library's write-ahead log, and PATH.clean,
 * our clean mark (u8[12] "rxfer clean\n", then the meta entry): written durably after everything else at a proper
 * close, removed durably before the first change. It isn't kept inside the file because the library goes on writing
 * there while it closes: header, free blocks, and the log's removal must be on disk before anybody calls the file
 * clean.
 *
 * Mapping. The library maps header and buckets always, and `xmsiz` bytes of records, extending the file sparsely
 * beneath the mapping: a full disk is then a SIGBUS. With xmsiz 0 records are written with pwrite, where a full
 * disk is an error, and header and buckets were written as zeros when the file was made, so that their blocks are
 * there (file systems that never overwrite in place, btrfs and zfs, can't promise that). It costs little: a million
 * records of 35 bytes are built in 1.0 s instead of 0.7 s, and walked in 0.3 s (0.6 s at 48 bytes a read, the
 * library's choice).
 *
 * Full disk. The library (1.4.48) compares pwrite's and pread's result -1 with an unsigned size, and so takes
 * failure for success. Only errno shows it: each call here is made with errno 0, and one of a write's errors in it
 * afterwards counts as failure, whatever the library says.
 *
 * Crashes. All changes after the first filling are transactions whose log is written but not synced. kill -9 leaves
 * log and file as the kernel has them: the log undoes the half transaction at the next open. After a power cut
 * anything may be on disk: store_check finds what would hang or end the process, zonedb recomputes the digest. When
 * a write fails (full disk) the library may have changed a bucket without logging it, so that even its abort can't
 * be relied on: the store is then broken, and must be discarded and opened again, which checks it. */
#include "common/store.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/store_check.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <tchdb.h>
#include <unistd.h>

#define KEY_BYTES 16
#define META_KEY "meta"
#define META_KEY_BYTES 4
#define META_VERSION 1
#define META_CHECK_BYTES 8
#define META_ROOM 256          /* for a newer version's */
#define META_BYTES (1 + 16 + 8 + 8 + 16 + 8 + META_CHECK_BYTES)
#define MARK "rxfer clean\n"
#define MARK_BYTES 12
#define VALUE_MAX (8 + 1 + 2 + RECORD_KEY_MAX + 2 + RECORD_VALUE_MAX)
#define BUCKETS_MIN 131071
#define EXPECTED_MAX ((uint64_t)1 << 32)
#define READ_UNIT 256          /* one read gets nearly any record whole */
#define DEFRAGMENT_UNIT 64     /* freed blocks after which the library moves some records together */

struct store {
	char *path;
	char *mark;
	TCHDB *tc;
	struct store_meta meta;
	bool was_clean;
	bool changed;              /* since it was opened: the clean mark is gone */
	bool broken;
	bool in_transaction;
	struct buf value;          /* for putting */
};

static void meta_check(const uint8_t *meta, size_t length, uint8_t out[META_CHECK_BYTES])
{
	uint8_t hash[IDENTITY_HASH_BYTES];
	identity_hash(meta, length, hash);
	memcpy(out, hash, META_CHECK_BYTES);
}

/* Appended to whatever is in out. */
static void put_meta(struct buf *out, const struct store_meta *meta)
{
	size_t begin = out->length;
	uint8_t check[META_CHECK_BYTES];
	buf_put_u8(out, META_VERSION);
	buf_put(out, meta->epoch.id, sizeof(meta->epoch.id));
	buf_put_u64(out, (uint64_t)meta->epoch.began.ms);
	buf_put_u64(out, meta->serial);
	buf_put_u64(out, meta->digest.high);
	buf_put_u64(out, meta->digest.low);
	buf_put_u64(out, meta->count);
	meta_check(out->data + begin, out->length - begin, check);
	buf_put(out, check, sizeof(check));
}

static void put_key(uint8_t key[KEY_BYTES], const struct fingerprint *print)
{
	for (int i = 0; i < 8; i++) {
		key[i] = (uint8_t)(print->high >> (56 - 8 * i));
		key[8 + i] = (uint8_t)(print->low >> (56 - 8 * i));
	}
}

static bool system_failed(void)
{
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO;
}

/* Whether a call that was made with errno 0 really succeeded. */
static bool succeeded(const struct store *store, bool result)
{
	return result && !store->tc->fatal && !system_failed();
}

/* What the last failure means. Any but "no such record" and "there already" makes the library refuse transactions. */
static enum rc failure(struct store *store, const char *doing, struct why *why)
{
	int saved = errno;
	int code = tchdbecode(store->tc);
	if (store->tc->fatal || system_failed())
		store->broken = true;
	if (system_failed())
		return why_set(why, RC_IO, "%s: %s while %s", store->path, strerror(saved), doing);
	switch (code) {
	case TCENOREC:
		return why_set(why, RC_NOT_FOUND, "%s: no such record", store->path);
	case TCEKEEP:
		return why_set(why, RC_INVALID, "%s: the record is there already", store->path);
	case TCELOCK:
	case TCETHREAD:
		return why_set(why, RC_AGAIN, "%s: another process has it open", store->path);
	case TCEMETA:
	case TCERHEAD:
	case TCEREAD:
		return why_set(why, RC_DAMAGED, "%s: damaged: %s while %s", store->path, tchdberrmsg(code), doing);
	default:
		return why_set(why, RC_IO, "%s: %s while %s%s%s", store->path, tchdberrmsg(code), doing,
		               saved != 0 ? ": " : "", saved != 0 ? strerror(saved) : "");
	}
}

static enum rc broken(const struct store *store, struct why *why)
{
	return why_set(why, RC_IO, "%s: an earlier failure left it in doubt", store->path);
}

static struct store *store_new(const char *path)
{
	struct store *store = mem_zalloc(sizeof(*store));
	store->path = mem_strdup(path);
	store->mark = mem_sprintf("%s.clean", path);
	store->tc = tchdbnew();
	tchdbsetxmsiz(store->tc, 0);
	tchdbsetdfunit(store->tc, DEFRAGMENT_UNIT);
	return store;
}

void store_discard(struct store **store)
{
	if (*store == NULL)
		return;
	tchdbdel((*store)->tc);      /* closes it */
	buf_free(&(*store)->value);
	free((*store)->path);
	free((*store)->mark);
	free(*store);
	*store = NULL;
}

static enum rc open_library(struct store *store, int mode, struct why *why)
{
	errno = 0;
	if (!tchdbopen(store->tc, store->path, mode | HDBOWRITER | HDBOLCKNB))
		return failure(store, "opening it", why);
	store->tc->runit = READ_UNIT;
	(void)fcntl(store->tc->fd, F_SETFD, FD_CLOEXEC);
	return RC_OK;
}

static enum rc check_shape(struct store *store, struct why *why)
{
	struct store_shape shape = {
		.fd = store->tc->fd,
		.buckets = store->tc->bnum,
		.first = store->tc->frec,
		.size = store->tc->fsiz,
		.records = store->tc->rnum,
	};
	return store_check_shape(store->path, &shape, why);
}

static enum rc read_meta(struct store *store, struct why *why)
{
	uint8_t bytes[META_ROOM];
	uint8_t check[META_CHECK_BYTES];
	int length = tchdbget3(store->tc, META_KEY, META_KEY_BYTES, bytes, sizeof(bytes));
	if (length <= META_CHECK_BYTES)
		return why_set(why, RC_DAMAGED, "%s: doesn't say of which zone and serial it is", store->path);
	size_t checked = (size_t)length - META_CHECK_BYTES;
	meta_check(bytes, checked, check);
	if (memcmp(check, bytes + checked, sizeof(check)) != 0)
		return why_set(why, RC_DAMAGED, "%s: its description is damaged", store->path);
	if (bytes[0] != META_VERSION)
		return why_set(why, RC_UNSUPPORTED, "%s: written in format %u by a newer version; this one reads format %d",
		               store->path, bytes[0], META_VERSION);
	struct cursor in = cursor_over(bytes + 1, checked - 1);
	struct store_meta meta;
	cursor_copy(&in, meta.epoch.id, sizeof(meta.epoch.id));
	meta.epoch.began.ms = (int64_t)cursor_u64(&in);
	meta.serial = cursor_u64(&in);
	meta.digest.high = cursor_u64(&in);
	meta.digest.low = cursor_u64(&in);
	meta.count = cursor_u64(&in);
	if (!cursor_done(&in))
		return why_set(why, RC_DAMAGED, "%s: its description has %d bytes, not %d", store->path, length, META_BYTES);
	store->meta = meta;
	return RC_OK;
}

/* Whether the mark says what the store says; a mark may have been left by the store that was here before. */
static bool mark_fits(const struct store *store, const struct buf *mark)
{
	struct buf expected = {0};
	buf_put(&expected, MARK, MARK_BYTES);
	put_meta(&expected, &store->meta);
	bool fits = mark->length == expected.length && memcmp(mark->data, expected.data, mark->length) == 0;
	buf_free(&expected);
	return fits;
}

enum rc store_open(const char *path, struct store **out, struct why *why)
{
	struct store *store = store_new(path);
	struct buf mark = {0};
	bool marked = file_read(store->mark, MARK_BYTES + META_BYTES, &mark, NULL) == RC_OK && mark.length > 0;
	enum rc rc = store_check_before(path, marked, why);
	if (rc == RC_OK)
		rc = open_library(store, 0, why);
	if (rc == RC_OK)
		rc = check_shape(store, why);      /* a disk may give back other bytes than it got: marked or not */
	if (rc == RC_OK)
		rc = read_meta(store, why);
	if (rc == RC_OK)
		store->was_clean = marked && mark_fits(store, &mark);
	buf_free(&mark);
	if (rc != RC_OK) {
		store_discard(&store);
		return rc;
	}
	*out = store;
	return RC_OK;
}

/* Made by us first, for the mode: the library would make it readable for all. */
static enum rc make_private(const char *path, struct why *why)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return file_fail(why, "can't make", path);
	close(fd);
	return RC_OK;
}

static enum rc remove_file(const char *path, const char *suffix, struct why *why)
{
	char *name = mem_sprintf("%s%s", path, suffix);
	enum rc rc = unlink(name) == 0 || errno == ENOENT ? RC_OK : file_fail(why, "can't remove", name);
	free(name);
	return rc;
}

enum rc store_create(const char *path, const struct epoch *epoch, uint64_t expected, struct store **out,
                     struct why *why)
{
	struct store *store = store_new(path);
	store->changed = true;
	enum rc rc = remove_file(path, ".clean", why);
	if (rc == RC_OK)
		rc = remove_file(path, ".wal", why);
	if (rc == RC_OK)
		rc = remove_file(path, "", why);
	if (rc == RC_OK)
		rc = make_private(path, why);
	if (rc != RC_OK)
		goto fail;
	uint64_t buckets = expected > EXPECTED_MAX ? EXPECTED_MAX : expected * 2;
	tchdbtune(store->tc, buckets < BUCKETS_MIN ? BUCKETS_MIN : (int64_t)buckets, STORE_ALIGN_POWER, STORE_POOL_POWER,
	          HDBTLARGE);
	rc = open_library(store, HDBOCREAT, why);
	if (rc == RC_OK)
		rc = store_commit(store, &(struct store_meta){.epoch = *epoch}, why);
	if (rc != RC_OK)
		goto fail;
	*out = store;
	return RC_OK;
fail:
	store_discard(&store);
	return rc;
}

/* After the library closed it, the file and its folder are synced, then the mark is written: in this order. */
static enum rc make_durable(struct store *store, struct why *why)
{
	int fd = open(store->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return file_fail(why, "can't open", store->path);
	enum rc rc = fsync(fd) == 0 ? RC_OK : file_fail(why, "can't sync", store->path);
	close(fd);
	if (rc == RC_OK)
		rc = file_sync_folder(store->path, why);
	if (rc != RC_OK)
		return rc;
	struct buf mark = {0};
	buf_put(&mark, MARK, MARK_BYTES);
	put_meta(&mark, &store->meta);
	rc = file_replace(store->mark, 0600, mark.data, mark.length, why);
	buf_free(&mark);
	return rc;
}

enum rc store_close(struct store **handle, struct why *why)
{
	struct store *store = *handle;
	if (store == NULL)
		return RC_OK;
	assert(!store->in_transaction);
	enum rc rc = store->broken ? broken(store, why) : RC_OK;
	errno = 0;
	if (rc == RC_OK && store->changed && !succeeded(store, tchdbsync(store->tc)))
		rc = failure(store, "syncing it", why);
	errno = 0;
	bool closed = tchdbclose(store->tc);
	if (rc == RC_OK && (!closed || system_failed()))
		rc = failure(store, "closing it", why);
	if (rc == RC_OK && (store->changed || !store->was_clean))
		rc = make_durable(store, why);
	store_discard(handle);
	return rc;
}

const struct store_meta *store_meta(const struct store *store)
{
	return &store->meta;
}

bool store_was_clean(const struct store *store)
{
	return store->was_clean;
}

uint64_t store_bytes(const struct store *store)
{
	return tchdbfsiz(store->tc);
}

static enum rc decode_value(const struct store *store, const void *data, size_t length, struct store_entry *entry,
                            struct why *why)
{
	struct cursor in = cursor_over(data, length);
	entry->since = cursor_u64(&in);
	struct why inner = {""};
	if (record_decode(&in, &entry->record, &inner) != RC_OK || !cursor_done(&in))
		return why_set(why, RC_DAMAGED, "%s: holds an entry that isn't a record (%s)", store->path,
		               inner.text[0] != '\0' ? inner.text : "too long");
	return RC_OK;
}

enum rc store_get(struct store *store, const struct fingerprint *print, struct buf *scratch, struct store_entry *entry,
                  struct why *why)
{
	uint8_t key[KEY_BYTES];
	put_key(key, print);
	errno = 0;
	if (entry == NULL) {
		bool found = tchdbvsiz(store->tc, key, KEY_BYTES) >= 0;
		return succeeded(store, found) ? RC_OK : failure(store, "looking a record up", why);
	}
	buf_clear(scratch);
	buf_reserve(scratch, VALUE_MAX + 1);
	int length = tchdbget3(store->tc, key, KEY_BYTES, scratch->data, VALUE_MAX + 1);
	if (!succeeded(store, length >= 0))
		return failure(store, "looking a record up", why);
	scratch->length = (size_t)length;
	struct store_entry found;
	enum rc rc = decode_value(store, scratch->data, scratch->length, &found, why);
	if (rc == RC_OK)
		*entry = found;
	return rc;
}

/* Before the first change: the mark is gone for good, and the header says "open" on disk. */
static enum rc note_change(struct store *store, struct why *why)
{
	if (store->changed)
		return RC_OK;
	enum rc rc = remove_file(store->mark, "", why);
	if (rc == RC_OK)
		rc = file_sync_folder(store->path, why);
	errno = 0;
	if (rc == RC_OK && !succeeded(store, tchdbsync(store->tc)))
		rc = failure(store, "syncing it", why);
	if (rc == RC_OK)
		store->changed = true;
	return rc;
}

enum rc store_begin(struct store *store, struct why *why)
{
	assert(!store->in_transaction);
	if (store->broken)
		return broken(store, why);
	enum rc rc = note_change(store, why);
	if (rc == RC_OK && store->tc->walfd < 0) {
		char *log = mem_sprintf("%s.wal", store->path);
		rc = make_private(log, why);
		free(log);
	}
	if (rc != RC_OK)
		return rc;
	errno = 0;
	if (!succeeded(store, tchdbtranbegin(store->tc)))
		return failure(store, "beginning a transaction", why);
	store->in_transaction = true;
	return RC_OK;
}

enum rc store_put(struct store *store, const struct fingerprint *print, const struct store_entry *entry,
                  struct why *why)
{
	assert(store->changed);
	uint8_t key[KEY_BYTES];
	put_key(key, print);
	buf_clear(&store->value);
	buf_put_u64(&store->value, entry->since);
	record_encode(&store->value, &entry->record);
	errno = 0;
	if (!succeeded(store, tchdbputkeep(store->tc, key, KEY_BYTES, store->value.data, (int)store->value.length)))
		return failure(store, "adding a record", why);
	return RC_OK;
}

enum rc store_remove(struct store *store, const struct fingerprint *print, struct why *why)
{
	assert(store->changed);
	uint8_t key[KEY_BYTES];
	put_key(key, print);
	errno = 0;
	if (!succeeded(store, tchdbout(store->tc, key, KEY_BYTES)))
		return failure(store, "removing a record", why);
	return RC_OK;
}

enum rc store_commit(struct store *store, const struct store_meta *meta, struct why *why)
{
	assert(store->changed);
	buf_clear(&store->value);
	put_meta(&store->value, meta);
	errno = 0;
	if (!succeeded(store, tchdbput(store->tc, META_KEY, META_KEY_BYTES, store->value.data, (int)store->value.length)))
		return failure(store, "writing its description", why);
	if (store->in_transaction && !succeeded(store, tchdbtrancommit(store->tc))) {
		store->broken = true;
		return failure(store, "committing", why);
	}
	store->in_transaction = false;
	store->meta = *meta;
	return RC_OK;
}

void store_abort(struct store *store)
{
	if (store->in_transaction && !tchdbtranabort(store->tc))
		store->broken = true;
	if (store->tc->fatal)
		store->broken = true;
	store->in_transaction = false;
}

enum rc store_sync(struct store *store, struct why *why)
{
	assert(!store->in_transaction);
	if (store->broken)
		return broken(store, why);
	errno = 0;
	if (store->changed && !succeeded(store, tchdbsync(store->tc)))
		return failure(store, "syncing it", why);
	return RC_OK;
}

struct walk {
	struct store *store;
	store_visit *visit;
	void *context;
	struct why *why;
	enum rc rc;
};

static bool walk_one(const void *key, int key_length, const void *value, int value_length, void *context)
{
	struct walk *walk = context;
	if (system_failed())
		return false;
	if (key_length == META_KEY_BYTES)
		return true;
	if (key_length != KEY_BYTES) {
		walk->rc = why_set(walk->why, RC_DAMAGED, "%s: holds a key of %d bytes", walk->store->path, key_length);
		return false;
	}
	struct cursor in = cursor_over(key, KEY_BYTES);
	struct fingerprint print = {.high = cursor_u64(&in)};
	print.low = cursor_u64(&in);
	struct store_entry entry;
	walk->rc = decode_value(walk->store, value, (size_t)value_length, &entry, walk->why);
	bool more = walk->rc == RC_OK && walk->visit(walk->context, &print, &entry);
	errno = 0;      /* what the visitor left there is no failure of ours */
	return more;
}

enum rc store_walk(struct store *store, store_visit *visit, void *context, struct why *why)
{
	struct walk walk = {.store = store, .visit = visit, .context = context, .why = why, .rc = RC_OK};
	errno = 0;
	if (!succeeded(store, tchdbforeach(store->tc, walk_one, &walk)) && walk.rc == RC_OK)
		return failure(store, "reading all of it", why);
	return walk.rc;
}
