/* soa.c: announcements: encoding, checks, signature. The byte table is in soa.h.
 *
 * The bytes before the signature are made in one place (put_signed_part), for sending, signing and verifying alike:
 * what is verified is what was decoded, written out again, so that there are no two encodings of one announcement. */
#include "common/soa.h"

#include <inttypes.h>
#include <string.h>

#define CONTEXT "rxfer soa 1"

static bool zone_letter(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		return true;
	return !first && (c == '.' || c == '_' || c == '-');
}

bool soa_zone_name_valid(const char *name)
{
	size_t length = strlen(name);
	if (length < 1 || length > SOA_ZONE_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!zone_letter(name[i], i == 0))
			return false;
	return true;
}

bool epoch_equal(const struct epoch *a, const struct epoch *b)
{
	return memcmp(a->id, b->id, sizeof(a->id)) == 0 && a->began.ms == b->began.ms;
}

struct epoch epoch_begin(const struct epoch *after)
{
	struct epoch epoch = {.began = clock_wall()};
	identity_random(epoch.id, sizeof(epoch.id));
	if (after != NULL && epoch.began.ms <= after->began.ms)
		epoch.began.ms = after->began.ms + 1;
	return epoch;
}

enum soa_order soa_compare(const struct soa *a, const struct soa *b)
{
	if (!epoch_equal(&a->epoch, &b->epoch))
		return b->epoch.began.ms > a->epoch.began.ms ? SOA_LATER_EPOCH : SOA_EARLIER_EPOCH;
	if (a->serial == b->serial)
		return SOA_SAME;
	return b->serial > a->serial ? SOA_NEWER : SOA_OLDER;
}

static void put_signed_part(struct buf *out, const struct soa *soa)
{
	size_t name_length = strlen(soa->zone);
	buf_put_u8(out, (uint8_t)soa->kind);
	buf_put_u8(out, (uint8_t)name_length);
	buf_put(out, soa->zone, name_length);
	buf_put(out, soa->epoch.id, sizeof(soa->epoch.id));
	buf_put_u64(out, (uint64_t)soa->epoch.began.ms);
	buf_put_u64(out, soa->serial);
	buf_put_u64(out, soa->from);
	buf_put_u64(out, soa->digest.high);
	buf_put_u64(out, soa->digest.low);
	buf_put_u64(out, soa->count);
	buf_put_u64(out, (uint64_t)soa->time.ms);
	buf_put_u32(out, soa->refresh_s);
	buf_put_u32(out, soa->retry_s);
	buf_put_u32(out, soa->expire_s);
}

/* All that the signature covers: the contents are represented by their hash, where there are contents. */
static void put_signed_bytes(struct buf *out, const struct soa *soa)
{
	put_signed_part(out, soa);
	if (soa->kind != SOA_PLAIN)
		buf_put(out, soa->content_hash, sizeof(soa->content_hash));
}

void soa_sign(struct soa *soa, const struct identity *signer)
{
	struct buf bytes = {0};
	put_signed_bytes(&bytes, soa);
	identity_sign(signer, CONTEXT, bytes.data, bytes.length, soa->signature);
	buf_free(&bytes);
}

bool soa_verify(const struct soa *soa, const struct pubkey *signer)
{
	struct buf bytes = {0};
	put_signed_bytes(&bytes, soa);
	bool valid = identity_verify(signer, CONTEXT, bytes.data, bytes.length, soa->signature);
	buf_free(&bytes);
	return valid;
}

void soa_encode(struct buf *out, const struct soa *soa)
{
	put_signed_part(out, soa);
	buf_put(out, soa->signature, sizeof(soa->signature));
}

static enum rc check_seconds(const char *name, uint32_t seconds, struct why *why)
{
	if (seconds < 1 || seconds > SOA_SECONDS_MAX)
		return why_set(why, RC_INVALID, "an announcement's %s is %" PRIu32 " s, not between 1 and %u", name, seconds,
		               SOA_SECONDS_MAX);
	return RC_OK;
}

static enum rc check_fields(const struct soa *soa, struct why *why)
{
	if (soa->epoch.began.ms < 0)
		return why_set(why, RC_INVALID, "an announcement's epoch began at no possible time");
	if (soa->time.ms < 0)
		return why_set(why, RC_INVALID, "an announcement's time is no possible time");
	if (soa->kind == SOA_CHANGESET && soa->from >= soa->serial)
		return why_set(why, RC_INVALID, "a changeset leads from serial %" PRIu64 " to %" PRIu64 ", which isn't forward",
		               soa->from, soa->serial);
	if (soa->kind != SOA_CHANGESET && soa->from != soa->serial)
		return why_set(why, RC_INVALID, "an announcement of serial %" PRIu64 " says \"from %" PRIu64 "\"", soa->serial,
		               soa->from);
	enum rc rc = check_seconds("refresh", soa->refresh_s, why);
	if (rc == RC_OK)
		rc = check_seconds("retry", soa->retry_s, why);
	if (rc == RC_OK)
		rc = check_seconds("expire", soa->expire_s, why);
	return rc;
}

enum rc soa_decode(struct cursor *in, struct soa *out, struct why *why)
{
	struct soa soa = {0};
	uint8_t kind = cursor_u8(in);
	uint8_t name_length = cursor_u8(in);
	if (in->failed)
		return why_set(why, RC_INVALID, "an announcement is cut short");
	if (kind > SOA_SNAPSHOT)
		return why_set(why, RC_INVALID, "an announcement is of unknown kind %u", kind);
	if (name_length < 1 || name_length > SOA_ZONE_MAX)
		return why_set(why, RC_INVALID, "an announcement's zone name has %u bytes, not 1 to %d", name_length,
		               SOA_ZONE_MAX);
	soa.kind = (enum soa_kind)kind;
	cursor_copy(in, soa.zone, name_length);
	cursor_copy(in, soa.epoch.id, sizeof(soa.epoch.id));
	soa.epoch.began.ms = (int64_t)cursor_u64(in);
	soa.serial = cursor_u64(in);
	soa.from = cursor_u64(in);
	soa.digest.high = cursor_u64(in);
	soa.digest.low = cursor_u64(in);
	soa.count = cursor_u64(in);
	soa.time.ms = (int64_t)cursor_u64(in);
	soa.refresh_s = cursor_u32(in);
	soa.retry_s = cursor_u32(in);
	soa.expire_s = cursor_u32(in);
	cursor_copy(in, soa.signature, sizeof(soa.signature));
	if (in->failed)
		return why_set(why, RC_INVALID, "an announcement is cut short");
	if (strlen(soa.zone) != name_length || !soa_zone_name_valid(soa.zone))
		return why_set(why, RC_INVALID, "an announcement's zone name \"%s\" isn't one", soa.zone);
	enum rc rc = check_fields(&soa, why);
	if (rc == RC_OK)
		*out = soa;
	return rc;
}
