/* compare.c: see compare.h: the order of it all; parameters that zones want; settings that switch the tables off.
 *
 * Only parameters that we know are compared, whatever the master sends: the line that mends is for root's shell. */
#include "replica/compare_private.h"

#include "common/mem.h"
#include "postfix/postfix_lines.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SOME_SHOWN 3

/* ---- what the other files share ---- */

const char *compare_get(const struct compare_side *side, const char *name)
{
	return postconf_get(side->conf, name);
}

bool compare_utf8(const struct compare *compare)
{
	return postconf_is_yes(compare->postfix->smtpd.conf, "smtputf8_enable");
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool compare_domain_find(const struct compare *compare, const char *domain, size_t *index)
{
	if (compare->domain_count == 0)
		return false;
	const char **found = bsearch(&domain, compare->domains, compare->domain_count, sizeof *compare->domains,
	                             compare_text);
	if (found && index)
		*index = (size_t)(found - compare->domains);
	return found != NULL;
}

static bool is_in(char *const *sorted, size_t count, const char *text)
{
	return count > 0 && bsearch(&text, sorted, count, sizeof *sorted, compare_text) != NULL;
}

bool compare_table_has(const struct compare *compare, const struct question_table *table, const char *domain)
{
	for (size_t i = 0; i < table->zone_count; i++)
		for (size_t j = 0; j < compare->question->zone_count; j++) {
			const struct question_zone *zone = &compare->question->zones[j];
			if (strcmp(zone->name, table->zones[i]) == 0 && is_in(zone->domains, zone->domain_count, domain))
				return true;
		}
	return false;
}

/* Slashes that are doubled make no difference; ours aren't. */
static bool same_path(const char *path, const char *ours)
{
	for (; *path != '\0'; path++) {
		if (path[0] == '/' && path[1] == '/')
			continue;
		if (*path != *ours)
			return false;
		ours++;
	}
	return *ours == '\0';
}

const struct question_table *compare_own(const struct compare *compare, const struct postfix_map *map, bool any_type)
{
	for (size_t i = 0; i < compare->question->table_count; i++) {
		const struct question_table *table = &compare->question->tables[i];
		if ((any_type || postfix_map_is(map, table->type)) && same_path(map->name, table->path))
			return table;
	}
	return NULL;
}

bool compare_type_known(const struct compare *compare, const char *type, size_t length)
{
	struct postfix_lines lines = postfix_lines_of(compare->postfix->types);
	const char *line;
	size_t line_length;
	while (postfix_lines_next(&lines, &line, &line_length))
		if (line_length == length && memcmp(line, type, length) == 0)
			return true;
	return false;
}

static bool tell_once(struct compare *compare, const char *map)
{
	for (size_t i = 0; i < compare->told_count; i++)
		if (strcmp(compare->told[i], map) == 0)
			return false;
	compare->told = mem_realloc(compare->told, compare->told_count + 1, sizeof *compare->told);
	compare->told[compare->told_count++] = mem_strdup(map);
	return true;
}

void compare_trouble(struct compare *compare, const char *parameter, const char *map, enum rc rc, const char *reason)
{
	if (!tell_once(compare, map))
		return;
	if (rc == RC_NOT_FOUND)
		findings_add(compare->out, true, NULL, "%s has %.200s, which isn't there: Postfix puts off all mail that asks "
		             "for it", parameter, map);
	else
		findings_add(compare->out, false, NULL, "%s has %.200s, and what that says of the zones' domains can't be "
		             "known: %s", parameter, map, reason);
}

bool compare_type_fine(struct compare *compare, const char *parameter, const char *map)
{
	if (compare_type_known(compare, map, strcspn(map, ":")))
		return true;
	if (tell_once(compare, map))
		findings_add(compare->out, true, NULL, "%s has %.200s, of a type that this Postfix doesn't know: it puts off "
		             "all mail that asks for it", parameter, map);
	return false;
}

void compare_some_add(struct compare_some *some, const char *name)
{
	if (some->count < SOME_SHOWN)
		buf_printf(&some->text, "%s%.300s", some->count > 0 ? ", " : "", name);
	some->count++;
}

const char *compare_some_text(struct compare_some *some)
{
	if (some->count > SOME_SHOWN) {
		buf_printf(&some->text, " and %zu more", some->count - SOME_SHOWN);
		some->count = SOME_SHOWN;
	}
	return buf_text(&some->text);
}

void compare_some_free(struct compare_some *some)
{
	buf_free(&some->text);
}

/* ---- parameters that must match ---- */

struct wanted {
	const char *name;
	bool yes_or_no;
};
static const struct wanted wanted_params[] = {
	{"recipient_delimiter", false}, {"smtputf8_enable", true}, {"owner_request_special", true},
	{"allow_min_user", true},
};

static const char *param_of(const struct question_zone *zone, const char *name)
{
	for (size_t i = 0; i < zone->param_count; i++)
		if (strcmp(zone->params[i].name, name) == 0)
			return zone->params[i].value;
	return NULL;
}

/* A delimiter is a set of characters. */
static bool same_value(const struct wanted *wanted, const char *a, const char *b)
{
	if (wanted->yes_or_no)
		return strcmp(a, b) == 0;
	return strspn(a, b) == strlen(a) && strspn(b, a) == strlen(b);
}

/* What shells and main.cf take as it stands; the rest isn't worth a line that root could regret. */
static bool is_plain(const struct wanted *wanted, const char *value)
{
	if (wanted->yes_or_no)
		return strcmp(value, "yes") == 0 || strcmp(value, "no") == 0;
	for (const char *at = value; *at != '\0'; at++)
		if ((unsigned char)*at >= 0x80 || !isgraph((unsigned char)*at) || strchr("$'\"\\`{}(),", *at))
			return false;
	return strlen(value) <= 32;
}

static void compare_param(struct compare *compare, const struct wanted *wanted)
{
	const struct compare_side *smtpd = &compare->postfix->smtpd;
	const struct question *question = compare->question;
	const struct question_zone *first = NULL;
	struct buf who = {0}, where = {0};
	bool agreed = true;
	for (size_t i = 0; i < question->zone_count; i++) {
		const char *value = param_of(&question->zones[i], wanted->name);
		if (!value)
			continue;
		buf_printf(&who, "%s\"%.64s\" (zone \"%s\")", first ? ", " : "", value, question->zones[i].name);
		agreed = agreed && (!first || same_value(wanted, value, param_of(first, wanted->name)));
		first = first ? first : &question->zones[i];
	}
	if (first && !agreed) {
		findings_add(compare->out, true, NULL, "zones want different values of %s, and no setting can suit all: %s",
		             wanted->name, buf_text(&who));
	} else if (first) {
		const char *value = param_of(first, wanted->name), *here = compare_get(smtpd, wanted->name);
		char *mend = is_plain(wanted, value) ? compare_mend_value(compare, smtpd, wanted->name, value) : NULL;
		if (!same_value(wanted, value, here))
			findings_add(compare->out, true, mend, "%s is \"%.64s\" here%s and \"%.64s\" on the primary of zone \"%s\": "
			             "valid recipients may be refused", wanted->name, here, compare_mend_where(smtpd, wanted->name,
			             &where), value, first->name);
		free(mend);
	}
	buf_free(&who);
	buf_free(&where);
}

/* ---- settings that make the tables' word nothing ---- */

static bool asked_for_unlisted(const struct postconf *smtpd)
{
	for (size_t i = 0; i < smtpd->count; i++)
		if (strstr(smtpd->at[i].value, "reject_unlisted_recipient"))
			return true;
	return false;
}

static void warn_value(struct compare *compare, const char *name, const char *good, const char *consequence)
{
	const struct compare_side *smtpd = &compare->postfix->smtpd;
	struct buf where = {0};
	char *mend = compare_mend_value(compare, smtpd, name, good);
	findings_add(compare->out, true, mend, "%s is %.64s%s: %s", name, compare_get(smtpd, name),
	             compare_mend_where(smtpd, name, &where), consequence);
	free(mend);
	buf_free(&where);
}

static void compare_settings(struct compare *compare)
{
	const struct compare_side *smtpd = &compare->postfix->smtpd;
	static const char code[] = "unknown_relay_recipient_reject_code", overrides[] = "receive_override_options";
	static const struct compare_edit without = {"no_unknown_recipient_checks", NULL};
	static const char everybody[] = "every recipient in the zones' domains is accepted";
	struct buf where = {0};
	if (postfix_words_have(compare_get(smtpd, overrides), without.old)) {
		char *mend = compare_mend_list(compare, smtpd, overrides, &without, 1);
		findings_add(compare->out, true, mend, "%s has %s%s: %s", overrides, without.old,
		             compare_mend_where(smtpd, overrides, &where), everybody);
		free(mend);
	}
	if (strcmp(compare_get(smtpd, "smtpd_reject_unlisted_recipient"), "no") == 0 && !asked_for_unlisted(smtpd->conf))
		warn_value(compare, "smtpd_reject_unlisted_recipient", "yes", everybody);
	if (strchr("234", compare_get(smtpd, code)[0]) && compare_get(smtpd, code)[0] != '\0')
		warn_value(compare, code, "550", "unknown recipients aren't refused, and their senders try again for days");
	if (postconf_is_yes(smtpd->conf, "soft_bounce"))
		warn_value(compare, "soft_bounce", "no", "unknown recipients aren't refused, and their senders try again for "
		           "days");
	buf_free(&where);
}

/* ---- the whole ---- */

static void gather_domains(struct compare *compare)
{
	const struct question *question = compare->question;
	size_t all = 0, kept = 0;
	for (size_t i = 0; i < question->zone_count; i++)
		all += question->zones[i].domain_count;
	compare->domains = mem_zalloc((all + 1) * sizeof *compare->domains);
	all = 0;
	for (size_t i = 0; i < question->zone_count; i++)
		for (size_t j = 0; j < question->zones[i].domain_count; j++)
			compare->domains[all++] = question->zones[i].domains[j];
	if (all > 1)
		qsort(compare->domains, all, sizeof *compare->domains, compare_text);
	for (size_t i = 0; i < all; i++)
		if (kept == 0 || strcmp(compare->domains[i], compare->domains[kept - 1]) != 0)
			compare->domains[kept++] = compare->domains[i];
	compare->domain_count = kept;
}

/* Debian's Postfix takes a file's first line for myorigin = /FILE. */
static void find_origin(struct compare *compare)
{
	const char *value = compare_get(&compare->postfix->smtpd, "myorigin");
	struct buf text = {0};
	struct why why;
	if (value[0] == '/') {
		enum rc rc = compare->world->file(compare->world->context, value, &text, &why);
		if (rc != RC_OK)
			compare_trouble(compare, "myorigin", value, rc, why.text);
		value = buf_text(&text);
	}
	char *word = mem_strndup(value, strcspn(value, " \t\r\n"));
	if (address_parse_domain(word, compare_utf8(compare), compare->origin, NULL) != RC_OK)
		compare->origin[0] = '\0';
	free(word);
	buf_free(&text);
}

static void note_left(struct compare *compare)
{
	for (size_t i = 0; i < compare->question->zone_count; i++) {
		const struct question_zone *zone = &compare->question->zones[i];
		if (zone->left > 0)
			findings_add(compare->out, false, NULL, "zone \"%s\" has so many domains that only the first %zu of %zu are "
			             "compared", zone->name, zone->domain_count, zone->domain_count + (size_t)zone->left);
	}
}

void compare_find(const struct question *question, const struct compare_postfix *postfix,
                  const struct compare_world *world, struct findings *out)
{
	struct compare compare = {.question = question, .postfix = postfix, .world = world, .out = out};
	struct compare_patterns relay = {.at = NULL};
	compare.named = mem_zalloc(question->table_count + 1);
	gather_domains(&compare);
	find_origin(&compare);
	compare_lists_read(&compare, "relay_domains", &relay);
	compare_tables_find(&compare, &relay);
	for (size_t i = 0; i < sizeof wanted_params / sizeof *wanted_params; i++)
		compare_param(&compare, &wanted_params[i]);
	compare_domains_find(&compare, &relay);
	compare_maps_find(&compare);
	compare_transport_find(&compare);
	compare_settings(&compare);
	note_left(&compare);
	compare_lists_free(&relay);
	for (size_t i = 0; i < compare.told_count; i++)
		free(compare.told[i]);
	free(compare.told);
	free(compare.named);
	free(compare.domains);
}
