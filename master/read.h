/* read.h: the helper process that lists a map's keys, `rxfer-master --read TYPE:PATH`, and its parts.
 *
 * It prints one key a line (`--read-lines`: with the line of the map that it begins in before it, 0 for an index, and a
 * TAB) and ends with status 0 only when it has read a complete map. Otherwise the status is 1, or 2 when the map is damaged
 * and must be made anew, and the last line on standard error says why. What was skipped in a complete map is told there too.
 * Lists of domains are folded and qualified by the parent (keys.h), not here. */
#ifndef MASTER_READ_H
#define MASTER_READ_H

#include "common/buf.h"
#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Types beside those of Postfix, for the parent: alias text, and text whose lines needn't be UTF-8. */
#define READ_ALIASES "aliases"
#define READ_ALIASES_BYTES "aliases-bytes"
#define READ_TEXT_BYTES "text-bytes"
#define READ_TEXTHASH_BYTES "texthash-bytes"
#define READ_PIPE "pipe"         /* read_pipe.c says how it's asked for */

#define READ_DAMAGED 2           /* exit status */
#define READ_NSSWITCH "/etc/nsswitch.conf"

/* The whole programs. They return the exit status. */
int read_main(const char *map);
int read_lines_main(const char *map);

/* What to run when an index can't be read: "run postmap hash:/x, ..."; "": that won't mend it. After a reading that ended
 * with this status. The caller's. */
char *read_mend(const char *map, const char *tool, const char *file, int status);

bool read_type_known(const char *type);       /* one that a configuration may name, and that is built in */
const char *read_types(void);                 /* all of those: "btree, cdb, hash, ..." */
const char *read_suffix(const char *type);    /* of the file that is read: ".db", or "" for text */

/* What tells one state of a file from another. */
struct read_stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct timespec changed;
};
bool read_stamp_of(const char *path, struct read_stamp *out);      /* false: it can't be looked at */
bool read_stamp_same(const struct read_stamp *a, const struct read_stamp *b);

/* Where the formats put what they find. Lines count from 1, indexes have line 0. */
struct read_sink {
	void (*key)(void *context, const void *key, size_t length, uint64_t line);
	void (*ignored)(void *context, uint64_t line, const char *reason);
	void *context;
};

/* Texts are parsed purely. What Postfix's tools pass over with a warning is `ignored`: there is no input that
 * makes them fail. utf8: lines that aren't UTF-8 are ignored, as they are when smtputf8_enable is on. postmap(1),
 * aliases(5). */
void read_text(const void *data, size_t length, bool utf8, const struct read_sink *sink);
void read_alias(const void *data, size_t length, bool utf8, const struct read_sink *sink);

/* Logical lines, for both. A zeroed struct with `at` and `end` set begins; free `joined` after. */
struct read_text_lines {
	const char *at;
	const char *end;
	uint64_t number;
	struct buf joined;
};
struct read_text_line {
	const char *text;        /* into the input or into `joined`; ends before the first NUL, as Postfix has it */
	size_t length;
	uint64_t number;         /* of its first physical line */
	bool stray;              /* begins with white space, but there is nothing that it could continue */
	bool utf8;
};
bool read_text_next(struct read_text_lines *lines, struct read_text_line *out);

/* An index, opened and locked as Postfix's own readers do it; the lock ends with the descriptor. `name` opens the very
 * same file again (for libraries that want a name). */
enum read_lock { READ_UNLOCKED, READ_FLOCK, READ_OFD };
struct read_file {
	int fd;
	char name[32];
	struct read_stamp stamp;
};
enum rc read_open(const char *path, enum read_lock lock, struct read_file *out, struct why *why);
enum rc read_unchanged(const struct read_file *file, const char *path, struct why *why);
void read_close(struct read_file *file);

/* The index formats: all keys of the file into the sink, each without the NUL at its end. RC_IO, RC_DAMAGED. */
enum rc read_hash(const char *path, const struct read_sink *sink, struct why *why);
enum rc read_btree(const char *path, const struct read_sink *sink, struct why *why);
enum rc read_lmdb(const char *path, const struct read_sink *sink, struct why *why);
enum rc read_cdb(const char *path, const struct read_sink *sink, struct why *why);

/* Maps that are no files: inline:{...}, unix:passwd.byname and unix:group.byname, pipemap:{...}. RC_INVALID, RC_IO,
 * RC_UNSUPPORTED: accounts that can't be listed completely. */
enum rc read_inline(const char *name, const struct read_sink *sink, struct why *why);
enum rc read_accounts(const char *name, const struct read_sink *sink, struct why *why);
enum rc read_pipe(const char *name, const struct read_sink *sink, struct why *why);
/* By nsswitch.conf's text: whether all of the database's sources can be listed; else the first that can't. */
bool read_accounts_listable(const char *nsswitch, const char *database, char culprit[32]);

#endif
