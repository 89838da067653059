/* source_end.c: what becomes of a reading when its process has ended.
 *
 * A complete one is sealed, with pauses for others when it's large, and handed over; of a failed one the reason is
 * remembered. Either way the next one is planned first, for the receiver may do with us what it likes. */
#include "master/source_private.h"

#include "master/source_failure.h"

#include <stdio.h>
#include <string.h>

/* ---- Telling the receiver, who may free us ---- */

static void tell_changed(struct source *source)
{
	bool outer = source->calling;
	source->calling = true;
	source->events.changed(source->events.context, source);
	source->calling = outer;
}

static void hand_over(struct source *source, struct reading **reading)
{
	source->calling = true;
	source->events.reading(source->events.context, source, reading);
	reading_free(reading);
	source->calling = false;
}

/* ---- The end ---- */

static void set_error(struct source *source, const struct why *why)
{
	source->status.state = SOURCE_FAILED;
	(void)snprintf(source->error, sizeof(source->error), "%s", why->text);
	tell_changed(source);
}

static void take_note(struct source *source)
{
	if (source->never_rests)
		(void)snprintf(source->remark, sizeof(source->remark), "%.600s is being written all the time, so nothing is deleted "
		               "that it lacks: write another file, and rename it", source->map.file);
	(void)snprintf(source->note, sizeof(source->note), "%s", source->remark);
}

/* The reading is sealed. */
static void accept(struct source *source, bool partial)
{
	struct reading *reading = source->lines.reading;
	source->lines.reading = NULL;
	char before[WHY_MAX];
	memcpy(before, source->note, sizeof(before));
	take_note(source);
	bool news = source->status.state != SOURCE_OK || strcmp(source->note, before) != 0;
	source->status.state = SOURCE_OK;
	source->status.read = clock_wall();
	source->status.records = reading_count(reading, RECORD_RCPT);
	source->status.tally = source->lines.tally;
	source->status.partial = partial;
	source_lines_free(&source->lines);
	source->error[0] = '\0';
	source->good = source->stamped;
	source->good_stamp = source->stamp;
	source->failures = 0;
	hand_over(source, &reading);
	if (news && !source->dead)
		tell_changed(source);
}

static bool overtaken(const struct source *source)
{
	return !source_is_command(source) && (source->never_rests || source->event_seen ||
	                                      source_moved(source, &source->stamp, source->stamped));
}

/* Returns whether there was a change in the middle of it. */
static bool rest(struct source *source, bool failed)
{
	bool moved = overtaken(source);
	source->phase = SOURCE_IDLE;
	source_plan_next(source, moved, failed);
	return moved;
}

/* From here on the receiver may have begun another reading, or freed us. */
static void fail(struct source *source, const struct why *why)
{
	(void)rest(source, true);
	source_lines_free(&source->lines);
	set_error(source, why);
	if (source->dead)
		source_destroy(source);
}

static void seal(void *context)
{
	struct source *source = context;
	if (!reading_seal_some(source->lines.reading)) {
		loop_timer_after(source->loop, &source->sealing, 0, seal, source);
		return;
	}
	bool moved = rest(source, false);
	accept(source, source->map.text && moved);
	if (source->dead)
		source_destroy(source);
}

static void succeed(struct source *source, const char *remark)
{
	(void)snprintf(source->remark, sizeof(source->remark), "%s", remark);
	seal(source);
}

/* Something else is accepted: the receiver makes other sources of it. */
static void hand_plan(struct source *source)
{
	struct buf text = source->text;
	source->text = (struct buf){0};
	source->phase = SOURCE_IDLE;
	source->failures = 0;
	source_lines_free(&source->lines);
	source_plan_next(source, false, false);
	source->calling = true;
	source->events.plan(source->events.context, source, &text);
	source->calling = false;
	buf_free(&text);
	if (source->dead)
		source_destroy(source);
}

static void end_postfix(struct source *source)
{
	struct why why = {""};
	switch (source_postfix_judge(source->spec->postfix, &source->text, &source->spec->rule, source->lines.reading,
	                             &source->lines.tally, &why)) {
	case SOURCE_POSTFIX_SAME:
		succeed(source, "");
		break;
	case SOURCE_POSTFIX_NEW:
		hand_plan(source);
		break;
	case SOURCE_POSTFIX_FAILED:
		(void)why_prepend(&why, RC_INVALID, "Postfix in %s", source->spec->postfix->config);
		fail(source, &why);
		break;
	}
}

void source_ended(void *context, enum child_end end, int code, const char *complaint)
{
	struct source *source = context;
	source->child = NULL;
	struct why why = {""};
	if (source_is_postfix(source) && end == CHILD_EXITED && code == 0) {
		end_postfix(source);
		return;
	}
	if (end == CHILD_EXITED && code == 0 && source_lines_end(&source->lines)) {
		succeed(source, complaint);
		return;
	}
	const struct source_failure failure = {
		.spec = source->spec, .map = &source->map, .spoilt = source->lines.spoilt.text, .end = end, .code = code,
		.complaint = complaint,
	};
	source_failure_explain(&failure, &why);
	fail(source, &why);
}

void source_not_begun(struct source *source, const struct why *why)
{
	fail(source, why);
}
