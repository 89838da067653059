/* source_lines.h: what a source's process prints, cut into lines, and each line made records. */
#ifndef MASTER_SOURCE_LINES_H
#define MASTER_SOURCE_LINES_H

#include "master/keys.h"

/* Plain data; zeroed is empty, what it owns goes with source_lines_free. */
struct source_lines {
	const struct keys_rule *rule;
	bool strict;                         /* of a command: a line that isn't plainly an address spoils all of it */
	struct reading *reading;             /* taken by whoever wants it; NULL then */
	struct keys_tally tally;
	struct why spoilt;                   /* why the output was refused, or "" */
	/* For explain, set after source_lines_begin: each line has a number and a TAB before it (--read-lines); and what to
	 * call after each that was taken, with the number, or else that of the line itself. NULL: nothing. */
	bool numbered;
	void (*taken)(void *context, const char *line, size_t length, uint64_t number);
	void *context;

	struct buf line;                     /* not ended yet */
	bool overlong;                       /* the rest of this line is to be dropped */
	uint64_t number;
};

void source_lines_begin(struct source_lines *lines, const struct keys_rule *rule, bool strict,
                        const uint8_t key[RECORD_HASH_KEY_BYTES]);
/* Any cut. False: it's spoilt. */
bool source_lines_take(struct source_lines *lines, const void *data, size_t length);
/* The output is complete: takes a last line without an end, and what is always valid (keys_always). False: spoilt. */
bool source_lines_end(struct source_lines *lines);
void source_lines_free(struct source_lines *lines);

#endif
