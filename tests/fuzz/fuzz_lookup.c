/* fuzz_lookup.c: any bytes as a recipient. The first byte has the parameters, the second is the delimiter. Each key must be
 * one that a zone can have (it parses to itself), all of the same domain; and what is asked for first must lead to the same
 * look-ups when it is asked again. */
#include "postfix/lookup.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static void check_key(const struct lookup *lookup, size_t index, bool smtputf8)
{
	const struct address *key = &lookup->keys[index];
	struct address again;
	demand(key->length <= ADDRESS_MAX && strlen(key->text) == key->length && key->at < key->length);
	demand((key->kind == ADDRESS_CATCHALL) == (index + 1 == lookup->count));
	demand((key->kind == ADDRESS_CATCHALL) == (key->at == 0));
	demand(strcmp(address_domain(key), lookup_domain(lookup)) == 0);
	if (smtputf8 && address_parse(key->text, key->length, smtputf8, &again, NULL) == RC_INVALID)
		return;      /* a delimiter that isn't ASCII has cut a character in two */
	demand(address_parse(key->text, key->length, smtputf8, &again, NULL) == RC_OK);
	demand(strcmp(again.text, key->text) == 0 && again.kind == key->kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct lookup_rules rules = {.owner_special = (data[0] & 1) != 0, .smtputf8 = (data[0] & 2) != 0};
	rules.delimits[data[1]] = true;
	struct lookup lookup, again;
	struct why why = {""};
	if (lookup_parse((const char *)data + 2, size - 2, &rules, &lookup, &why) != RC_OK) {
		demand(why.text[0] != '\0');
		return 0;
	}
	demand(lookup.count >= 2 && lookup.count <= LOOKUP_KEYS_MAX);
	for (size_t i = 0; i < lookup.count; i++)
		check_key(&lookup, i, rules.smtputf8);
	demand(lookup_parse(lookup.keys[0].text, lookup.keys[0].length, &rules, &again, NULL) == RC_OK);
	size_t dots = strlen(lookup_domain(&lookup)) - strlen(lookup_domain(&again));
	demand(dots <= 1);
	for (size_t i = 0; i < lookup.count && dots == 0; i++)
		demand(again.count == lookup.count && strcmp(again.keys[i].text, lookup.keys[i].text) == 0);
	return 0;
}
