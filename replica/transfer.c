/* transfer.c: fetching. What is done with the complete stream is in transfer_store.c.
 *
 * Flow control is by asking: at most FETCHES_IN_FLIGHT pieces are under way, so the master never has more queued for us
 * than that. Each piece asked for has a slot with what is still missing of it; pieces may come short and in any order,
 * and what nobody has asked for isn't written. Everything below the lowest slot is there: that is where a resumed
 * transfer goes on. */
#include "replica/transfer.h"

#include "common/file.h"
#include "common/mem.h"
#include "replica/transfer_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TRIES_MAX 5
/* What one record takes in the stream: type, length, at least one byte; and at most, for PARAM. */
#define RECORD_BYTES_MIN 4u
#define RECORD_BYTES_MAX (1u + 2u + RECORD_KEY_MAX + 2u + RECORD_VALUE_MAX)

struct slot {
	uint64_t offset;
	uint32_t missing;      /* 0: free */
};

struct transfer {
	struct loop *loop;
	struct zonedb *db;
	struct transfer_events events;
	char *path;
	int fd;                                /* -1: none begun */
	struct soa soa;
	uint64_t total;
	uint64_t asked;                        /* everything below has been asked for */
	struct slot slots[FETCHES_IN_FLIGHT];
	unsigned tries;                        /* in vain since the last piece */
	struct transfer_store *store;          /* all is there, being hashed and stored */
};

struct transfer *transfer_new(struct loop *loop, const char *folder, struct zonedb *db,
                              const struct transfer_events *events)
{
	struct transfer *transfer = mem_zalloc(sizeof(*transfer));
	transfer->loop = loop;
	transfer->db = db;
	transfer->events = *events;
	transfer->path = mem_sprintf("%s/incoming", folder);
	transfer->fd = -1;
	(void)unlink(transfer->path);      /* of a process that is gone; there's no telling what of it is on disk */
	return transfer;
}

static void drop(struct transfer *transfer)
{
	transfer_store_free(&transfer->store);
	if (transfer->fd >= 0) {
		(void)close(transfer->fd);
		(void)unlink(transfer->path);
	}
	transfer->fd = -1;
	memset(transfer->slots, 0, sizeof(transfer->slots));
}

void transfer_free(struct transfer **transfer)
{
	if (!*transfer)
		return;
	drop(*transfer);
	free((*transfer)->path);
	free(*transfer);
	*transfer = NULL;
}

static void end(struct transfer *transfer, enum rc rc, const struct why *why)
{
	drop(transfer);
	transfer->events.end(transfer->events.context, rc, why);
}

/* ---- asking ---- */

static void ask(struct transfer *transfer, const struct slot *slot)
{
	struct message fetch = {.type = MESSAGE_FETCH, .serial = transfer->soa.serial, .offset = slot->offset,
	                        .length = slot->missing};
	memcpy(fetch.zone, transfer->soa.zone, sizeof(fetch.zone));
	memcpy(fetch.epoch_id, transfer->soa.epoch.id, sizeof(fetch.epoch_id));
	(void)transfer->events.send(transfer->events.context, &fetch);
}

static void fill_slots(struct transfer *transfer)
{
	for (size_t i = 0; i < FETCHES_IN_FLIGHT && transfer->asked < transfer->total; i++) {
		struct slot *slot = &transfer->slots[i];
		if (slot->missing > 0)
			continue;
		uint64_t left = transfer->total - transfer->asked;
		*slot = (struct slot){transfer->asked, left < CHUNK_BYTES_MAX ? (uint32_t)left : CHUNK_BYTES_MAX};
		transfer->asked += slot->missing;
		ask(transfer, slot);
	}
}

static bool complete(const struct transfer *transfer)
{
	for (size_t i = 0; i < FETCHES_IN_FLIGHT; i++)
		if (transfer->slots[i].missing > 0)
			return false;
	return transfer->asked == transfer->total;
}

bool transfer_waiting(const struct transfer *transfer)
{
	return transfer->fd >= 0 && !transfer->store;
}

static void on_record(void *context, const struct record *record)
{
	struct transfer *transfer = context;
	transfer->events.record(transfer->events.context, record);
}

static enum rc on_agree(void *context, const struct soa *soa, struct why *why)
{
	struct transfer *transfer = context;
	return transfer->events.agree(transfer->events.context, soa, why);
}

static void on_stored(void *context, enum rc rc, const struct why *why)
{
	end(context, rc, why);
}

static void store(struct transfer *transfer)
{
	const struct transfer_store_spec spec = {
		.loop = transfer->loop, .db = transfer->db, .fd = transfer->fd, .path = transfer->path,
		.total = transfer->total, .soa = &transfer->soa, .record = on_record, .agree = on_agree, .end = on_stored,
		.context = transfer,
	};
	transfer->store = transfer_store_new(&spec);
}

/* ---- beginning and going on ---- */

static enum rc check_length(const struct message *snapshot, struct why *why)
{
	uint64_t count = snapshot->soa.count;
	uint64_t bytes = snapshot->stream_bytes;
	if (bytes < 8 || bytes > SNAPSHOT_BYTES_MAX || count > (bytes - 8) / RECORD_BYTES_MIN ||
	    bytes - 8 > count * RECORD_BYTES_MAX)
		return why_set(why, RC_LIMIT, "a snapshot of %" PRIu64 " records can't have %" PRIu64 " bytes", count, bytes);
	return RC_OK;
}

/* The stream, then the records made of it beside the stream; and an eighth of what is free is left alone. */
static enum rc check_room(const struct transfer *transfer, uint64_t bytes, struct why *why)
{
	struct statvfs fs;
	if (fstatvfs(transfer->fd, &fs) != 0)
		return file_fail(why, "can't ask for the room beside", transfer->path);
	uint64_t available = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (bytes <= (available - available / 8) / 2)
		return RC_OK;
	return why_set(why, RC_IO, "there is no room for a whole transfer of %" PRIu64 " MiB: it takes twice as much, and %"
	               PRIu64 " MiB are free where %s is: make room", (bytes >> 20) + 1, available >> 20, transfer->path);
}

static bool same_snapshot(const struct transfer *transfer, const struct message *snapshot)
{
	return transfer->fd >= 0 && epoch_equal(&transfer->soa.epoch, &snapshot->soa.epoch) &&
	       transfer->soa.serial == snapshot->soa.serial && transfer->total == snapshot->stream_bytes &&
	       memcmp(transfer->soa.content_hash, snapshot->soa.content_hash, IDENTITY_HASH_BYTES) == 0;
}

enum rc transfer_begin(struct transfer *transfer, const struct message *snapshot, struct why *why)
{
	enum rc rc = check_length(snapshot, why);
	if (rc != RC_OK)
		return rc;
	transfer->tries = 0;
	if (same_snapshot(transfer, snapshot)) {
		if (!transfer->store)
			fill_slots(transfer);
		return RC_OK;
	}
	drop(transfer);
	(void)unlink(transfer->path);
	int fd = open(transfer->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return file_fail(why, "can't make", transfer->path);
	transfer->fd = fd;
	rc = check_room(transfer, snapshot->stream_bytes, why);
	if (rc != RC_OK) {
		drop(transfer);
		return rc;
	}
	transfer->soa = snapshot->soa;
	transfer->total = snapshot->stream_bytes;
	transfer->asked = 0;
	fill_slots(transfer);
	return RC_OK;
}

void transfer_forget(struct transfer *transfer)
{
	if (transfer_waiting(transfer))
		drop(transfer);
}

void transfer_pause(struct transfer *transfer)
{
	if (!transfer_waiting(transfer))
		return;
	for (size_t i = 0; i < FETCHES_IN_FLIGHT; i++) {
		struct slot *slot = &transfer->slots[i];
		if (slot->missing > 0 && slot->offset < transfer->asked)
			transfer->asked = slot->offset;
	}
	memset(transfer->slots, 0, sizeof(transfer->slots));
}

bool transfer_again(struct transfer *transfer)
{
	if (!transfer_waiting(transfer) || ++transfer->tries >= TRIES_MAX)
		return false;
	for (size_t i = 0; i < FETCHES_IN_FLIGHT; i++)
		if (transfer->slots[i].missing > 0)
			ask(transfer, &transfer->slots[i]);
	return true;
}

static enum rc write_at(struct transfer *transfer, const struct message *chunk, struct why *why)
{
	const uint8_t *at = chunk->data;
	size_t left = chunk->data_length;
	uint64_t offset = chunk->offset;
	while (left > 0) {
		ssize_t done = pwrite(transfer->fd, at, left, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return file_fail(why, "can't write", transfer->path);
		at += done;
		left -= (size_t)done;
		offset += (uint64_t)done;
	}
	return RC_OK;
}

static struct slot *slot_of(struct transfer *transfer, const struct message *chunk)
{
	if (!transfer_waiting(transfer) || chunk->serial != transfer->soa.serial ||
	    memcmp(chunk->epoch_id, transfer->soa.epoch.id, sizeof(chunk->epoch_id)) != 0)
		return NULL;
	for (size_t i = 0; i < FETCHES_IN_FLIGHT; i++) {
		struct slot *slot = &transfer->slots[i];
		if (slot->missing > 0 && slot->offset == chunk->offset && chunk->data_length <= slot->missing)
			return slot;
	}
	return NULL;
}

bool transfer_chunk(struct transfer *transfer, const struct message *chunk)
{
	struct slot *slot = slot_of(transfer, chunk);
	if (!slot || chunk->data_length == 0)
		return false;
	struct why why;
	enum rc rc = write_at(transfer, chunk, &why);
	if (rc != RC_OK) {
		end(transfer, rc, &why);
		return true;
	}
	transfer->tries = 0;
	slot->offset += chunk->data_length;
	slot->missing -= (uint32_t)chunk->data_length;
	if (slot->missing > 0)
		ask(transfer, slot);
	fill_slots(transfer);
	if (complete(transfer))
		store(transfer);
	return true;
}

bool transfer_progress(const struct transfer *transfer, uint64_t *done, uint64_t *total)
{
	if (transfer->fd < 0)
		return false;
	uint64_t missing = 0;
	for (size_t i = 0; i < FETCHES_IN_FLIGHT; i++)
		missing += transfer->slots[i].missing;
	*done = transfer->asked - missing;
	*total = transfer->total;
	return true;
}
