/* watch.c: inotify on folders, never on the file itself.
 *
 * A name is changed in its folder, so the folders are watched: each one that the path leads through, with the name
 * that is looked up there; behind a symbolic link go the folders of its target. A folder is watched before the name in
 * it is looked up. So whatever changes after we looked gives an event, and any event for one of the names makes us
 * walk the path again: there is no moment in which the watched chain and the real one differ unnoticed. */
#include "master/watch.h"

#include "common/buf.h"
#include "common/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40             /* as the kernel has it */
#define STEPS_MAX 1000

/* Names that come and go, for folders on the way; also what happens inside the file, for the last one. */
#define STRUCTURE (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)
#define CONTENTS (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB)

/* A name in a folder on whose meaning an entry depends. */
struct step {
	int wd;
	char *path;
	const char *name;        /* the end of path */
	bool last;               /* the file itself; the others are folders and links */
};

struct steps {
	struct step *at;
	size_t count;
};

struct watch_entry {
	struct watch *watch;
	struct watch_entry *next;
	char *path;
	watch_call *callback;
	void *context;
	struct steps steps;
	int pending;             /* the last change of this burst; 0: none */
	int trouble;             /* errno of a folder that couldn't be watched when the path was walked last */
	bool stale;              /* the path must be walked again */
	bool dead;
};

/* A folder that at least one step is in. */
struct folder {
	int wd;
	size_t users;
};

struct watch {
	struct loop *loop;
	int fd;
	struct watch_handle *handle;
	struct watch_entry *entries;
	struct folder *folders;
	size_t folder_count;
	bool calling;
};

/* ---- folders ---- */

static struct folder *find_folder(struct watch *watch, int wd)
{
	for (size_t i = 0; i < watch->folder_count; i++)
		if (watch->folders[i].wd == wd)
			return &watch->folders[i];
	return NULL;
}

/* -1: the folder isn't there, or isn't ours to look into. */
static int use_folder(struct watch *watch, const char *path, bool last)
{
	uint32_t mask = STRUCTURE | (last ? CONTENTS : 0) | IN_ONLYDIR | IN_DONT_FOLLOW | IN_MASK_ADD;
	int wd = inotify_add_watch(watch->fd, path, mask);
	if (wd < 0)
		return -1;
	struct folder *folder = find_folder(watch, wd);
	if (!folder) {
		watch->folders = mem_realloc(watch->folders, watch->folder_count + 1, sizeof(*folder));
		folder = &watch->folders[watch->folder_count++];
		*folder = (struct folder){.wd = wd};
	}
	folder->users++;
	return wd;
}

static void forget_folder(struct watch *watch, struct folder *folder)
{
	*folder = watch->folders[--watch->folder_count];
}

static void leave_folder(struct watch *watch, int wd)
{
	struct folder *folder = find_folder(watch, wd);
	if (!folder || --folder->users > 0)
		return;
	(void)inotify_rm_watch(watch->fd, wd);
	forget_folder(watch, folder);
}

static void drop_steps(struct watch *watch, struct steps *steps)
{
	for (size_t i = 0; i < steps->count; i++) {
		leave_folder(watch, steps->at[i].wd);
		free(steps->at[i].path);
	}
	free(steps->at);
	*steps = (struct steps){0};
}

/* ---- walking a path ---- */

struct walk {
	struct watch *watch;
	struct steps steps;
	struct buf here;         /* the folder we are in, free of links: "" for the root, "/etc" */
	char *rest;              /* still to go */
	int links;
	int trouble;
	bool arrived;            /* or there's nowhere to go on */
};

static void go_up(struct walk *walk)
{
	while (walk->here.length > 0 && walk->here.data[--walk->here.length] != '/')
		;
}

static void set_rest(struct walk *walk, char *rest)
{
	free(walk->rest);
	walk->rest = rest;
}

static void follow_link(struct walk *walk, const char *link, const char *rest)
{
	char target[PATH_MAX];
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	if (length <= 0 || ++walk->links > LINKS_MAX) {
		walk->arrived = true;
		return;
	}
	target[length] = '\0';
	if (target[0] == '/')
		buf_clear(&walk->here);
	set_rest(walk, mem_sprintf("%s/%s", target, rest));
}

static void note_step(struct walk *walk, const char *name, bool last)
{
	int wd = use_folder(walk->watch, walk->here.length > 0 ? buf_text(&walk->here) : "/", last);
	if (wd < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			walk->trouble = errno;
		return;
	}
	walk->steps.at = mem_realloc(walk->steps.at, walk->steps.count + 1, sizeof(struct step));
	char *path = mem_sprintf("%.*s/%s", (int)walk->here.length, buf_text(&walk->here), name);
	walk->steps.at[walk->steps.count++] =
		(struct step){.wd = wd, .path = path, .name = path + walk->here.length + 1, .last = last};
}

static void look_up(struct walk *walk, const char *name, const char *rest)
{
	bool last = rest[strspn(rest, "/")] == '\0';
	note_step(walk, name, last);
	size_t before = walk->here.length;
	buf_printf(&walk->here, "/%s", name);
	struct stat st;
	const char *path = buf_text(&walk->here);
	if (lstat(path, &st) != 0) {
		walk->arrived = true;
	} else if (S_ISLNK(st.st_mode)) {
		char *link = mem_strdup(path);
		walk->here.length = before;
		follow_link(walk, link, rest);
		free(link);
	} else if (last) {
		walk->arrived = true;
	} else {
		set_rest(walk, mem_strdup(rest));
	}
}

static void take_step(struct walk *walk)
{
	const char *begin = walk->rest + strspn(walk->rest, "/");
	size_t length = strcspn(begin, "/");
	if (length == 0) {
		walk->arrived = true;
		return;
	}
	char *name = mem_strndup(begin, length);
	char *rest = mem_strdup(begin + length);
	if (strcmp(name, "..") == 0)
		go_up(walk);
	if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
		set_rest(walk, mem_strdup(rest));
	else
		look_up(walk, name, rest);
	free(name);
	free(rest);
}

/* The new chain is watched before the old one is left, so that nothing falls between. */
static void resolve(struct watch_entry *entry)
{
	struct walk walk = {.watch = entry->watch, .rest = mem_strdup(entry->path)};
	for (int i = 0; i < STEPS_MAX && !walk.arrived; i++)
		take_step(&walk);
	drop_steps(entry->watch, &entry->steps);
	entry->steps = walk.steps;
	entry->trouble = walk.trouble;
	entry->stale = false;
	buf_free(&walk.here);
	free(walk.rest);
}

/* ---- events ---- */

static void mark(struct watch_entry *entry, enum watch_change change, bool stale)
{
	entry->pending = (int)change;
	entry->stale |= stale;
}

/* A file that was just made is being written, a folder is being filled; a link that was made is complete. */
static enum watch_change judge(const struct step *step, uint32_t mask)
{
	struct stat st;
	if (mask & IN_MOVED_TO)
		return WATCH_WHOLE;
	if (mask & (IN_DELETE | IN_MOVED_FROM))
		return WATCH_GONE;
	if (mask & IN_MODIFY)
		return WATCH_WRITING;
	if (mask & IN_CLOSE_WRITE)
		return WATCH_WRITTEN;
	bool link = (mask & IN_CREATE) && lstat(step->path, &st) == 0 && S_ISLNK(st.st_mode);
	return link ? WATCH_WHOLE : WATCH_IN_PLACE;
}

static void apply_to(struct watch_entry *entry, const struct step *step, const struct inotify_event *event)
{
	if (event->len == 0) {
		if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
			mark(entry, event->mask & IN_MOVE_SELF ? WATCH_WHOLE : WATCH_GONE, true);
		return;
	}
	if (strcmp(event->name, step->name) != 0 || (!step->last && !(event->mask & STRUCTURE)))
		return;
	/* A change of mode or owner says nothing about who writes, and hides nothing of what came before it. */
	if (!(event->mask & IN_ATTRIB) || entry->pending == 0)
		mark(entry, judge(step, event->mask), (event->mask & STRUCTURE) != 0);
}

static void apply(struct watch_entry *entry, const struct inotify_event *event)
{
	for (size_t i = 0; i < entry->steps.count; i++)
		if (entry->steps.at[i].wd == event->wd)
			apply_to(entry, &entry->steps.at[i], event);
}

static void take_event(struct watch *watch, const struct inotify_event *event)
{
	for (struct watch_entry *entry = watch->entries; entry; entry = entry->next) {
		if (event->mask & IN_Q_OVERFLOW)
			mark(entry, WATCH_IN_PLACE, true);
		else
			apply(entry, event);
	}
	/* The kernel has dropped the watch: its number means nothing any more. */
	struct folder *folder = event->mask & IN_IGNORED ? find_folder(watch, event->wd) : NULL;
	if (folder)
		forget_folder(watch, folder);
}

static void free_entry(struct watch_entry *entry)
{
	drop_steps(entry->watch, &entry->steps);
	free(entry->path);
	free(entry);
}

static void sweep(struct watch *watch)
{
	for (struct watch_entry **at = &watch->entries; *at;) {
		struct watch_entry *entry = *at;
		if (!entry->dead) {
			at = &entry->next;
			continue;
		}
		*at = entry->next;
		free_entry(entry);
	}
}

static void call_back(struct watch *watch)
{
	watch->calling = true;
	for (struct watch_entry *entry = watch->entries; entry; entry = entry->next) {
		int change = entry->pending;
		if (entry->dead || change == 0)
			continue;
		entry->pending = 0;
		if (entry->stale)
			resolve(entry);
		entry->callback(entry->context, (enum watch_change)change);
	}
	watch->calling = false;
	sweep(watch);
}

static void on_readable(void *context, int events)
{
	(void)events;
	struct watch *watch = context;
	_Alignas(struct inotify_event) char data[65536];
	ssize_t got = read(watch->fd, data, sizeof(data));
	for (char *at = data; at < data + (got > 0 ? got : 0);) {
		const struct inotify_event *event = (const void *)at;
		take_event(watch, event);
		at += sizeof(*event) + event->len;
	}
	call_back(watch);
}

/* ---- the interface ---- */

enum rc watch_new(struct loop *loop, struct watch **out, struct why *why)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return why_set(why, RC_IO, "can't watch files: %s; see fs.inotify.max_user_instances", strerror(errno));
	struct watch *watch = mem_zalloc(sizeof(*watch));
	watch->loop = loop;
	watch->fd = fd;
	watch->handle = loop_add_fd(loop, fd, LOOP_READ, on_readable, watch);
	*out = watch;
	return RC_OK;
}

void watch_free(struct watch **handle)
{
	struct watch *watch = *handle;
	if (!watch)
		return;
	loop_remove(watch->loop, &watch->handle);
	while (watch->entries) {
		struct watch_entry *entry = watch->entries;
		watch->entries = entry->next;
		free_entry(entry);
	}
	(void)close(watch->fd);
	free(watch->folders);
	free(watch);
	*handle = NULL;
}

struct watch_entry *watch_path(struct watch *watch, const char *path, watch_call *callback, void *context)
{
	struct watch_entry *entry = mem_zalloc(sizeof(*entry));
	entry->watch = watch;
	entry->path = mem_strdup(path);
	entry->callback = callback;
	entry->context = context;
	resolve(entry);
	entry->next = watch->entries;
	watch->entries = entry;
	return entry;
}

void watch_remove(struct watch_entry **handle)
{
	struct watch_entry *entry = *handle;
	if (!entry)
		return;
	*handle = NULL;
	entry->dead = true;
	if (!entry->watch->calling)
		sweep(entry->watch);
}

int watch_trouble(const struct watch_entry *entry)
{
	return entry->trouble;
}
