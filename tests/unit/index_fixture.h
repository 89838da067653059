/* index_fixture.h: indexes as postmap writes them, made with the libraries, and other files, for tests. */
#ifndef TESTS_INDEX_FIXTURE_H
#define TESTS_INDEX_FIXTURE_H

#include <cdb.h>
#include <db.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static inline void index_make_db(const char *path, DBTYPE type, const char *const *keys, size_t count, bool nul)
{
	DB *db = NULL;
	char value[] = "x";
	(void)unlink(path);
	assert_int_equal(db_create(&db, NULL, 0), 0);
	assert_int_equal(db->set_pagesize(db, 4096), 0);
	assert_int_equal(db->open(db, NULL, path, NULL, type, DB_CREATE, 0600), 0);
	for (size_t i = 0; i < count; i++) {
		char *copy = strdup(keys[i]);
		DBT key = {.data = copy, .size = (u_int32_t)(strlen(copy) + (nul ? 1 : 0))};
		DBT data = {.data = value, .size = nul ? 2 : 1};
		assert_int_equal(db->put(db, NULL, &key, &data, 0), 0);
		free(copy);
	}
	assert_int_equal(db->close(db, 0), 0);
}

static inline void index_make_hash(const char *path, const char *const *keys, size_t count, bool nul)
{
	index_make_db(path, DB_HASH, keys, count, nul);
}

static inline void index_make_btree(const char *path, const char *const *keys, size_t count, bool nul)
{
	index_make_db(path, DB_BTREE, keys, count, nul);
}

static inline void index_make_lmdb(const char *path, const char *const *keys, size_t count, bool nul)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_dbi dbi;
	char value[] = "x";
	(void)unlink(path);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_mapsize(env, 16u << 20), 0);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	for (size_t i = 0; i < count; i++) {
		char *copy = strdup(keys[i]);
		MDB_val key = {.mv_data = copy, .mv_size = strlen(copy) + (nul ? 1 : 0)};
		MDB_val data = {.mv_data = value, .mv_size = nul ? 2 : 1};
		assert_int_equal(mdb_put(txn, dbi, &key, &data, 0), 0);
		free(copy);
	}
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static inline void index_make_cdb(const char *path, const char *const *keys, size_t count, bool nul)
{
	struct cdb_make make;
	(void)unlink(path);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(cdb_make_start(&make, fd), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(cdb_make_add(&make, keys[i], (unsigned)(strlen(keys[i]) + (nul ? 1 : 0)), "x", 1), 0);
	assert_int_equal(cdb_make_finish(&make), 0);
	assert_int_equal(close(fd), 0);
}

static inline void index_overwrite(const char *path, off_t at, const void *data, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, length, at), (ssize_t)length);
	assert_int_equal(close(fd), 0);
}

/* In place: the same inode, emptied and written. */
static inline void index_write(const char *path, const void *data, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, length), (ssize_t)length);
	assert_int_equal(close(fd), 0);
}

/* Until /proc/locks shows the process waiting: "2: -> FLOCK ADVISORY READ PID ...". For open-file-description locks the
 * pid is -1 there, so any waiter on one will do. */
static inline void index_await_blocked(pid_t pid)
{
	char wanted[32];
	(void)snprintf(wanted, sizeof(wanted), " %d ", (int)pid);
	for (time_t end = time(NULL) + 20; time(NULL) < end;) {
		char line[256];
		FILE *locks = fopen("/proc/locks", "r");
		assert_non_null(locks);
		while (fgets(line, sizeof(line), locks)) {
			if (strstr(line, "->") && (strstr(line, wanted) || strstr(line, "OFDLCK"))) {
				(void)fclose(locks);
				return;
			}
		}
		(void)fclose(locks);
	}
	fail_msg("process %d doesn't wait for a lock", (int)pid);
}

static inline int index_compare_lines(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The lines in order; static memory. */
static inline const char *index_sort_lines(const char *text)
{
	static char sorted[2u << 20];
	static char *lines[40000];
	size_t count = 0, length = 0;
	char *copy = strdup(text);
	assert_true(strlen(text) < sizeof(sorted));
	for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n"))
		lines[count++] = line;
	qsort(lines, count, sizeof(lines[0]), index_compare_lines);
	sorted[0] = '\0';
	for (size_t i = 0; i < count; i++)
		length += (size_t)snprintf(sorted + length, sizeof(sorted) - length, "%s\n", lines[i]);
	free(copy);
	return sorted;
}

#endif
