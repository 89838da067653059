/* zonedb_soa.c: the newest announcement, in a file of its own.
 *
 * It is written when an announcement comes that no changeset brought (the periodic one), and with a whole transfer. A
 * changeset's announcement is in the journal already; so after a restart the newest is whichever of the two is newer.
 *
 * Byte table (numbers big-endian):
 *     0  u8[10]  "rxfer soa\n"
 *    10  u16     version: 1
 *    12  u64     when it came (ms since 1970, this host's clock)
 *    20  the announcement (soa.h), then
 *        u8[32]  the hash of its contents, so that its signature can be verified and shown to others
 *        u8[16]  check: the beginning of BLAKE2b-256 of all before */
#include "common/zonedb_private.h"

#include "common/file.h"

#include <stdio.h>
#include <string.h>

#define MAGIC "rxfer soa\n"
#define MAGIC_BYTES 10
#define VERSION 1
#define CHECK_BYTES 16
#define FILE_MAX 4096

static enum rc decode(const struct buf *file, struct soa *soa, struct wall *received, struct why *why)
{
	struct cursor in = cursor_over(file->data, file->length);
	const uint8_t *magic = cursor_take(&in, MAGIC_BYTES);
	uint16_t version = cursor_u16(&in);
	received->ms = (int64_t)cursor_u64(&in);
	if (in.failed || cursor_left(&in) < CHECK_BYTES || memcmp(magic, MAGIC, MAGIC_BYTES) != 0)
		return why_set(why, RC_DAMAGED, "isn't an announcement's file");
	uint8_t hash[IDENTITY_HASH_BYTES];
	identity_hash(file->data, file->length - CHECK_BYTES, hash);
	if (memcmp(hash, file->data + file->length - CHECK_BYTES, CHECK_BYTES) != 0)
		return why_set(why, RC_DAMAGED, "the check sum is wrong");
	if (version != VERSION)
		return why_set(why, RC_UNSUPPORTED, "written in format %u by a newer version; this one reads format %d", version,
		               VERSION);
	enum rc rc = soa_decode(&in, soa, why);
	if (rc != RC_OK)
		return RC_DAMAGED;
	cursor_copy(&in, soa->content_hash, sizeof(soa->content_hash));
	return cursor_left(&in) == CHECK_BYTES ? RC_OK : why_set(why, RC_DAMAGED, "has the wrong length");
}

enum rc zonedb_load_soa(struct zonedb *db, struct why *why)
{
	struct buf file = {0};
	struct soa soa;
	struct wall received;
	enum rc rc = file_read(db->soa_path, FILE_MAX, &file, why);
	if (rc == RC_OK) {
		rc = decode(&file, &soa, &received, why);
		if (rc == RC_OK && strcmp(soa.zone, db->zone) != 0)
			rc = why_set(why, RC_DAMAGED, "is of another zone, \"%s\"", soa.zone);
		if (rc != RC_OK)
			(void)why_prepend(why, rc, "%s", db->soa_path);
	} else if (rc == RC_LIMIT) {
		rc = RC_DAMAGED;
	}
	buf_free(&file);
	if (rc == RC_NOT_FOUND)
		return RC_OK;
	if (rc == RC_DAMAGED) {
		zonedb_note_trouble(db, why->text);
		return RC_OK;
	}
	if (rc == RC_OK) {
		db->soa = soa;
		db->received = received;
		db->soa_known = true;
	}
	return rc;
}

/* Whether b says something newer than a, or the same later. */
static bool newer(const struct soa *a, const struct soa *b)
{
	enum soa_order order = soa_compare(a, b);
	return order == SOA_NEWER || order == SOA_LATER_EPOCH || (order == SOA_SAME && b->time.ms >= a->time.ms);
}

void zonedb_take_soa(struct zonedb *db, const struct soa *soa, struct wall received)
{
	if (db->soa_known && !newer(&db->soa, soa))
		return;
	db->soa = *soa;
	db->received = received;
	db->soa_known = true;
}

enum rc zonedb_note_soa(struct zonedb *db, const struct soa *soa, struct wall received, struct why *why)
{
	if (strcmp(soa->zone, db->zone) != 0)
		return why_set(why, RC_INVALID, "an announcement of zone \"%s\" isn't one of zone \"%s\"", soa->zone, db->zone);
	if (db->soa_known && !newer(&db->soa, soa))
		return why_set(why, RC_INVALID, "an announcement of zone \"%s\" is older than the one that is known", soa->zone);
	struct buf file = {0};
	buf_put(&file, MAGIC, MAGIC_BYTES);
	buf_put_u16(&file, VERSION);
	buf_put_u64(&file, (uint64_t)received.ms);
	soa_encode(&file, soa);
	buf_put(&file, soa->content_hash, sizeof(soa->content_hash));
	uint8_t hash[IDENTITY_HASH_BYTES];
	identity_hash(file.data, file.length, hash);
	buf_put(&file, hash, CHECK_BYTES);
	enum rc rc = file_replace(db->soa_path, 0600, file.data, file.length, why);
	buf_free(&file);
	if (rc == RC_OK)
		zonedb_take_soa(db, soa, received);
	return rc;
}

bool zonedb_soa(const struct zonedb *db, struct soa *out)
{
	if (db->soa_known)
		*out = db->soa;
	return db->soa_known;
}

struct wall zonedb_soa_received(const struct zonedb *db)
{
	return db->received;
}
