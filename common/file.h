/* file.h: files that are there whole or not at all. */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include "common/buf.h"
#include "common/why.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a whole regular file of at most max bytes into out (appended). RC_NOT_FOUND, RC_IO (also: not a regular file),
 * RC_LIMIT. */
enum rc file_read(const char *path, size_t max, struct buf *out, struct why *why);

/* Writes path by PATH.tmp, fsync, rename, fsync of the folder. After RC_OK it survives a power cut; after an error
 * what was there before stands, and PATH.tmp is gone. (Should the very last step fail, the new contents are there
 * whole, but a power cut may bring the old ones back.) RC_IO. The mode is exact, whatever the umask. */
enum rc file_replace(const char *path, mode_t mode, const void *data, size_t length, struct why *why);

/* The last three steps of file_replace for a file somebody else wrote: fsync tmp, rename it to path, fsync the folder.
 * tmp is removed on failure. */
enum rc file_promote(const char *tmp, const char *path, struct why *why);

/* fsync of the folder that holds path. RC_IO. */
enum rc file_sync_folder(const char *path, struct why *why);

/* mkdir -p with mode 0700 for what it makes, durable. RC_IO. */
enum rc file_make_folder(const char *path, struct why *why);

/* Writes all of it, going on after EINTR and short writes. `name` is the file's path for the sentence. RC_IO. */
enum rc file_write_all(int fd, const void *data, size_t length, const char *name, struct why *why);

/* The sentence for a failed system call, from errno: "DOING PATH: strerror", and the mend where it's plain (no space,
 * no permission). `doing` is like "can't write". Returns RC_IO. */
enum rc file_fail(struct why *why, const char *doing, const char *path);

#endif
