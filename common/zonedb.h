/* zonedb.h: a zone on disk, the same at both ends: journal, record store, newest announcement; and its recovery.
 *
 * Folder: journal (journal.h), records.tch (store.h), soa (the newest announcement and when it came). The journal is
 * the truth, the store follows it. At open the store is brought up to the journal; if it wasn't closed cleanly its
 * digest is computed anew. What can't be made whole is set aside as not present, with the reason told: the master then
 * reads its sources again, the replica asks for a whole transfer. */
#ifndef COMMON_ZONEDB_H
#define COMMON_ZONEDB_H

#include "common/changeset.h"
#include "common/journal.h"
#include "common/store.h"

struct zonedb;

/* Opens, or makes, the zone's folder. RC_OK also when nothing usable was found: zonedb_present says so, and
 * zonedb_trouble why. RC_IO (folder can't be made or read), RC_AGAIN (another process uses it), RC_UNSUPPORTED. */
enum rc zonedb_open(const char *folder, const char *zone, struct zonedb **out, struct why *why);
/* Clean end: store synced. */
void zonedb_close(struct zonedb **db);

bool zonedb_present(const struct zonedb *db);                  /* there is a complete set of records */
const char *zonedb_trouble(const struct zonedb *db);           /* what was found damaged at open, or "" */
const struct store_meta *zonedb_meta(const struct zonedb *db); /* epoch, serial, digest, count; only when present */

/* The records were found to be others than zonedb_meta says: from now on, and after a restart, they aren't present. */
void zonedb_distrust(struct zonedb *db, const char *text);

/* The newest announcement known, even when the records are damaged; false when there is none. */
bool zonedb_soa(const struct zonedb *db, struct soa *out);
struct wall zonedb_soa_received(const struct zonedb *db);
/* Remembers a newer announcement (its signature checked by the caller) and when it came. Durable. One of kind plain must be
 * of what is held: at the next open it is a proof that this was held. */
enum rc zonedb_note_soa(struct zonedb *db, const struct soa *soa, struct wall received, struct why *why);

/* Applies a changeset whose signature the caller has checked: first proves that it leads from here to exactly the
 * digest and count it announces (RC_INVALID when not: nothing changed), then journal (the commit point), then store.
 * data is the encoding that changeset was decoded from. RC_IO, RC_DAMAGED (see journal_append). */
enum rc zonedb_commit(struct zonedb *db, const struct changeset *changeset, const void *data, size_t length,
                      struct wall received, struct why *why);

/* The whole contents anew: a whole transfer at the replica, a new epoch at the master. Nothing changes until finish
 * returned RC_OK, then everything has. `soa` says epoch, serial, digest and count, which the records must meet
 * (RC_INVALID otherwise). finish and abandon null the handle. An RC_INVALID add (a duplicate) must be followed by abandon. */
struct zonedb_builder;
enum rc zonedb_build(struct zonedb *db, const struct epoch *epoch, uint64_t expected, struct zonedb_builder **out,
                     struct why *why);
enum rc zonedb_build_add(struct zonedb_builder *builder, const struct record *record, uint64_t since, struct why *why);
/* What has been added so far: for a master that is about to sign it. */
struct digest zonedb_build_digest(const struct zonedb_builder *builder);
uint64_t zonedb_build_count(const struct zonedb_builder *builder);
enum rc zonedb_build_finish(struct zonedb_builder **builder, const struct soa *soa, struct wall received, struct why *why);
void zonedb_build_abandon(struct zonedb_builder **builder);

/* Reading. Only while present. */
enum rc zonedb_get(struct zonedb *db, const struct fingerprint *print, struct buf *scratch, struct store_entry *entry,
                   struct why *why);
enum rc zonedb_walk(struct zonedb *db, store_visit *visit, void *context, struct why *why);
/* As journal_read; RC_NOT_FOUND when the epoch isn't ours or the serial isn't held. */
/* The PARAM records, until false is returned. They are kept in memory, up to ZONEDB_PARAMS_BYTES of them: what comes
 * beyond isn't shown. Only while nobody has walked since the start does it cost a walk. As zonedb_walk. */
#define ZONEDB_PARAMS_BYTES 65536u
typedef bool zonedb_param_visit(void *context, const struct record *param);
enum rc zonedb_params(struct zonedb *db, zonedb_param_visit *visit, void *context, struct why *why);
enum rc zonedb_changes_from(struct zonedb *db, const struct epoch *epoch, uint64_t from, struct buf *out, uint64_t *to,
                            struct why *why);
uint64_t zonedb_oldest(const struct zonedb *db);               /* the oldest serial from which IXFR is possible */

/* Upkeep, cheap when there's nothing to do: syncs the store when much was written since the last time, and trims the journal. */
enum rc zonedb_checkpoint(struct zonedb *db, struct why *why);

#endif
