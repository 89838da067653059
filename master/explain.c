/* explain.c: see explain.h. */
#include "master/explain.h"

#include "common/mem.h"
#include "postfix/answer.h"

#include <stdlib.h>
#include <string.h>

#define ADDRESS_SHOWN 100      /* of one that is none */

struct explain {
	struct loop *loop;
};

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

static json_t *zone_json(const struct status_facts *facts, struct zone *zone, const struct answer *answer)
{
	char sentence[WHY_MAX];
	answer_sentence(answer, sentence);
	json_t *json = answer_json(answer, zone_spec(zone)->name, zone_db(zone), sentence);
	put_class(zone, answer, json);
	put_held(zone, answer, json);
	json_object_set_new(json, "replicas", replicas_json(facts, zone, answer));
	return json;
}

/* ---- Asking ---- */

struct explain *explain_new(struct loop *loop)
{
	struct explain *explain = mem_zalloc(sizeof *explain);
	explain->loop = loop;
	return explain;
}

void explain_free(struct explain **explain)
{
	free(*explain);
	*explain = NULL;
}

void explain_finish(struct explain *explain)
{
	(void)explain;
}

void explain_request(struct explain *explain, const struct status_facts *facts, struct control_request *request)
{
	const char *address = control_word(request, 1), *word = control_word(request, 2);
	if (!address || (word && strcmp(word, "brief") != 0)) {
		control_refuse(request, "explain: say one address");
		return;
	}
	struct buf out = {0};
	struct why why;
	json_t *zones = json_array();
	enum rc rc = RC_OK;
	for (size_t i = 0; rc == RC_OK && i < facts->zone_count; i++) {
		struct answer answer;
		rc = answer_ask(zone_db(facts->zones[i]), address, &answer, &why);
		if (rc == RC_OK)
			json_array_append_new(zones, zone_json(facts, facts->zones[i], &answer));
	}
	if (rc == RC_OK)
		rc = answer_print("rxfer-master", address, zones, &out, &why);
	if (rc == RC_OK)
		control_reply(request, buf_text(&out), out.length);
	else
		control_refuse(request, "%.*s: %s", ADDRESS_SHOWN, address, why.text);
	(void)explain;
	json_decref(zones);
	buf_free(&out);
}
