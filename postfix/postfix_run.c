/* postfix_run.c: see postfix_run.h. */
#include "postfix/postfix_run.h"

#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX ((size_t)8 << 30)
#define COMPLAINT_MAX 4096
#define CHUNK 65536

extern char **environ;

static enum rc open_input(const struct buf *input, int *out, struct why *why)
{
	if (!input) {
		*out = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return *out >= 0 ? RC_OK : file_fail(why, "can't open", "/dev/null");
	}
	int fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0)
		return file_fail(why, "can't make", "a file in memory");
	enum rc rc = file_write_all(fd, input->data, input->length, "a file in memory", why);
	if (rc == RC_OK && lseek(fd, 0, SEEK_SET) != 0)
		rc = file_fail(why, "can't rewind", "a file in memory");
	if (rc == RC_OK)
		*out = fd;
	else
		(void)close(fd);
	return rc;
}

/* Reads what there is; false: the end. */
static bool drain(int fd, struct buf *out)
{
	buf_reserve(out, CHUNK);
	ssize_t got = read(fd, out->data + out->length, CHUNK);
	if (got > 0)
		out->length += (size_t)got;
	return got > 0 || (got < 0 && errno == EINTR);
}

static enum rc collect(int output, int errors, struct buf *out, struct buf *complaint, struct why *why)
{
	struct pollfd fds[2] = {{.fd = output, .events = POLLIN}, {.fd = errors, .events = POLLIN}};
	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return file_fail(why, "can't wait for", "a program's output");
		if (fds[0].revents && !drain(output, out))
			fds[0].fd = -1;
		if (fds[1].revents && !drain(errors, complaint))
			fds[1].fd = -1;
		if (complaint->length > COMPLAINT_MAX)
			buf_consume(complaint, complaint->length - COMPLAINT_MAX);
		if (out->length > OUTPUT_MAX)
			return why_set(why, RC_LIMIT, "more than %zu bytes of output", OUTPUT_MAX);
	}
	return RC_OK;
}

/* The last line that isn't blank. */
static const char *last_line(struct buf *complaint)
{
	while (complaint->length > 0 && complaint->data[complaint->length - 1] <= ' ')
		complaint->length--;
	const char *text = buf_text(complaint);
	const char *newline = strrchr(text, '\n');
	return newline ? newline + 1 : text;
}

static int start(const char *const *argv, int input, const int output[2], const int errors[2], pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int code = posix_spawn_file_actions_init(&actions);
	if (code != 0)
		return code;
	(void)posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, errors[1], STDERR_FILENO);
	code = posix_spawn(pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return code;
}

static void close_both(int pair[2])
{
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0)
			(void)close(pair[i]);
}

static enum rc judge(const char *program, int status, struct buf *complaint, int *out, struct why *why)
{
	if (WIFSIGNALED(status))
		return why_set(why, RC_IO, "%s died of signal %d", program, WTERMSIG(status));
	*out = WEXITSTATUS(status);
	(void)why_set(why, RC_OK, "%s", last_line(complaint));
	return RC_OK;
}

enum rc postfix_run(const char *const *argv, const struct buf *input, struct buf *out, struct why *why)
{
	int status = 0;
	struct why said;
	enum rc rc = postfix_run_status(argv, input, out, &status, &said);
	if (rc == RC_OK && status == 0)
		return RC_OK;
	if (said.text[0] != '\0')
		return why_set(why, RC_IO, "%s", said.text);
	return why_set(why, RC_IO, "%s ended with status %d", argv[0], status);
}

enum rc postfix_run_status(const char *const *argv, const struct buf *input, struct buf *out, int *result,
                           struct why *why)
{
	int in = -1, output[2] = {-1, -1}, errors[2] = {-1, -1}, status = 0;
	struct buf complaint = {0};
	pid_t pid = -1;
	enum rc rc = open_input(input, &in, why);
	if (rc != RC_OK)
		return rc;
	if (pipe2(output, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0) {
		rc = file_fail(why, "can't make", "a pipe");
		goto out;
	}
	int code = start(argv, in, output, errors, &pid);
	if (code != 0) {
		rc = why_set(why, RC_IO, "can't run %s: %s", argv[0], strerror(code));
		goto out;
	}
	(void)close(output[1]);
	(void)close(errors[1]);
	output[1] = errors[1] = -1;
	rc = collect(output[0], errors[0], out, &complaint, why);
	close_both(output);
	output[0] = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc == RC_OK)
		rc = judge(argv[0], status, &complaint, result, why);
out:
	(void)close(in);
	close_both(output);
	close_both(errors);
	buf_free(&complaint);
	return rc;
}

enum rc postfix_run_find(const char *folder, const char *name, char **out, struct why *why)
{
	const char *path = getenv("PATH");
	char *places = folder ? mem_strdup(folder) :
	               mem_sprintf("%s%s/usr/sbin:/usr/local/sbin:/usr/bin:/opt/postfix/sbin", path ? path : "", path ? ":" : "");
	char *found = NULL, *rest = places;
	for (char *place; !found && (place = strsep(&rest, ":")) != NULL;) {
		char *candidate = mem_sprintf("%s/%s", place, name);
		if (place[0] == '/' && access(candidate, X_OK) == 0)
			found = candidate;
		else
			free(candidate);
	}
	free(places);
	if (found) {
		*out = found;
		return RC_OK;
	}
	if (folder)
		return why_set(why, RC_NOT_FOUND, "there is no %s in %s: correct command_directory", name, folder);
	return why_set(why, RC_NOT_FOUND, "Postfix's %s isn't found: say where it is by command_directory", name);
}
