/* read_lmdb.c: all keys of an lmdb: index. The one file of the master that uses LMDB.
 *
 * Postfix uses the library without its locks and has fcntl locks over the whole file instead. Those of the classic kind
 * would vanish when the library closes its own descriptor of the file; open-file-description locks don't. The
 * file is mapped: a page that was cut off would be a SIGBUS, so its length is looked at first. */
#include "master/read.h"

#include <lmdb.h>

static enum rc fail(struct why *why, const char *path, const char *doing, int code)
{
	return why_set(why, RC_DAMAGED, "can't %s %s: %s: is it damaged? make it anew", doing, path, mdb_strerror(code));
}

static enum rc check_length(MDB_env *env, const struct read_file *file, const char *path, struct why *why)
{
	MDB_envinfo info;
	MDB_stat stat;
	int code = mdb_env_info(env, &info);
	if (code == 0)
		code = mdb_env_stat(env, &stat);
	if (code != 0)
		return fail(why, path, "look at", code);
	if ((uint64_t)file->stamp.size < ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize)
		return why_set(why, RC_DAMAGED, "%s is cut off: make it anew", path);
	return RC_OK;
}

static void put(const MDB_val *key, const struct read_sink *sink)
{
	const char *text = key->mv_data;
	size_t length = key->mv_size;
	if (length > 0 && text[length - 1] == '\0')
		length--;
	sink->key(sink->context, text, length, 0);
}

static enum rc walk(MDB_txn *txn, const char *path, const struct read_sink *sink, struct why *why)
{
	MDB_dbi dbi;
	MDB_cursor *cursor;
	int code = mdb_dbi_open(txn, NULL, 0, &dbi);
	if (code == 0)
		code = mdb_cursor_open(txn, dbi, &cursor);
	if (code != 0)
		return fail(why, path, "read", code);
	MDB_val key, value;
	while ((code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
		put(&key, sink);
	mdb_cursor_close(cursor);
	return code == MDB_NOTFOUND ? RC_OK : fail(why, path, "read", code);
}

static enum rc read_open_file(const struct read_file *file, const char *path, const struct read_sink *sink,
                              struct why *why)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	int code = mdb_env_create(&env);
	if (code != 0)
		return fail(why, path, "open", code);
	enum rc rc = RC_OK;
	code = mdb_env_open(env, file->name, MDB_NOSUBDIR | MDB_NOLOCK | MDB_RDONLY, 0);
	if (code != 0)
		rc = fail(why, path, "open", code);
	if (rc == RC_OK)
		rc = check_length(env, file, path, why);
	if (rc == RC_OK) {
		code = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
		rc = code == 0 ? walk(txn, path, sink, why) : fail(why, path, "read", code);
	}
	if (txn)
		mdb_txn_abort(txn);
	mdb_env_close(env);
	return rc;
}

enum rc read_lmdb(const char *path, const struct read_sink *sink, struct why *why)
{
	struct read_file file;
	enum rc rc = read_open(path, READ_OFD, &file, why);
	if (rc != RC_OK)
		return rc;
	rc = read_open_file(&file, path, sink, why);
	if (rc == RC_OK)
		rc = read_unchanged(&file, path, why);
	read_close(&file);
	return rc;
}
