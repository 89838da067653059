/* verify.h: what may be believed: the one place that looks at signatures and at the order of epochs and serials. Pure.
 *
 * The rules, in this order: the zone's name is ours; one of the zone's keys has signed it; (epoch, serial) isn't behind
 * what this master has ever proved to us; then what it means for the records that are here. */
#ifndef REPLICA_VERIFY_H
#define REPLICA_VERIFY_H

#include "common/soa.h"
#include "common/store.h"

enum verify_verdict {
	VERIFY_REFUSED,          /* not to be believed: the sentence says why */
	VERIFY_EMPTY,            /* there are no records here to compare with */
	VERIFY_SAME,             /* what we have */
	VERIFY_NEWER,            /* announcement: a later serial of our epoch */
	VERIFY_NEXT,             /* changeset: leads on from exactly where we are */
	VERIFY_GAP,              /* changeset: of our epoch, newer, but from somewhere else */
	VERIFY_REPEAT,           /* changeset: we have it already; an echo or a replay */
	VERIFY_LATER_EPOCH,      /* another history that began later */
	VERIFY_DAMAGED           /* our serial with another digest: one of the two sets is wrong */
};

/* What is known here. */
struct verify_ground {
	const char *zone;
	const struct pubkey *keys;           /* any of them may have signed */
	size_t key_count;
	const struct soa *known;             /* the newest announcement ever accepted, or NULL */
	const struct store_meta *records;    /* NULL: no complete set */
};

/* An announcement of kind plain. VERIFY_NEXT, GAP and REPEAT don't happen. */
enum verify_verdict verify_announcement(const struct verify_ground *ground, const struct soa *soa, struct why *why);

/* A changeset's; content_hash is set. VERIFY_SAME and NEWER don't happen. */
enum verify_verdict verify_changeset(const struct verify_ground *ground, const struct soa *soa, struct why *why);

/* A snapshot's; content_hash as the master says it, which the signature covers. RC_REFUSED. The same serial is fine:
 * it is what heals a damaged store. */
enum rc verify_snapshot(const struct verify_ground *ground, const struct soa *soa, struct why *why);

/* Does this announcement of what we have prove more than the one known? Only a later date does: an old one that is
 * played again doesn't make the zone fresh. */
bool verify_is_later(const struct verify_ground *ground, const struct soa *soa);

/* Dated more than a day ahead of the clock here: believed, since clocks may be wrong, but worth a warning. */
bool verify_from_future(const struct soa *soa, struct wall now);

#endif
