/* replica_status.c: see replica_status.h.
 *
 * A master that can't be reached is no fault of this host, and what a backup is for: the zones' freshness says when it
 * becomes one. A master that refuses us, or has another key, won't get better by waiting: that is a warning at once. */
#include "config.h"

#include "replica/replica_status.h"

#include "common/mem.h"
#include "common/status_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const health_names[] = {
	[HEALTH_OK] = "ok", [HEALTH_WARNING] = "warning", [HEALTH_CRITICAL] = "critical",
};

static json_t *key_json(const struct pubkey *key)
{
	char text[PUBKEY_TEXT_MAX] = "";
	if (key)
		pubkey_format(key, text);
	return json_string(text);
}

static json_t *master_json(const struct master *master, const struct trust *trust)
{
	const struct master_spec *spec = master_spec(master);
	struct trust_status keys = trust_status(trust);
	struct master_status status = master_status(master);
	json_t *json = json_object();
	json_object_set_new(json, "name", status_json_text(spec->name));
	json_object_set_new(json, "connect", status_json_text(spec->connect));
	json_object_set_new(json, "state", json_string(status.state));
	json_object_set_new(json, "since", json_integer(status.since.ms));
	json_object_set_new(json, "error", status_json_text(status.error));
	json_object_set_new(json, "new_key", key_json(keys.changed));
	json_object_set_new(json, "next_key", key_json(keys.announced ? &keys.announced->next : NULL));
	json_object_set_new(json, "keys_error", status_json_text(trust_trouble(trust)));
	return json;
}

static json_t *zone_json(const struct replica *replica, size_t index)
{
	struct session_status status;
	session_status(replica->sessions[index], &status);
	json_t *json = json_object();
	json_object_set_new(json, "name", status_json_text(replica->conf->zones[index].session.name));
	json_object_set_new(json, "master", status_json_text(replica->conf->zones[index].master));
	json_object_set_new(json, "health", json_string(health_names[status.health]));
	json_object_set_new(json, "reason", status_json_text(status.reason));
	json_object_set_new(json, "freshness", json_string(freshness_name(status.freshness)));
	json_object_set_new(json, "state", json_string(refresh_state_name(status.state)));
	json_object_set_new(json, "serial", status_json_number(status.serial));
	json_t *epoch = status.present ? status_json_epoch(&status.epoch) : json_string("");
	json_object_set_new(json, "epoch", epoch);
	json_object_set_new(json, "digest", status.present ? status_json_digest(&status.digest) : json_string(""));
	json_object_set_new(json, "records", status_json_number(status.records));
	json_object_set_new(json, "recipients", status_json_number(status.tally.recipients));
	json_object_set_new(json, "domains", status_json_number(status.tally.domains));
	json_object_set_new(json, "announced", json_integer(status.announced.ms));
	json_object_set_new(json, "received", json_integer(status.received.ms));
	json_object_set_new(json, "refused_records", status_json_number(status.tally.refused));
	json_object_set_new(json, "transfer_done", status_json_number(status.transfer_done));
	json_object_set_new(json, "transfer_total", status_json_number(status.transfer_total));
	json_object_set_new(json, "error", status_json_text(status.error));
	return json;
}

static json_t *table_json(const struct table *table)
{
	const struct table_spec *spec = table_spec(table);
	struct table_status status = table_status(table);
	char *line = table_main_cf(spec);
	json_t *json = json_object();
	json_object_set_new(json, "name", status_json_text(spec->name));
	json_object_set_new(json, "holds", json_string(table_holds_name(spec->holds)));
	json_object_set_new(json, "type", json_string(spec->type->name));
	json_object_set_new(json, "path", status_json_text(spec->path));
	json_object_set_new(json, "records", status_json_number(status.records));
	json_object_set_new(json, "written", json_integer(status.written.ms));
	json_object_set_new(json, "state", json_string(table_state_name(status.state)));
	json_object_set_new(json, "error", status_json_text(status.error));
	json_object_set_new(json, "main_cf", status_json_text(line));
	free(line);
	return json;
}

static json_t *finding_json(const struct finding *finding)
{
	json_t *json = json_object();
	json_object_set_new(json, "severity", json_string(finding->warning ? "warning" : "hint"));
	json_object_set_new(json, "sentence", status_json_text(finding->sentence));
	json_object_set_new(json, "mend", status_json_text(finding->mend));
	return json;
}

static json_t *postfix_json(const struct lookout *lookout)
{
	struct lookout_status status = lookout_status(lookout);
	json_t *json = json_object(), *findings = json_array();
	json_object_set_new(json, "config_directory", status_json_text(status.config));
	json_object_set_new(json, "looked_at", json_integer(status.looked.ms));
	json_object_set_new(json, "error", status_json_text(status.error));
	for (size_t i = 0; i < status.findings->count; i++)
		json_array_append_new(findings, finding_json(&status.findings->at[i]));
	json_object_set_new(json, "findings", findings);
	return json;
}

/* ---- in one line ---- */

static bool worse(enum message_health *health, enum message_health other)
{
	if (other <= *health)
		return false;
	*health = other;
	return true;
}

static void judge_postfix(const struct lookout *lookout, enum message_health *health, struct why *line)
{
	struct lookout_status status = lookout_status(lookout);
	size_t warnings = findings_warnings(status.findings), first = 0;
	if ((status.error[0] == '\0' && warnings == 0) || !worse(health, HEALTH_WARNING))
		return;
	while (first < status.findings->count && !status.findings->at[first].warning)
		first++;
	if (warnings == 0)
		(void)why_set(line, RC_OK, "%s", status.error);
	else if (warnings == 1)
		(void)why_set(line, RC_OK, "Postfix: %s", status.findings->at[first].sentence);
	else
		(void)why_set(line, RC_OK, "Postfix: %s; and %zu more", status.findings->at[first].sentence, warnings - 1);
}

enum message_health replica_status_summary(const struct replica *replica, char out[WHY_MAX])
{
	enum message_health health = HEALTH_OK;
	uint64_t recipients = 0;
	struct why line;
	for (size_t i = 0; i < replica->conf->zone_count; i++) {
		struct session_status status;
		session_status(replica->sessions[i], &status);
		recipients += status.tally.recipients;
		if (worse(&health, status.health))
			(void)why_set(&line, RC_OK, "zone \"%s\": %s", session_name(replica->sessions[i]), status.reason);
	}
	for (size_t i = 0; i < replica->conf->table_count; i++) {
		struct table_status status = table_status(replica->tables[i]);
		if (status.state != TABLE_OK && worse(&health, HEALTH_CRITICAL))
			(void)why_set(&line, RC_OK, "table \"%s\": %s", table_spec(replica->tables[i])->name, status.error);
	}
	for (size_t i = 0; i < replica->conf->master_count; i++) {
		struct master_status status = master_status(replica->masters[i]);
		if (status.hopeless && worse(&health, HEALTH_WARNING))
			(void)why_set(&line, RC_OK, "master \"%s\": %s", master_spec(replica->masters[i])->name, status.error);
		const char *trouble = trust_trouble(replica->trusts[i]);
		if (trouble[0] && worse(&health, HEALTH_WARNING))
			(void)why_set(&line, RC_OK, "master \"%s\": %s", master_spec(replica->masters[i])->name, trouble);
	}
	if (replica->lookout)
		judge_postfix(replica->lookout, &health, &line);
	if (health == HEALTH_OK)
		(void)why_set(&line, RC_OK, "%zu zone%s fresh, %" PRIu64 " recipients, %zu table%s right",
		              replica->conf->zone_count, replica->conf->zone_count == 1 ? "" : "s", recipients,
		              replica->conf->table_count, replica->conf->table_count == 1 ? "" : "s");
	memcpy(out, line.text, WHY_MAX);
	return health;
}

static json_t *refused_json(const struct replica *replica)
{
	json_t *json = json_object();
	json_object_set_new(json, "messages", status_json_number(replica->refused));
	json_object_set_new(json, "last", status_json_text(replica->last_refused.text));
	return json;
}

void replica_status_json(const struct replica *replica, struct buf *out)
{
	char key[PUBKEY_TEXT_MAX], summary[WHY_MAX];
	enum message_health health = replica_status_summary(replica, summary);
	pubkey_format(identity_public(replica->identity), key);
	json_t *json = json_object();
	json_object_set_new(json, "program", json_string("rxfer-replica"));
	json_object_set_new(json, "version", json_string(PACKAGE_VERSION));
	json_object_set_new(json, "health", json_string(health_names[health]));
	json_object_set_new(json, "summary", status_json_text(summary));
	json_object_set_new(json, "now", json_integer(clock_wall().ms));
	json_object_set_new(json, "key", json_string(key));
	json_t *masters = json_array(), *zones = json_array(), *tables = json_array();
	for (size_t i = 0; i < replica->conf->master_count; i++)
		json_array_append_new(masters, master_json(replica->masters[i], replica->trusts[i]));
	for (size_t i = 0; i < replica->conf->zone_count; i++)
		json_array_append_new(zones, zone_json(replica, i));
	for (size_t i = 0; i < replica->conf->table_count; i++)
		json_array_append_new(tables, table_json(replica->tables[i]));
	json_object_set_new(json, "masters", masters);
	json_object_set_new(json, "zones", zones);
	json_object_set_new(json, "tables", tables);
	if (replica->lookout)
		json_object_set_new(json, "postfix", postfix_json(replica->lookout));
	json_object_set_new(json, "refused", refused_json(replica));
	char *line = json_dumps(json, JSON_COMPACT);
	if (!line)
		mem_exhausted();
	buf_put(out, line, strlen(line));
	buf_put(out, "\n", 1);
	free(line);
	json_decref(json);
}
