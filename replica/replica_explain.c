/* replica_explain.c: see replica_explain.h.
 *
 * The verdict is what this host's smtpd would say: of a zone's records only the domains that are allowed count, an
 * expired zone may be open for everybody, and without a table Postfix defers. */
#include "replica/replica_explain.h"

#include "common/mem.h"
#include "postfix/answer.h"

#include <stdlib.h>
#include <string.h>

#define ADDRESS_SHOWN 100      /* of one that is none */

/* What one zone says. */
struct zone_answer {
	const struct session *session;
	struct answer answer;
	bool allowed;                  /* its domain, here */
	bool open;                     /* for everybody there */
	char sentence[WHY_MAX];
};

static void judge(struct zone_answer *zone)
{
	struct answer *answer = &zone->answer;
	const char *domain = lookup_domain(&answer->lookup);
	struct record record = record_make(RECORD_DOMAIN, domain, strlen(domain));
	struct why why;
	zone->allowed = allow_has(session_allow(zone->session), &record);
	zone->open = answer->listed && zone->allowed && session_open(zone->session);
	answer_sentence(answer, zone->sentence);
	if (answer->verdict == ANSWER_DEFER) {
		(void)why_set(&why, RC_OK, "no complete set of records has been transferred yet");
	} else if (answer->listed && !zone->allowed) {
		answer->verdict = ANSWER_FOREIGN;
		(void)why_set(&why, RC_OK, "the zone has the domain %s, but this replica doesn't take it: `domains` of the zone in "
		              "replica.conf doesn't name it", domain);
	} else if (zone->open && answer->lookup.bar == LOOKUP_OPEN) {
		answer->verdict = ANSWER_ACCEPT;
		(void)why_set(&why, RC_OK, "the zone has expired, and on_expire is \"accept\": everybody in %s is accepted", domain);
	} else {
		return;
	}
	memcpy(zone->sentence, why.text, sizeof zone->sentence);
}

static bool is_fed_by(const struct replica *replica, size_t table, const struct session *session)
{
	return replica_table_has(&replica->conf->tables[table], session_name(session));
}

/* Postfix defers while a table of recipients isn't there, whatever it is going to hold. */
static void defer_without_table(const struct replica *replica, struct zone_answer *zone)
{
	for (size_t i = 0; i < replica->conf->table_count; i++) {
		const struct table *table = replica->tables[i];
		struct table_status status = table_status(table);
		if (table_spec(table)->holds != TABLE_RECIPIENTS || status.state != TABLE_ABSENT ||
		    !is_fed_by(replica, i, zone->session) || zone->answer.verdict == ANSWER_FOREIGN)
			continue;
		struct why why;
		(void)why_set(&why, RC_OK, "table \"%s\" isn't written%s%s", table_spec(table)->name, status.error[0] ? ": " : "",
		              status.error);
		zone->answer.verdict = ANSWER_DEFER;
		memcpy(zone->sentence, why.text, sizeof zone->sentence);
		return;
	}
}

/* ---- Tables ---- */

enum has { HAS_NOT, HAS, HAS_PERHAPS };

/* By what serial of the zone the file holds. */
static enum has zone_puts(const struct table *table, const struct zone_answer *zone)
{
	bool recipients = table_spec(table)->holds == TABLE_RECIPIENTS;
	const struct answer *answer = &zone->answer;
	struct zonedb *db = session_db(zone->session);
	struct epoch epoch;
	uint64_t served = 0;
	if (!zonedb_present(db) || !table_served(table, session_name(zone->session), &epoch, &served) ||
	    !epoch_equal(&epoch, &zonedb_meta(db)->epoch))
		return HAS_PERHAPS;
	if (!zone->allowed)
		return HAS_NOT;
	if (recipients && zone->open)
		return HAS;
	for (size_t i = 0; recipients && i < answer->lookup.count; i++)
		if (answer->keys[i].found && answer->keys[i].since <= served)
			return HAS;
	if (!recipients && answer->listed && answer->domain_since <= served)
		return HAS;
	return served == zonedb_meta(db)->serial ? HAS_NOT : HAS_PERHAPS;
}

static enum has table_holds_it(const struct replica *replica, size_t index, const struct zone_answer *zones)
{
	const struct table *table = replica->tables[index];
	struct table_status status = table_status(table);
	enum has has = status.state == TABLE_OK && status.error[0] == '\0' ? HAS_NOT : HAS_PERHAPS;
	if (status.state == TABLE_ABSENT)
		return HAS_NOT;
	for (size_t i = 0; i < replica->conf->zone_count; i++) {
		enum has one = is_fed_by(replica, index, zones[i].session) ? zone_puts(table, &zones[i]) : HAS_NOT;
		if (one == HAS)
			return HAS;
		if (one == HAS_PERHAPS)
			has = HAS_PERHAPS;
	}
	return has;
}

static json_t *tables_json(const struct replica *replica, const struct session *session,
                           const struct zone_answer *zones)
{
	json_t *tables = json_array();
	for (size_t i = 0; i < replica->conf->table_count; i++) {
		if (!is_fed_by(replica, i, session))
			continue;
		const struct table_spec *spec = table_spec(replica->tables[i]);
		struct table_status status = table_status(replica->tables[i]);
		enum has has = table_holds_it(replica, i, zones);
		json_t *json = json_object();
		json_object_set_new(json, "table", status_json_text(spec->name));
		json_object_set_new(json, "holds", json_string(table_holds_name(spec->holds)));
		json_object_set_new(json, "type", json_string(spec->type->name));
		json_object_set_new(json, "path", status_json_text(spec->path));
		json_object_set_new(json, "state", json_string(table_state_name(status.state)));
		json_object_set_new(json, "error", status_json_text(status.error));
		json_object_set_new(json, "has", has == HAS_PERHAPS ? json_null() : json_boolean(has == HAS));
		json_array_append_new(tables, json);
	}
	return tables;
}

/* ---- The whole ---- */

static json_t *zone_json(const struct replica *replica, const struct zone_answer *zone, const struct zone_answer *zones,
                         bool brief)
{
	struct session_status status;
	session_status(zone->session, &status);
	json_t *json = answer_json(&zone->answer, session_name(zone->session), session_db(zone->session), zone->sentence);
	json_object_set_new(json, "freshness", json_string(freshness_name(status.freshness)));
	if (!brief)
		json_object_set_new(json, "tables", tables_json(replica, zone->session, zones));
	return json;
}

static enum rc ask_all(const struct replica *replica, const char *address, struct zone_answer *zones, struct why *why)
{
	for (size_t i = 0; i < replica->conf->zone_count; i++) {
		zones[i].session = replica->sessions[i];
		enum rc rc = answer_ask(session_db(zones[i].session), address, &zones[i].answer, why);
		if (rc != RC_OK)
			return why_prepend(why, rc, "%.*s", ADDRESS_SHOWN, address);
		judge(&zones[i]);
		defer_without_table(replica, &zones[i]);
	}
	return RC_OK;
}

void replica_explain(const struct replica *replica, struct control_request *request)
{
	const char *address = control_word(request, 1), *word = control_word(request, 2);
	if (!address || (word && strcmp(word, "brief") != 0)) {
		control_refuse(request, "explain: say one address");
		return;
	}
	struct zone_answer *zones = mem_zalloc((replica->conf->zone_count + 1) * sizeof *zones);
	struct buf out = {0};
	struct why why;
	json_t *list = json_array();
	enum rc rc = ask_all(replica, address, zones, &why);
	for (size_t i = 0; rc == RC_OK && i < replica->conf->zone_count; i++)
		json_array_append_new(list, zone_json(replica, &zones[i], zones, word != NULL));
	if (rc == RC_OK)
		rc = answer_print("rxfer-replica", address, list, &out, &why);
	if (rc == RC_OK)
		control_reply(request, buf_text(&out), out.length);
	else
		control_refuse(request, "%s", why.text);
	json_decref(list);
	buf_free(&out);
	free(zones);
}
