/* read_bdb.c: all keys of hash: and btree: indexes. The one file of the master that uses Berkeley DB.
 *
 * The lock is flock on the .db file itself, taken before the library opens it: postmap holds the exclusive one from
 * before it truncates the file until it's complete.
 *
 * The library trusts what it reads: from a damaged page it makes an endless walk, or a shorter one that looks like a
 * success. So the file is proved to be whole first: a hash by hash_proof.c, a btree, and what that can't prove, by the
 * library's own verification, which takes 0.5 s for a million keys. The file's length is compared with what its first page
 * says, and the number of keys with what was proved.
 */
#include "common/mem.h"
#include "master/hash_proof.h"
#include "master/read.h"

#include <db.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BULK_FIRST (1024u * 1024u)
#define BULK_MAX (256u * 1024u * 1024u)
#define CACHE_BYTES (16u * 1024u * 1024u)

/* Where any of the library's meta pages has them, in the byte order of the machine that wrote it. */
#define META_PAGE_SIZE 20
#define META_LAST_PAGE 32
#define META_BYTES 72

struct table {
	const char *path;
	DBTYPE type;                 /* that it should be */
	struct read_file file;
};

static enum rc fail(struct why *why, const char *path, const char *doing, int code)
{
	return why_set(why, RC_DAMAGED, "can't %s %s: %s: is it damaged? make it anew", doing, path, db_strerror(code));
}

/* The library writes to standard error by itself otherwise. */
static void say_nothing(const DB_ENV *env, const char *prefix, const char *message)
{
	(void)env;
	(void)prefix;
	(void)message;
}

static enum rc check_length(DB *db, const struct read_file *file, const char *path, struct why *why)
{
	unsigned char meta[META_BYTES];
	uint32_t page_size, last_page;
	int swapped = 0;
	if (pread(file->fd, meta, sizeof(meta), 0) != (ssize_t)sizeof(meta))
		return why_set(why, RC_DAMAGED, "%s is cut off: make it anew", path);
	memcpy(&page_size, meta + META_PAGE_SIZE, sizeof(page_size));
	memcpy(&last_page, meta + META_LAST_PAGE, sizeof(last_page));
	if (db->get_byteswapped(db, &swapped) == 0 && swapped) {
		page_size = __builtin_bswap32(page_size);
		last_page = __builtin_bswap32(last_page);
	}
	if ((uint64_t)file->stamp.size < ((uint64_t)last_page + 1) * page_size)
		return why_set(why, RC_DAMAGED, "%s is cut off: make it anew", path);
	return RC_OK;
}

static enum rc check_type(DB *db, DBTYPE wanted, const char *path, struct why *why)
{
	DBTYPE type = DB_UNKNOWN;
	int code = db->get_type(db, &type);
	if (code != 0)
		return fail(why, path, "look at", code);
	if (type == wanted)
		return RC_OK;
	const char *other = type == DB_HASH ? "hash" : type == DB_BTREE ? "btree" : NULL;
	if (!other)
		return why_set(why, RC_INVALID, "%s is a Berkeley DB file, but neither a hash nor a btree", path);
	return why_set(why, RC_INVALID, "%s is a %s, not a %s: write %s: in front of its path", path, other,
	               wanted == DB_HASH ? "hash" : "btree", other);
}

/* Returns how many keys there were. */
static uint64_t put_bulk(DBT *bulk, const struct read_sink *sink)
{
	void *position, *key, *value;
	size_t key_length, value_length;
	uint64_t keys = 0;
	DB_MULTIPLE_INIT(position, bulk);
	for (;;) {
		DB_MULTIPLE_KEY_NEXT(position, bulk, key, key_length, value, value_length);
		if (!position)
			break;
		const char *text = key;
		if (key_length > 0 && text[key_length - 1] == '\0')
			key_length--;
		sink->key(sink->context, text, key_length, 0);
		keys++;
	}
	(void)value;
	(void)value_length;
	return keys;
}

/* Returns the library's code; 0: everything was walked. */
static int walk(DBC *cursor, const struct read_sink *sink, uint64_t *keys)
{
	DBT key = {0};
	DBT bulk = {.ulen = BULK_FIRST, .flags = DB_DBT_USERMEM};
	bulk.data = mem_alloc(bulk.ulen);
	int code;
	for (;;) {
		code = cursor->get(cursor, &key, &bulk, DB_NEXT | DB_MULTIPLE_KEY);
		if (code == 0) {
			*keys += put_bulk(&bulk, sink);
		} else if (code == DB_BUFFER_SMALL && bulk.ulen < BULK_MAX) {
			bulk.ulen *= 2;
			bulk.data = mem_realloc(bulk.data, bulk.ulen, 1);
		} else {
			break;
		}
	}
	free(bulk.data);
	return code == DB_NOTFOUND ? 0 : code;
}

static enum rc walk_all(DB *db, const char *path, const struct read_sink *sink, const uint64_t *proved, struct why *why)
{
	DBC *cursor = NULL;
	uint64_t keys = 0;
	int code = db->cursor(db, NULL, &cursor, DB_CURSOR_BULK);
	if (code != 0)
		return fail(why, path, "read", code);
	code = walk(cursor, sink, &keys);
	(void)cursor->close(cursor);
	if (code != 0)
		return fail(why, path, "read", code);
	if (proved && keys != *proved)
		return why_set(why, RC_DAMAGED, "%s has %" PRIu64 " keys, but only %" PRIu64 " could be read: make it anew", path,
		               *proved, keys);
	return RC_OK;
}

static int make_handle(DB **out)
{
	int code = db_create(out, NULL, 0);
	if (code != 0)
		return code;
	(*out)->set_errcall(*out, say_nothing);
	return (*out)->set_cachesize(*out, 0, CACHE_BYTES, 1);
}

static enum rc verify(const struct read_file *file, const char *path, struct why *why)
{
	DB *db = NULL;
	int code = make_handle(&db);
	if (code == 0)
		code = db->verify(db, file->name, NULL, NULL, 0);      /* takes the handle, whatever happens */
	return code == 0 ? RC_OK : fail(why, path, "verify", code);
}

/* proved: how many keys there are, or NULL. */
static enum rc read_open_file(const struct table *table, const struct read_sink *sink, const uint64_t *proved,
                              struct why *why)
{
	DB *db = NULL;
	const char *path = table->path;
	enum rc rc;
	int code = make_handle(&db);
	if (code != 0)
		return fail(why, path, "open", code);
	code = db->open(db, NULL, table->file.name, NULL, DB_UNKNOWN, DB_RDONLY, 0);
	if (code != 0)
		rc = fail(why, path, "open", code);
	else
		rc = check_type(db, table->type, path, why);
	if (rc == RC_OK)
		rc = check_length(db, &table->file, path, why);
	if (rc == RC_OK)
		rc = walk_all(db, path, sink, proved, why);
	(void)db->close(db, DB_NOSYNC);
	return rc;
}

static enum rc read_any(const char *path, DBTYPE type, const struct read_sink *sink, struct why *why)
{
	struct table table = {.path = path, .type = type};
	uint64_t keys = 0;
	enum rc rc = read_open(path, READ_FLOCK, &table.file, why);
	if (rc != RC_OK)
		return rc;
	bool proved = hash_proof(table.file.fd, (uint64_t)table.file.stamp.size, &keys);
	if (!proved)
		rc = verify(&table.file, path, why);
	if (rc == RC_OK)
		rc = read_open_file(&table, sink, proved ? &keys : NULL, why);
	if (rc == RC_OK)
		rc = read_unchanged(&table.file, path, why);
	read_close(&table.file);
	return rc;
}

enum rc read_hash(const char *path, const struct read_sink *sink, struct why *why)
{
	return read_any(path, DB_HASH, sink, why);
}

enum rc read_btree(const char *path, const struct read_sink *sink, struct why *why)
{
	return read_any(path, DB_BTREE, sink, why);
}
