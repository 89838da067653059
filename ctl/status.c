/* status.c: `rxfer status`: asks, shows, and says by its exit status how things are, as monitoring plug-ins do.
 *
 * With two daemons on the host the worse one decides; "critical" is worse than "can't tell", and that than the rest. */
#include "ctl/status.h"

#include "common/buf.h"
#include "common/control.h"
#include "ctl/daemon.h"
#include "ctl/status_format.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static enum verdict worse(enum verdict a, enum verdict b)
{
	static const int rank[] = {
		[VERDICT_OK] = 0, [VERDICT_WARNING] = 1, [VERDICT_UNKNOWN] = 2, [VERDICT_CRITICAL] = 3,
	};

	return rank[a] > rank[b] ? a : b;
}

/* NULL, with the sentence in why, when there is no answer that can be read. */
static json_t *ask(const char *socket, struct why *why)
{
	const char *words[] = { "status" };
	struct buf answer = { 0 };
	json_error_t error;
	json_t *status = NULL;
	enum rc rc = control_ask(socket, words, 1, OPTIONS_TIMEOUT_MS, &answer, why);

	if (rc == RC_OK) {
		status = json_loadb((const char *)answer.data, answer.length, 0, &error);
		if (status == NULL)
			why_set(why, RC_INVALID, "%s: the answer isn't JSON: %s; is that an rxfer daemon?", socket, error.text);
	} else if (rc == RC_NOT_FOUND) {
		why_prepend(why, rc, "the daemon isn't running (see systemctl status rxfer-master rxfer-replica)");
	}
	buf_free(&answer);
	return status;
}

static void put_json(json_t *const *answers, int count, struct buf *out)
{
	json_t *all = count == 1 ? json_incref(answers[0]) : json_array();

	for (int i = 0; count != 1 && i < count; i++)
		json_array_append(all, answers[i]);
	char *text = json_dumps(all, JSON_INDENT(2));
	if (text != NULL)
		buf_printf(out, "%s\n", text);
	free(text);
	json_decref(all);
}

/* One look at all the daemons: what is to be printed, and what is to be said of those that don't answer. */
static enum verdict look(const struct options *options, struct buf *out, struct buf *complaints)
{
	const char *sockets[DAEMON_SOCKETS_MAX];
	json_t *answers[DAEMON_SOCKETS_MAX];
	struct why why;
	const struct terminal terminal = terminal_look();
	enum verdict verdict = VERDICT_OK;
	int answered = 0;
	int count = daemon_sockets(options, sockets, &why);

	if (count == 0) {
		buf_printf(complaints, "rxfer status: %s\n", why.text);
		return VERDICT_UNKNOWN;
	}
	for (int i = 0; i < count; i++) {
		json_t *status = ask(sockets[i], &why);
		if (status == NULL) {
			buf_printf(complaints, "rxfer status: %s\n", why.text);
			verdict = worse(verdict, VERDICT_UNKNOWN);
			continue;
		}
		verdict = worse(verdict, status_format_verdict(status));
		if (!options->json && answered > 0)
			buf_put_u8(out, '\n');
		if (!options->json)
			status_format(status, &terminal, out);
		answers[answered++] = status;
	}
	if (options->json && answered > 0)
		put_json(answers, answered, out);
	for (int i = 0; i < answered; i++)
		json_decref(answers[i]);
	return verdict;
}

static enum verdict show(const struct options *options, bool clear)
{
	struct buf out = { 0 };
	struct buf complaints = { 0 };
	enum verdict verdict = look(options, &out, &complaints);

	if (clear)
		fputs("\033[H\033[2J", stdout);
	fputs(buf_text(&out), stdout);
	if (fflush(stdout) != 0) {
		perror("rxfer status: standard output");
		verdict = VERDICT_UNKNOWN;
	}
	fputs(buf_text(&complaints), stderr);
	buf_free(&out);
	buf_free(&complaints);
	return verdict;
}

/* Until Ctrl-C, or until nobody reads any more. */
static void watch(const struct options *options)
{
	const struct timespec second = { .tv_sec = 1 };
	bool terminal = isatty(STDOUT_FILENO) == 1;

	for (;;) {
		show(options, terminal);
		if (ferror(stdout))
			return;
		nanosleep(&second, NULL);
	}
}

int status_main(const struct options *options)
{
	if (options->watch) {
		watch(options);
		return VERDICT_UNKNOWN;
	}
	return (int)show(options, false);
}
