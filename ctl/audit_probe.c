/* audit_probe.c: what an audit asks about.
 *
 * Chance comes from the record itself: its keyed hash, with the seed as the key, decides where in the order it
 * stands and what is made of it. So a seed repeats an audit's questions even after the zone has changed elsewhere. */
#include "ctl/audit_probe.h"

#include "common/address.h"
#include "common/mem.h"
#include "common/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct member {
	const char *key;
	uint16_t length;
	uint64_t rank;
	uint64_t chance;
};

struct domain {
	const char *name;
	uint16_t length;
	bool foreign;
	bool open;                       /* has a catch-all */
};

struct audit_probe {
	struct member *members;
	size_t member_count;
	struct domain *domains;          /* sorted */
	size_t domain_count;
	char delimiter;                  /* the first of recipient_delimiter, or NUL */
	uint8_t seed[RECORD_HASH_KEY_BYTES];
};

/* A local part without its quotes, and its domain. */
struct parts {
	char local[ADDRESS_MAX + 1];
	char domain[ADDRESS_MAX + 1];
	bool quoted;
};

/* splitmix64: good enough to choose letters with. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static size_t draw_below(uint64_t *state, size_t limit)
{
	return (size_t)(draw(state) % limit);
}

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a;
	const struct member *y = b;

	return (x->rank > y->rank) - (x->rank < y->rank);
}

static int compare_domains(const void *a, const void *b)
{
	const struct domain *x = a;
	const struct domain *y = b;
	int order = memcmp(x->name, y->name, x->length < y->length ? x->length : y->length);

	return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

static void add_member(struct audit_probe *probe, size_t *capacity, const char *key, uint16_t length)
{
	struct record record = record_make(RECORD_RCPT, key, length);
	struct fingerprint print = record_fingerprint(probe->seed, &record);

	if (probe->member_count == *capacity) {
		*capacity = *capacity * 2 + 64;
		probe->members = mem_realloc(probe->members, *capacity, sizeof *probe->members);
	}
	probe->members[probe->member_count++] =
		(struct member){ .key = key, .length = length, .rank = print.high, .chance = print.low };
}

static void add_domain(struct audit_probe *probe, size_t *capacity, const char *name, uint16_t length)
{
	if (probe->domain_count == *capacity) {
		*capacity = *capacity * 2 + 16;
		probe->domains = mem_realloc(probe->domains, *capacity, sizeof *probe->domains);
	}
	probe->domains[probe->domain_count++] = (struct domain){ .name = name, .length = length };
}

struct capacities {
	size_t members;
	size_t domains;
};

/* Records of types that are newer than we are concern no recipient. */
static bool take_line(struct audit_probe *probe, struct capacities *capacities, const char *line, size_t length)
{
	static const char delimiter[] = "PARAM recipient_delimiter ";
	const char *space = memchr(line, ' ', length);
	size_t type = space != NULL ? (size_t)(space - line) : length;
	size_t key = type < length ? length - type - 1 : 0;

	if (key == 0)
		return false;
	if (type == 4 && memcmp(line, "RCPT", 4) == 0) {
		if (key > ADDRESS_MAX || memchr(space + 1, '@', key) == NULL)
			return false;
		add_member(probe, &capacities->members, space + 1, (uint16_t)key);
	} else if (type == 6 && memcmp(line, "DOMAIN", 6) == 0) {
		if (key > ADDRESS_MAX)
			return false;
		add_domain(probe, &capacities->domains, space + 1, (uint16_t)key);
	} else if (length >= sizeof delimiter && memcmp(line, delimiter, sizeof delimiter - 1) == 0) {
		probe->delimiter = line[sizeof delimiter - 1];
	}
	return true;
}

static struct domain *find_domain(const struct audit_probe *probe, const char *name, size_t length)
{
	struct domain wanted = { .name = name, .length = (uint16_t)length };

	if (probe->domain_count == 0)
		return NULL;
	return bsearch(&wanted, probe->domains, probe->domain_count, sizeof *probe->domains, compare_domains);
}

static void sort(struct audit_probe *probe)
{
	if (probe->member_count > 0)
		qsort(probe->members, probe->member_count, sizeof *probe->members, compare_members);
	if (probe->domain_count > 0)
		qsort(probe->domains, probe->domain_count, sizeof *probe->domains, compare_domains);
	for (size_t i = 0; i < probe->member_count; i++) {
		const struct member *member = &probe->members[i];
		struct domain *domain = member->key[0] == '@' ? find_domain(probe, member->key + 1, member->length - 1u) : NULL;
		if (domain != NULL)
			domain->open = true;
	}
}

enum rc audit_probe_new(const char *list, size_t length, uint64_t seed, struct audit_probe **out, struct why *why)
{
	struct audit_probe *probe = mem_zalloc(sizeof *probe);
	struct capacities capacities = { 0 };
	const char *end = list + length;

	for (size_t i = 0; i < sizeof seed; i++)
		probe->seed[i] = (uint8_t)(seed >> (8 * i));
	for (const char *at = list; at < end; ) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		if (stop == NULL)
			stop = end;
		if (!take_line(probe, &capacities, at, (size_t)(stop - at))) {
			enum rc rc = why_set(why, RC_INVALID, "the daemon's list has a line that is no record: \"%.*s\"",
			                     (int)(stop - at < 100 ? stop - at : 100), at);
			audit_probe_free(&probe);
			return rc;
		}
		at = stop + 1;
	}
	sort(probe);
	*out = probe;
	return RC_OK;
}

void audit_probe_free(struct audit_probe **probe)
{
	if (*probe == NULL)
		return;
	free((*probe)->members);
	free((*probe)->domains);
	free(*probe);
	*probe = NULL;
}

size_t audit_probe_count(const struct audit_probe *probe)
{
	return probe->member_count;
}

/* Where a relay domain takes anybody, a Postfix that matches subdomains takes anybody below it too, and no table
 * says so. */
static bool is_below_open(const struct audit_probe *probe, const struct domain *domain)
{
	const char *end = domain->name + domain->length;

	for (const char *dot = domain->name; (dot = memchr(dot, '.', (size_t)(end - dot))) != NULL; dot++) {
		const struct domain *parent = find_domain(probe, dot + 1, (size_t)(end - dot) - 1);
		if (parent != NULL && parent->open)
			return true;
	}
	return false;
}

/* A domain whose users can be made up: a zone's own, with a dot in it (others are each host's own). */
static bool is_ours(const struct audit_probe *probe, const struct domain *domain)
{
	return domain != NULL && !domain->foreign && memchr(domain->name, '.', domain->length) != NULL &&
	       domain->name[0] != '.' && domain->name[0] != '[' && !is_below_open(probe, domain);
}

/* Published keys are in Postfix's form: if the local part begins with a quote, it is quoted as a whole. */
static void take_apart(const struct member *member, struct parts *out)
{
	const char *at = memrchr(member->key, '@', member->length);
	size_t length = (size_t)(at - member->key), put = 0;

	out->quoted = length >= 2 && member->key[0] == '"' && at[-1] == '"';
	for (size_t i = out->quoted; i < length - out->quoted; i++) {
		if (out->quoted && member->key[i] == '\\' && i + 1 < length - out->quoted)
			i++;
		out->local[put++] = member->key[i];
	}
	out->local[put] = '\0';
	snprintf(out->domain, sizeof out->domain, "%.*s", (int)(member->length - length - 1), at + 1);
}

/* The parts as Postfix writes them, or NULL if they don't make an address, or one that needs quotes all of a sudden. */
static char *put_together(const struct parts *parts)
{
	char text[2 * ADDRESS_MAX + 3];
	struct address address;
	int length = snprintf(text, sizeof text, "%s@%s", parts->local, parts->domain);

	if (parts->local[0] == '"' || address_parse(text, (size_t)length, true, &address, NULL) != RC_OK)
		return NULL;
	if (address.kind != ADDRESS_FULL || (address.text[0] == '"') != parts->quoted)
		return NULL;
	return mem_strdup(address.text);
}

static char *made_up(const struct member *member, const char *domain, size_t length)
{
	return mem_sprintf("rxferaudit%08x@%.*s", (unsigned)(member->chance & 0xffffffffu), (int)length, domain);
}

char *audit_probe_member(const struct audit_probe *probe, size_t index, enum audit_kind *kind)
{
	const struct member *member = &probe->members[index];
	const char *at = memrchr(member->key, '@', member->length);
	size_t length = member->length - (size_t)(at - member->key) - 1;
	const struct domain *domain = find_domain(probe, at + 1, length);

	if (domain == NULL || domain->foreign)
		return NULL;
	*kind = at == member->key ? AUDIT_CATCH_ALL : AUDIT_PUBLISHED;
	return at == member->key ? made_up(member, at + 1, length) : mem_strndup(member->key, member->length);
}

/* The place of an ASCII letter or digit chosen by chance; SIZE_MAX: there is none. */
static size_t choose_letter(const char *text, uint64_t *chance)
{
	size_t count = 0, chosen = SIZE_MAX;

	for (size_t i = 0; text[i] != '\0'; i++)
		if ((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9'))
			if (draw_below(chance, ++count) == 0)
				chosen = i;
	return chosen;
}

static bool change(struct parts *parts, uint64_t *chance)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t at = choose_letter(parts->local, chance);

	if (at == SIZE_MAX)
		return false;
	char old = parts->local[at];
	while (parts->local[at] == old)
		parts->local[at] = letters[draw_below(chance, sizeof letters - 1)];
	return true;
}

static bool drop(struct parts *parts, uint64_t *chance)
{
	size_t at = choose_letter(parts->local, chance);

	if (at == SIZE_MAX || strlen(parts->local) < 2)
		return false;
	memmove(parts->local + at, parts->local + at + 1, strlen(parts->local + at));
	return true;
}

static bool add(struct parts *parts, uint64_t *chance)
{
	size_t length = strlen(parts->local);

	if (length == 0 || length == ADDRESS_MAX)
		return false;
	parts->local[length] = (char)('a' + draw_below(chance, 26));
	parts->local[length + 1] = '\0';
	return true;
}

/* A few tries, so that not all domains have to be looked at. */
static bool elsewhere(const struct audit_probe *probe, struct parts *parts, uint64_t *chance)
{
	for (int i = 0; i < 20 && probe->domain_count > 1; i++) {
		const struct domain *domain = &probe->domains[draw_below(chance, probe->domain_count)];
		if (!is_ours(probe, domain) || (strlen(parts->domain) == domain->length &&
		                         memcmp(parts->domain, domain->name, domain->length) == 0))
			continue;
		snprintf(parts->domain, sizeof parts->domain, "%.*s", (int)domain->length, domain->name);
		return true;
	}
	return false;
}

/* Postfix takes these names as they are, in the classes where it does, and looks them up with an extension. */
static bool is_special(const char *local)
{
	return strcasecmp(local, "postmaster") == 0 || strcasecmp(local, "mailer-daemon") == 0 ||
	       strcasecmp(local, "double-bounce") == 0;
}

static bool extend(const struct audit_probe *probe, struct parts *parts)
{
	size_t length = strlen(parts->local);

	if (probe->delimiter == '\0' || length == 0 || length + 12 > ADDRESS_MAX || is_special(parts->local))
		return false;
	snprintf(parts->local + length, sizeof parts->local - length, "%crxferaudit", probe->delimiter);
	return true;
}

static bool vary(const struct audit_probe *probe, enum audit_kind kind, struct parts *parts, uint64_t *chance)
{
	switch (kind) {
	case AUDIT_CHANGED:
		return change(parts, chance);
	case AUDIT_DROPPED:
		return drop(parts, chance);
	case AUDIT_ADDED:
		return add(parts, chance);
	case AUDIT_ELSEWHERE:
		return elsewhere(probe, parts, chance);
	case AUDIT_EXTENSION:
		return extend(probe, parts);
	default:
		return false;
	}
}

/* On the address as it is written: folding is what put_together would undo it with. */
static char *change_case(const struct member *member)
{
	char *text = mem_strndup(member->key, member->length);
	const char *end = strrchr(text, '@');
	bool changed = false;

	for (char *at = text; at < end; at++)
		if (*at >= 'a' && *at <= 'z') {
			*at = (char)(*at - 'a' + 'A');
			changed = true;
		}
	if (changed)
		return text;
	free(text);
	return NULL;
}

char *audit_probe_neighbour(const struct audit_probe *probe, size_t index, enum audit_kind *kind)
{
	static const enum audit_kind kinds[] = { AUDIT_CHANGED, AUDIT_ELSEWHERE, AUDIT_EXTENSION, AUDIT_DROPPED,
	                                         AUDIT_CASE, AUDIT_ADDED };
	size_t count = sizeof kinds / sizeof kinds[0];
	const struct member *member = &probe->members[index];
	uint64_t chance = member->chance;
	size_t first = draw_below(&chance, count);
	struct parts original;

	take_apart(member, &original);
	if (!is_ours(probe, find_domain(probe, original.domain, strlen(original.domain))) ||
	    strpbrk(original.local, "%!@") != NULL)
		return NULL;
	if (original.local[0] == '\0')      /* a catch-all: whoever is made up in it is accepted, but elsewhere? */
		snprintf(original.local, sizeof original.local, "rxferaudit%08x", (unsigned)(member->chance & 0xffffffffu));
	for (size_t i = 0; i < count; i++) {
		struct parts parts = original;
		char *text = NULL;
		*kind = kinds[(first + i) % count];
		if (*kind == AUDIT_CASE)
			text = change_case(member);
		else if (vary(probe, *kind, &parts, &chance))
			text = put_together(&parts);
		if (text != NULL)
			return text;
	}
	return NULL;
}

void audit_probe_foreign(struct audit_probe *probe, const char *address)
{
	const char *at = strrchr(address, '@');
	struct domain *domain = at != NULL ? find_domain(probe, at + 1, strlen(at + 1)) : NULL;

	if (domain != NULL)
		domain->foreign = true;
}

const char *audit_probe_kind(enum audit_kind kind)
{
	static const char *const names[AUDIT_KINDS] = {
		[AUDIT_PUBLISHED] = "published", [AUDIT_CATCH_ALL] = "made up in a domain with a catch-all",
		[AUDIT_CHANGED] = "a published one with a letter changed",
		[AUDIT_DROPPED] = "a published one with a letter dropped",
		[AUDIT_ADDED] = "a published one with a letter added",
		[AUDIT_ELSEWHERE] = "a published one's name in another domain",
		[AUDIT_EXTENSION] = "a published one with an extension",
		[AUDIT_CASE] = "a published one in capital letters",
	};

	return names[kind];
}
