/* audit_predict.c: see audit_predict.h. */
#include "ctl/audit_predict.h"

#include "common/buf.h"
#include "common/control.h"
#include "ctl/explain.h"
#include "ctl/options.h"

#include <string.h>

static const char *const words[] = {
	[AUDIT_ACCEPT] = "accept", [AUDIT_REFUSE] = "refuse", [AUDIT_DEFER] = "defer", [AUDIT_FOREIGN] = "foreign",
};

const char *audit_predict_word(enum audit_verdict verdict)
{
	return words[verdict];
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* The object whose verdict counts. */
static const json_t *find_voice(const json_t *answer, const char *zone)
{
	const json_t *each;
	size_t i;

	if (zone == NULL || strcmp(text_of(answer, "program"), "rxfer-master") != 0)
		return answer;
	json_array_foreach(json_object_get(answer, "zones"), i, each)
		if (strcmp(text_of(each, "zone"), zone) == 0)
			return each;
	return NULL;
}

static enum rc understand(const json_t *answer, const char *zone, enum audit_verdict *out, struct why *why)
{
	const json_t *voice = find_voice(answer, zone);
	const char *word = text_of(voice, "verdict");

	if (voice == NULL)
		return why_set(why, RC_INVALID, "the daemon's explanation says nothing of zone \"%s\"", zone);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(word, words[i]) == 0) {
			*out = (enum audit_verdict)i;
			return RC_OK;
		}
	return why_set(why, RC_INVALID, "the daemon's explanation has the verdict \"%s\", which isn't known here", word);
}

enum rc audit_predict(const struct audit_oracle *oracle, const char *address, bool places, enum audit_verdict *out,
                      json_t **answer, struct why *why)
{
	const char *request[] = { "explain", address, "brief" };
	struct buf text = { 0 };
	json_error_t error;
	json_t *parsed = NULL;
	enum rc rc = control_ask(oracle->socket, request, places ? 2 : 3, places ? EXPLAIN_TIMEOUT_MS : OPTIONS_TIMEOUT_MS,
	                         &text, why);

	if (rc == RC_OK) {
		parsed = json_loadb((const char *)text.data, text.length, 0, &error);
		rc = parsed == NULL ? why_set(why, RC_INVALID, "the daemon's explanation isn't JSON: %s", error.text)
		                    : understand(parsed, oracle->zone, out, why);
	}
	if (rc == RC_OK && answer != NULL)
		*answer = json_incref(parsed);
	json_decref(parsed);
	buf_free(&text);
	return rc;
}
