/* message.c: the codec of all messages: bytes to a checked struct, and back.
 *
 * Whatever a peer sends passes through message_decode before anybody acts on it. Each field has one reader, which
 * checks it and names it when it's wrong, so that a bad frame is one sentence in the log and never half understood. */
#include "protocol/message.h"

#include <string.h>

const char *message_type_name(enum message_type type)
{
	switch (type) {
	case MESSAGE_HELLO: return "HELLO";
	case MESSAGE_REFRESH: return "REFRESH";
	case MESSAGE_IXFR: return "IXFR";
	case MESSAGE_AXFR: return "AXFR";
	case MESSAGE_FETCH: return "FETCH";
	case MESSAGE_ACK: return "ACK";
	case MESSAGE_KEPT: return "KEPT";
	case MESSAGE_WELCOME: return "WELCOME";
	case MESSAGE_SOA: return "SOA";
	case MESSAGE_CHANGES: return "CHANGES";
	case MESSAGE_SNAPSHOT: return "SNAPSHOT";
	case MESSAGE_CHUNK: return "CHUNK";
	case MESSAGE_ERROR: return "ERROR";
	case MESSAGE_KEYS: return "KEYS";
	}
	return "?";
}

const char *message_error_name(enum message_error error)
{
	switch (error) {
	case ERROR_VERSION: return "version";
	case ERROR_NO_ZONE: return "no-zone";
	case ERROR_NOT_YET: return "not-yet";
	case ERROR_NO_HISTORY: return "no-history";
	case ERROR_NO_SNAPSHOT: return "no-snapshot";
	case ERROR_MALFORMED: return "malformed";
	case ERROR_BUSY: return "busy";
	}
	return "?";
}

/* ---- Decoding ---- */

static enum rc cut_short(struct why *why, const char *field)
{
	return why_set(why, RC_INVALID, "it ends before its %s", field);
}

/* A u8 length and that many bytes of printable UTF-8. out has room for max + 1. */
static enum rc read_text(struct cursor *in, const char *field, size_t max, char *out, struct why *why)
{
	size_t length = cursor_u8(in);
	const uint8_t *bytes = cursor_take(in, length);
	if (in->failed)
		return cut_short(why, field);
	if (length > max)
		return why_set(why, RC_LIMIT, "its %s has %zu bytes, and %zu is the most", field, length, max);
	char text[UINT8_MAX + 1];
	if (length)
		memcpy(text, bytes, length);
	text[length] = '\0';
	/* why_clean replaces just those bytes that a text must not have. */
	why_clean(text);
	if (strlen(text) != length || (length && memcmp(text, bytes, length) != 0))
		return why_set(why, RC_INVALID, "its %s isn't printable UTF-8", field);
	memcpy(out, text, length + 1);
	return RC_OK;
}

static enum rc read_zone(struct cursor *in, bool may_be_empty, struct message *out, struct why *why)
{
	enum rc rc = read_text(in, "zone", SOA_ZONE_MAX, out->zone, why);
	if (rc == RC_OK && !soa_zone_name_valid(out->zone) && !(may_be_empty && out->zone[0] == '\0'))
		rc = why_set(why, RC_INVALID, "\"%s\" isn't a zone's name", out->zone);
	return rc;
}

static enum rc read_bool(struct cursor *in, const char *field, bool *out, struct why *why)
{
	uint8_t value = cursor_u8(in);
	if (in->failed)
		return cut_short(why, field);
	if (value > 1)
		return why_set(why, RC_INVALID, "its %s is %u, and must be 0 or 1", field, value);
	*out = value;
	return RC_OK;
}

static enum rc read_soa(struct cursor *in, struct message *out, struct why *why)
{
	return soa_decode(in, &out->soa, why);
}

static enum rc decode_hello(struct cursor *in, struct message *out, struct why *why)
{
	out->version_min = cursor_u8(in);
	out->version_max = cursor_u8(in);
	if (in->failed)
		return cut_short(why, "versions");
	if (out->version_min == 0 || out->version_min > out->version_max)
		return why_set(why, RC_INVALID, "%u to %u isn't a range of versions", out->version_min, out->version_max);
	return read_text(in, "software", SOFTWARE_MAX, out->software, why);
}

static enum rc decode_welcome(struct cursor *in, struct message *out, struct why *why)
{
	out->version_min = out->version_max = cursor_u8(in);
	if (in->failed)
		return cut_short(why, "version");
	if (out->version_min == 0)
		return why_set(why, RC_INVALID, "there is no version 0");
	return read_text(in, "software", SOFTWARE_MAX, out->software, why);
}

static enum rc decode_refresh(struct cursor *in, struct message *out, struct why *why)
{
	enum rc rc = read_zone(in, false, out, why);
	if (rc == RC_OK)
		rc = read_bool(in, "present", &out->present, why);
	if (rc != RC_OK || !out->present)
		return rc;
	rc = read_soa(in, out, why);
	if (rc != RC_OK)
		return rc;
	if (strcmp(out->zone, out->soa.zone) != 0)
		return why_set(why, RC_INVALID, "it asks for zone \"%s\" and shows \"%s\"", out->zone, out->soa.zone);
	if (out->soa.kind == SOA_PLAIN)
		return RC_OK;
	cursor_copy(in, out->soa.content_hash, sizeof(out->soa.content_hash));
	return in->failed ? cut_short(why, "content hash") : RC_OK;
}

/* zone, epoch_id, serial: what IXFR, FETCH, ACK and CHUNK begin with. */
static enum rc read_place(struct cursor *in, struct message *out, struct why *why)
{
	enum rc rc = read_zone(in, false, out, why);
	if (rc != RC_OK)
		return rc;
	cursor_copy(in, out->epoch_id, sizeof(out->epoch_id));
	out->serial = cursor_u64(in);
	return in->failed ? cut_short(why, "serial") : RC_OK;
}

static enum rc check_extent(const struct message *message, struct why *why)
{
	if (message->length < 1 || message->length > CHUNK_BYTES_MAX)
		return why_set(why, RC_LIMIT, "a chunk has 1 to %u bytes, not %u", CHUNK_BYTES_MAX, message->length);
	if (message->offset > SNAPSHOT_BYTES_MAX - message->length)
		return why_set(why, RC_LIMIT, "offset %llu is beyond what a snapshot may have",
		               (unsigned long long)message->offset);
	return RC_OK;
}

static enum rc decode_fetch(struct cursor *in, struct message *out, struct why *why)
{
	enum rc rc = read_place(in, out, why);
	if (rc != RC_OK)
		return rc;
	out->offset = cursor_u64(in);
	out->length = cursor_u32(in);
	if (in->failed)
		return cut_short(why, "length");
	return check_extent(out, why);
}

static enum rc decode_chunk(struct cursor *in, struct message *out, struct why *why)
{
	enum rc rc = read_place(in, out, why);
	if (rc != RC_OK)
		return rc;
	out->offset = cursor_u64(in);
	if (in->failed)
		return cut_short(why, "offset");
	size_t left = cursor_left(in);
	if (left > CHUNK_BYTES_MAX)
		return why_set(why, RC_LIMIT, "a chunk has 1 to %u bytes, not %zu", CHUNK_BYTES_MAX, left);
	out->data_length = left;
	out->length = (uint32_t)left;
	out->data = cursor_take(in, left);
	return check_extent(out, why);
}

static enum rc decode_ack(struct cursor *in, struct message *out, struct why *why)
{
	enum rc rc = read_place(in, out, why);
	if (rc != RC_OK)
		return rc;
	out->served = cursor_u64(in);
	uint8_t health = cursor_u8(in);
	if (in->failed)
		return cut_short(why, "health");
	if (health > HEALTH_CRITICAL)
		return why_set(why, RC_INVALID, "there is no health %u", health);
	out->health = (enum message_health)health;
	return read_text(in, "reason", REASON_MAX, out->reason, why);
}

static enum rc decode_soa(struct cursor *in, struct message *out, struct why *why)
{
	enum rc rc = read_soa(in, out, why);
	if (rc != RC_OK)
		return rc;
	if (out->soa.kind != SOA_PLAIN)
		return why_set(why, RC_INVALID, "its announcement is of kind %d, and must be plain", (int)out->soa.kind);
	memcpy(out->zone, out->soa.zone, sizeof(out->zone));
	return RC_OK;
}

static enum rc decode_changes(struct cursor *in, struct message *out, struct why *why)
{
	enum rc rc = read_bool(in, "more", &out->more, why);
	if (rc != RC_OK)
		return rc;
	size_t length = cursor_left(in);
	if (length > CHANGESET_BYTES_MAX)
		return why_set(why, RC_LIMIT, "a changeset has at most %u bytes, not %zu", CHANGESET_BYTES_MAX, length);
	struct cursor whole = *in;
	rc = read_soa(in, out, why);
	if (rc != RC_OK)
		return rc;
	if (out->soa.kind != SOA_CHANGESET)
		return why_set(why, RC_INVALID, "its announcement is of kind %d, and must be a changeset's",
		               (int)out->soa.kind);
	memcpy(out->zone, out->soa.zone, sizeof(out->zone));
	(void)cursor_take(in, cursor_left(in));      /* the contents are changeset_decode's */
	out->data = cursor_take(&whole, length);
	out->data_length = length;
	return RC_OK;
}

static enum rc decode_snapshot(struct cursor *in, struct message *out, struct why *why)
{
	out->stream_bytes = cursor_u64(in);
	uint8_t hash[IDENTITY_HASH_BYTES];
	cursor_copy(in, hash, sizeof(hash));
	if (in->failed)
		return cut_short(why, "content hash");
	if (out->stream_bytes < SNAPSHOT_BYTES_MIN || out->stream_bytes > SNAPSHOT_BYTES_MAX)
		return why_set(why, RC_LIMIT, "a snapshot can't have %llu bytes", (unsigned long long)out->stream_bytes);
	enum rc rc = read_soa(in, out, why);
	if (rc != RC_OK)
		return rc;
	if (out->soa.kind != SOA_SNAPSHOT)
		return why_set(why, RC_INVALID, "its announcement is of kind %d, and must be a snapshot's", (int)out->soa.kind);
	memcpy(out->soa.content_hash, hash, sizeof(hash));
	memcpy(out->zone, out->soa.zone, sizeof(out->zone));
	return RC_OK;
}

static enum rc decode_error(struct cursor *in, struct message *out, struct why *why)
{
	enum rc rc = read_zone(in, true, out, why);
	if (rc != RC_OK)
		return rc;
	uint8_t error = cursor_u8(in);
	if (in->failed)
		return cut_short(why, "error code");
	if (error < ERROR_VERSION || error > ERROR_BUSY)
		return why_set(why, RC_UNSUPPORTED, "error code %u isn't known", error);
	out->error = (enum message_error)error;
	return read_text(in, "reason", REASON_MAX, out->reason, why);
}

static enum rc decode_fields(struct cursor *in, struct message *out, struct why *why)
{
	switch (out->type) {
	case MESSAGE_HELLO: return decode_hello(in, out, why);
	case MESSAGE_REFRESH: return decode_refresh(in, out, why);
	case MESSAGE_IXFR: return read_place(in, out, why);
	case MESSAGE_AXFR: return read_zone(in, false, out, why);
	case MESSAGE_FETCH: return decode_fetch(in, out, why);
	case MESSAGE_ACK: return decode_ack(in, out, why);
	case MESSAGE_WELCOME: return decode_welcome(in, out, why);
	case MESSAGE_SOA: return decode_soa(in, out, why);
	case MESSAGE_CHANGES: return decode_changes(in, out, why);
	case MESSAGE_SNAPSHOT: return decode_snapshot(in, out, why);
	case MESSAGE_CHUNK: return decode_chunk(in, out, why);
	case MESSAGE_ERROR: return decode_error(in, out, why);
	case MESSAGE_KEYS:
	case MESSAGE_KEPT: return handover_decode(in, &out->handover, why);
	}
	return why_set(why, RC_UNSUPPORTED, "no type %d is known", (int)out->type);
}

static bool known_type(uint8_t type)
{
	return (type >= MESSAGE_HELLO && type <= MESSAGE_KEPT) || (type >= MESSAGE_WELCOME && type <= MESSAGE_KEYS);
}

enum rc message_decode(const void *data, size_t length, struct message *out, struct why *why)
{
	if (length == 0)
		return why_set(why, RC_INVALID, "an empty message");
	if (length > MESSAGE_BYTES_MAX)
		return why_set(why, RC_LIMIT, "a message of %zu bytes, and %u is the most", length, MESSAGE_BYTES_MAX);
	struct cursor in = cursor_over(data, length);
	uint8_t type = cursor_u8(&in);
	if (!known_type(type))
		return why_set(why, RC_UNSUPPORTED, "a message of the unknown type %u", type);
	struct message message = {.type = (enum message_type)type};
	enum rc rc = decode_fields(&in, &message, why);
	if (rc == RC_OK && !cursor_done(&in))
		rc = why_set(why, RC_INVALID, "%zu bytes follow its end", cursor_left(&in));
	if (rc != RC_OK)
		return why_prepend(why, rc, "%s message", message_type_name(message.type));
	*out = message;
	return RC_OK;
}

/* ---- Encoding ---- */

static void put_text(struct buf *out, const char *text, size_t max)
{
	char clean[UINT8_MAX + 1];
	size_t length = strnlen(text, max);
	memcpy(clean, text, length);
	clean[length] = '\0';
	why_clean(clean);      /* a character cut in two at the limit becomes '?' */
	buf_put_u8(out, (uint8_t)length);
	buf_put(out, clean, length);
}

static void put_place(struct buf *out, const struct message *message)
{
	put_text(out, message->zone, SOA_ZONE_MAX);
	buf_put(out, message->epoch_id, sizeof(message->epoch_id));
	buf_put_u64(out, message->serial);
}

static void put_refresh(struct buf *out, const struct message *message)
{
	put_text(out, message->zone, SOA_ZONE_MAX);
	buf_put_u8(out, message->present);
	if (!message->present)
		return;
	soa_encode(out, &message->soa);
	if (message->soa.kind != SOA_PLAIN)
		buf_put(out, message->soa.content_hash, sizeof(message->soa.content_hash));
}

void message_encode(struct buf *out, const struct message *message)
{
	buf_put_u8(out, (uint8_t)message->type);
	switch (message->type) {
	case MESSAGE_HELLO:
		buf_put_u8(out, message->version_min);
		buf_put_u8(out, message->version_max);
		put_text(out, message->software, SOFTWARE_MAX);
		break;
	case MESSAGE_REFRESH:
		put_refresh(out, message);
		break;
	case MESSAGE_IXFR:
		put_place(out, message);
		break;
	case MESSAGE_AXFR:
		put_text(out, message->zone, SOA_ZONE_MAX);
		break;
	case MESSAGE_FETCH:
		put_place(out, message);
		buf_put_u64(out, message->offset);
		buf_put_u32(out, message->length);
		break;
	case MESSAGE_ACK:
		put_place(out, message);
		buf_put_u64(out, message->served);
		buf_put_u8(out, (uint8_t)message->health);
		put_text(out, message->reason, REASON_MAX);
		break;
	case MESSAGE_WELCOME:
		buf_put_u8(out, message->version_min);
		put_text(out, message->software, SOFTWARE_MAX);
		break;
	case MESSAGE_SOA:
		soa_encode(out, &message->soa);
		break;
	case MESSAGE_CHANGES:
		buf_put_u8(out, message->more);
		buf_put(out, message->data, message->data_length);
		break;
	case MESSAGE_SNAPSHOT:
		buf_put_u64(out, message->stream_bytes);
		buf_put(out, message->soa.content_hash, sizeof(message->soa.content_hash));
		soa_encode(out, &message->soa);
		break;
	case MESSAGE_CHUNK:
		put_place(out, message);
		buf_put_u64(out, message->offset);
		buf_put(out, message->data, message->data_length);
		break;
	case MESSAGE_ERROR:
		put_text(out, message->zone, SOA_ZONE_MAX);
		buf_put_u8(out, (uint8_t)message->error);
		put_text(out, message->reason, REASON_MAX);
		break;
	case MESSAGE_KEYS:
	case MESSAGE_KEPT:
		handover_encode(out, &message->handover);
		break;
	}
}
