/* lookout.c: see lookout.h.
 *
 *     idle --start, change, interval--> looking --the helper's end--> idle
 *                                          `--change: once more after it
 *
 * Changes of main.cf and master.cf are seen by looking at the files' dates every POLL_MS; postconf itself waits until
 * main.cf is two seconds old. */
#include "replica/lookout.h"

#include "common/child.h"
#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define POLL_MS 2000
#define OUTPUT_MAX ((size_t)4 << 20)

struct stamp {
	bool there;
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
};

struct lookout {
	struct loop *loop;
	struct lookout_spec spec;
	struct lookout_events events;
	struct timer first, poll;
	struct child *child;
	struct buf question;
	uint64_t version;                /* of the question */
	struct buf output;
	struct stamp main_cf, master_cf; /* before the newest look */
	bool again;                      /* something has changed meanwhile */
	struct mono ended;               /* the newest look */
	struct wall looked;
	struct findings findings;
	struct why error;
};

/* ---- the files ---- */

static struct stamp stamp_of(const char *folder, const char *name)
{
	struct stat st;
	char *path = mem_sprintf("%s/%s", folder, name);
	struct stamp stamp = {.there = stat(path, &st) == 0};
	if (stamp.there)
		stamp = (struct stamp){true, st.st_dev, st.st_ino, st.st_size, st.st_mtim};
	free(path);
	return stamp;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->there == b->there && a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

static bool files_changed(const struct lookout *lookout)
{
	struct stamp main_cf = stamp_of(lookout->spec.config, "main.cf");
	struct stamp master_cf = stamp_of(lookout->spec.config, "master.cf");
	return !same_stamp(&main_cf, &lookout->main_cf) || !same_stamp(&master_cf, &lookout->master_cf);
}

/* ---- the end of a look ---- */

static void log_news(const struct lookout *lookout, const struct findings *new)
{
	const struct findings *old = &lookout->findings;
	if (lookout->events.silent)
		return;
	for (size_t i = 0; i < new->count; i++)
		if (new->at[i].warning && !findings_has(old, new->at[i].sentence))
			log_warn("Postfix: %s%s%s", new->at[i].sentence, new->at[i].mend[0] ? "; mend it by: " : "",
			         new->at[i].mend);
	if (findings_warnings(old) > 0 && findings_warnings(new) == 0)
		log_info("Postfix: all is as it must be");
}

static void fail(struct lookout *lookout, const char *reason)
{
	struct why error;
	(void)why_set(&error, RC_IO, "can't look at Postfix: %s", reason);
	if (!lookout->events.silent && strcmp(error.text, lookout->error.text) != 0)
		log_warn("%s", error.text);
	lookout->error = error;
}

static void take(struct lookout *lookout)
{
	struct findings findings;
	struct why why;
	if (findings_parse(&lookout->output, &findings, &why) != RC_OK) {
		fail(lookout, why.text);
		return;
	}
	log_news(lookout, &findings);
	findings_free(&lookout->findings);
	lookout->findings = findings;
	lookout->looked = clock_wall();
	lookout->error.text[0] = '\0';
}

static void end_look(struct lookout *lookout)
{
	lookout->ended = clock_mono();
	buf_free(&lookout->output);
	if (lookout->events.looked)
		lookout->events.looked(lookout->events.context);
}

static void on_end(void *context, enum child_end end, int code, const char *complaint)
{
	struct lookout *lookout = context;
	struct why why;
	lookout->child = NULL;
	if (end == CHILD_EXITED && code == 0) {
		take(lookout);
	} else if (end == CHILD_TIMED_OUT) {
		(void)why_set(&why, RC_IO, "it takes longer than %" PRId64 " s (timeout)", lookout->spec.timeout_ms / 1000);
		fail(lookout, why.text);
	} else if (end == CHILD_STOPPED) {
		fail(lookout, "its helper printed too much");
	} else if (complaint[0]) {
		fail(lookout, complaint);
	} else {
		(void)why_set(&why, RC_IO, end == CHILD_EXITED ? "its helper ended with status %d" : "its helper died of signal "
		              "%d", code);
		fail(lookout, why.text);
	}
	end_look(lookout);
}

static bool on_output(void *context, const void *data, size_t length)
{
	struct lookout *lookout = context;
	buf_put(&lookout->output, data, length);
	return lookout->output.length <= OUTPUT_MAX;
}

/* ---- its beginning ---- */

static void look(struct lookout *lookout)
{
	char path[PATH_MAX];
	const char *const argv[] = {child_self(path), "--postfix", lookout->spec.config, NULL};
	struct child_spec spec = {.argv = argv, .timeout_ms = lookout->spec.timeout_ms, .on_output = on_output,
	                          .on_end = on_end, .context = lookout, .input = &lookout->question};
	struct why why;
	uint64_t version = lookout->events.version(lookout->events.context);
	if (lookout->question.length == 0 || version != lookout->version) {
		buf_clear(&lookout->question);
		lookout->events.question(lookout->events.context, &lookout->question);
		lookout->version = version;
	}
	lookout->again = false;
	lookout->main_cf = stamp_of(lookout->spec.config, "main.cf");
	lookout->master_cf = stamp_of(lookout->spec.config, "master.cf");
	if (child_start(lookout->loop, &spec, &lookout->child, &why) == RC_OK)
		return;
	fail(lookout, why.text);
	end_look(lookout);
}

static void on_poll(void *context)
{
	struct lookout *lookout = context;
	lookout->again = lookout->again || files_changed(lookout) ||
	                 lookout->events.version(lookout->events.context) != lookout->version;
	if (!lookout->child && (lookout->again || mono_since(lookout->ended) >= lookout->spec.interval_ms))
		look(lookout);
	int64_t wait = lookout->spec.interval_ms < POLL_MS ? lookout->spec.interval_ms : POLL_MS;
	loop_timer_after(lookout->loop, &lookout->poll, wait, on_poll, lookout);
}

static void begin(void *context)
{
	struct lookout *lookout = context;
	lookout->again = true;
	on_poll(lookout);
}

static void restart(struct lookout *lookout, const struct lookout_spec *spec)
{
	child_abandon(&lookout->child);
	lookout->spec = *spec;
	buf_clear(&lookout->question);
	buf_free(&lookout->output);
	loop_defer(lookout->loop, &lookout->first, begin, lookout);
}

struct lookout *lookout_new(struct loop *loop, const struct lookout_spec *spec, const struct lookout_events *events)
{
	struct lookout *lookout = mem_zalloc(sizeof *lookout);
	lookout->loop = loop;
	lookout->events = *events;
	restart(lookout, spec);
	return lookout;
}

/* What was found at another Postfix is no news of this one. */
void lookout_configure(struct lookout *lookout, const struct lookout_spec *spec)
{
	if (strcmp(spec->config, lookout->spec.config) != 0) {
		findings_free(&lookout->findings);
		lookout->looked = (struct wall){0};
		lookout->error.text[0] = '\0';
	}
	restart(lookout, spec);
}

void lookout_free(struct lookout **handle)
{
	struct lookout *lookout = *handle;
	if (!lookout)
		return;
	child_abandon(&lookout->child);
	loop_timer_clear(lookout->loop, &lookout->first);
	loop_timer_clear(lookout->loop, &lookout->poll);
	findings_free(&lookout->findings);
	buf_free(&lookout->question);
	buf_free(&lookout->output);
	free(lookout);
	*handle = NULL;
}

struct lookout_status lookout_status(const struct lookout *lookout)
{
	return (struct lookout_status){lookout->spec.config, lookout->looked, lookout->error.text, &lookout->findings};
}
