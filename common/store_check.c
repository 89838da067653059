/* store_check.c: the structure of a Tokyo Cabinet hash file, as far as one must know it to trust it after a power
 * cut.
 *
 * The library believes what it reads: a length from the file goes straight to malloc (failure ends the process), a
 * free block of size zero is walked over for ever, a write-ahead log of zeros cuts the file down to nothing under
 * its own mapping (SIGBUS), and an empty file is silently made anew. None of that happens after kill -9, all of it
 * can after a power cut, or when a disk gives back what it never got.
 *
 * Byte table (format 1.0), as far as it is used here. Numbers are little-endian or big-endian as the library was
 * configured (Debian's build: big-endian); the header shows which, for in the other order its numbers make no sense.
 *     0  "ToKyO CaBiNeT"     32  u8 type (0)      33  u8 flags (1: open)    34  u8 alignment power
 *    35  u8 free block pool power               36  u8 options (1: large)  40  u64 number of buckets
 *    48  u64 records         56  u64 file size   64  u64 offset of the first record
 *   256  buckets, u64 each: offset >> alignment of the root of a tree of records, or 0; behind them the free block
 *        pool, which is written at a close only
 *
 * A record: u8 0xc8, u8 hash, u64 left, u64 right (offsets >> alignment), u16 padding, key and value lengths (7 bits a
 * byte, the lowest first; all but the last byte complemented), key, value, padding. A free block: u8 0xb0, u32 size.
 *
 * The log (PATH.wal): u64 size to cut the file back to, then pieces to write back, last first: u64 offset, u32 length,
 * bytes. The first piece is the header. A piece is written before what it saves is changed. */
#include "common/store_check.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_BYTES 256
#define FLAG_OPEN 1
#define OPTION_LARGE 1
#define BUCKETS_MAX ((uint64_t)1 << 34)
#define POOL_BYTES_MIN 64
#define LOG_FIRST_BYTES (8 + 12 + HEADER_BYTES)
#define PIECE_BYTES_MAX ((uint64_t)64 << 20)
#define KEY_MAX 16
#define RECORD_HEAD_MAX (32 + KEY_MAX)
#define BODY_MAX (64 + 8 + 1 + 2 + RECORD_KEY_MAX + 2 + RECORD_VALUE_MAX)
#define CHUNK_BYTES ((size_t)1 << 20)

enum order { ORDER_NONE, ORDER_LITTLE, ORDER_BIG };

static uint64_t load(enum order order, const uint8_t *at, int bytes)
{
	uint64_t value = 0;
	for (int i = 0; i < bytes; i++)
		value = value << 8 | at[order == ORDER_BIG ? i : bytes - 1 - i];
	return value;
}

static bool read_at(int fd, void *out, size_t length, uint64_t offset)
{
	uint8_t *at = out;
	while (length > 0) {
		ssize_t got = pread(fd, at, length, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		length -= (size_t)got;
		offset += (uint64_t)got;
	}
	return true;
}

static bool numbers_sane(enum order order, const uint8_t header[HEADER_BYTES], uint64_t file_size)
{
	uint64_t buckets = load(order, header + 40, 8);
	uint64_t size = load(order, header + 56, 8);
	uint64_t first = load(order, header + 64, 8);
	if (buckets < 1 || buckets > BUCKETS_MAX || load(order, header + 48, 8) > size)
		return false;
	uint64_t pool = HEADER_BYTES + buckets * 8;
	return first >= pool + POOL_BYTES_MIN && first <= pool + (1u << 20) && first <= size && size <= file_size &&
	       first % (1u << STORE_ALIGN_POWER) == 0;
}

/* The order of the bytes in a sane header. */
static enum order header_order(const uint8_t header[HEADER_BYTES], uint64_t file_size)
{
	if (memcmp(header, "ToKyO CaBiNeT", 13) != 0 || header[32] != 0 || header[34] != STORE_ALIGN_POWER ||
	    header[35] != STORE_POOL_POWER || header[36] != OPTION_LARGE)
		return ORDER_NONE;
	if (numbers_sane(ORDER_LITTLE, header, file_size))
		return ORDER_LITTLE;
	return numbers_sane(ORDER_BIG, header, file_size) ? ORDER_BIG : ORDER_NONE;
}

/* Cuts a torn end off the log: a piece is written before what it saves is touched, so a torn one isn't needed. */
static enum rc mend_log(int fd, const char *path, uint64_t file_size, struct why *why)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return file_fail(why, "can't look at", path);
	uint64_t size = (uint64_t)status.st_size;
	uint8_t first[LOG_FIRST_BYTES];
	if (size < LOG_FIRST_BYTES)
		return ftruncate(fd, 0) == 0 ? RC_OK : file_fail(why, "can't cut off", path);
	if (!read_at(fd, first, sizeof(first), 0))
		return file_fail(why, "can't read", path);
	enum order order = header_order(first + 20, file_size);
	uint64_t back_to = load(order, first, 8);
	if (order == ORDER_NONE || load(order, first + 8, 8) != 0 || load(order, first + 16, 4) != HEADER_BYTES ||
	    load(order, first + 20 + 56, 8) != back_to)
		return why_set(why, RC_DAMAGED, "%s: isn't a log that fits the store", path);
	uint64_t at = LOG_FIRST_BYTES;
	while (size - at >= 12) {
		uint8_t head[12];
		if (!read_at(fd, head, sizeof(head), at))
			return file_fail(why, "can't read", path);
		uint64_t offset = load(order, head, 8);
		uint64_t length = load(order, head + 8, 4);
		if (length > PIECE_BYTES_MAX || offset > back_to || length > back_to - offset)
			return why_set(why, RC_DAMAGED, "%s: damaged at byte %" PRIu64, path, at);
		if (length > size - at - 12)
			break;
		at += 12 + length;
	}
	if (at < size && ftruncate(fd, (off_t)at) != 0)
		return file_fail(why, "can't cut the torn end off", path);
	return RC_OK;
}

static enum rc check_log(const char *path, bool wanted, uint64_t file_size, struct why *why)
{
	char *log = mem_sprintf("%s.wal", path);
	enum rc rc = RC_OK;
	int fd = -1;
	if (!wanted) {
		if (unlink(log) != 0 && errno != ENOENT)
			rc = file_fail(why, "can't remove", log);
	} else {
		fd = open(log, O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			rc = mend_log(fd, log, file_size, why);
		else if (errno != ENOENT)
			rc = file_fail(why, "can't open", log);
	}
	if (fd >= 0)
		close(fd);
	free(log);
	return rc;
}

static enum rc check_locked(int fd, const char *path, bool clean, struct why *why)
{
	struct stat status;
	uint8_t header[HEADER_BYTES];
	if (fstat(fd, &status) != 0)
		return file_fail(why, "can't look at", path);
	uint64_t size = (uint64_t)status.st_size;
	if (size < HEADER_BYTES)
		return why_set(why, RC_DAMAGED, "%s: shorter than a store's header", path);
	if (!read_at(fd, header, sizeof(header), 0))
		return file_fail(why, "can't read", path);
	enum order order = header_order(header, size);
	if (order == ORDER_NONE)
		return why_set(why, RC_DAMAGED, "%s: the header isn't a store's", path);
	/* The pool of free blocks is only written at a proper close. An older or a damaged one would have live records
	 * overwritten, and without any the library finds free blocks while it defragments. */
	uint64_t pool = HEADER_BYTES + load(order, header + 40, 8) * 8;
	if (pwrite(fd, "\0", 2, (off_t)pool) != 2)
		return file_fail(why, "can't write", path);
	return check_log(path, !clean && (header[33] & FLAG_OPEN), size, why);
}

enum rc store_check_before(const char *path, bool clean, struct why *why)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		bool missing = errno == ENOENT;
		enum rc rc = file_fail(why, "can't open", path);
		return missing ? RC_NOT_FOUND : rc;
	}
	/* The library's own lock, held here too, so that the log of a process that lives isn't touched. */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	enum rc rc;
	if (fcntl(fd, F_SETLK, &lock) != 0)
		rc = errno == EAGAIN || errno == EACCES
			? why_set(why, RC_AGAIN, "%s: another process has it open", path)
			: file_fail(why, "can't lock", path);
	else
		rc = check_locked(fd, path, clean, why);
	close(fd);
	return rc;
}

/* A window of the file that moves forward. */
struct window {
	const struct store_shape *shape;
	uint8_t *data;
	uint64_t start;
	size_t length;
};

/* The bytes at offset, at least `want` of them or all up to the end; NULL when reading fails. */
static const uint8_t *look(struct window *window, uint64_t offset, size_t want, uint64_t end)
{
	if (want > end - offset)
		want = (size_t)(end - offset);
	if (offset < window->start || offset + want > window->start + window->length) {
		window->start = offset;
		window->length = end - offset < CHUNK_BYTES ? (size_t)(end - offset) : CHUNK_BYTES;
		if (!read_at(window->shape->fd, window->data, window->length, offset))
			return NULL;
	}
	return window->data + (offset - window->start);
}

struct marks {
	enum order order;
	uint8_t *starts;         /* a bit for each aligned offset: a record begins there */
	uint8_t *targets;        /* a bit for each aligned offset: something points there */
	uint64_t bits;
};

/* True unless the place is out of range or marked already. */
static bool mark(uint8_t *bits, uint64_t index, uint64_t limit)
{
	if (index >= limit || (bits[index / 8] & (1u << (index % 8))))
		return false;
	bits[index / 8] = (uint8_t)(bits[index / 8] | (1u << (index % 8)));
	return true;
}

static int read_length(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
	uint64_t value = 0;
	for (int shift = 0; shift < 35 && *at < end; shift += 7) {
		int8_t byte = (int8_t)*(*at)++;
		if (byte >= 0) {
			*out = value + ((uint64_t)byte << shift);
			return 0;
		}
		value += (uint64_t)(-(byte + 1)) << shift;
	}
	return -1;
}

/* The library's second hash of a key, by which a bucket's records are sorted: with another one a record isn't found. */
static uint8_t key_hash(const uint8_t *key, uint64_t length)
{
	uint32_t hash = 751;
	while (length-- > 0)
		hash = (hash * 31) ^ key[length];
	return (uint8_t)hash;
}

/* The size of the record or block at `head`, or 0 when it isn't one. Marks where it points to. */
static uint64_t check_record(const uint8_t *head, uint64_t left, uint64_t offset, struct marks *marks)
{
	if (head[0] == 0xb0)
		return left >= 5 ? load(marks->order, head + 1, 4) : 0;
	if (head[0] != 0xc8 || left < 22)
		return 0;
	uint64_t key_length;
	uint64_t value_length;
	const uint8_t *at = head + 20;
	const uint8_t *end = head + (left < RECORD_HEAD_MAX ? left : RECORD_HEAD_MAX);
	if (read_length(&at, end, &key_length) != 0 || read_length(&at, end, &value_length) != 0 ||
	    key_length + value_length > BODY_MAX || key_length > KEY_MAX || (uint64_t)(at - head) + key_length > left ||
	    head[1] != key_hash(at, key_length))
		return 0;
	for (int i = 0; i < 2; i++) {
		uint64_t target = load(marks->order, head + 2 + 8 * i, 8);
		if (target != 0 && !mark(marks->targets, target, marks->bits))
			return 0;
	}
	if (!mark(marks->starts, offset >> STORE_ALIGN_POWER, marks->bits))
		return 0;
	return (uint64_t)(at - head) + key_length + value_length + load(marks->order, head + 18, 2);
}

static enum rc check_records(const char *path, struct window *window, struct marks *marks, struct why *why)
{
	const struct store_shape *shape = window->shape;
	uint64_t records = 0;
	for (uint64_t offset = shape->first; offset < shape->size;) {
		const uint8_t *head = look(window, offset, RECORD_HEAD_MAX, shape->size);
		if (head == NULL)
			return why_set(why, RC_DAMAGED, "%s: can't be read at byte %" PRIu64, path, offset);
		uint64_t left = shape->size - offset;
		uint64_t size = check_record(head, left, offset, marks);
		if (size == 0 || size > left || size % (1u << STORE_ALIGN_POWER) != 0)
			return why_set(why, RC_DAMAGED, "%s: damaged at byte %" PRIu64, path, offset);
		if (head[0] == 0xc8)
			records++;
		offset += size;
	}
	if (records != shape->records)
		return why_set(why, RC_DAMAGED, "%s: holds %" PRIu64 " entries, not %" PRIu64, path, records, shape->records);
	return RC_OK;
}

static enum rc check_buckets(const char *path, struct window *window, struct marks *marks, struct why *why)
{
	uint64_t end = HEADER_BYTES + window->shape->buckets * 8;
	for (uint64_t offset = HEADER_BYTES; offset < end; offset += 8) {
		const uint8_t *bucket = look(window, offset, 8, end);
		if (bucket == NULL)
			return why_set(why, RC_DAMAGED, "%s: can't be read at byte %" PRIu64, path, offset);
		uint64_t target = load(marks->order, bucket, 8);
		if (target != 0 && !mark(marks->targets, target, marks->bits))
			return why_set(why, RC_DAMAGED, "%s: damaged at byte %" PRIu64, path, offset);
	}
	return RC_OK;
}

enum rc store_check_shape(const char *path, const struct store_shape *shape, struct why *why)
{
	uint8_t header[HEADER_BYTES];
	if (!read_at(shape->fd, header, sizeof(header), 0))
		return why_set(why, RC_DAMAGED, "%s: can't be read at byte 0", path);
	struct marks marks = {.order = header_order(header, shape->size), .bits = (shape->size >> STORE_ALIGN_POWER) + 1};
	size_t bytes = (size_t)(marks.bits / 8 + 1);
	marks.starts = mem_zalloc(bytes);
	marks.targets = mem_zalloc(bytes);
	struct window window = {.shape = shape, .data = mem_alloc(CHUNK_BYTES)};
	enum rc rc = check_records(path, &window, &marks, why);
	window.length = 0;
	if (rc == RC_OK)
		rc = check_buckets(path, &window, &marks, why);
	if (rc == RC_OK && memcmp(marks.starts, marks.targets, bytes) != 0)
		rc = why_set(why, RC_DAMAGED, "%s: the index doesn't reach all entries", path);
	free(window.data);
	free(marks.starts);
	free(marks.targets);
	return rc;
}
