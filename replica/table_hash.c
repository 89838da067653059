/* table_hash.c: Postfix's hash: tables, exactly as postmap makes them: the one file that uses Berkeley DB.
 *
 * Berkeley DB hash, pages of 4096 bytes, no duplicates; key and value both end with a NUL that is stored (Postfix's
 * dict_db reads whichever form it meets first, so the forms must not be mixed); the value is "OK", which must not be
 * empty. The file is always a new one: smtpd keeps an open table's pages in its own cache, and a write under its hands
 * makes it refuse valid recipients.
 *
 * The library is used without an environment: no locks, no log, nothing beside the file. */
#include "replica/table_type.h"

#include "common/mem.h"

#include <db.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_BYTES 4096
#define KEYS_PER_PAGE 64                       /* of some 40 bytes, filled to two thirds */
#define CACHE_MIN_BYTES (1u << 20)
#define CACHE_MAX_BYTES (256u << 20)
#define BYTES_PER_KEY 96                       /* of cache, so that the whole table fits while it's built */
#define KEY_MAX 2048

struct table_writer {
	DB *db;
	char *path;
};

static enum rc fail(struct why *why, int error, const char *doing, const char *path)
{
	if (error == ENOMEM)
		mem_exhausted();
	const char *mend = error == ENOSPC ? ": make room on the file system" : "";
	return why_set(why, RC_IO, "%s %s: %s%s", doing, path, db_strerror(error), mend);
}

/* The library would write to standard error by itself. */
static void say_nothing(const DB_ENV *environment, const char *prefix, const char *message)
{
	(void)environment;
	(void)prefix;
	(void)message;
}

/* The library writes its pages with whatever their memory held before, and everybody may read the table: without this,
 * pieces of the daemon's memory would be in it. */
static void *zeroed_memory(size_t size)
{
	return calloc(1, size);
}

static int open_db(DB **out, const char *path, uint64_t expected, bool make)
{
	DB *db;
	(void)db_env_set_func_malloc(zeroed_memory);
	int error = db_create(&db, NULL, 0);
	if (error != 0)
		return error;
	db->set_errcall(db, say_nothing);
	uint64_t cache = expected * BYTES_PER_KEY;
	if (cache < CACHE_MIN_BYTES)
		cache = CACHE_MIN_BYTES;
	if (cache > CACHE_MAX_BYTES)
		cache = CACHE_MAX_BYTES;
	error = db->set_cachesize(db, 0, (u_int32_t)cache, 0);
	if (error == 0 && make)
		error = db->set_pagesize(db, PAGE_BYTES);
	if (error == 0 && make)
		error = db->set_h_ffactor(db, KEYS_PER_PAGE);
	if (error == 0 && make && expected > 0)
		error = db->set_h_nelem(db, expected > UINT32_MAX ? UINT32_MAX : (u_int32_t)expected);
	if (error == 0)
		error = db->open(db, NULL, path, NULL, DB_HASH, make ? DB_CREATE | DB_EXCL : DB_RDONLY, 0600);
	if (error == 0)
		*out = db;
	else
		(void)db->close(db, DB_NOSYNC);
	return error;
}

/* libdb makes a file as __db.NAME and renames it. One that a kill has left there it takes for somebody else's, at work at
 * this moment, and waits for it for ever. */
static void remove_leftover(const char *path)
{
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash - path) + 1 : 0;
	char *leftover = mem_sprintf("%.*s__db.%s", folder, path, path + folder);
	(void)unlink(leftover);
	free(leftover);
}

static enum rc hash_create(const char *path, uint64_t expected, struct table_writer **out, struct why *why)
{
	DB *db;
	remove_leftover(path);
	int error = open_db(&db, path, expected, true);
	if (error != 0)
		return fail(why, error, "can't make", path);
	struct table_writer *writer = mem_zalloc(sizeof(*writer));
	writer->db = db;
	writer->path = mem_strdup(path);
	*out = writer;
	return RC_OK;
}

static enum rc hash_put(struct table_writer *writer, const char *key, size_t length, bool *added, struct why *why)
{
	static char ok[] = "OK";
	char bytes[KEY_MAX + 1];
	if (length > KEY_MAX)
		return why_set(why, RC_LIMIT, "%s: a key of %zu bytes is too long", writer->path, length);
	memcpy(bytes, key, length);
	bytes[length] = '\0';
	DBT name = {.data = bytes, .size = (u_int32_t)length + 1};
	DBT value = {.data = ok, .size = sizeof(ok)};
	int error = writer->db->put(writer->db, NULL, &name, &value, DB_NOOVERWRITE);
	if (error != 0 && error != DB_KEYEXIST)
		return fail(why, error, "can't write", writer->path);
	*added = error == 0;
	return RC_OK;
}

static void writer_free(struct table_writer **writer)
{
	free((*writer)->path);
	free(*writer);
	*writer = NULL;
}

/* Closing writes the cache's pages out and syncs them: whoever puts the file into place has nothing left to sync. */
static enum rc hash_finish(struct table_writer **writer, struct why *why)
{
	int error = (*writer)->db->close((*writer)->db, 0);
	enum rc rc = error == 0 ? RC_OK : fail(why, error, "can't write", (*writer)->path);
	writer_free(writer);
	return rc;
}

static void hash_abandon(struct table_writer **writer)
{
	(void)(*writer)->db->close((*writer)->db, DB_NOSYNC);
	writer_free(writer);
}

static enum rc hash_walk(const char *path, bool (*visit)(void *context, const char *key, size_t length), void *context,
                         struct why *why)
{
	DB *db;
	int error = open_db(&db, path, 0, false);
	if (error != 0)
		return fail(why, error, "can't read", path);
	DBC *cursor = NULL;
	error = db->cursor(db, NULL, &cursor, 0);
	bool more = true;
	while (error == 0 && more) {
		DBT key = {.data = NULL}, value = {.data = NULL};
		error = cursor->get(cursor, &key, &value, DB_NEXT);
		if (error == 0 && key.size > 0)
			more = visit(context, key.data, key.size - 1);
	}
	if (cursor)
		(void)cursor->close(cursor);
	(void)db->close(db, DB_NOSYNC);
	if (error != 0 && error != DB_NOTFOUND)
		return fail(why, error, "can't read", path);
	return RC_OK;
}

const struct table_type table_hash = {
	.name = "hash",
	.extension = ".db",
	.create = hash_create,
	.put = hash_put,
	.finish = hash_finish,
	.abandon = hash_abandon,
	.walk = hash_walk,
};
