/* postfix_away.h: recipients that a class's table has, and that Postfix refuses nevertheless: their transport is error:,
 * or relocated_maps know a new address. Plain sets and the rule of look-ups in transport(5) and relocated(5).
 *
 * What is put off (retry:) isn't refused. The primary says 450 to everybody there, known or not, and a table can't: so all
 * of them are accepted, and their mail waits at the backup instead of at its sender. */
#ifndef MASTER_POSTFIX_AWAY_H
#define MASTER_POSTFIX_AWAY_H

#include "common/address.h"
#include "master/postfix_domains.h"

/* Kept: transport_maps say something else. Own: they leave it to the class's own transport (`:`). */
enum postfix_away_verdict { POSTFIX_KEPT, POSTFIX_AWAY, POSTFIX_OWN };

struct postfix_away_key {
	char *key;
	enum postfix_away_verdict verdict;
};
struct postfix_away_set {
	struct postfix_away_key *at;
	size_t count;
	size_t capacity;
};

/* As a key in `moved`: a map that moves everybody. No key of a map parses to this. */
#define POSTFIX_AWAY_EVERYBODY "@"

/* Where Postfix ends a local part before it looks for it once more: plain data; zeroed: nowhere. */
struct postfix_split {
	char delimiters[128];
	bool lists;                          /* '-' too, in owner-x and x-request */
};

/* Zeroed: nothing is taken away. Add, seal, ask. */
struct postfix_away {
	struct postfix_away_set transport;   /* user@domain, domain, .domain, "*" */
	struct postfix_away_set moved;       /* user@domain, user, @domain; or everybody */
	unsigned gone;                       /* classes whose own transport is error: */
	bool parents;                        /* transport_maps in parent_domain_matches_subdomains */
	struct postfix_split split;          /* of those who look transports up: trivial-rewrite */
	char *origin;                        /* its myorigin, where relocated_maps' bare keys hold, as in the local class */
};
void postfix_away_add(struct postfix_away_set *set, const char *key, enum postfix_away_verdict verdict);
void postfix_away_seal(struct postfix_away *away);       /* sorts; of doubles the first that was added stands */
void postfix_away_free(struct postfix_away *away);
bool postfix_away_any(const struct postfix_away *away);

/* Whether mail for the address, a full one or a catch-all, is refused; for a catch-all: what holds for all addresses that
 * aren't named one by one. */
bool postfix_away_takes(const struct postfix_away *away, const struct address *address, enum postfix_class class);
bool postfix_away_moved(const struct postfix_away *away, const struct address *address, enum postfix_class class);
/* The addresses that are kept, one by one, in a domain where all others are taken. */
void postfix_away_kept(const struct postfix_away *away, const char *domain,
                       void (*visit)(void *context, const char *address), void *context);

/* Whether a map's key is written as it's asked for: folded. `address` is what it was parsed to. */
bool postfix_away_folded(const void *key, size_t length, const struct address *address);

/* smtpd folds an address before it splits it: so capitals among its delimiters never match. trivial-rewrite doesn't: where
 * letters are among them an address is split or not as its sender wrote it, and for us it is not. Bytes that no ASCII
 * delimiter can be are such letters. recipient_delimiter and owner_request_special. */
struct postfix_split postfix_split_of_smtpd(const char *delimiters, bool special);
struct postfix_split postfix_split_of_rewrite(const char *delimiters, bool special);
bool postfix_split_has_letters(const char *delimiters);
/* Whether rewrite finds in each address that smtpd takes for this local part with an extension the same local part. */
bool postfix_split_agrees(const struct postfix_split *smtpd, const struct postfix_split *rewrite, const char *local,
                          size_t length);

/* The length of the local part without its extension: Postfix's split_addr(). */
size_t postfix_away_strip(const char *local, size_t length, const struct postfix_split *split);

#endif
