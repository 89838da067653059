/* smtp.c: one session with an SMTP server.
 *
 * The socket doesn't block; waiting is done in one place (wait_for), against one deadline for each step, so that a
 * server that sends a byte a minute is as limited as one that is silent. What is sent and what is received are moved in
 * the same loop: a server that doesn't read while we don't read either stops nobody. */
#include "ctl/smtp.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define GOODBYE_MS 1000
#define READ_BYTES 16384

struct smtp {
	struct smtp_spec spec;
	int fd;
	size_t owed;                       /* commands put whose replies haven't been taken */
	bool broken;
	struct buf out;                    /* to be sent */
	struct buf in;                     /* received, and not taken yet */
	struct smtp_reply_reader reader;
	struct smtp_reply hello;           /* EHLO's answer, or "" after HELO */
};

/* RC_OK: fd is ready for what was asked, or has an error to be met by the next call. */
static enum rc wait_for(int fd, short events, struct mono deadline, int interrupt_fd, struct why *why)
{
	struct pollfd fds[] = { { .fd = fd, .events = events }, { .fd = interrupt_fd, .events = POLLIN } };

	for (;;) {
		int64_t left = -mono_since(deadline);
		if (left <= 0)
			return why_set(why, RC_IO, "no answer in time");
		int ready = poll(fds, 2, (int)(left < 60000 ? left : 60000));
		if (ready < 0 && errno != EINTR)
			return why_set(why, RC_IO, "poll: %s", strerror(errno));
		if (ready > 0 && fds[1].revents != 0)
			return why_set(why, RC_IO, "interrupted");
		if (ready > 0 && fds[0].revents != 0)
			return RC_OK;
	}
}

static enum rc connect_address(const struct smtp_spec *spec, const struct addrinfo *address, int *out, struct why *why)
{
	int error = 0, on = 1;
	socklen_t length = sizeof error;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return why_set(why, RC_IO, "can't make a socket: %s", strerror(errno));
	if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
		error = errno;
	} else {
		enum rc rc = wait_for(fd, POLLOUT, mono_add(clock_mono(), spec->timeout_ms), spec->interrupt_fd, why);
		if (rc != RC_OK) {
			close(fd);
			return rc;
		}
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	}
	if (error != 0) {
		close(fd);
		return why_set(why, RC_IO, "%s", strerror(error));
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	*out = fd;
	return RC_OK;
}

static enum rc connect_host(const struct smtp_spec *spec, int *out, struct why *why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int error = getaddrinfo(spec->host, spec->port, &hints, &found);
	enum rc rc = RC_IO;

	if (error != 0)
		return why_set(why, RC_NOT_FOUND, "%s", error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
	for (const struct addrinfo *address = found; address != NULL && rc != RC_OK; address = address->ai_next)
		rc = connect_address(spec, address, out, why);
	freeaddrinfo(found);
	return rc;
}

void smtp_put(struct smtp *smtp, const char *format, ...)
{
	char line[SMTP_COMMAND_MAX + 1];
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	assert(length > 0 && (size_t)length < sizeof line && strpbrk(line, "\r\n") == NULL);
	buf_put(&smtp->out, line, (size_t)length);
	buf_put(&smtp->out, "\r\n", 2);
	smtp->owed++;
}

static enum rc move(struct smtp *smtp, struct mono deadline, struct why *why)
{
	short events = (short)(POLLIN | (smtp->out.length > 0 ? POLLOUT : 0));
	enum rc rc = wait_for(smtp->fd, events, deadline, smtp->spec.interrupt_fd, why);

	if (rc != RC_OK)
		return rc;
	if (smtp->out.length > 0) {
		ssize_t sent = send(smtp->fd, smtp->out.data, smtp->out.length, MSG_NOSIGNAL);
		if (sent > 0)
			buf_consume(&smtp->out, (size_t)sent);
		/* Whoever hangs up may have said why before: an error in sending is met again in receiving. */
		else if (sent < 0 && errno != EAGAIN && errno != EINTR)
			buf_clear(&smtp->out);
	}
	buf_reserve(&smtp->in, READ_BYTES);
	ssize_t got = recv(smtp->fd, smtp->in.data + smtp->in.length, READ_BYTES, 0);
	if (got > 0)
		smtp->in.length += (size_t)got;
	else if (got == 0)
		return why_set(why, RC_IO, "the server hung up");
	else if (errno != EAGAIN && errno != EINTR)
		return why_set(why, RC_IO, "the connection broke: %s", strerror(errno));
	return RC_OK;
}

static enum rc take_until(struct smtp *smtp, struct mono deadline, struct smtp_reply *out, struct why *why)
{
	for (;;) {
		size_t taken = smtp->in.length;
		enum rc rc = smtp_reply_read(&smtp->reader, smtp->in.data, smtp->in.length, &taken, why);
		buf_consume(&smtp->in, taken);
		if (rc == RC_AGAIN)
			rc = move(smtp, deadline, why);
		else if (rc == RC_OK) {
			*out = smtp->reader.reply;
			smtp->owed -= smtp->owed > 0;
			return RC_OK;
		}
		if (rc != RC_OK) {
			smtp->broken = true;
			return rc;
		}
	}
}

enum rc smtp_take(struct smtp *smtp, struct smtp_reply *out, struct why *why)
{
	return take_until(smtp, mono_add(clock_mono(), smtp->spec.timeout_ms), out, why);
}

static void own_literal(int fd, char *out, size_t length)
{
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof address;
	char text[INET6_ADDRSTRLEN] = "127.0.0.1";
	bool six;

	getsockname(fd, (struct sockaddr *)&address, &size);
	six = address.ss_family == AF_INET6;
	if (six)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&address)->sin6_addr, text, sizeof text);
	else if (address.ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)&address)->sin_addr, text, sizeof text);
	snprintf(out, length, "[%s%s]", six ? "IPv6:" : "", text);
}

static enum rc refused(const struct smtp_reply *reply, const char *what, struct why *why)
{
	char line[400];

	smtp_reply_line(reply, line, sizeof line);
	return why_set(why, reply->code / 100 == 4 ? RC_AGAIN : RC_REFUSED, "%s: %s", what, line);
}

static enum rc introduce(struct smtp *smtp, struct why *why)
{
	struct smtp_reply reply;
	char literal[INET6_ADDRSTRLEN + 8];
	const char *name = smtp->spec.helo;
	enum rc rc = smtp_take(smtp, &reply, why);

	if (rc != RC_OK)
		return rc;
	if (reply.code / 100 != 2)
		return refused(&reply, "it doesn't let us in", why);
	if (name == NULL) {
		own_literal(smtp->fd, literal, sizeof literal);
		name = literal;
	}
	smtp_put(smtp, "EHLO %s", name);
	rc = smtp_take(smtp, &smtp->hello, why);
	if (rc != RC_OK || smtp->hello.code / 100 == 2)
		return rc;
	if (smtp->hello.code / 100 == 5) {
		smtp_put(smtp, "HELO %s", name);
		rc = smtp_take(smtp, &reply, why);
		smtp->hello.text[0] = '\0';
		if (rc != RC_OK || reply.code / 100 == 2)
			return rc;
		return refused(&reply, "it doesn't like our name", why);
	}
	return refused(&smtp->hello, "it doesn't let us in", why);
}

enum rc smtp_open(const struct smtp_spec *spec, struct smtp **out, struct why *why)
{
	int fd = -1;
	enum rc rc = connect_host(spec, &fd, why);

	if (rc != RC_OK)
		return rc;
	struct smtp *smtp = mem_zalloc(sizeof *smtp);
	smtp->spec = *spec;
	smtp->fd = fd;
	rc = introduce(smtp, why);
	if (rc == RC_OK)
		*out = smtp;
	else
		smtp_close(&smtp);
	return rc;
}

void smtp_close(struct smtp **smtp)
{
	struct smtp *old = *smtp;
	struct smtp_reply reply;

	if (old == NULL)
		return;
	*smtp = NULL;
	if (!old->broken && old->owed == 0) {
		smtp_put(old, "QUIT");
		(void)take_until(old, mono_add(clock_mono(), GOODBYE_MS), &reply, NULL);
	}
	close(old->fd);
	buf_free(&old->out);
	buf_free(&old->in);
	free(old);
}

bool smtp_offers(const struct smtp *smtp, const char *keyword)
{
	size_t length = strlen(keyword);

	/* The first line is the greeting's. */
	for (const char *at = strchr(smtp->hello.text, '\n'); at != NULL; at = strchr(at, '\n')) {
		at++;
		if (strncasecmp(at, keyword, length) == 0 && strchr(" \n", at[length]) != NULL)
			return true;
	}
	return false;
}

static bool is_port(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length < 32 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

enum rc smtp_parse_target(const char *text, char **host, char **port, struct why *why)
{
	const char *end = text[0] == '[' ? strchr(text, ']') : text + strcspn(text, ":");
	const char *begin = text + (text[0] == '[');

	const char *rest = end == NULL ? "" : text[0] == '[' ? end + 1 : end;

	if (end == NULL || end == begin || end - begin > 255 ||
	    (rest[0] != '\0' && (rest[0] != ':' || !is_port(rest + 1))))
		return why_set(why, RC_INVALID, "\"%s\" isn't HOST:PORT; an IPv6 address goes into brackets: [::1]:25", text);
	*host = mem_strndup(begin, (size_t)(end - begin));
	*port = mem_strdup(rest[0] == ':' ? rest + 1 : "25");
	return RC_OK;
}
