/* main.c: rxfer-replica, in the order of its start: options, configuration, limits, lock, identity, signals, zones,
 * tables and links, control socket, ready, run, orderly end.
 *
 * Signals are taken before the first ZeroMQ context makes its threads. */
#include "config.h"

#include "common/control.h"
#include "common/log.h"
#include "common/service.h"
#include "common/service_notify.h"
#include "common/service_options.h"
#include "replica/look.h"
#include "replica/replica_check.h"
#include "replica/replica_control.h"
#include "replica/replica_status.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

struct daemon {
	const char *conf_path;
	struct loop *loop;
	struct identity *identity;
	struct replica replica;
	struct control *control;
	struct service_notify notify;
};

/* ---- signals ---- */

static void on_end(void *context)
{
	struct daemon *daemon = context;
	service_notify_stopping();
	loop_stop(daemon->loop);
}

static void on_hangup(void *context)
{
	struct daemon *daemon = context;
	struct replica_conf *conf = NULL;
	struct why why;
	service_notify_reloading(&daemon->notify);
	enum rc rc = replica_conf_load(daemon->conf_path, &conf, &why);
	if (rc == RC_OK && (rc = replica_reload(&daemon->replica, &conf, &why)) != RC_OK)
		(void)why_prepend(&why, rc, "%s", daemon->conf_path);
	if (rc != RC_OK) {
		log_error("%s; the configuration that was read before stays in force", why.text);
		replica_conf_free(&conf);
	} else {
		log_info("the configuration was read again: %zu zones, %zu tables", daemon->replica.conf->zone_count,
		         daemon->replica.conf->table_count);
	}
	service_notify_ready(&daemon->notify);
}

static void summarise(const void *context, char out[WHY_MAX])
{
	(void)replica_status_summary(context, out);
}

/* ---- start and end ---- */

static enum rc start(struct daemon *daemon, struct replica_conf **conf, struct why *why)
{
	enum rc rc = service_lock((*conf)->state, why);
	if (rc != RC_OK)
		return rc;
	rc = identity_load((*conf)->identity, &daemon->identity, why);
	if (rc != RC_OK)
		return rc;
	loop_signal(daemon->loop, SIGTERM, on_end, daemon);
	loop_signal(daemon->loop, SIGINT, on_end, daemon);
	loop_signal(daemon->loop, SIGHUP, on_hangup, daemon);
	rc = replica_open(&daemon->replica, daemon->loop, daemon->identity, conf, why);
	if (rc != RC_OK)
		return rc;
	return control_open(daemon->loop, daemon->replica.conf->control, replica_control_handle, &daemon->replica,
	                    &daemon->control, why);
}

static void stop(struct daemon *daemon)
{
	service_notify_end(&daemon->notify);
	if (daemon->control)
		control_close(&daemon->control);
	replica_close(&daemon->replica);
	identity_free(&daemon->identity);
}

static int serve(struct daemon *daemon, struct replica_conf **conf)
{
	struct why why;
	char key[PUBKEY_TEXT_MAX];
	service_harden();
	if (start(daemon, conf, &why) != RC_OK) {
		log_error("%s", why.text);
		stop(daemon);
		return EXIT_FAILURE;
	}
	pubkey_format(identity_public(daemon->identity), key);
	log_info("rxfer-replica " PACKAGE_VERSION ", key %s", key);
	service_notify_begin(&daemon->notify, daemon->loop, summarise, &daemon->replica);
	bool failed = loop_run(daemon->loop, &why) != RC_OK;
	if (failed)
		log_error("%s", why.text);
	failed = failed || daemon->replica.failed;
	stop(daemon);
	log_info("ended");
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- options ---- */

static const struct service_helper helpers[] = {
	{"postfix", "DIR", "compare the Postfix configured in DIR with what standard input says (what the daemon starts to "
	 "do that)", look_main, NULL},
	{0}
};

static const struct service_program program = {
	.name = "rxfer-replica",
	.conf_path = SYSCONFDIR "/rxfer/replica.conf",
	.check_help =
		"  --check      also look at identity and folders, print the lines for main.cf, and stop; changes nothing;\n"
		"               exit status 0 all is well, 1 warnings, 2 errors\n",
	.helpers = helpers,
};

int main(int argc, char **argv)
{
	struct service_options options = service_options(argc, argv, &program);
	if (options.status >= 0)
		return options.status;
	log_open("rxfer-replica", options.debug);
	identity_init();
	struct replica_conf *conf = NULL;
	struct why why;
	if (replica_conf_load(options.conf_path, &conf, &why) != RC_OK) {
		fprintf(stderr, "rxfer-replica: %s\n", why.text);
		return options.action == SERVICE_RUN ? EXIT_FAILURE : 2;
	}
	int status = EXIT_SUCCESS;
	if (options.action == SERVICE_TEST) {
		printf("%s: the configuration is well-formed\n", options.conf_path);
	} else if (options.action == SERVICE_CHECK) {
		status = replica_check_run(conf);
	} else {
		struct daemon daemon = {.conf_path = options.conf_path};
		daemon.loop = loop_new();
		status = serve(&daemon, &conf);
		loop_free(daemon.loop);
	}
	replica_conf_free(&conf);
	return status;
}
