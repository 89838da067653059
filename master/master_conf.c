/* master_conf.c: see master_conf.h.
 *
 * Each zone owns all that its spec points to, so that after SIGHUP an unchanged zone can keep its spec while everything
 * around it is replaced. */
#include "master/master_conf.h"

#include "common/conf.h"
#include "common/mem.h"
#include "master/master_conf_private.h"

#include <stdlib.h>
#include <string.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

static const struct conf_option replica_options[] = {
	{.name = "key", .kind = CONF_STRING, .flags = CONF_REQUIRED},
	{.name = "zones", .kind = CONF_LIST, .flags = CONF_REQUIRED},
	{0}
};

static const struct conf_option options[] = {
	{.name = "identity", .kind = CONF_STRING, .flags = CONF_PATH, .fallback = SYSCONFDIR "/rxfer/master.identity"},
	{.name = "state", .kind = CONF_STRING, .flags = CONF_PATH, .fallback = "/var/lib/rxfer/master"},
	{.name = "control", .kind = CONF_STRING, .flags = CONF_PATH, .fallback = "/run/rxfer/master.sock"},
	{.name = "listen", .kind = CONF_LIST, .fallback = "tcp://*:7353"},
	{.name = "zone", .kind = CONF_SECTION, .flags = CONF_TITLED | CONF_REQUIRED, .section = master_conf_zone_options},
	{.name = "replica", .kind = CONF_SECTION, .flags = CONF_TITLED, .section = replica_options},
	{0}
};

struct master_conf {
	struct master_conf_pool pool;
	const char *identity;
	const char *state;
	const char *control;
	const char **listen;
	size_t listen_count;
	struct zone_conf **zones;
	size_t zone_count;
	struct publisher_replica *replicas;
	size_t replica_count;
};

void master_conf_free(struct master_conf **conf)
{
	if (!*conf)
		return;
	for (size_t i = 0; i < (*conf)->zone_count; i++)
		master_conf_zone_free((*conf)->zones[i]);
	master_conf_pool_free(&(*conf)->pool);
	free(*conf);
	*conf = NULL;
}

/* ---- A replica ---- */

static bool has_zone(const struct master_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->zone_count; i++)
		if (strcmp(conf->zones[i]->spec.name, name) == 0)
			return true;
	return false;
}

static enum rc load_replica(struct master_conf *conf, const struct conf *section, struct publisher_replica *out,
                            struct why *why)
{
	struct why reason;
	enum rc rc = master_conf_check_name(section, why);
	if (rc != RC_OK)
		return rc;
	if (pubkey_parse(conf_string(section, "key"), &out->key, &reason) != RC_OK)
		return conf_fail(section, why, "key: %s: copy the line that `rxfer key` prints on the replica", reason.text);
	for (size_t i = 0; i < conf->replica_count; i++)
		if (memcmp(conf->replicas[i].key.transport, out->key.transport, sizeof out->key.transport) == 0)
			return conf_fail(section, why, "it has the same key as replica \"%s\": each replica needs an identity of its own",
			                 conf->replicas[i].name);
	out->name = master_conf_pool_text(&conf->pool, conf_title(section));
	out->zone_count = conf_count(section, "zones");
	const char **zones = master_conf_pool_array(&conf->pool, out->zone_count, sizeof *zones);
	if (out->zone_count == 0)
		return conf_fail(section, why, "zones is empty: name the zones it may have");
	for (size_t i = 0; i < out->zone_count; i++) {
		zones[i] = master_conf_pool_text(&conf->pool, conf_item(section, "zones", i));
		if (!has_zone(conf, zones[i]))
			return conf_fail(section, why, "zones: there is no zone \"%s\" in this file", zones[i]);
		for (size_t j = 0; j < i; j++)
			if (strcmp(zones[i], zones[j]) == 0)
				return conf_fail(section, why, "zones: \"%s\" stands there twice", zones[i]);
	}
	out->zones = zones;
	return RC_OK;
}

/* ---- The whole ---- */

static bool is_endpoint(const char *text)
{
	const char *port = strrchr(text, ':');
	if (strncmp(text, "tcp://", 6) != 0 || port <= text + 6)
		return false;
	port++;
	return strspn(port, "0123456789") == strlen(port) && strlen(port) < 6 && strtol(port, NULL, 10) > 0 &&
	       strtol(port, NULL, 10) < 65536;
}

static enum rc load_listen(struct master_conf *conf, const struct conf *root, struct why *why)
{
	conf->listen_count = conf_count(root, "listen");
	conf->listen = master_conf_pool_array(&conf->pool, conf->listen_count, sizeof *conf->listen);
	if (conf->listen_count == 0)
		return conf_fail(root, why, "listen is empty: leave it out, or name an endpoint like \"tcp://*:7353\"");
	for (size_t i = 0; i < conf->listen_count; i++) {
		const char *text = conf_item(root, "listen", i);
		if (!is_endpoint(text))
			return conf_fail(root, why, "listen: \"%s\" isn't an endpoint: write tcp://ADDRESS:PORT, with * for all addresses",
			                 text);
		conf->listen[i] = master_conf_pool_text(&conf->pool, text);
	}
	return RC_OK;
}

static enum rc take(const struct conf *root, struct master_conf **out, struct why *why)
{
	struct master_conf *conf = mem_zalloc(sizeof *conf);
	conf->identity = master_conf_pool_text(&conf->pool, conf_string(root, "identity"));
	conf->state = master_conf_pool_text(&conf->pool, conf_string(root, "state"));
	conf->control = master_conf_pool_text(&conf->pool, conf_string(root, "control"));
	enum rc rc = load_listen(conf, root, why);
	size_t zones = conf_count(root, "zone");
	size_t replicas = conf_count(root, "replica");
	conf->zones = master_conf_pool_array(&conf->pool, zones, sizeof *conf->zones);
	conf->replicas = master_conf_pool_array(&conf->pool, replicas, sizeof *conf->replicas);
	for (size_t i = 0; i < zones && rc == RC_OK; i++) {
		conf->zones[i] = mem_zalloc(sizeof **conf->zones);
		conf->zone_count++;
		rc = master_conf_load_zone(conf_section(root, "zone", i), conf->state, conf->zones[i], why);
	}
	for (size_t i = 0; i < replicas && rc == RC_OK; i++) {
		rc = load_replica(conf, conf_section(root, "replica", i), &conf->replicas[i], why);
		conf->replica_count++;
	}
	if (rc != RC_OK) {
		master_conf_free(&conf);
		return rc;
	}
	*out = conf;
	return RC_OK;
}

enum rc master_conf_load(const char *path, struct master_conf **out, struct why *why)
{
	struct conf *root = NULL;
	enum rc rc = conf_load(path, options, &root, why);
	if (rc == RC_OK)
		rc = take(root, out, why);
	conf_free(&root);
	return rc;
}

enum rc master_conf_parse(const char *name, const char *text, size_t length, struct master_conf **out, struct why *why)
{
	struct conf *root = NULL;
	enum rc rc = conf_parse(name, text, length, options, &root, why);
	if (rc == RC_OK)
		rc = take(root, out, why);
	conf_free(&root);
	return rc;
}

const char *master_conf_identity(const struct master_conf *conf)
{
	return conf->identity;
}

const char *master_conf_state(const struct master_conf *conf)
{
	return conf->state;
}

const char *master_conf_control(const struct master_conf *conf)
{
	return conf->control;
}

const char *const *master_conf_listen(const struct master_conf *conf, size_t *count)
{
	*count = conf->listen_count;
	return conf->listen;
}

size_t master_conf_zone_count(const struct master_conf *conf)
{
	return conf->zone_count;
}

const struct zone_spec *master_conf_zone(const struct master_conf *conf, size_t index)
{
	return &conf->zones[index]->spec;
}

const struct publisher_replica *master_conf_replicas(const struct master_conf *conf, size_t *count)
{
	*count = conf->replica_count;
	return conf->replicas;
}

void master_conf_use_watch(struct master_conf *conf, struct watch *watch)
{
	for (size_t i = 0; i < conf->zone_count; i++) {
		conf->zones[i]->watch = watch;
		for (size_t j = 0; j < conf->zones[i]->spec.source_count; j++)
			conf->zones[i]->sources[j].watch = watch;
	}
}

enum rc master_conf_plan(struct master_conf *conf, size_t index, const struct buf *text, struct why *why)
{
	struct zone_conf *zone = conf->zones[index];
	enum rc rc = master_postfix_plan(zone->postfix, text, why);
	if (rc != RC_OK)
		return rc;
	size_t planned = master_postfix_count(zone->postfix);
	zone->sources = mem_realloc(zone->sources, zone->own_count + planned, sizeof *zone->sources);
	for (size_t i = 0; i < planned; i++) {
		struct source_spec *source = &zone->sources[zone->own_count + i];
		master_postfix_source(zone->postfix, i, source);
		source->watch = zone->watch;
	}
	zone->spec.sources = zone->sources;
	zone->spec.source_count = zone->own_count + planned;
	return RC_OK;
}

const char *master_conf_note(const struct master_conf *conf, size_t index, size_t note)
{
	const struct zone_conf *zone = conf->zones[index];
	return zone->postfix ? master_postfix_note(zone->postfix, note) : NULL;
}

/* ---- Comparing ---- */

const char *master_conf_fixed_change(const struct master_conf *before, const struct master_conf *after)
{
	if (strcmp(before->identity, after->identity) != 0)
		return "identity";
	if (strcmp(before->state, after->state) != 0)
		return "state";
	if (strcmp(before->control, after->control) != 0)
		return "control";
	return master_conf_same_texts(before->listen, before->listen_count, after->listen, after->listen_count) ? NULL : "listen";
}

void master_conf_inherit(struct master_conf *conf, struct master_conf *old)
{
	for (size_t i = 0; i < conf->zone_count; i++) {
		for (size_t j = 0; j < old->zone_count; j++) {
			if (!master_conf_same_zone(conf->zones[i], old->zones[j]))
				continue;
			struct zone_conf *zone = conf->zones[i];
			conf->zones[i] = old->zones[j];
			old->zones[j] = zone;
			break;
		}
	}
}
