/* held.h: the file of held deletions: what a restart must not release.
 *
 * It holds the records themselves, not their fingerprints: so it outlives a new epoch, and a lost record store, whose
 * contents are the sources' and what is held. It also names the sources that had records when last looked at, so that
 * one which was emptied while the daemon was down is noticed.
 *
 * Byte table (numbers big-endian): u8[8] "rxferhld", u32 version (1), u32 number of names, each u8 length and bytes,
 * u64 number of records, each as record.h encodes it, u8[32] BLAKE2b-256 of all before. Replaced whole (file.h). In all
 * versions the beginning up to the version, and the hash at the end, keep their places. */
#ifndef MASTER_HELD_H
#define MASTER_HELD_H

#include "common/buf.h"
#include "common/fpset.h"
#include "common/why.h"

/* Plain data; zeroed is empty. */
struct held_file {
	struct buf records;      /* encodings, one behind the other */
	uint64_t count;
	struct buf names;        /* each u8 length and bytes */
	uint32_t name_count;
};

void held_free(struct held_file *file);
void held_put_record(struct held_file *file, const struct record *record);
void held_put_name(struct held_file *file, const char *name);        /* at most 255 bytes */
bool held_has_name(const struct held_file *file, const char *name);

/* The records' fingerprints under that key, sealed, into *out. */
void held_prints(const struct held_file *file, const uint8_t key[RECORD_HASH_KEY_BYTES], struct fpset *out);
/* Calls back for each record until something else than RC_OK is returned, and returns that. */
typedef enum rc held_visit(void *context, const struct record *record, struct why *why);
enum rc held_each(const struct held_file *file, held_visit *visit, void *context, struct why *why);

/* RC_NOT_FOUND, RC_DAMAGED, RC_UNSUPPORTED (a newer version's file), RC_IO. */
enum rc held_load(const char *path, struct held_file *out, struct why *why);
enum rc held_save(const char *path, const struct held_file *file, struct why *why);

#endif
