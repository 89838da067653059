/* control.c: the answering side of control.h.
 *
 *     READING --LF--> PENDING --reply, refuse, stream--> WRITING --all sent--> closed
 *
 * A request that is PENDING belongs to the handler's side: its descriptor isn't watched, so a client that goes away
 * meanwhile is noticed when the answer is written. Nothing here frees a request while the handler may still hold it. */
#include "common/control.h"

#include "common/clock.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 32
#define SILENCE_MS 30000
#define ACCEPT_PAUSE_MS 1000

enum request_state { READING, PENDING, WRITING };

struct control_request {
	struct control *control;
	struct control_request *next;
	enum request_state state;
	int fd;
	struct watch_handle *watch;
	struct timer silence;
	char in[CONTROL_REQUEST_MAX + 1];
	size_t in_length;
	const char *words[CONTROL_WORDS_MAX];
	size_t word_count;
	struct buf out;
	size_t sent;
	bool (*more)(void *context, struct buf *out);
	void (*done)(void *context);
	void *context;
};

struct control {
	struct loop *loop;
	control_handler *handler;
	void *context;
	char *path;
	dev_t device;      /* of the socket's file: what is removed at the end is surely ours */
	ino_t inode;
	int fd;
	struct watch_handle *watch;
	struct timer pause;
	struct control_request *requests;
	size_t count;
};

/* ---- one client ---- */

static void request_end(struct control_request *request)
{
	struct control *control = request->control;
	struct control_request **at = &control->requests;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	control->count--;
	loop_timer_clear(control->loop, &request->silence);
	loop_remove(control->loop, &request->watch);
	close(request->fd);
	if (request->done != NULL)
		request->done(request->context);
	buf_free(&request->out);
	free(request);
}

static void on_silence(void *context)
{
	request_end(context);
}

static void note_progress(struct control_request *request)
{
	loop_timer_after(request->control->loop, &request->silence, SILENCE_MS, on_silence, request);
}

static void begin_writing(struct control_request *request)
{
	assert(request->state == PENDING && "a request is answered once");
	request->state = WRITING;
	loop_set_events(request->watch, LOOP_WRITE);
	note_progress(request);
}

/* Cuts `in`, which ends with a NUL where the LF was, into words. */
static bool split_words(struct control_request *request)
{
	char *at = request->in;

	while (request->word_count < CONTROL_WORDS_MAX) {
		request->words[request->word_count++] = at;
		at = strchr(at, '\t');
		if (at == NULL)
			return true;
		*at++ = '\0';
	}
	return false;
}

/* The last thing that is done with the request: the handler may answer it, or close the control socket. */
static void take_request(struct control_request *request, size_t length)
{
	struct control *control = request->control;

	loop_timer_clear(control->loop, &request->silence);
	loop_set_events(request->watch, 0);
	request->state = PENDING;
	if (length > 0 && request->in[length - 1] == '\r')
		length--;
	request->in[length] = '\0';
	for (size_t i = 0; i < length; i++) {
		if (((unsigned char)request->in[i] < 0x20 && request->in[i] != '\t') || request->in[i] == 0x7f) {
			control_refuse(request, "the request has a control character in it");
			return;
		}
	}
	if (!split_words(request)) {
		request->word_count = 1;
		control_refuse(request, "the request has more than %d words", CONTROL_WORDS_MAX);
		return;
	}
	control->handler(control->context, request);
}

static void read_request(struct control_request *request)
{
	size_t room = CONTROL_REQUEST_MAX - request->in_length;
	ssize_t got = recv(request->fd, request->in + request->in_length, room, 0);

	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (got <= 0) {
		request_end(request);
		return;
	}
	char *end = memchr(request->in + request->in_length, '\n', (size_t)got);
	request->in_length += (size_t)got;
	if (end != NULL) {
		take_request(request, (size_t)(end - request->in));
	} else if (request->in_length == CONTROL_REQUEST_MAX) {
		request->state = PENDING;
		control_refuse(request, "the request is longer than %d bytes", CONTROL_REQUEST_MAX);
	} else {
		note_progress(request);
	}
}

/* Asks for more of a streamed answer until there is something to send. */
static void refill(struct control_request *request)
{
	buf_clear(&request->out);
	request->sent = 0;
	while (request->more != NULL && request->out.length == 0) {
		if (request->more(request->context, &request->out))
			continue;
		request->more = NULL;
		buf_put(&request->out, ".\n", 2);
	}
}

static void write_answer(struct control_request *request)
{
	if (request->sent == request->out.length)
		refill(request);
	ssize_t sent = send(request->fd, request->out.data + request->sent, request->out.length - request->sent,
	                    MSG_NOSIGNAL);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (sent < 0) {
		request_end(request);
		return;
	}
	request->sent += (size_t)sent;
	if (request->sent == request->out.length && request->more == NULL)
		request_end(request);
	else
		note_progress(request);
}

static void on_client(void *context, int events)
{
	struct control_request *request = context;

	(void)events;
	if (request->state == READING)
		read_request(request);
	else
		write_answer(request);
}

/* ---- the listening socket ---- */

static void on_pause_over(void *context)
{
	struct control *control = context;

	loop_set_events(control->watch, LOOP_READ);
}

static void on_connection(void *context, int events)
{
	static const char full[] = "error too many clients at once; try again in a moment\n";
	struct control *control = context;
	int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0) {
		/* Out of descriptors or the like: don't spin over a connection that can't be taken. */
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED) {
			loop_set_events(control->watch, 0);
			loop_timer_after(control->loop, &control->pause, ACCEPT_PAUSE_MS, on_pause_over, control);
		}
		return;
	}
	if (control->count == CLIENTS_MAX) {
		(void)send(fd, full, sizeof full - 1, MSG_NOSIGNAL);
		close(fd);
		return;
	}
	struct control_request *request = mem_zalloc(sizeof *request);
	request->control = control;
	request->fd = fd;
	request->next = control->requests;
	control->requests = request;
	control->count++;
	request->watch = loop_add_fd(control->loop, fd, LOOP_READ, on_client, request);
	note_progress(request);
}

/* Removes a socket at which nobody answers. */
static enum rc clear_path(const char *path, const struct sockaddr_un *address, struct why *why)
{
	struct stat status;

	if (lstat(path, &status) != 0) {
		if (errno == ENOENT)
			return RC_OK;
		return why_set(why, RC_IO, "control socket %s: %s", path, strerror(errno));
	}
	if (!S_ISSOCK(status.st_mode))
		return why_set(why, RC_IO, "control socket %s: something that isn't a socket is in its place: remove it", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return why_set(why, RC_IO, "control socket %s: %s", path, strerror(errno));
	int error = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
	close(fd);
	if (error == 0 || error == EAGAIN || error == EINPROGRESS)
		return why_set(why, RC_REFUSED, "control socket %s: a daemon answers there already: stop it first", path);
	if (error != ECONNREFUSED)
		return why_set(why, RC_IO, "control socket %s: %s", path, strerror(error));
	if (unlink(path) != 0 && errno != ENOENT)
		return why_set(why, RC_IO, "control socket %s: can't remove the old one: %s", path, strerror(errno));
	return RC_OK;
}

static enum rc bind_at(const struct sockaddr_un *address, int *out, struct stat *status, struct why *why)
{
	const char *path = address->sun_path;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return why_set(why, RC_IO, "control socket %s: %s", path, strerror(errno));
	if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0) {
		enum rc rc = why_set(why, RC_IO, "control socket %s: %s", path, strerror(errno));
		close(fd);
		return rc;
	}
	/* Nobody can connect before listen, so the mode is right from the first connection on. */
	if (chmod(path, 0660) != 0 || lstat(path, status) != 0 || listen(fd, CLIENTS_MAX) != 0) {
		enum rc rc = why_set(why, RC_IO, "control socket %s: %s", path, strerror(errno));
		unlink(path);
		close(fd);
		return rc;
	}
	*out = fd;
	return RC_OK;
}

static enum rc listen_at(const char *path, int *out, struct stat *status, struct why *why)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof address.sun_path)
		return why_set(why, RC_IO, "control socket %s: the path is longer than %zu bytes", path,
		               sizeof address.sun_path - 1);
	strcpy(address.sun_path, path);
	enum rc rc = clear_path(path, &address, why);
	if (rc != RC_OK)
		return rc;
	return bind_at(&address, out, status, why);
}

enum rc control_open(struct loop *loop, const char *path, control_handler *handler, void *context, struct control **out,
                     struct why *why)
{
	struct stat status;
	int fd = -1;
	enum rc rc = listen_at(path, &fd, &status, why);

	if (rc != RC_OK)
		return rc;
	struct control *control = mem_zalloc(sizeof *control);
	control->loop = loop;
	control->handler = handler;
	control->context = context;
	control->path = mem_strdup(path);
	control->device = status.st_dev;
	control->inode = status.st_ino;
	control->fd = fd;
	control->watch = loop_add_fd(loop, fd, LOOP_READ, on_connection, control);
	*out = control;
	return RC_OK;
}

void control_close(struct control **control)
{
	struct control *old = *control;
	struct stat status;

	if (old == NULL)
		return;
	*control = NULL;
	while (old->requests != NULL)
		request_end(old->requests);
	loop_timer_clear(old->loop, &old->pause);
	loop_remove(old->loop, &old->watch);
	if (lstat(old->path, &status) == 0 && status.st_dev == old->device && status.st_ino == old->inode)
		unlink(old->path);
	close(old->fd);
	free(old->path);
	free(old);
}

/* ---- for the handler ---- */

size_t control_words(const struct control_request *request)
{
	return request->word_count;
}

const char *control_word(const struct control_request *request, size_t index)
{
	return index < request->word_count ? request->words[index] : NULL;
}

void control_reply(struct control_request *request, const char *body, size_t length)
{
	begin_writing(request);
	buf_put(&request->out, "ok\n", 3);
	buf_put(&request->out, body, length);
	if (length > 0 && body[length - 1] != '\n')
		buf_put_u8(&request->out, '\n');
	buf_put(&request->out, ".\n", 2);
}

void control_refuse(struct control_request *request, const char *format, ...)
{
	char sentence[WHY_MAX];
	struct why clean;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	why_set(&clean, RC_REFUSED, "%s", sentence);
	begin_writing(request);
	buf_printf(&request->out, "error %s\n", clean.text);
}

void control_stream(struct control_request *request, bool (*more)(void *context, struct buf *out),
                    void (*done)(void *context), void *context)
{
	begin_writing(request);
	buf_put(&request->out, "ok\n", 3);
	request->more = more;
	request->done = done;
	request->context = context;
}
