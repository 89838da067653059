/* lookup.h: how a backup's smtpd asks relay_recipient_maps about a recipient: which keys, in which order. Pure.
 *
 * smtpd takes the address apart without its quotes, folds it, and asks, until something is found, for
 *
 *     user+ext@domain     quoted where needed
 *     user@domain         when recipient_delimiter has a character that is in the local part: cut before the first one
 *     @domain
 *
 * and for nothing else: not for parent domains, nor (a relay domain is never local) for a local part alone. A key that
 * had to be quoted is asked for without its quotes as well. That matters only where it looks like another recipient's
 * quoted key, so only such ones are here.
 *
 * Source: mail_addr_find(3), split_addr(3) and smtpd_check_rcpt() of Postfix 3.7 to 3.12, and what its smtpd is seen to
 * ask for. */
#ifndef POSTFIX_LOOKUP_H
#define POSTFIX_LOOKUP_H

#include "common/address.h"
#include "common/record.h"

/* The Postfix parameters that have a say. Plain data. */
struct lookup_rules {
	bool delimits[256];      /* recipient_delimiter: is this byte in it? */
	bool owner_special;      /* owner_request_special */
	bool smtputf8;           /* smtputf8_enable */
	bool min_user;           /* allow_min_user */
};
struct lookup_rules lookup_rules_default(void);      /* Postfix's own: no delimiter, yes, yes, no */
/* Takes a PARAM record; false: it has no say. */
bool lookup_rules_take(struct lookup_rules *rules, const struct record *param);

/* The length of the local part (folded, without quotes) that is left without its extension; `length` when there is
 * none. Never empty. postmaster, mailer-daemon and double-bounce are never cut, nor, when '-' delimits and
 * owner_request_special is on, owner-ANY and ANY-request. */
size_t lookup_split(const char *local, size_t length, const struct lookup_rules *rules);

#define LOOKUP_KEYS_MAX 5

/* Why smtpd refuses an address before it looks anything up. */
enum lookup_bar {
	LOOKUP_OPEN,             /* it doesn't */
	LOOKUP_ROUTED,           /* its local part has '%', '!' or '@' in it, by which mail was once routed: not relayed for
	                          * strangers unless allow_untrusted_routing is on */
	LOOKUP_DASHED            /* its local part begins with '-', and allow_min_user is off: no address at all */
};

/* Plain data. */
struct lookup {
	struct address keys[LOOKUP_KEYS_MAX];      /* in the order in which they're asked for; the first is the address */
	size_t count;
	enum lookup_bar bar;
};

/* Takes a recipient as RCPT TO has it between < and >, or as smtpd asks for it: with or without needless quotes, in any
 * case, a dot behind the domain allowed. "@domain" is the address with an empty local part. RC_INVALID: it isn't an
 * address, or has no domain, or isn't UTF-8 where it must be; RC_LIMIT: longer than ADDRESS_MAX. */
enum rc lookup_parse(const char *text, size_t length, const struct lookup_rules *rules, struct lookup *out,
                     struct why *why);

const char *lookup_domain(const struct lookup *lookup);

#endif
