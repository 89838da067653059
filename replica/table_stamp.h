/* table_stamp.h: a note, in the state folder, of the table file that was written last: is it still that file, and what
 * is in it? So that a table that somebody changed is noticed, and one that nobody changed isn't written again. */
#ifndef REPLICA_TABLE_STAMP_H
#define REPLICA_TABLE_STAMP_H

#include "common/identity.h"
#include "common/soa.h"

#define TABLE_STAMP_ZONES_MAX 4096

/* What tells a file from every other one and from itself changed: ctime can't be set back. */
struct table_file {
	uint64_t inode, size, mtime_ns, ctime_ns;
};

/* The serial of one zone that the table holds. */
struct table_stamp_zone {
	char name[SOA_ZONE_MAX + 1];
	struct epoch epoch;
	uint64_t serial;
};

/* Plain data; zeroed is "nothing known". `zones` is the struct's own. */
struct table_stamp {
	struct table_file file;
	uint8_t rule[IDENTITY_HASH_BYTES];      /* what it was made by: type, zones, domains ...; zero: a makeshift */
	struct digest digest;                   /* of its keys */
	uint64_t keys;
	struct wall written;
	struct table_stamp_zone *zones;
	size_t zone_count;
};

void table_stamp_free(struct table_stamp *stamp);

/* RC_NOT_FOUND (also for one that is damaged: it's as good as none), RC_IO. */
enum rc table_stamp_load(const char *path, struct table_stamp *out, struct why *why);
/* Whole or not at all, but not synced: one that a power cut takes away costs only a table written anew. RC_IO. */
enum rc table_stamp_save(const char *path, const struct table_stamp *stamp, struct why *why);

const struct table_stamp_zone *table_stamp_find(const struct table_stamp *stamp, const char *zone);     /* NULL: none */
void table_stamp_set(struct table_stamp *stamp, const char *zone, const struct epoch *epoch, uint64_t serial);

/* RC_NOT_FOUND, RC_IO (also: not a regular file). */
enum rc table_file_look(const char *path, struct table_file *out, struct why *why);
bool table_file_same(const struct table_file *a, const struct table_file *b);

#endif
