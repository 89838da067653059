/* zonedb_private.h: what the files of zonedb share: zonedb.c (use), zonedb_open.c (recovery), zonedb_build.c (the
 * whole contents anew), zonedb_soa.c (the newest announcement), zonedb_params.c (parameters). Nobody else includes
 * it. */
#ifndef COMMON_ZONEDB_PRIVATE_H
#define COMMON_ZONEDB_PRIVATE_H

#include "common/zonedb.h"

struct zonedb {
	char *zone;
	char *journal_path;
	char *store_path;
	char *soa_path;
	int lock_fd;               /* holds the folder's lock */

	struct journal *journal;   /* NULL: none that is usable */
	struct store *store;       /* NULL: not present, or behind and not open */
	bool present;
	bool behind;               /* the store failed: it must be opened anew and brought up to the journal */
	bool walking;
	bool building;
	struct store_meta meta;    /* of the contents: where the journal ends, also while the store is behind */
	uint64_t synced_serial;    /* the store survives a power cut up to here */
	uint64_t pending_bytes;    /* journaled since then */
	uint64_t pending_operations;

	struct buf params;         /* encodings of the PARAM records, one behind the other */
	bool params_known;

	bool soa_known;
	struct soa soa;
	struct wall received;
	char trouble[WHY_MAX];
};

/* zonedb_open.c. Reads all from disk, closing what was open: RC_OK, present or not; RC_IO, RC_AGAIN, RC_UNSUPPORTED. */
enum rc zonedb_load(struct zonedb *db, struct why *why);
void zonedb_unload(struct zonedb *db);
void zonedb_note_trouble(struct zonedb *db, const char *text);
/* Opens the store into db->store; recomputes its digest if it wasn't closed properly. As store_open. */
enum rc zonedb_open_store(struct zonedb *db, struct why *why);
/* Without the clean mark the next open proves the store before it believes it. */
void zonedb_forget_mark(const struct zonedb *db);
/* Brings the open store up to the journal. RC_DAMAGED: they don't fit together. */
enum rc zonedb_replay(struct zonedb *db, struct why *why);

/* zonedb.c. Takes a changeset into the store, in one transaction. RC_DAMAGED when it doesn't fit. */
enum rc zonedb_apply(struct zonedb *db, const struct changeset *changeset, const struct fingerprint *prints,
                     struct why *why);
/* The fingerprints of its operations; to be freed. */
struct fingerprint *zonedb_prints(const struct changeset *changeset);
/* What a changeset makes of meta. */
struct store_meta zonedb_after(const struct store_meta *meta, const struct changeset *changeset,
                               const struct fingerprint *prints);

/* zonedb_params.c. */
void zonedb_params_forget(struct zonedb *db);
void zonedb_params_put(struct buf *params, const struct record *record);      /* if it's one, and there's room */
void zonedb_params_change(struct zonedb *db, const struct changeset *changeset);

/* zonedb_soa.c. Reads the file; a damaged one is trouble, a missing one nothing. RC_IO, RC_UNSUPPORTED. */
enum rc zonedb_load_soa(struct zonedb *db, struct why *why);
/* Remembers in memory unless a newer one is known already. */
void zonedb_take_soa(struct zonedb *db, const struct soa *soa, struct wall received);

#endif
