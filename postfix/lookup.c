/* lookup.c: see lookup.h.
 *
 * The cut is made in the local part without quotes, and what is left is quoted anew: `"a b+c"@d` is asked for as such
 * and as `"a b"@d`, `"a+b c"@d` as such and as `a@d`. Bytes are compared, as Postfix does it: a delimiter that isn't
 * ASCII cuts wherever one of its bytes is, and a capital letter never cuts, because addresses are folded first. */
#include "postfix/lookup.h"

#include <string.h>

struct lookup_rules lookup_rules_default(void)
{
	return (struct lookup_rules){.owner_special = true, .smtputf8 = true};
}

static bool is_named(const struct record *param, const char *name)
{
	return strlen(name) == param->key_length && memcmp(name, param->key, param->key_length) == 0;
}

static bool is_no(const struct record *param)
{
	return param->value_length == 2 && memcmp(param->value, "no", 2) == 0;
}

bool lookup_rules_take(struct lookup_rules *rules, const struct record *param)
{
	if (param->type != RECORD_PARAM)
		return false;
	if (is_named(param, "owner_request_special")) {
		rules->owner_special = !is_no(param);
	} else if (is_named(param, "smtputf8_enable")) {
		rules->smtputf8 = !is_no(param);
	} else if (is_named(param, "allow_min_user")) {
		rules->min_user = !is_no(param);
	} else if (is_named(param, "recipient_delimiter")) {
		memset(rules->delimits, 0, sizeof rules->delimits);
		for (size_t i = 0; i < param->value_length; i++)
			rules->delimits[(unsigned char)param->value[i]] = true;
	} else {
		return false;
	}
	return true;
}

static bool never_cut(const char *local, size_t length, const struct lookup_rules *rules)
{
	static const char *const whole[] = {"postmaster", "mailer-daemon", "double-bounce"};
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
		if (strlen(whole[i]) == length && memcmp(whole[i], local, length) == 0)
			return true;
	if (!rules->delimits['-'] || !rules->owner_special)
		return false;
	return (length >= 6 && memcmp(local, "owner-", 6) == 0) ||
	       (length > 8 && memcmp(local + length - 8, "-request", 8) == 0);
}

size_t lookup_split(const char *local, size_t length, const struct lookup_rules *rules)
{
	size_t at = 0;
	while (at < length && !rules->delimits[(unsigned char)local[at]])
		at++;
	return at == 0 || at == length || never_cut(local, length, rules) ? length : at;
}

const char *lookup_domain(const struct lookup *lookup)
{
	return address_domain(&lookup->keys[0]);
}

/* Without quotes it looks like a key that a zone can have: another recipient's. */
static void add_unquoted(struct lookup *lookup, const char *local, size_t length, bool smtputf8)
{
	char text[2 * ADDRESS_MAX + 2];
	struct address other;
	size_t domain = strlen(lookup_domain(lookup));
	memcpy(text, local, length);
	text[length] = '@';
	memcpy(text + length + 1, lookup_domain(lookup), domain);
	size_t whole = length + 1 + domain;
	if (address_parse(text, whole, smtputf8, &other, NULL) == RC_OK && other.kind == ADDRESS_FULL &&
	    other.length == whole && memcmp(other.text, text, whole) == 0 && other.at == length)
		lookup->keys[lookup->count++] = other;
}

static enum rc add_local(struct lookup *lookup, const char *local, size_t length, const char *domain, bool smtputf8,
                         struct why *why)
{
	struct address *key = &lookup->keys[lookup->count];
	enum rc rc = address_make(local, length, domain, key, why);
	if (rc != RC_OK)
		return rc;
	lookup->count++;
	if (key->at != length)
		add_unquoted(lookup, local, length, smtputf8);
	return RC_OK;
}

static void add_catchall(struct lookup *lookup, const char *domain)
{
	struct address *key = &lookup->keys[lookup->count++];
	size_t length = strlen(domain);
	key->kind = ADDRESS_CATCHALL;
	key->at = 0;
	key->length = (uint16_t)(length + 1);
	key->text[0] = '@';
	memcpy(key->text + 1, domain, length + 1);
}

static enum lookup_bar bar_of(const char *local, size_t length, const struct lookup_rules *rules)
{
	if (length > 0 && local[0] == '-' && !rules->min_user)
		return LOOKUP_DASHED;
	for (size_t i = 0; i < length; i++)
		if (local[i] == '%' || local[i] == '!' || local[i] == '@')
			return LOOKUP_ROUTED;
	return LOOKUP_OPEN;
}

/* trivial-rewrite takes one dot off the end, but not one that follows another. */
static size_t without_dot(const char *domain)
{
	size_t length = strlen(domain);
	return length > 1 && domain[length - 1] == '.' && domain[length - 2] != '.' ? length - 1 : length;
}

enum rc lookup_parse(const char *text, size_t length, const struct lookup_rules *rules, struct lookup *out,
                     struct why *why)
{
	struct address address;
	enum rc rc = address_parse(text, length, rules->smtputf8, &address, why);
	if (rc != RC_OK)
		return rc;
	if (address.kind == ADDRESS_BARE && strcmp(address.text, "postmaster") == 0)
		return why_set(why, RC_INVALID, "it has no domain, and every smtpd accepts postmaster alone without looking it up");
	if (address.kind == ADDRESS_BARE)
		return why_set(why, RC_INVALID, "it has no domain");
	char local[ADDRESS_MAX + 1], domain[ADDRESS_MAX + 1];
	size_t local_length = address_local(&address, local);
	size_t domain_length = without_dot(address_domain(&address));
	memcpy(domain, address_domain(&address), domain_length);
	domain[domain_length] = '\0';

	struct lookup lookup = {.count = 0};
	rc = add_local(&lookup, local, local_length, domain, rules->smtputf8, why);
	if (rc != RC_OK)
		return rc;
	size_t cut = lookup_split(local, local_length, rules);
	/* What gets too long now (it has to be quoted, the whole hadn't) is no key that a zone can have. */
	if (cut < local_length)
		(void)add_local(&lookup, local, cut, domain, rules->smtputf8, NULL);
	add_catchall(&lookup, domain);
	lookup.bar = bar_of(local, local_length, rules);
	*out = lookup;
	return RC_OK;
}
