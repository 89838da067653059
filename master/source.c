/* source.c: when to read; the reading itself happens in a child process, and source_end.c takes what comes of it.
 *
 * What counts is a reading that was complete, never the newest try: a failed one leaves everything as it was and
 * says why. An event in the middle of a reading doesn't spoil it (the child saw one consistent state, or it would
 * have failed), but another one follows; when that goes on, with growing pauses.
 *
 * A text that is rewritten in place is the one thing that can be seen half-written without a way to tell. So whoever
 * writes it has to have closed it, and it has to keep still for settle_ms first, by events and by its stamp; but not
 * for longer than the poll's interval, or a file that never rests would never be read. What is read then is partial:
 * what it has counts, what it lacks doesn't. Indexes have locks, and wait only until a burst of writes is over. */
#include "master/source_private.h"

#include "common/mem.h"
#include "master/source_process.h"

#include <stdlib.h>
#include <string.h>

#define BURST_MS 20             /* of events that one postmap makes */
#define PAUSE_LEAST_MS 50       /* after the second reading in a row that was overtaken by a change */
#define PAUSE_MOST_MS 10000
#define PLAN_MAX ((size_t)1 << 30)
#define RETRY_FIRST_MS 1000     /* after a failure */
#define DOUBLINGS_MAX 20
#define SKEW_MS 10000           /* that a file server's clock may differ from ours */

static void begin(struct source *source, bool never_rests);

bool source_is_command(const struct source *source)
{
	return source->spec->kind == SOURCE_COMMAND;
}

bool source_is_postfix(const struct source *source)
{
	return source->spec->kind == SOURCE_POSTFIX;
}

bool source_has_file(const struct source *source)
{
	return source->map.file != NULL;
}

/* It may be seen half-written: a text; or a Postfix, whose lists are texts. */
static bool settles(const struct source *source)
{
	return source->map.text || source_is_postfix(source);
}

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t doubled(int64_t first_ms, unsigned times, int64_t most_ms)
{
	return at_most(first_ms << (times < DOUBLINGS_MAX ? times : DOUBLINGS_MAX), most_ms);
}

/* ---- Settling ---- */

bool source_moved(const struct source *source, const struct read_stamp *then, bool had)
{
	struct read_stamp now;
	bool has = source_has_file(source) && read_stamp_of(source->map.file, &now);
	return has != had || (has && !read_stamp_same(&now, then));
}

static void on_timer(void *context);

/* Waits until nothing has happened for a while, counted from now. */
static void settle(struct source *source, int64_t wait_ms)
{
	source->phase = SOURCE_SETTLING;
	source->still_there = source_has_file(source) && read_stamp_of(source->map.file, &source->still);
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
	bool moved = source_moved(source, &source->still, source->still_there);
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
	if (source->phase == SOURCE_READING) {
		source->event_seen = true;
		return;
	}
	bool idle = source->phase == SOURCE_IDLE;
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
	if (source->phase == SOURCE_IDLE && (source->status.state != SOURCE_OK ||
	                              source_moved(source, &source->good_stamp, source->good)))
		notice(source, false);
}

static void on_poll(void *context)
{
	struct source *source = context;
	loop_timer_after(source->loop, &source->poll, source->spec->interval_ms, on_poll, source);
	if (source_has_file(source))
		look(source);
	else if (source->phase != SOURCE_READING)
		begin(source, false);
}

/* Another reading is due: soon. What changes all the time is read a fifth of the time at most; what was added to it doesn't
 * wait longer than that. */
static void follow(struct source *source)
{
	source->settling_since = clock_mono();
	int64_t wait = settle_ms(source);
	if (source->overtaken >= 2)
		wait += at_most(4 * mono_since(source->begun) + PAUSE_LEAST_MS, PAUSE_MOST_MS);
	settle(source, wait);
}

void source_plan_next(struct source *source, bool moved, bool failed)
{
	source->overtaken = moved ? source->overtaken + 1 : 0;
	if (moved)
		follow(source);
	source->asked = source_is_command(source) && source->event_seen;
	int64_t wait = source->spec->interval_ms;
	if (failed)
		wait = doubled(RETRY_FIRST_MS, source->failures++, source->spec->interval_ms);
	if (source->asked)
		wait = 0;
	if (failed || !source_has_file(source))
		loop_timer_after(source->loop, &source->poll, wait, on_poll, source);
}

/* ---- Reading ---- */

static bool on_output(void *context, const void *data, size_t length)
{
	struct source *source = context;
	if (!source_is_postfix(source))
		return source_lines_take(&source->lines, data, length);
	if (source->text.length + length > PLAN_MAX)
		return false;
	buf_put(&source->text, data, length);
	return true;
}

static void begin(struct source *source, bool never_rests)
{
	loop_timer_clear(source->loop, &source->timer);
	if (source->phase == SOURCE_READING) {
		source->event_seen = true;
		return;
	}
	source->phase = SOURCE_READING;
	source->begun = clock_mono();
	source->event_seen = source->asked = source->open = false;
	source->never_rests = never_rests;
	source_watch_look(&source->watching, source->spec);
	source->stamped = source->map.file && read_stamp_of(source->map.file, &source->stamp);
	source_lines_begin(&source->lines, &source->spec->rule, source_is_command(source), source->key);
	buf_clear(&source->text);
	struct source_process process;
	source_process_fill(&process, source->spec, &source->map);
	struct child_spec spec = {.argv = process.argv,
	                          .timeout_ms = source->spec->timeout_ms,
	                          .on_output = on_output, .on_end = source_ended, .context = source};
	struct why why;
	if (child_start(source->loop, &spec, &source->child, &why) != RC_OK)
		source_not_begun(source, &why);
}

/* ---- The interface ---- */

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
	bool text = source->map.text && source_has_file(source) && read_stamp_of(source->map.file, &now);
	if (source->phase == SOURCE_READING || !text || rested(source, &now))
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
	source->phase = SOURCE_SETTLING;
	struct read_stamp now;
	if (source_has_file(source) && read_stamp_of(map.file, &now) && rested(source, &now)) {
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
	loop_timer_clear(source->loop, &source->sealing);
	source->phase = SOURCE_IDLE;
}

void source_destroy(struct source *source)
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
		source_destroy(source);
}

void source_read_now(struct source *source)
{
	read_soon(source);
}

void source_check(struct source *source)
{
	if (source_has_file(source))
		look(source);
	else
		begin(source, false);
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
	status.reading = source->phase != SOURCE_IDLE || source->asked;
	status.error = source->error;
	status.note = source->note[0] ? source->note : source->watching.blind;
	return status;
}

const struct source_spec *source_spec(const struct source *source)
{
	return source->spec;
}
