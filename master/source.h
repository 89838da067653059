/* source.h: one source of a zone: watched, read completely by a helper process, or not at all.
 *
 * Maps are read by this very program, started with --read (read.h), so that a damaged index, a lock that is never
 * given or a slow disk can hurt nobody but that process; commands are read the same way. A reading counts when the
 * process ended with status 0 and every line of its output was understood. Of a text that is written while it's read
 * only what the reading has counts, not what it lacks.
 *
 *          change seen, poll due, asked        settled             complete
 *   IDLE ------------------------------> SETTLING ------> READING ----------> IDLE (on_reading)
 *                                           ^                 | failed: IDLE with the reason; again at the next poll
 *                                           `---- changed while it was read */
#ifndef MASTER_SOURCE_H
#define MASTER_SOURCE_H

#include "common/loop.h"
#include "master/keys.h"
#include "master/source_postfix.h"
#include "master/watch.h"

enum source_kind { SOURCE_MAP, SOURCE_ALIASES, SOURCE_COMMAND, SOURCE_POSTFIX };

/* From the configuration; strings outlive the source. */
struct source_spec {
	const char *name;
	enum source_kind kind;
	const char *text;            /* "hash:/etc/postfix/virtual", a path, or the command */
	int64_t interval_ms;         /* poll */
	int64_t timeout_ms;
	int64_t settle_ms;           /* only for files written in place */
	struct keys_rule rule;
	const struct source_postfix *postfix;      /* for SOURCE_POSTFIX */
	struct watch *watch;         /* the program's (watch.h); NULL: the source makes one of its own */
};

struct source;
struct source_events {
	/* A complete reading, sealed. The receiver takes it over (*reading) or frees it. */
	void (*reading)(void *context, struct source *source, struct reading **reading);
	/* State or error changed, or a try has failed again. */
	void (*changed)(void *context, struct source *source);
	void *context;
	/* SOURCE_POSTFIX: what it accepts isn't what the spec's plan says. The text is a whole plan without problems. */
	void (*plan)(void *context, struct source *source, const struct buf *text);
};

/* Begins with a reading at once. RC_INVALID: the map's type can't be listed, or isn't built in: says which are. */
enum rc source_new(struct loop *loop, const struct source_spec *spec, const uint8_t key[RECORD_HASH_KEY_BYTES],
                   const struct source_events *events, struct source **out, struct why *why);
void source_free(struct source **source);

void source_read_now(struct source *source);      /* rxfer refresh; a text that was written just now settles first */
/* Something else has changed, and this may have as well: a command is run, a file looked at that nobody told of. */
void source_check(struct source *source);
/* A new epoch has a new fingerprint key: everything is read again; a reading under way is thrown away. */
void source_rekey(struct source *source, const uint8_t key[RECORD_HASH_KEY_BYTES]);

enum source_state { SOURCE_WAITING /* not read yet */, SOURCE_OK, SOURCE_FAILED };
struct source_status {
	enum source_state state;
	bool reading;                /* a reading is due or under way */
	struct wall read;            /* the last complete one; 0: none */
	bool partial;                /* a text was being written while it was read: what the reading lacks may be there */
	uint64_t records;            /* RCPT records of the last complete one */
	struct keys_tally tally;     /* of the last complete one */
	const char *error;           /* why the newest try failed, or "" */
	const char *note;            /* what was passed over in the last complete one, or "" */
};
struct source_status source_status(const struct source *source);
const struct source_spec *source_spec(const struct source *source);

#endif
