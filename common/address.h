/* address.h: what a map's key means as a recipient, in the exact form in which Postfix looks it up.
 *
 * Postfix folds look-up keys (ASCII lower case; with SMTPUTF8 ICU's full case folding, so that STRASSE and straße meet)
 * and asks with the local part in its quoted form. Source: postmap(1), virtual(5), Postfix's casefold(), quote_822_local(). */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include "common/buf.h"
#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest key that is published, in bytes. Postfix's smtpd takes a command line of 2048, RFC 5321 allows 320. */
#define ADDRESS_MAX 1000

enum address_kind {
	ADDRESS_FULL,        /* user@domain */
	ADDRESS_CATCHALL,    /* @domain */
	ADDRESS_BARE         /* no unquoted '@': a user, or a domain, depending on the map */
};

/* A normalised key; `text` points into the struct. */
struct address {
	enum address_kind kind;
	uint16_t length;
	uint16_t at;                   /* index of the '@' that separates; length when there is none */
	char text[ADDRESS_MAX + 1];    /* folded, quoted where needed, NUL-terminated */
};

/* RC_INVALID: empty, a control character, "user@" without a domain, invalid UTF-8, an unbalanced quote; RC_LIMIT: too
 * long. The sentence says which. `smtputf8` is Postfix's smtputf8_enable. */
enum rc address_parse(const void *key, size_t length, bool smtputf8, struct address *out, struct why *why);

/* user (ADDRESS_BARE) at a folded domain: RC_LIMIT when too long, RC_INVALID for a bad domain. */
enum rc address_qualify(const struct address *bare, const char *domain, struct address *out, struct why *why);

const char *address_domain(const struct address *address);      /* behind the '@', or "" */

/* The local part as Postfix handles it inside: without quotes and the backslashes that quote. Returns its length. */
size_t address_local(const struct address *address, char out[ADDRESS_MAX + 1]);
/* The way back: such a local part, which may be empty, at a domain; both folded. Always ADDRESS_FULL. RC_LIMIT. */
enum rc address_make(const char *local, size_t length, const char *domain, struct address *out, struct why *why);

/* Folds and checks a domain name as written in a configuration: no '@', no white space, no leading dot. */
enum rc address_parse_domain(const char *text, bool smtputf8, char out[ADDRESS_MAX + 1], struct why *why);

#endif
