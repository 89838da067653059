/* postfix_classes.c: see postfix_classes.h.
 *
 * smtpd accepts a recipient in a domain of ours when recipient_canonical_maps, canonical_maps or virtual_alias_maps have it,
 * whatever its class and transport; else when its transport isn't error: and the class's own table has it, or there is
 * no such table. The virtual alias class has no table of its own. Which names are valid without being asked for, and which
 * settings switch all this off: check_rcpt_maps() in smtpd_check.c; each of these was tried on Postfix 3.7. */
#include "master/postfix_classes.h"

#include "master/postfix_lists.h"
#include "postfix/postfix_words.h"

#include "common/address.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

struct finder {
	const struct postfix_classes_spec *spec;
	const struct postfix_world *world;
	struct postfix_plan *plan;
	unsigned used;               /* classes that have a domain */
	unsigned open;               /* classes where everybody is valid */
	unsigned unlisted;           /* those of them where nobody is even asked about */
	/* Of the map that is being looked at: */
	const char *parameter;
	unsigned classes;
	bool first;
	bool everything;             /* it answers every question */
};

static const char *of_smtpd(const struct finder *finder, const char *name)
{
	return postconf_get(finder->spec->smtpd, name);
}

static bool smtputf8(const struct finder *finder)
{
	return postconf_is_yes(finder->spec->smtpd, "smtputf8_enable");
}

/* ---- Domains ---- */

static void find_domains(struct finder *finder)
{
	static const char *const names[] = {"mydestination", "virtual_alias_domains", "virtual_mailbox_domains",
	                                    "relay_domains"};
	const struct postconf *rewrite = finder->spec->rewrite;
	struct postfix_lists_spec lists = {
		.parents = postfix_words_have(postconf_get(rewrite, "parent_domain_matches_subdomains"), "relay_domains"),
		.smtputf8 = postconf_is_yes(rewrite, "smtputf8_enable"),
		.queue = postconf_get(rewrite, "queue_directory"),
	};
	for (size_t i = 0; i < POSTFIX_CLASSES; i++) {
		lists.parameters[i] = names[i];
		lists.values[i] = postconf_get(rewrite, names[i]);
	}
	postfix_lists_find(&lists, finder->world, finder->plan);
	const struct postfix_domains *domains = &finder->plan->domains;
	for (size_t i = 0; i < domains->names.count; i++)
		if (domains->names.at[i].class != POSTFIX_NONE)
			finder->used |= POSTFIX_BIT(domains->names.at[i].class);
	if (domains->below.count > 0)
		finder->used |= POSTFIX_BIT(POSTFIX_RELAY);
}

/* Debian's Postfix takes a file's first line for myorigin = /FILE. */
static bool find_origin(struct finder *finder, const struct postconf *conf, char out[ADDRESS_MAX + 1])
{
	const char *value = postconf_get(conf, "myorigin");
	struct buf text = {0};
	struct why why;
	if (value[0] != '/')
		return address_parse_domain(value, smtputf8(finder), out, NULL) == RC_OK;
	postfix_plan_watch(finder->plan, value);
	if (finder->world->file(finder->world->context, value, &text, &why) != RC_OK) {
		postfix_plan_problem(finder->plan, "myorigin", value, why.text);
		buf_free(&text);
		return false;
	}
	char *line = mem_strdup(buf_text(&text));
	line[strcspn(line, " \t\r\n")] = '\0';
	bool found = address_parse_domain(line, smtputf8(finder), out, NULL) == RC_OK;
	free(line);
	buf_free(&text);
	return found;
}

static void find_rewrites_origin(struct finder *finder)
{
	char origin[ADDRESS_MAX + 1];
	if (find_origin(finder, finder->spec->rewrite, origin) &&
	    postfix_domains_class(&finder->plan->domains, origin) != POSTFIX_NONE)
		finder->plan->away.origin = mem_strdup(origin);
}

static void add_bare(struct finder *finder, const char *domain)
{
	enum postfix_class class = postfix_domains_class(&finder->plan->domains, domain);
	if (class != POSTFIX_NONE)
		postfix_domains_add(&finder->plan->bare, domain, class);
}

/* Where keys without '@' hold is smtpd's own affair: its mydestination can be another than trivial-rewrite's. */
static void find_bare(struct finder *finder)
{
	const char *value = of_smtpd(finder, "mydestination");
	struct postfix_plan scratch = {0};
	const struct postfix_domain_set *names = &finder->plan->domains.names;
	if (strcmp(value, postconf_get(finder->spec->rewrite, "mydestination")) != 0) {
		const struct postfix_lists_spec lists = {.parameters = {"mydestination", "", "", ""}, .values = {value, "", "", ""},
		                                         .smtputf8 = smtputf8(finder),
		                                         .queue = of_smtpd(finder, "queue_directory")};
		postfix_lists_find(&lists, finder->world, &scratch);
		names = &scratch.domains.names;
		for (size_t i = 0; i < scratch.problem_count; i++)
			postfix_plan_problem(finder->plan, "mydestination", scratch.problems[i].map, scratch.problems[i].text);
		for (size_t i = 0; i < scratch.watches.count; i++)
			postfix_plan_watch(finder->plan, scratch.watches.at[i].name);
	}
	for (size_t i = 0; i < names->count; i++)
		if (names->at[i].class == POSTFIX_LOCAL)
			add_bare(finder, names->at[i].name);
	char origin[ADDRESS_MAX + 1];
	if (find_origin(finder, finder->spec->smtpd, origin))
		add_bare(finder, origin);
	postfix_domains_sort(&finder->plan->bare);
	postfix_plan_free(&scratch);
}

/* ---- Classes that accept everything ---- */

static bool names_unlisted(const struct postconf *smtpd)
{
	for (size_t i = 0; i < smtpd->count; i++) {
		const char *value = smtpd->at[i].value;
		if (strstr(value, "reject_unlisted_recipient") || strstr(value, "check_recipient_maps"))
			return true;
	}
	return false;
}

static void find_open(struct finder *finder)
{
	static const struct { enum postfix_class class; const char *maps; } tables[] = {
		{POSTFIX_LOCAL, "local_recipient_maps"}, {POSTFIX_MAILBOX, "virtual_mailbox_maps"},
		{POSTFIX_RELAY, "relay_recipient_maps"},
	};
	const char *overrides = of_smtpd(finder, "receive_override_options");
	if (postfix_words_have(overrides, "no_unknown_recipient_checks") ||
	    (!postconf_is_yes(finder->spec->smtpd, "smtpd_reject_unlisted_recipient") &&
	     !names_unlisted(finder->spec->smtpd))) {
		finder->unlisted = finder->open = finder->used;
		postfix_plan_note(finder->plan, "this smtpd accepts every recipient in its domains: %s",
		                  postfix_words_have(overrides, "no_unknown_recipient_checks") ?
		                  "receive_override_options has no_unknown_recipient_checks" :
		                  "smtpd_reject_unlisted_recipient = no");
		return;
	}
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		unsigned bit = POSTFIX_BIT(tables[i].class);
		const char *value = of_smtpd(finder, tables[i].maps);
		if (!(finder->used & bit) || value[strspn(value, ", \t")] != '\0')
			continue;
		finder->open |= bit;
		postfix_plan_note(finder->plan, "%s is empty: every recipient in these domains is accepted", tables[i].maps);
	}
}

/* ---- Maps ---- */

static bool is_in(const char *list, const char *queue, const struct postfix_map *map);

/* postmap folds keys as main.cf says. Where that smtpd alone folds more than ASCII, it never asks for what it would fold. */
static bool folded_less(const struct finder *finder, const struct postfix_map *map)
{
	static const char *const indexes[] = {"hash", "btree", "cdb", "lmdb"};
	bool index = false;
	for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++)
		index = index || postfix_map_is(map, indexes[i]);
	return index && smtputf8(finder) && !postconf_is_yes(finder->spec->rewrite, "smtputf8_enable");
}

static void add_source(struct finder *finder, const struct postfix_map *map, const char *command)
{
	const char *queue = of_smtpd(finder, "queue_directory");
	bool aliases = is_in(of_smtpd(finder, "alias_maps"), queue, map) ||
	               is_in(of_smtpd(finder, "alias_database"), queue, map);
	const struct postfix_source source = {
		.classes = finder->classes,
		.format = command ? POSTFIX_FORMAT_COMMAND : aliases ? POSTFIX_FORMAT_ALIASES : POSTFIX_FORMAT_MAP,
		.first = finder->first,
		.exact = !command && (map->exact || folded_less(finder, map)),
		.parameter = (char *)(uintptr_t)finder->parameter,
		.text = command ? (char *)(uintptr_t)command : map->text,
	};
	postfix_plan_source(finder->plan, &source);
}

static bool type_known(const struct finder *finder, const struct postfix_map *map)
{
	struct postfix_lines lines = postfix_lines_of(finder->spec->types);
	const char *line;
	size_t length;
	while (postfix_lines_next(&lines, &line, &length))
		if (length == map->type_length && memcmp(line, map->type, length) == 0)
			return true;
	return false;
}

static void refuse(struct finder *finder, const struct postfix_map *map, const char *reason)
{
	postfix_plan_ask(finder->plan, finder->parameter, map->text, reason, "\"catch-all\", \"ignore\"");
}

static bool add_map(void *context, const struct postfix_map *map)
{
	struct finder *finder = context;
	const char *command = NULL;
	enum postfix_treat treat = finder->world->treat(finder->world->context, map->text, &command);
	if (treat == POSTFIX_CATCH_ALL)
		finder->everything = true;
	else if (treat == POSTFIX_LIST && command)
		add_source(finder, map, command);
	else if (treat == POSTFIX_IGNORE)
		return true;
	else if (map->type_length == 0)
		refuse(finder, map, "a map needs its type in front: TYPE:NAME");
	else if (!type_known(finder, map))
		refuse(finder, map, "this Postfix doesn't know maps of this type, and so refuses its mail for now");
	else if (map->kind == POSTFIX_MAP_EVERYTHING)
		finder->everything = true;
	else if (map->kind == POSTFIX_MAP_LISTED)
		add_source(finder, map, NULL);
	else
		refuse(finder, map, "maps of this type can be asked about one address, but not for all of them");
	return true;
}

struct search {
	const struct postfix_map *map;
	bool found;
};

static bool compare_map(void *context, const struct postfix_map *map)
{
	struct search *search = context;
	search->found = search->found || strcmp(map->text, search->map->text) == 0;
	return !search->found;
}

static bool is_in(const char *list, const char *queue, const struct postfix_map *map)
{
	struct search search = {map, false};
	(void)postfix_maps_each(list, queue, compare_map, &search);
	return search.found;
}

/* Bare keys hold at the origin, also where it is in another class than the local one. */
static void add_maps(struct finder *finder, const char *parameter, unsigned classes, bool first)
{
	const bool taken = postfix_away_any(&finder->plan->away);
	finder->parameter = parameter;
	finder->first = first;
	/* Where everybody is valid nothing more needs to be known; unless some are taken away that this map gives back. */
	finder->classes = classes & finder->used & ~(first && taken ? finder->unlisted : finder->open);
	finder->everything = false;
	if (finder->classes == 0)
		return;
	(void)postfix_maps_each(of_smtpd(finder, parameter), of_smtpd(finder, "queue_directory"), add_map, finder);
	if (!finder->everything)
		return;
	finder->open |= finder->classes;
	if (first)
		finder->unlisted |= finder->classes;
	postfix_plan_note(finder->plan, "%s has an answer for everybody: every recipient in these domains is accepted",
	                  parameter);
}

/* A class that was found open after sources were added for it needs them no more. */
static void drop_idle_sources(struct finder *finder)
{
	struct postfix_plan *plan = finder->plan;
	const bool taken = postfix_away_any(&plan->away);
	size_t kept = 0;
	for (size_t i = 0; i < plan->source_count; i++) {
		struct postfix_source *source = &plan->sources[i];
		source->classes &= ~(source->first && taken ? finder->unlisted : finder->open);
		if (source->classes != 0) {
			plan->sources[kept++] = *source;
			continue;
		}
		free(source->parameter);
		free(source->text);
	}
	plan->source_count = kept;
}

/* ---- What is valid without being asked for ---- */

static void add_recipient(struct finder *finder, const char *local, const char *domain, enum postfix_class class)
{
	struct address bare, address;
	if (address_parse(local, strlen(local), smtputf8(finder), &bare, NULL) != RC_OK || bare.kind != ADDRESS_BARE ||
	    address_qualify(&bare, domain, &address, NULL) != RC_OK)
		return;
	if (!postfix_away_takes(&finder->plan->away, &address, class))
		postfix_plan_text(&finder->plan->recipients, address.text, NULL);
}

struct open_domain {
	struct finder *finder;
	enum postfix_class class;
};

static void add_kept(void *context, const char *key)
{
	const struct open_domain *open = context;
	struct finder *finder = open->finder;
	struct address address;
	if (address_parse(key, strlen(key), smtputf8(finder), &address, NULL) == RC_OK &&
	    !postfix_away_takes(&finder->plan->away, &address, open->class))
		postfix_plan_text(&finder->plan->recipients, address.text, NULL);
}

static void make_catchall(const char *domain, struct address *out)
{
	*out = (struct address){.kind = ADDRESS_CATCHALL, .length = (uint16_t)(strlen(domain) + 1)};
	out->text[0] = '@';
	memcpy(out->text + 1, domain, out->length);
}

static void open_domain(struct finder *finder, const char *domain, enum postfix_class class)
{
	struct address all;
	struct open_domain open = {finder, class};
	make_catchall(domain, &all);
	if ((finder->unlisted & POSTFIX_BIT(class)) ||
	    !postfix_away_takes(&finder->plan->away, &all, class))
		postfix_plan_text(&finder->plan->recipients, all.text, NULL);
	else
		postfix_away_kept(&finder->plan->away, domain, add_kept, &open);
}

static bool has_text(const struct postfix_texts *texts, const char *local, const char *domain)
{
	size_t length = strlen(local);
	for (size_t i = 0; i < texts->count; i++)
		if (strncmp(texts->at[i].name, local, length) == 0 && texts->at[i].name[length] == '@' &&
		    strcmp(texts->at[i].name + length + 1, domain) == 0)
			return true;
	return false;
}

static void find_always(struct finder *finder)
{
	/* An empty local part becomes mailer-daemon. */
	const char *const names[] = {of_smtpd(finder, "double_bounce_sender"), "postmaster", "mailer-daemon", "\"\""};
	const struct postfix_domains *domains = &finder->plan->domains;
	for (size_t i = 0; i < domains->names.count; i++) {
		const struct postfix_domain *domain = &domains->names.at[i];
		if (domain->class == POSTFIX_NONE)
			continue;
		if (finder->open & POSTFIX_BIT(domain->class))
			open_domain(finder, domain->name, domain->class);
		else if (domain->class == POSTFIX_LOCAL)
			for (size_t j = 0; j < sizeof names / sizeof *names; j++)
				add_recipient(finder, names[j], domain->name, domain->class);
	}
	/* This one is accepted before anything else is looked at. Its domain is put to it by trivial-rewrite. */
	char origin[ADDRESS_MAX + 1];
	struct address bare, address;
	if (!find_origin(finder, finder->spec->rewrite, origin))
		return;
	enum postfix_class class = postfix_domains_class(domains, origin);
	if (class == POSTFIX_NONE || has_text(&finder->plan->recipients, names[0], origin))
		return;
	if (address_parse(names[0], strlen(names[0]), smtputf8(finder), &bare, NULL) == RC_OK &&
	    bare.kind == ADDRESS_BARE && address_qualify(&bare, origin, &address, NULL) == RC_OK)
		postfix_plan_text(&finder->plan->recipients, address.text, NULL);
}

/* Everybody gets 450 where the transport is retry:. */
static void find_later(struct finder *finder)
{
	const struct postfix_domains *domains = &finder->plan->domains;
	const struct postfix_away *later = &finder->plan->later;
	bool any = false;
	for (size_t i = 0; i < domains->names.count; i++) {
		const struct postfix_domain *domain = &domains->names.at[i];
		struct address all;
		make_catchall(domain->name, &all);
		if (domain->class != POSTFIX_NONE && postfix_away_takes(later, &all, domain->class) &&
		    !postfix_away_moved(&finder->plan->away, &all, domain->class)) {
			postfix_plan_text(&finder->plan->recipients, all.text, NULL);
			any = true;
		}
	}
	for (size_t i = 0; i < later->transport.count; i++) {
		const char *key = later->transport.at[i].key, *at = strrchr(key, '@');
		enum postfix_class class = at ? postfix_domains_class(domains, at + 1) : POSTFIX_NONE;
		struct address address;
		if (later->transport.at[i].verdict != POSTFIX_AWAY || class == POSTFIX_NONE || class == POSTFIX_ALIAS ||
		    address_parse(key, strlen(key), smtputf8(finder), &address, NULL) != RC_OK ||
		    postfix_away_moved(&finder->plan->away, &address, class))
			continue;
		postfix_plan_text(&finder->plan->recipients, key, NULL);
		any = true;
	}
	if (any)
		postfix_plan_note(finder->plan, "a transport is retry: what it puts off here, known or not, is accepted at the "
		                  "backups");
}

static void note_subdomains(struct finder *finder)
{
	const struct postfix_domain_set *below = &finder->plan->domains.below;
	for (size_t i = 0; (finder->open & POSTFIX_BIT(POSTFIX_RELAY)) && i < below->count; i++) {
		if (below->at[i].class != POSTFIX_RELAY)
			continue;
		postfix_plan_note(finder->plan, "every subdomain of %s is accepted here, and no table can say that: name those "
		                  "that get mail in relay_domains, or give relay_recipient_maps", below->at[i].name);
		return;
	}
}

static void find_params(struct finder *finder)
{
	static const char *const names[] = {"recipient_delimiter", "smtputf8_enable", "owner_request_special",
	                                    "allow_min_user"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		postfix_plan_text(&finder->plan->params, names[i], of_smtpd(finder, names[i]));
}

void postfix_classes_find(const struct postfix_classes_spec *spec, const struct postfix_world *world,
                          struct postfix_plan *plan)
{
	struct finder finder = {.spec = spec, .world = world, .plan = plan};
	const unsigned all = POSTFIX_ALL_CLASSES;
	find_domains(&finder);
	find_bare(&finder);
	find_rewrites_origin(&finder);
	postfix_transport_find(spec, world, plan);
	find_open(&finder);
	add_maps(&finder, "recipient_canonical_maps", all, true);
	add_maps(&finder, "canonical_maps", all, true);
	add_maps(&finder, "virtual_alias_maps", all, true);
	add_maps(&finder, "local_recipient_maps", POSTFIX_BIT(POSTFIX_LOCAL), false);
	add_maps(&finder, "virtual_mailbox_maps", POSTFIX_BIT(POSTFIX_MAILBOX), false);
	add_maps(&finder, "relay_recipient_maps", POSTFIX_BIT(POSTFIX_RELAY), false);
	drop_idle_sources(&finder);
	find_always(&finder);
	find_later(&finder);
	note_subdomains(&finder);
	find_params(&finder);
}
