/* answer.c: see answer.h. */
#include "postfix/answer.h"

#include "common/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
	[ANSWER_FOREIGN] = "foreign", [ANSWER_REFUSE] = "refuse", [ANSWER_DEFER] = "defer", [ANSWER_ACCEPT] = "accept",
};

const char *answer_verdict_name(enum answer_verdict verdict)
{
	return names[verdict];
}

struct taking {
	struct lookup_rules rules;
	bool delimiter;
};

static bool take_param(void *context, const struct record *param)
{
	static const char delimiter[] = "recipient_delimiter";
	struct taking *taking = context;
	(void)lookup_rules_take(&taking->rules, param);
	taking->delimiter = taking->delimiter || (param->key_length == sizeof delimiter - 1 &&
	                                          memcmp(param->key, delimiter, sizeof delimiter - 1) == 0);
	return true;
}

/* RC_OK also when it isn't there. */
static enum rc find(struct zonedb *db, const struct record *record, struct answer_key *out, struct why *why)
{
	struct buf scratch = {0};
	struct store_entry entry;
	out->print = record_fingerprint(zonedb_meta(db)->epoch.id, record);
	enum rc rc = zonedb_get(db, &out->print, &scratch, &entry, why);
	out->found = rc == RC_OK;
	out->since = rc == RC_OK ? entry.since : 0;
	buf_free(&scratch);
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc find_all(struct zonedb *db, struct answer *answer, struct why *why)
{
	const char *domain = lookup_domain(&answer->lookup);
	struct record record = record_make(RECORD_DOMAIN, domain, strlen(domain));
	struct answer_key key;
	enum rc rc = find(db, &record, &key, why);
	if (rc != RC_OK)
		return rc;
	answer->listed = key.found;
	answer->domain_since = key.since;
	for (size_t i = 0; i < answer->lookup.count && rc == RC_OK; i++) {
		record = record_make(RECORD_RCPT, answer->lookup.keys[i].text, answer->lookup.keys[i].length);
		rc = find(db, &record, &answer->keys[i], why);
	}
	return rc;
}

enum rc answer_ask(struct zonedb *db, const char *address, struct answer *out, struct why *why)
{
	struct taking taking = {.rules = lookup_rules_default()};
	struct answer answer = {.verdict = ANSWER_DEFER};
	enum rc rc = zonedb_present(db) ? zonedb_params(db, take_param, &taking, why) : RC_OK;
	if (rc == RC_OK)
		rc = lookup_parse(address, strlen(address), &taking.rules, &answer.lookup, why);
	if (rc == RC_OK && zonedb_present(db))
		rc = find_all(db, &answer, why);
	if (rc != RC_OK)
		return rc;
	answer.delimiter_known = taking.delimiter;
	if (zonedb_present(db))
		answer.verdict = !answer.listed ? ANSWER_FOREIGN : answer.lookup.bar != LOOKUP_OPEN ||
		                 answer_found(&answer) == LOOKUP_KEYS_MAX ? ANSWER_REFUSE : ANSWER_ACCEPT;
	*out = answer;
	return RC_OK;
}

size_t answer_found(const struct answer *answer)
{
	for (size_t i = 0; i < answer->lookup.count; i++)
		if (answer->keys[i].found)
			return i;
	return LOOKUP_KEYS_MAX;
}

static void say_accepted(const struct answer *answer, struct why *out)
{
	size_t found = answer_found(answer);
	const struct address *key = &answer->lookup.keys[found];
	if (key->kind == ADDRESS_CATCHALL)
		(void)why_set(out, RC_OK, "everybody in %s is accepted: %s is listed", key->text + 1, key->text);
	else
		(void)why_set(out, RC_OK, "%s is listed%s", key->text, found > 0 ? ", and what follows it is an extension" : "");
}

/* A delimiter could be in it. */
static bool could_be_cut(const struct answer *answer)
{
	const struct address *key = &answer->lookup.keys[0];
	for (size_t i = 1; i < key->at; i++)
		if (!isalnum((unsigned char)key->text[i]) && key->text[i] != '.')
			return true;
	return false;
}

static void say_refused(const struct answer *answer, struct why *out)
{
	if (answer->lookup.bar == LOOKUP_DASHED)
		(void)why_set(out, RC_OK, "its local part begins with a -: with allow_min_user off that is no address to Postfix");
	else if (answer->lookup.bar == LOOKUP_ROUTED)
		(void)why_set(out, RC_OK, "its local part has a %%, ! or @ in it: unless allow_untrusted_routing is on there, a "
		              "backup doesn't relay that");
	else if (answer->delimiter_known || !could_be_cut(answer))
		(void)why_set(out, RC_OK, "none of the keys that smtpd asks for is listed");
	else
		(void)why_set(out, RC_OK, "none of the keys that smtpd asks for is listed; the zone doesn't say what "
		              "recipient_delimiter is: a backup that has one also asks for the address without its extension");
}

void answer_sentence(const struct answer *answer, char out[WHY_MAX])
{
	struct why sentence;
	switch (answer->verdict) {
	case ANSWER_ACCEPT:
		say_accepted(answer, &sentence);
		break;
	case ANSWER_REFUSE:
		say_refused(answer, &sentence);
		break;
	case ANSWER_DEFER:
		(void)why_set(&sentence, RC_OK, "there is no complete set of records yet");
		break;
	case ANSWER_FOREIGN:
		(void)why_set(&sentence, RC_OK, "the zone doesn't have the domain %s", lookup_domain(&answer->lookup));
		break;
	}
	memcpy(out, sentence.text, WHY_MAX);
}

/* ---- JSON ---- */

static json_t *bytes_json(const char *text, size_t length)
{
	char *copy = mem_strndup(text, length);
	json_t *json = status_json_text(copy);
	free(copy);
	return json;
}

static bool put_param(void *context, const struct record *param)
{
	char name[RECORD_KEY_MAX + 1];
	memcpy(name, param->key, param->key_length);
	name[param->key_length] = '\0';
	why_clean(name);
	json_object_set_new(context, name, bytes_json(param->value, param->value_length));
	return true;
}

static json_t *lookups_json(const struct answer *answer)
{
	json_t *lookups = json_array();
	for (size_t i = 0; i < answer->lookup.count; i++) {
		json_t *lookup = json_object();
		json_object_set_new(lookup, "key", status_json_text(answer->lookup.keys[i].text));
		json_object_set_new(lookup, "found", json_boolean(answer->keys[i].found));
		if (answer->keys[i].found)
			json_object_set_new(lookup, "since", status_json_number(answer->keys[i].since));
		json_array_append_new(lookups, lookup);
	}
	return lookups;
}

json_t *answer_json(const struct answer *answer, const char *zone, struct zonedb *db, const char *sentence)
{
	const struct store_meta *meta = zonedb_present(db) ? zonedb_meta(db) : NULL;
	json_t *json = json_object(), *domain = json_object(), *params = json_object();
	json_object_set_new(json, "zone", status_json_text(zone));
	json_object_set_new(json, "serial", status_json_number(meta ? meta->serial : 0));
	json_object_set_new(json, "epoch", meta ? status_json_epoch(&meta->epoch) : json_string(""));
	json_object_set_new(json, "verdict", json_string(names[answer->verdict]));
	json_object_set_new(json, "sentence", status_json_text(sentence));
	json_object_set_new(domain, "key", status_json_text(lookup_domain(&answer->lookup)));
	json_object_set_new(domain, "listed", json_boolean(answer->listed));
	if (answer->listed)
		json_object_set_new(domain, "since", status_json_number(answer->domain_since));
	json_object_set_new(json, "domain", domain);
	if (meta)
		(void)zonedb_params(db, put_param, params, NULL);
	json_object_set_new(json, "params", params);
	json_object_set_new(json, "lookups", lookups_json(answer));
	return json;
}

static enum answer_verdict verdict_of(const json_t *zone)
{
	const char *name = json_string_value(json_object_get(zone, "verdict"));
	enum answer_verdict verdict = ANSWER_FOREIGN;
	while (strcmp(names[verdict], name) != 0)
		verdict++;
	return verdict;
}

enum rc answer_print(const char *program, const char *address, json_t *zones, struct buf *out, struct why *why)
{
	const struct lookup_rules rules = lookup_rules_default();
	struct lookup lookup;
	enum rc rc = lookup_parse(address, strlen(address), &rules, &lookup, why);
	if (rc != RC_OK)
		return rc;
	const json_t *first = NULL;      /* of those that decide */
	size_t index;
	json_t *zone;
	json_array_foreach(zones, index, zone)
		if (!first || verdict_of(zone) > verdict_of(first))
			first = zone;
	json_t *asked = first ? json_object_get(json_array_get(json_object_get(first, "lookups"), 0), "key") : NULL;
	json_t *json = json_object();
	json_object_set_new(json, "program", json_string(program));
	json_object_set_new(json, "address", status_json_text(address));
	json_object_set_new(json, "asked", asked ? json_incref(asked) : status_json_text(lookup.keys[0].text));
	json_object_set_new(json, "verdict", json_string(names[first ? verdict_of(first) : ANSWER_FOREIGN]));
	json_object_set(json, "sentence", first ? json_object_get(first, "sentence") : NULL);
	if (!first)
		json_object_set_new(json, "sentence", json_string("there is no zone here"));
	json_object_set(json, "zones", zones);
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (!text)
		mem_exhausted();
	buf_printf(out, "%s\n", text);
	free(text);
	return RC_OK;
}
