/* replica_conf.c: see replica_conf.h. What is given out is checked here once, so that nothing that comes from a
 * configuration can fail later but for the machine's reasons. */
#include "replica/replica_conf.h"

#include "common/conf.h"
#include "common/mem.h"
#include "postfix/postfix_options.h"
#include "protocol/link.h"
#include "replica/question.h"

#include <stdlib.h>
#include <string.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif
#define NAME_BYTES_MAX 63
#define PATH_BYTES_MAX 1024

static const struct conf_option master_options[] = {
	{.name = "connect", .kind = CONF_STRING, .flags = CONF_REQUIRED},
	{.name = "keys", .kind = CONF_LIST},
	{0}
};

static const struct conf_option zone_options[] = {
	{.name = "master", .kind = CONF_STRING, .flags = CONF_REQUIRED},
	{.name = "domains", .kind = CONF_LIST},
	{.name = "on_expire", .kind = CONF_STRING, .fallback = "keep"},
	{0}
};

static const struct conf_option table_options[] = {
	{.name = "holds", .kind = CONF_STRING, .flags = CONF_REQUIRED},
	{.name = "type", .kind = CONF_STRING, .fallback = "hash"},
	{.name = "path", .kind = CONF_STRING, .flags = CONF_REQUIRED | CONF_PATH},
	{.name = "zones", .kind = CONF_LIST},
	{0}
};

static const struct conf_option options[] = {
	{.name = "identity", .kind = CONF_STRING, .flags = CONF_PATH, .fallback = SYSCONFDIR "/rxfer/replica.identity"},
	{.name = "state", .kind = CONF_STRING, .flags = CONF_PATH, .fallback = "/var/lib/rxfer/replica"},
	{.name = "control", .kind = CONF_STRING, .flags = CONF_PATH, .fallback = "/run/rxfer/replica.sock"},
	{.name = "master", .kind = CONF_SECTION, .flags = CONF_TITLED | CONF_REQUIRED, .section = master_options},
	{.name = "zone", .kind = CONF_SECTION, .flags = CONF_TITLED | CONF_REQUIRED, .section = zone_options},
	{.name = "table", .kind = CONF_SECTION, .flags = CONF_TITLED, .section = table_options},
	{.name = "postfix", .kind = CONF_SECTION, .section = postfix_options},
	{0}
};

/* ---- memory that goes together ---- */

static void *keep(struct replica_conf *conf, void *memory)
{
	conf->memory = mem_realloc(conf->memory, conf->memory_count + 1, sizeof(*conf->memory));
	return conf->memory[conf->memory_count++] = memory;
}

static const char *keep_text(struct replica_conf *conf, const char *text)
{
	return keep(conf, mem_strdup(text));
}

static void *keep_array(struct replica_conf *conf, size_t count, size_t size)
{
	return keep(conf, mem_zalloc((count + 1) * size));
}

void replica_conf_free(struct replica_conf **conf)
{
	if (!*conf)
		return;
	for (size_t i = 0; i < (*conf)->memory_count; i++)
		free((*conf)->memory[i]);
	free((*conf)->memory);
	free(*conf);
	*conf = NULL;
}

/* Names stand in logs, in file names, in JSON and on command lines. */
static enum rc check_name(const struct conf *section, struct why *why)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *name = conf_title(section);
	size_t length = strlen(name);
	if (length > 0 && length <= NAME_BYTES_MAX && name[0] != '.' && strspn(name, letters) == length)
		return RC_OK;
	return conf_fail(section, why, "a name is at most %d letters, digits, '.', '_' and '-', and doesn't begin with a "
	                 "dot", NAME_BYTES_MAX);
}

static const char *const *copy_list(struct replica_conf *conf, const struct conf *section, const char *name,
                                    size_t *count)
{
	*count = conf_count(section, name);
	const char **list = keep_array(conf, *count, sizeof(*list));
	for (size_t i = 0; i < *count; i++)
		list[i] = keep_text(conf, conf_item(section, name, i));
	return list;
}

/* ---- sections ---- */

static enum rc load_keys(struct replica_conf *conf, const struct conf *section, struct master_spec *out,
                         struct why *why)
{
	out->key_count = conf_count(section, "keys");
	struct pubkey *keys = keep_array(conf, out->key_count, sizeof(*keys));
	out->keys = keys;
	if (out->key_count == 0)
		return conf_fail(section, why, "it has no keys: give the line that `rxfer key` prints on the master");
	for (size_t i = 0; i < out->key_count; i++) {
		struct why reason;
		enum rc rc = pubkey_parse(conf_item(section, "keys", i), &keys[i], &reason);
		if (rc == RC_OK && !pubkey_signs(&keys[i]))
			rc = why_set(&reason, RC_INVALID, "this one is as a master shows a key that it refused, without the half that "
			             "signs");
		if (rc != RC_OK)
			return conf_fail(section, why, "keys: %s: copy the line that `rxfer key` prints on the master",
			                 reason.text);
	}
	return RC_OK;
}

static enum rc load_master(struct replica_conf *conf, const struct conf *section, struct master_spec *out,
                           struct why *why)
{
	const char *connect = conf_string(section, "connect");
	struct why reason;
	enum rc rc = check_name(section, why);
	if (rc != RC_OK)
		return rc;
	if (link_endpoint_check(connect, &reason) != RC_OK)
		return conf_fail(section, why, "connect: %s", reason.text);
	out->name = keep_text(conf, conf_title(section));
	out->connect = keep_text(conf, connect);
	return load_keys(conf, section, out, why);
}

static const struct master_spec *find_master(const struct replica_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->master_count; i++)
		if (strcmp(conf->masters[i].name, name) == 0)
			return &conf->masters[i];
	return NULL;
}

static enum rc load_domains(struct replica_conf *conf, const struct conf *section, struct session_spec *out,
                            struct why *why)
{
	out->domains = copy_list(conf, section, "domains", &out->domain_count);
	if (out->domain_count == 0)
		return conf_fail(section, why, "it has no domains: name those that this host may take mail for; { \"*\" } "
		                 "leaves it to the master");
	struct allow *allow = NULL;
	struct why reason;
	if (allow_new(out->domains, out->domain_count, &allow, &reason) != RC_OK)
		return conf_fail(section, why, "domains: %s", reason.text);
	allow_free(&allow);
	return RC_OK;
}

static enum rc load_zone(struct replica_conf *conf, const struct conf *section, struct replica_zone *out,
                         struct why *why)
{
	if (!soa_zone_name_valid(conf_title(section)))
		return conf_fail(section, why, "a zone's name is at most %d of a-z, 0-9, '.', '_' and '-', and begins with a "
		                 "letter or digit", SOA_ZONE_MAX);
	out->session.name = keep_text(conf, conf_title(section));
	out->folder = keep(conf, mem_sprintf("%s/%s", conf->zones_folder, out->session.name));
	out->master = keep_text(conf, conf_string(section, "master"));
	const struct master_spec *master = find_master(conf, out->master);
	if (!master)
		return conf_fail(section, why, "there is no master \"%s\" in this file", out->master);
	out->session.keys = master->keys;
	out->session.key_count = master->key_count;
	const char *on_expire = conf_string(section, "on_expire");
	if (strcmp(on_expire, "keep") == 0)
		out->session.on_expire = ON_EXPIRE_KEEP;
	else if (strcmp(on_expire, "accept") == 0)
		out->session.on_expire = ON_EXPIRE_ACCEPT;
	else
		return conf_fail(section, why, "on_expire is \"%s\": say \"keep\" or \"accept\"", on_expire);
	return load_domains(conf, section, &out->session, why);
}

static enum rc load_table_zones(struct replica_conf *conf, const struct conf *section, struct replica_table *out,
                                struct why *why)
{
	out->zones = copy_list(conf, section, "zones", &out->zone_count);
	if (conf_given(section, "zones") && out->zone_count == 0)
		return conf_fail(section, why, "zones is empty: leave it out for all zones");
	for (size_t i = 0; i < out->zone_count; i++) {
		bool known = false;
		for (size_t j = 0; j < conf->zone_count; j++)
			known = known || strcmp(conf->zones[j].session.name, out->zones[i]) == 0;
		if (!known)
			return conf_fail(section, why, "zones: there is no zone \"%s\" in this file", out->zones[i]);
		for (size_t j = 0; j < i; j++)
			if (strcmp(out->zones[i], out->zones[j]) == 0)
				return conf_fail(section, why, "zones: \"%s\" stands there twice", out->zones[i]);
	}
	return RC_OK;
}

/* Two ways to write one path are told apart by nothing but the slashes that people double. */
static char *clean_path(const char *path)
{
	char *clean = mem_strdup(path);
	char *to = clean;
	for (const char *from = path; *from; from++)
		if (*from != '/' || to == clean || to[-1] != '/')
			*to++ = *from;
	*to = '\0';
	return clean;
}

static enum rc load_path(struct replica_conf *conf, const struct conf *section, struct replica_table *out, size_t index,
                         struct why *why)
{
	const char *path = conf_string(section, "path");
	size_t length = strlen(path);
	size_t extension = strlen(out->spec.type->extension);
	if (length > PATH_BYTES_MAX || path[length - 1] == '/' || strpbrk(path, " \t,"))
		return conf_fail(section, why, "path: \"%s\" can't be a table's in main.cf", path);
	if (length > extension && strcmp(path + length - extension, out->spec.type->extension) == 0)
		return conf_fail(section, why, "path: leave out the %s at the end, as in main.cf", out->spec.type->extension);
	out->spec.path = keep(conf, clean_path(path));
	for (size_t i = 0; i < index; i++) {
		const struct table_spec *other = &conf->tables[i].spec;
		if (strcmp(other->path, out->spec.path) == 0 && strcmp(other->type->extension, out->spec.type->extension) == 0)
			return conf_fail(section, why, "path: table \"%s\" has the same file, %s%s", other->name, other->path,
			                 other->type->extension);
	}
	return RC_OK;
}

static enum rc load_table(struct replica_conf *conf, const struct conf *section, size_t index, struct why *why)
{
	struct replica_table *out = &conf->tables[index];
	enum rc rc = check_name(section, why);
	if (rc != RC_OK)
		return rc;
	out->spec.name = keep_text(conf, conf_title(section));
	const char *holds = conf_string(section, "holds");
	if (strcmp(holds, "recipients") == 0)
		out->spec.holds = TABLE_RECIPIENTS;
	else if (strcmp(holds, "domains") == 0)
		out->spec.holds = TABLE_DOMAINS;
	else
		return conf_fail(section, why, "holds is \"%s\": say \"recipients\" or \"domains\"", holds);
	const char *type = conf_string(section, "type");
	out->spec.type = table_type_find(type);
	if (!out->spec.type)
		return conf_fail(section, why, "type: \"%s\" isn't one that this build can write; it knows %s", type,
		                 table_type_list());
	rc = load_path(conf, section, out, index, why);
	return rc == RC_OK ? load_table_zones(conf, section, out, why) : rc;
}

static void load_postfix(struct replica_conf *conf, const struct conf *section)
{
	const char *commands = conf_string(section, "command_directory"), *service = conf_string(section, "service");
	conf->postfix = (struct lookout_spec){
		.config = keep_text(conf, conf_string(section, "config_directory")),
		.commands = commands ? keep_text(conf, commands) : NULL,
		.service = service ? keep_text(conf, service) : NULL,
		.interval_ms = conf_integer(section, "interval") * 1000,
		.timeout_ms = conf_integer(section, "timeout") * 1000,
	};
}

/* ---- the whole ---- */

static enum rc load_sections(struct replica_conf *conf, const struct conf *root, struct why *why)
{
	enum rc rc = RC_OK;
	size_t masters = conf_count(root, "master");
	conf->masters = keep_array(conf, masters, sizeof(*conf->masters));
	for (size_t i = 0; rc == RC_OK && i < masters; i++, conf->master_count++)
		rc = load_master(conf, conf_section(root, "master", i), &conf->masters[i], why);
	size_t zones = conf_count(root, "zone");
	conf->zones = keep_array(conf, zones, sizeof(*conf->zones));
	for (size_t i = 0; rc == RC_OK && i < zones; i++, conf->zone_count++)
		rc = load_zone(conf, conf_section(root, "zone", i), &conf->zones[i], why);
	size_t tables = conf_count(root, "table");
	conf->tables = keep_array(conf, tables, sizeof(*conf->tables));
	for (size_t i = 0; rc == RC_OK && i < tables; i++, conf->table_count++)
		rc = load_table(conf, conf_section(root, "table", i), i, why);
	if (rc == RC_OK && conf_count(root, "postfix") > 0)
		load_postfix(conf, conf_section(root, "postfix", 0));
	return rc;
}

static enum rc take(struct conf **root, struct replica_conf **out, struct why *why)
{
	struct replica_conf *conf = mem_zalloc(sizeof(*conf));
	conf->identity = keep_text(conf, conf_string(*root, "identity"));
	conf->state = keep_text(conf, conf_string(*root, "state"));
	conf->control = keep_text(conf, conf_string(*root, "control"));
	conf->zones_folder = keep(conf, mem_sprintf("%s/zones", conf->state));
	conf->stamps_folder = keep(conf, mem_sprintf("%s/tables", conf->state));
	conf->keys_folder = keep(conf, mem_sprintf("%s/keys", conf->state));
	enum rc rc = load_sections(conf, *root, why);
	conf_free(root);
	if (rc == RC_OK)
		*out = conf;
	else
		replica_conf_free(&conf);
	return rc;
}

enum rc replica_conf_load(const char *path, struct replica_conf **out, struct why *why)
{
	struct conf *root = NULL;
	enum rc rc = conf_load(path, options, &root, why);
	return rc == RC_OK ? take(&root, out, why) : rc;
}

enum rc replica_conf_parse(const char *name, const char *text, size_t length, struct replica_conf **out,
                           struct why *why)
{
	struct conf *root = NULL;
	enum rc rc = conf_parse(name, text, length, options, &root, why);
	return rc == RC_OK ? take(&root, out, why) : rc;
}

const char *replica_conf_fixed_change(const struct replica_conf *a, const struct replica_conf *b)
{
	if (strcmp(a->identity, b->identity) != 0)
		return "identity";
	if (strcmp(a->state, b->state) != 0)
		return "state";
	return strcmp(a->control, b->control) != 0 ? "control" : NULL;
}

bool replica_table_has(const struct replica_table *table, const char *zone)
{
	for (size_t i = 0; i < table->zone_count; i++)
		if (strcmp(table->zones[i], zone) == 0)
			return true;
	return table->zone_count == 0;
}

void replica_conf_question(const struct replica_conf *conf, struct buf *out)
{
	question_begin(out, conf->postfix.commands, conf->postfix.service);
	for (size_t i = 0; i < conf->table_count; i++) {
		question_table(out, &conf->tables[i].spec);
		for (size_t j = 0; j < conf->zone_count; j++)
			if (replica_table_has(&conf->tables[i], conf->zones[j].session.name))
				question_in(out, conf->zones[j].session.name);
	}
}
