/* source.c: when to read, and what becomes of what was read; the reading itself happens in a child process.
 *
 * What counts is a reading that was complete, never the newest try: a failed one leaves everything as it was and
 * says why. An event in the middle of a reading doesn't spoil it (the child saw one consistent state, or it would
 * have failed), but another one follows; when that goes on, with growing pauses.
 *
 * A text that is rewritten in place is the one thing that can be seen half-written without a way to tell. So whoever
 * writes it has to have closed it, and it has to keep still for settle_ms first, by events and by its stamp; but not
 * for longer than the poll's interval, or a file that never rests would never be read. What is read then is partial:
 * what it has counts, what it lacks doesn't. Indexes have locks, and wait only until a burst of writes is over. */
#include "master/source.h"

#include "common/child.h"
#include "common/mem.h"
#include "master/read.h"
#include "master/source_failure.h"
#include "master/source_lines.h"
#include "master/source_map.h"
#include "master/source_process.h"
#include "master/source_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST_MS 20             /* of events that one postmap makes */
#define PAUSE_FIRST_MS 50       /* after the second reading in a row that was overtaken by a change */
#define RETRY_FIRST_MS 1000     /* after a failure */
#define DOUBLINGS_MAX 20
#define PLAN_MAX ((size_t)1 << 30)
#define SKEW_MS 10000           /* that a file server's clock may differ from ours */

enum phase { IDLE, SETTLING, READING };

struct source {
	struct loop *loop;
	const struct source_spec *spec;
	struct source_events events;
	uint8_t key[RECORD_HASH_KEY_BYTES];
	struct source_map map;               /* empty for a command */

	struct source_watch watching;

	enum phase phase;
	struct timer timer;                  /* the end of settling, or of a pause */
	struct timer poll;
	struct mono settling_since;
	struct read_stamp still;             /* the file's when settling was last begun, if it was there */
	bool still_there;
	bool open;                           /* the text was written, and hasn't been closed since, as far as we were told */
	bool never_rests;                    /* this reading was begun although the text was being written still */
	bool asked;                          /* a command: to be run once more, at once */
	unsigned overtaken;                  /* readings in a row with a change in the middle */
	unsigned failures;                   /* in a row */

	struct child *child;
	struct source_lines lines;           /* its output */
	struct buf text;                     /* the same, of a Postfix */
	bool event_seen;                     /* since the child was started */
	bool stamped;
	struct read_stamp stamp;             /* before the child was started */

	bool good;
	struct read_stamp good_stamp;
	struct source_status status;
	char error[WHY_MAX];
	char note[WHY_MAX];
	bool calling;                        /* the receiver is on the stack */
	bool dead;
};

static void begin(struct source *source, bool restless);
static void destroy(struct source *source);

static bool is_command(const struct source *source)
{
	return source->spec->kind == SOURCE_COMMAND;
}

static bool is_postfix(const struct source *source)
{
	return source->spec->kind == SOURCE_POSTFIX;
}

/* There is one file, whose stamp tells whether it's another now. */
static bool has_file(const struct source *source)
{
	return source->map.file != NULL;
}

/* It may be seen half-written: a text; or a Postfix, whose lists are texts. */
static bool settles(const struct source *source)
{
	return source->map.text || is_postfix(source);
}

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t doubled(int64_t first_ms, unsigned times, int64_t most_ms)
{
	return at_most(first_ms << (times < DOUBLINGS_MAX ? times : DOUBLINGS_MAX), most_ms);
}

/* ---- telling the receiver, who may free us ---- */

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

/* ---- settling ---- */

static bool stamp_moved(const struct source *source, const struct read_stamp *then, bool had)
{
	struct read_stamp now;
	bool has = has_file(source) && read_stamp_of(source->map.file, &now);
	return has != had || (has && !read_stamp_same(&now, then));
}

static void on_timer(void *context);

/* Waits until nothing has happened for a while, counted from now. */
static void settle(struct source *source, int64_t wait_ms)
{
	source->phase = SETTLING;
	source->still_there = has_file(source) && read_stamp_of(source->map.file, &source->still);
	loop_timer_after(source->loop, &source->timer, wait_ms, on_timer, source);
}

static int64_t settle_ms(const struct source *source)
{
	return settles(source) ? source->spec->settle_ms : at_most(BURST_MS, source->spec->settle_ms);
}

static void on_timer(void *context)
{
	struct source *source = context;
	if (!settles(source)) {
		begin(source, false);
		return;
	}
	bool moved = stamp_moved(source, &source->still, source->still_there);
	bool patient = mono_since(source->settling_since) < source->spec->interval_ms;
	if (patient && (moved || source->open)) {
		settle(source, settle_ms(source));
		return;
	}
	begin(source, moved);
}

/* Something may be different: reads at once, or when it has come to rest. For an index the first event of a burst says
 * when; a text waits anew after each. */
static void notice(struct source *source, bool whole)
{
	if (source->phase == READING) {
		source->event_seen = true;
		return;
	}
	bool idle = source->phase == IDLE;
	if (idle)
		source->settling_since = clock_mono();
	bool patient = mono_since(source->settling_since) < source->spec->interval_ms;
	if (whole && source->overtaken < 2)
		begin(source, false);
	else if (idle || (settles(source) && patient))
		settle(source, settle_ms(source));
}

static void on_watch(void *context, enum watch_change change)
{
	struct source *source = context;
	if (change != WATCH_IN_PLACE)
		source->open = change == WATCH_WRITING;
	notice(source, change == WATCH_WHOLE);
}

/* Nobody may have told. */
static void look(struct source *source)
{
	if (source->phase == IDLE && (source->status.state != SOURCE_OK ||
	                              stamp_moved(source, &source->good_stamp, source->good)))
		notice(source, false);
}

static void on_poll(void *context)
{
	struct source *source = context;
	loop_timer_after(source->loop, &source->poll, source->spec->interval_ms, on_poll, source);
	if (has_file(source))
		look(source);
	else if (source->phase != READING)
		begin(source, false);
}

static bool on_output(void *context, const void *data, size_t length)
{
	struct source *source = context;
	if (!is_postfix(source))
		return source_lines_take(&source->lines, data, length);
	if (source->text.length + length > PLAN_MAX)
		return false;
	buf_put(&source->text, data, length);
	return true;
}

/* ---- the end of a reading ---- */

static void set_error(struct source *source, const struct why *why)
{
	source->status.state = SOURCE_FAILED;
	(void)snprintf(source->error, sizeof(source->error), "%s", why->text);
	tell_changed(source);
}

static void accept(struct source *source, bool partial, const char *note)
{
	struct reading *reading = source->lines.reading;
	source->lines.reading = NULL;
	reading_seal(reading);
	char remark[WHY_MAX];
	if (source->never_rests) {
		(void)snprintf(remark, sizeof(remark), "%.600s is being written all the time, so nothing is deleted that it "
		               "lacks: write another file, and rename it", source->map.file);
		note = remark;
	}
	bool news = source->status.state != SOURCE_OK || strcmp(source->note, note) != 0;
	source->status.state = SOURCE_OK;
	source->status.read = clock_wall();
	source->status.records = reading_count(reading, RECORD_RCPT);
	source->status.tally = source->lines.tally;
	source->status.partial = partial;
	source_lines_free(&source->lines);
	source->error[0] = '\0';
	(void)snprintf(source->note, sizeof(source->note), "%s", note);
	source->good = source->stamped;
	source->good_stamp = source->stamp;
	source->failures = 0;
	hand_over(source, &reading);
	if (news && !source->dead)
		tell_changed(source);
}

static bool overtaken(const struct source *source)
{
	return !is_command(source) && (source->never_rests || source->event_seen ||
	                               stamp_moved(source, &source->stamp, source->stamped));
}

/* Another reading is due: soon, but with a growing pause. */
static void follow(struct source *source)
{
	source->settling_since = clock_mono();
	int64_t wait = settle_ms(source);
	if (source->overtaken >= 2)
		wait += doubled(PAUSE_FIRST_MS, source->overtaken - 2, source->spec->interval_ms);
	settle(source, wait);
}

/* When the next reading is due: after a change in the middle of this one, after a failure, or at the next poll. */
static void plan(struct source *source, bool moved, bool failed)
{
	source->overtaken = moved ? source->overtaken + 1 : 0;
	if (moved)
		follow(source);
	source->asked = is_command(source) && source->event_seen;
	int64_t wait = source->spec->interval_ms;
	if (failed)
		wait = doubled(RETRY_FIRST_MS, source->failures++, source->spec->interval_ms);
	if (source->asked)
		wait = 0;
	if (failed || !has_file(source))
		loop_timer_after(source->loop, &source->poll, wait, on_poll, source);
}

static void finish(struct source *source, bool complete, const struct why *why, const char *note)
{
	bool moved = overtaken(source);
	source->phase = IDLE;
	plan(source, moved, !complete);
	if (!complete)
		source_lines_free(&source->lines);
	/* From here on the receiver may have begun another reading, or freed us. */
	if (complete)
		accept(source, source->map.text && moved, note);
	else
		set_error(source, why);
	if (source->dead)
		destroy(source);
}

/* Something else is accepted: the receiver makes other sources of it. */
static void hand_plan(struct source *source)
{
	struct buf text = source->text;
	source->text = (struct buf){0};
	source->phase = IDLE;
	source->failures = 0;
	source_lines_free(&source->lines);
	plan(source, false, false);
	source->calling = true;
	source->events.plan(source->events.context, source, &text);
	source->calling = false;
	buf_free(&text);
	if (source->dead)
		destroy(source);
}

static void end_postfix(struct source *source)
{
	struct why why = {""};
	switch (source_postfix_judge(source->spec->postfix, &source->text, &source->spec->rule, source->lines.reading,
	                             &source->lines.tally, &why)) {
	case SOURCE_POSTFIX_SAME:
		finish(source, true, &why, "");
		break;
	case SOURCE_POSTFIX_NEW:
		hand_plan(source);
		break;
	case SOURCE_POSTFIX_FAILED:
		(void)why_prepend(&why, RC_INVALID, "Postfix in %s", source->spec->postfix->config);
		finish(source, false, &why, "");
		break;
	}
}

static void on_end(void *context, enum child_end end, int code, const char *complaint)
{
	struct source *source = context;
	source->child = NULL;
	struct why why = {""};
	if (is_postfix(source) && end == CHILD_EXITED && code == 0) {
		end_postfix(source);
		return;
	}
	bool complete = end == CHILD_EXITED && code == 0 && source_lines_end(&source->lines);
	const struct source_failure failure = {
		.spec = source->spec, .map = &source->map, .spoilt = source->lines.spoilt.text, .end = end, .code = code,
		.complaint = complaint,
	};
	if (!complete)
		source_failure_explain(&failure, &why);
	finish(source, complete, &why, complaint);
}

static void begin(struct source *source, bool never_rests)
{
	loop_timer_clear(source->loop, &source->timer);
	if (source->phase == READING) {
		source->event_seen = true;
		return;
	}
	source->phase = READING;
	source->event_seen = source->asked = source->open = false;
	source->never_rests = never_rests;
	source_watch_look(&source->watching, source->spec);
	source->stamped = source->map.file && read_stamp_of(source->map.file, &source->stamp);
	source_lines_begin(&source->lines, &source->spec->rule, is_command(source), source->key);
	buf_clear(&source->text);
	struct source_process process;
	source_process_fill(&process, source->spec, &source->map);
	struct child_spec spec = {.argv = process.argv,
	                          .timeout_ms = source->spec->timeout_ms,
	                          .on_output = on_output, .on_end = on_end, .context = source};
	struct why why;
	if (child_start(source->loop, &spec, &source->child, &why) != RC_OK)
		finish(source, false, &why, "");
}

/* ---- the interface ---- */

static int64_t age_ms(struct timespec time)
{
	return clock_wall().ms - (time.tv_sec * 1000 + time.tv_nsec / 1000000);
}

/* Nobody has touched the text for so long that it needn't settle. */
static bool rested(const struct source *source, const struct read_stamp *stamp)
{
	int64_t ms = source->spec->settle_ms + SKEW_MS;
	return !source->open && age_ms(stamp->modified) >= ms && age_ms(stamp->changed) >= ms;
}

/* As soon as it's safe. */
static void read_soon(struct source *source)
{
	struct read_stamp now;
	bool text = source->map.text && has_file(source) && read_stamp_of(source->map.file, &now);
	if (source->phase == READING || !text || rested(source, &now))
		begin(source, false);
	else
		notice(source, false);
}

enum rc source_new(struct loop *loop, const struct source_spec *spec, const uint8_t key[RECORD_HASH_KEY_BYTES],
                   const struct source_events *events, struct source **out, struct why *why)
{
	struct source_map map = {0};
	keys_check(&spec->rule);
	if (spec->kind == SOURCE_MAP || spec->kind == SOURCE_ALIASES) {
		bool aliases = spec->kind == SOURCE_ALIASES, smtputf8 = spec->rule.filter->smtputf8;
		enum rc rc = spec->rule.plan ? source_map_planned(spec->text, aliases, smtputf8, &map, why) :
		             source_map_parse(spec->text, aliases, smtputf8, &map, why);
		if (rc != RC_OK)
			return rc;
	}
	struct source *source = mem_zalloc(sizeof(*source));
	source->loop = loop;
	source->spec = spec;
	source->events = *events;
	source->map = map;
	memcpy(source->key, key, sizeof(source->key));
	source_watch_open(&source->watching, loop, spec, &map, on_watch, source);
	/* From the loop: the caller doesn't have us yet. A text that has been at rest already needn't settle. */
	source->settling_since = clock_mono();
	source->phase = SETTLING;
	struct read_stamp now;
	if (has_file(source) && read_stamp_of(map.file, &now) && rested(source, &now)) {
		source->still = now;
		source->still_there = true;
	}
	loop_timer_after(loop, &source->timer, 0, on_timer, source);
	loop_timer_after(loop, &source->poll, spec->interval_ms, on_poll, source);
	*out = source;
	return RC_OK;
}

static void stop_reading(struct source *source)
{
	child_abandon(&source->child);
	source_lines_free(&source->lines);
	loop_timer_clear(source->loop, &source->timer);
	source->phase = IDLE;
}

static void destroy(struct source *source)
{
	stop_reading(source);
	loop_timer_clear(source->loop, &source->poll);
	source_watch_close(&source->watching);
	buf_free(&source->text);
	source_map_free(&source->map);
	free(source);
}

void source_free(struct source **handle)
{
	struct source *source = *handle;
	if (!source)
		return;
	*handle = NULL;
	if (source->calling)
		source->dead = true;
	else
		destroy(source);
}

void source_read_now(struct source *source)
{
	read_soon(source);
}

void source_check(struct source *source)
{
	if (!has_file(source))
		begin(source, false);
	else
		look(source);
}

void source_rekey(struct source *source, const uint8_t key[RECORD_HASH_KEY_BYTES])
{
	memcpy(source->key, key, sizeof(source->key));
	stop_reading(source);
	read_soon(source);
}

struct source_status source_status(const struct source *source)
{
	struct source_status status = source->status;
	status.reading = source->phase != IDLE || source->asked;
	status.error = source->error;
	status.note = source->note[0] ? source->note : source->watching.blind;
	return status;
}

const struct source_spec *source_spec(const struct source *source)
{
	return source->spec;
}
