/* replica.c: see replica.h. Zones and tables don't know each other, nor the links: here is who tells whom.
 *
 *     link --> master --> session --> tables        (messages; changed records)
 *     link <-- master <-- session <-- tables        (requests, ACK; served serials)
 */
#include "config.h"

#include "replica/replica.h"

#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "replica/question.h"
#include "replica/replica_keys.h"

#include <stdlib.h>
#include <string.h>

/* ---- who is who ---- */

struct session *replica_session(const struct replica *replica, const char *zone)
{
	for (size_t i = 0; i < replica->conf->zone_count; i++)
		if (replica->sessions[i] && strcmp(session_name(replica->sessions[i]), zone) == 0)
			return replica->sessions[i];
	return NULL;
}

static struct master *find_master(const struct replica *replica, const char *name)
{
	for (size_t i = 0; i < replica->conf->master_count; i++)
		if (replica->masters[i] && strcmp(master_spec(replica->masters[i])->name, name) == 0)
			return replica->masters[i];
	return NULL;
}

struct master *replica_master_of(const struct replica *replica, const struct session *session)
{
	for (size_t i = 0; i < replica->conf->zone_count; i++)
		if (replica->sessions[i] == session)
			return find_master(replica, replica->conf->zones[i].master);
	return NULL;
}

/* ---- refusals ---- */

/* Nobody can fill a disk with what is refused: the count goes on, the lines don't. */
static void on_refused(void *context, const char *sentence)
{
	struct replica *replica = context;
	uint64_t kept_back;
	replica->refused++;
	(void)why_set(&replica->last_refused, RC_REFUSED, "%s", sentence);
	if (!calm_allows(&replica->refused_calm, &kept_back))
		return;
	char more[CALM_TEXT_MAX];
	calm_text(kept_back, more);
	log_warn("refused: %s%s", sentence, more);
}

static void on_session_refused(void *context, const struct session *session, const char *sentence)
{
	(void)session;
	on_refused(context, sentence);
}

/* ---- from masters to sessions ---- */

static void on_link(void *context, struct master *master, bool up)
{
	struct replica *replica = context;
	for (size_t i = 0; i < replica->conf->zone_count; i++)
		if (replica->sessions[i] && replica_master_of(replica, replica->sessions[i]) == master)
			session_link(replica->sessions[i], up);
}

static void on_welcome(void *context, struct master *master)
{
	struct replica *replica = context;
	for (size_t i = 0; i < replica->conf->zone_count; i++)
		if (replica->sessions[i] && replica_master_of(replica, replica->sessions[i]) == master)
			session_welcome(replica->sessions[i]);
}

static void on_message(void *context, struct master *master, const struct message *message)
{
	struct replica *replica = context;
	struct why why;
	if (message->type == MESSAGE_KEYS) {
		if (replica_keys_heard(replica, master, &message->handover, &why) != RC_OK)
			on_refused(replica, why.text);
		return;
	}
	struct session *session = replica_session(replica, message->zone);
	if (session && replica_master_of(replica, session) == master) {
		session_message(session, message);
		return;
	}
	if (message->type == MESSAGE_ERROR)
		(void)why_set(&why, RC_REFUSED, "master \"%s\" says: %s", master_spec(master)->name, message->reason);
	else
		(void)why_set(&why, RC_REFUSED, "master \"%s\" sent %s for zone \"%s\", which isn't taken from it",
		              master_spec(master)->name, message_type_name(message->type), message->zone);
	on_refused(replica, why.text);
}

static enum rc on_send(void *context, struct session *session, const void *data, size_t length)
{
	struct master *master = replica_master_of(context, session);
	return master ? master_send(master, data, length) : RC_AGAIN;
}

static void on_fatal(void *context, const char *sentence)
{
	struct replica *replica = context;
	log_error("%s; ending, so that a restart finds out what is on disk", sentence);
	replica->failed = true;
	loop_stop(replica->loop);
}

/* ---- between sessions and tables ---- */

static bool in_table(const struct replica *replica, size_t table, const char *zone)
{
	return replica->tables[table] && replica_table_has(&replica->conf->tables[table], zone);
}

static void on_changed(void *context, struct session *session, bool recipients, bool domains)
{
	struct replica *replica = context;
	for (size_t i = 0; i < replica->conf->table_count; i++) {
		if (!in_table(replica, i, session_name(session)))
			continue;
		bool holds_recipients = table_spec(replica->tables[i])->holds == TABLE_RECIPIENTS;
		table_touch(replica->tables[i], holds_recipients ? recipients : domains);
	}
}

static void take_served(const struct table *table, const char *zone, struct session_tables *out)
{
	struct epoch epoch = {.id = {0}};
	uint64_t serial = 0;
	bool served = table_served(table, zone, &epoch, &serial);
	if (!out->any) {
		out->held = served;
		out->epoch = epoch;
		out->serial = serial;
	} else if (!served || !out->held || !epoch_equal(&epoch, &out->epoch)) {
		out->held = false;
	} else if (serial < out->serial) {
		out->serial = serial;
	}
	out->any = true;
}

static void on_tables(void *context, const struct session *session, struct session_tables *out)
{
	struct replica *replica = context;
	for (size_t i = 0; i < replica->conf->table_count; i++) {
		if (!in_table(replica, i, session_name(session)))
			continue;
		struct table_status status = table_status(replica->tables[i]);
		take_served(replica->tables[i], session_name(session), out);
		bool makeshift = status.state == TABLE_OK;
		if (status.error[0] && (!out->trouble || (out->makeshift && !makeshift))) {
			out->trouble = status.error;
			out->makeshift = makeshift;
		}
	}
}

static size_t index_of(const struct replica *replica, const struct table *table)
{
	for (size_t i = 0; i < replica->conf->table_count; i++)
		if (replica->tables[i] == table)
			return i;
	abort();      /* a table that isn't ours */
}

static void on_table_zone(void *context, const struct table *table, size_t index, struct table_zone *out)
{
	struct replica *replica = context;
	const struct replica_table *conf = &replica->conf->tables[index_of(replica, table)];
	const struct session *session =
		conf->zone_count == 0 ? replica->sessions[index] : replica_session(replica, conf->zones[index]);
	const struct tally *tally = session_tally(session);
	*out = (struct table_zone){
		.name = session_name(session), .db = session_db(session), .allow = session_allow(session),
		.open = session_open(session),
		.expected = conf->spec.holds == TABLE_RECIPIENTS ? tally->recipients : tally->domains,
	};
}

static bool share_a_zone(const struct replica *replica, size_t a, size_t b)
{
	for (size_t i = 0; i < replica->conf->zone_count; i++) {
		const char *zone = replica->conf->zones[i].session.name;
		if (in_table(replica, a, zone) && in_table(replica, b, zone))
			return true;
	}
	return false;
}

/* See table_behind. */
static bool on_table_wait(void *context, const struct table *table)
{
	struct replica *replica = context;
	size_t index = index_of(replica, table);
	if (table_spec(table)->holds != TABLE_DOMAINS)
		return false;
	for (size_t i = 0; i < replica->conf->table_count; i++)
		if (replica->tables[i] && table_spec(replica->tables[i])->holds == TABLE_RECIPIENTS &&
		    share_a_zone(replica, index, i) && table_behind(replica->tables[i]))
			return true;
	return false;
}

static void on_table_changed(void *context, struct table *table)
{
	struct replica *replica = context;
	size_t index = index_of(replica, table);
	for (size_t i = 0; i < replica->conf->table_count; i++)
		if (replica->tables[i] && table_spec(table)->holds == TABLE_RECIPIENTS)
			table_go_on(replica->tables[i]);
	for (size_t i = 0; i < replica->conf->zone_count; i++)
		if (in_table(replica, index, session_name(replica->sessions[i])))
			session_served(replica->sessions[i]);
}

/* ---- what Postfix is compared with ---- */

void replica_question_zones(const struct replica *replica, struct buf *out)
{
	for (size_t i = 0; i < replica->conf->zone_count; i++) {
		question_zone(out, session_name(replica->sessions[i]));
		question_session(out, replica->sessions[i]);
	}
}

static void on_question(void *context, struct buf *out)
{
	const struct replica *replica = context;
	replica_conf_question(replica->conf, out);
	replica_question_zones(replica, out);
	question_end(out);
}

static uint64_t on_version(void *context)
{
	const struct replica *replica = context;
	uint64_t version = 0;
	for (size_t i = 0; i < replica->conf->zone_count; i++)
		version += session_version(replica->sessions[i]);
	return version;
}

static void put_lookout(struct replica *replica)
{
	const struct lookout_spec *spec = &replica->conf->postfix;
	const struct lookout_events events = {.question = on_question, .version = on_version, .context = replica};
	if (!spec->config)
		lookout_free(&replica->lookout);
	else if (replica->lookout)
		lookout_configure(replica->lookout, spec);
	else
		replica->lookout = lookout_new(replica->loop, spec, &events);
}

/* ---- making and keeping ---- */

static enum rc put_master(struct replica *replica, struct master *old, const struct master_spec *spec,
                          struct master **out, struct why *why)
{
	const struct master_events events = {.link = on_link, .welcome = on_welcome, .message = on_message,
	                                     .refused = on_refused, .context = replica};
	*out = old;
	if (old)
		return master_configure(old, spec, why);
	return master_new(replica->loop, replica->identity, "rxfer-replica " PACKAGE_VERSION, spec, &events, out, why);
}

static enum rc put_session(struct replica *replica, struct session *old, const struct replica_zone *zone,
                           struct session **out, struct why *why)
{
	const struct session_events events = {.send = on_send, .changed = on_changed, .tables = on_tables,
	                                      .refused = on_session_refused, .fatal = on_fatal, .context = replica};
	*out = old;
	if (old)
		return session_configure(old, &zone->session, why);
	return session_new(replica->loop, &zone->session, zone->folder, &events, out, why);
}

static struct table *put_table(struct replica *replica, struct table *old, const struct replica_table *conf)
{
	const struct table_events events = {.zone = on_table_zone, .wait = on_table_wait, .changed = on_table_changed,
	                                    .context = replica};
	size_t zones = conf->zone_count == 0 ? replica->conf->zone_count : conf->zone_count;
	if (!old)
		return table_new(replica->loop, &conf->spec, replica->conf->stamps_folder, zones, &events);
	table_configure(old, &conf->spec, zones);
	return old;
}

static void allocate(struct replica *replica)
{
	replica->trusts = mem_zalloc((replica->conf->master_count + 1) * sizeof(*replica->trusts));
	replica->masters = mem_zalloc((replica->conf->master_count + 1) * sizeof(*replica->masters));
	replica->sessions = mem_zalloc((replica->conf->zone_count + 1) * sizeof(*replica->sessions));
	replica->tables = mem_zalloc((replica->conf->table_count + 1) * sizeof(*replica->tables));
}

enum rc replica_open(struct replica *replica, struct loop *loop, const struct identity *identity,
                     struct replica_conf **conf, struct why *why)
{
	*replica = (struct replica){.loop = loop, .identity = identity, .conf = *conf};
	*conf = NULL;
	allocate(replica);
	enum rc rc = file_make_folder(replica->conf->zones_folder, why);
	if (rc == RC_OK)
		rc = file_make_folder(replica->conf->stamps_folder, why);
	if (rc == RC_OK)
		rc = file_make_folder(replica->conf->keys_folder, why);
	replica_keys_open(replica);
	replica_keys_settle(replica);
	for (size_t i = 0; rc == RC_OK && i < replica->conf->zone_count; i++)
		rc = put_session(replica, NULL, &replica->conf->zones[i], &replica->sessions[i], why);
	for (size_t i = 0; rc == RC_OK && i < replica->conf->table_count; i++)
		replica->tables[i] = put_table(replica, NULL, &replica->conf->tables[i]);
	for (size_t i = 0; rc == RC_OK && i < replica->conf->master_count; i++)
		rc = put_master(replica, NULL, &replica->conf->masters[i], &replica->masters[i], why);
	if (rc == RC_OK)
		put_lookout(replica);
	return rc;
}

/* Closes what the arrays hold: links first, so that nothing comes any more; tables before the zones that they read. */
static void close_all(struct replica *replica)
{
	const struct replica_conf *conf = replica->conf;
	for (size_t i = 0; replica->masters && i < conf->master_count; i++)
		master_free(&replica->masters[i]);
	for (size_t i = 0; replica->tables && i < conf->table_count; i++)
		table_free(&replica->tables[i]);
	for (size_t i = 0; replica->sessions && i < conf->zone_count; i++)
		session_free(&replica->sessions[i]);
	free(replica->masters);
	free(replica->tables);
	free(replica->sessions);
	replica_keys_close(replica);
	replica->masters = NULL;
	replica->tables = NULL;
	replica->sessions = NULL;
}

void replica_close(struct replica *replica)
{
	if (!replica->conf)
		return;
	lookout_free(&replica->lookout);
	close_all(replica);
	replica_conf_free(&replica->conf);
}

/* ---- SIGHUP ---- */

static struct master *take_master(struct replica *old, const char *name)
{
	for (size_t i = 0; i < old->conf->master_count; i++) {
		struct master *master = old->masters[i];
		if (!master || strcmp(master_spec(master)->name, name) != 0)
			continue;
		old->masters[i] = NULL;
		return master;
	}
	return NULL;
}

static struct session *take_session(struct replica *old, const char *name)
{
	for (size_t i = 0; i < old->conf->zone_count; i++) {
		struct session *session = old->sessions[i];
		if (!session || strcmp(session_name(session), name) != 0)
			continue;
		old->sessions[i] = NULL;
		return session;
	}
	return NULL;
}

static struct table *take_table(struct replica *old, const char *name)
{
	for (size_t i = 0; i < old->conf->table_count; i++) {
		struct table *table = old->tables[i];
		if (!table || strcmp(table_spec(table)->name, name) != 0)
			continue;
		old->tables[i] = NULL;
		return table;
	}
	return NULL;
}

/* The master that a session had before, by name, and the one it has now: when they differ its talk begins anew. */
static bool moved(const struct replica_conf *old, const struct replica_zone *zone)
{
	for (size_t i = 0; i < old->zone_count; i++)
		if (strcmp(old->zones[i].session.name, zone->session.name) == 0)
			return strcmp(old->zones[i].master, zone->master) != 0;
	return true;
}

static void introduce(struct replica *replica, struct session *session)
{
	struct master *master = replica_master_of(replica, session);
	session_link(session, false);
	if (!master || !master_greeted(master))
		return;
	session_link(session, true);
	session_welcome(session);
}

/* What a new configuration adds, and what may therefore fail, is opened before anything that runs is touched. */
static enum rc open_added(struct replica *replica, struct replica *next, struct why *why)
{
	const struct replica_conf *conf = next->conf;
	enum rc rc = RC_OK;
	for (size_t i = 0; rc == RC_OK && i < conf->zone_count; i++)
		if (!replica_session(replica, conf->zones[i].session.name))
			rc = put_session(replica, NULL, &conf->zones[i], &next->sessions[i], why);
	for (size_t i = 0; rc == RC_OK && i < conf->master_count; i++)
		if (!find_master(replica, conf->masters[i].name))
			rc = put_master(replica, NULL, &conf->masters[i], &next->masters[i], why);
	return rc;
}

/* The new arrays are filled up with what goes on; what is left in the old ones is closed after. */
static enum rc refill(struct replica *replica, struct replica *old, struct why *why)
{
	const struct replica_conf *conf = replica->conf;
	enum rc rc = RC_OK;
	for (size_t i = 0; i < conf->master_count; i++)
		if (!replica->masters[i])
			replica->masters[i] = take_master(old, conf->masters[i].name);
	for (size_t i = 0; i < conf->table_count; i++)
		replica->tables[i] = take_table(old, conf->tables[i].spec.name);
	for (size_t i = 0; i < conf->zone_count; i++)
		if (!replica->sessions[i])
			replica->sessions[i] = take_session(old, conf->zones[i].session.name);
	for (size_t i = 0; rc == RC_OK && i < conf->zone_count; i++)
		rc = put_session(replica, replica->sessions[i], &conf->zones[i], &replica->sessions[i], why);
	for (size_t i = 0; rc == RC_OK && i < conf->table_count; i++)
		replica->tables[i] = put_table(replica, replica->tables[i], &conf->tables[i]);
	for (size_t i = 0; rc == RC_OK && i < conf->master_count; i++)
		rc = put_master(replica, replica->masters[i], &conf->masters[i], &replica->masters[i], why);
	for (size_t i = 0; rc == RC_OK && i < conf->zone_count; i++)
		if (moved(old->conf, &conf->zones[i]))
			introduce(replica, replica->sessions[i]);
	return rc;
}

enum rc replica_reload(struct replica *replica, struct replica_conf **conf, struct why *why)
{
	const char *fixed = replica_conf_fixed_change(replica->conf, *conf);
	if (fixed)
		return why_set(why, RC_REFUSED, "%s can't be changed while the daemon runs: restart it", fixed);
	struct replica next = *replica;
	next.conf = *conf;
	allocate(&next);
	replica_keys_open(&next);
	enum rc rc = open_added(replica, &next, why);
	if (rc != RC_OK) {
		close_all(&next);
		return rc;
	}
	struct replica old = *replica;
	replica->conf = next.conf;
	replica->trusts = next.trusts;
	replica->masters = next.masters;
	replica->sessions = next.sessions;
	replica->tables = next.tables;
	*conf = NULL;
	struct why reason;
	if (refill(replica, &old, &reason) != RC_OK) {
		/* A changed master's link couldn't be made: there is no memory or descriptor left. */
		log_error("%s", reason.text);
		on_fatal(replica, "the new configuration can't be put to work");
	}
	put_lookout(replica);
	close_all(&old);
	replica_conf_free(&old.conf);
	replica_keys_settle(replica);
	return RC_OK;
}
