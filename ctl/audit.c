/* audit.c: `rxfer audit`: the flow.
 *
 * First the published recipients are asked about, then their neighbours: an smtpd opens the way to its queue with the
 * first recipient that it accepts in a transaction, and may be made to wait for that (in_flow_delay), so those that
 * will be accepted share few transactions. What differs or was put off is only suspected: the zone may have changed in
 * between, the smtpd may have had an older table, one recipient may have spoilt another. So at the end, after a
 * pause in which both sides settle, each suspect is predicted and asked once more, in a new session and a
 * transaction of its own. */
#include "ctl/audit.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "ctl/audit_ask.h"
#include "ctl/audit_predict.h"
#include "ctl/audit_probe.h"
#include "ctl/audit_progress.h"
#include "ctl/audit_report.h"
#include "ctl/audit_settings.h"
#include "ctl/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define BATCH 200
#define SUSPECTS_MAX 10000      /* that is enough to know that all is wrong */
#define SETTLE_MS 2000
#define PLACES_MS 30000         /* for finding the places of all disagreements */

struct audit {
	struct audit_settings settings;
	struct audit_oracle oracle;
	struct audit_probe *probe;
	struct audit_ask *ask;
	struct audit_progress progress;
	struct audit_findings batch;         /* being asked */
	struct audit_findings suspects;
	struct audit_report report;
};

/* Predicts; RC_IO when interrupted. */
static enum rc predict(struct audit *audit, const char *address, enum audit_verdict *out, struct why *why)
{
	enum rc rc = audit_ask_pause(audit->ask, 0, why);

	return rc == RC_OK ? audit_predict(&audit->oracle, address, false, out, NULL, why) : rc;
}

static void on_progress(void *context, size_t answers)
{
	struct audit *audit = context;

	audit_progress_add(&audit->progress, answers);
}

static void on_wait(void *context, const char *words)
{
	struct audit *audit = context;

	audit_progress_wait(&audit->progress, audit->report.server, words);
}

static enum rc name_server(const struct audit *audit, enum rc rc, struct why *why)
{
	return rc == RC_OK ? rc : why_prepend(why, rc, "%s", audit->report.server);
}

/* The answer to one of the batch; what can't be told yet or differs goes to the suspects. */
static void take_answer(struct audit *audit, struct audit_finding *finding, struct audit_question *question)
{
	enum audit_outcome outcome = audit_report_judge(finding->expected, question->code);

	if (question->code != AUDIT_ASK_NOT_ASKED)
		*(finding->kind <= AUDIT_CATCH_ALL ? &audit->report.members : &audit->report.neighbours) += 1;
	finding->code = question->code;
	finding->reply = question->reply;
	question->reply = NULL;
	audit->report.agree += outcome == AUDIT_AGREES;
	audit->report.no_utf8 += outcome == AUDIT_UNASKED;
	if (outcome == AUDIT_DIFFERS || outcome == AUDIT_PUT_OFF) {
		audit_report_add(&audit->suspects, finding);
		audit_progress_suspect(&audit->progress);
	}
}

static enum rc ask_batch(struct audit *audit, struct why *why)
{
	struct audit_findings *batch = &audit->batch;
	struct audit_question questions[BATCH] = { 0 };
	struct audit_finding *order[BATCH];
	size_t count = 0;

	for (int refusals = 0; refusals < 2; refusals++)
		for (size_t i = 0; i < batch->count; i++)
			if ((batch->at[i].expected == AUDIT_REFUSE) == refusals)
				order[count++] = &batch->at[i];
	for (size_t i = 0; i < count; i++)
		questions[i].address = order[i]->address;
	enum rc rc = name_server(audit, audit_ask(audit->ask, questions, count, false, why), why);
	for (size_t i = 0; i < count; i++)
		if (questions[i].code != 0)
			take_answer(audit, order[i], &questions[i]);
	audit_report_clear(batch);
	if (rc == RC_OK && audit->suspects.count >= SUSPECTS_MAX)
		return why_set(why, RC_LIMIT, "%zu answers aren't as they should be: it is no use to go on",
		               audit->suspects.count);
	return rc;
}

/* Puts an address into the batch if the server is responsible for it. The address is taken over. */
static enum rc consider(struct audit *audit, char *address, enum audit_kind kind, struct why *why)
{
	struct audit_finding finding = { .address = address, .kind = kind };
	enum rc rc = predict(audit, address, &finding.expected, why);

	if (rc != RC_OK || finding.expected == AUDIT_FOREIGN) {
		if (rc == RC_OK)
			audit_probe_foreign(audit->probe, address);
		free(address);
		return rc == RC_OK ? RC_NOT_FOUND : rc;
	}
	audit_report_add(&audit->batch, &finding);
	return audit->batch.count == BATCH ? ask_batch(audit, why) : RC_OK;
}

/* *end: the index behind the last recipient of the sample. */
static enum rc ask_members(struct audit *audit, size_t *end, struct why *why)
{
	size_t index = 0, taken = 0;
	enum rc rc = RC_OK;

	for (; index < audit->report.published && taken < audit->settings.sample && rc == RC_OK; index++) {
		enum audit_kind kind;
		char *address = audit_probe_member(audit->probe, index, &kind);
		enum rc considered = address != NULL ? consider(audit, address, kind, why) : RC_NOT_FOUND;
		audit->report.foreign += considered == RC_NOT_FOUND;
		taken += considered == RC_OK;
		rc = considered == RC_NOT_FOUND ? RC_OK : considered;
	}
	*end = index;
	return rc == RC_OK ? ask_batch(audit, why) : rc;
}

static enum rc ask_neighbours(struct audit *audit, size_t end, struct why *why)
{
	enum rc rc = RC_OK;

	for (size_t index = 0; index < end && rc == RC_OK; index++) {
		enum audit_kind kind;
		char *address = audit_probe_neighbour(audit->probe, index, &kind);
		if (address == NULL)
			continue;
		rc = consider(audit, address, kind, why);
		if (rc == RC_NOT_FOUND)
			rc = RC_OK;
	}
	return rc == RC_OK ? ask_batch(audit, why) : rc;
}

static void take_second_answer(struct audit *audit, struct audit_finding *suspect, struct audit_question *question)
{
	if (question->code != 0) {
		free(suspect->reply);
		suspect->reply = question->reply;
		suspect->code = question->code;
		suspect->confirmed = true;
	}
	enum audit_outcome outcome = audit_report_judge(suspect->expected, suspect->code);
	audit->report.agree += outcome == AUDIT_AGREES;
	audit->report.no_utf8 += outcome == AUDIT_UNASKED;
	if (outcome == AUDIT_DIFFERS || outcome == AUDIT_PUT_OFF)
		audit_report_add(outcome == AUDIT_DIFFERS ? &audit->report.differ : &audit->report.deferred, suspect);
}

/* The second look at some suspects. With an rc that isn't RC_OK nothing is asked any more, and they are reported as
 * they are. A domain that has gone since is nobody's concern. */
static enum rc ask_again(struct audit *audit, struct audit_finding *suspects, size_t count, enum rc rc, struct why *why)
{
	struct audit_question questions[AUDIT_ASK_ERRORS_MAX] = { 0 };
	struct audit_finding *order[AUDIT_ASK_ERRORS_MAX];
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		enum audit_verdict expected = suspects[i].expected;
		if (rc == RC_OK)
			rc = predict(audit, suspects[i].address, &expected, why);
		if (expected == AUDIT_FOREIGN) {
			audit->report.foreign++;
			continue;
		}
		suspects[i].expected = expected;
		questions[left].address = suspects[i].address;
		order[left++] = &suspects[i];
	}
	if (rc == RC_OK)
		rc = name_server(audit, audit_ask(audit->ask, questions, left, true, why), why);
	for (size_t i = 0; i < left; i++)
		take_second_answer(audit, order[i], &questions[i]);
	return rc;
}

/* All suspects, in sessions of their own. rc is how the first round has ended, and why so in *why. */
static enum rc confirm(struct audit *audit, enum rc rc, struct why *why)
{
	size_t count = audit->suspects.count;
	enum rc again = rc == RC_LIMIT ? RC_OK : rc;
	struct why trouble = *why;

	if (count > 0 && again == RC_OK) {
		audit_progress_again(&audit->progress, count);
		again = audit_ask_pause(audit->ask, SETTLE_MS, &trouble);
	}
	for (size_t at = 0; at < count; at += AUDIT_ASK_ERRORS_MAX)
		again = ask_again(audit, audit->suspects.at + at,
		                  count - at < AUDIT_ASK_ERRORS_MAX ? count - at : AUDIT_ASK_ERRORS_MAX, again, &trouble);
	if (again == RC_OK)
		return rc;
	*why = trouble;
	return again;
}

/* The disagreements that will be shown, with all that the daemon knows, or less when that takes it long; what has been
 * mended by now is none. */
static enum rc explain(struct audit *audit, struct why *why)
{
	struct audit_findings *differ = &audit->report.differ;
	struct mono begin = clock_mono();

	for (size_t i = 0; i < differ->count && i < AUDIT_REPORT_SHOWN; ) {
		struct audit_finding *finding = &differ->at[i];
		bool places = mono_since(begin) < PLACES_MS;
		enum rc rc = audit_predict(&audit->oracle, finding->address, places, &finding->expected, &finding->explanation,
		                           why);
		if (rc != RC_OK)
			return rc;
		if (audit_report_judge(finding->expected, finding->code) == AUDIT_DIFFERS) {
			i++;
			continue;
		}
		audit_report_drop(differ, i);
		audit->report.agree++;
	}
	return RC_OK;
}

static enum rc ask_all(struct audit *audit, struct why *why)
{
	size_t end = 0;
	enum rc rc = ask_members(audit, &end, why);

	if (rc == RC_OK)
		rc = ask_neighbours(audit, end, why);
	rc = confirm(audit, rc, why);
	if (rc == RC_OK || rc == RC_LIMIT) {
		struct why trouble;
		enum rc explained = explain(audit, &trouble);
		if (explained != RC_OK) {
			*why = trouble;
			rc = explained;
		}
	}
	if (rc == RC_OK && audit->report.members + audit->report.no_utf8 == 0)
		rc = why_set(why, RC_NOT_FOUND, "there is nobody to ask about: %s", audit->report.published == 0
		             ? "the zone has no recipients"
		             : "all of the zone's recipients are in domains that aren't taken here");
	return rc;
}

/* Ctrl-C and its like become readable; -1 without that. */
static int catch_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
		return -1;
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int print(struct audit *audit, bool json)
{
	struct buf out = { 0 };
	int status = audit_report_status(&audit->report);

	if (json)
		audit_report_json(&audit->report, &out);
	else
		audit_report_text(&audit->report, &out);
	if (fwrite(out.data, 1, out.length, stdout) != out.length || fflush(stdout) != 0) {
		fprintf(stderr, "rxfer audit: standard output: %s\n", strerror(errno));
		status = 2;
	}
	buf_free(&out);
	return status;
}

static int run(struct audit *audit, bool json)
{
	int interrupt = catch_signals();
	struct audit_ask_spec spec = {
		.smtp = { .host = audit->settings.host, .port = audit->settings.port, .helo = audit->settings.helo,
		          .timeout_ms = audit->settings.patience_ms, .interrupt_fd = interrupt },
		.from = audit->settings.from, .rate = audit->settings.rate, .on_progress = on_progress, .on_wait = on_wait,
		.context = audit,
	};
	struct why why = { "" };
	size_t members = audit->report.published;

	if (members > audit->settings.sample)
		members = audit->settings.sample;
	audit->ask = audit_ask_new(&spec);
	audit_progress_begin(&audit->progress, 2 * members);
	if (ask_all(audit, &why) != RC_OK)
		audit->report.unfinished = why.text;
	audit->report.sessions = audit_ask_sessions(audit->ask);
	audit_ask_free(&audit->ask);
	audit_progress_end(&audit->progress);
	int status = print(audit, json);
	if (audit->report.unfinished != NULL)
		fprintf(stderr, "rxfer audit: not finished: %s\n", why.text);
	if (interrupt >= 0)
		close(interrupt);
	return status;
}

static enum rc prepare(const struct options *options, struct audit *audit, struct buf *list, struct why *why)
{
	enum rc rc = audit_settings_take(options, &audit->settings, why);

	if (rc == RC_OK)
		rc = daemon_socket(options, &audit->oracle.socket, why);
	if (rc == RC_OK)
		rc = daemon_ask(options, "list", OPTIONS_TIMEOUT_MS, list, why);
	if (rc == RC_OK)
		rc = audit_probe_new(buf_text(list), list->length, audit->settings.seed, &audit->probe, why);
	return rc;
}

int audit_main(const struct options *options)
{
	struct audit audit = { .oracle = { .zone = options->word } };
	struct buf list = { 0 };
	struct why why;
	int status = 2;

	if (prepare(options, &audit, &list, &why) == RC_OK) {
		char *server = mem_sprintf(strchr(audit.settings.host, ':') != NULL ? "[%s]:%s" : "%s:%s", audit.settings.host,
		                           audit.settings.port);
		audit.report = (struct audit_report){ .server = server, .zone = options->word, .seed = audit.settings.seed,
		                                      .published = audit_probe_count(audit.probe) };
		status = run(&audit, options->json);
		free(server);
	} else {
		fprintf(stderr, "rxfer audit: %s\n", why.text);
	}
	audit_report_clear(&audit.batch);
	audit_report_clear(&audit.suspects);
	audit_report_free(&audit.report);
	audit_probe_free(&audit.probe);
	audit_settings_free(&audit.settings);
	buf_free(&list);
	return status;
}
