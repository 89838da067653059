/* replica_check_postfix.c: the part of --check that looks at this host's Postfix; see replica_check.h.
 *
 * The zones' records are the running daemon's: it's asked for what the zones want. Without it the configured domains
 * are all that is known. */
#include "replica/replica_check.h"

#include "common/control.h"
#include "common/mem.h"
#include "postfix/postfix_lines.h"
#include "replica/question.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS 10000

struct check {
	const struct replica_conf *conf;
	struct buf zones;            /* the zones' part of the question */
	struct loop *loop;
};

/* ---- what is asked ---- */

static bool begins_zone(const char *line, size_t length, const char *zone)
{
	return length > 5 && memcmp(line, "zone\t", 5) == 0 && (!zone || (strlen(zone) == length - 5 &&
	       memcmp(line + 5, zone, length - 5) == 0));
}

/* Its lines of the daemon's answer; false: the daemon doesn't have it. */
static bool copy_zone(const struct buf *answer, const char *zone, struct buf *out)
{
	struct postfix_lines lines = postfix_lines_of(answer);
	const char *line;
	size_t length;
	bool inside = false, found = false;
	while (postfix_lines_next(&lines, &line, &length)) {
		if (begins_zone(line, length, NULL))
			inside = begins_zone(line, length, zone);
		found = found || inside;
		if (inside)
			buf_printf(out, "%.*s\n", (int)length, line);
	}
	return found;
}

static void put_configured(const struct session_spec *spec, struct buf *out)
{
	struct allow *allow = NULL;
	question_zone(out, spec->name);
	if (allow_new(spec->domains, spec->domain_count, &allow, NULL) != RC_OK)
		return;
	for (size_t i = 0; i < allow_count(allow) && i < QUESTION_DOMAINS_MAX; i++)
		question_domain(out, allow_domain(allow, i));
	allow_free(&allow);
}

static void ask_daemon(struct check *check)
{
	static const char *const words[] = {"question"};
	struct buf answer = {.data = NULL};
	struct why why;
	if (control_ask(check->conf->control, words, 1, ASK_MS, &answer, &why) != RC_OK) {
		buf_clear(&answer);
		printf("hint: Postfix: the parameters that the zones want are compared only while rxfer-replica runs: %s\n",
		       why.text);
	}
	for (size_t i = 0; i < check->conf->zone_count; i++)
		if (!copy_zone(&answer, check->conf->zones[i].session.name, &check->zones))
			put_configured(&check->conf->zones[i].session, &check->zones);
	buf_free(&answer);
}

static void on_question(void *context, struct buf *out)
{
	const struct check *check = context;
	replica_conf_question(check->conf, out);
	buf_put(out, check->zones.data, check->zones.length);
	question_end(out);
}

static uint64_t on_version(void *context)
{
	(void)context;
	return 0;
}

static void on_looked(void *context)
{
	struct check *check = context;
	loop_stop(check->loop);
}

/* ---- what is said ---- */

static int print(const struct lookout *lookout)
{
	struct lookout_status status = lookout_status(lookout);
	printf("postfix %s\n", status.config);
	for (size_t i = 0; i < status.findings->count; i++) {
		const struct finding *finding = &status.findings->at[i];
		printf("%s: Postfix: %s\n", finding->warning ? "warning" : "hint", finding->sentence);
		if (finding->mend[0])
			printf("    %s\n", finding->mend);
	}
	if (status.error[0])
		printf("warning: %s\n", status.error);
	return status.error[0] || findings_warnings(status.findings) > 0;
}

int replica_check_postfix(const struct replica_conf *conf)
{
	if (!conf->postfix.config) {
		printf("hint: with postfix { config_directory = \"/etc/postfix\" } this host's Postfix is compared with what it "
		       "must be\n");
		return 0;
	}
	struct check check = {.conf = conf, .loop = loop_new()};
	const struct lookout_events events = {.question = on_question, .version = on_version, .looked = on_looked,
	                                      .context = &check, .silent = true};
	struct why why;
	(void)fflush(stdout);
	ask_daemon(&check);
	struct lookout *lookout = lookout_new(check.loop, &conf->postfix, &events);
	int worth = 1;
	if (loop_run(check.loop, &why) == RC_OK)
		worth = print(lookout);
	else
		printf("warning: can't look at Postfix: %s\n", why.text);
	lookout_free(&lookout);
	buf_free(&check.zones);
	loop_free(check.loop);
	return worth;
}
