/* child.c: posix_spawn, two pipes and SIGCHLD.
 *
 * posix_spawn and not fork, because ZeroMQ's context doesn't survive a fork. SIGCHLD says when a process has ended;
 * it's reaped only at the very end, because as long as it's a zombie its process group's number can't be given to
 * somebody else, and so kill(-pid) can't hit a stranger.
 *
 *     running --output's end, process's end (any order)--> on_end
 *        |
 *        +--time-out, on_output says no--> killed --process's end, or 2 s--> on_end */
#include "common/child.h"

#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_CHUNK 65536      /* a call's worth, so that a chatty child leaves the others their turn */
#define COMPLAINT_MAX 300
#define KILL_WAIT_MS 2000

struct line {
	char text[COMPLAINT_MAX + 1];
	size_t length;
};

struct child {
	struct loop *loop;
	bool (*on_output)(void *context, const void *data, size_t length);
	void (*on_end)(void *context, enum child_end end, int code, const char *complaint);
	void *context;

	pid_t pid;
	int out_fd;             /* -1: at its end, or not wanted any more */
	int err_fd;
	struct child_watch exit_watch;
	struct watch_handle *out_watch;
	struct watch_handle *err_watch;
	struct timer timer;     /* the time-out; after a kill, how long to wait for the death */

	bool exited;            /* not reaped yet */
	bool killed;
	enum child_end end;     /* when killed */
	bool in_output;         /* on_output is on the stack */
	bool abandoned;         /* by that on_output */

	struct line current;    /* of standard error */
	struct line last;
};

/* ---- standard error ---- */

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r';
}

static void end_line(struct child *child)
{
	struct line *line = &child->current;
	while (line->length > 0 && is_blank(line->text[line->length - 1]))
		line->length--;
	if (line->length > 0)
		child->last = *line;
	line->length = 0;
}

static void collect_complaint(struct child *child, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (data[i] == '\n')
			end_line(child);
		else if (child->current.length < COMPLAINT_MAX)
			child->current.text[child->current.length++] = data[i];
	}
}

static void close_watched(struct child *child, struct watch_handle **watch, int *fd)
{
	loop_remove(child->loop, watch);
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* False at its end. At most one pipe's worth a call: a child that complains without end doesn't hold us. */
static bool read_complaint(struct child *child)
{
	char data[4096];
	for (size_t total = 0; total < OUTPUT_CHUNK;) {
		ssize_t got = read(child->err_fd, data, sizeof(data));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN;
		if (got == 0)
			return false;
		collect_complaint(child, data, (size_t)got);
		total += (size_t)got;
	}
	return true;
}

static void on_stderr(void *context, int events)
{
	(void)events;
	struct child *child = context;
	if (!read_complaint(child))
		close_watched(child, &child->err_watch, &child->err_fd);
}

/* ---- the end ---- */

static void release(struct child *child)
{
	loop_timer_clear(child->loop, &child->timer);
	close_watched(child, &child->out_watch, &child->out_fd);
	close_watched(child, &child->err_watch, &child->err_fd);
	if (!child->exited)
		loop_remove_child_watch(child->loop, &child->exit_watch);
	free(child);
}

static void finish(struct child *child)
{
	/* What waitpid leaves untouched mustn't look like success. */
	int status = SIGKILL;
	(void)waitpid(child->pid, &status, WNOHANG);
	enum child_end end = CHILD_KILLED;
	int code = WTERMSIG(status);
	if (child->killed) {
		end = child->end;
		code = 0;
	} else if (WIFEXITED(status)) {
		end = CHILD_EXITED;
		code = WEXITSTATUS(status);
	}

	/* The process may have ended before we heard what it wrote last. Others may hold its end open: no waiting. */
	if (child->err_fd >= 0)
		(void)read_complaint(child);
	end_line(child);
	char complaint[COMPLAINT_MAX + 1];
	memcpy(complaint, child->last.text, child->last.length);
	complaint[child->last.length] = '\0';
	for (char *nul = complaint; nul < complaint + child->last.length; nul++)
		if (*nul == '\0')
			*nul = '?';
	why_clean(complaint);

	void (*on_end)(void *context, enum child_end end, int code, const char *complaint) = child->on_end;
	void *owner = child->context;
	release(child);
	on_end(owner, end, code, complaint);
}

static void maybe_finish(struct child *child)
{
	if (child->exited && child->out_fd < 0)
		finish(child);
}

static void on_timer(void *context);

static void kill_group(struct child *child, enum child_end end)
{
	(void)kill(-child->pid, SIGKILL);
	child->killed = true;
	child->end = end;
	close_watched(child, &child->out_watch, &child->out_fd);
	loop_timer_after(child->loop, &child->timer, KILL_WAIT_MS, on_timer, child);
	maybe_finish(child);
}

static void on_timer(void *context)
{
	struct child *child = context;
	if (child->killed)
		finish(child);
	else
		kill_group(child, CHILD_TIMED_OUT);
}

/* Some child has ended; if it's this one it stays a zombie for now. */
static void on_exit_heard(void *context)
{
	struct child *child = context;
	siginfo_t info = {.si_pid = 0};
	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != child->pid)
		return;
	child->exited = true;
	loop_remove_child_watch(child->loop, &child->exit_watch);
	maybe_finish(child);
}

static void on_stdout(void *context, int events)
{
	(void)events;
	struct child *child = context;
	char data[OUTPUT_CHUNK];
	ssize_t got = read(child->out_fd, data, sizeof(data));
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0) {
		close_watched(child, &child->out_watch, &child->out_fd);
		maybe_finish(child);
		return;
	}
	child->in_output = true;
	bool more = child->on_output(child->context, data, (size_t)got);
	child->in_output = false;
	if (child->abandoned)
		release(child);
	else if (!more)
		kill_group(child, CHILD_STOPPED);
}

/* Kills the group and waits, a bounded time, until its leader is gone and reaped. */
static void kill_and_reap(pid_t pid)
{
	(void)kill(-pid, SIGKILL);
	for (int ms = 0; waitpid(pid, NULL, WNOHANG) == 0 && ms < KILL_WAIT_MS; ms++)
		(void)poll(NULL, 0, 1);
}

void child_abandon(struct child **handle)
{
	struct child *child = *handle;
	if (!child)
		return;
	*handle = NULL;
	kill_and_reap(child->pid);
	if (child->in_output)
		child->abandoned = true;      /* on_stdout is using it */
	else
		release(child);
}

/* ---- the start ---- */

/* What the child has instead of ours; in_fd -1: /dev/null. */
struct ends {
	int in_fd;
	int out_fd;
	int err_fd;
};

/* Returns 0 or an errno. addclosefrom covers what libraries opened without O_CLOEXEC. */
static int set_up(posix_spawnattr_t *attr, posix_spawn_file_actions_t *actions, const struct ends *ends)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	const short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	int code = posix_spawnattr_setflags(attr, flags);
	if (code == 0)
		code = posix_spawnattr_setpgroup(attr, 0);
	if (code == 0)
		code = posix_spawnattr_setsigmask(attr, &none);
	if (code == 0)
		code = posix_spawnattr_setsigdefault(attr, &all);
	if (code == 0 && ends->in_fd < 0)
		code = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	else if (code == 0)
		code = posix_spawn_file_actions_adddup2(actions, ends->in_fd, STDIN_FILENO);
	if (code == 0)
		code = posix_spawn_file_actions_adddup2(actions, ends->out_fd, STDOUT_FILENO);
	if (code == 0)
		code = posix_spawn_file_actions_adddup2(actions, ends->err_fd, STDERR_FILENO);
	if (code == 0)
		code = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	return code;
}

/* posix_spawn's prototype wants char *const *, and changes nothing. */
static int spawn(const char *const *argv, const struct ends *ends, pid_t *pid)
{
	posix_spawnattr_t attr;
	posix_spawn_file_actions_t actions;
	if (posix_spawnattr_init(&attr) != 0 || posix_spawn_file_actions_init(&actions) != 0)
		mem_exhausted();
	int code = set_up(&attr, &actions, ends);
	if (code == 0) {
		union {
			const char *const *ours;
			char *const *theirs;
		} cast = {.ours = argv};
		code = posix_spawn(pid, argv[0], &actions, &attr, cast.theirs, environ);
	}
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return code;
}

/* Our ends are nonblocking, the child's aren't: those belong to an unsuspecting program. */
static int open_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) != 0)
		return errno;
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	return 0;
}

/* A file in memory, as a pipe could fill up before there is a reader. */
static int open_input(const struct buf *input, int *fd)
{
	if (!input)
		return 0;
	*fd = memfd_create("input", MFD_CLOEXEC);
	if (*fd < 0)
		return errno;
	if (file_write_all(*fd, input->data, input->length, "a file in memory", NULL) != RC_OK || lseek(*fd, 0, SEEK_SET) != 0)
		return errno;
	return 0;
}

static void close_pair(int ends[2])
{
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			(void)close(ends[i]);
}

static enum rc cant_run(struct why *why, const char *path, int code)
{
	const char *mend = "";
	if (code == ENOENT)
		mend = "; does it exist, and the program that its first line names?";
	else if (code == ENOEXEC)
		mend = "; a script needs a first line like #!/bin/sh";
	else if (code == EACCES)
		mend = "; it must be executable, and its folders open to us";
	else if (code == EMFILE || code == ENFILE)
		mend = "; raise the limit of open files (LimitNOFILE=)";
	else if (code == EAGAIN || code == ENOMEM)
		mend = "; raise the limit of processes (TasksMax=), or of memory";
	return why_set(why, RC_IO, "can't run %s: %s%s", path, strerror(code), mend);
}

static struct child *make(struct loop *loop, const struct child_spec *spec)
{
	struct child *child = mem_zalloc(sizeof(*child));
	child->loop = loop;
	child->on_output = spec->on_output;
	child->on_end = spec->on_end;
	child->context = spec->context;
	return child;
}

enum rc child_start(struct loop *loop, const struct child_spec *spec, struct child **out, struct why *why)
{
	/* Inherited as ignored, it would make the kernel throw exit statuses away. */
	(void)signal(SIGCHLD, SIG_DFL);

	int output[2] = {-1, -1}, complaints[2] = {-1, -1};
	struct ends ends = {-1, -1, -1};
	pid_t pid = 0;
	int code = open_pipe(output);
	if (code == 0)
		code = open_pipe(complaints);
	if (code == 0)
		code = open_input(spec->input, &ends.in_fd);
	if (code == 0) {
		ends.out_fd = output[1];
		ends.err_fd = complaints[1];
		code = spawn(spec->argv, &ends, &pid);
	}
	if (ends.in_fd >= 0)
		(void)close(ends.in_fd);
	if (code != 0)
		goto failed;
	(void)close(output[1]);
	(void)close(complaints[1]);

	struct child *child = make(loop, spec);
	child->pid = pid;
	child->out_fd = output[0];
	child->err_fd = complaints[0];
	/* An end that was quicker than this isn't missed: the signal waits until the loop reads it. */
	loop_add_child_watch(loop, &child->exit_watch, on_exit_heard, child);
	child->out_watch = loop_add_fd(loop, output[0], LOOP_READ, on_stdout, child);
	child->err_watch = loop_add_fd(loop, complaints[0], LOOP_READ, on_stderr, child);
	loop_timer_after(loop, &child->timer, spec->timeout_ms, on_timer, child);
	*out = child;
	return RC_OK;

failed:
	close_pair(output);
	close_pair(complaints);
	return cant_run(why, spec->argv[0], code);
}

/* Its own path while that is still ours: under valgrind /proc/self/exe is valgrind. When the file was replaced by an
 * upgrade, the link leads to the old one, which speaks our language. */
const char *child_self(char path[PATH_MAX])
{
	static const char gone[] = " (deleted)";
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
	size_t tail = sizeof(gone) - 1;
	if (length <= 0 || ((size_t)length > tail && memcmp(path + length - tail, gone, tail) == 0))
		return "/proc/self/exe";
	path[length] = '\0';
	return path;
}
