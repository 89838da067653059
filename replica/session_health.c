/* session_health.c: how a zone is, in one word and one sentence, here and at the master.
 *
 * The ACK says what is durable, what is served (what all the tables that have the zone hold), and how it goes. It's
 * sent at most once a turn of the loop and only when it says something new. */
#include "replica/session_private.h"

#include "common/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MS 60000      /* clocks may be set: look again at least so often */

/* ---- freshness ---- */

static void on_aging(void *context)
{
	struct session *session = context;
	struct why why;
	session_judge(session);
	if (zonedb_checkpoint(session->db, &why) != RC_OK)
		log_warn("zone \"%s\": %s", session->spec->name, why.text);
}

static void tell_freshness(const struct session *session, enum freshness before, int64_t age_ms)
{
	char age[CLOCK_TEXT_MAX];
	clock_duration(age_ms, age);
	const char *name = session->spec->name;
	const char *clocks = session->clocks_differ ? " (it came just now: is a clock wrong, the master's or ours?)" : "";
	if (session->freshness == FRESHNESS_EXPIRED)
		log_error("zone \"%s\": expired: the newest announcement is %s old%s; on_expire: %s", name, age, clocks,
		          session->spec->on_expire == ON_EXPIRE_ACCEPT ? "all its domains' recipients are accepted from now on"
		                                                       : "the last list stays in use");
	else if (session->freshness == FRESHNESS_STALE)
		log_warn("zone \"%s\": stale: the newest announcement is %s old%s", name, age, clocks);
	else if (before == FRESHNESS_EXPIRED)
		log_info("zone \"%s\": fresh again, no longer expired%s", name,
		         session->spec->on_expire == ON_EXPIRE_ACCEPT ? ": only listed recipients are accepted again" : "");
	else if (before == FRESHNESS_STALE)
		log_info("zone \"%s\": fresh again", name);
}

void session_judge(struct session *session)
{
	struct soa soa;
	struct freshness_facts facts = {.present = zonedb_present(session->db)};
	if (zonedb_soa(session->db, &soa)) {
		facts.dated = soa.time;
		facts.received = zonedb_soa_received(session->db);
		facts.refresh_s = soa.refresh_s;
		facts.retry_s = soa.retry_s;
		facts.expire_s = soa.expire_s;
	}
	facts.received_here = session->received_here;
	facts.received_mono = session->received_mono;
	struct freshness_verdict verdict = freshness_judge(&facts, clock_wall(), clock_mono());
	int64_t next = verdict.next_ms > 0 && verdict.next_ms < LOOK_MS ? verdict.next_ms : LOOK_MS;
	loop_timer_after(session->loop, &session->aging, next, on_aging, session);
	enum freshness before = session->freshness;
	if (verdict.clocks_differ != session->clocks_differ)
		session_report(session);
	session->clocks_differ = verdict.clocks_differ;
	if (verdict.freshness == before)
		return;
	bool was_open = session_open(session);
	session->freshness = verdict.freshness;
	tell_freshness(session, before, verdict.age_ms);
	if (was_open != session_open(session))
		session->events.changed(session->events.context, session, true, false);
	session_report(session);
}

void session_received(struct session *session)
{
	session->received_here = true;
	session->received_mono = clock_mono();
	session_judge(session);
}

bool session_open(const struct session *session)
{
	return session->freshness == FRESHNESS_EXPIRED && session->spec->on_expire == ON_EXPIRE_ACCEPT;
}

/* ---- health ---- */

static const char *missing_reason(const struct session *session, struct why *why)
{
	const char *error = session->error.text;
	const char *trouble = zonedb_trouble(session->db);
	if (trouble[0])
		(void)why_set(why, RC_OK, "the records are damaged, tables stay as they are until a whole transfer: %s",
		              trouble);
	else
		(void)why_set(why, RC_OK, "nothing has been transferred yet, Postfix defers mail%s%s", error[0] ? ": " : "",
		              error);
	return why->text;
}

/* What was announced and couldn't be taken counts for nothing: then the reason lies here. */
static const char *not_fresh(const struct session *session)
{
	if (session->error.text[0])
		return session->error.text;
	return session->clocks_differ ? "the newest announcement is dated long ago: is a clock wrong?"
	                              : "no fresh announcement from the master";
}

static const char *critical_reason(const struct session *session, const struct session_tables *tables, struct why *why)
{
	if (!zonedb_present(session->db))
		return missing_reason(session, why);
	if (session->damage.text[0])
		return session->damage.text;
	if (tables->trouble && !tables->makeshift)
		return tables->trouble;
	if (session->freshness == FRESHNESS_EXPIRED) {
		(void)why_set(why, RC_OK, "expired: %s; %s", not_fresh(session),
		              session->spec->on_expire == ON_EXPIRE_ACCEPT ? "all recipients of its domains are accepted"
		                                                           : "the last list is in use");
		return why->text;
	}
	return session->disk && session->error.text[0] ? session->error.text : NULL;
}

static const char *warning_reason(const struct session *session, const struct session_tables *tables, struct why *why)
{
	if (session->freshness == FRESHNESS_STALE) {
		(void)why_set(why, RC_OK, "stale: %s", not_fresh(session));
		return why->text;
	}
	if (session->error.text[0])
		return session->error.text;
	if (tables->trouble)
		return tables->trouble;
	if (session->tally.refused > 0) {
		(void)why_set(why, RC_OK, "%" PRIu64 " records of domains that aren't allowed here are left out, such as those "
		              "of %s: add the domain to the zone's `domains`, or exclude it at the master",
		              session->tally.refused, session->tally.refused_domain);
		return why->text;
	}
	return NULL;
}

void session_health(const struct session *session, enum message_health *health, struct why *reason)
{
	struct session_tables tables = {.any = false};
	struct why why;
	session->events.tables(session->events.context, session, &tables);
	*health = HEALTH_CRITICAL;
	const char *text = critical_reason(session, &tables, &why);
	if (!text) {
		*health = HEALTH_WARNING;
		text = warning_reason(session, &tables, &why);
	}
	if (!text) {
		*health = HEALTH_OK;
		text = "";
	}
	(void)why_set(reason, RC_OK, "%s", text);
}

/* ---- ACK ---- */

static void fill_ack(const struct session *session, struct message *ack)
{
	struct session_tables tables = {.any = false};
	session->events.tables(session->events.context, session, &tables);
	struct soa soa;
	if (zonedb_present(session->db)) {
		const struct store_meta *meta = zonedb_meta(session->db);
		memcpy(ack->epoch_id, meta->epoch.id, sizeof(ack->epoch_id));
		ack->serial = meta->serial;
		if (!tables.any)
			ack->served = meta->serial;
		else if (tables.held && epoch_equal(&tables.epoch, &meta->epoch))
			ack->served = tables.serial;
	} else if (zonedb_soa(session->db, &soa)) {
		memcpy(ack->epoch_id, soa.epoch.id, sizeof(ack->epoch_id));
	}
	struct why reason;
	session_health(session, &ack->health, &reason);
	(void)snprintf(ack->reason, sizeof(ack->reason), "%.*s", (int)sizeof(ack->reason) - 1, reason.text);
	why_clean(ack->reason);
}

static void send_report(void *context)
{
	struct session *session = context;
	if (!session_connected(session))
		return;
	struct message ack = {.type = MESSAGE_ACK};
	memcpy(ack.zone, session->spec->name, strlen(session->spec->name) + 1);
	fill_ack(session, &ack);
	struct buf bytes = {.data = NULL};
	message_encode(&bytes, &ack);
	bool same = bytes.length == session->reported.length &&
	            memcmp(bytes.data, session->reported.data, bytes.length) == 0;
	if (!same && session->events.send(session->events.context, session, bytes.data, bytes.length) == RC_OK) {
		buf_clear(&session->reported);
		buf_put(&session->reported, bytes.data, bytes.length);
	}
	buf_free(&bytes);
}

void session_report(struct session *session)
{
	loop_defer(session->loop, &session->report, send_report, session);
}

void session_acknowledge(struct session *session)
{
	buf_clear(&session->reported);
	session_report(session);
}

void session_served(struct session *session)
{
	/* A table may have found the records damaged while it read them. */
	if (!zonedb_present(session->db) && session->state == REFRESH_CURRENT)
		session_event(session, REFRESH_ON_EMPTY);
	session_report(session);
}

void session_status(const struct session *session, struct session_status *out)
{
	*out = (struct session_status){.freshness = session->freshness, .state = session->state, .tally = session->tally,
	                               .present = zonedb_present(session->db), .error = session->error.text};
	struct why reason;
	session_health(session, &out->health, &reason);
	memcpy(out->reason, reason.text, sizeof(out->reason));
	if (out->present) {
		const struct store_meta *meta = zonedb_meta(session->db);
		out->serial = meta->serial;
		out->epoch = meta->epoch;
		out->records = meta->count;
		out->digest = meta->digest;
	}
	struct soa soa;
	if (zonedb_soa(session->db, &soa)) {
		out->announced = soa.time;
		out->received = zonedb_soa_received(session->db);
	}
	(void)transfer_progress(session->transfer, &out->transfer_done, &out->transfer_total);
}
