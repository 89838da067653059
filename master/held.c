/* held.c: see held.h. */
#include "master/held.h"

#include "common/file.h"
#include "common/identity.h"

#include <assert.h>
#include <string.h>

#define MAGIC "rxferhld"
#define MAGIC_BYTES 8u
#define VERSION 1u
#define FILE_BYTES_MAX ((size_t)16 << 30)

void held_free(struct held_file *file)
{
	buf_free(&file->records);
	buf_free(&file->names);
	*file = (struct held_file){0};
}

void held_put_record(struct held_file *file, const struct record *record)
{
	record_encode(&file->records, record);
	file->count++;
}

void held_put_name(struct held_file *file, const char *name)
{
	size_t length = strlen(name);
	assert(length <= UINT8_MAX);
	buf_put_u8(&file->names, (uint8_t)length);
	buf_put(&file->names, name, length);
	file->name_count++;
}

bool held_has_name(const struct held_file *file, const char *name)
{
	struct cursor in = cursor_over(file->names.data, file->names.length);
	for (uint32_t i = 0; i < file->name_count; i++) {
		size_t length = cursor_u8(&in);
		const uint8_t *at = cursor_take(&in, length);
		if (at && length == strlen(name) && memcmp(at, name, length) == 0)
			return true;
	}
	return false;
}

enum rc held_each(const struct held_file *file, held_visit *visit, void *context, struct why *why)
{
	struct cursor in = cursor_over(file->records.data, file->records.length);
	enum rc rc = RC_OK;
	for (uint64_t i = 0; i < file->count && rc == RC_OK; i++) {
		struct record record;
		rc = record_decode(&in, &record, why);
		if (rc == RC_OK)
			rc = visit(context, &record, why);
	}
	return rc;
}

struct collector {
	const uint8_t *key;
	struct fpset *out;
};

static enum rc collect(void *context, const struct record *record, struct why *why)
{
	const struct collector *collector = context;
	(void)why;
	fpset_append(collector->out, record_fingerprint(collector->key, record));
	return RC_OK;
}

void held_prints(const struct held_file *file, const uint8_t key[RECORD_HASH_KEY_BYTES], struct fpset *out)
{
	struct collector collector = {key, out};
	fpset_free(out);
	(void)held_each(file, collect, &collector, NULL);      /* every record was decoded once, or encoded here */
	fpset_seal(out);
}

enum rc held_save(const char *path, const struct held_file *file, struct why *why)
{
	struct buf out = {0};
	uint8_t hash[IDENTITY_HASH_BYTES];

	buf_reserve(&out, file->records.length + file->names.length + 64);
	buf_put(&out, MAGIC, MAGIC_BYTES);
	buf_put_u32(&out, VERSION);
	buf_put_u32(&out, file->name_count);
	buf_put(&out, file->names.data, file->names.length);
	buf_put_u64(&out, file->count);
	buf_put(&out, file->records.data, file->records.length);
	identity_hash(out.data, out.length, hash);
	buf_put(&out, hash, sizeof hash);
	enum rc rc = file_replace(path, 0600, out.data, out.length, why);
	buf_free(&out);
	return rc;
}

/* Behind magic and version, in front of the hash. */
static enum rc decode(struct cursor *in, struct held_file *out, const char *path, struct why *why)
{
	out->name_count = cursor_u32(in);
	const uint8_t *begin = in->at;
	for (uint32_t i = 0; i < out->name_count && !in->failed; i++)
		(void)cursor_take(in, cursor_u8(in));
	if (!in->failed)
		buf_put(&out->names, begin, (size_t)(in->at - begin));
	out->count = cursor_u64(in);
	if (in->failed)
		return why_set(why, RC_DAMAGED, "%s is damaged: it ends too early", path);
	begin = in->at;
	for (uint64_t i = 0; i < out->count; i++) {
		struct record record;
		if (record_decode(in, &record, why) != RC_OK)
			return why_prepend(why, RC_DAMAGED, "%s is damaged", path);
	}
	if (!cursor_done(in))
		return why_set(why, RC_DAMAGED, "%s is damaged: there is more in it than it says", path);
	buf_put(&out->records, begin, (size_t)(in->at - begin));
	return RC_OK;
}

enum rc held_load(const char *path, struct held_file *out, struct why *why)
{
	struct buf data = {0};
	struct held_file file = {0};
	uint8_t hash[IDENTITY_HASH_BYTES];

	enum rc rc = file_read(path, FILE_BYTES_MAX, &data, why);
	if (rc != RC_OK)
		goto out;
	struct cursor in = cursor_over(data.data, data.length);
	const uint8_t *magic = cursor_take(&in, MAGIC_BYTES);
	uint32_t version = cursor_u32(&in);
	if (!magic || memcmp(magic, MAGIC, MAGIC_BYTES) != 0 || cursor_left(&in) < sizeof hash) {
		rc = why_set(why, RC_DAMAGED, "%s is damaged: it isn't a file of held deletions", path);
		goto out;
	}
	/* Before the version is believed: a flipped bit there must not keep the daemon from starting. */
	in.end -= sizeof hash;
	identity_hash(data.data, data.length - sizeof hash, hash);
	if (memcmp(hash, in.end, sizeof hash) != 0)
		rc = why_set(why, RC_DAMAGED, "%s is damaged: its check sum is wrong", path);
	else if (version != VERSION)
		rc = why_set(why, RC_UNSUPPORTED, "%s was written by another version of rxfer (format %u)", path, version);
	else
		rc = decode(&in, &file, path, why);
out:
	buf_free(&data);
	if (rc == RC_OK)
		*out = file;
	else
		held_free(&file);
	return rc;
}
