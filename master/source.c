/* source.c: when to read, and what becomes of what was read; the reading itself happens in a child process.
 *
 * What counts is a reading that was complete, never the newest try: a failed one leaves everything as it was and
 * says why. An event in the middle of a reading doesn't spoil it (the child saw one consistent state, or it would
 * have failed), but another one follows; when that goes on, with growing pauses.
 *
 * A text that is rewritten in place is the one thing that can be seen half-written without a way to tell. So it
 * has to keep still for settle_ms first, by events and by its stamp; but not for longer than the poll's interval,
 * or a file that never rests would never be read. Indexes have locks, and wait only until a burst of writes is
 * over. */
#include "master/source.h"

#include "common/child.h"
#include "common/mem.h"
#include "master/read.h"
#include "master/source_map.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES (4 * ADDRESS_MAX)
#define SHOWN_MAX 100           /* of a bad line */
#define BURST_MS 20             /* of events that one postmap makes */
#define PAUSE_FIRST_MS 50       /* after the second reading in a row that was overtaken by a change */
#define RETRY_FIRST_MS 1000     /* of a command that failed */
#define DOUBLINGS_MAX 20

enum phase { IDLE, SETTLING, READING };

struct source {
	struct loop *loop;
	const struct source_spec *spec;
	struct source_events events;
	uint8_t key[RECORD_HASH_KEY_BYTES];
	struct source_map map;               /* empty for a command */

	struct watch *watch;                 /* our own, or NULL */
	struct watch_entry *entry;

	enum phase phase;
	struct timer timer;                  /* the end of settling, or of a pause */
	struct timer poll;
	struct mono settling_since;
	struct read_stamp still;             /* the file's when settling was last begun */
	unsigned overtaken;                  /* readings in a row with a change in the middle */
	unsigned failures;                   /* in a row */

	struct child *child;
	struct reading *reading;
	struct keys_tally tally;
	struct buf line;                     /* not ended yet */
	bool overlong;                       /* the rest of this line is to be dropped */
	uint64_t line_number;
	struct why spoilt;                   /* why the output was refused */
	bool event_seen;                     /* since the child was started */
	bool stamped;
	struct read_stamp stamp;             /* before the child was started */

	bool good;
	struct read_stamp good_stamp;
	struct source_status status;
	char error[WHY_MAX];
	char note[WHY_MAX];
	char blind[WHY_MAX];                 /* why we can't watch, or "" */
	bool calling;                        /* the receiver is on the stack */
	bool dead;
};

static void begin(struct source *source);
static void destroy(struct source *source);

static bool is_command(const struct source *source)
{
	return source->spec->kind == SOURCE_COMMAND;
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
	bool has = read_stamp_of(source->map.file, &now);
	return has != had || (has && !read_stamp_same(&now, then));
}

static void on_timer(void *context);

/* Waits until nothing has happened for a while, counted from now. */
static void settle(struct source *source, int64_t wait_ms)
{
	source->phase = SETTLING;
	source->still = (struct read_stamp){0};
	(void)read_stamp_of(source->map.file, &source->still);
	loop_timer_after(source->loop, &source->timer, wait_ms, on_timer, source);
}

static int64_t settle_ms(const struct source *source)
{
	return source->map.text ? source->spec->settle_ms : at_most(BURST_MS, source->spec->settle_ms);
}

static void on_timer(void *context)
{
	struct source *source = context;
	struct read_stamp now = {0};
	(void)read_stamp_of(source->map.file ? source->map.file : "/", &now);
	bool patient = mono_since(source->settling_since) < source->spec->interval_ms;
	if (source->map.text && patient && !read_stamp_same(&now, &source->still))
		settle(source, settle_ms(source));
	else
		begin(source);
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
		begin(source);
	else if (idle || (source->map.text && patient))
		settle(source, settle_ms(source));
}

static void on_watch(void *context, enum watch_change change)
{
	notice(context, change == WATCH_WHOLE);
}

static void on_poll(void *context)
{
	struct source *source = context;
	loop_timer_after(source->loop, &source->poll, source->spec->interval_ms, on_poll, source);
	if (is_command(source) && source->phase != READING)
		begin(source);
	else if (!is_command(source) && source->phase == IDLE && (source->status.state != SOURCE_OK ||
	         stamp_moved(source, &source->good_stamp, source->good)))
		notice(source, false);
}

/* ---- the output ---- */

/* Of what a command prints nothing is passed over: a line that isn't plainly an address is a sign that something went
 * wrong there, an error message perhaps. */
static bool is_plain(const char *line, size_t length)
{
	static const char specials[] = " \t<>(),;:\\";
	bool quoted = false, local = true;
	for (size_t i = 0; i < length; i++) {
		if (quoted && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			quoted = !quoted;
		else if (!quoted && memchr(specials, line[i], local ? sizeof(specials) : 2))
			return false;
		else if (!quoted && line[i] == '@')
			local = false;
	}
	return true;
}

static bool spoil(struct source *source, const char *reason, const char *line, size_t length)
{
	int shown = (int)(length < SHOWN_MAX ? length : SHOWN_MAX);
	(void)why_set(&source->spoilt, RC_INVALID, "line %llu of its output isn't an address (%s): %.*s",
	              (unsigned long long)source->line_number, reason, shown, line);
	return false;
}

static bool take_line(struct source *source, const char *line, size_t length)
{
	bool command = is_command(source);
	struct why why;
	source->line_number++;
	while (command && length > 0 && memchr(" \t\r", line[length - 1], 3))
		length--;
	if (length == 0)
		return true;
	if (command && !is_plain(line, length))
		return spoil(source, "white space or a special character outside quotes", line, length);
	uint64_t unqualified = source->tally.unqualified;
	enum rc rc = keys_add(&source->spec->rule, line, length, source->reading, &source->tally, &why);
	if (rc == RC_LIMIT) {
		source->spoilt = why;
		return false;
	}
	if (command && rc != RC_OK)
		return spoil(source, why.text, line, length);
	if (command && source->tally.unqualified > unqualified)
		return spoil(source, "no '@', and the source has no domains for it", line, length);
	return true;
}

static bool too_long(struct source *source)
{
	if (is_command(source)) {
		source->line_number++;
		return spoil(source, "too long", (const char *)source->line.data, source->line.length);
	}
	source->tally.keys++;
	source->tally.invalid++;
	source->overlong = true;
	buf_clear(&source->line);
	return true;
}

/* One line, or the part of one that ended the data. */
static bool take_piece(struct source *source, const char *piece, size_t length, bool ended)
{
	bool fine = true;
	if (!source->overlong && (!ended || source->line.length > 0))
		buf_put(&source->line, piece, length);
	if (!source->overlong && source->line.length > LINE_MAX_BYTES)
		fine = too_long(source);
	if (!ended)
		return fine;
	if (fine && !source->overlong && source->line.length > 0)
		fine = take_line(source, (const char *)source->line.data, source->line.length);
	else if (fine && !source->overlong)
		fine = take_line(source, piece, length);
	source->overlong = false;
	buf_clear(&source->line);
	return fine;
}

static bool on_output(void *context, const void *data, size_t length)
{
	const char *at = data, *end = at + length;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		if (!take_piece(context, at, (size_t)((stop ? stop : end) - at), stop != NULL))
			return false;
		at = stop ? stop + 1 : end;
	}
	return true;
}

/* ---- the end of a reading ---- */

static void set_error(struct source *source, const struct why *why)
{
	source->status.state = SOURCE_FAILED;
	(void)snprintf(source->error, sizeof(source->error), "%s", why->text);
	tell_changed(source);
}

static enum rc fail_map(const struct source *source, enum child_end end, int code, const char *complaint,
                        struct why *why)
{
	const struct source_map *map = &source->map;
	struct read_stamp now;
	bool index = !map->text;
	const char *tool = source->spec->kind == SOURCE_ALIASES ? "postalias" : "postmap";
	if (end == CHILD_TIMED_OUT)
		return why_set(why, RC_IO, "%s: couldn't be read within %lld ms: somebody holds its lock, or the disk is slow",
		               map->name, (long long)source->spec->timeout_ms);
	if (end == CHILD_KILLED && index)
		return why_set(why, RC_IO, "%s: %s can't be read: the reader died of signal %d, so it's damaged: run %s %s",
		               map->name, map->file, code, tool, map->name);
	if (end == CHILD_KILLED)
		return why_set(why, RC_IO, "%s: the reader died of signal %d", map->name, code);
	if (index && !read_stamp_of(map->file, &now))
		return why_set(why, RC_IO, "%s: %s: run %s %s, or correct the path", map->name, complaint, tool, map->name);
	return why_set(why, RC_IO, "%s: %s", map->name, complaint[0] ? complaint : "the reader gave no reason");
}

static enum rc fail_command(const struct source *source, enum child_end end, int code, const char *complaint,
                            struct why *why)
{
	const char *text = source->spec->text;
	const char *colon = complaint[0] ? ": " : "";
	if (end == CHILD_TIMED_OUT)
		return why_set(why, RC_IO,
		               "command \"%s\": not done after %lld ms, and killed: raise its timeout, or make it faster", text,
		               (long long)source->spec->timeout_ms);
	if (end == CHILD_KILLED)
		return why_set(why, RC_IO, "command \"%s\": died of signal %d%s%s", text, code, colon, complaint);
	return why_set(why, RC_IO, "command \"%s\": ended with status %d%s%s", text, code, colon, complaint);
}

static void explain(const struct source *source, enum child_end end, int code, const char *complaint, struct why *why)
{
	if (source->spoilt.text[0] && is_command(source))
		(void)why_set(why, RC_INVALID, "command \"%s\": %s", source->spec->text, source->spoilt.text);
	else if (source->spoilt.text[0])
		(void)why_set(why, RC_INVALID, "%s: %s", source->map.name, source->spoilt.text);
	else if (is_command(source))
		(void)fail_command(source, end, code, complaint, why);
	else
		(void)fail_map(source, end, code, complaint, why);
}

static void accept(struct source *source, const char *note)
{
	struct reading *reading = source->reading;
	source->reading = NULL;
	reading_seal(reading);
	bool news = source->status.state != SOURCE_OK || strcmp(source->note, note) != 0;
	source->status.state = SOURCE_OK;
	source->status.read = clock_wall();
	source->status.records = reading_count(reading, RECORD_RCPT);
	source->status.tally = source->tally;
	source->error[0] = '\0';
	(void)snprintf(source->note, sizeof(source->note), "%s", note);
	source->good = source->stamped;
	source->good_stamp = source->stamp;
	source->failures = 0;
	hand_over(source, &reading);
	if (news && !source->dead)
		tell_changed(source);
}

/* When the next reading is due. After a change in the middle of this one: soon, but with a growing pause. */
static void plan(struct source *source, bool failed)
{
	bool moved = !is_command(source) && (source->event_seen || stamp_moved(source, &source->stamp, source->stamped));
	source->overtaken = moved ? source->overtaken + 1 : 0;
	if (moved) {
		source->settling_since = clock_mono();
		int64_t wait = settle_ms(source);
		if (source->overtaken >= 2)
			wait += doubled(PAUSE_FIRST_MS, source->overtaken - 2, source->spec->interval_ms);
		settle(source, wait);
	}
	if (!is_command(source))
		return;
	int64_t wait = source->event_seen ? 0 : source->spec->interval_ms;
	if (failed)
		wait = doubled(RETRY_FIRST_MS, source->failures++, source->spec->interval_ms);
	loop_timer_after(source->loop, &source->poll, wait, on_poll, source);
}

static void finish(struct source *source, bool complete, const struct why *why, const char *note)
{
	source->phase = IDLE;
	plan(source, !complete);
	if (!complete)
		reading_free(&source->reading);
	/* From here on the receiver may have begun another reading, or freed us. */
	if (complete)
		accept(source, note);
	else
		set_error(source, why);
	if (source->dead)
		destroy(source);
}

static void on_end(void *context, enum child_end end, int code, const char *complaint)
{
	struct source *source = context;
	source->child = NULL;
	struct why why = {""};
	bool complete = end == CHILD_EXITED && code == 0 && (source->line.length == 0 || take_piece(source, "", 0, true));
	if (complete && keys_always(&source->spec->rule, source->reading, &source->spoilt) != RC_OK)
		complete = false;
	if (!complete)
		explain(source, end, code, complaint, &why);
	finish(source, complete, &why, complaint);
}

/* This very program. Its own path while that is still ours: under valgrind /proc/self/exe is valgrind. When the file was
 * replaced by an upgrade, the link leads to the old one, which speaks our language. */
static const char *self(char path[PATH_MAX])
{
	static const char gone[] = " (deleted)";
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
	size_t tail = sizeof(gone) - 1;
	if (length <= 0 || ((size_t)length > tail && memcmp(path + length - tail, gone, tail) == 0))
		return "/proc/self/exe";
	path[length] = '\0';
	return path;
}

static void begin(struct source *source)
{
	loop_timer_clear(source->loop, &source->timer);
	if (source->phase == READING) {
		source->event_seen = true;
		return;
	}
	source->phase = READING;
	source->event_seen = false;
	source->stamped = source->map.file && read_stamp_of(source->map.file, &source->stamp);
	source->reading = reading_new(source->key);
	source->tally = (struct keys_tally){0};
	source->line_number = 0;
	source->overlong = false;
	source->spoilt.text[0] = '\0';
	buf_clear(&source->line);

	char path[PATH_MAX];
	const char *const map[] = {self(path), "--read", source->map.argument, NULL};
	const char *const command[] = {"/bin/sh", "-c", source->spec->text, NULL};
	struct child_spec spec = {.argv = is_command(source) ? command : map, .timeout_ms = source->spec->timeout_ms,
	                          .on_output = on_output, .on_end = on_end, .context = source};
	struct why why;
	if (child_start(source->loop, &spec, &source->child, &why) != RC_OK)
		finish(source, false, &why, "");
}

/* ---- the interface ---- */

static bool rested(const struct read_stamp *stamp, int64_t ms)
{
	return clock_wall().ms - (stamp->modified.tv_sec * 1000 + stamp->modified.tv_nsec / 1000000) >= ms;
}

static void start_watching(struct source *source)
{
	struct why why;
	struct watch *watch = source->spec->watch;
	if (!watch && watch_new(source->loop, &source->watch, &why) == RC_OK)
		watch = source->watch;
	if (watch)
		source->entry = watch_path(watch, source->map.file, on_watch, source);
	else
		(void)snprintf(source->blind, sizeof(source->blind), "changes are seen by the poll alone: %.600s", why.text);
}

enum rc source_new(struct loop *loop, const struct source_spec *spec, const uint8_t key[RECORD_HASH_KEY_BYTES],
                   const struct source_events *events, struct source **out, struct why *why)
{
	struct source_map map = {0};
	if (spec->kind != SOURCE_COMMAND) {
		enum rc rc = source_map_parse(spec->text, spec->kind == SOURCE_ALIASES, spec->rule.filter->smtputf8, &map, why);
		if (rc != RC_OK)
			return rc;
	}
	struct source *source = mem_zalloc(sizeof(*source));
	source->loop = loop;
	source->spec = spec;
	source->events = *events;
	source->map = map;
	memcpy(source->key, key, sizeof(source->key));
	if (!is_command(source))
		start_watching(source);
	/* From the loop: the caller doesn't have us yet. A text that has been at rest already needn't settle. */
	source->settling_since = clock_mono();
	source->phase = SETTLING;
	struct read_stamp now;
	if (!is_command(source) && read_stamp_of(map.file, &now) && rested(&now, spec->settle_ms))
		source->still = now;
	loop_timer_after(loop, &source->timer, 0, on_timer, source);
	loop_timer_after(loop, &source->poll, spec->interval_ms, on_poll, source);
	*out = source;
	return RC_OK;
}

static void stop_reading(struct source *source)
{
	child_abandon(&source->child);
	reading_free(&source->reading);
	loop_timer_clear(source->loop, &source->timer);
	source->phase = IDLE;
}

static void destroy(struct source *source)
{
	stop_reading(source);
	loop_timer_clear(source->loop, &source->poll);
	watch_remove(&source->entry);
	watch_free(&source->watch);
	source_map_free(&source->map);
	buf_free(&source->line);
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
	begin(source);
}

void source_rekey(struct source *source, const uint8_t key[RECORD_HASH_KEY_BYTES])
{
	memcpy(source->key, key, sizeof(source->key));
	stop_reading(source);
	begin(source);
}

struct source_status source_status(const struct source *source)
{
	struct source_status status = source->status;
	status.reading = source->phase != IDLE;
	status.error = source->error;
	status.note = source->note[0] ? source->note : source->blind;
	return status;
}

const struct source_spec *source_spec(const struct source *source)
{
	return source->spec;
}
