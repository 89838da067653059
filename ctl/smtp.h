/* smtp.h: one session with an SMTP server, from the client's side, as far as RCPT: there is no way to send a message.
 *
 * Everything waits, but never for longer than the time limit, and not a moment longer once interrupt_fd is readable. */
#ifndef CTL_SMTP_H
#define CTL_SMTP_H

#include "common/why.h"
#include "ctl/smtp_reply.h"

#include <stdbool.h>

#define SMTP_COMMAND_MAX 2040         /* without CR LF: Postfix's line_length_limit is 2048 */

struct smtp;

/* Plain data; the texts belong to the caller, and must live as long as the session. */
struct smtp_spec {
	const char *host;             /* a name or an address, IPv6 without brackets */
	const char *port;             /* a number or a service */
	const char *helo;             /* NULL: our end's address, as a literal (RFC 5321, 4.1.3) */
	int timeout_ms;               /* for connecting to one address, and for one reply with what leads to it */
	int interrupt_fd;             /* once it is readable, all ends with RC_IO; -1: there is none */
};

/* Connects, waits for the greeting, says EHLO (or HELO, where that isn't known). RC_NOT_FOUND: no such host; RC_IO:
 * nobody there, hung up, too slow, interrupted; RC_AGAIN: put off with 4xx; RC_REFUSED: turned away with 5xx;
 * RC_INVALID and RC_LIMIT: it doesn't speak SMTP. The sentence has the reply, not the server's name. */
enum rc smtp_open(const struct smtp_spec *spec, struct smtp **out, struct why *why);
/* Says QUIT when all replies have come, and waits a moment for the answer. Nulls the handle; NULL is a no-op. */
void smtp_close(struct smtp **smtp);

bool smtp_offers(const struct smtp *smtp, const char *keyword);      /* of EHLO's answer: "PIPELINING" */

/* Puts a command among those to be sent; CR LF is added. At most SMTP_COMMAND_MAX bytes, no control characters: the
 * caller has seen to it. */
void smtp_put(struct smtp *smtp, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sends what was put, and takes the next reply. RC_IO, RC_INVALID, RC_LIMIT as above: then smtp_close is all that can
 * still be done. */
enum rc smtp_take(struct smtp *smtp, struct smtp_reply *out, struct why *why);

/* "HOST", "HOST:PORT", "[IPV6]:PORT", "[IPV6]"; without a port it is 25. RC_INVALID. The caller frees both. */
enum rc smtp_parse_target(const char *text, char **host, char **port, struct why *why);

#endif
