/* postfix_away.c: see postfix_away.h.
 *
 * Transports are looked for as user+ext@domain, user@domain, domain, and its parents (as .parent, or as parent when
 * parent_domain_matches_subdomains has transport_maps), "*": the first that's there decides. Relocated addresses as
 * user+ext@domain, user@domain, then user+ext and user where bare keys hold, and @domain. */
#include "master/postfix_away.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void postfix_away_add(struct postfix_away_set *set, const char *key, enum postfix_away_verdict verdict)
{
	if (set->count == set->capacity) {
		set->capacity = set->capacity > 0 ? set->capacity * 2 : 16;
		set->at = mem_realloc(set->at, set->capacity, sizeof *set->at);
	}
	set->at[set->count++] = (struct postfix_away_key){mem_strdup(key), verdict};
}

static int compare(const void *left, const void *right)
{
	const struct postfix_away_key *a = left, *b = right;
	return strcmp(a->key, b->key);
}

/* A merge sort: stable. */
static void sort(struct postfix_away_key *at, struct postfix_away_key *room, size_t count)
{
	if (count < 2)
		return;
	size_t half = count / 2, a = 0, b = half;
	sort(at, room, half);
	sort(at + half, room, count - half);
	for (size_t i = 0; i < count; i++)
		room[i] = b == count || (a < half && compare(&at[a], &at[b]) <= 0) ? at[a++] : at[b++];
	memcpy(at, room, count * sizeof *at);
}

static void seal(struct postfix_away_set *set)
{
	if (set->count < 2)
		return;
	struct postfix_away_key *room = mem_alloc(set->count * sizeof *room);
	sort(set->at, room, set->count);
	free(room);
	size_t kept = 1;
	for (size_t i = 1; i < set->count; i++) {
		if (strcmp(set->at[kept - 1].key, set->at[i].key) == 0)
			free(set->at[i].key);
		else
			set->at[kept++] = set->at[i];
	}
	set->count = kept;
}

void postfix_away_seal(struct postfix_away *away)
{
	seal(&away->transport);
	seal(&away->moved);
}

static void empty(struct postfix_away_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		free(set->at[i].key);
	free(set->at);
	*set = (struct postfix_away_set){0};
}

void postfix_away_free(struct postfix_away *away)
{
	empty(&away->transport);
	empty(&away->moved);
	free(away->origin);
	away->origin = NULL;
	away->gone = 0;
}

bool postfix_away_any(const struct postfix_away *away)
{
	return away->transport.count > 0 || away->moved.count > 0 || away->gone != 0;
}

static const struct postfix_away_key *find(const struct postfix_away_set *set, const char *key)
{
	const struct postfix_away_key wanted = {(char *)(uintptr_t)key, POSTFIX_KEPT};
	return set->count == 0 ? NULL : bsearch(&wanted, set->at, set->count, sizeof *set->at, compare);
}

bool postfix_away_folded(const void *key, size_t length, const struct address *address)
{
	const unsigned char *at = key;
	bool ascii = true;
	for (size_t i = 0; i < length; i++) {
		if (at[i] >= 'A' && at[i] <= 'Z')
			return false;
		ascii = ascii && at[i] < 0x80;
	}
	/* One that had to be quoted is longer now; then there is doubt, and it stays. */
	return ascii || length != address->length || memcmp(key, address->text, length) == 0;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* All but those that `skip` names; once each. */
static struct postfix_split make_split(const char *delimiters, bool special, bool (*skip)(char c))
{
	struct postfix_split split = {.lists = !special};
	size_t count = 0;
	for (; *delimiters != '\0'; delimiters++)
		if (!skip(*delimiters) && !strchr(split.delimiters, *delimiters) && count + 1 < sizeof split.delimiters)
			split.delimiters[count++] = *delimiters;
	return split;
}

static bool is_capital(char c)
{
	return c >= 'A' && c <= 'Z';
}

struct postfix_split postfix_split_of_smtpd(const char *delimiters, bool special)
{
	return make_split(delimiters, special, is_capital);
}

bool postfix_split_has_letters(const char *delimiters)
{
	while (*delimiters != '\0' && !is_letter(*delimiters))
		delimiters++;
	return *delimiters != '\0';
}

struct postfix_split postfix_split_of_rewrite(const char *delimiters, bool special)
{
	if (postfix_split_has_letters(delimiters))
		return (struct postfix_split){0};
	return make_split(delimiters, special, is_letter);
}

size_t postfix_away_strip(const char *local, size_t length, const struct postfix_split *split)
{
	static const char *const whole[] = {"postmaster", "mailer-daemon", "double-bounce"};
	const char *delimiters = split->delimiters;
	if (delimiters[0] == '\0')
		return length;
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
		if (strlen(whole[i]) == length && strncasecmp(whole[i], local, length) == 0)
			return length;
	if (strchr(delimiters, '-') && !split->lists) {
		if (length >= 6 && strncasecmp(local, "owner-", 6) == 0)
			return length;
		if (length >= 8 && strncasecmp(local + length - 8, "-request", 8) == 0)
			return length;
	}
	size_t i = 0;
	while (i < length && !strchr(delimiters, local[i]))
		i++;
	return i > 0 ? i : length;
}

/* owner-x and x-request stay whole, whatever other delimiters they hold. */
static bool spares_lists(const struct postfix_split *split)
{
	return !split->lists && strchr(split->delimiters, '-') != NULL;
}

bool postfix_split_agrees(const struct postfix_split *smtpd, const struct postfix_split *rewrite, const char *local,
                          size_t length)
{
	if (smtpd->delimiters[0] == '\0')
		return true;
	for (const char *at = smtpd->delimiters; *at != '\0'; at++)
		if (!strchr(rewrite->delimiters, *at))
			return false;
	return (!spares_lists(rewrite) || spares_lists(smtpd)) && postfix_away_strip(local, length, rewrite) == length;
}

static const struct postfix_away_key *find_stripped(const struct postfix_away_set *set, const struct address *address,
                                                    const struct postfix_split *split, bool bare)
{
	char text[ADDRESS_MAX + 1];
	size_t local = postfix_away_strip(address->text, address->at, split);
	const char *tail = bare ? "" : address->text + address->at;
	if (local == address->at && !bare)
		return NULL;
	memcpy(text, address->text, local);
	strcpy(text + local, tail);
	return find(set, text);
}

static bool transport_takes(const struct postfix_away *away, const struct address *address, enum postfix_class class)
{
	const struct postfix_away_set *set = &away->transport;
	const struct postfix_away_key *found = NULL;
	if (address->kind == ADDRESS_FULL) {
		found = find(set, address->text);
		if (!found)
			found = find_stripped(set, address, &away->split, false);
	}
	for (const char *name = address_domain(address); !found && name && *name != '\0';) {
		found = find(set, name);
		name = strchr(name + 1, '.');
		if (name && away->parents)
			name++;
	}
	if (!found)
		found = find(set, "*");
	if (!found || found->verdict == POSTFIX_OWN)
		return (away->gone & POSTFIX_BIT(class)) != 0;
	return found->verdict == POSTFIX_AWAY;
}

bool postfix_away_moved(const struct postfix_away *away, const struct address *address, enum postfix_class class)
{
	const struct postfix_away_set *set = &away->moved;
	bool bare = class == POSTFIX_LOCAL || (away->origin && strcmp(address_domain(address), away->origin) == 0);
	if (set->count == 0)
		return false;
	if (find(set, address->text + address->at) || find(set, POSTFIX_AWAY_EVERYBODY))
		return true;
	if (address->kind != ADDRESS_FULL)
		return false;
	if (find(set, address->text) || find_stripped(set, address, &away->split, false))
		return true;
	if (!bare)
		return false;
	char local[ADDRESS_MAX + 1];
	memcpy(local, address->text, address->at);
	local[address->at] = '\0';
	return find(set, local) || find_stripped(set, address, &away->split, true);
}

bool postfix_away_takes(const struct postfix_away *away, const struct address *address, enum postfix_class class)
{
	/* Transports aren't asked for virtual alias domains. */
	if (class != POSTFIX_ALIAS && (away->transport.count > 0 || away->gone != 0) &&
	    transport_takes(away, address, class))
		return true;
	return postfix_away_moved(away, address, class);
}

void postfix_away_kept(const struct postfix_away *away, const char *domain,
                       void (*visit)(void *context, const char *address), void *context)
{
	for (size_t i = 0; i < away->transport.count; i++) {
		const struct postfix_away_key *key = &away->transport.at[i];
		const char *at = strrchr(key->key, '@');
		if (at && at > key->key && key->verdict != POSTFIX_AWAY && strcmp(at + 1, domain) == 0)
			visit(context, key->key);
	}
}
