/* rollover_file.c: see rollover_file.h.
 *
 * Byte table (numbers big-endian), made by file_replace:
 *     0  u8[8]    "rxferRO1"
 *     8  HANDOVER_BYTES: the newest statement (handover.h)
 *   208  u16      number of replicas that keep it; for each: u8[32] and u8[32], the halves of its key
 *   at the end    u8[32] BLAKE2b-256 of all before
 * Without it the statement's date begins anew, and who keeps it isn't known: a replica that comes shows its own. */
#include "master/rollover_file.h"

#include "common/file.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC_BYTES 8
#define HEAD_BYTES (MAGIC_BYTES + HANDOVER_BYTES + 2)
#define FILE_BYTES_MAX (HEAD_BYTES + ROLLOVER_KEPT_MAX * 64 + IDENTITY_HASH_BYTES)

static const char magic[MAGIC_BYTES + 1] = "rxferRO1";

static bool decode(const struct buf *bytes, struct rollover_file *out)
{
	uint8_t hash[IDENTITY_HASH_BYTES];
	if (bytes->length < HEAD_BYTES + sizeof(hash) || memcmp(bytes->data, magic, MAGIC_BYTES) != 0)
		return false;
	size_t length = bytes->length - sizeof(hash);
	identity_hash(bytes->data, length, hash);
	struct cursor in = cursor_over(bytes->data + MAGIC_BYTES, length - MAGIC_BYTES);
	struct rollover_file file = {.kept = NULL};
	if (memcmp(hash, bytes->data + length, sizeof(hash)) != 0 || handover_decode(&in, &file.word, NULL) != RC_OK)
		return false;
	file.kept_count = cursor_u16(&in);
	if (cursor_left(&in) != 64 * file.kept_count)
		return false;
	file.kept = mem_zalloc((file.kept_count + 1) * sizeof(*file.kept));
	for (size_t i = 0; i < file.kept_count; i++) {
		cursor_copy(&in, file.kept[i].sign, sizeof(file.kept[i].sign));
		cursor_copy(&in, file.kept[i].transport, sizeof(file.kept[i].transport));
	}
	*out = file;
	return true;
}

enum rc rollover_file_load(const char *path, struct rollover_file *out, struct why *why)
{
	struct buf bytes = {.data = NULL};
	enum rc rc = file_read(path, FILE_BYTES_MAX, &bytes, why);
	if (rc == RC_OK && bytes.length >= MAGIC_BYTES && memcmp(bytes.data, magic, MAGIC_BYTES - 1) == 0 &&
	    bytes.data[MAGIC_BYTES - 1] > '1' && bytes.data[MAGIC_BYTES - 1] <= '9')
		rc = why_set(why, RC_UNSUPPORTED, "%s was written by a newer rxfer", path);
	else if (rc == RC_LIMIT || (rc == RC_OK && !decode(&bytes, out)))
		rc = why_set(why, RC_DAMAGED, "%s is damaged", path);
	buf_free(&bytes);
	return rc;
}

enum rc rollover_file_save(const char *path, const struct rollover_file *file, struct why *why)
{
	struct buf bytes = {.data = NULL};
	uint8_t hash[IDENTITY_HASH_BYTES];
	buf_put(&bytes, magic, MAGIC_BYTES);
	handover_encode(&bytes, &file->word);
	buf_put_u16(&bytes, (uint16_t)file->kept_count);
	for (size_t i = 0; i < file->kept_count; i++) {
		buf_put(&bytes, file->kept[i].sign, sizeof(file->kept[i].sign));
		buf_put(&bytes, file->kept[i].transport, sizeof(file->kept[i].transport));
	}
	identity_hash(bytes.data, bytes.length, hash);
	buf_put(&bytes, hash, sizeof(hash));
	enum rc rc = file_replace(path, 0600, bytes.data, bytes.length, why);
	buf_free(&bytes);
	return rc;
}

void rollover_file_free(struct rollover_file *file)
{
	free(file->kept);
	*file = (struct rollover_file){.kept = NULL};
}
