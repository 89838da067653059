/* control_ask.c: the asking side of control.h: one question, the whole answer or an error.
 *
 * The answer is whole when its last line is the dot. What happens to the connection after that is of no interest. */
#include "common/control.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)1 << 30)
#define READ_BYTES 65536u

static enum rc build_request(const char *const *words, size_t count, struct buf *out, struct why *why)
{
	for (size_t i = 0; i < count; i++) {
		if (words[i][0] == '\0' || strpbrk(words[i], "\t\r\n") != NULL)
			return why_set(why, RC_INVALID, "\"%s\" can't be sent: it is empty, or has a TAB or line end in it",
			               words[i]);
		if (i > 0)
			buf_put_u8(out, '\t');
		buf_put(out, words[i], strlen(words[i]));
	}
	buf_put_u8(out, '\n');
	if (out->length > CONTROL_REQUEST_MAX || count > CONTROL_WORDS_MAX)
		return why_set(why, RC_INVALID, "the request is too long");
	return RC_OK;
}

static enum rc connect_to(const char *path, int timeout_ms, int *out, struct why *why)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };

	if (strlen(path) >= sizeof address.sun_path)
		return why_set(why, RC_NOT_FOUND, "%s: too long for the name of a socket", path);
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return why_set(why, RC_IO, "can't make a socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
		*out = fd;
		return RC_OK;
	}
	int error = errno;
	close(fd);
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return why_set(why, RC_NOT_FOUND, "%s: there is no such socket", path);
	case ECONNREFUSED:
		return why_set(why, RC_NOT_FOUND, "%s: nobody answers there any more", path);
	case EACCES:
	case EPERM:
		return why_set(why, RC_REFUSED, "%s: no permission: ask as root, or as a member of the socket's group", path);
	case EAGAIN:
		return why_set(why, RC_AGAIN, "%s: the daemon doesn't answer", path);
	default:
		return why_set(why, RC_IO, "%s: %s", path, strerror(error));
	}
}

/* Reads until the other side closes. RC_OK says nothing about whether the answer is whole. */
static enum rc read_answer(int fd, const char *path, struct buf *out, struct why *why)
{
	size_t before = out->length;

	for (;;) {
		buf_reserve(out, READ_BYTES);
		ssize_t got = recv(fd, out->data + out->length, READ_BYTES, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return why_set(why, RC_AGAIN, "%s: the daemon doesn't answer", path);
		if (got <= 0)
			return RC_OK;
		out->length += (size_t)got;
		if (out->length - before > ANSWER_MAX)
			return why_set(why, RC_LIMIT, "%s: the answer is longer than %zu bytes", path, ANSWER_MAX);
	}
}

/* Leaves the body of "ok LF body . LF". */
static enum rc take_body(struct buf *out, size_t before, const char *path, struct why *why)
{
	char *answer = (char *)out->data + before;
	size_t length = out->length - before;

	if (length >= 7 && memcmp(answer, "error ", 6) == 0 && answer[length - 1] == '\n' && length < WHY_MAX + 7)
		return why_set(why, RC_REFUSED, "%.*s", (int)(length - 7), answer + 6);
	if (length < 5 || memcmp(answer, "ok\n", 3) != 0 || memcmp(answer + length - 3, "\n.\n", 3) != 0)
		return why_set(why, RC_IO, "%s: the answer was cut off", path);
	memmove(answer, answer + 3, length - 5);
	out->length -= 5;
	return RC_OK;
}

enum rc control_ask(const char *path, const char *const *words, size_t count, int timeout_ms, struct buf *out,
                    struct why *why)
{
	struct buf request = { 0 };
	size_t before = out->length;
	int fd = -1;
	enum rc rc = build_request(words, count, &request, why);

	if (rc == RC_OK)
		rc = connect_to(path, timeout_ms, &fd, why);
	if (rc != RC_OK)
		goto end;
	/* A daemon with too many clients answers and closes without reading: so a failed send isn't the end. */
	(void)send(fd, request.data, request.length, MSG_NOSIGNAL);
	rc = read_answer(fd, path, out, why);
	if (rc == RC_OK)
		rc = take_body(out, before, path, why);
	if (rc != RC_OK)
		out->length = before;
	close(fd);
end:
	buf_free(&request);
	return rc;
}
