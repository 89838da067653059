/* handover.c: see handover.h. */
#include "common/handover.h"

#include <string.h>

#define CONTEXT "rxfer keys 1"

static const struct pubkey nothing = {.sign = {0}};

static void put_key(struct buf *out, const struct pubkey *key)
{
	buf_put(out, key->sign, sizeof(key->sign));
	buf_put(out, key->transport, sizeof(key->transport));
}

/* All that is signed. */
static void put_claim(struct buf *out, const struct handover *handover)
{
	put_key(out, &handover->present);
	put_key(out, &handover->next);
	buf_put_u64(out, (uint64_t)handover->time.ms);
}

struct handover handover_make(const struct identity *signer, const struct pubkey *next, struct wall time)
{
	struct handover handover = {.present = *identity_public(signer), .announced = next != NULL, .time = time};
	struct buf claim = {.data = NULL};
	if (next)
		handover.next = *next;
	put_claim(&claim, &handover);
	identity_sign(signer, CONTEXT, claim.data, claim.length, handover.signature);
	buf_free(&claim);
	return handover;
}

bool handover_verify(const struct handover *handover)
{
	struct buf claim = {.data = NULL};
	put_claim(&claim, handover);
	bool good = identity_verify(&handover->present, CONTEXT, claim.data, claim.length, handover->signature);
	buf_free(&claim);
	return good;
}

bool handover_agrees(const struct handover *a, const struct handover *b)
{
	return pubkey_equal(&a->present, &b->present) && pubkey_equal(&a->next, &b->next);
}

bool handover_shares(const struct pubkey *a, const struct pubkey *b)
{
	return memcmp(a->sign, b->sign, sizeof(a->sign)) == 0 ||
	       memcmp(a->transport, b->transport, sizeof(a->transport)) == 0;
}

void handover_encode(struct buf *out, const struct handover *handover)
{
	put_claim(out, handover);
	buf_put(out, handover->signature, sizeof(handover->signature));
}

static void read_key(struct cursor *in, struct pubkey *out)
{
	cursor_copy(in, out->sign, sizeof(out->sign));
	cursor_copy(in, out->transport, sizeof(out->transport));
}

enum rc handover_decode(struct cursor *in, struct handover *out, struct why *why)
{
	struct handover read = {.announced = false};
	read_key(in, &read.present);
	read_key(in, &read.next);
	uint64_t time = cursor_u64(in);
	cursor_copy(in, read.signature, sizeof(read.signature));
	if (in->failed)
		return why_set(why, RC_INVALID, "a statement on keys has %d bytes: it's cut short", HANDOVER_BYTES);
	read.announced = !pubkey_equal(&read.next, &nothing);
	if (handover_shares(&read.present, &nothing))
		return why_set(why, RC_INVALID, "the present key is half empty");
	if (read.announced && handover_shares(&read.next, &nothing))
		return why_set(why, RC_INVALID, "the next key is half empty");
	if (read.announced && handover_shares(&read.present, &read.next))
		return why_set(why, RC_INVALID, "the next key is the present one, or has a half of it");
	if (time > INT64_MAX)
		return why_set(why, RC_INVALID, "its time is beyond what a time can be");
	read.time.ms = (int64_t)time;
	*out = read;
	return RC_OK;
}
