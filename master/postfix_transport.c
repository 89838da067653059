/* postfix_transport.c: which addresses transport_maps, relocated_maps and the classes' own transports take away.
 *
 * A big transport map mostly says where mail goes, and takes nothing away: so only what does is kept, and what it
 * would reach otherwise. */
#include "master/postfix_classes.h"

#include "master/postfix_lists.h"
#include "master/postfix_union.h"
#include "postfix/postfix_words.h"

#include "common/address.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

/* `transport:nexthop`, both possibly empty. */
static bool is_transport(const char *value, size_t length, const char *word)
{
	size_t end = strlen(word);
	return length >= end && memcmp(value, word, end) == 0 && (length == end || value[end] == ':');
}

struct gather {
	const struct postfix_world *world;
	struct postfix_plan *plan;
	const char *parameter;
	const char *queue;
	bool smtputf8;
	struct postfix_split smtpd;  /* where smtpd ends a local part: other processes, other overrides */
	bool exact;
	char *patterns;              /* a map of patterns that takes nothing away, or NULL */
	bool everything;             /* a map that answers every question has gone before */
};

static void add_transport(struct gather *gather, const char *key, const char *value, size_t length)
{
	struct postfix_plan *plan = gather->plan;
	struct address address;
	if (address_parse(key, strlen(key), gather->smtputf8, &address, NULL) != RC_OK || address.kind == ADDRESS_CATCHALL ||
	    (gather->exact && !postfix_away_folded(key, strlen(key), &address)))
		return;
	bool own = length == 0 || value[0] == ':';
	postfix_away_add(&plan->away.transport, address.text,
	                 own ? POSTFIX_OWN : is_transport(value, length, "error") ? POSTFIX_AWAY : POSTFIX_KEPT);
	postfix_away_add(&plan->later.transport, address.text,
	                 own ? POSTFIX_OWN : is_transport(value, length, "retry") ? POSTFIX_AWAY : POSTFIX_KEPT);
}

static void take_transports(struct gather *gather, const struct buf *values)
{
	struct postfix_lines lines = postfix_lines_of(values);
	const char *line;
	size_t length;
	while (postfix_lines_next(&lines, &line, &length)) {
		const char *tab = memchr(line, '\t', length);
		if (!tab)
			continue;
		char *key = mem_strndup(line, (size_t)(tab - line));
		add_transport(gather, key, tab + 1, length - (size_t)(tab + 1 - line));
		free(key);
	}
}

/* A text of patterns that mentions neither error: nor a part of what matched can take nothing away. (But it can give back
 * what others take: see check_patterns.) */
static bool is_harmless(const struct postfix_world *world, const struct postfix_map *map)
{
	struct buf text = {0};
	const char *command;
	if (world->treat(world->context, map->text, &command) != POSTFIX_ASK)
		return false;
	bool patterns = postfix_map_is(map, "regexp") || postfix_map_is(map, "pcre") || postfix_map_is(map, "cidr");
	bool harmless = false;
	if (patterns && world->file(world->context, map->name, &text, NULL) == RC_OK)
		harmless = !strstr(buf_text(&text), "error") && !strstr(buf_text(&text), "retry") &&
		           !strchr(buf_text(&text), '$');
	buf_free(&text);
	return harmless;
}

static void drop_domains(struct postfix_away_set *set)
{
	size_t kept = 0;
	for (size_t i = 0; i < set->count; i++) {
		if (strchr(set->at[i].key, '@'))
			set->at[kept++] = set->at[i];
		else
			free(set->at[i].key);
	}
	set->count = kept;
}

/* Of randmap:{a, b}, which answers as it likes: one that doesn't refuse, when there is one. */
static char *any_answer(const struct postfix_map *map)
{
	if (postfix_map_is(map, "static"))
		return mem_strdup(map->name);
	const char *braces = map->name;
	char *inside = postfix_word_take(&braces);
	const char *at = inside ? inside : "";
	char *answer = postfix_word_take(&at);
	while (answer && is_transport(answer, strlen(answer), "error")) {
		char *next = postfix_word_take(&at);
		if (!next)
			break;
		free(answer);
		answer = next;
	}
	free(inside);
	return answer ? answer : mem_strdup("");
}

/* Everything that no map before it has is answered by this one, at the very first question: the whole address. */
static void take_everything(struct gather *gather, const char *answer)
{
	drop_domains(&gather->plan->away.transport);
	drop_domains(&gather->plan->later.transport);
	add_transport(gather, "*", answer, strlen(answer));
	gather->everything = true;
}

/* What Postfix answers for these keys; false: not known. */
static bool ask(const struct gather *gather, const struct postfix_map *map, const struct buf *keys, struct buf *out)
{
	struct why why;
	if (keys->length == 0 || gather->world->values(gather->world->context, map->text, keys, out, &why) == RC_OK)
		return true;
	postfix_plan_problem(gather->plan, gather->parameter, map->text, why.text);
	return false;
}

struct members {
	struct gather *gather;
	struct postfix_union answers;
	bool known;
};

static void add_answers(struct members *members, const struct postfix_map *map, const struct buf *values)
{
	struct postfix_lines lines = postfix_lines_of(values);
	const char *line;
	size_t length;
	while (postfix_lines_next(&lines, &line, &length)) {
		struct address address;
		const char *tab = memchr(line, '\t', length);
		size_t key = tab ? (size_t)(tab - line) : 0;
		if (tab && address_parse(line, key, members->gather->smtputf8, &address, NULL) == RC_OK &&
		    (!map->exact || postfix_away_folded(line, key, &address)))
			postfix_union_add(&members->answers, address.text, tab + 1, length - key - 1);
	}
}

static bool add_member(void *context, const struct postfix_map *map)
{
	struct members *members = context;
	struct gather *gather = members->gather;
	struct buf keys = {0}, values = {0};
	if (map->kind == POSTFIX_MAP_EVERYTHING) {
		char *answer = any_answer(map);
		postfix_union_add(&members->answers, NULL, answer, strlen(answer));
		free(answer);
		return true;
	}
	enum rc rc = postfix_lists_keys(map, gather->parameter, gather->world, gather->plan, &keys);
	if (rc == RC_OK && ask(gather, map, &keys, &values))
		add_answers(members, map, &values);
	else
		members->known = members->known && rc == RC_NOT_FOUND;
	buf_free(&keys);
	buf_free(&values);
	return true;
}

static void take_answer(void *context, const char *key, const char *value)
{
	if (key)
		add_transport(context, key, value, strlen(value));
	else
		take_everything(context, value);
}

/* Its answer joins those of all members that have one: "error" twice makes "error,error", which is no such transport. */
static void add_union(struct gather *gather, const struct postfix_map *map)
{
	struct members members = {gather, {0}, true};
	(void)postfix_maps_each(map->text, gather->queue, add_member, &members);
	if (members.known)
		postfix_union_each(&members.answers, take_answer, gather);
	postfix_union_free(&members.answers);
}

static void add_listed(struct gather *gather, const struct postfix_map *map)
{
	struct buf keys = {0}, values = {0};
	if (postfix_lists_keys(map, gather->parameter, gather->world, gather->plan, &keys) == RC_OK &&
	    ask(gather, map, &keys, &values))
		take_transports(gather, &values);
	buf_free(&keys);
	buf_free(&values);
}

static bool add_transport_map(void *context, const struct postfix_map *map)
{
	struct gather *gather = context;
	if (gather->everything)
		return false;
	gather->exact = map->exact;
	if (postfix_map_is(map, "unionmap")) {
		add_union(gather, map);
	} else if (map->kind == POSTFIX_MAP_EVERYTHING) {
		char *answer = any_answer(map);
		take_everything(gather, answer);
		free(answer);
	} else if (map->kind == POSTFIX_MAP_LISTED || !is_harmless(gather->world, map)) {
		add_listed(gather, map);
	} else {
		postfix_plan_watch(gather->plan, map->name);
		free(gather->patterns);
		gather->patterns = mem_strdup(map->text);
	}
	return true;
}

/* Whether no address that leads smtpd to this key means something else to those who look for transports. */
static bool means_the_same(const struct gather *gather, const char *key, size_t local)
{
	/* Only the very address leads to one with an extension. */
	return postfix_away_strip(key, local, &gather->smtpd) != local ||
	       postfix_split_agrees(&gather->smtpd, &gather->plan->away.split, key, local);
}

static bool add_moved_map(void *context, const struct postfix_map *map)
{
	struct gather *gather = context;
	struct buf keys = {0};
	if (map->kind == POSTFIX_MAP_EVERYTHING) {
		postfix_away_add(&gather->plan->away.moved, POSTFIX_AWAY_EVERYBODY, POSTFIX_AWAY);
		postfix_plan_note(gather->plan, "relocated_maps move everybody: only aliases are accepted");
		return true;
	}
	(void)postfix_lists_keys(map, gather->parameter, gather->world, gather->plan, &keys);
	struct postfix_lines lines = postfix_lines_of(&keys);
	const char *line;
	size_t length;
	while (postfix_lines_next(&lines, &line, &length)) {
		struct address address;
		if (address_parse(line, length, gather->smtputf8, &address, NULL) == RC_OK &&
		    (address.kind == ADDRESS_CATCHALL || means_the_same(gather, address.text, address.at)) &&
		    (!map->exact || postfix_away_folded(line, length, &address)))
			postfix_away_add(&gather->plan->away.moved, address.text, POSTFIX_AWAY);
	}
	buf_free(&keys);
	return true;
}

/* What an address of this domain meets that has no entry itself. */
static bool others_are_away(const struct postfix_away *away, const char *domain)
{
	const struct postfix_away only = {.transport = away->transport, .parents = away->parents};
	struct address all = {.kind = ADDRESS_CATCHALL, .length = (uint16_t)(strlen(domain) + 1)};
	all.text[0] = '@';
	memcpy(all.text + 1, domain, all.length);
	return postfix_away_takes(&only, &all, POSTFIX_RELAY);
}

/* What a domain meets that has no entry itself. */
static bool parents_are_away(const struct postfix_away *away, const char *domain)
{
	const char *dot = strchr(domain + 1, '.');
	return others_are_away(away, dot && away->parents ? dot + 1 : dot ? dot : "");
}

/* Whether what the key says would be so without it. */
static bool is_idle(struct postfix_away *away, size_t index)
{
	struct postfix_away_key *key = &away->transport.at[index];
	struct address address;
	if (key->verdict == POSTFIX_AWAY || strcmp(key->key, "*") == 0)
		return false;
	if (away->gone != 0)
		return false;
	if (!strchr(key->key, '@'))
		return !parents_are_away(away, key->key);
	if (address_parse(key->key, strlen(key->key), true, &address, NULL) != RC_OK)
		return false;
	/* Unless the one without extension has an entry. */
	return postfix_away_strip(address.text, address.at, &away->split) == address.at &&
	       !others_are_away(away, address_domain(&address));
}

static bool takes_any(const struct postfix_away *away)
{
	for (size_t i = 0; i < away->transport.count; i++)
		if (away->transport.at[i].verdict == POSTFIX_AWAY)
			return true;
	return away->gone != 0;
}

static void thin_out(struct postfix_away *away)
{
	struct postfix_away_set *set = &away->transport;
	bool any = takes_any(away);
	bool *idle = mem_zalloc(set->count + 1);
	for (size_t i = 0; i < set->count; i++)
		idle[i] = !any || is_idle(away, i);
	size_t kept = 0;
	for (size_t i = 0; i < set->count; i++) {
		if (idle[i])
			free(set->at[i].key);
		else
			set->at[kept++] = set->at[i];
	}
	set->count = kept;
	free(idle);
}

/* user is refused, and user+ext isn't: the table can say that of neither, so both stay. */
static void keep_the_extended(const struct gather *gather, struct postfix_away *away)
{
	struct postfix_away_set *set = &away->transport;
	bool extends = gather->smtpd.delimiters[0] != '\0';
	for (size_t i = 0; i < set->count; i++) {
		const char *key = set->at[i].key, *at = strrchr(key, '@');
		size_t local = at ? postfix_away_strip(key, (size_t)(at - key), &gather->smtpd) : 0;
		bool doubtful = at && local == (size_t)(at - key) &&
		                ((gather->everything && extends) || !means_the_same(gather, key, local));
		if (doubtful && !others_are_away(away, at + 1))
			set->at[i].verdict = POSTFIX_KEPT;
		if (set->at[i].verdict == POSTFIX_AWAY || !at || local == (size_t)(at - key))
			continue;
		for (size_t j = 0; j < set->count; j++)
			if (strncmp(set->at[j].key, key, local) == 0 && strcmp(set->at[j].key + local, at) == 0)
				set->at[j].verdict = POSTFIX_KEPT;
	}
}

static void keep_domain(struct postfix_away_set *set, const char *domain)
{
	for (size_t i = 0; i < set->count; i++) {
		if (strcmp(set->at[i].key, domain) == 0) {
			set->at[i].verdict = POSTFIX_KEPT;
			return;
		}
	}
	postfix_away_add(set, domain, POSTFIX_KEPT);
}

/* An address that is kept where all others are taken away, or NULL. */
static const char *exception(const struct postfix_plan *plan)
{
	const struct postfix_away *away = &plan->away;
	const struct postfix_away only = {.transport = away->transport, .parents = away->parents, .gone = away->gone};
	for (size_t i = 0; i < away->transport.count; i++) {
		const char *at = strrchr(away->transport.at[i].key, '@');
		struct address all = {.kind = ADDRESS_CATCHALL};
		if (!at || away->transport.at[i].verdict == POSTFIX_AWAY)
			continue;
		all.length = (uint16_t)strlen(at);
		memcpy(all.text, at, (size_t)all.length + 1);
		if (postfix_away_takes(&only, &all, postfix_domains_class(&plan->domains, at + 1)))
			return at + 1;
	}
	return NULL;
}

/* With a letter among the delimiters, whether an address is kept as one with an extension depends on how its sender wrote
 * it, and no table can have it: so its whole domain is kept. */
static void keep_the_doubtful(struct postfix_plan *plan)
{
	for (const char *domain; (domain = exception(plan)) != NULL;) {
		keep_domain(&plan->away.transport, domain);
		postfix_away_seal(&plan->away);
	}
}

/* A pattern is tried on the whole address first, so it keeps what an entry for the domain, or for the address without its
 * extension, would refuse. */
static void check_patterns(struct gather *gather)
{
	if (gather->patterns && takes_any(&gather->plan->away))
		postfix_plan_ask(gather->plan, gather->parameter, gather->patterns,
		                 "its patterns may keep what other entries refuse, and can't be listed", "\"ignore\"");
	free(gather->patterns);
	gather->patterns = NULL;
}

void postfix_transport_find(const struct postfix_classes_spec *spec, const struct postfix_world *world,
                            struct postfix_plan *plan)
{
	const struct postconf *rewrite = spec->rewrite, *smtpd = spec->smtpd;
	static const struct { enum postfix_class class; const char *name; } own[] = {
		{POSTFIX_LOCAL, "local_transport"}, {POSTFIX_MAILBOX, "virtual_transport"}, {POSTFIX_RELAY, "relay_transport"},
	};
	const char *queue = postconf_get(rewrite, "queue_directory");
	struct gather gather = {.world = world, .plan = plan, .parameter = "transport_maps", .queue = queue,
	                        .smtputf8 = postconf_is_yes(rewrite, "smtputf8_enable"),
	                        .smtpd = postfix_split_of_smtpd(postconf_get(smtpd, "recipient_delimiter"),
	                                                        postconf_is_yes(smtpd, "owner_request_special"))};
	plan->away.parents = postfix_words_have(postconf_get(rewrite, "parent_domain_matches_subdomains"), "transport_maps");
	plan->away.split = postfix_split_of_rewrite(postconf_get(rewrite, "recipient_delimiter"),
	                                            postconf_is_yes(rewrite, "owner_request_special"));
	plan->later.parents = plan->away.parents;
	plan->later.split = plan->away.split;
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		const char *value = postconf_get(rewrite, own[i].name);
		if (is_transport(value, strlen(value), "error"))
			plan->away.gone |= POSTFIX_BIT(own[i].class);
		else if (is_transport(value, strlen(value), "retry"))
			plan->later.gone |= POSTFIX_BIT(own[i].class);
	}
	(void)postfix_maps_whole(postconf_get(rewrite, "transport_maps"), queue, add_transport_map, &gather);
	check_patterns(&gather);
	gather.parameter = "relocated_maps";
	(void)postfix_maps_each(postconf_get(rewrite, "relocated_maps"), queue, add_moved_map, &gather);
	postfix_away_seal(&plan->away);
	postfix_away_seal(&plan->later);
	thin_out(&plan->away);
	keep_the_extended(&gather, &plan->away);
	if (postfix_split_has_letters(postconf_get(rewrite, "recipient_delimiter")))
		keep_the_doubtful(plan);
}
