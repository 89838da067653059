/* allow.h: which domains a zone may speak for here, and how much of it that is.
 *
 * Records of other domains stay in the store, since the digest is of the master's whole set; they are left out of
 * every table, counted, and shown. A subdomain of an allowed domain isn't allowed unless it is listed itself. */
#ifndef REPLICA_ALLOW_H
#define REPLICA_ALLOW_H

#include "common/changeset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct allow;

/* Domains in any order and case; "*" stands for any and must be the only one. RC_INVALID. */
enum rc allow_new(const char *const *domains, size_t count, struct allow **out, struct why *why);
void allow_free(struct allow **allow);

bool allow_same(const struct allow *a, const struct allow *b);
bool allow_any(const struct allow *allow);
size_t allow_count(const struct allow *allow);                              /* 0 when any is allowed */
const char *allow_domain(const struct allow *allow, size_t index);          /* folded; sorted */
bool allow_has(const struct allow *allow, const struct record *record);     /* PARAM: always */

/* How many records of each kind a zone has. Plain data. */
struct tally {
	uint64_t recipients, domains;      /* allowed */
	uint64_t refused;                  /* of domains that aren't allowed */
	char refused_domain[256];          /* one of those domains, for the warning */
};
void tally_add(struct tally *tally, const struct allow *allow, const struct record *record);
void tally_changes(struct tally *tally, const struct allow *allow, const struct changeset *changeset);

#endif
