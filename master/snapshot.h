/* snapshot.h: a zone's whole contents at one serial as a stream of bytes, for AXFR.
 *
 * Stream: u64 number of records, then that many records (record.h) in no particular order. The announcement of kind 2
 * signs its hash. It lies in a file without a name in the zone's folder: it takes disk, not memory, and goes with the
 * process. At most two are held for a zone: the newest, and one that somebody is still fetching. */
#ifndef MASTER_SNAPSHOT_H
#define MASTER_SNAPSHOT_H

#include "common/zonedb.h"

#define SNAPSHOT_IN_USE_MS 60000       /* one that was read so recently is being fetched by somebody */
#define SNAPSHOT_REUSE_MS 60000        /* one so young is offered again if the journal leads on from it */
#define SNAPSHOT_KEEP_MS 600000        /* one not read for so long is dropped by snapshot_tidy */

struct snapshot;      /* a zone's snapshots */

struct snapshot *snapshot_new(const char *folder);      /* made anew when it's gone; copied */
void snapshot_free(struct snapshot **snapshot);

struct snapshot_request {
	struct zonedb *db;
	const struct soa *newest;        /* the zone's newest announcement: its times are taken over */
	const struct identity *signer;
	uint64_t at_least;               /* the serial that the replica has reached: an older one would be no use to it */
};

/* A snapshot to be fetched: one that is held, or a new one of the present serial, written now. Epoch, serial, digest
 * and count are db's. *out is signed, content_hash filled. RC_AGAIN: two are being fetched already, and the newest is
 * too old to be of use. RC_IO (no space), RC_LIMIT, RC_DAMAGED (the records don't come out as db says). */
enum rc snapshot_offer(struct snapshot *snapshot, const struct snapshot_request *request, struct soa *out,
                       uint64_t *stream_bytes, struct why *why);

struct snapshot_piece {
	const uint8_t *epoch_id;         /* 16 bytes */
	uint64_t serial;
	uint64_t offset;
	uint32_t length;
};

/* What is fetched: appends min(length, what there is from offset on) bytes. RC_NOT_FOUND: not held (any more).
 * RC_INVALID: offset isn't within it. RC_IO. */
enum rc snapshot_read(struct snapshot *snapshot, const struct snapshot_piece *piece, struct buf *out, struct why *why);

/* Drops what nobody has fetched from for long. */
void snapshot_tidy(struct snapshot *snapshot);

#endif
