/* health.c: see health.h. What is critical comes first in the sentence, the rest follows. */
#include "master/health.h"

#include <inttypes.h>
#include <string.h>

#define PATIENCE_MS 3600000      /* with a source that fails, and at least three of its intervals */

struct complaints {
	struct buf critical;
	struct buf warning;
};

static struct buf *complain(struct complaints *complaints, bool critical)
{
	struct buf *buf = critical ? &complaints->critical : &complaints->warning;
	if (buf->length > 0)
		buf_printf(buf, "; ");
	return buf;
}

static void look_at_source(const struct health_facts *facts, size_t index, struct complaints *complaints)
{
	const struct source_spec *spec = &facts->spec->sources[index];
	struct source_status status = source_status(feeds_source(facts->feeds, index));
	int64_t ms = 0;
	const char *doing = facts->published ? "deleted" : "published";
	if (feeds_failing(facts->feeds, index, &ms)) {
		bool long_since = ms >= PATIENCE_MS && ms >= spec->interval_ms * 3;
		char since[CLOCK_TEXT_MAX];
		clock_duration(ms, since);
		buf_printf(complain(complaints, !facts->published || long_since),
		           "source \"%s\" can't be read (for %s): %s; nothing is %s until it can", spec->name, since, status.error,
		           doing);
	} else if (status.partial) {
		buf_printf(complain(complaints, false), "source \"%s\" is being written, nothing is %s until it rests", spec->name,
		           doing);
	} else if (!facts->published && status.state == SOURCE_WAITING) {
		buf_printf(complain(complaints, false), "nothing is published yet: source \"%s\" is being read", spec->name);
	}
}

static void look_at_held(const struct health_facts *facts, struct complaints *complaints)
{
	if (facts->held == 0)
		return;
	bool known = facts->held_reason[0] != '\0';
	buf_printf(complain(complaints, false), "%" PRIu64 " deletion%s held%s%s: if %s right, `rxfer approve %s`",
	           facts->held, facts->held == 1 ? " is" : "s are", known ? ", because " : "", facts->held_reason,
	           facts->held == 1 ? "it is" : "they are", facts->spec->name);
}

void health_judge(const struct health_facts *facts, struct zone_status *out)
{
	struct complaints complaints = {0};
	if (facts->failure[0] != '\0')
		buf_printf(complain(&complaints, true), "nothing can be published: %s", facts->failure);
	if (facts->undated[0] != '\0')
		buf_printf(complain(&complaints, true), "the newest announcement couldn't be written down: %s", facts->undated);
	for (size_t i = 0; i < facts->spec->source_count; i++)
		look_at_source(facts, i, &complaints);
	look_at_held(facts, &complaints);
	bool critical = complaints.critical.length > 0;
	bool warning = complaints.warning.length > 0;
	out->health = critical ? ZONE_CRITICAL : warning ? ZONE_WARNING : ZONE_OK;
	if (critical && warning)
		buf_printf(&complaints.critical, "; ");
	buf_put(&complaints.critical, complaints.warning.data, complaints.warning.length);
	struct why reason;
	(void)why_set(&reason, RC_OK, "%s", buf_text(&complaints.critical));
	memcpy(out->reason, reason.text, sizeof out->reason);
	buf_free(&complaints.critical);
	buf_free(&complaints.warning);
}
