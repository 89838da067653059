/* control.h: the socket over which people ask a daemon: one line in, an answer out, then closed.
 *
 * Request: words separated by TAB, ended by LF, at most 4096 bytes ("status", "list TAB example"). Answer: "ok LF", body
 * lines, ". LF" alone; or "error SENTENCE LF". A client that doesn't see the final dot knows that it was cut off.
 * A client that is slow or silent is cut off after 30 s without progress; at most 32 at once. */
#ifndef COMMON_CONTROL_H
#define COMMON_CONTROL_H

#include "common/buf.h"
#include "common/loop.h"
#include "common/why.h"

#include <stddef.h>

#define CONTROL_REQUEST_MAX 4096
#define CONTROL_WORDS_MAX 16

struct control;
struct control_request;      /* to be answered exactly once by reply, refuse or stream, now or later */

typedef void control_handler(void *context, struct control_request *request);

/* Makes a socket of mode 0660 at path. A stale one (nobody answers) is replaced; RC_REFUSED when a living daemon
 * answers there; RC_IO. */
enum rc control_open(struct loop *loop, const char *path, control_handler *handler, void *context, struct control **out,
                     struct why *why);
/* Removes the socket. Pending requests are dropped: they are freed, and must not be answered any more. */
void control_close(struct control **control);

size_t control_words(const struct control_request *request);
const char *control_word(const struct control_request *request, size_t index);     /* 0 is the command; NULL beyond */

/* body: lines, each ended by LF (one is added at the end if missing); copied. */
void control_reply(struct control_request *request, const char *body, size_t length);
void control_refuse(struct control_request *request, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A long answer: more is called whenever the buffer has been sent; it appends some lines and returns true, or false when
 * that was the end. done is called exactly once, also when the client went away: it frees the context. */
void control_stream(struct control_request *request, bool (*more)(void *context, struct buf *out),
                    void (*done)(void *context), void *context);

/* The other side, for the rxfer command: asks and appends the body to *out. RC_NOT_FOUND (no socket, nobody there),
 * RC_REFUSED (permission; or the daemon answered "error": the sentence is in why), RC_IO (cut off), RC_AGAIN
 * (timeout_ms without progress), RC_INVALID (words that can't be sent), RC_LIMIT (more than 1 GiB). */
enum rc control_ask(const char *path, const char *const *words, size_t count, int timeout_ms, struct buf *out,
                    struct why *why);

#endif
