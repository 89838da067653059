/* feeds.c: see feeds.h. It also tells the log when a source begins and ceases to fail: once, not at each poll. */
#include "master/feeds.h"

#include "common/log.h"
#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct feed {
	struct feeds *owner;
	size_t index;
	struct source *source;
	bool read;
	bool again;
	bool empty;                  /* nothing was listed: what an alias source always has doesn't count */
	bool fresh_empty;            /* the same of the reading that is being delivered */
	struct reading *kept;        /* until the first publication; then: */
	struct fpset set;
	bool failing;
	struct mono since;
	char *error;                 /* what was logged last, or NULL */
	char *note;
};

struct feeds {
	const struct zone_spec *spec;
	struct feeds_events events;
	size_t count;
	struct feed *at;
	const struct fpset **sets;   /* what feeds_sets lends out */
};

static void source_read(void *context, struct source *source, struct reading **reading)
{
	struct feed *feed = context;
	feed->failing = false;
	feed->fresh_empty = source_status(source).tally.keys == 0 || reading_set(*reading)->count == 0;
	feed->owner->events.reading(feed->owner->events.context, feed->index, reading);
}

static bool remember(char **last, const char *text)
{
	bool news = strcmp(*last ? *last : "", text) != 0;
	free(*last);
	*last = text[0] != '\0' ? mem_strdup(text) : NULL;
	return news && text[0] != '\0';
}

static void log_change(struct feed *feed, struct source *source)
{
	struct source_status status = source_status(source);
	const char *zone = feed->owner->spec->name;
	const char *name = feed->owner->spec->sources[feed->index].name;

	if (status.error[0] == '\0') {
		if (feed->error)
			log_info("zone \"%s\": source \"%s\" is well again", zone, name);
		if (remember(&feed->note, status.note))
			log_info("zone \"%s\": source \"%s\": %s", zone, name, status.note);
		(void)remember(&feed->error, "");
		feed->failing = false;
		return;
	}
	if (!feed->failing) {
		feed->failing = true;
		feed->since = clock_mono();
	}
	if (remember(&feed->error, status.error))
		log_warn("zone \"%s\": source \"%s\": %s", zone, name, status.error);
}

static void source_changed(void *context, struct source *source)
{
	struct feed *feed = context;
	log_change(feed, source);
	feed->owner->events.changed(feed->owner->events.context);
}

static void source_plan(void *context, struct source *source, const struct buf *text)
{
	const struct feed *feed = context;
	(void)source;
	feed->owner->events.plan(feed->owner->events.context, text);
}

enum rc feeds_open(struct loop *loop, const struct zone_spec *spec, const uint8_t key[RECORD_HASH_KEY_BYTES],
                   const struct feeds_events *events, struct feeds **out, struct why *why)
{
	struct feeds *feeds = mem_zalloc(sizeof *feeds);
	feeds->spec = spec;
	feeds->events = *events;
	feeds->count = spec->source_count;
	feeds->at = mem_zalloc(feeds->count * sizeof *feeds->at);
	feeds->sets = mem_zalloc(feeds->count * sizeof *feeds->sets);
	for (size_t i = 0; i < feeds->count; i++) {
		struct feed *feed = &feeds->at[i];
		feed->owner = feeds;
		feed->index = i;
		const struct source_events heard = {source_read, source_changed, feed, source_plan};
		enum rc rc = source_new(loop, &spec->sources[i], key, &heard, &feed->source, why);
		if (rc != RC_OK) {
			feeds_close(&feeds);
			return why_prepend(why, rc, "zone \"%s\": source \"%s\"", spec->name, spec->sources[i].name);
		}
	}
	*out = feeds;
	return RC_OK;
}

void feeds_close(struct feeds **feeds)
{
	if (!*feeds)
		return;
	for (size_t i = 0; i < (*feeds)->count; i++) {
		struct feed *feed = &(*feeds)->at[i];
		if (feed->source)
			source_free(&feed->source);
		reading_free(&feed->kept);
		fpset_free(&feed->set);
		free(feed->error);
		free(feed->note);
	}
	free((*feeds)->at);
	free((*feeds)->sets);
	free(*feeds);
	*feeds = NULL;
}

const struct source *feeds_source(const struct feeds *feeds, size_t index)
{
	return feeds->at[index].source;
}

const char *feeds_unread_but(const struct feeds *feeds, size_t index)
{
	for (size_t i = 0; i < feeds->count; i++)
		if (i != index && !feeds->at[i].read)
			return feeds->spec->sources[i].name;
	return NULL;
}

const char *feeds_unread(const struct feeds *feeds)
{
	return feeds_unread_but(feeds, FEEDS_NONE);
}

bool feeds_pending(const struct feeds *feeds)
{
	for (size_t i = 0; i < feeds->count; i++)
		if (source_status(feeds->at[i].source).reading)
			return true;
	return false;
}

bool feeds_doubtful_but(const struct feeds *feeds, size_t index)
{
	for (size_t i = 0; i < feeds->count; i++) {
		const struct feed *feed = &feeds->at[i];
		struct source_status status = source_status(feed->source);
		if (i != index && (status.state == SOURCE_FAILED || status.partial || feed->again))
			return true;
	}
	return false;
}

void feeds_check_but(struct feeds *feeds, size_t index)
{
	for (size_t i = 0; i < feeds->count; i++)
		if (i != index)
			source_check(feeds->at[i].source);
}

int64_t feeds_patience_ms(const struct feeds *feeds)
{
	int64_t most = 0;
	for (size_t i = 0; i < feeds->count; i++) {
		const struct source_spec *spec = &feeds->spec->sources[i];
		/* A command is run when it's asked for; a text may settle for an interval. */
		int64_t ms = 2 * spec->timeout_ms + (spec->kind == SOURCE_COMMAND ? 0 : spec->interval_ms);
		most = ms > most ? ms : most;
	}
	return most;
}

/* ---- Readings ---- */

void feeds_keep(struct feeds *feeds, size_t index, struct reading **reading)
{
	struct feed *feed = &feeds->at[index];
	reading_free(&feed->kept);
	feed->kept = *reading;
	feed->read = true;
	feed->empty = feed->fresh_empty;
	*reading = NULL;
}

uint64_t feeds_recipients(const struct feeds *feeds)
{
	uint64_t count = 0;
	for (size_t i = 0; i < feeds->count; i++)
		if (feeds->at[i].kept && !feeds->at[i].empty)
			count += reading_count(feeds->at[i].kept, RECORD_RCPT);
	return count;
}

enum rc feeds_each_wanted(struct feeds *feeds, held_visit *visit, void *context, struct why *why)
{
	for (size_t i = 0; i < feeds->count; i++) {
		const struct reading *kept = feeds->at[i].kept;
		if (!kept)
			continue;
		const struct fpset *set = reading_set(kept);
		const struct merge_sets before = {feeds_sets(feeds, FEEDS_NONE, NULL).at, i};
		for (size_t j = 0; j < set->count; j++) {
			struct record record;
			if (merge_wanted(&before, &set->at[j]) || !reading_find(kept, &set->at[j], &record))
				continue;
			enum rc rc = visit(context, &record, why);
			if (rc != RC_OK)
				return rc;
		}
	}
	return RC_OK;
}

void feeds_settle(struct feeds *feeds)
{
	for (size_t i = 0; i < feeds->count; i++)
		if (feeds->at[i].kept)
			feeds_take(feeds, i, &feeds->at[i].kept);
}

void feeds_take(struct feeds *feeds, size_t index, struct reading **reading)
{
	struct feed *feed = &feeds->at[index];
	fpset_free(&feed->set);
	reading_take_set(reading, &feed->set);
	feed->read = true;
	feed->again = false;
	feed->empty = feed->fresh_empty;
}

bool feeds_partial(const struct feeds *feeds, size_t index)
{
	return source_status(feeds->at[index].source).partial;
}

void feeds_add(struct feeds *feeds, size_t index, struct reading **reading)
{
	struct feed *feed = &feeds->at[index];
	struct fpset all = {0};
	fpset_union(&feed->set, reading_set(*reading), &all);
	reading_free(reading);
	fpset_free(&feed->set);
	feed->set = all;
	feed->again = false;
}

void feeds_read_again(struct feeds *feeds, size_t index)
{
	feeds->at[index].again = true;
}

bool feeds_again(const struct feeds *feeds)
{
	for (size_t i = 0; i < feeds->count; i++)
		if (feeds->at[i].again)
			return true;
	return false;
}

void feeds_read_failed(struct feeds *feeds)
{
	for (size_t i = 0; i < feeds->count; i++)
		if (feeds->at[i].again)
			source_read_now(feeds->at[i].source);
}

void feeds_read_now(struct feeds *feeds)
{
	for (size_t i = 0; i < feeds->count; i++)
		source_read_now(feeds->at[i].source);
}

void feeds_forget(struct feeds *feeds)
{
	for (size_t i = 0; i < feeds->count; i++) {
		struct feed *feed = &feeds->at[i];
		reading_free(&feed->kept);
		fpset_free(&feed->set);
		feed->read = feed->again = false;
	}
}

/* The same records under another key. */
static struct reading *made_anew(const struct reading *old, const uint8_t key[RECORD_HASH_KEY_BYTES])
{
	struct reading *reading = reading_new(key);
	const struct fpset *set = reading_set(old);
	for (size_t i = 0; i < set->count; i++) {
		struct record record;
		/* What fitted into the one fits into the other. */
		if (reading_find(old, &set->at[i], &record))
			(void)reading_add(reading, &record, NULL);
	}
	reading_seal(reading);
	return reading;
}

void feeds_rekey(struct feeds *feeds, const uint8_t key[RECORD_HASH_KEY_BYTES])
{
	for (size_t i = 0; i < feeds->count; i++) {
		struct feed *feed = &feeds->at[i];
		if (feed->kept) {
			struct reading *reading = made_anew(feed->kept, key);
			reading_free(&feed->kept);
			feed->kept = reading;
		}
		source_rekey(feed->source, key);
	}
}

/* ---- Sets ---- */

struct merge_sets feeds_sets(struct feeds *feeds, size_t index, const struct fpset *fresh)
{
	for (size_t i = 0; i < feeds->count; i++) {
		const struct feed *feed = &feeds->at[i];
		feeds->sets[i] = i == index ? fresh : feed->kept ? reading_set(feed->kept) : &feed->set;
	}
	return (struct merge_sets){feeds->sets, feeds->count};
}

static bool is_empty(const struct feeds *feeds, size_t i, size_t index)
{
	return i == index ? feeds->at[i].fresh_empty : feeds->at[i].empty;
}

void feeds_names(const struct feeds *feeds, size_t index, struct held_file *out)
{
	for (size_t i = 0; i < feeds->count; i++)
		if (!is_empty(feeds, i, index))
			held_put_name(out, feeds->spec->sources[i].name);
}

bool feeds_emptied(const struct feeds *feeds, size_t index, const struct held_file *before)
{
	for (size_t i = 0; i < feeds->count; i++)
		if (is_empty(feeds, i, index) && held_has_name(before, feeds->spec->sources[i].name))
			return true;
	return false;
}

bool feeds_failing(const struct feeds *feeds, size_t index, int64_t *ms)
{
	const struct feed *feed = &feeds->at[index];
	*ms = feed->failing ? mono_since(feed->since) : 0;
	return feed->failing;
}
