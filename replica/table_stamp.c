/* table_stamp.c: see the header.
 *
 * Byte table (numbers big-endian):
 *     0  u8[8]   "rxferTS1"
 *     8  u64     inode; u64 size; u64 mtime and u64 ctime in ns
 *    40  u8[32]  rule
 *    72  u64     digest high; u64 digest low; u64 keys; u64 written (ms since 1970)
 *   104  u32     number of zones; for each: u8 length of the name, name, u8[16] epoch id, u64 epoch began, u64 serial
 *    at the end  u8[32] BLAKE2b-256 of all before
 * It is renamed into place and never synced, so that it may come back old, empty or torn after a power cut: then the
 * hash or the file's identity doesn't agree, and the table is written anew. */
#include "replica/table_stamp.h"

#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = {'r', 'x', 'f', 'e', 'r', 'T', 'S', '1'};
#define STAMP_BYTES_MAX (104u + 4u + TABLE_STAMP_ZONES_MAX * (1u + SOA_ZONE_MAX + 32u) + IDENTITY_HASH_BYTES)

void table_stamp_free(struct table_stamp *stamp)
{
	free(stamp->zones);
	*stamp = (struct table_stamp){.zones = NULL};
}

static void load_zones(struct cursor *in, struct table_stamp *stamp)
{
	uint32_t count = cursor_u32(in);
	if (in->failed || count > TABLE_STAMP_ZONES_MAX) {
		in->failed = true;
		return;
	}
	stamp->zones = mem_realloc(NULL, count + 1, sizeof(*stamp->zones));
	for (uint32_t i = 0; i < count && !in->failed; i++) {
		struct table_stamp_zone zone = {.serial = 0};
		uint8_t length = cursor_u8(in);
		if (length > SOA_ZONE_MAX) {
			in->failed = true;
			return;
		}
		cursor_copy(in, zone.name, length);
		cursor_copy(in, zone.epoch.id, sizeof(zone.epoch.id));
		zone.epoch.began.ms = (int64_t)cursor_u64(in);
		zone.serial = cursor_u64(in);
		stamp->zones[stamp->zone_count++] = zone;
	}
}

static bool decode(const struct buf *bytes, struct table_stamp *stamp)
{
	uint8_t hash[IDENTITY_HASH_BYTES];
	if (bytes->length < sizeof(magic) + sizeof(hash) || memcmp(bytes->data, magic, sizeof(magic)) != 0)
		return false;
	size_t length = bytes->length - sizeof(hash);
	identity_hash(bytes->data, length, hash);
	if (memcmp(hash, bytes->data + length, sizeof(hash)) != 0)
		return false;
	struct cursor in = cursor_over(bytes->data + sizeof(magic), length - sizeof(magic));
	stamp->file.inode = cursor_u64(&in);
	stamp->file.size = cursor_u64(&in);
	stamp->file.mtime_ns = cursor_u64(&in);
	stamp->file.ctime_ns = cursor_u64(&in);
	cursor_copy(&in, stamp->rule, sizeof(stamp->rule));
	stamp->digest.high = cursor_u64(&in);
	stamp->digest.low = cursor_u64(&in);
	stamp->keys = cursor_u64(&in);
	stamp->written.ms = (int64_t)cursor_u64(&in);
	load_zones(&in, stamp);
	return cursor_done(&in);
}

enum rc table_stamp_load(const char *path, struct table_stamp *out, struct why *why)
{
	struct buf bytes = {.data = NULL};
	struct table_stamp stamp = {.zones = NULL};
	enum rc rc = file_read(path, STAMP_BYTES_MAX, &bytes, why);
	if (rc == RC_LIMIT || (rc == RC_OK && !decode(&bytes, &stamp)))
		rc = why_set(why, RC_NOT_FOUND, "%s is damaged", path);
	if (rc == RC_OK)
		*out = stamp;
	else
		table_stamp_free(&stamp);
	buf_free(&bytes);
	return rc;
}

static void encode(struct buf *out, const struct table_stamp *stamp)
{
	buf_put(out, magic, sizeof(magic));
	buf_put_u64(out, stamp->file.inode);
	buf_put_u64(out, stamp->file.size);
	buf_put_u64(out, stamp->file.mtime_ns);
	buf_put_u64(out, stamp->file.ctime_ns);
	buf_put(out, stamp->rule, sizeof(stamp->rule));
	buf_put_u64(out, stamp->digest.high);
	buf_put_u64(out, stamp->digest.low);
	buf_put_u64(out, stamp->keys);
	buf_put_u64(out, (uint64_t)stamp->written.ms);
	buf_put_u32(out, (uint32_t)stamp->zone_count);
	for (size_t i = 0; i < stamp->zone_count; i++) {
		const struct table_stamp_zone *zone = &stamp->zones[i];
		size_t length = strlen(zone->name);
		buf_put_u8(out, (uint8_t)length);
		buf_put(out, zone->name, length);
		buf_put(out, zone->epoch.id, sizeof(zone->epoch.id));
		buf_put_u64(out, (uint64_t)zone->epoch.began.ms);
		buf_put_u64(out, zone->serial);
	}
	uint8_t hash[IDENTITY_HASH_BYTES];
	identity_hash(out->data, out->length, hash);
	buf_put(out, hash, sizeof(hash));
}

enum rc table_stamp_save(const char *path, const struct table_stamp *stamp, struct why *why)
{
	struct buf bytes = {.data = NULL};
	encode(&bytes, stamp);
	char *tmp = mem_sprintf("%s.tmp", path);
	enum rc rc = RC_OK;
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		rc = file_fail(why, "can't make", tmp);
	if (rc == RC_OK)
		rc = file_write_all(fd, bytes.data, bytes.length, tmp, why);
	if (fd >= 0 && close(fd) != 0 && rc == RC_OK)
		rc = file_fail(why, "can't write", tmp);
	if (rc == RC_OK && rename(tmp, path) != 0)
		rc = file_fail(why, "can't replace", path);
	if (rc != RC_OK)
		(void)unlink(tmp);
	free(tmp);
	buf_free(&bytes);
	return rc;
}

const struct table_stamp_zone *table_stamp_find(const struct table_stamp *stamp, const char *zone)
{
	for (size_t i = 0; i < stamp->zone_count; i++)
		if (strcmp(stamp->zones[i].name, zone) == 0)
			return &stamp->zones[i];
	return NULL;
}

void table_stamp_set(struct table_stamp *stamp, const char *zone, const struct epoch *epoch, uint64_t serial)
{
	struct table_stamp_zone *found = NULL;
	for (size_t i = 0; i < stamp->zone_count && !found; i++)
		if (strcmp(stamp->zones[i].name, zone) == 0)
			found = &stamp->zones[i];
	if (!found) {
		stamp->zones = mem_realloc(stamp->zones, stamp->zone_count + 1, sizeof(*stamp->zones));
		found = &stamp->zones[stamp->zone_count++];
		*found = (struct table_stamp_zone){.serial = 0};
		(void)snprintf(found->name, sizeof(found->name), "%s", zone);
	}
	found->epoch = *epoch;
	found->serial = serial;
}

static uint64_t nanoseconds(struct timespec time)
{
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

enum rc table_file_look(const char *path, struct table_file *out, struct why *why)
{
	struct stat st;
	if (lstat(path, &st) != 0) {
		bool missing = errno == ENOENT;
		enum rc rc = file_fail(why, "can't look at", path);
		return missing ? RC_NOT_FOUND : rc;
	}
	if (!S_ISREG(st.st_mode))
		return why_set(why, RC_IO, "%s isn't a regular file", path);
	out->inode = (uint64_t)st.st_ino;
	out->size = (uint64_t)st.st_size;
	out->mtime_ns = nanoseconds(st.st_mtim);
	out->ctime_ns = nanoseconds(st.st_ctim);
	return RC_OK;
}

bool table_file_same(const struct table_file *a, const struct table_file *b)
{
	return a->inode == b->inode && a->size == b->size && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}
