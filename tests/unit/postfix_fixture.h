/* postfix_fixture.h: a made-up Postfix for the discovery's tests: parameters as `postconf -x` prints them, maps and files
 * in memory. Each test file includes it after cmocka.h. */
#ifndef TESTS_POSTFIX_FIXTURE_H
#define TESTS_POSTFIX_FIXTURE_H

#include "master/postfix_classes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys, or lines of a file; a map's values stand behind a tab. Ends with a zeroed entry. */
struct fake_map {
	const char *name;
	const char *text;
};
struct fake_treat {
	const char *map;
	enum postfix_treat treat;
	const char *command;
};
struct fake {
	const struct fake_map *maps;
	const struct fake_treat *treats;
	const char *smtpd;             /* its own settings, where others see other ones; or NULL */
};

static inline const struct fake_map *fake_find(const struct fake *fake, const char *name)
{
	for (const struct fake_map *map = fake->maps; map && map->name; map++)
		if (strcmp(map->name, name) == 0)
			return map;
	return NULL;
}

static inline enum rc fake_file(void *context, const char *path, struct buf *out, struct why *why)
{
	const struct fake_map *map = fake_find(context, path);
	if (!map)
		return why_set(why, RC_NOT_FOUND, "%s isn't there", path);
	buf_put(out, map->text, strlen(map->text));
	return RC_OK;
}

static inline enum rc fake_keys(void *context, const char *name, struct buf *out, struct why *why)
{
	const struct fake_map *map = fake_find(context, name);
	if (!map)
		return why_set(why, RC_IO, "%s can't be read", name);
	for (const char *at = map->text; *at != '\0'; at += at[0] != '\0') {
		size_t length = strcspn(at, "\n");
		const char *tab = memchr(at, '\t', length);
		buf_put(out, at, tab ? (size_t)(tab - at) : length);
		buf_put_u8(out, '\n');
		at += length;
	}
	return RC_OK;
}

static inline enum rc fake_values(void *context, const char *name, const struct buf *keys, struct buf *out,
                                  struct why *why)
{
	(void)keys;
	return fake_file(context, name, out, why);
}

static inline enum rc fake_command(void *context, const char *command, struct buf *out, struct why *why)
{
	return fake_file(context, command, out, why);
}

static inline enum postfix_treat fake_treat(void *context, const char *map, const char **command)
{
	const struct fake *fake = context;
	for (const struct fake_treat *treat = fake->treats; treat && treat->map; treat++) {
		if (strcmp(treat->map, map) == 0) {
			*command = treat->command;
			return treat->treat;
		}
	}
	return POSTFIX_ASK;
}

/* What every Postfix has, unless the test says something else. */
static const char fake_defaults[] =
	"smtpd_reject_unlisted_recipient = yes\nsmtputf8_enable = yes\nqueue_directory = /queue\n"
	"double_bounce_sender = double-bounce\nmyorigin = host.example\nrecipient_delimiter = +\n"
	"parent_domain_matches_subdomains = mynetworks,relay_domains\nowner_request_special = yes\nlocal_transport = local:host\n"
	"virtual_transport = virtual\nrelay_transport = relay\n";

static inline struct postconf fake_postconf(const char *settings)
{
	struct postconf conf;
	struct buf text = {0};
	struct why why;
	/* Of doubles the test's counts: a default is put in only when it isn't among the settings. */
	for (const char *line = fake_defaults; *line != '\0'; line = strchr(line, '\n') + 1) {
		char name[64];
		size_t length = strcspn(line, "=") + 1;
		memcpy(name, line, length);
		name[length] = '\0';
		const char *there = strstr(settings, name);
		if (!there || (there > settings && there[-1] != '\n'))
			buf_put(&text, line, strcspn(line, "\n") + 1);
	}
	buf_put(&text, settings, strlen(settings));
	assert_int_equal(postconf_parse(text.data, text.length, &conf, &why), RC_OK);
	buf_free(&text);
	return conf;
}

static inline void fake_plan(const char *settings, const struct fake *fake, struct postfix_plan *out)
{
	static const char types[] = "btree\ncdb\nhash\ninline\nlmdb\nmysql\npipemap\nproxy\nrandmap\nregexp\nstatic\ntexthash\n"
	                            "unionmap\nunix\n";
	struct postconf conf = fake_postconf(settings), smtpd = fake_postconf(fake && fake->smtpd ? fake->smtpd : settings);
	struct buf known = {0};
	struct fake nothing = {0};
	const struct postfix_world world = {fake_keys, fake_command, fake_values, fake_file, fake_treat,
	                                    (void *)(uintptr_t)(fake ? fake : &nothing)};
	buf_put(&known, types, sizeof types - 1);
	*out = (struct postfix_plan){0};
	postfix_classes_find(&(struct postfix_classes_spec){&smtpd, &conf, &known}, &world, out);
	postconf_free(&conf);
	postconf_free(&smtpd);
	buf_free(&known);
}

/* The plan's text, the caller's. */
static inline char *fake_plan_text(const char *settings, const struct fake *fake)
{
	struct postfix_plan plan;
	struct buf text = {0};
	fake_plan(settings, fake, &plan);
	postfix_plan_print(&plan, &text);
	char *copy = strdup(buf_text(&text));
	buf_free(&text);
	postfix_plan_free(&plan);
	return copy;
}

/* `lines`: what must be there, one a line; with a '-' in front: what must not. A line that ends in '~' is only begun so. */
static inline void assert_plan(const char *settings, const struct fake *fake, const char *lines)
{
	char *text = fake_plan_text(settings, fake);
	for (const char *at = lines; *at != '\0';) {
		size_t length = strcspn(at, "\n");
		bool absent = at[0] == '-';
		bool begun = at[length - 1] == '~';
		char line[512] = "\n";
		snprintf(line + 1, sizeof line - 1, "%.*s%s", (int)(length - absent - begun), at + absent, begun ? "" : "\n");
		bool found = strstr(text, line) != NULL;
		if (found == absent)
			fail_msg("%s: %s\nin:\n%s", absent ? "there is" : "there isn't", line + 1, text);
		at += length + (at[length] == '\n');
	}
	free(text);
}

#endif
