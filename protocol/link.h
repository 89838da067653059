/* link.h: the transport: one ROUTER at the master, a DEALER at each replica, CURVE and ZAP between them.
 *
 * The daemons' logic knows only these calls; a test or a simulator can stand in their place. Frames that arrive here
 * come from a peer whose key was proved; nothing else about them is known yet. A key has one connection, the newest
 * that has spoken. An end must not be closed from within one of its own events. */
#ifndef PROTOCOL_LINK_H
#define PROTOCOL_LINK_H

#include "common/identity.h"
#include "common/loop.h"
#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- The listening end ---- */

struct link_server;

/* One connection of one peer. Plain data, to be copied; names nothing once the connection is gone. */
struct link_peer {
	uint8_t transport_key[32];     /* proved by CURVE, bound to the connection by ZAP's user id */
	uint8_t routing[32];
	uint8_t routing_length;
};

/* May this key come in? Asked at each handshake. address: where it comes from, without a port. */
typedef bool link_admit(void *context, const uint8_t transport_key[32], const char *address);

struct link_server_events {
	link_admit *admit;
	void (*message)(void *context, const struct link_peer *peer, const void *data, size_t length);
	void *context;
	/* Is a key that was admitted still? Asked for each message, and by link_server_review. NULL: always. */
	bool (*keeps)(void *context, const uint8_t transport_key[32]);
};

/* Binds to all endpoints ("tcp://HOST:PORT"; port * picks a free one, see link_server_endpoint). RC_INVALID, RC_IO with
 * the endpoint named. */
enum rc link_server_open(struct loop *loop, const struct identity *identity, const char *const *endpoints, size_t count,
                         const struct link_server_events *events, struct link_server **out, struct why *why);
void link_server_close(struct link_server **server);
const char *link_server_endpoint(const struct link_server *server, size_t index);    /* as bound */

/* Other keys are admitted than before: connections of those that aren't any more are cut, with what is queued for
 * them. */
void link_server_review(struct link_server *server);

/* Never blocks. RC_AGAIN: the peer doesn't read, its queue is full, nothing was sent. RC_NOT_FOUND: it's gone. */
enum rc link_server_send(struct link_server *server, const struct link_peer *peer, const void *data, size_t length);

struct link_server_counts {
	uint64_t refused;          /* handshakes of keys that aren't admitted */
	uint64_t failed;           /* handshakes that broke off: a wrong server key at the other end, or no CURVE at all */
	uint64_t malformed;        /* messages of several parts, or from a peer that chose its own routing id */
	uint64_t cut;              /* connections: a newer one of the same key has spoken, the key isn't admitted any more, or
	                            * it was silent for too long */
	size_t connections;        /* at present, also those whose key isn't proved yet */
};
struct link_server_counts link_server_counts(const struct link_server *server);

/* ---- The connecting end ---- */

struct link_client;

enum link_state {
	LINK_CONNECTING,       /* nothing has been heard yet */
	LINK_UP,               /* handshake done */
	LINK_UNREACHABLE,      /* no answer, refused by the host, name not found */
	LINK_WRONG_KEY,        /* it answers, but not to the key we were told: the handshake never completes */
	LINK_REFUSED           /* it knows our key and doesn't let us in */
};
/* "connecting", "connected", "unreachable", "wrong-key", "refused" */
const char *link_state_name(enum link_state state);

struct link_client_events {
	/* detail: a sentence for people, a static string; "" when up. */
	void (*state)(void *context, enum link_state state, const char *detail);
	void (*message)(void *context, const void *data, size_t length);
	void *context;
};

/* "tcp://HOST:PORT", HOST a name, an IPv4 address, or an IPv6 address in brackets; whether it exists is another matter.
 * RC_INVALID: link_client_open would say the same. */
enum rc link_endpoint_check(const char *endpoint, struct why *why);

/* Connects and reconnects by itself, with back-off and jitter (100 ms up to 5 s). RC_INVALID as above. server_key is
 * the transport half of the master's key. The identity must outlive the client. */
enum rc link_client_open(struct loop *loop, const struct identity *identity, const char *endpoint,
                         const uint8_t server_key[32], const struct link_client_events *events,
                         struct link_client **out, struct why *why);
void link_client_close(struct link_client **client);
enum link_state link_client_state(const struct link_client *client);

/* Never blocks. RC_AGAIN: not up (any more), or the queue is full. What was sent may still be lost with the
 * connection. */
enum rc link_client_send(struct link_client *client, const void *data, size_t length);

#endif
