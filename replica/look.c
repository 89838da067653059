/* look.c: see look.h: the real world for the comparison. Of main.cf and master.cf only postconf's understanding
 * counts, of maps only postmap's. */
#include "replica/look.h"

#include "common/file.h"
#include "common/mem.h"
#include "postfix/postmap.h"
#include "replica/compare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUESTION_BYTES_MAX ((size_t)64 << 20)
#define FILE_BYTES_MAX ((size_t)64 << 20)

struct look {
	const char *config;
	const char *commands;
};

/* ---- the world ---- */

static bool is_missing(const char *path)
{
	return access(path, F_OK) != 0 && errno == ENOENT;
}

/* The file that Postfix opens for a map, the caller's; NULL: it's no file. */
static char *file_of(const char *map)
{
	static const struct { const char *type, *ending; } files[] = {
		{"hash:", ".db"}, {"btree:", ".db"}, {"cdb:", ".cdb"}, {"lmdb:", ".lmdb"}, {"texthash:", ""}, {"regexp:", ""},
		{"pcre:", ""}, {"cidr:", ""},
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		size_t length = strlen(files[i].type);
		if (strncmp(map, files[i].type, length) == 0)
			return mem_sprintf("%s%s", map + length, files[i].ending);
	}
	return NULL;
}

static enum rc find_file(const char *map, struct why *why)
{
	char *file = file_of(map);
	enum rc rc = file && is_missing(file) ? why_set(why, RC_NOT_FOUND, "%s isn't there", file) : RC_OK;
	free(file);
	return rc;
}

static enum rc ask_values(void *context, const char *map, const struct buf *keys, struct buf *out, struct why *why)
{
	const struct look *look = context;
	enum rc rc = find_file(map, why);
	return rc == RC_OK ? postmap_ask(look->commands, look->config, map, keys, out, why) : rc;
}

static enum rc list_all(void *context, const char *map, struct buf *out, struct why *why)
{
	const struct look *look = context;
	enum rc rc = find_file(map, why);
	return rc == RC_OK ? postmap_list(look->commands, look->config, map, out, why) : rc;
}

static enum rc read_file(void *context, const char *path, struct buf *out, struct why *why)
{
	(void)context;
	return file_read(path, FILE_BYTES_MAX, out, why);
}

/* What can't be looked at may well be there. */
static bool is_there(void *context, const char *path)
{
	(void)context;
	return !is_missing(path);
}

/* ---- the whole ---- */

struct facts {
	struct postconf_services services;
	struct postconf main, smtpd, rewrite;
	struct buf types;
};

static enum rc ask_postconf(const struct look *look, const struct question *question, struct facts *facts,
                            struct compare_postfix *out, struct findings *findings, struct why *why)
{
	size_t rivals;
	enum rc rc = postconf_ask_services(look->commands, look->config, &facts->services, why);
	if (rc != RC_OK)
		return rc;
	const struct postconf_service *smtpd = postconf_smtpd(&facts->services, question->service, &rivals);
	const struct postconf_service *rewrite = postconf_service_of(&facts->services, "trivial-rewrite");
	if (!smtpd && question->service)
		return why_set(why, RC_INVALID, "%s/master.cf has no smtpd named \"%s\": correct service", look->config,
		               question->service);
	if (!smtpd)
		findings_add(findings, false, NULL, "%s/master.cf has no smtpd that strangers could reach: main.cf alone is "
		             "compared", look->config);
	else if (rivals > 0)
		findings_add(findings, false, NULL, "master.cf has other smtpds at port 25 that override other parameters: "
		             "\"%s\" is compared; say service = \"...\" if it's another", smtpd->name);
	rc = postconf_ask_raw(look->commands, look->config, &facts->main, why);
	if (rc == RC_OK)
		rc = postconf_ask(look->commands, look->config, smtpd, &facts->smtpd, why);
	if (rc == RC_OK)
		rc = postconf_ask(look->commands, look->config, rewrite, &facts->rewrite, why);
	if (rc == RC_OK)
		rc = postconf_ask_types(look->commands, look->config, &facts->types, why);
	*out = (struct compare_postfix){.config = look->config, .main = &facts->main, .smtpd = {&facts->smtpd, smtpd},
	                                .rewrite = {&facts->rewrite, rewrite}, .types = &facts->types};
	return rc;
}

static enum rc look_at(const char *config, const struct question *question, struct findings *findings, struct why *why)
{
	struct look look = {config, question->commands};
	const struct compare_world world = {ask_values, list_all, read_file, is_there, &look};
	struct facts facts = {.types = {0}};
	struct compare_postfix postfix;
	enum rc rc = ask_postconf(&look, question, &facts, &postfix, findings, why);
	if (rc == RC_OK)
		compare_find(question, &postfix, &world, findings);
	postconf_services_free(&facts.services);
	postconf_free(&facts.main);
	postconf_free(&facts.smtpd);
	postconf_free(&facts.rewrite);
	buf_free(&facts.types);
	return rc;
}

static enum rc read_question(struct question *out, struct why *why)
{
	struct buf text = {0};
	enum rc rc = RC_OK;
	ssize_t got;
	do {
		buf_reserve(&text, 65536);
		got = read(STDIN_FILENO, text.data + text.length, 65536);
		text.length += got > 0 ? (size_t)got : 0;
	} while ((got > 0 || (got < 0 && errno == EINTR)) && text.length < QUESTION_BYTES_MAX);
	if (got < 0)
		rc = file_fail(why, "can't read", "the question");
	if (rc == RC_OK)
		rc = question_parse(&text, out, why);
	buf_free(&text);
	return rc;
}

int look_main(const char *config)
{
	struct question question = {.tables = NULL};
	struct findings findings = {.at = NULL};
	struct buf text = {0};
	struct why why;
	enum rc rc = read_question(&question, &why);
	if (rc == RC_OK)
		rc = look_at(config, &question, &findings, &why);
	if (rc == RC_OK) {
		findings_print(&findings, &text);
		rc = file_write_all(STDOUT_FILENO, text.data, text.length, "the output", &why);
	}
	if (rc != RC_OK)
		(void)fprintf(stderr, "%s\n", why.text);
	question_free(&question);
	findings_free(&findings);
	buf_free(&text);
	return rc == RC_OK ? 0 : 1;
}
