/* master_conf_zone.c: the zones of master.conf; see master_conf.h. */
#include "master/master_conf_private.h"

#include "common/mem.h"
#include "master/source_map.h"
#include "postfix/postfix_options.h"

#include <stdlib.h>
#include <string.h>

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

const struct conf_option master_conf_zone_options[] = {
	{.name = "postfix", .kind = CONF_SECTION, .section = postfix_options},
	{.name = "treat", .kind = CONF_SECTION, .flags = CONF_TITLED, .section = master_postfix_treat_options},
	{.name = "source", .kind = CONF_SECTION, .flags = CONF_TITLED, .section = source_options},
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

/* ---- Memory ---- */

void *master_conf_pool_keep(struct master_conf_pool *pool, void *memory)
{
	pool->at = mem_realloc(pool->at, pool->count + 1, sizeof *pool->at);
	return pool->at[pool->count++] = memory;
}

const char *master_conf_pool_text(struct master_conf_pool *pool, const char *text)
{
	return master_conf_pool_keep(pool, mem_strdup(text));
}

void *master_conf_pool_array(struct master_conf_pool *pool, size_t count, size_t size)
{
	return master_conf_pool_keep(pool, mem_zalloc(count > 0 ? count * size : 1));
}

void master_conf_pool_free(struct master_conf_pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		free(pool->at[i]);
	free(pool->at);
}

void master_conf_zone_free(struct zone_conf *zone)
{
	if (!zone)
		return;
	master_conf_pool_free(&zone->pool);
	master_postfix_free(&zone->postfix);
	free(zone->sources);
	free(zone);
}

/* Names stand in logs, in JSON and on command lines. */
static bool name_valid(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t length = strlen(name);
	return length > 0 && length <= NAME_MAX_BYTES && strspn(name, letters) == length;
}

enum rc master_conf_check_name(const struct conf *section, struct why *why)
{
	return name_valid(conf_title(section)) ? RC_OK :
	       conf_fail(section, why, "a name is at most %d letters, digits, '.', '_' and '-'", NAME_MAX_BYTES);
}

/* ---- A zone ---- */

static enum rc load_domains(struct master_conf_pool *pool, const struct conf *section, bool smtputf8, const char *const **out,
                            size_t *out_count, struct why *why)
{
	size_t count = conf_count(section, "domains");
	const char **domains = master_conf_pool_array(pool, count, sizeof *domains);
	for (size_t i = 0; i < count; i++) {
		const char *text = conf_item(section, "domains", i);
		char folded[ADDRESS_MAX + 1];
		struct why reason;
		if (address_parse_domain(text, smtputf8, folded, &reason) != RC_OK)
			return conf_fail(section, why, "domains: \"%s\": %s", text, reason.text);
		domains[i] = master_conf_pool_text(pool, folded);
	}
	keys_sort(domains, count);
	*out = domains;
	*out_count = count;
	return RC_OK;
}

static enum rc load_exclude(struct master_conf_pool *pool, const struct conf *section, struct keys_filter *filter, struct why *why)
{
	size_t count = conf_count(section, "exclude");
	const char **exclude = master_conf_pool_array(pool, count, sizeof *exclude);
	for (size_t i = 0; i < count; i++) {
		const char *text = conf_item(section, "exclude", i);
		struct address address;
		struct why reason;
		if (address_parse(text, strlen(text), filter->smtputf8, &address, &reason) != RC_OK)
			return conf_fail(section, why, "exclude: \"%s\": %s", text, reason.text);
		if (address.kind == ADDRESS_BARE)
			return conf_fail(section, why, "exclude: \"%s\" isn't a whole address: write user@domain or @domain", text);
		exclude[i] = master_conf_pool_text(pool, address.text);
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
	enum rc rc = master_conf_check_name(section, why);
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
		out->text = master_conf_pool_text(&zone->pool, text);
	}
	if (!option)
		return conf_fail(section, why, "it says nothing to read: give it map, aliases or command");
	out->name = master_conf_pool_text(&zone->pool, conf_title(section));
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

static enum rc load_sources(struct zone_conf *zone, const struct conf *section, struct why *why)
{
	const int64_t settle_ms = conf_integer(section, "settle_ms");
	size_t count = conf_count(section, "source");
	bool postfix = conf_count(section, "postfix") > 0;
	enum rc rc = RC_OK;
	if (conf_count(section, "postfix") > 1)
		return conf_fail(section, why, "it has two postfix sections: give each Postfix a zone of its own");
	if (!postfix && conf_count(section, "treat") > 0)
		return conf_fail(section, why, "treat is for maps of a Postfix: add postfix { }");
	if (!postfix && count == 0)
		return conf_fail(section, why, "it has no source: add postfix { }, or source \"NAME\" { ... }");
	zone->own_count = count + postfix;
	zone->sources = mem_zalloc(zone->own_count * sizeof *zone->sources);
	zone->spec.sources = zone->sources;
	zone->spec.source_count = zone->own_count;
	if (postfix) {
		rc = master_postfix_load(section, &zone->postfix, why);
		if (rc != RC_OK)
			return rc;
		master_postfix_base(zone->postfix, &zone->filter, settle_ms, &zone->sources[0]);
	}
	for (size_t i = 0; i < count && rc == RC_OK; i++)
		rc = load_source(zone, conf_section(section, "source", i), settle_ms, &zone->sources[i + postfix], why);
	return rc;
}

enum rc master_conf_load_zone(const struct conf *section, const char *state, struct zone_conf *zone, struct why *why)
{
	struct zone_spec *spec = &zone->spec;
	if (!soa_zone_name_valid(conf_title(section)))
		return conf_fail(section, why, "a zone's name is at most %d of a-z, 0-9, '.', '_' and '-', and begins with a letter "
		                 "or digit", SOA_ZONE_MAX);
	enum rc rc = load_filter(zone, section, why);
	if (rc != RC_OK)
		return rc;
	spec->name = master_conf_pool_text(&zone->pool, conf_title(section));
	spec->folder = master_conf_pool_keep(&zone->pool, mem_sprintf("%s/zones/%s", state, spec->name));
	spec->refresh_s = (uint32_t)conf_integer(section, "refresh");
	spec->retry_s = (uint32_t)conf_integer(section, "retry");
	spec->expire_s = (uint32_t)conf_integer(section, "expire");
	spec->max_shrink_percent = (uint32_t)conf_integer(section, "max_shrink_percent");
	spec->min_shrink = (uint64_t)conf_integer(section, "min_shrink");
	if (spec->expire_s <= spec->refresh_s)
		return conf_fail(section, why, "expire (%u s) must be longer than refresh (%u s), or every backup's list expires "
		                 "between two announcements", spec->expire_s, spec->refresh_s);
	return load_sources(zone, section, why);
}

/* ---- Comparing ---- */

bool master_conf_same_texts(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

static bool same_source(const struct source_spec *a, const struct source_spec *b)
{
	return strcmp(a->name, b->name) == 0 && a->kind == b->kind && strcmp(a->text, b->text) == 0 &&
	       a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms && a->settle_ms == b->settle_ms &&
	       master_conf_same_texts(a->rule.domains, a->rule.domain_count, b->rule.domains, b->rule.domain_count);
}

bool master_conf_same_zone(const struct zone_conf *a, const struct zone_conf *b)
{
	const struct zone_spec *x = &a->spec;
	const struct zone_spec *y = &b->spec;
	if (strcmp(x->name, y->name) != 0 || strcmp(x->folder, y->folder) != 0 || x->refresh_s != y->refresh_s ||
	    x->retry_s != y->retry_s || x->expire_s != y->expire_s || x->max_shrink_percent != y->max_shrink_percent ||
	    x->min_shrink != y->min_shrink || a->own_count != b->own_count || !master_postfix_same(a->postfix, b->postfix))
		return false;
	if (a->filter.smtputf8 != b->filter.smtputf8 ||
	    !master_conf_same_texts(a->filter.domains, a->filter.domain_count, b->filter.domains, b->filter.domain_count) ||
	    !master_conf_same_texts(a->filter.exclude, a->filter.exclude_count, b->filter.exclude, b->filter.exclude_count))
		return false;
	for (size_t i = 0; i < a->own_count; i++)
		if (!same_source(&x->sources[i], &y->sources[i]))
			return false;
	return true;
}
