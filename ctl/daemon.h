/* daemon.h: which daemon a command is for, and asking it. */
#ifndef CTL_DAEMON_H
#define CTL_DAEMON_H

#include "common/buf.h"
#include "common/why.h"
#include "ctl/options.h"

#define DAEMON_SOCKETS_MAX 2

/* The sockets to ask: the one named by -s, --master or --replica, else those of the two default ones that are there.
 * Returns how many. RC_NOT_FOUND-like cases are 0, with the sentence in why. */
int daemon_sockets(const struct options *options, const char *sockets[DAEMON_SOCKETS_MAX], struct why *why);

/* The socket of the one daemon that the options mean. RC_NOT_FOUND: there is none; RC_INVALID when two daemons are here
 * and the options don't say which. */
enum rc daemon_socket(const struct options *options, const char **out, struct why *why);

/* Asks the one daemon that the options mean: command, and options->word when there is one. Errors as daemon_socket
 * and control_ask. */
enum rc daemon_ask(const struct options *options, const char *command, int timeout_ms, struct buf *out,
                   struct why *why);

#endif
