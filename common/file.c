/* file.c: the few ways in which we touch files.
 *
 * A rename is atomic for readers, but durable only when the file was synced before it and the folder after it. When
 * fsync has failed, the kernel may have dropped the dirty pages and a second fsync would say all is well; so the
 * temporary file is thrown away and never synced again. */
#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_CHUNK 65536
#define NAME_MAX_BYTES 64

/* Names by the local files alone: this may be a daemon, that mustn't wait for a directory. */
static void name_user(char out[NAME_MAX_BYTES])
{
	struct passwd *entry;
	FILE *file = fopen("/etc/passwd", "re");
	(void)snprintf(out, NAME_MAX_BYTES, "user id %lu", (unsigned long)geteuid());
	while (file && (entry = fgetpwent(file)) != NULL) {
		if (entry->pw_uid == geteuid()) {
			(void)snprintf(out, NAME_MAX_BYTES, "%s", entry->pw_name);
			break;
		}
	}
	if (file)
		(void)fclose(file);
}

static void name_group(gid_t gid, char out[NAME_MAX_BYTES])
{
	struct group *entry;
	FILE *file = fopen("/etc/group", "re");
	(void)snprintf(out, NAME_MAX_BYTES, "%lu", (unsigned long)gid);
	while (file && (entry = fgetgrent(file)) != NULL) {
		if (entry->gr_gid == gid) {
			(void)snprintf(out, NAME_MAX_BYTES, "%s", entry->gr_name);
			break;
		}
	}
	if (file)
		(void)fclose(file);
}

/* How to give the permission that lacks. Not by opening the file to more than ask for it: it may be a key. */
static void mend_permission(const char *path, char *mend, size_t size)
{
	char user[NAME_MAX_BYTES], group[NAME_MAX_BYTES];
	struct stat st;
	int code = errno;
	name_user(user);
	if (stat(path, &st) != 0) {
		(void)snprintf(mend, size, "; %s needs permission for it%s", user,
		               errno == EACCES ? ": a folder on the way is closed" : "");
	} else if (access(path, R_OK) != 0 && (st.st_mode & S_IRGRP)) {
		name_group(st.st_gid, group);
		(void)snprintf(mend, size, "; %s needs permission for it: usermod -aG %s %s, and start it again", user, group, user);
	} else {
		(void)snprintf(mend, size, "; %s needs permission for it: its mode is %04o, and it's of user id %lu", user,
		               (unsigned)st.st_mode & 07777, (unsigned long)st.st_uid);
	}
	errno = code;
}

enum rc file_fail(struct why *why, const char *doing, const char *path)
{
	int code = errno;
	char mend[4 * NAME_MAX_BYTES] = "";
	switch (code) {
	case ENOSPC:
	case EDQUOT:
		(void)snprintf(mend, sizeof(mend), "; free some space there");
		break;
	case EACCES:
	case EPERM:
		mend_permission(path, mend, sizeof(mend));
		break;
	case EROFS:
		(void)snprintf(mend, sizeof(mend), "; under systemd it must be in the unit's ReadWritePaths=");
		break;
	case EMFILE:
		(void)snprintf(mend, sizeof(mend), "; raise the limit of open files (LimitNOFILE=)");
		break;
	default:
		break;
	}
	return why_set(why, RC_IO, "%s %s: %s%s", doing, path, strerror(code), mend);
}

static enum rc read_all(int fd, size_t max, struct buf *out, const char *path, struct why *why)
{
	size_t total = 0;
	for (;;) {
		buf_reserve(out, READ_CHUNK);
		ssize_t got = read(fd, out->data + out->length, READ_CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_fail(why, "can't read", path);
		if (got == 0)
			return RC_OK;
		if ((size_t)got > max - total)
			return why_set(why, RC_LIMIT, "%s: larger than the %zu bytes that are allowed", path, max);
		total += (size_t)got;
		out->length += (size_t)got;
	}
}

enum rc file_read(const char *path, size_t max, struct buf *out, struct why *why)
{
	/* Without O_NONBLOCK, opening a named pipe would wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		bool missing = errno == ENOENT || errno == ENOTDIR;
		enum rc rc = file_fail(why, "can't open", path);
		return missing ? RC_NOT_FOUND : rc;
	}
	size_t before = out->length;
	struct stat st;
	enum rc rc;
	if (fstat(fd, &st) != 0)
		rc = file_fail(why, "can't look at", path);
	else if (!S_ISREG(st.st_mode))
		rc = why_set(why, RC_IO, "%s: isn't a regular file", path);
	else
		rc = read_all(fd, max, out, path, why);
	if (rc != RC_OK)
		out->length = before;
	(void)close(fd);
	return rc;
}

enum rc file_write_all(int fd, const void *data, size_t length, const char *name, struct why *why)
{
	const uint8_t *at = data;
	while (length > 0) {
		ssize_t done = write(fd, at, length);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return file_fail(why, "can't write", name);
		at += done;
		length -= (size_t)done;
	}
	return RC_OK;
}

enum rc file_sync_folder(const char *path, struct why *why)
{
	char *copy = mem_strdup(path);
	const char *folder = dirname(copy);
	enum rc rc = RC_OK;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		rc = file_fail(why, "can't open the folder", folder);
	else if (fsync(fd) != 0 && errno != EINVAL)      /* EINVAL: this file system can't sync folders at all */
		rc = file_fail(why, "can't sync the folder", folder);
	if (fd >= 0)
		(void)close(fd);
	free(copy);
	return rc;
}

/* Closes fd in any case. */
static enum rc sync_and_close(int fd, const char *path, struct why *why)
{
	enum rc rc = RC_OK;
	if (fsync(fd) != 0)
		rc = file_fail(why, "can't sync", path);
	if (close(fd) != 0 && rc == RC_OK)
		rc = file_fail(why, "can't close", path);
	return rc;
}

static enum rc move_into_place(const char *tmp, const char *path, struct why *why)
{
	if (rename(tmp, path) != 0)
		return file_fail(why, "can't replace", path);
	return file_sync_folder(path, why);
}

enum rc file_promote(const char *tmp, const char *path, struct why *why)
{
	enum rc rc;
	int fd = open(tmp, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		rc = file_fail(why, "can't open", tmp);
	else
		rc = sync_and_close(fd, tmp, why);
	if (rc == RC_OK)
		rc = move_into_place(tmp, path, why);
	if (rc != RC_OK)
		(void)unlink(tmp);      /* after a successful rename there is none */
	return rc;
}

/* O_EXCL after unlink: whatever lies there (the rest of a crash, somebody's symbolic link) isn't written through. */
static enum rc write_new(const char *tmp, mode_t mode, const void *data, size_t length, struct why *why)
{
	if (unlink(tmp) != 0 && errno != ENOENT)
		return file_fail(why, "can't remove", tmp);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return file_fail(why, "can't make", tmp);
	enum rc rc = fchmod(fd, mode) == 0 ? RC_OK : file_fail(why, "can't set the mode of", tmp);
	if (rc == RC_OK)
		rc = file_write_all(fd, data, length, tmp, why);
	if (rc == RC_OK)
		return sync_and_close(fd, tmp, why);
	(void)close(fd);
	return rc;
}

enum rc file_replace(const char *path, mode_t mode, const void *data, size_t length, struct why *why)
{
	char *tmp = mem_sprintf("%s.tmp", path);
	enum rc rc = write_new(tmp, mode, data, length, why);
	if (rc == RC_OK)
		rc = move_into_place(tmp, path, why);
	if (rc != RC_OK)
		(void)unlink(tmp);
	free(tmp);
	return rc;
}

/* Makes one folder whose parent is there; that it exists already is fine. */
static enum rc make_one(const char *path, struct why *why)
{
	if (mkdir(path, 0700) == 0)
		return file_sync_folder(path, why);
	if (errno == EEXIST)
		return RC_OK;
	return file_fail(why, "can't make the folder", path);
}

enum rc file_make_folder(const char *path, struct why *why)
{
	struct stat st;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return RC_OK;

	char *part = mem_strdup(path);
	enum rc rc = RC_OK;
	for (char *slash = strchr(part + (part[0] == '/'), '/'); slash && rc == RC_OK; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		rc = make_one(part, why);
		*slash = '/';
	}
	if (rc == RC_OK)
		rc = make_one(path, why);
	if (rc == RC_OK && stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		rc = why_set(why, RC_IO, "can't make the folder %s: something else of that name is there", path);
	free(part);
	return rc;
}
