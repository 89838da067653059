/* journal.h: the changesets of one epoch, appended and synced one by one: the commit point of both ends.
 *
 * A changeset exists from the moment its append returned. The file begins with the epoch; each entry carries its
 * length, the serials it leads from and to, and a hash. An entry cut short at the end (power failed while it was
 * written) never existed: it is cut off at the next open. Any other damage is RC_DAMAGED. */
#ifndef COMMON_JOURNAL_H
#define COMMON_JOURNAL_H

#include "common/soa.h"

struct journal;

/* RC_NOT_FOUND, RC_DAMAGED, RC_UNSUPPORTED (written by a newer version), RC_IO. Entries must be contiguous. */
enum rc journal_open(const char *path, struct journal **out, struct why *why);
/* Replaces whatever is at path by an empty journal, durably. */
enum rc journal_create(const char *path, const struct epoch *epoch, uint64_t serial, struct journal **out,
                       struct why *why);
void journal_close(struct journal **journal);

const struct epoch *journal_epoch(const struct journal *journal);
uint64_t journal_first(const struct journal *journal);     /* the oldest serial from which it leads on */
uint64_t journal_last(const struct journal *journal);      /* the serial it leads to */
/* Where its newest entry leads on from; journal_last when it is empty. */
uint64_t journal_last_from(const struct journal *journal);
uint64_t journal_bytes(const struct journal *journal);     /* size of the file */
uint64_t journal_torn_bytes(const struct journal *journal);    /* what open cut off at the end */

/* One write, one fdatasync. from must equal journal_last and to be greater. On failure (full disk) the file is cut
 * back to what it was and nothing is committed; when the sync itself fails nobody knows what is on disk:
 * RC_DAMAGED, and every later append fails too until the journal is opened again. */
enum rc journal_append(struct journal *journal, uint64_t from, uint64_t to, const void *data, size_t length,
                       struct why *why);

/* Appends the entry that leads on from serial `from` to *out and sets *to. RC_NOT_FOUND when it isn't held. */
enum rc journal_read(struct journal *journal, uint64_t from, struct buf *out, uint64_t *to, struct why *why);

/* Drops the oldest entries until at most keep_bytes remain, but none that leads beyond serial `until`; by a new file
 * and rename. */
enum rc journal_trim(struct journal *journal, uint64_t keep_bytes, uint64_t until, struct why *why);

#endif
