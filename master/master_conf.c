/* master_conf.c: see master_conf.h.
 *
 * Each zone owns all that its spec points to, so that after SIGHUP an unchanged zone can keep its spec while everything
 * around it is replaced. */
#include "master/master_conf.h"

#include "common/conf.h"
#include "common/mem.h"
#include "master/source_map.h"

#include <stdlib.h>
#include <string.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif
#define NAME_MAX_BYTES 63

static const struct conf_option source_options[] = {
	{.name = "map", .kind = CONF_STRING},
	{.name = "aliases", .kind = CONF_STRING},
	{.name = "command", .kind = CONF_STRING},
	{.name = "interval", .kind = CONF_INTEGER, .fallback = "60", .minimum = 1, .maximum = 86400},
	{.name = "timeout", .kind = CONF_INTEGER, .fallback = "30", .minimum = 1, .maximum = 3600},
	{.name = "domains", .kind = CONF_LIST},
	{0}
};

static const struct conf_option zone_options[] = {
	{.name = "source", .kind = CONF_SECTION, .flags = CONF_TITLED | CONF_REQUIRED, .section = source_options},
	{.name = "domains", .kind = CONF_LIST},
	{.name = "exclude", .kind = CONF_LIST},
	{.name = "refresh", .kind = CONF_INTEGER, .fallback = "60", .minimum = 1, .maximum = 86400},
	{.name = "retry", .kind = CONF_INTEGER, .fallback = "15", .minimum = 1, .maximum = 86400},
	{.name = "expire", .kind = CONF_INTEGER, .fallback = "604800", .minimum = 1, .maximum = SOA_SECONDS_MAX},
	{.name = "settle_ms", .kind = CONF_INTEGER, .fallback = "200", .minimum = 0, .maximum = 10000},
	{.name = "max_shrink_percent", .kind = CONF_INTEGER, .fallback = "10", .minimum = 0, .maximum = 100},
	{.name = "min_shrink", .kind = CONF_INTEGER, .fallback = "10", .minimum = 0, .maximum = 1000000000},
	{.name = "smtputf8", .kind = CONF_STRING, .fallback = "yes"},
	{0}
};

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
	{.name = "zone", .kind = CONF_SECTION, .flags = CONF_TITLED | CONF_REQUIRED, .section = zone_options},
	{.name = "replica", .kind = CONF_SECTION, .flags = CONF_TITLED, .section = replica_options},
	{0}
};

/* Memory that goes together. */
struct pool {
	void **at;
	size_t count;
};

struct zone_conf {
	struct pool pool;
	struct zone_spec spec;
	struct source_spec *sources;
	struct keys_filter filter;
};

struct master_conf {
	struct pool pool;
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

static void *pool_keep(struct pool *pool, void *memory)
{
	pool->at = mem_realloc(pool->at, pool->count + 1, sizeof *pool->at);
	return pool->at[pool->count++] = memory;
}

static const char *pool_text(struct pool *pool, const char *text)
{
	return pool_keep(pool, mem_strdup(text));
}

static void *pool_array(struct pool *pool, size_t count, size_t size)
{
	return pool_keep(pool, mem_zalloc(count > 0 ? count * size : 1));
}

static void pool_free(struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		free(pool->at[i]);
	free(pool->at);
}

static void zone_conf_free(struct zone_conf *zone)
{
	if (!zone)
		return;
	pool_free(&zone->pool);
	free(zone);
}

void master_conf_free(struct master_conf **conf)
{
	if (!*conf)
		return;
	for (size_t i = 0; i < (*conf)->zone_count; i++)
		zone_conf_free((*conf)->zones[i]);
	pool_free(&(*conf)->pool);
	free(*conf);
	*conf = NULL;
}

/* Names stand in logs, in JSON and on command lines. */
static bool name_valid(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t length = strlen(name);
	return length > 0 && length <= NAME_MAX_BYTES && strspn(name, letters) == length;
}

static enum rc check_name(const struct conf *section, struct why *why)
{
	return name_valid(conf_title(section)) ? RC_OK :
	       conf_fail(section, why, "a name is at most %d letters, digits, '.', '_' and '-'", NAME_MAX_BYTES);
}

/* ---- A zone ---- */

static enum rc load_domains(struct pool *pool, const struct conf *section, bool smtputf8, const char *const **out,
                            size_t *out_count, struct why *why)
{
	size_t count = conf_count(section, "domains");
	const char **domains = pool_array(pool, count, sizeof *domains);
	for (size_t i = 0; i < count; i++) {
		const char *text = conf_item(section, "domains", i);
		char folded[ADDRESS_MAX + 1];
		struct why reason;
		if (address_parse_domain(text, smtputf8, folded, &reason) != RC_OK)
			return conf_fail(section, why, "domains: \"%s\": %s", text, reason.text);
		domains[i] = pool_text(pool, folded);
	}
	keys_sort(domains, count);
	*out = domains;
	*out_count = count;
	return RC_OK;
}

static enum rc load_exclude(struct pool *pool, const struct conf *section, struct keys_filter *filter, struct why *why)
{
	size_t count = conf_count(section, "exclude");
	const char **exclude = pool_array(pool, count, sizeof *exclude);
	for (size_t i = 0; i < count; i++) {
		const char *text = conf_item(section, "exclude", i);
		struct address address;
		struct why reason;
		if (address_parse(text, strlen(text), filter->smtputf8, &address, &reason) != RC_OK)
			return conf_fail(section, why, "exclude: \"%s\": %s", text, reason.text);
		if (address.kind == ADDRESS_BARE)
			return conf_fail(section, why, "exclude: \"%s\" isn't a whole address: write user@domain or @domain", text);
		exclude[i] = pool_text(pool, address.text);
	}
	keys_sort(exclude, count);
	filter->exclude = exclude;
	filter->exclude_count = count;
	return RC_OK;
}

static enum rc check_map(const struct conf *section, const char *option, const struct source_spec *spec,
                         struct why *why)
{
	struct source_map map = {0};
	struct why reason;
	if (source_map_parse(spec->text, spec->kind == SOURCE_ALIASES, spec->rule.filter->smtputf8, &map, &reason) != RC_OK)
		return conf_fail(section, why, "%s: %s", option, reason.text);
	source_map_free(&map);
	return RC_OK;
}

static enum rc load_source(struct zone_conf *zone, const struct conf *section, int64_t settle_ms,
                           struct source_spec *out, struct why *why)
{
	static const struct { const char *option; enum source_kind kind; } kinds[] = {
		{"map", SOURCE_MAP}, {"aliases", SOURCE_ALIASES}, {"command", SOURCE_COMMAND},
	};
	const char *option = NULL;
	struct keys_rule *rule = &out->rule;
	enum rc rc = check_name(section, why);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		const char *text = conf_string(section, kinds[i].option);
		if (!text)
			continue;
		if (option)
			return conf_fail(section, why, "it has %s and %s: give each a source of its own", option, kinds[i].option);
		option = kinds[i].option;
		out->kind = kinds[i].kind;
		out->text = pool_text(&zone->pool, text);
	}
	if (!option)
		return conf_fail(section, why, "it says nothing to read: give it map, aliases or command");
	out->name = pool_text(&zone->pool, conf_title(section));
	out->interval_ms = conf_integer(section, "interval") * 1000;
	out->timeout_ms = conf_integer(section, "timeout") * 1000;
	out->settle_ms = settle_ms;
	rule->aliases = out->kind == SOURCE_ALIASES;
	rule->filter = &zone->filter;
	rc = load_domains(&zone->pool, section, zone->filter.smtputf8, &rule->domains, &rule->domain_count, why);
	if (rc != RC_OK)
		return rc;
	if (rule->aliases && rule->domain_count == 0)
		return conf_fail(section, why, "aliases are local parts: say in which domains: domains = { \"example.com\" }");
	return out->kind == SOURCE_COMMAND ? RC_OK : check_map(section, option, out, why);
}

static enum rc load_filter(struct zone_conf *zone, const struct conf *section, struct why *why)
{
	const char *smtputf8 = conf_string(section, "smtputf8");
	zone->filter.smtputf8 = strcmp(smtputf8, "yes") == 0;
	if (!zone->filter.smtputf8 && strcmp(smtputf8, "no") != 0)
		return conf_fail(section, why, "smtputf8 is \"%s\": say \"yes\" or \"no\", as smtputf8_enable of this Postfix",
		                 smtputf8);
	enum rc rc = load_domains(&zone->pool, section, zone->filter.smtputf8, &zone->filter.domains,
	                          &zone->filter.domain_count, why);
	return rc == RC_OK ? load_exclude(&zone->pool, section, &zone->filter, why) : rc;
}

static enum rc load_zone(const struct conf *section, const char *state, struct zone_conf *zone, struct why *why)
{
	struct zone_spec *spec = &zone->spec;
	if (!soa_zone_name_valid(conf_title(section)))
		return conf_fail(section, why, "a zone's name is at most %d of a-z, 0-9, '.', '_' and '-', and begins with a letter "
		                 "or digit", SOA_ZONE_MAX);
	enum rc rc = load_filter(zone, section, why);
	if (rc != RC_OK)
		return rc;
	spec->name = pool_text(&zone->pool, conf_title(section));
	spec->folder = pool_keep(&zone->pool, mem_sprintf("%s/zones/%s", state, spec->name));
	spec->refresh_s = (uint32_t)conf_integer(section, "refresh");
	spec->retry_s = (uint32_t)conf_integer(section, "retry");
	spec->expire_s = (uint32_t)conf_integer(section, "expire");
	spec->max_shrink_percent = (uint32_t)conf_integer(section, "max_shrink_percent");
	spec->min_shrink = (uint64_t)conf_integer(section, "min_shrink");
	if (spec->expire_s <= spec->refresh_s)
		return conf_fail(section, why, "expire (%u s) must be longer than refresh (%u s), or every backup's list expires "
		                 "between two announcements", spec->expire_s, spec->refresh_s);
	spec->source_count = conf_count(section, "source");
	spec->sources = zone->sources = pool_array(&zone->pool, spec->source_count, sizeof *zone->sources);
	for (size_t i = 0; i < spec->source_count && rc == RC_OK; i++)
		rc = load_source(zone, conf_section(section, "source", i), conf_integer(section, "settle_ms"), &zone->sources[i],
		                 why);
	return rc;
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
	enum rc rc = check_name(section, why);
	if (rc != RC_OK)
		return rc;
	if (pubkey_parse(conf_string(section, "key"), &out->key, &reason) != RC_OK)
		return conf_fail(section, why, "key: %s: copy the line that `rxfer key` prints on the replica", reason.text);
	for (size_t i = 0; i < conf->replica_count; i++)
		if (memcmp(conf->replicas[i].key.transport, out->key.transport, sizeof out->key.transport) == 0)
			return conf_fail(section, why, "it has the same key as replica \"%s\": each replica needs an identity of its own",
			                 conf->replicas[i].name);
	out->name = pool_text(&conf->pool, conf_title(section));
	out->zone_count = conf_count(section, "zones");
	const char **zones = pool_array(&conf->pool, out->zone_count, sizeof *zones);
	if (out->zone_count == 0)
		return conf_fail(section, why, "zones is empty: name the zones it may have");
	for (size_t i = 0; i < out->zone_count; i++) {
		zones[i] = pool_text(&conf->pool, conf_item(section, "zones", i));
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
	conf->listen = pool_array(&conf->pool, conf->listen_count, sizeof *conf->listen);
	if (conf->listen_count == 0)
		return conf_fail(root, why, "listen is empty: leave it out, or name an endpoint like \"tcp://*:7353\"");
	for (size_t i = 0; i < conf->listen_count; i++) {
		const char *text = conf_item(root, "listen", i);
		if (!is_endpoint(text))
			return conf_fail(root, why, "listen: \"%s\" isn't an endpoint: write tcp://ADDRESS:PORT, with * for all addresses",
			                 text);
		conf->listen[i] = pool_text(&conf->pool, text);
	}
	return RC_OK;
}

static enum rc take(const struct conf *root, struct master_conf **out, struct why *why)
{
	struct master_conf *conf = mem_zalloc(sizeof *conf);
	conf->identity = pool_text(&conf->pool, conf_string(root, "identity"));
	conf->state = pool_text(&conf->pool, conf_string(root, "state"));
	conf->control = pool_text(&conf->pool, conf_string(root, "control"));
	enum rc rc = load_listen(conf, root, why);
	size_t zones = conf_count(root, "zone");
	size_t replicas = conf_count(root, "replica");
	conf->zones = pool_array(&conf->pool, zones, sizeof *conf->zones);
	conf->replicas = pool_array(&conf->pool, replicas, sizeof *conf->replicas);
	for (size_t i = 0; i < zones && rc == RC_OK; i++) {
		conf->zones[i] = mem_zalloc(sizeof **conf->zones);
		conf->zone_count++;
		rc = load_zone(conf_section(root, "zone", i), conf->state, conf->zones[i], why);
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
	for (size_t i = 0; i < conf->zone_count; i++)
		for (size_t j = 0; j < conf->zones[i]->spec.source_count; j++)
			conf->zones[i]->sources[j].watch = watch;
}

/* ---- Comparing ---- */

static bool same_texts(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

const char *master_conf_fixed_change(const struct master_conf *before, const struct master_conf *after)
{
	if (strcmp(before->identity, after->identity) != 0)
		return "identity";
	if (strcmp(before->state, after->state) != 0)
		return "state";
	if (strcmp(before->control, after->control) != 0)
		return "control";
	return same_texts(before->listen, before->listen_count, after->listen, after->listen_count) ? NULL : "listen";
}

static bool same_source(const struct source_spec *a, const struct source_spec *b)
{
	return strcmp(a->name, b->name) == 0 && a->kind == b->kind && strcmp(a->text, b->text) == 0 &&
	       a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms && a->settle_ms == b->settle_ms &&
	       same_texts(a->rule.domains, a->rule.domain_count, b->rule.domains, b->rule.domain_count);
}

static bool same_zone(const struct zone_conf *a, const struct zone_conf *b)
{
	const struct zone_spec *x = &a->spec;
	const struct zone_spec *y = &b->spec;
	if (strcmp(x->name, y->name) != 0 || strcmp(x->folder, y->folder) != 0 || x->refresh_s != y->refresh_s ||
	    x->retry_s != y->retry_s || x->expire_s != y->expire_s || x->max_shrink_percent != y->max_shrink_percent ||
	    x->min_shrink != y->min_shrink || x->source_count != y->source_count)
		return false;
	if (a->filter.smtputf8 != b->filter.smtputf8 ||
	    !same_texts(a->filter.domains, a->filter.domain_count, b->filter.domains, b->filter.domain_count) ||
	    !same_texts(a->filter.exclude, a->filter.exclude_count, b->filter.exclude, b->filter.exclude_count))
		return false;
	for (size_t i = 0; i < x->source_count; i++)
		if (!same_source(&x->sources[i], &y->sources[i]))
			return false;
	return true;
}

void master_conf_inherit(struct master_conf *conf, struct master_conf *old)
{
	for (size_t i = 0; i < conf->zone_count; i++) {
		for (size_t j = 0; j < old->zone_count; j++) {
			if (!same_zone(conf->zones[i], old->zones[j]))
				continue;
			struct zone_conf *zone = conf->zones[i];
			conf->zones[i] = old->zones[j];
			old->zones[j] = zone;
			break;
		}
	}
}
