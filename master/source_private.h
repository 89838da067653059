/* source_private.h: a source's insides, shared by source.c (when to read) and source_end.c (what becomes of it). */
#ifndef MASTER_SOURCE_PRIVATE_H
#define MASTER_SOURCE_PRIVATE_H

#include "common/child.h"
#include "master/read.h"
#include "master/source.h"
#include "master/source_lines.h"
#include "master/source_map.h"
#include "master/source_watch.h"

enum source_phase { SOURCE_IDLE, SOURCE_SETTLING, SOURCE_READING };

struct source {
	struct loop *loop;
	const struct source_spec *spec;
	struct source_events events;
	uint8_t key[RECORD_HASH_KEY_BYTES];
	struct source_map map;               /* empty for a command */

	struct source_watch watching;

	enum source_phase phase;
	struct timer timer;                  /* the end of settling, or of a pause */
	struct timer poll;
	struct timer sealing;                /* the rest of it, when it takes long */
	struct mono settling_since;
	struct read_stamp still;             /* the file's when settling was last begun, if it was there */
	bool still_there;
	bool open;                           /* the text was written, and hasn't been closed since, as far as we were told */
	bool never_rests;                    /* this reading was begun although the text was being written still */
	bool asked;                          /* a command: to be run once more, at once */
	struct mono begun;                   /* this reading, or the last one */
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
	char remark[WHY_MAX];                /* the note of the reading that is being sealed */
	bool calling;                        /* the receiver is on the stack */
	bool dead;
};

/* ---- source.c ---- */
bool source_is_command(const struct source *source);
bool source_is_postfix(const struct source *source);
/* There is one file, whose stamp tells whether it's another now; and whether it's another than `then`, if it was there. */
bool source_has_file(const struct source *source);
bool source_moved(const struct source *source, const struct read_stamp *then, bool had);
/* After a reading: when the next one is due. moved: there was a change in the middle of this one. */
void source_plan_next(struct source *source, bool moved, bool failed);
void source_destroy(struct source *source);

/* ---- source_end.c ---- */
void source_ended(void *context, enum child_end end, int code, const char *complaint);    /* the process (child.h) */
void source_not_begun(struct source *source, const struct why *why);                     /* it couldn't be started */

#endif
