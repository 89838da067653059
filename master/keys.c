/* keys.c: what a key of a map means for smtpd, as records.
 *
 * smtpd looks an address up as user@domain, then as user when the domain is one for which bare keys hold, then as
 * @domain. In alias maps too: there a key with an '@' is found both as the address it looks like, and as the local
 * part that it is (`"x@y"@domain`). */
#include "master/keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void keys_sort(const char **list, size_t count)
{
	if (count > 1)
		qsort(list, count, sizeof(*list), compare);
}

static bool listed(const char *const *list, size_t count, const char *text)
{
	return count > 0 && bsearch(&text, list, count, sizeof(*list), compare) != NULL;
}

#ifndef NDEBUG
static bool is_sorted(const char *const *list, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (strcmp(list[i - 1], list[i]) > 0)
			return false;
	return true;
}
#endif

void keys_check(const struct keys_rule *rule)
{
	assert(is_sorted(rule->domains, rule->domain_count));
	assert(is_sorted(rule->filter->domains, rule->filter->domain_count));
	assert(is_sorted(rule->filter->exclude, rule->filter->exclude_count));
	(void)rule;
}

static enum rc add(struct reading *reading, enum record_type type, const char *key, size_t length, struct why *why)
{
	struct record record = record_make(type, key, length);
	return reading_add(reading, &record, why);
}

void keys_count(uint64_t *count, struct keys_shown *shown, const void *key, size_t length)
{
	static const char dots[] = "...";
	if (*count < KEYS_SHOWN) {
		char *text = shown->text[*count];
		bool cut = length >= KEYS_SHOWN_MAX;
		size_t kept = cut ? KEYS_SHOWN_MAX - sizeof(dots) : length;
		memcpy(text, key, kept);
		memcpy(text + kept, dots, cut ? sizeof(dots) : 0);
		text[cut ? KEYS_SHOWN_MAX - 1 : kept] = '\0';
		for (size_t i = 0; i < kept; i++)
			if (text[i] == '\0')
				text[i] = '?';
		why_clean(text);
	}
	++*count;
}

static enum rc put(const struct keys_rule *rule, const struct address *address, struct reading *reading,
                   struct keys_tally *tally, struct why *why)
{
	const struct keys_filter *filter = rule->filter;
	const char *domain = address_domain(address);
	bool wanted = filter->domain_count == 0 || listed(filter->domains, filter->domain_count, domain);
	if (!wanted || listed(filter->exclude, filter->exclude_count, address->text)) {
		keys_count(&tally->filtered, &tally->filtered_shown, address->text, address->length);
		return RC_OK;
	}
	enum rc rc = add(reading, RECORD_RCPT, address->text, address->length, why);
	return rc == RC_OK ? add(reading, RECORD_DOMAIN, domain, strlen(domain), why) : rc;
}

static bool is_away(const struct keys_rule *rule, const struct address *address, enum postfix_class class)
{
	const struct postfix_plan *plan = rule->plan;
	return !rule->first && postfix_away_any(&plan->away) &&
	       postfix_away_takes(&plan->away, address, class);
}

struct kept {
	const struct keys_rule *rule;
	enum postfix_class class;
	struct reading *reading;
	struct keys_tally *tally;
	struct why *why;
	enum rc rc;
};

static void put_kept(void *context, const char *key)
{
	struct kept *kept = context;
	struct address address;
	if (kept->rc == RC_OK &&
	    address_parse(key, strlen(key), kept->rule->filter->smtputf8, &address, NULL) == RC_OK &&
	    !is_away(kept->rule, &address, kept->class))
		kept->rc = put(kept->rule, &address, kept->reading, kept->tally, kept->why);
}

/* Postfix sees to the domain's class and to what is taken away; of a catch-all that is, what is kept remains. */
static enum rc emit(const struct keys_rule *rule, const struct address *address, struct reading *reading,
                    struct keys_tally *tally, struct why *why)
{
	if (!rule->plan)
		return put(rule, address, reading, tally, why);
	const char *domain = address_domain(address);
	enum postfix_class class = postfix_domains_class(&rule->plan->domains, domain);
	if (class == POSTFIX_NONE || !(rule->classes & POSTFIX_BIT(class)))
		return RC_OK;
	if (!is_away(rule, address, class))
		return put(rule, address, reading, tally, why);
	struct kept kept = {rule, class, reading, tally, why, RC_OK};
	if (address->kind == ADDRESS_CATCHALL)
		postfix_away_kept(&rule->plan->away, domain, put_kept, &kept);
	return kept.rc;
}

static enum rc emit_bare(const struct keys_rule *rule, const struct address *bare, struct reading *reading,
                         struct keys_tally *tally, struct why *why)
{
	if (rule->domain_count == 0 && !rule->plan)
		keys_count(&tally->unqualified, &tally->unqualified_shown, bare->text, bare->length);
	enum rc rc = RC_OK;
	for (size_t i = 0; i < rule->domain_count && rc == RC_OK; i++) {
		struct address full;
		if (address_qualify(bare, rule->domains[i], &full, NULL) == RC_OK)
			rc = emit(rule, &full, reading, tally, why);
		else
			/* Too long in this domain, so nobody can ask for it there. */
			keys_count(&tally->invalid, &tally->invalid_shown, bare->text, bare->length);
	}
	return rc;
}

/* A local part that holds an '@', as address_parse understands it: quoted. */
static enum rc parse_local(const void *key, size_t length, bool smtputf8, struct address *out)
{
	char quoted[2 * ADDRESS_MAX + 2];
	size_t at = 0;
	const char *text = key;
	if (length > ADDRESS_MAX)
		return RC_INVALID;
	quoted[at++] = '"';
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"' || text[i] == '\\')
			quoted[at++] = '\\';
		quoted[at++] = text[i];
	}
	quoted[at++] = '"';
	return address_parse(quoted, at, smtputf8, out, NULL);
}

static bool is_mark(const void *key, size_t length)
{
	return (length == 1 && memcmp(key, "@", 1) == 0) || (length >= 3 && memcmp(key, "YP_", 3) == 0);
}

/* Whether smtpd's question can hit the key. */
static bool can_hit(const struct keys_rule *rule, const void *key, size_t length, const struct address *address)
{
	return !rule->exact || postfix_away_folded(key, length, address);
}

static enum rc add_alias(const struct keys_rule *rule, const void *key, size_t length, struct reading *reading,
                         struct keys_tally *tally, struct why *why)
{
	struct address address;
	bool smtputf8 = rule->filter->smtputf8;
	enum rc parsed = address_parse(key, length, smtputf8, &address, why);
	if (parsed == RC_OK && !can_hit(rule, key, length, &address)) {
		keys_count(&tally->invalid, &tally->invalid_shown, key, length);
		return RC_INVALID;
	}
	if (parsed == RC_OK && address.kind == ADDRESS_BARE)
		return emit_bare(rule, &address, reading, tally, why);
	enum rc rc = RC_OK;
	if (parsed == RC_OK && (rule->plan || listed(rule->domains, rule->domain_count, address_domain(&address))))
		rc = emit(rule, &address, reading, tally, why);
	if (rc != RC_OK)
		return rc;
	if (parse_local(key, length, smtputf8, &address) == RC_OK && address.kind == ADDRESS_BARE &&
	    can_hit(rule, key, length, &address))
		return emit_bare(rule, &address, reading, tally, why);
	if (parsed != RC_OK) {
		keys_count(&tally->invalid, &tally->invalid_shown, key, length);
		return RC_INVALID;
	}
	return RC_OK;
}

enum rc keys_add(const struct keys_rule *rule, const void *key, size_t length, struct reading *reading,
                 struct keys_tally *tally, struct why *why)
{
	if (rule->aliases && is_mark(key, length))
		return RC_OK;
	tally->keys++;
	if (rule->aliases)
		return add_alias(rule, key, length, reading, tally, why);
	struct address address;
	if (address_parse(key, length, rule->filter->smtputf8, &address, why) != RC_OK ||
	    !can_hit(rule, key, length, &address)) {
		keys_count(&tally->invalid, &tally->invalid_shown, key, length);
		return RC_INVALID;
	}
	if (address.kind == ADDRESS_BARE)
		return emit_bare(rule, &address, reading, tally, why);
	return emit(rule, &address, reading, tally, why);
}

enum rc keys_always(const struct keys_rule *rule, struct reading *reading, struct why *why)
{
	static const char *const names[] = {"postmaster", "mailer-daemon", "double-bounce"};
	struct keys_tally unseen = {0};
	enum rc rc = RC_OK;
	for (size_t i = 0; rule->aliases && !rule->plan && i < sizeof(names) / sizeof(names[0]) && rc == RC_OK; i++) {
		struct address address;
		rc = address_parse(names[i], strlen(names[i]), rule->filter->smtputf8, &address, why);
		if (rc == RC_OK)
			rc = emit_bare(rule, &address, reading, &unseen, why);
	}
	return rc;
}

enum rc keys_planned(const struct keys_rule *rule, struct reading *reading, struct keys_tally *tally, struct why *why)
{
	const struct postfix_plan *plan = rule->plan;
	enum rc rc = RC_OK;
	for (size_t i = 0; i < plan->recipients.count && rc == RC_OK; i++) {
		const char *key = plan->recipients.at[i].name;
		struct address address;
		rc = address_parse(key, strlen(key), rule->filter->smtputf8, &address, why);
		if (rc == RC_OK)
			rc = put(rule, &address, reading, tally, why);
		/* postmaster and the like don't make a list. */
		tally->keys += key[0] == '@';
	}
	for (size_t i = 0; i < plan->params.count && rc == RC_OK; i++) {
		const struct postfix_text *param = &plan->params.at[i];
		size_t length = strlen(param->value);
		struct record record = record_make(RECORD_PARAM, param->name, strlen(param->name));
		record.value = param->value;
		record.value_length = (uint16_t)(length < RECORD_VALUE_MAX ? length : RECORD_VALUE_MAX);
		rc = reading_add(reading, &record, why);
	}
	return rc;
}
