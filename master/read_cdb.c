/* read_cdb.c: all keys of a cdb: index. The one file of the master that uses cdb.
 *
 * Nobody locks these: postmap builds a new file and renames it, so one that is open stays what it is. The format
 * carries no length, but the first 2048 bytes say where its 256 tables are (position and number of slots of 8
 * bytes, each a little-endian 32-bit number), and they are the last thing in the file. */
#include "master/read.h"

#include <cdb.h>
#include <string.h>

#define HEADER_BYTES 2048u
#define SLOT_BYTES 8u

/* How long the file must be, by its header. */
static uint64_t needed(const unsigned char *header)
{
	uint64_t most = HEADER_BYTES;
	for (size_t i = 0; i < HEADER_BYTES; i += 8) {
		uint64_t end = (uint64_t)cdb_unpack(header + i) + (uint64_t)cdb_unpack(header + i + 4) * SLOT_BYTES;
		if (end > most)
			most = end;
	}
	return most;
}

static enum rc walk(struct cdb *cdb, const struct read_file *file, const char *path, const struct read_sink *sink,
                    struct why *why)
{
	const unsigned char *header = cdb_get(cdb, HEADER_BYTES, 0);
	if (!header || (uint64_t)file->stamp.size < needed(header))
		return why_set(why, RC_DAMAGED, "%s is cut off: make it anew", path);
	unsigned position;
	cdb_seqinit(&position, cdb);
	int got;
	while ((got = cdb_seqnext(&position, cdb)) > 0) {
		size_t length = cdb_keylen(cdb);
		const char *key = cdb_getkey(cdb);
		if (!key)
			got = -1;
		if (got < 0)
			break;
		if (length > 0 && key[length - 1] == '\0')
			length--;
		sink->key(sink->context, key, length, 0);
	}
	if (got < 0)
		return why_set(why, RC_DAMAGED, "%s is damaged: make it anew", path);
	return RC_OK;
}

enum rc read_cdb(const char *path, const struct read_sink *sink, struct why *why)
{
	struct read_file file;
	enum rc rc = read_open(path, READ_UNLOCKED, &file, why);
	if (rc != RC_OK)
		return rc;
	struct cdb cdb;
	if (cdb_init(&cdb, file.fd) != 0) {
		rc = why_set(why, RC_DAMAGED, "%s isn't a cdb file, or is cut off: make it anew", path);
	} else {
		rc = walk(&cdb, &file, path, sink, why);
		cdb_free(&cdb);
	}
	if (rc == RC_OK)
		rc = read_unchanged(&file, path, why);
	read_close(&file);
	return rc;
}
