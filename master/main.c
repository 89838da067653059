/* main.c: rxfer-master, in the order of its start: options, configuration, limits, lock, identity, signals, zones,
 * publisher, sockets, ready, run, orderly end.
 *
 * Signals are taken before the first ZeroMQ context makes its threads. */
#include "config.h"

#include "common/control.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"
#include "common/service_notify.h"
#include "common/service_options.h"
#include "master/check.h"
#include "master/control_commands.h"
#include "master/explain.h"
#include "master/postfix_find.h"
#include "master/read.h"
#include "master/rotate.h"
#include "master/zones.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

struct master {
	const char *conf_path;
	struct master_conf *conf;
	struct identity *identity;
	struct loop *loop;
	struct watch *watch;
	struct zones *zones;
	struct publisher *publisher;
	struct rollover *rollover;
	struct link_server *link;
	struct control *control;
	struct refusals refusals;
	struct status_facts facts;       /* of the present, for control_commands */
	struct service_notify notify;
	bool failed;
};

/* ---- Events: from zones to publisher, from publisher to link ---- */

static void on_changeset(void *context, struct zone *zone, const struct soa *soa, const void *data, size_t length)
{
	struct master *master = context;
	publisher_changeset(master->publisher, zone, soa, data, length);
}

static void on_announcement(void *context, struct zone *zone, const struct soa *soa)
{
	struct master *master = context;
	publisher_announcement(master->publisher, zone, soa);
}

static void on_fatal(void *context, struct zone *zone, const char *reason)
{
	struct master *master = context;
	log_error("zone \"%s\": %s; ending, so that a restart finds out what is on disk", zone_spec(zone)->name, reason);
	master->failed = true;
	loop_stop(master->loop);
}

static void on_plan(void *context, struct zone *zone, const struct buf *text)
{
	struct master *master = context;
	zones_plan(master->zones, zone, text);
}

/* What is being read for people are the sources of zones that are about to be closed. */
static void finish_explaining(void *context)
{
	struct master *master = context;
	if (master->facts.explain)
		explain_finish(master->facts.explain);
}

static void on_zones(void *context)
{
	struct master *master = context;
	size_t count;
	const struct publisher_replica *replicas = master_conf_replicas(master->conf, &count);
	master->facts.zones = zones_all(master->zones, &master->facts.zone_count);
	publisher_configure(master->publisher, master->facts.zones, master->facts.zone_count, replicas, count);
}

static void on_lost(void *context, const char *reason)
{
	struct master *master = context;
	log_error("%s; ending", reason);
	master->failed = true;
	loop_stop(master->loop);
}

static enum rc send_message(void *context, const struct link_peer *peer, const void *data, size_t length)
{
	struct master *master = context;
	return master->link ? link_server_send(master->link, peer, data, length) : RC_NOT_FOUND;
}

static bool on_admit(void *context, const uint8_t transport_key[32], const char *address)
{
	struct master *master = context;
	if (publisher_admit(master->publisher, transport_key))
		return true;
	refusals_note(&master->refusals, transport_key, address);
	return false;
}

static bool on_keeps(void *context, const uint8_t transport_key[32])
{
	struct master *master = context;
	return publisher_admit(master->publisher, transport_key);
}

static void on_message(void *context, const struct link_peer *peer, const void *data, size_t length)
{
	struct master *master = context;
	publisher_message(master->publisher, peer, data, length);
}

static void on_kept(void *context, const struct pubkey *replica, const struct handover *shown)
{
	struct master *master = context;
	rollover_kept(master->rollover, replica, shown);
}

static void on_announce(void *context, const struct handover *word)
{
	struct master *master = context;
	publisher_keys(master->publisher, word);
}

/* ---- SIGHUP ---- */

static enum rc load_other(struct master *master, struct master_conf **out, struct why *why)
{
	struct master_conf *conf = NULL;
	enum rc rc = master_conf_load(master->conf_path, &conf, why);
	if (rc != RC_OK)
		return rc;
	const char *fixed = master_conf_fixed_change(master->conf, conf);
	if (fixed) {
		master_conf_free(&conf);
		return why_set(why, RC_REFUSED, "%s: %s can't be changed while the daemon runs: restart it", master->conf_path,
		               fixed);
	}
	*out = conf;
	return RC_OK;
}

static void on_hangup(void *context)
{
	struct master *master = context;
	struct master_conf *conf = NULL;
	struct why why;
	service_notify_reloading(&master->notify);
	if (load_other(master, &conf, &why) != RC_OK) {
		log_error("%s; the configuration that was read before stays in force", why.text);
	} else {
		master_conf_use_watch(conf, master->watch);
		master_conf_inherit(conf, master->conf);
		zones_replace(master->zones, conf);
		struct master_conf *old = master->conf;
		master->conf = conf;
		on_zones(master);
		link_server_review(master->link);
		master_conf_free(&old);
		log_info("the configuration was read again: %zu zones", master->facts.zone_count);
	}
	rollover_look(master->rollover);
	service_notify_ready(&master->notify);
}

static void on_end(void *context)
{
	struct master *master = context;
	service_notify_stopping();
	loop_stop(master->loop);
}

static void summarise(const void *context, char out[WHY_MAX])
{
	(void)status_summary(context, out);
}

/* ---- Start and end ---- */

/* All that bears the identity, but for the sockets. */
static enum rc open_zones(struct master *master, struct why *why)
{
	const struct publisher_send send = {send_message, master};
	master->publisher = publisher_new(master->loop, master->identity, &send);
	publisher_on_kept(master->publisher, on_kept, master);
	master->facts.identity = master->identity;
	master->facts.publisher = master->publisher;
	const struct zones_events events = {
		.zone = {.changeset = on_changeset, .announcement = on_announcement, .fatal = on_fatal, .plan = on_plan,
		         .context = master},
		.closing = finish_explaining, .changed = on_zones, .lost = on_lost, .context = master,
	};
	master->zones = zones_new(master->loop, master->identity, &events);
	enum rc rc = zones_open(master->zones, master->conf, why);
	if (rc == RC_OK)
		on_zones(master);
	return rc;
}

static void close_zones(struct master *master)
{
	if (master->publisher)
		publisher_free(&master->publisher);
	zones_free(&master->zones);
	master->facts.zones = NULL;
	master->facts.zone_count = 0;
}

static enum rc listen_at(struct master *master, const char *const *endpoints, size_t count, struct why *why)
{
	const struct link_server_events events = {.admit = on_admit, .message = on_message, .context = master,
	                                          .keeps = on_keeps};
	enum rc rc = link_server_open(master->loop, master->identity, endpoints, count, &events, &master->link, why);
	if (rc != RC_OK)
		return rc;
	master->facts.link = master->link;
	master->facts.endpoint_count = count;
	return RC_OK;
}

static enum rc open_sockets(struct master *master, struct why *why)
{
	size_t count;
	const char *const *endpoints = master_conf_listen(master->conf, &count);
	enum rc rc = listen_at(master, endpoints, count, why);
	if (rc != RC_OK)
		return rc;
	master->facts.refusals = &master->refusals;
	return control_open(master->loop, master_conf_control(master->conf), control_commands_handle, &master->facts,
	                    &master->control, why);
}

/* Another identity signs and answers from now on: all is closed and opened again, as a restart would do it. */
static enum rc reopen(struct master *master, struct identity **identity, struct why *why)
{
	size_t count = master->facts.endpoint_count;
	char **endpoints = mem_zalloc((count + 1) * sizeof(*endpoints));
	for (size_t i = 0; i < count; i++)
		endpoints[i] = mem_strdup(link_server_endpoint(master->link, i));
	finish_explaining(master);
	link_server_close(&master->link);
	close_zones(master);
	identity_free(&master->identity);
	master->identity = *identity;
	*identity = NULL;
	enum rc rc = open_zones(master, why);
	if (rc == RC_OK)
		rc = listen_at(master, (const char *const *)endpoints, count, why);
	for (size_t i = 0; i < count; i++)
		free(endpoints[i]);
	free(endpoints);
	return rc;
}

static bool on_renew(void *context, struct identity **identity)
{
	struct master *master = context;
	struct why why;
	if (reopen(master, identity, &why) == RC_OK)
		return true;
	on_lost(master, why.text);
	return false;
}

static enum rc start(struct master *master, struct why *why)
{
	enum rc rc = service_lock(master_conf_state(master->conf), why);
	if (rc != RC_OK)
		return rc;
	rc = identity_load(master_conf_identity(master->conf), &master->identity, why);
	if (rc != RC_OK)
		return rc;
	loop_signal(master->loop, SIGTERM, on_end, master);
	loop_signal(master->loop, SIGINT, on_end, master);
	loop_signal(master->loop, SIGHUP, on_hangup, master);
	if (watch_new(master->loop, &master->watch, why) != RC_OK)
		log_warn("%s; changes are seen by the poll alone", why->text);
	master_conf_use_watch(master->conf, master->watch);
	master->facts.explain = explain_new(master->loop);
	rc = open_zones(master, why);
	if (rc != RC_OK)
		return rc;
	const struct rollover_spec spec = {
		.identity_path = master_conf_identity(master->conf), .state = master_conf_state(master->conf),
		.identity = master->identity, .announce = on_announce, .renew = on_renew, .context = master,
	};
	master->rollover = rollover_new(master->loop, &spec);
	master->facts.rollover = master->rollover;
	return open_sockets(master, why);
}

static void announce_start(const struct master *master)
{
	char key[PUBKEY_TEXT_MAX];
	struct buf listen = {0};
	pubkey_format(identity_public(master->identity), key);
	for (size_t i = 0; i < master->facts.endpoint_count; i++)
		buf_printf(&listen, " %s", link_server_endpoint(master->link, i));
	log_info("rxfer-master " PACKAGE_VERSION ", listening at%s, key %s", buf_text(&listen), key);
	buf_free(&listen);
}

static void stop(struct master *master)
{
	service_notify_end(&master->notify);
	finish_explaining(master);
	control_close(&master->control);
	explain_free(&master->facts.explain);
	if (master->link)
		link_server_close(&master->link);
	close_zones(master);
	rollover_free(&master->rollover);
	watch_free(&master->watch);
	identity_free(&master->identity);
}

static int serve(struct master *master)
{
	struct why why;
	service_harden();
	mem_give_back();
	if (start(master, &why) != RC_OK) {
		log_error("%s", why.text);
		stop(master);
		return EXIT_FAILURE;
	}
	announce_start(master);
	service_notify_begin(&master->notify, master->loop, summarise, &master->facts);
	if (loop_run(master->loop, &why) != RC_OK) {
		log_error("%s", why.text);
		master->failed = true;
	}
	stop(master);
	log_info("ended");
	return master->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- Options ---- */

static const struct service_helper helpers[] = {
	{"read", "MAP", "print the keys of a map, one a line (what the daemon starts to read one)", read_main, NULL},
	{"read-lines", "MAP", "the same with the line of each before it", read_lines_main, NULL},
	{"postfix", "DIR", "print what the Postfix configured in DIR accepts (what the daemon starts to find that out)",
	 postfix_find_main, NULL},
	{"rotate-key", "WORD", "announce, finish, force or cancel a new key (what rxfer rotate-key starts)", NULL,
	 rotate_main},
	{0}
};

static const struct service_program program = {
	.name = "rxfer-master",
	.conf_path = SYSCONFDIR "/rxfer/master.conf",
	.check_help =
		"  --check      read every source, say what would be published and what can't be read, and stop;\n"
		"               exit status 0 all is well, 1 warnings, 2 errors\n",
	.helpers = helpers,
};

int main(int argc, char **argv)
{
	struct service_options options = service_options(argc, argv, &program);
	if (options.status >= 0)
		return options.status;
	log_open("rxfer-master", options.debug);
	identity_init();
	struct master master = {.conf_path = options.conf_path};
	struct why why;
	if (master_conf_load(options.conf_path, &master.conf, &why) != RC_OK) {
		fprintf(stderr, "rxfer-master: %s\n", why.text);
		return options.action == SERVICE_RUN ? EXIT_FAILURE : 2;
	}
	int status = EXIT_SUCCESS;
	if (options.action == SERVICE_TEST) {
		printf("%s: the configuration is well-formed\n", options.conf_path);
	} else {
		master.loop = loop_new();
		status = options.action == SERVICE_CHECK ? check_run(master.loop, master.conf) : serve(&master);
		loop_free(master.loop);
	}
	master_conf_free(&master.conf);
	return status;
}
