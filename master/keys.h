/* keys.h: from a map's key to the records that it means: folded, qualified, filtered. Pure.
 *
 * user@domain and @domain become RCPT records and the domain a DOMAIN record. A bare key is qualified with each of the
 * source's domains; without any it is skipped. An alias source has only bare keys, and Postfix accepts postmaster,
 * mailer-daemon and double-bounce in the class that aliases belong to without asking: keys_always adds them. */
#ifndef MASTER_KEYS_H
#define MASTER_KEYS_H

#include "common/address.h"
#include "master/postfix_plan.h"
#include "master/reading.h"

/* What a zone lets through: plain data, strings are folded (address_parse, address_parse_domain) and owned by the
 * configuration. Each list here and in keys_rule has been through keys_sort. */
struct keys_filter {
	const char *const *domains;      /* empty: all */
	size_t domain_count;
	const char *const *exclude;      /* recipients never published */
	size_t exclude_count;
	bool smtputf8;
};

/* How one source's keys are meant. */
struct keys_rule {
	const char *const *domains;      /* for bare keys */
	size_t domain_count;
	/* Keys are local parts, '@' included (one with an '@' counts for the address that it looks like, too, if that's in
	 * one of the domains: Postfix finds it so); "@" and YP_* keys of an index are skipped. */
	bool aliases;
	const struct keys_filter *filter;
	/* NULL, or what Postfix makes of them: keys count in domains of these classes, and are taken away by the plan's
	 * exceptions, unless this map is asked first. `domains` are those where bare keys hold. */
	const struct postfix_plan *plan;
	unsigned classes;
	bool first;
	bool exact;                      /* a key that isn't folded never matches */
};

/* Lists are searched for each key of a map. */
void keys_sort(const char **list, size_t count);

/* Asserts that all lists are sorted: in one that isn't, a domain that the zone wants may not be found. */
void keys_check(const struct keys_rule *rule);

/* The first keys of a kind, for people: cleaned, and cut where they are long. */
#define KEYS_SHOWN 3
#define KEYS_SHOWN_MAX 80
struct keys_shown {
	char text[KEYS_SHOWN][KEYS_SHOWN_MAX];
};

/* What became of the keys: for status and check. */
struct keys_tally {
	uint64_t keys;           /* seen */
	uint64_t unqualified;    /* bare, and no domains to qualify with */
	uint64_t filtered;       /* outside the zone's domains, or excluded */
	uint64_t invalid;        /* no address, and so nothing that Postfix would ever ask for */
	struct keys_shown unqualified_shown, filtered_shown, invalid_shown;      /* "" beyond the number above */
};

/* One more of a kind. */
void keys_count(uint64_t *count, struct keys_shown *shown, const void *key, size_t length);

/* Adds what the key means to the reading. RC_INVALID: the key can't be an address (counted; the caller decides whether
 * that spoils the reading). RC_LIMIT: the reading is full. */
enum rc keys_add(const struct keys_rule *rule, const void *key, size_t length, struct reading *reading,
                 struct keys_tally *tally, struct why *why);
enum rc keys_always(const struct keys_rule *rule, struct reading *reading, struct why *why);
/* The plan's own records: recipients that are always valid, and parameters. */
enum rc keys_planned(const struct keys_rule *rule, struct reading *reading, struct keys_tally *tally, struct why *why);

#endif
