/* snapshot.c: writes a zone's records into a file, and reads pieces of it.
 *
 * The walk over the records checks them on the way (count and digest), so that a damaged store is found here and not at
 * the replicas. The file is unlinked as soon as it's open: nothing is left behind by a kill, and a new snapshot
 * doesn't disturb who is fetching the old one. */
#include "master/snapshot.h"
#include "common/file.h"
#include "common/mem.h"
#include "protocol/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITE_BYTES (256u * 1024u)
#define SLOTS 2u

struct slot {
	int fd;                     /* -1: empty */
	struct soa soa;
	uint64_t bytes;
	struct mono made;
	struct mono used;           /* offered or read */
};

/* slots[0] is the newest. */
struct snapshot {
	char *path;
	struct slot slots[SLOTS];
};

struct snapshot *snapshot_new(const char *folder)
{
	struct snapshot *snapshot = mem_zalloc(sizeof(*snapshot));
	snapshot->path = mem_sprintf("%s/snapshot", folder);
	for (size_t i = 0; i < SLOTS; i++)
		snapshot->slots[i].fd = -1;
	return snapshot;
}

static void empty(struct slot *slot)
{
	if (slot->fd >= 0)
		(void)close(slot->fd);
	*slot = (struct slot){.fd = -1};
}

void snapshot_free(struct snapshot **snapshot)
{
	if (!*snapshot)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		empty(&(*snapshot)->slots[i]);
	free((*snapshot)->path);
	free(*snapshot);
	*snapshot = NULL;
}

static bool in_use(const struct slot *slot)
{
	return slot->fd >= 0 && mono_since(slot->used) < SNAPSHOT_IN_USE_MS;
}

void snapshot_tidy(struct snapshot *snapshot)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (mono_since(snapshot->slots[i].used) >= SNAPSHOT_KEEP_MS)
			empty(&snapshot->slots[i]);
}

/* ---- Writing ---- */

struct writer {
	int fd;
	const char *path;
	struct buf pending;
	struct identity_hasher *hasher;
	uint64_t bytes;
	uint64_t count;
	struct digest digest;
	const struct epoch *epoch;
	enum rc rc;
	struct why *why;
};

static void flush(struct writer *writer)
{
	if (writer->rc == RC_OK)
		writer->rc = file_write_all(writer->fd, writer->pending.data, writer->pending.length, writer->path,
		                            writer->why);
	identity_hasher_add(writer->hasher, writer->pending.data, writer->pending.length);
	writer->bytes += writer->pending.length;
	buf_clear(&writer->pending);
}

static bool write_record(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	struct writer *writer = context;
	/* What is sent counts, not the key that it was stored under. */
	struct fingerprint real = record_fingerprint(writer->epoch->id, &entry->record);
	(void)print;
	record_encode(&writer->pending, &entry->record);
	digest_add(&writer->digest, &real);
	writer->count++;
	if (writer->pending.length >= WRITE_BYTES)
		flush(writer);
	return writer->rc == RC_OK;
}

static enum rc check(const struct writer *writer, const struct store_meta *meta, struct why *why)
{
	if (writer->count != meta->count || !digest_equal(&writer->digest, &meta->digest))
		return why_set(why, RC_DAMAGED, "the %" PRIu64 " records read aren't the %" PRIu64 " of serial %" PRIu64,
		               writer->count, meta->count, meta->serial);
	if (writer->bytes > SNAPSHOT_BYTES_MAX)
		return why_set(why, RC_LIMIT, "a snapshot of %" PRIu64 " bytes is too large", writer->bytes);
	return RC_OK;
}

/* Fills slot->fd, bytes and soa.content_hash. */
static enum rc write_stream(struct snapshot *snapshot, struct zonedb *db, struct slot *slot, struct why *why)
{
	const struct store_meta meta = *zonedb_meta(db);
	int fd = open(snapshot->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return file_fail(why, "can't make", snapshot->path);
	(void)unlink(snapshot->path);
	struct writer writer = {
		.fd = fd, .path = snapshot->path, .hasher = identity_hasher_new(), .epoch = &meta.epoch, .rc = RC_OK,
		.why = why,
	};
	buf_put_u64(&writer.pending, meta.count);
	enum rc rc = zonedb_walk(db, write_record, &writer, why);
	flush(&writer);
	if (rc == RC_OK)
		rc = writer.rc;
	if (rc == RC_OK)
		rc = check(&writer, &meta, why);
	identity_hasher_finish(&writer.hasher, slot->soa.content_hash);
	buf_free(&writer.pending);
	if (rc != RC_OK) {
		(void)close(fd);
		return rc;
	}
	slot->fd = fd;
	slot->bytes = writer.bytes;
	return RC_OK;
}

static enum rc make(struct snapshot *snapshot, const struct snapshot_request *request, struct why *why)
{
	if (in_use(&snapshot->slots[0]) && in_use(&snapshot->slots[1]))
		return why_set(why, RC_AGAIN, "two snapshots are being fetched; a third one has to wait");
	const struct store_meta *meta = zonedb_meta(request->db);
	struct slot slot = {.fd = -1, .soa = *request->newest};
	slot.soa.kind = SOA_SNAPSHOT;
	slot.soa.epoch = meta->epoch;
	slot.soa.serial = slot.soa.from = meta->serial;
	slot.soa.digest = meta->digest;
	slot.soa.count = meta->count;
	enum rc rc = write_stream(snapshot, request->db, &slot, why);
	if (rc != RC_OK)
		return rc;
	soa_sign(&slot.soa, request->signer);
	slot.made = clock_mono();
	/* The older place is for who is fetching still; a newest one that nobody fetches just goes. */
	if (in_use(&snapshot->slots[0])) {
		empty(&snapshot->slots[1]);
		snapshot->slots[1] = snapshot->slots[0];
	} else {
		empty(&snapshot->slots[0]);
	}
	snapshot->slots[0] = slot;
	return RC_OK;
}

/* The newest one is of use: the journal leads on from it, and the replica hasn't gone beyond it. */
static bool leads_on(const struct slot *slot, const struct snapshot_request *request)
{
	const struct store_meta *meta = zonedb_meta(request->db);
	if (slot->fd < 0 || !epoch_equal(&slot->soa.epoch, &meta->epoch) || slot->soa.serial > meta->serial)
		return false;
	return slot->soa.serial == meta->serial ||
	       (slot->soa.serial >= request->at_least && slot->soa.serial >= zonedb_oldest(request->db));
}

/* It serves again if it's of the present serial, or young. While changes and requests stream in, this bounds the work
 * to one walk over the records a minute. */
static bool serves(const struct slot *slot, const struct snapshot_request *request)
{
	return leads_on(slot, request) && (slot->soa.serial == zonedb_meta(request->db)->serial ||
	                                   mono_since(slot->made) < SNAPSHOT_REUSE_MS);
}

enum rc snapshot_offer(struct snapshot *snapshot, const struct snapshot_request *request, struct soa *out,
                       uint64_t *stream_bytes, struct why *why)
{
	struct slot *slot = &snapshot->slots[0];
	if (!serves(slot, request)) {
		enum rc rc = make(snapshot, request, why);
		/* There's no place for a new one, as long as others fetch slowly. Then an old one and the changes since. */
		if (rc != RC_OK && !(rc == RC_AGAIN && leads_on(slot, request)))
			return rc;
	}
	slot->used = clock_mono();
	*out = slot->soa;
	*stream_bytes = slot->bytes;
	return RC_OK;
}

/* ---- Reading ---- */

static struct slot *find(struct snapshot *snapshot, const struct snapshot_piece *piece)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &snapshot->slots[i];
		if (slot->fd >= 0 && slot->soa.serial == piece->serial &&
		    memcmp(slot->soa.epoch.id, piece->epoch_id, sizeof(slot->soa.epoch.id)) == 0)
			return slot;
	}
	return NULL;
}

enum rc snapshot_read(struct snapshot *snapshot, const struct snapshot_piece *piece, struct buf *out, struct why *why)
{
	struct slot *slot = find(snapshot, piece);
	const uint64_t offset = piece->offset;
	if (!slot)
		return why_set(why, RC_NOT_FOUND, "no snapshot of serial %" PRIu64 " of that epoch is held", piece->serial);
	if (offset >= slot->bytes)
		return why_set(why, RC_INVALID, "the snapshot has %" PRIu64 " bytes, none at offset %" PRIu64, slot->bytes,
		               offset);
	size_t want = piece->length < slot->bytes - offset ? piece->length : (size_t)(slot->bytes - offset);
	buf_reserve(out, want);
	for (size_t got = 0; got < want;) {
		ssize_t n = pread(slot->fd, out->data + out->length + got, want - got, (off_t)(offset + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_fail(why, "can't read", snapshot->path);
		if (n == 0)
			return why_set(why, RC_IO, "%s: shorter than it was written", snapshot->path);
		got += (size_t)n;
	}
	out->length += want;
	slot->used = clock_mono();
	return RC_OK;
}
