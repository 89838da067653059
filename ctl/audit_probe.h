/* audit_probe.h: what an audit asks about: the recipients that a zone publishes, and made-up neighbours of theirs.
 * Pure, and the same for the same seed, in whatever order the list comes and whatever else has been added to it. */
#ifndef CTL_AUDIT_PROBE_H
#define CTL_AUDIT_PROBE_H

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum audit_kind {
	AUDIT_PUBLISHED,       /* a recipient, as it is published */
	AUDIT_CATCH_ALL,       /* somebody made up in a domain that takes anybody */
	AUDIT_CHANGED,         /* the rest are neighbours of a published one: a letter changed */
	AUDIT_DROPPED,
	AUDIT_ADDED,
	AUDIT_ELSEWHERE,       /* the same user in another of the zone's domains */
	AUDIT_EXTENSION,
	AUDIT_CASE
};
#define AUDIT_KINDS 8

struct audit_probe;

/* list: the daemon's answer to "list", which must outlive the probes. RC_INVALID: a line that isn't a record's. */
enum rc audit_probe_new(const char *list, size_t length, uint64_t seed, struct audit_probe **out, struct why *why);
void audit_probe_free(struct audit_probe **probe);

size_t audit_probe_count(const struct audit_probe *probe);      /* of published recipients */

/* The address to ask about for the recipient with this index, and its kind. The caller frees it. The order is by
 * chance, as the seed has it: the first n are a random sample. NULL: its domain is known to be foreign. */
char *audit_probe_member(const struct audit_probe *probe, size_t index, enum audit_kind *kind);

/* A neighbour of it, of a kind chosen by chance among those that it can have. Never made: addresses in domains that the
 * zone doesn't have, or below one that has a catch-all (rxfer.conf(5) says why they may be open), names that every
 * Postfix treats in a way of its own (postmaster with an extension, the routing operators % ! and @ in a local
 * part). NULL: there is none. The caller frees it. */
char *audit_probe_neighbour(const struct audit_probe *probe, size_t index, enum audit_kind *kind);

/* The domain of this address is one that the mail server isn't responsible for: nothing in it is made up or asked. */
void audit_probe_foreign(struct audit_probe *probe, const char *address);

const char *audit_probe_kind(enum audit_kind kind);             /* "a letter changed" */

#endif
