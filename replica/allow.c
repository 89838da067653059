/* allow.c: a sorted list of folded domains. A master must never be able to make a backup relay for somebody else's
 * domain, so that in doubt a record is refused. */
#include "replica/allow.h"

#include "common/address.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

struct allow {
	bool any;
	char **domains;
	size_t count;
};

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

enum rc allow_new(const char *const *domains, size_t count, struct allow **out, struct why *why)
{
	struct allow *allow = mem_zalloc(sizeof(*allow));
	if (count == 1 && strcmp(domains[0], "*") == 0) {
		allow->any = true;
		*out = allow;
		return RC_OK;
	}
	allow->domains = mem_realloc(NULL, count + 1, sizeof(char *));
	for (size_t i = 0; i < count; i++) {
		char folded[ADDRESS_MAX + 1];
		enum rc rc;
		if (strcmp(domains[i], "*") == 0)
			rc = why_set(why, RC_INVALID, "\"*\" allows any domain and must stand alone in domains");
		else
			rc = address_parse_domain(domains[i], true, folded, why);
		if (rc != RC_OK) {
			allow_free(&allow);
			return rc;
		}
		allow->domains[allow->count++] = mem_strdup(folded);
	}
	qsort(allow->domains, allow->count, sizeof(char *), compare_text);
	*out = allow;
	return RC_OK;
}

void allow_free(struct allow **allow)
{
	if (!*allow)
		return;
	for (size_t i = 0; i < (*allow)->count; i++)
		free((*allow)->domains[i]);
	free((*allow)->domains);
	free(*allow);
	*allow = NULL;
}

bool allow_same(const struct allow *a, const struct allow *b)
{
	if (a->any != b->any || a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->domains[i], b->domains[i]) != 0)
			return false;
	return true;
}

bool allow_any(const struct allow *allow)
{
	return allow->any;
}

size_t allow_count(const struct allow *allow)
{
	return allow->count;
}

const char *allow_domain(const struct allow *allow, size_t index)
{
	return allow->domains[index];
}

static int compare_domain(const char *text, size_t length, const char *domain)
{
	int order = strncmp(text, domain, length);
	return order != 0 ? order : -(domain[length] != '\0');
}

bool allow_has(const struct allow *allow, const struct record *record)
{
	if (allow->any || record->type == RECORD_PARAM)
		return true;
	const char *domain;
	size_t length;
	record_domain(record, &domain, &length);
	size_t low = 0, high = allow->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_domain(domain, length, allow->domains[middle]);
		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

static uint64_t *tally_counter(struct tally *tally, const struct allow *allow, const struct record *record)
{
	if (!allow_has(allow, record))
		return &tally->refused;
	if (record->type == RECORD_RCPT)
		return &tally->recipients;
	return record->type == RECORD_DOMAIN ? &tally->domains : NULL;
}

void tally_add(struct tally *tally, const struct allow *allow, const struct record *record)
{
	uint64_t *counter = tally_counter(tally, allow, record);
	if (!counter)
		return;
	++*counter;
	if (counter != &tally->refused)
		return;
	const char *domain;
	size_t length;
	record_domain(record, &domain, &length);
	if (length >= sizeof(tally->refused_domain))
		length = sizeof(tally->refused_domain) - 1;
	memcpy(tally->refused_domain, domain, length);
	tally->refused_domain[length] = '\0';
}

void tally_changes(struct tally *tally, const struct allow *allow, const struct changeset *changeset)
{
	for (uint32_t i = 0; i < changeset->count; i++) {
		const struct operation *operation = &changeset->operations[i];
		if (operation->change == CHANGE_ADD) {
			tally_add(tally, allow, &operation->record);
			continue;
		}
		uint64_t *counter = tally_counter(tally, allow, &operation->record);
		if (counter && *counter > 0)
			--*counter;
	}
}
