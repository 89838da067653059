/* explain_zone.c: see explain_zone.h.
 *
 * A published address: the sources that have it, by their last good reading, are read again, and those that haven't
 * been read at all. One that isn't published: all sources, since one may have it by now, or have it and not be let. */
#include "master/explain_zone.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- What is known without reading ---- */

static const char *class_words(enum postfix_class class)
{
	static const char *const words[] = {"local", "virtual alias", "virtual mailbox", "relay"};
	return words[class];
}

/* What the zone's Postfix accepts; NULL: it isn't made of one. */
static const struct postfix_plan *plan_of(const struct zone *zone)
{
	const struct zone_spec *spec = zone_spec(zone);
	return spec->source_count > 0 && spec->sources[0].kind == SOURCE_POSTFIX ? spec->sources[0].rule.plan : NULL;
}

static void put_class(const struct zone *zone, const struct answer *answer, json_t *json)
{
	const struct postfix_plan *plan = plan_of(zone);
	enum postfix_class class =
		plan ? postfix_domains_class(&plan->domains, lookup_domain(&answer->lookup)) : POSTFIX_NONE;
	if (class != POSTFIX_NONE)
		json_object_set_new(json_object_get(json, "domain"), "class", json_string(class_words(class)));
}

static void put_held(const struct zone *zone, const struct answer *answer, json_t *json)
{
	for (size_t i = 0; i < answer->lookup.count; i++) {
		const struct address *key = &answer->lookup.keys[i];
		struct record record = record_make(RECORD_RCPT, key->text, key->length);
		struct why reason;
		if (answer->keys[i].found && zone_held(zone, &record, &reason))
			json_object_set_new(json_array_get(json_object_get(json, "lookups"), i), "held", json_string(reason.text));
	}
}

/* The serial from which on a backup's verdict is this one. */
static uint64_t since_when(const struct answer *answer)
{
	uint64_t since = answer->domain_since, key = UINT64_MAX;
	for (size_t i = 0; i < answer->lookup.count; i++)
		if (answer->keys[i].found && answer->keys[i].since < key)
			key = answer->keys[i].since;
	return key > since && key != UINT64_MAX ? key : since;
}

static json_t *has_json(const struct answer *answer, uint64_t serial, const struct publisher_zone_status *status)
{
	if (!status->known || !status->same_epoch)
		return json_null();
	if (answer->verdict == ANSWER_ACCEPT)
		return json_boolean(status->served >= since_when(answer));
	/* What was deleted when isn't known. */
	return status->served == serial ? json_true() : json_null();
}

static json_t *replicas_json(const struct status_facts *facts, struct zone *zone, const struct answer *answer)
{
	struct soa soa;
	json_t *replicas = json_array();
	bool published = zone_soa(zone, &soa);
	for (size_t i = 0; published && i < publisher_replica_count(facts->publisher); i++) {
		struct publisher_replica_status replica;
		publisher_replica_status(facts->publisher, i, &replica);
		for (size_t j = 0; j < publisher_zone_count(facts->publisher, i); j++) {
			struct publisher_zone_status status;
			publisher_zone_status(facts->publisher, i, j, &status);
			if (strcmp(status.zone, zone_spec(zone)->name) != 0)
				continue;
			json_t *json = json_object();
			json_object_set_new(json, "replica", status_json_text(replica.name));
			json_object_set_new(json, "serial", status_json_number(status.same_epoch ? status.served : 0));
			json_object_set_new(json, "has", has_json(answer, soa.serial, &status));
			json_array_append_new(replicas, json);
		}
	}
	return replicas;
}

/* ---- What the Postfix itself accepts ---- */

/* Why everybody in the domain is accepted, in the plan's own words; NULL: it doesn't say. */
static const char *find_opening(const struct postfix_plan *plan, enum postfix_class class)
{
	static const char *const tables[] = {"local_recipient_maps", NULL, "virtual_mailbox_maps", "relay_recipient_maps"};
	for (size_t i = 0; i < plan->notes.count; i++) {
		const char *note = plan->notes.at[i].name;
		bool all = strncmp(note, "this smtpd", 10) == 0 || strncmp(note, "canonical_maps", 14) == 0 ||
		           strncmp(note, "recipient_canonical_maps", 24) == 0 || strncmp(note, "virtual_alias_maps", 18) == 0;
		bool own = class != POSTFIX_NONE && tables[class] && strncmp(note, tables[class], strlen(tables[class])) == 0;
		if ((all || own) && strstr(note, "every recipient in"))
			return note;
	}
	return NULL;
}

static void say_planned(const struct postfix_plan *plan, const struct address *key, struct why *sentence)
{
	enum postfix_class class = postfix_domains_class(&plan->domains, address_domain(key));
	const char *opening = key->kind == ADDRESS_CATCHALL ? find_opening(plan, class) : NULL;
	bool always = class == POSTFIX_LOCAL && key->kind == ADDRESS_FULL;
	if (opening)
		(void)why_set(sentence, RC_OK, "%s", opening);
	else if (key->kind == ADDRESS_CATCHALL)
		(void)why_set(sentence, RC_OK, "nobody in %s is refused: its recipients aren't looked up, or are put off (retry:)",
		              key->text + 1);
	else if (always)
		(void)why_set(sentence, RC_OK, "always valid: smtpd doesn't look it up");
	else
		(void)why_set(sentence, RC_OK, "valid without standing in a table");
}

static json_t *place_json(const struct source_spec *source, const char *state, const char *sentence)
{
	char *map, *file;
	bool postfix = source->kind == SOURCE_POSTFIX;
	probe_names(source, &map, &file);
	char *main_cf = mem_sprintf("%s/main.cf", postfix ? source->postfix->config : "");
	json_t *json = json_object();
	json_object_set_new(json, "source", status_json_text(source->name));
	json_object_set_new(json, "map", status_json_text(postfix ? "" : map));
	json_object_set_new(json, "file", status_json_text(postfix ? main_cf : file));
	json_object_set_new(json, "line", json_integer(0));
	json_object_set_new(json, "key", json_string(""));
	json_object_set_new(json, "state", json_string(state));
	json_object_set_new(json, "sentence", status_json_text(sentence));
	free(main_cf);
	free(map);
	free(file);
	return json;
}

static void put_place(struct explain_zone *explain, size_t lookup, json_t *place)
{
	json_t *json = json_array_get(json_object_get(explain->json, "lookups"), lookup);
	json_t *places = json_object_get(json, "places");
	if (!places) {
		places = json_array();
		json_object_set_new(json, "places", places);
	}
	json_array_append_new(places, place);
}

static struct record recipient(const struct address *key)
{
	return record_make(RECORD_RCPT, key->text, key->length);
}

static void put_planned(struct explain_zone *explain)
{
	const struct postfix_plan *plan = plan_of(explain->zone);
	for (size_t i = 0; plan && i < explain->answer.lookup.count; i++) {
		const struct address *key = &explain->answer.lookup.keys[i];
		struct record record = recipient(key);
		struct why sentence;
		if (!explain->answer.keys[i].found || !zone_source_has(explain->zone, 0, &record))
			continue;
		say_planned(plan, key, &sentence);
		put_place(explain, i, place_json(&zone_spec(explain->zone)->sources[0], "there", sentence.text));
	}
}

/* ---- What is to be read ---- */

size_t explain_zone_wants(const struct explain_zone *explain, size_t index, struct address *keys, size_t *which)
{
	const struct answer *answer = &explain->answer;
	const struct postfix_plan *plan = plan_of(explain->zone);
	bool accepted = answer->verdict == ANSWER_ACCEPT;
	size_t count = 0;
	if (zone_spec(explain->zone)->sources[index].kind == SOURCE_POSTFIX || answer->lookup.bar != LOOKUP_OPEN)
		return 0;
	if (plan && postfix_domains_class(&plan->domains, lookup_domain(&answer->lookup)) == POSTFIX_NONE)
		return 0;
	for (size_t i = 0; i < answer->lookup.count; i++) {
		struct record record = recipient(&answer->lookup.keys[i]);
		if (accepted && (!answer->keys[i].found || !(zone_source_has(explain->zone, index, &record) ||
		                                             zone_source_unread(explain->zone, index))))
			continue;
		which[count] = i;
		keys[count++] = answer->lookup.keys[i];
	}
	return count;
}

/* ---- What was read ---- */

/* A source has it and it isn't published. */
static void say_unpublished(struct explain_zone *explain, size_t index, const struct address *key,
                            const struct probe_find *find)
{
	const struct zone *zone = explain->zone;
	const char *name = zone_spec(zone)->sources[index].name, *address = key->text;
	struct source_status source = source_status(zone_source(zone, index));
	struct zone_status status;
	zone_status(zone, &status);
	struct why *out = &explain->sentence;
	if (find->state <= explain->unpublished)
		return;
	explain->unpublished = find->state;
	if (find->state == PROBE_OTHER_CLASS)
		(void)why_set(out, RC_OK, "source \"%s\" has %s, but Postfix doesn't ask it about addresses of this class", name,
		              address);
	else if (find->state == PROBE_OTHER_DOMAIN)
		(void)why_set(out, RC_OK, "source \"%s\" has %s, but the zone's `domains` don't name %s", name, address,
		              address_domain(key));
	else if (find->state == PROBE_EXCLUDED)
		(void)why_set(out, RC_OK, "source \"%s\" has %s, but the zone's `exclude` names it", name, address);
	else if (find->state == PROBE_AWAY)
		(void)why_set(out, RC_OK, "source \"%s\" has %s, but transport_maps or relocated_maps take it away: Postfix refuses "
		              "it", name, address);
	else if (!zone_published(zone))
		(void)why_set(out, RC_OK, "source \"%s\" has %s, and nothing is published yet%s%s", name, address,
		              status.reason[0] ? ": " : "", status.reason);
	else if (status.health == ZONE_CRITICAL)
		(void)why_set(out, RC_OK, "source \"%s\" has %s now: %s", name, address, status.reason);
	else if (source.state == SOURCE_FAILED)
		(void)why_set(out, RC_OK, "source \"%s\" has %s now, but couldn't be read for the zone: %s", name, address,
		              source.error);
	else
		(void)why_set(out, RC_OK, "source \"%s\" has %s now: a change that %s", name, address, source.reading ?
		              "is about to be read" : "wasn't seen; it's read at the next poll, or by rxfer refresh");
}

static void say_unreadable(struct explain_zone *explain, size_t index, const char *error)
{
	if (explain->sentence.text[0] == '\0')
		(void)why_set(&explain->sentence, RC_OK, "source \"%s\" may have it, but can't be read: %s",
		              zone_spec(explain->zone)->sources[index].name, error);
}

static void take_find(struct explain_zone *explain, size_t index, size_t lookup, const struct probe_find *find)
{
	const struct source_spec *source = &zone_spec(explain->zone)->sources[index];
	const struct address *key = &explain->answer.lookup.keys[lookup];
	struct record record = recipient(key);
	bool published = explain->answer.keys[lookup].found;
	if (find->state == PROBE_THERE) {
		json_t *place = place_json(source, "there", find->key[0] ? "" : "always valid in a source of aliases");
		json_object_set_new(place, "line", status_json_number(find->line));
		json_object_set_new(place, "key", status_json_text(find->key));
		put_place(explain, lookup, place);
	} else if (published && zone_source_has(explain->zone, index, &record)) {
		put_place(explain, lookup, place_json(source, "gone", "it was there when it was last read for the zone"));
	}
	if (!published && find->state != PROBE_NOT_THERE)
		say_unpublished(explain, index, key, find);
}

void explain_zone_take(struct explain_zone *explain, size_t index, const struct probe_result *result,
                       const size_t *which, size_t count)
{
	const struct source_spec *source = &zone_spec(explain->zone)->sources[index];
	for (size_t i = 0; i < count; i++) {
		if (result->error[0] == '\0')
			take_find(explain, index, which[i], &result->finds[i]);
		else if (explain->answer.keys[which[i]].found)
			put_place(explain, which[i], place_json(source, "unreadable", result->error));
		else
			say_unreadable(explain, index, result->error);
	}
}

/* ---- Begin and end ---- */

/* What keeps the zone from saying anything at all. */
static void say_nothing(const struct zone *zone, char sentence[WHY_MAX])
{
	struct zone_status status;
	struct why why;
	zone_status(zone, &status);
	(void)why_set(&why, RC_OK, "%s", status.reason[0] ? status.reason : "nothing is published yet");
	memcpy(sentence, why.text, WHY_MAX);
}

/* Of an address that no source lists, because the plan takes it away. */
static void say_away(struct explain_zone *explain)
{
	const struct postfix_plan *plan = plan_of(explain->zone);
	const struct address *key = &explain->answer.lookup.keys[0];
	if (!plan || explain->answer.verdict != ANSWER_REFUSE || explain->sentence.text[0] != '\0')
		return;
	enum postfix_class class = postfix_domains_class(&plan->domains, address_domain(key));
	if (class != POSTFIX_NONE && postfix_away_any(&plan->away) && postfix_away_takes(&plan->away, key, class))
		(void)why_set(&explain->sentence, RC_OK, "whatever the tables have, transport_maps or relocated_maps take it away: "
		              "Postfix refuses it");
}

/* The domain is kept out by the configuration. */
static void say_filtered(struct explain_zone *explain)
{
	const struct zone_spec *spec = zone_spec(explain->zone);
	const struct keys_filter *filter = spec->source_count > 0 ? spec->sources[0].rule.filter : NULL;
	const char *domain = lookup_domain(&explain->answer.lookup);
	if (!filter || explain->answer.verdict != ANSWER_FOREIGN || explain->sentence.text[0] != '\0')
		return;
	for (size_t i = 0; i < filter->domain_count; i++)
		if (strcmp(filter->domains[i], domain) == 0)
			return;
	if (filter->domain_count > 0)
		(void)why_set(&explain->sentence, RC_OK, "the zone's `domains` don't name %s", domain);
}

enum rc explain_zone_begin(struct explain_zone *explain, const struct status_facts *facts, struct zone *zone,
                           const char *address, struct why *why)
{
	char sentence[WHY_MAX];
	*explain = (struct explain_zone){.zone = zone};
	enum rc rc = answer_ask(zone_db(zone), address, &explain->answer, why);
	if (rc != RC_OK)
		return rc;
	answer_sentence(&explain->answer, sentence);
	if (explain->answer.verdict == ANSWER_DEFER)
		say_nothing(zone, sentence);
	explain->json = answer_json(&explain->answer, zone_spec(zone)->name, zone_db(zone), sentence);
	put_class(zone, &explain->answer, explain->json);
	put_held(zone, &explain->answer, explain->json);
	put_planned(explain);
	json_object_set_new(explain->json, "replicas", replicas_json(facts, zone, &explain->answer));
	return RC_OK;
}

json_t *explain_zone_end(struct explain_zone *explain)
{
	json_t *json = explain->json;
	say_away(explain);
	say_filtered(explain);
	if (explain->sentence.text[0] != '\0')
		json_object_set_new(json, "not_published", status_json_text(explain->sentence.text));
	explain->json = NULL;
	return json;
}
