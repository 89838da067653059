/* status.c: see status.h.
 *
 * A backup that isn't connected is a warning here: its own table stands, but nobody knows how old it is. What a backup
 * says of its own health counts as it says it. */
#include "config.h"

#include "master/status.h"

#include "common/mem.h"
#include "common/status_json.h"
#include "master/rollover_status.h"
#include "protocol/message.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const health_names[] = {"ok", "warning", "critical"};

static json_t *kind_text(const struct source_spec *spec)
{
	return json_sprintf("%s%s", spec->kind == SOURCE_ALIASES ? "aliases " : spec->kind == SOURCE_COMMAND ? "command " :
	                    spec->kind == SOURCE_POSTFIX ? "Postfix in " : "", spec->text);
}

static json_t *source_json(const struct source *source)
{
	const struct source_spec *spec = source_spec(source);
	struct source_status status = source_status(source);
	const char *state = status.state == SOURCE_FAILED ? "failed" : status.reading ? "reading" :
	                    status.state == SOURCE_OK ? "ok" : "waiting";
	json_t *json = json_object();
	json_object_set_new(json, "name", json_string(spec->name));
	json_t *kind = kind_text(spec);
	json_object_set_new(json, "kind", kind ? kind : json_string("(not UTF-8)"));
	json_object_set_new(json, "state", json_string(state));
	json_object_set_new(json, "records", status_json_number(status.records));
	json_object_set_new(json, "skipped", status_json_number(status.tally.unqualified + status.tally.filtered + status.tally.invalid));
	json_object_set_new(json, "read", json_integer(status.read.ms));
	json_object_set_new(json, "error", json_string(status.error));
	json_object_set_new(json, "note", json_string(status.note));
	return json;
}

static json_t *zone_json(struct zone *zone)
{
	struct zone_status status;
	struct soa soa = {.serial = 0};
	bool published = zone_soa(zone, &soa);
	zone_status(zone, &status);
	json_t *json = json_object();
	json_object_set_new(json, "name", json_string(zone_spec(zone)->name));
	json_object_set_new(json, "health", json_string(health_names[status.health]));
	json_object_set_new(json, "reason", json_string(status.reason));
	json_object_set_new(json, "serial", status_json_number(soa.serial));
	json_object_set_new(json, "epoch", published ? status_json_epoch(&soa.epoch) : json_string(""));
	json_object_set_new(json, "epoch_began", json_integer(soa.epoch.began.ms));
	json_object_set_new(json, "records", status_json_number(soa.count));
	json_object_set_new(json, "recipients", status_json_number(status.recipients));
	json_object_set_new(json, "domains", status_json_number(status.domains));
	json_object_set_new(json, "changed", json_integer(status.changed.ms));
	json_object_set_new(json, "digest", published ? status_json_digest(&soa.digest) : json_string(""));
	json_object_set_new(json, "held_deletions", status_json_number(status.held_deletions));
	json_t *sources = json_array();
	for (size_t i = 0; i < zone_source_count(zone); i++)
		json_array_append_new(sources, source_json(zone_source(zone, i)));
	json_object_set_new(json, "sources", sources);
	return json;
}

/* ---- Replicas ---- */

static uint64_t published_serial(const struct status_facts *facts, const char *name)
{
	struct soa soa;
	for (size_t i = 0; i < facts->zone_count; i++)
		if (strcmp(zone_spec(facts->zones[i])->name, name) == 0 && zone_soa(facts->zones[i], &soa))
			return soa.serial;
	return 0;
}

static int replica_zone_health(const struct publisher_zone_status *status, const char **reason)
{
	if (!status->known) {
		*reason = "it hasn't told yet what it has";
		return HEALTH_WARNING;
	}
	*reason = status->reason ? status->reason : "";
	return status->health < HEALTH_OK || status->health > HEALTH_CRITICAL ? HEALTH_WARNING : status->health;
}

static json_t *replica_zone_json(const struct status_facts *facts, const struct publisher_zone_status *status)
{
	const char *reason;
	int health = replica_zone_health(status, &reason);
	uint64_t published = published_serial(facts, status->zone);
	uint64_t served = status->known && status->same_epoch ? status->served : 0;
	json_t *json = json_object();
	json_object_set_new(json, "name", json_string(status->zone));
	json_object_set_new(json, "serial", status_json_number(status->serial));
	json_object_set_new(json, "served", status_json_number(status->served));
	json_object_set_new(json, "lag", status_json_number(published > served ? published - served : 0));
	json_object_set_new(json, "health", json_string(health_names[health]));
	json_object_set_new(json, "reason", json_string(reason));
	return json;
}

static json_t *replica_json(const struct status_facts *facts, size_t index)
{
	static const char *const states[] = {
		[REPLICA_NEVER] = "never", [REPLICA_CONNECTED] = "connected", [REPLICA_LOST] = "lost",
	};
	struct publisher_replica_status status;
	char key[PUBKEY_TEXT_MAX];
	publisher_replica_status(facts->publisher, index, &status);
	pubkey_format(status.key, key);
	json_t *json = json_object();
	json_object_set_new(json, "name", json_string(status.name));
	json_object_set_new(json, "key", json_string(key));
	json_object_set_new(json, "state", json_string(states[status.state]));
	json_object_set_new(json, "software", json_string(status.software));
	json_object_set_new(json, "last_contact", json_integer(status.last_contact.ms));
	json_object_set_new(json, "next_key", json_string(rollover_status_of(facts, index)));
	json_t *zones = json_array();
	for (size_t i = 0; i < publisher_zone_count(facts->publisher, index); i++) {
		struct publisher_zone_status zone;
		publisher_zone_status(facts->publisher, index, i, &zone);
		json_array_append_new(zones, replica_zone_json(facts, &zone));
	}
	json_object_set_new(json, "zones", zones);
	return json;
}

/* ---- The whole ---- */

struct worst {
	int health;
	char *text;          /* of the first of the worst */
};

static void consider(struct worst *worst, int health, char *text)
{
	if (health > worst->health) {
		free(worst->text);
		worst->health = health;
		worst->text = text;
	} else {
		free(text);
	}
}

static void consider_replica(const struct status_facts *facts, size_t index, struct worst *worst)
{
	struct publisher_replica_status status;
	publisher_replica_status(facts->publisher, index, &status);
	if (status.state != REPLICA_CONNECTED) {
		consider(worst, HEALTH_WARNING, mem_sprintf("replica \"%s\" %s", status.name, status.state == REPLICA_NEVER ?
		         "hasn't connected since this daemon was started" : "isn't connected any more"));
		return;
	}
	for (size_t i = 0; i < publisher_zone_count(facts->publisher, index); i++) {
		struct publisher_zone_status zone;
		const char *reason;
		publisher_zone_status(facts->publisher, index, i, &zone);
		int health = replica_zone_health(&zone, &reason);
		consider(worst, health, mem_sprintf("replica \"%s\": zone \"%s\": %s", status.name, zone.zone, reason));
	}
}

int status_summary(const struct status_facts *facts, char out[WHY_MAX])
{
	struct worst worst = {HEALTH_OK, NULL};
	uint64_t recipients = 0;
	size_t connected = 0;
	size_t replicas = publisher_replica_count(facts->publisher);
	for (size_t i = 0; i < facts->zone_count; i++) {
		struct zone_status status;
		zone_status(facts->zones[i], &status);
		recipients += status.recipients;
		consider(&worst, (int)status.health, mem_sprintf("zone \"%s\": %s", zone_spec(facts->zones[i])->name, status.reason));
	}
	if (rollover_trouble(facts->rollover)[0])
		consider(&worst, HEALTH_WARNING, mem_sprintf("%s", rollover_trouble(facts->rollover)));
	for (size_t i = 0; i < replicas; i++) {
		struct publisher_replica_status status;
		publisher_replica_status(facts->publisher, i, &status);
		connected += status.state == REPLICA_CONNECTED;
		consider_replica(facts, i, &worst);
	}
	struct why sentence;
	if (worst.text)
		(void)why_set(&sentence, RC_OK, "%s", worst.text);
	else
		(void)why_set(&sentence, RC_OK, "%" PRIu64 " recipient%s in %zu zone%s, %zu of %zu replica%s connected", recipients,
		              recipients == 1 ? "" : "s", facts->zone_count, facts->zone_count == 1 ? "" : "s", connected, replicas,
		              replicas == 1 ? "" : "s");
	memcpy(out, sentence.text, WHY_MAX);
	free(worst.text);
	return worst.health;
}

static json_t *listen_json(const struct status_facts *facts)
{
	json_t *json = json_array();
	for (size_t i = 0; i < facts->endpoint_count; i++)
		json_array_append_new(json, json_string(link_server_endpoint(facts->link, i)));
	return json;
}

static json_t *refused_json(const struct status_facts *facts)
{
	struct link_server_counts counts = link_server_counts(facts->link);
	const struct refusals *refusals = facts->refusals;
	char key[PUBKEY_TEXT_MAX] = "";
	if (refusals->count > 0)
		pubkey_format(&refusals->key, key);
	json_t *json = json_object();
	json_object_set_new(json, "keys", status_json_number(refusals->count));
	json_object_set_new(json, "last_key", json_string(key));
	json_object_set_new(json, "last_address", json_string(refusals->address));
	json_object_set_new(json, "last_time", json_integer(refusals->time.ms));
	json_object_set_new(json, "handshakes", status_json_number(counts.failed));
	json_object_set_new(json, "messages", status_json_number(publisher_refused(facts->publisher)));
	return json;
}

static json_t *next_key_json(const struct status_facts *facts)
{
	const struct handover *word = rollover_word(facts->rollover);
	const struct rollover_count count = rollover_status_count(facts);
	char key[PUBKEY_TEXT_MAX] = "";
	if (word->announced)
		pubkey_format(&word->next, key);
	json_t *json = json_object();
	json_object_set_new(json, "key", json_string(key));
	json_object_set_new(json, "announced", json_integer(word->announced ? word->time.ms : 0));
	json_object_set_new(json, "kept", status_json_number(word->announced ? count.kept : 0));
	json_object_set_new(json, "replicas", status_json_number(count.replicas));
	json_object_set_new(json, "error", status_json_text(rollover_trouble(facts->rollover)));
	return json;
}

void status_json(const struct status_facts *facts, struct buf *out)
{
	char summary[WHY_MAX];
	char key[PUBKEY_TEXT_MAX];
	int health = status_summary(facts, summary);
	pubkey_format(identity_public(facts->identity), key);
	json_t *json = json_object();
	json_object_set_new(json, "program", json_string("rxfer-master"));
	json_object_set_new(json, "version", json_string(PACKAGE_VERSION));
	json_object_set_new(json, "health", json_string(health_names[health]));
	json_object_set_new(json, "summary", json_string(summary));
	json_object_set_new(json, "now", json_integer(clock_wall().ms));
	json_object_set_new(json, "key", json_string(key));
	json_object_set_new(json, "next_key", next_key_json(facts));
	json_object_set_new(json, "listen", listen_json(facts));
	json_t *zones = json_array();
	for (size_t i = 0; i < facts->zone_count; i++)
		json_array_append_new(zones, zone_json(facts->zones[i]));
	json_object_set_new(json, "zones", zones);
	json_t *replicas = json_array();
	for (size_t i = 0; i < publisher_replica_count(facts->publisher); i++)
		json_array_append_new(replicas, replica_json(facts, i));
	json_object_set_new(json, "replicas", replicas);
	json_object_set_new(json, "refused", refused_json(facts));
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (!text)
		mem_exhausted();
	buf_printf(out, "%s\n", text);
	free(text);
}
