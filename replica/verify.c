/* verify.c: invariants 4 and 5: only the master's word counts, and never backwards.
 *
 * Records and evidence are two things. The records here stand at one serial; the newest announcement that was ever
 * accepted may be ahead of them, when the store was damaged or lost its end. What a master says is measured against the
 * evidence; whether a changeset fits is measured against the records. */
#include "replica/verify.h"

#include <inttypes.h>
#include <string.h>

#define FUTURE_MS (24 * 3600 * 1000)

static enum rc check_origin(const struct verify_ground *ground, const struct soa *soa, struct why *why)
{
	if (strcmp(soa->zone, ground->zone) != 0)
		return why_set(why, RC_REFUSED, "zone \"%s\": something for zone \"%s\" was sent in its place", ground->zone,
		               soa->zone);
	for (size_t i = 0; i < ground->key_count; i++)
		if (soa_verify(soa, &ground->keys[i]))
			return RC_OK;
	return why_set(why, RC_REFUSED,
	               "zone \"%s\": serial %" PRIu64 " isn't signed by any of the keys configured for its master",
	               ground->zone, soa->serial);
}

static enum rc check_order(const struct verify_ground *ground, const struct soa *soa, struct why *why)
{
	if (!ground->known)
		return RC_OK;
	char text[CLOCK_TEXT_MAX];
	switch (soa_compare(ground->known, soa)) {
	case SOA_OLDER:
		return why_set(why, RC_REFUSED, "zone \"%s\": serial %" PRIu64 " is older than serial %" PRIu64
		               ", which was announced before: a replay, or a master restored from an old copy", ground->zone,
		               soa->serial, ground->known->serial);
	case SOA_EARLIER_EPOCH:
		wall_format(soa->epoch.began, text);
		return why_set(why, RC_REFUSED, "zone \"%s\": serial %" PRIu64 " belongs to an earlier epoch, begun %s: a "
		               "replay, or two masters with one key", ground->zone, soa->serial, text);
	case SOA_SAME:
	case SOA_NEWER:
	case SOA_LATER_EPOCH:
		break;
	}
	return RC_OK;
}

/* The records' place as an announcement, so that there is one way to compare. */
static enum soa_order order_of_records(const struct store_meta *records, const struct soa *soa)
{
	struct soa ours = {.epoch = records->epoch, .serial = records->serial};
	return soa_compare(&ours, soa);
}

static bool same_set(const struct store_meta *records, const struct soa *soa)
{
	return records->count == soa->count && digest_equal(&records->digest, &soa->digest);
}

static enum verify_verdict damaged(const struct verify_ground *ground, const struct soa *soa, struct why *why)
{
	(void)why_set(why, RC_DAMAGED, "zone \"%s\": the master signed another digest for serial %" PRIu64
	              " than the records here have: the store is damaged, or two masters use one key", ground->zone,
	              soa->serial);
	return VERIFY_DAMAGED;
}

enum verify_verdict verify_announcement(const struct verify_ground *ground, const struct soa *soa, struct why *why)
{
	if (check_origin(ground, soa, why) != RC_OK || check_order(ground, soa, why) != RC_OK)
		return VERIFY_REFUSED;
	if (!ground->records)
		return VERIFY_EMPTY;
	switch (order_of_records(ground->records, soa)) {
	case SOA_SAME:
		return same_set(ground->records, soa) ? VERIFY_SAME : damaged(ground, soa, why);
	case SOA_NEWER:
		return VERIFY_NEWER;
	case SOA_LATER_EPOCH:
		return VERIFY_LATER_EPOCH;
	case SOA_OLDER:
	case SOA_EARLIER_EPOCH:
		break;
	}
	(void)why_set(why, RC_REFUSED, "zone \"%s\": serial %" PRIu64 " is behind the records here", ground->zone,
	              soa->serial);
	return VERIFY_REFUSED;
}

enum verify_verdict verify_changeset(const struct verify_ground *ground, const struct soa *soa, struct why *why)
{
	if (check_origin(ground, soa, why) != RC_OK)
		return VERIFY_REFUSED;
	const struct store_meta *records = ground->records;
	if (!records)
		return check_order(ground, soa, why) == RC_OK ? VERIFY_EMPTY : VERIFY_REFUSED;
	switch (order_of_records(records, soa)) {
	case SOA_SAME:
		if (!same_set(records, soa))
			return damaged(ground, soa, why);
		return VERIFY_REPEAT;
	case SOA_OLDER:
		return VERIFY_REPEAT;
	case SOA_NEWER:
		return soa->from == records->serial ? VERIFY_NEXT : VERIFY_GAP;
	case SOA_LATER_EPOCH:
		return check_order(ground, soa, why) == RC_OK ? VERIFY_LATER_EPOCH : VERIFY_REFUSED;
	case SOA_EARLIER_EPOCH:
		break;
	}
	(void)why_set(why, RC_REFUSED, "zone \"%s\": a changeset of an earlier epoch: a replay, or two masters with one "
	              "key", ground->zone);
	return VERIFY_REFUSED;
}

enum rc verify_snapshot(const struct verify_ground *ground, const struct soa *soa, struct why *why)
{
	enum rc rc = check_origin(ground, soa, why);
	return rc == RC_OK ? check_order(ground, soa, why) : rc;
}

bool verify_is_later(const struct verify_ground *ground, const struct soa *soa)
{
	return !ground->known || soa_compare(ground->known, soa) != SOA_SAME || soa->time.ms > ground->known->time.ms;
}

bool verify_from_future(const struct soa *soa, struct wall now)
{
	return soa->time.ms > now.ms && soa->time.ms - FUTURE_MS > now.ms;
}
