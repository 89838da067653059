/* transfer.h: a whole zone fetched in pieces, checked, and only then stored.
 *
 *     offered --> FETCHING --all pieces--> HASHING --as signed--> STORING --> on_end(RC_OK)
 *                   ^   `- the link is gone: the pieces stay; the same snapshot offered again goes on where it stopped
 *
 * The pieces go into a file in the zone's folder, so that memory is bounded whatever the zone's size. Not a record is
 * looked at before the hash of the whole stream is the one that the master signed. Hashing and storing are cut into
 * small steps, between which the loop runs. */
#ifndef REPLICA_TRANSFER_H
#define REPLICA_TRANSFER_H

#include "common/loop.h"
#include "common/zonedb.h"
#include "protocol/message.h"

struct transfer;

struct transfer_events {
	/* Sends a FETCH. Failure is fine: the piece is asked for again. */
	enum rc (*send)(void *context, const struct message *message);
	/* Each record of the new set, while it is being stored; NULL before the first. They count when it ends well. */
	void (*record)(void *context, const struct record *record);
	/* May this still be stored? Asked at the very end: what is known may have moved on meanwhile. RC_REFUSED. */
	enum rc (*agree)(void *context, const struct soa *soa, struct why *why);
	/* Once for each begun transfer that wasn't paused for good: RC_OK, durable; or why not, and nothing has changed. */
	void (*end)(void *context, enum rc rc, const struct why *why);
	void *context;
};

/* folder: the zone's own. */
struct transfer *transfer_new(struct loop *loop, const char *folder, struct zonedb *db,
                              const struct transfer_events *events);
void transfer_free(struct transfer **transfer);

/* The master offers a snapshot (kind SNAPSHOT, its signature verified by the caller): begins, or goes on with the same
 * one. RC_LIMIT: the stream's length can't be right for that number of records. RC_IO; also when there is no room: the
 * length is only the master's word, and nobody else's disk shall be filled by it. */
enum rc transfer_begin(struct transfer *transfer, const struct message *snapshot, struct why *why);

/* A CHUNK came: true when it was one that we are waiting for. */
bool transfer_chunk(struct transfer *transfer, const struct message *chunk);

/* Asks again for what is overdue. False: too often in vain, or there's nothing to wait for any more. */
bool transfer_again(struct transfer *transfer);

bool transfer_waiting(const struct transfer *transfer);      /* for pieces: a timer makes sense */

/* The link is gone, or somebody has to wait: no pieces are awaited, what came is kept. Hashing and storing go on. */
void transfer_pause(struct transfer *transfer);

/* What was begun isn't wanted any more: its pieces go. What is being stored goes on. */
void transfer_forget(struct transfer *transfer);

/* For status: how far it is. False: none under way. */
bool transfer_progress(const struct transfer *transfer, uint64_t *done, uint64_t *total);

#endif
