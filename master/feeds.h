/* feeds.h: the sources of one zone, and the last good set of each. */
#ifndef MASTER_FEEDS_H
#define MASTER_FEEDS_H

#include "master/held.h"
#include "master/merge.h"
#include "master/zone.h"

struct feeds;

/* A complete reading of the source at `index`. The receiver may take it over, by feeds_keep or feeds_take. */
typedef void feeds_reading(void *context, size_t index, struct reading **reading);

struct feeds_events {
	feeds_reading *reading;
	void (*changed)(void *context);      /* a source's state; a try that failed is one */
	void *context;
	void (*plan)(void *context, const struct buf *text);        /* as source_events */
};

/* The spec outlives the feeds. As source_new. */
enum rc feeds_open(struct loop *loop, const struct zone_spec *spec, const uint8_t key[RECORD_HASH_KEY_BYTES],
                   const struct feeds_events *events, struct feeds **out, struct why *why);
void feeds_close(struct feeds **feeds);
const struct source *feeds_source(const struct feeds *feeds, size_t index);

/* The name of a source that hasn't been read since the start (or since the key is new), or NULL. */
const char *feeds_unread(const struct feeds *feeds);
const char *feeds_unread_but(const struct feeds *feeds, size_t index);

/* A source has changed, or may have, and is about to be read. */
bool feeds_pending(const struct feeds *feeds);
/* A source other than `index` may hold what nobody here knows of: it can't be read any more, its text was being written
 * when it was, or its reading couldn't be committed. */
bool feeds_doubtful_but(const struct feeds *feeds, size_t index);
/* Looks at the other sources than `index`: commands are run, for nothing tells when what they list has changed. */
void feeds_check_but(struct feeds *feeds, size_t index);
/* How long a source may take to be read twice. */
int64_t feeds_patience_ms(const struct feeds *feeds);

/* ---- Until the first publication readings are kept whole, for their texts ---- */
void feeds_keep(struct feeds *feeds, size_t index, struct reading **reading);
/* RCPT records of kept readings, counted in each source; none for a source that lists nothing, though postmaster and
 * the like are always valid. */
uint64_t feeds_recipients(const struct feeds *feeds);
/* Each record of the kept readings once, until something else than RC_OK is returned; returns that. */
enum rc feeds_each_wanted(struct feeds *feeds, held_visit *visit, void *context, struct why *why);
void feeds_settle(struct feeds *feeds);                    /* of the kept readings only the sets are left */

/* ---- After it ---- */
void feeds_take(struct feeds *feeds, size_t index, struct reading **reading);
/* The reading that is being delivered is partial: what it lacks may be there. feeds_add adds it to the set. */
bool feeds_partial(const struct feeds *feeds, size_t index);
void feeds_add(struct feeds *feeds, size_t index, struct reading **reading);
/* The reading came to nothing: the old set stands, feeds_read_failed reads again. */
void feeds_read_again(struct feeds *feeds, size_t index);
bool feeds_again(const struct feeds *feeds);
void feeds_read_failed(struct feeds *feeds);

void feeds_read_now(struct feeds *feeds);
void feeds_forget(struct feeds *feeds);                    /* nothing has been read */
void feeds_rekey(struct feeds *feeds, const uint8_t key[RECORD_HASH_KEY_BYTES]);       /* kept readings stay */

/* The sets as they stand; valid until the next call. With `fresh`, they are taken in its place at `index`. */
#define FEEDS_NONE SIZE_MAX
struct merge_sets feeds_sets(struct feeds *feeds, size_t index, const struct fpset *fresh);
/* Puts the names of the sources that list anything; and whether one that did, says the file, does no more. At `index`
 * the reading counts that is being delivered. */
void feeds_names(const struct feeds *feeds, size_t index, struct held_file *out);
bool feeds_emptied(const struct feeds *feeds, size_t index, const struct held_file *before);

/* The newest try failed; *ms: for how long there has been nothing but failures. */
bool feeds_failing(const struct feeds *feeds, size_t index, int64_t *ms);

#endif
