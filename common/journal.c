/* journal.c: the changesets of one epoch in an append-only file.
 *
 * Byte table (numbers big-endian). In all versions magic, version and the header's check keep their places.
 *     0  u8[14]  "rxfer journal\n"
 *    14  u16     version: 1
 *    16  u8[16]  epoch id
 *    32  u64     epoch began (ms since 1970)
 *    40  u64     base: the serial from which the first entry leads on
 *    48  u8[16]  check: the beginning of BLAKE2b-256 of bytes 0..47
 *    64  entries, each:
 *         0  u32     length L of the payload, 1..1 MiB
 *         4  u64     from: where the entry before leads to (the first: base)
 *        12  u64     to: greater than from
 *        20  u8[16]  check: the beginning of BLAKE2b-256 of epoch id, length, from, to, payload
 *        36  L       payload: a changeset (changeset.h)
 *
 * Torn writes. The header is written by temporary file and rename: one that isn't right is damage. An entry is one
 * write and one sync, so a crash can leave at most one incomplete entry, at the end. At open an entry that is cut
 * short or fails its check is therefore torn if no valid entry follows it, and damage if one does; to find out,
 * every later place in the file is tried, because the broken bytes may be the entry's own length. The epoch id in
 * the check keeps blocks that the disk had before from being taken for entries.
 *
 * Kill points. Before the write: nothing happened. Between write and sync: the entry may be there at the next open,
 * and then counts; open syncs before it tells anybody, so that no serial is given out that a power cut can still
 * take back. While the file is replaced (trim): the old or the new file, both right. */
#include "common/journal.h"

#include "common/file.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "rxfer journal\n"
#define MAGIC_BYTES 14
#define VERSION 1
#define CHECK_BYTES 16
#define HEADER_BYTES 64
#define HEADER_CHECKED 48
#define ENTRY_HEADER_BYTES 36
#define ENTRY_CHECKED 20
#define PAYLOAD_MAX (1024u * 1024u)
#define COPY_BYTES (256u * 1024u)

struct place {
	uint64_t from;
	uint64_t to;
	uint64_t offset;      /* of the entry's header */
	uint32_t length;      /* of the payload */
};

struct journal {
	char *path;
	int fd;
	struct epoch epoch;
	uint64_t base;
	uint64_t last;
	uint64_t bytes;
	uint64_t torn_bytes;
	bool broken;              /* nobody knows what is on disk: only a new open can tell */
	struct place *places;     /* ascending */
	size_t count;
	size_t capacity;
};

static void entry_check(const struct epoch *epoch, const void *header, const void *payload, size_t length,
                        uint8_t out[CHECK_BYTES])
{
	uint8_t hash[IDENTITY_HASH_BYTES];
	struct identity_hasher *hasher = identity_hasher_new();
	identity_hasher_add(hasher, epoch->id, sizeof(epoch->id));
	identity_hasher_add(hasher, header, ENTRY_CHECKED);
	identity_hasher_add(hasher, payload, length);
	identity_hasher_finish(&hasher, hash);
	memcpy(out, hash, CHECK_BYTES);
}

static void put_header(struct buf *out, const struct epoch *epoch, uint64_t base)
{
	assert(out->length == 0);
	buf_put(out, MAGIC, MAGIC_BYTES);
	buf_put_u16(out, VERSION);
	buf_put(out, epoch->id, sizeof(epoch->id));
	buf_put_u64(out, (uint64_t)epoch->began.ms);
	buf_put_u64(out, base);
	uint8_t hash[IDENTITY_HASH_BYTES];
	identity_hash(out->data, out->length, hash);
	buf_put(out, hash, CHECK_BYTES);
}

/* Reads exactly that many bytes; false at the end of the file, or with errno. */
static bool read_at(int fd, void *out, size_t length, uint64_t offset)
{
	uint8_t *at = out;
	while (length > 0) {
		ssize_t got = pread(fd, at, length, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got == 0 ? 0 : errno;
			return false;
		}
		at += got;
		length -= (size_t)got;
		offset += (uint64_t)got;
	}
	return true;
}

static void remember(struct journal *journal, const struct place *place)
{
	if (journal->count == journal->capacity) {
		journal->capacity = journal->capacity ? journal->capacity * 2 : 64;
		journal->places = mem_realloc(journal->places, journal->capacity, sizeof(*journal->places));
	}
	journal->places[journal->count++] = *place;
	journal->last = place->to;
	journal->bytes = place->offset + ENTRY_HEADER_BYTES + place->length;
}

static enum rc read_header(struct journal *journal, struct why *why)
{
	uint8_t bytes[HEADER_BYTES];
	if (!read_at(journal->fd, bytes, sizeof(bytes), 0)) {
		if (errno != 0)
			return file_fail(why, "can't read", journal->path);
		return why_set(why, RC_DAMAGED, "%s: shorter than a journal's header", journal->path);
	}
	struct cursor in = cursor_over(bytes, sizeof(bytes));
	const uint8_t *magic = cursor_take(&in, MAGIC_BYTES);
	uint16_t version = cursor_u16(&in);
	uint8_t hash[IDENTITY_HASH_BYTES];
	identity_hash(bytes, HEADER_CHECKED, hash);
	if (memcmp(magic, MAGIC, MAGIC_BYTES) != 0 || memcmp(hash, bytes + HEADER_CHECKED, CHECK_BYTES) != 0)
		return why_set(why, RC_DAMAGED, "%s: the header isn't a journal's", journal->path);
	if (version != VERSION)
		return why_set(why, RC_UNSUPPORTED, "%s: written in format %u by a newer version; this one reads format %d",
		               journal->path, version, VERSION);
	cursor_copy(&in, journal->epoch.id, sizeof(journal->epoch.id));
	journal->epoch.began.ms = (int64_t)cursor_u64(&in);
	journal->base = cursor_u64(&in);
	journal->last = journal->base;
	journal->bytes = HEADER_BYTES;
	return RC_OK;
}

enum entry_state { ENTRY_VALID, ENTRY_BAD, ENTRY_UNREADABLE };

/* Whether a valid entry that leads on from `from` (or, with `anywhere`, from any later serial) stands at offset. */
static enum entry_state read_entry(struct journal *journal, uint64_t offset, bool anywhere, struct buf *payload,
                                   struct place *out)
{
	uint8_t header[ENTRY_HEADER_BYTES];
	errno = 0;
	if (!read_at(journal->fd, header, sizeof(header), offset))
		return errno == 0 ? ENTRY_BAD : ENTRY_UNREADABLE;
	struct cursor in = cursor_over(header, sizeof(header));
	struct place place = {.offset = offset};
	place.length = cursor_u32(&in);
	place.from = cursor_u64(&in);
	place.to = cursor_u64(&in);
	bool follows = anywhere ? place.from >= journal->last : place.from == journal->last;
	if (place.length == 0 || place.length > PAYLOAD_MAX || !follows || place.to <= place.from)
		return ENTRY_BAD;
	buf_clear(payload);
	buf_reserve(payload, place.length);
	if (!read_at(journal->fd, payload->data, place.length, offset + ENTRY_HEADER_BYTES))
		return errno == 0 ? ENTRY_BAD : ENTRY_UNREADABLE;
	payload->length = place.length;
	uint8_t check[CHECK_BYTES];
	entry_check(&journal->epoch, header, payload->data, payload->length, check);
	if (memcmp(check, header + ENTRY_CHECKED, CHECK_BYTES) != 0)
		return ENTRY_BAD;
	*out = place;
	return ENTRY_VALID;
}

/* Looks for a valid entry at any byte behind `offset`. The plausibility of length and serials spares nearly all of
 * the hashing: eight bytes of `from` and of `to` must lie within 2^32 of where the journal stands. */
static enum entry_state find_later(struct journal *journal, uint64_t offset, uint64_t size, struct buf *payload)
{
	enum entry_state state = ENTRY_BAD;
	uint8_t *chunk = mem_alloc(COPY_BYTES);
	uint64_t at = offset + 1;
	while (state == ENTRY_BAD && at + ENTRY_HEADER_BYTES < size) {
		size_t length = size - at < COPY_BYTES ? (size_t)(size - at) : COPY_BYTES;
		if (!read_at(journal->fd, chunk, length, at)) {
			state = ENTRY_UNREADABLE;
			break;
		}
		size_t tries = length - ENTRY_CHECKED + 1;
		for (size_t i = 0; i < tries && state == ENTRY_BAD; i++) {
			struct cursor in = cursor_over(chunk + i, ENTRY_CHECKED);
			uint32_t payload_length = cursor_u32(&in);
			uint64_t from = cursor_u64(&in);
			uint64_t to = cursor_u64(&in);
			struct place found;
			if (payload_length <= PAYLOAD_MAX && from - journal->last <= UINT32_MAX && to - from <= UINT32_MAX)
				state = read_entry(journal, at + i, true, payload, &found);
		}
		at += tries;
	}
	free(chunk);
	return state;
}

static enum rc scan(struct journal *journal, struct why *why)
{
	struct stat status;
	if (fstat(journal->fd, &status) != 0)
		return file_fail(why, "can't look at", journal->path);
	uint64_t size = (uint64_t)status.st_size;
	struct buf payload = {0};
	enum entry_state state = ENTRY_VALID;
	while (journal->bytes < size) {
		struct place place;
		state = read_entry(journal, journal->bytes, false, &payload, &place);
		if (state != ENTRY_VALID)
			break;
		remember(journal, &place);
	}
	enum rc rc = RC_OK;
	if (state == ENTRY_BAD)
		state = find_later(journal, journal->bytes, size, &payload) == ENTRY_BAD ? ENTRY_BAD : ENTRY_UNREADABLE;
	if (state == ENTRY_UNREADABLE)
		rc = why_set(why, RC_DAMAGED, "%s: damaged at byte %" PRIu64 ", behind serial %" PRIu64, journal->path,
		             journal->bytes, journal->last);
	else
		journal->torn_bytes = size - journal->bytes;
	buf_free(&payload);
	return rc;
}

enum rc journal_open(const char *path, struct journal **out, struct why *why)
{
	struct journal *journal = mem_zalloc(sizeof(*journal));
	journal->path = mem_strdup(path);
	journal->fd = open(path, O_RDWR | O_CLOEXEC);
	enum rc rc;
	if (journal->fd < 0) {
		bool missing = errno == ENOENT;
		rc = file_fail(why, "can't open", path);
		rc = missing ? RC_NOT_FOUND : rc;
		goto fail;
	}
	rc = read_header(journal, why);
	if (rc != RC_OK)
		goto fail;
	rc = scan(journal, why);
	if (rc != RC_OK)
		goto fail;
	if (journal->torn_bytes > 0 && ftruncate(journal->fd, (off_t)journal->bytes) != 0) {
		rc = file_fail(why, "can't cut the torn end off", path);
		goto fail;
	}
	if (fdatasync(journal->fd) != 0) {
		rc = file_fail(why, "can't sync", path);
		goto fail;
	}
	*out = journal;
	return RC_OK;
fail:
	journal_close(&journal);
	return rc;
}

enum rc journal_create(const char *path, const struct epoch *epoch, uint64_t serial, struct journal **out,
                       struct why *why)
{
	struct buf header = {0};
	put_header(&header, epoch, serial);
	enum rc rc = file_replace(path, 0600, header.data, header.length, why);
	buf_free(&header);
	return rc == RC_OK ? journal_open(path, out, why) : rc;
}

void journal_close(struct journal **journal)
{
	if (*journal == NULL)
		return;
	if ((*journal)->fd >= 0)
		close((*journal)->fd);
	free((*journal)->places);
	free((*journal)->path);
	free(*journal);
	*journal = NULL;
}

const struct epoch *journal_epoch(const struct journal *journal)
{
	return &journal->epoch;
}

uint64_t journal_first(const struct journal *journal)
{
	return journal->base;
}

uint64_t journal_last(const struct journal *journal)
{
	return journal->last;
}

uint64_t journal_last_from(const struct journal *journal)
{
	return journal->count > 0 ? journal->places[journal->count - 1].from : journal->last;
}

uint64_t journal_bytes(const struct journal *journal)
{
	return journal->bytes;
}

uint64_t journal_torn_bytes(const struct journal *journal)
{
	return journal->torn_bytes;
}

/* One system call for the whole entry. A short write (full disk) isn't continued: it is taken back by the caller. */
static bool write_entry(struct journal *journal, const struct buf *entry)
{
	ssize_t done;
	do
		done = pwrite(journal->fd, entry->data, entry->length, (off_t)journal->bytes);
	while (done < 0 && errno == EINTR);
	if (done >= 0 && (size_t)done < entry->length)
		errno = ENOSPC;
	return done >= 0 && (size_t)done == entry->length;
}

enum rc journal_append(struct journal *journal, uint64_t from, uint64_t to, const void *data, size_t length,
                       struct why *why)
{
	assert(from == journal->last && to > from);
	if (journal->broken)
		return why_set(why, RC_DAMAGED, "%s: an earlier failure left it in doubt; restart to have it checked",
		               journal->path);
	if (length == 0 || length > PAYLOAD_MAX)
		return why_set(why, RC_LIMIT, "%s: a changeset of %zu bytes is not between 1 and %u", journal->path, length,
		               PAYLOAD_MAX);
	struct buf entry = {0};
	buf_reserve(&entry, ENTRY_HEADER_BYTES + length);
	buf_put_u32(&entry, (uint32_t)length);
	buf_put_u64(&entry, from);
	buf_put_u64(&entry, to);
	uint8_t check[CHECK_BYTES];
	entry_check(&journal->epoch, entry.data, data, length, check);
	buf_put(&entry, check, sizeof(check));
	buf_put(&entry, data, length);
	enum rc rc = RC_OK;
	if (!write_entry(journal, &entry)) {
		rc = file_fail(why, "can't write", journal->path);
		if (ftruncate(journal->fd, (off_t)journal->bytes) != 0) {
			journal->broken = true;
			rc = why_prepend(why, RC_DAMAGED, "half an entry can't be taken back");
		}
	} else if (fdatasync(journal->fd) != 0) {
		journal->broken = true;
		(void)file_fail(why, "can't sync", journal->path);
		rc = RC_DAMAGED;
	} else {
		remember(journal, &(struct place){from, to, journal->bytes, (uint32_t)length});
	}
	buf_free(&entry);
	return rc;
}

static const struct place *find(const struct journal *journal, uint64_t from)
{
	size_t low = 0;
	size_t high = journal->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (journal->places[middle].from < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low < journal->count && journal->places[low].from == from ? &journal->places[low] : NULL;
}

enum rc journal_read(struct journal *journal, uint64_t from, struct buf *out, uint64_t *to, struct why *why)
{
	const struct place *place = find(journal, from);
	if (place == NULL)
		return why_set(why, RC_NOT_FOUND, "%s: holds no changeset that leads on from serial %" PRIu64, journal->path,
		               from);
	uint8_t header[ENTRY_HEADER_BYTES];
	uint8_t check[CHECK_BYTES];
	buf_reserve(out, place->length);
	uint8_t *payload = out->data + out->length;
	if (!read_at(journal->fd, header, sizeof(header), place->offset) ||
	    !read_at(journal->fd, payload, place->length, place->offset + ENTRY_HEADER_BYTES))
		return why_set(why, RC_IO, "%s: can't be read at byte %" PRIu64 ": %s", journal->path, place->offset,
		               errno == 0 ? "it ends there" : strerror(errno));
	entry_check(&journal->epoch, header, payload, place->length, check);
	if (memcmp(check, header + ENTRY_CHECKED, CHECK_BYTES) != 0)
		return why_set(why, RC_DAMAGED, "%s: damaged at byte %" PRIu64 ", behind serial %" PRIu64, journal->path,
		               place->offset, from);
	out->length += place->length;
	*to = place->to;
	return RC_OK;
}

static enum rc copy_range(const struct journal *journal, uint64_t offset, int to, const char *to_path, struct why *why)
{
	uint8_t *chunk = mem_alloc(COPY_BYTES);
	enum rc rc = RC_OK;
	while (rc == RC_OK && offset < journal->bytes) {
		uint64_t left = journal->bytes - offset;
		size_t length = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
		if (!read_at(journal->fd, chunk, length, offset))
			rc = file_fail(why, "can't read", journal->path);
		else
			rc = file_write_all(to, chunk, length, to_path, why);
		offset += length;
	}
	free(chunk);
	return rc;
}

/* The new file is open before it takes its place, so nothing can fail once it has. */
static enum rc replace_from(struct journal *journal, size_t keep, struct why *why)
{
	uint64_t base = keep < journal->count ? journal->places[keep].from : journal->last;
	uint64_t start = keep < journal->count ? journal->places[keep].offset : journal->bytes;
	char *tmp = mem_sprintf("%s.tmp", journal->path);
	struct buf header = {0};
	enum rc rc;
	int fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		rc = file_fail(why, "can't make", tmp);
		goto done;
	}
	put_header(&header, &journal->epoch, base);
	rc = file_write_all(fd, header.data, header.length, tmp, why);
	if (rc == RC_OK)
		rc = copy_range(journal, start, fd, tmp, why);
	if (rc != RC_OK) {
		unlink(tmp);
		goto done;
	}
	rc = file_promote(tmp, journal->path, why);
	if (rc != RC_OK) {
		/* If the rename happened all the same, what is appended to the old file would be lost. */
		struct stat ours, there;
		if (fstat(journal->fd, &ours) != 0 || stat(journal->path, &there) != 0 || ours.st_ino != there.st_ino)
			journal->broken = true;
		goto done;
	}
	int old = journal->fd;
	journal->fd = fd;
	fd = old;
	memmove(journal->places, journal->places + keep, (journal->count - keep) * sizeof(*journal->places));
	journal->count -= keep;
	for (size_t i = 0; i < journal->count; i++)
		journal->places[i].offset = journal->places[i].offset - start + HEADER_BYTES;
	journal->base = base;
	journal->bytes = journal->bytes - start + HEADER_BYTES;
done:
	if (fd >= 0)
		close(fd);
	buf_free(&header);
	free(tmp);
	return rc;
}

enum rc journal_trim(struct journal *journal, uint64_t keep_bytes, uint64_t until, struct why *why)
{
	if (journal->broken)
		return why_set(why, RC_DAMAGED, "%s: an earlier failure left it in doubt; restart to have it checked",
		               journal->path);
	size_t keep = 0;
	uint64_t bytes = journal->bytes;
	while (keep < journal->count && bytes > keep_bytes && journal->places[keep].to <= until) {
		bytes -= ENTRY_HEADER_BYTES + (uint64_t)journal->places[keep].length;
		keep++;
	}
	return keep == 0 ? RC_OK : replace_from(journal, keep, why);
}
