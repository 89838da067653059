/* audit_report.c: what an audit found. Everything that came from the server or the daemon is cleaned here. */
#include "ctl/audit_report.h"

#include "common/mem.h"
#include "ctl/audit_ask.h"
#include "ctl/explain.h"
#include "ctl/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 110

enum audit_outcome audit_report_judge(enum audit_verdict expected, int code)
{
	if (code == AUDIT_ASK_NOT_ASKED)
		return AUDIT_UNASKED;
	if (code / 100 == 4)
		return expected == AUDIT_DEFER ? AUDIT_AGREES : AUDIT_PUT_OFF;
	return (code / 100 == 5) == (expected == AUDIT_REFUSE) ? AUDIT_AGREES : AUDIT_DIFFERS;
}

void audit_report_add(struct audit_findings *findings, struct audit_finding *finding)
{
	if (findings->count == findings->capacity) {
		findings->capacity = findings->capacity * 2 + 16;
		findings->at = mem_realloc(findings->at, findings->capacity, sizeof *findings->at);
	}
	findings->at[findings->count++] = *finding;
	*finding = (struct audit_finding){ 0 };
}

static void free_finding(struct audit_finding *finding)
{
	free(finding->address);
	free(finding->reply);
	json_decref(finding->explanation);
}

void audit_report_drop(struct audit_findings *findings, size_t index)
{
	free_finding(&findings->at[index]);
	findings->count--;
	memmove(&findings->at[index], &findings->at[index + 1], (findings->count - index) * sizeof *findings->at);
}

void audit_report_clear(struct audit_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		free_finding(&findings->at[i]);
	free(findings->at);
	*findings = (struct audit_findings){ 0 };
}

void audit_report_free(struct audit_report *report)
{
	audit_report_clear(&report->differ);
	audit_report_clear(&report->deferred);
}

/* A sentence of its own, cleaned, broken into lines. */
static void put_line(struct buf *out, const char *text)
{
	struct buf clean = { 0 };

	text_put(&clean, text, strlen(text));
	buf_printf(out, "    ");
	text_put_wrapped(out, buf_text(&clean), 6, COLUMNS);
	buf_put_u8(out, '\n');
	buf_free(&clean);
}

static const char *should(enum audit_verdict expected)
{
	return expected == AUDIT_ACCEPT ? "accepted" : expected == AUDIT_REFUSE ? "refused" : "accepted or put off";
}

/* As `rxfer explain` shows it, set in. */
static void put_explanation(struct buf *out, const json_t *explanation)
{
	struct buf text = { 0 };

	explain_format(explanation, &text);
	for (const char *at = buf_text(&text); *at != '\0'; ) {
		size_t length = strcspn(at, "\n");
		buf_printf(out, "    %.*s\n", (int)length, at);
		at += length + (at[length] == '\n');
	}
	buf_free(&text);
}

static void put_finding(struct buf *out, const struct audit_finding *finding)
{
	char *what = mem_sprintf("%s: should be %s", audit_probe_kind(finding->kind), should(finding->expected));
	char *said = mem_sprintf("the server says: %s%s", finding->reply,
	                         finding->confirmed ? "" : " (asked once only)");

	text_put(out, finding->address, strlen(finding->address));
	buf_put_u8(out, '\n');
	put_line(out, what);
	put_line(out, said);
	if (finding->explanation != NULL)
		put_explanation(out, finding->explanation);
	free(what);
	free(said);
}

static void put_findings(struct buf *out, const struct audit_findings *findings, const char *word)
{
	for (size_t i = 0; i < findings->count && i < AUDIT_REPORT_SHOWN; i++)
		put_finding(out, &findings->at[i]);
	if (findings->count > AUDIT_REPORT_SHOWN) {
		buf_printf(out, "... and ");
		text_put_number(out, (int64_t)(findings->count - AUDIT_REPORT_SHOWN));
		buf_printf(out, " more that %s; --json shows them all\n", word);
	}
}

static void put_count(struct buf *out, const char *before, size_t number, const char *after)
{
	buf_printf(out, "%s", before);
	text_put_number(out, (int64_t)number);
	buf_printf(out, "%s", after);
}

void audit_report_text(const struct audit_report *report, struct buf *out)
{
	put_findings(out, &report->differ, "differ");
	put_findings(out, &report->deferred, "were put off");
	put_count(out, "", report->members + report->neighbours, " addresses asked at ");
	text_put(out, report->server, strlen(report->server));
	put_count(out, " (", report->members, " of ");
	put_count(out, "", report->published, " published, ");
	put_count(out, "", report->neighbours, " made up; ");
	buf_printf(out, "seed %" PRIu64 "): ", report->seed);
	put_count(out, "", report->agree, " agree, ");
	put_count(out, "", report->differ.count, " differ");
	if (report->deferred.count > 0)
		put_count(out, ", ", report->deferred.count, " put off");
	if (report->no_utf8 > 0)
		put_count(out, "; ", report->no_utf8, " not asked, for the server doesn't offer SMTPUTF8");
	if (report->foreign > 0)
		put_count(out, "; ", report->foreign, " passed over, in domains that aren't taken here");
	buf_printf(out, "%s\n", report->unfinished != NULL ? "; not finished" : "");
}

static json_t *clean_text(const char *text)
{
	struct buf clean = { 0 };

	text_put(&clean, text, strlen(text));
	json_t *string = json_string(buf_text(&clean));
	buf_free(&clean);
	return string;
}

static json_t *findings_json(const struct audit_findings *findings)
{
	json_t *array = json_array();

	for (size_t i = 0; i < findings->count; i++) {
		const struct audit_finding *finding = &findings->at[i];
		json_t *object = json_pack("{s:o, s:s, s:s, s:i, s:o, s:b}", "address", clean_text(finding->address),
		                           "kind", audit_probe_kind(finding->kind),
		                           "expected", audit_predict_word(finding->expected), "code", finding->code,
		                           "reply", clean_text(finding->reply), "confirmed", (int)finding->confirmed);
		if (finding->explanation != NULL)
			json_object_set(object, "explanation", finding->explanation);
		json_array_append_new(array, object);
	}
	return array;
}

void audit_report_json(const struct audit_report *report, struct buf *out)
{
	char seed[24];

	/* As text: JSON's numbers are signed, and not all readers keep 64 bits. */
	snprintf(seed, sizeof seed, "%" PRIu64, report->seed);
	json_t *object = json_pack("{s:o, s:o, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
	                           "server", clean_text(report->server),
	                           "zone", report->zone != NULL ? clean_text(report->zone) : json_null(), "seed", seed,
	                           "finished", report->unfinished == NULL,
	                           "published", (json_int_t)report->published, "members", (json_int_t)report->members,
	                           "neighbours", (json_int_t)report->neighbours,
	                           "sessions", (json_int_t)report->sessions, "agree", (json_int_t)report->agree,
	                           "foreign", (json_int_t)report->foreign, "no_smtputf8", (json_int_t)report->no_utf8,
	                           "disagreements", findings_json(&report->differ),
	                           "put_off", findings_json(&report->deferred));
	if (report->unfinished != NULL)
		json_object_set_new(object, "error", clean_text(report->unfinished));
	char *text = json_dumps(object, JSON_INDENT(2));
	buf_printf(out, "%s\n", text != NULL ? text : "{}");
	free(text);
	json_decref(object);
}

int audit_report_status(const struct audit_report *report)
{
	if (report->unfinished != NULL)
		return 2;
	if (report->differ.count > 0)
		return 1;
	return report->deferred.count > 0 ? 3 : 0;
}
