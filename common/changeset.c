/* changeset.c: the encoding of changesets; see changeset.h for its shape.
 *
 * Decoding is linear in the input, and allocates only what the input's own length justifies. */
#include "common/changeset.h"

#include "common/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define SOA_BYTES_MAX (2 + SOA_ZONE_MAX + 16 + 8 + 8 + 8 + 16 + 8 + 8 + 12 + IDENTITY_SIGNATURE_BYTES)
#define OPERATION_BYTES_MIN 5      /* change, type, key length, a key of one byte */

static enum rc decode_operations(struct cursor *in, struct changeset *changeset, struct why *why)
{
	enum change last = CHANGE_ADD;
	for (uint32_t i = 0; i < changeset->count; i++) {
		struct operation *operation = &changeset->operations[i];
		uint8_t change = cursor_u8(in);
		if (change != CHANGE_ADD && change != CHANGE_DELETE)
			return why_set(why, RC_INVALID, "operation %" PRIu32 " of a changeset is cut short or of unknown kind %u",
			               i + 1, change);
		operation->change = (enum change)change;
		if (operation->change == CHANGE_ADD && last == CHANGE_DELETE)
			return why_set(why, RC_INVALID, "operation %" PRIu32 " of a changeset adds after a deletion", i + 1);
		last = operation->change;
		enum rc rc = record_decode(in, &operation->record, why);
		if (rc != RC_OK)
			return why_prepend(why, rc, "operation %" PRIu32 " of a changeset", i + 1);
	}
	if (!cursor_done(in))
		return why_set(why, RC_INVALID, "a changeset has %zu bytes behind its last operation", cursor_left(in));
	return RC_OK;
}

enum rc changeset_decode(const void *data, size_t length, struct changeset *out, struct why *why)
{
	if (length > CHANGESET_BYTES_MAX)
		return why_set(why, RC_LIMIT, "a changeset has %zu bytes, more than %u", length, CHANGESET_BYTES_MAX);
	struct cursor in = cursor_over(data, length);
	struct changeset changeset = {0};
	enum rc rc = soa_decode(&in, &changeset.soa, why);
	if (rc != RC_OK)
		return rc;
	if (changeset.soa.kind != SOA_CHANGESET)
		return why_set(why, RC_INVALID, "an announcement that isn't a changeset came in a changeset's place");
	identity_hash(in.at, cursor_left(&in), changeset.soa.content_hash);
	changeset.count = cursor_u32(&in);
	if (in.failed)
		return why_set(why, RC_INVALID, "a changeset is cut short");
	if (changeset.count > CHANGESET_OPERATIONS_MAX)
		return why_set(why, RC_LIMIT, "a changeset has %" PRIu32 " operations, more than %u", changeset.count,
		               CHANGESET_OPERATIONS_MAX);
	if (changeset.count > cursor_left(&in) / OPERATION_BYTES_MIN)
		return why_set(why, RC_INVALID, "a changeset of %" PRIu32 " operations has only %zu bytes for them",
		               changeset.count, cursor_left(&in));
	changeset.operations = mem_realloc(NULL, changeset.count + (size_t)1, sizeof(*changeset.operations));
	rc = decode_operations(&in, &changeset, why);
	if (rc != RC_OK) {
		changeset_free(&changeset);
		return rc;
	}
	*out = changeset;
	return RC_OK;
}

void changeset_free(struct changeset *changeset)
{
	free(changeset->operations);
	changeset->operations = NULL;
	changeset->count = 0;
}

bool changeset_draft_put(struct changeset_draft *draft, enum change change, const struct record *record)
{
	assert(change == CHANGE_DELETE || !draft->deleting);
	size_t before = draft->operations.length;
	if (draft->count == CHANGESET_OPERATIONS_MAX)
		return false;
	buf_put_u8(&draft->operations, (uint8_t)change);
	record_encode(&draft->operations, record);
	if (SOA_BYTES_MAX + sizeof(uint32_t) + draft->operations.length > CHANGESET_BYTES_MAX) {
		draft->operations.length = before;
		return false;
	}
	draft->count++;
	draft->deleting = change == CHANGE_DELETE;
	return true;
}

void changeset_draft_finish(struct changeset_draft *draft, struct soa *soa, const struct identity *signer,
                            struct buf *out)
{
	struct buf contents = {0};
	buf_put_u32(&contents, draft->count);
	buf_put(&contents, draft->operations.data, draft->operations.length);
	soa->kind = SOA_CHANGESET;
	identity_hash(contents.data, contents.length, soa->content_hash);
	soa_sign(soa, signer);
	soa_encode(out, soa);
	buf_put(out, contents.data, contents.length);
	buf_free(&contents);
	buf_clear(&draft->operations);
	draft->count = 0;
	draft->deleting = false;
}

void changeset_draft_free(struct changeset_draft *draft)
{
	buf_free(&draft->operations);
	draft->count = 0;
	draft->deleting = false;
}
