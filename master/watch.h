/* watch.h: told at once when what a path names may have changed, however that came about.
 *
 * Seen: rewriting in place, renaming over, deleting and making anew, and the same with any folder or symbolic link
 * on the way to it. Not seen: changes made on another host of a network file system, writes through another name
 * (a hard link), folders that we may not read. So a slow poll belongs underneath. One inotify descriptor for all
 * paths. */
#ifndef MASTER_WATCH_H
#define MASTER_WATCH_H

#include "common/loop.h"
#include "common/why.h"

struct watch;
struct watch_entry;

enum watch_change {
	WATCH_IN_PLACE = 1,     /* made, or changed in place; or events were lost: wait until it keeps still */
	WATCH_WRITING = 2,      /* written, and whoever does it hasn't closed it yet */
	WATCH_WRITTEN = 3,      /* now it is closed */
	WATCH_GONE = 4,         /* taken away; often the first half of a replacement */
	WATCH_WHOLE = 5         /* something complete is in its place: renamed, a link or folder changed */
};

/* One call a burst, with the last of its changes: what was put in place whole may be written to right after. It may
 * remove any entry, its own included. */
typedef void watch_call(void *context, enum watch_change change);

/* RC_IO: there are too many inotify instances. The entries must be removed before the watch is freed. */
enum rc watch_new(struct loop *loop, struct watch **out, struct why *why);
void watch_free(struct watch **watch);

/* path is absolute; it and what it leads through needn't exist. */
struct watch_entry *watch_path(struct watch *watch, const char *path, watch_call *callback, void *context);
void watch_remove(struct watch_entry **entry);
/* Why a folder on the way, though it's there, can't be watched: an errno (ENOSPC: fs.inotify.max_user_watches), or 0. */
int watch_trouble(const struct watch_entry *entry);

#endif
