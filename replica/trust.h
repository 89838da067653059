/* trust.h: which keys are a master's: those that the configuration names, and what they have said of their successors.
 *
 *     a configured key
 *          | KEYS, signed by it: a next key                  both are believed, and tried when connecting
 *          v
 *     that key and its next one
 *          | KEYS, signed by the next one: the switch        the former isn't believed any more
 *          v
 *     the next one, which may name one after it
 *
 * Each configured key has a succession of its own. Only a later date counts in it, so that nothing old can be played
 * again. What was said is on disk before it counts. The configuration has the last word: a succession lasts as long as
 * the key that it began with is configured, or the one that it has come to; all else is forgotten. */
#ifndef REPLICA_TRUST_H
#define REPLICA_TRUST_H

#include "common/handover.h"

struct trust;

/* path: where it is remembered; the folder is there. What is found is matched with the configured keys (at least one,
 * copied), and nothing is written. A file that can't be read leaves the configured keys: see trust_trouble. */
struct trust *trust_open(const char *path, const struct pubkey *configured, size_t count);
void trust_free(struct trust **trust);
/* The configuration is in force: what it makes pointless is forgotten on disk too. RC_IO. */
enum rc trust_settle(struct trust *trust, struct why *why);

enum trust_verdict {
	TRUST_KNOWN,         /* it's what was known */
	TRUST_NEWS,          /* kept from now on; trust_keys may be others */
	TRUST_REFUSED,       /* not to be believed: the sentence says why */
	TRUST_LATER          /* it can't be kept now: the sentence says why; nothing has changed */
};
enum trust_verdict trust_hear(struct trust *trust, const struct handover *word, struct why *why);

/* Those that are believed, the present ones first; at least one. The array stays where it is, and its contents change
 * with TRUST_NEWS. */
const struct pubkey *trust_keys(const struct trust *trust, size_t *count);
/* The newest word of a key that is believed; NULL: it hasn't said any. */
const struct handover *trust_word(const struct trust *trust, const struct pubkey *present);

struct trust_status {
	const struct pubkey *changed;        /* it has taken the place of a configured one, and isn't configured; or NULL */
	const struct handover *announced;    /* a word that names a next key; or NULL */
};
struct trust_status trust_status(const struct trust *trust);
const char *trust_trouble(const struct trust *trust);      /* what is wrong with the file, or "" */

#endif
