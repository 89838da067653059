/* postfix_find.c: see postfix_find.h: the real world for the discovery.
 *
 * Keys are listed by this very program (read.h), what maps answer is Postfix's own word (`postmap -q -`), and of main.cf and
 * master.cf only postconf's understanding counts. */
#include "master/postfix_find.h"

#include "common/file.h"
#include "common/mem.h"
#include "postfix/postconf.h"
#include "master/postfix_classes.h"
#include "postfix/postfix_run.h"
#include "postfix/postfix_words.h"
#include "postfix/postmap.h"
#include "master/read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_BYTES ((size_t)1 << 30)

struct finder {
	const char *config;
	const char *service;
	const char *commands;
	int count;                   /* of words */
	char **words;
	bool utf8;
};

/* ---- Maps ---- */

/* `why` has what the reader said. */
static enum rc name_the_mend(const char *map, int status, struct why *why)
{
	char *type = mem_strndup(map, strcspn(map, ":"));
	const char *suffix = read_type_known(type) ? read_suffix(type) : "";
	char *mend = NULL;
	if (suffix[0] != '\0') {
		char *file = mem_sprintf("%s%s", map + strlen(type) + 1, suffix);
		mend = read_mend(map, "postmap", file, status);
		free(file);
	}
	enum rc rc = why_set(why, RC_IO, "%s%s", why->text[0] ? why->text : "the reader gave no reason", mend ? mend : "");
	free(mend);
	free(type);
	return rc;
}

static enum rc list_keys(void *context, const char *map, struct buf *out, struct why *why)
{
	const struct finder *finder = context;
	char *argument;
	if (strncmp(map, "pipemap:", 8) == 0)
		argument = mem_sprintf(READ_PIPE ":%s\t%s\t%s", finder->config, finder->commands ? finder->commands : "", map);
	else if (!finder->utf8 && strncmp(map, "texthash:", 9) == 0)
		argument = mem_sprintf(READ_TEXTHASH_BYTES "%s", strchr(map, ':'));
	else
		argument = mem_strdup(map);
	const char *const argv[] = {"/proc/self/exe", "--read", argument, NULL};
	int status = 0;
	enum rc rc = postfix_run_status(argv, NULL, out, &status, why);
	if (rc == RC_OK && status != 0)
		rc = name_the_mend(map, status, why);
	free(argument);
	return rc;
}

static enum rc ask_values(void *context, const char *map, const struct buf *keys, struct buf *out, struct why *why)
{
	const struct finder *finder = context;
	return postmap_ask(finder->commands, finder->config, map, keys, out, why);
}

static enum rc run_command(void *context, const char *command, struct buf *out, struct why *why)
{
	(void)context;
	const char *const argv[] = {"/bin/sh", "-c", command, NULL};
	return postfix_run(argv, NULL, out, why);
}

static enum rc read_file(void *context, const char *path, struct buf *out, struct why *why)
{
	(void)context;
	return file_read(path, FILE_MAX_BYTES, out, why);
}

/* ---- Words ---- */

static const struct { const char *word; int needs; enum postfix_treat treat; } words[] = {
	{"service", 1, POSTFIX_ASK}, {"commands", 1, POSTFIX_ASK}, {"list", 2, POSTFIX_LIST},
	{"catch-all", 1, POSTFIX_CATCH_ALL}, {"ignore", 1, POSTFIX_IGNORE},
};
#define WORD_COUNT (sizeof words / sizeof *words)

static size_t word_index(const char *word)
{
	size_t i = 0;
	while (i < WORD_COUNT && strcmp(words[i].word, word) != 0)
		i++;
	return i;
}

static bool same_map(const char *a, const char *b)
{
	while (strncmp(a, "proxy:", 6) == 0)
		a += 6;
	return strcmp(a, b) == 0;
}

static enum postfix_treat treat(void *context, const char *map, const char **command)
{
	const struct finder *finder = context;
	for (int i = 0; i < finder->count;) {
		size_t word = word_index(finder->words[i]);
		if (words[word].treat != POSTFIX_ASK && same_map(finder->words[i + 1], map)) {
			*command = words[word].treat == POSTFIX_LIST && finder->words[i + 2][0] ? finder->words[i + 2] : NULL;
			return words[word].treat;
		}
		i += 1 + words[word].needs;
	}
	return POSTFIX_ASK;
}

static enum rc take_words(struct finder *finder, struct why *why)
{
	for (int i = 0; i < finder->count;) {
		size_t word = word_index(finder->words[i]);
		if (word == WORD_COUNT || finder->count - i <= words[word].needs)
			return why_set(why, RC_INVALID, "--postfix: \"%s\" isn't understood", finder->words[i]);
		if (word == 0)
			finder->service = finder->words[i + 1];
		else if (word == 1)
			finder->commands = finder->words[i + 1];
		i += 1 + words[word].needs;
	}
	return RC_OK;
}

/* ---- The whole ---- */

static void watch_config(const struct finder *finder, struct postfix_plan *plan)
{
	static const char *const names[] = {"main.cf", "master.cf"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *path = mem_sprintf("%s/%s", finder->config, names[i]);
		postfix_plan_watch(plan, path);
		free(path);
	}
}

static enum rc choose(const struct finder *finder, const struct postconf_services *services, struct postfix_plan *plan,
                      const struct postconf_service **out, struct why *why)
{
	size_t rivals;
	*out = postconf_smtpd(services, finder->service, &rivals);
	if (!*out && finder->service)
		return why_set(why, RC_INVALID, "%s/master.cf has no smtpd named \"%s\": correct service", finder->config,
		               finder->service);
	if (!*out)
		postfix_plan_note(plan, "%s/master.cf has no smtpd that strangers could reach: main.cf alone counts",
		                  finder->config);
	if (rivals > 0)
		postfix_plan_note(plan, "master.cf has other smtpds at port 25 that override other parameters: \"%s\" counts; say "
		                  "service = \"...\" if it's another", (*out)->name);
	return RC_OK;
}

static enum rc find(struct finder *finder, struct postfix_plan *plan, struct why *why)
{
	struct postconf_services services = {0};
	struct postconf smtpd = {0}, rewrite = {0};
	struct buf types = {0};
	const struct postconf_service *service = NULL;
	enum rc rc = take_words(finder, why);
	if (rc == RC_OK)
		rc = postconf_ask_services(finder->commands, finder->config, &services, why);
	if (rc == RC_OK)
		rc = choose(finder, &services, plan, &service, why);
	if (rc == RC_OK)
		rc = postconf_ask(finder->commands, finder->config, service, &smtpd, why);
	if (rc == RC_OK)
		rc = postconf_ask(finder->commands, finder->config, postconf_service_of(&services, "trivial-rewrite"), &rewrite,
		                  why);
	if (rc == RC_OK)
		rc = postconf_ask_types(finder->commands, finder->config, &types, why);
	if (rc == RC_OK) {
		const struct postfix_classes_spec spec = {&smtpd, &rewrite, &types};
		const struct postfix_world world = {list_keys, run_command, ask_values, read_file, treat, finder};
		finder->utf8 = postconf_is_yes(&rewrite, "smtputf8_enable");
		watch_config(finder, plan);
		postfix_classes_find(&spec, &world, plan);
		struct buf text = {0};
		postfix_plan_print(plan, &text);
		rc = file_write_all(STDOUT_FILENO, text.data, text.length, "the output", why);
		buf_free(&text);
	}
	postconf_services_free(&services);
	postconf_free(&smtpd);
	postconf_free(&rewrite);
	buf_free(&types);
	return rc;
}

/* In place. */
static char **split(char *text, int *count)
{
	char **found = NULL;
	*count = 0;
	for (char *word; (word = strsep(&text, POSTFIX_FIND_SEPARATOR)) != NULL;) {
		found = mem_realloc(found, (size_t)*count + 1, sizeof *found);
		found[(*count)++] = word;
	}
	return found;
}

int postfix_find_main(const char *argument)
{
	char *text = mem_strdup(argument);
	int count;
	char **given = split(text, &count);
	struct finder finder = {.config = given[0], .count = count - 1, .words = given + 1};
	struct postfix_plan plan = {0};
	struct why why;
	enum rc rc = find(&finder, &plan, &why);
	if (rc != RC_OK)
		(void)fprintf(stderr, "%s\n", why.text);
	postfix_plan_free(&plan);
	free(given);
	free(text);
	return rc == RC_OK ? 0 : 1;
}
