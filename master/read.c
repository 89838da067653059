/* read.c: chooses how a map is read, opens and locks files as Postfix's own readers do, and prints keys.
 *
 * This runs in a process of its own, which may crash, hang or be killed: the exit status is the only thing that makes a
 * reading count. A text is read into memory first and looked at again after, so that a text which changed under us is
 * read anew before anything of it was printed. An index is consistent while the lock is held; that it didn't
 * change nevertheless (`postmap -i lmdb:` takes no lock) is checked at the end. */
#include "config.h"

#include "common/file.h"
#include "common/mem.h"
#include "master/read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 3
#define OUTPUT_CHUNK (256u * 1024u)
#define TEXT_MAX ((size_t)8 << 30)

#ifdef HAVE_DB
#define READ_HASH read_hash
#define READ_BTREE read_btree
#else
#define READ_HASH NULL
#define READ_BTREE NULL
#endif
#ifdef HAVE_LMDB
#define READ_LMDB read_lmdb
#else
#define READ_LMDB NULL
#endif
#ifdef HAVE_CDB
#define READ_CDB read_cdb
#else
#define READ_CDB NULL
#endif

typedef void text_reader(const void *data, size_t length, bool utf8, const struct read_sink *sink);
typedef enum rc name_reader(const char *name, const struct read_sink *sink, struct why *why);
typedef enum rc index_reader(const char *path, const struct read_sink *sink, struct why *why);

struct type {
	const char *name;
	const char *suffix;
	index_reader *index;
	text_reader *text;
	bool utf8;
	bool unique;           /* a key twice makes the whole table fail */
	bool internal;         /* not for configurations */
	name_reader *no_file;
};

/* An index without its library has neither function. */
static const struct type types[] = {
	{"btree", ".db", READ_BTREE, NULL, false, false, false, NULL},
	{"cdb", ".cdb", READ_CDB, NULL, false, false, false, NULL},
	{"hash", ".db", READ_HASH, NULL, false, false, false, NULL},
	{"lmdb", ".lmdb", READ_LMDB, NULL, false, false, false, NULL},
	{"text", "", NULL, read_text, true, false, false, NULL},
	{"texthash", "", NULL, read_text, true, true, false, NULL},
	{READ_ALIASES, "", NULL, read_alias, true, false, true, NULL},
	{READ_ALIASES_BYTES, "", NULL, read_alias, false, false, true, NULL},
	{READ_TEXT_BYTES, "", NULL, read_text, false, false, true, NULL},
	{READ_TEXTHASH_BYTES, "", NULL, read_text, false, true, true, NULL},
	{"inline", "", NULL, NULL, false, false, true, read_inline},
	{"unix", "", NULL, NULL, false, false, true, read_accounts},
	{READ_PIPE, "", NULL, NULL, false, false, true, read_pipe},
};
#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))

static const struct type *find_type(const char *name, size_t length)
{
	for (size_t i = 0; i < TYPE_COUNT; i++)
		if (strlen(types[i].name) == length && strncmp(types[i].name, name, length) == 0)
			return types[i].index || types[i].text || types[i].no_file ? &types[i] : NULL;
	return NULL;
}

bool read_type_known(const char *type)
{
	const struct type *found = find_type(type, strlen(type));
	return found && !found->internal;
}

const char *read_types(void)
{
	return
#ifdef HAVE_DB
		"btree, "
#endif
#ifdef HAVE_CDB
		"cdb, "
#endif
#ifdef HAVE_DB
		"hash, "
#endif
#ifdef HAVE_LMDB
		"lmdb, "
#endif
		"text, texthash";
}

const char *read_suffix(const char *type)
{
	const struct type *found = find_type(type, strlen(type));
	return found ? found->suffix : "";
}

/* ---- files ---- */

static struct read_stamp make_stamp(const struct stat *st)
{
	return (struct read_stamp){.device = st->st_dev, .inode = st->st_ino, .size = st->st_size,
	                           .modified = st->st_mtim, .changed = st->st_ctim};
}

bool read_stamp_of(const char *path, struct read_stamp *out)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return false;
	*out = make_stamp(&st);
	return true;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool read_stamp_same(const struct read_stamp *a, const struct read_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       same_time(a->modified, b->modified) && same_time(a->changed, b->changed);
}

static int take_lock(int fd, enum read_lock lock)
{
	if (lock == READ_FLOCK)
		return flock(fd, LOCK_SH);
	struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	return lock == READ_OFD ? fcntl(fd, F_OFD_SETLKW, &whole) : 0;
}

static enum rc open_once(const char *path, enum read_lock lock, struct read_file *out, struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return file_fail(why, "can't open", path);
	enum rc rc = RC_OK;
	struct stat st;
	if (take_lock(fd, lock) != 0)
		rc = file_fail(why, "can't lock", path);
	else if (fstat(fd, &st) != 0)
		rc = file_fail(why, "can't look at", path);
	else if (!S_ISREG(st.st_mode))
		rc = why_set(why, RC_IO, "%s isn't a regular file", path);
	else if (st.st_size == 0)
		rc = why_set(why, RC_DAMAGED, "%s is empty, not even an empty table: make it anew", path);
	if (rc != RC_OK) {
		(void)close(fd);
		return rc;
	}
	*out = (struct read_file){.fd = fd, .stamp = make_stamp(&st)};
	(void)snprintf(out->name, sizeof(out->name), "/proc/self/fd/%d", fd);
	return RC_OK;
}

/* While we waited for the lock, another file may have been put in place. */
enum rc read_open(const char *path, enum read_lock lock, struct read_file *out, struct why *why)
{
	for (int i = 0; i < TRIES; i++) {
		enum rc rc = open_once(path, lock, out, why);
		struct read_stamp now;
		if (rc != RC_OK)
			return rc;
		if (read_stamp_of(path, &now) && now.device == out->stamp.device && now.inode == out->stamp.inode)
			return RC_OK;
		read_close(out);
	}
	return why_set(why, RC_AGAIN, "%s is replaced all the time", path);
}

enum rc read_unchanged(const struct read_file *file, const char *path, struct why *why)
{
	struct stat st;
	if (fstat(file->fd, &st) != 0)
		return file_fail(why, "can't look at", path);
	/* Not the time of the last change of status: a replaced file lost its name, and is still what it was. */
	struct read_stamp now = make_stamp(&st);
	now.changed = file->stamp.changed;
	if (!read_stamp_same(&now, &file->stamp))
		return why_set(why, RC_AGAIN, "%s was changed while it was read, by somebody who takes no lock", path);
	return RC_OK;
}

void read_close(struct read_file *file)
{
	(void)close(file->fd);
	file->fd = -1;
}

/* Reads the text as it was at one moment. */
static enum rc load_text(const char *path, struct buf *out, struct why *why)
{
	for (int i = 0; i < TRIES; i++) {
		struct read_stamp before, after;
		bool seen = read_stamp_of(path, &before);
		buf_clear(out);
		enum rc rc = file_read(path, TEXT_MAX, out, why);
		if (rc != RC_OK)
			return rc;
		if (seen && read_stamp_of(path, &after) && read_stamp_same(&before, &after))
			return RC_OK;
	}
	return why_set(why, RC_AGAIN, "%s changes all the time while it's read", path);
}

/* ---- what was found ---- */

struct found {
	const char *path;
	bool lines;                /* their numbers are wanted */
	struct buf out;
	bool broken;               /* the output is gone */
	uint64_t odd;              /* keys that no line can hold */
	uint64_t ignored;
	uint64_t ignored_line;     /* the first */
	const char *ignored_reason;
};

static void flush(struct found *found)
{
	struct why why;
	struct buf *out = &found->out;
	if (!found->broken && file_write_all(STDOUT_FILENO, out->data, out->length, "the output", &why) != RC_OK)
		found->broken = true;
	buf_clear(out);
}

static void on_key(void *context, const void *key, size_t length, uint64_t line)
{
	struct found *found = context;
	const unsigned char *at = key;
	bool odd = length == 0;
	for (size_t i = 0; i < length && !odd; i++)
		odd = at[i] < 0x20 || at[i] == 0x7f;
	if (odd) {
		found->odd++;
		return;
	}
	if (found->lines)
		buf_printf(&found->out, "%" PRIu64 "\t", line);
	buf_put(&found->out, key, length);
	buf_put_u8(&found->out, '\n');
	if (found->out.length >= OUTPUT_CHUNK)
		flush(found);
}

static void on_ignored(void *context, uint64_t line, const char *reason)
{
	struct found *found = context;
	if (found->ignored++ == 0) {
		found->ignored_line = line;
		found->ignored_reason = reason;
	}
}

static void tell(const struct found *found)
{
	if (found->ignored > 0)
		(void)fprintf(stderr, "%s:%" PRIu64 ": passed over: %s", found->path, found->ignored_line,
		              found->ignored_reason);
	if (found->ignored > 1)
		(void)fprintf(stderr, " (%" PRIu64 " lines like this in all)", found->ignored);
	if (found->odd > 0)
		(void)fprintf(stderr, "%s%s: %" PRIu64 " keys with control characters, or empty, passed over",
		              found->ignored > 0 ? "; " : "", found->path, found->odd);
	if (found->ignored > 0 || found->odd > 0)
		(void)fputc('\n', stderr);
}

/* ---- a key twice in a texthash ---- */

struct twin {
	char *key;
	size_t length;
	uint64_t line;
};
struct twins {
	struct twin *at;
	size_t count;
	size_t capacity;
};

static void collect_twin(void *context, const void *key, size_t length, uint64_t line)
{
	struct twins *twins = context;
	if (twins->count == twins->capacity) {
		twins->capacity = twins->capacity ? twins->capacity * 2 : 1024;
		twins->at = mem_realloc(twins->at, twins->capacity, sizeof(struct twin));
	}
	/* Keys of joined lines don't outlive the call. */
	twins->at[twins->count++] = (struct twin){.key = mem_strndup(key, length), .length = length, .line = line};
}

static void ignore_twin(void *context, uint64_t line, const char *reason)
{
	(void)context;
	(void)line;
	(void)reason;
}

static int compare_keys(const struct twin *a, const struct twin *b)
{
	size_t shorter = a->length < b->length ? a->length : b->length;
	int order = strncasecmp(a->key, b->key, shorter);
	return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_twins(const void *left, const void *right)
{
	const struct twin *a = left, *b = right;
	int order = compare_keys(a, b);
	return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static enum rc check_unique(const char *path, const struct buf *text, bool utf8, struct why *why)
{
	struct twins twins = {0};
	enum rc rc = RC_OK;
	read_text(text->data, text->length, utf8,
	          &(struct read_sink){.key = collect_twin, .ignored = ignore_twin, .context = &twins});
	if (twins.count > 1)
		qsort(twins.at, twins.count, sizeof(struct twin), compare_twins);
	for (size_t i = 1; i < twins.count && rc == RC_OK; i++)
		if (compare_keys(&twins.at[i - 1], &twins.at[i]) == 0)
			rc = why_set(why, RC_INVALID, "%s:%" PRIu64 ": \"%s\" is there already, in line %" PRIu64
			             ": Postfix refuses a texthash table as a whole then: remove one",
			             path, twins.at[i].line, twins.at[i].key, twins.at[i - 1].line);
	for (size_t i = 0; i < twins.count; i++)
		free(twins.at[i].key);
	free(twins.at);
	return rc;
}

/* ---- the program ---- */

static enum rc list_text(const struct type *type, const char *path, const struct read_sink *sink, struct why *why)
{
	struct buf text = {0};
	enum rc rc = load_text(path, &text, why);
	if (rc == RC_OK && type->unique)
		rc = check_unique(path, &text, type->utf8, why);
	if (rc == RC_OK)
		type->text(text.data, text.length, type->utf8, sink);
	buf_free(&text);
	return rc;
}

static enum rc list(const struct type *type, const char *path, bool lines, struct why *why)
{
	char *file = mem_sprintf("%s%s", path, type->suffix);
	struct found found = {.path = file, .lines = lines};
	struct read_sink sink = {.key = on_key, .ignored = on_ignored, .context = &found};
	enum rc rc = type->no_file ? type->no_file(path, &sink, why) :
	             type->text ? list_text(type, file, &sink, why) : type->index(file, &sink, why);
	if (rc == RC_OK) {
		flush(&found);
		if (found.broken)
			rc = why_set(why, RC_IO, "can't pass on the keys of %s: nobody reads them any more", file);
	}
	if (rc == RC_OK)
		tell(&found);
	buf_free(&found.out);
	free(file);
	return rc;
}

static int read_map(const char *map, bool lines)
{
	struct why why;
	const char *colon = strchr(map, ':');
	const struct type *type = colon ? find_type(map, (size_t)(colon - map)) : NULL;
	enum rc rc;
	if (type)
		rc = list(type, colon + 1, lines, &why);
	else
		rc = why_set(&why, RC_UNSUPPORTED, "%s: can't be listed: TYPE:PATH is expected, with one of the types %s", map,
		             read_types());
	if (rc == RC_OK)
		return 0;
	(void)fprintf(stderr, "%s\n", why.text);
	return rc == RC_DAMAGED ? READ_DAMAGED : 1;
}

char *read_mend(const char *map, const char *tool, const char *file, int status)
{
	if (status == READ_DAMAGED)
		return mem_sprintf(": run %s %s", tool, map);
	if (access(file, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return mem_sprintf(": run %s %s, or correct the path", tool, map);
	return mem_strdup("");
}

int read_main(const char *map)
{
	return read_map(map, false);
}

int read_lines_main(const char *map)
{
	return read_map(map, true);
}
