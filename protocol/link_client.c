/* link_client.c: the connecting end: one DEALER socket, made anew for each attempt.
 *
 * ZeroMQ could reconnect by itself, but not well enough for us: after a refused key (the ZAP handler's 400) or an
 * answer that isn't ZeroMQ's it never tries again, and with a wrong server key it tries ten times a second for ever. A
 * socket that lives through several connections would also keep old messages for a new one. So each connection has its
 * own socket: whatever ends it is told as a state, and a timer opens the next one.
 *
 * What the monitor says (libzmq 4.3.4), and what it means:
 *     HANDSHAKE_SUCCEEDED                      up
 *     HANDSHAKE_FAILED_AUTH                    the master's doorkeeper refused our key
 *     HANDSHAKE_FAILED_NO_DETAIL, EAGAIN       connected, then silence: no master there, or one that hangs
 *     HANDSHAKE_FAILED_NO_DETAIL, others       closed in our face: the master couldn't open what we sealed with its key
 *     HANDSHAKE_FAILED_PROTOCOL                ZeroMQ, but not CURVE
 *     DISCONNECTED, before the handshake       not ZeroMQ at all
 *     DISCONNECTED, after it                   connection lost
 *     CLOSED                                   refused by the host, or no route, or no answer within CONNECT_MS
 *     CONNECT_RETRIED, nothing before it       the name can't be resolved */
#include "protocol/link.h"
#include "common/clock.h"
#include "common/mem.h"
#include "protocol/link_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define MESSAGES_A_TURN 100

/* One attempt every five seconds costs nobody anything, and a master that comes back is found within them. */
#define BACKOFF_FIRST_MS 100u
#define BACKOFF_MAX_MS 5000u
#define CONNECT_MS 10000
#define HOST_MAX 253
#define STEADY_MS 10000            /* a connection that held so long ends the back-off */
#define NEVER_MS 86400000          /* ZeroMQ's own reconnection */

#define EVENTS (ZMQ_EVENT_CLOSED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_DISCONNECTED | \
                ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | \
                ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)

struct link_client {
	struct loop *loop;
	struct link_client_events events;
	uint8_t public[LINK_KEY_BYTES];
	const struct identity *identity;
	uint8_t server_key[LINK_KEY_BYTES];
	char *endpoint;
	void *context;
	void *socket;                     /* NULL between attempts */
	struct watch_handle *handle;
	struct link_monitor monitor;
	struct timer retry;
	unsigned failures;                /* in a row: without a connection that held */
	struct mono up_since;
	bool ipv4_only;                   /* this attempt: see fail() */
	enum link_state state;
	const char *detail;
};

static void try_again(void *context);

const char *link_state_name(enum link_state state)
{
	switch (state) {
	case LINK_CONNECTING: return "connecting";
	case LINK_UP: return "connected";
	case LINK_UNREACHABLE: return "unreachable";
	case LINK_WRONG_KEY: return "wrong-key";
	case LINK_REFUSED: return "refused";
	}
	return "?";
}

static void close_socket(struct link_client *client)
{
	if (client->handle)
		loop_remove(client->loop, &client->handle);
	link_monitor_close(&client->monitor, client->loop);
	if (client->socket)
		(void)zmq_close(client->socket);
	client->socket = NULL;
}

/* Half of the interval and a random part of the other: many replicas don't come back in step. */
static int64_t backoff_ms(unsigned failures)
{
	unsigned interval = BACKOFF_FIRST_MS;
	for (unsigned i = 1; i < failures && interval < BACKOFF_MAX_MS; i++)
		interval *= 2;
	if (interval > BACKOFF_MAX_MS)
		interval = BACKOFF_MAX_MS;
	uint32_t random;
	identity_random(&random, sizeof(random));
	return interval / 2 + random % (interval / 2 + 1);
}

static void tell(struct link_client *client, enum link_state state, const char *detail)
{
	if (state == client->state && detail == client->detail)
		return;
	client->state = state;
	client->detail = detail;
	client->events.state(client->events.context, state, detail);
}

static void fail(struct link_client *client, enum link_state state, const char *detail)
{
	close_socket(client);
	/* Whoever cuts each connection as soon as it stands shall not have us connect, and log, ten times a second. */
	if (client->state == LINK_UP && mono_since(client->up_since) >= STEADY_MS)
		client->failures = 0;
	client->failures++;
	/* ZeroMQ takes a name's first address only, IPv6 before IPv4: with a broken IPv6 path it would never try the
	 * other. So every second attempt after no connection came about is made with IPv4 alone. */
	client->ipv4_only = state == LINK_UNREACHABLE && !client->ipv4_only;
	loop_timer_after(client->loop, &client->retry, backoff_ms(client->failures), try_again, client);
	tell(client, state, detail);
}

/* False: that was the end of this socket. */
static bool take_event(struct link_client *client, int event, uint32_t value)
{
	switch (event) {
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		client->up_since = clock_mono();
		tell(client, LINK_UP, "");
		return true;
	case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
		fail(client, LINK_REFUSED, "the master doesn't admit this key: is this replica's key in its configuration?");
		return false;
	case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		if (value == EAGAIN)
			fail(client, LINK_UNREACHABLE, "it takes connections and says nothing");
		else
			fail(client, LINK_WRONG_KEY, "it closes the connection when it sees the key we have for it: is that the "
			     "master's key?");
		return false;
	case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
		fail(client, LINK_WRONG_KEY, "it answers without keys: that isn't rxfer-master");
		return false;
	case ZMQ_EVENT_DISCONNECTED:
		if (client->state == LINK_UP)
			fail(client, LINK_UNREACHABLE, "the connection was lost");
		else
			fail(client, LINK_WRONG_KEY, "something else than rxfer-master answers there");
		return false;
	case ZMQ_EVENT_CLOSED:
		fail(client, LINK_UNREACHABLE, "no connection: nobody listens there, or no way leads there");
		return false;
	case ZMQ_EVENT_CONNECT_RETRIED:
		fail(client, LINK_UNREACHABLE, "no connection: the host's name can't be resolved");
		return false;
	}
	return true;
}

static void on_event(void *context, int events)
{
	(void)events;
	struct link_client *client = context;
	int event;
	uint32_t value;
	while (link_monitor_read(&client->monitor, &event, &value) && take_event(client, event, value))
		;
}

static void on_readable(void *context, int events)
{
	(void)events;
	struct link_client *client = context;
	for (int i = 0; i < MESSAGES_A_TURN && client->socket; i++) {
		zmq_msg_t message;
		(void)zmq_msg_init(&message);
		bool got = zmq_msg_recv(&message, client->socket, ZMQ_DONTWAIT) >= 0;
		/* A message of several parts breaks the protocol: each part is then a message that will hardly decode. */
		if (got)
			client->events.message(client->events.context, zmq_msg_data(&message), zmq_msg_size(&message));
		(void)zmq_msg_close(&message);
		if (!got)
			return;
	}
}

static bool set_options(struct link_client *client)
{
	void *socket = client->socket;
	const uint8_t *secret = identity_transport_secret(client->identity);
	return link_set_common(socket) && link_set_int(socket, ZMQ_IPV6, client->ipv4_only ? 0 : 1) &&
	       link_set_int(socket, ZMQ_IMMEDIATE, 1) && link_set_int(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS) &&
	       link_set_int(socket, ZMQ_RECONNECT_IVL, NEVER_MS) &&
	       zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, client->server_key, LINK_KEY_BYTES) == 0 &&
	       zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, client->public, LINK_KEY_BYTES) == 0 &&
	       zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, LINK_KEY_BYTES) == 0;
}

static bool host_valid(const char *host, size_t length)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	static const char address[] = "0123456789abcdefABCDEF:.";
	if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
		size_t plain = strspn(host + 1, address);
		return plain == length - 2 || (plain > 0 && host[1 + plain] == '%' && plain + 1 < length - 2 &&
		                               strspn(host + plain + 2, name) == length - plain - 3);      /* %INTERFACE */
	}
	return length > 0 && length <= HOST_MAX && host[0] != '.' && host[0] != '-' && host[0] != '_' &&
	       strspn(host, name) == length;
}

enum rc link_endpoint_check(const char *endpoint, struct why *why)
{
	static const char prefix[] = "tcp://";
	const char *host = endpoint + strlen(prefix);
	const char *colon = strrchr(endpoint, ':');
	if (strncmp(endpoint, prefix, strlen(prefix)) == 0 && colon > host && host_valid(host, (size_t)(colon - host))) {
		size_t digits = strspn(colon + 1, "0123456789");
		if (digits > 0 && digits <= 5 && colon[1 + digits] == '\0' && atoi(colon + 1) > 0 && atoi(colon + 1) <= 65535)
			return RC_OK;
	}
	return why_set(why, RC_INVALID, "\"%s\" isn't an address to connect to: write it as tcp://HOST:PORT", endpoint);
}

static enum rc open_socket(struct link_client *client, struct why *why)
{
	client->socket = zmq_socket(client->context, ZMQ_DEALER);
	if (!client->socket || !set_options(client) ||
	    !link_monitor_open(&client->monitor, client->context, client->socket, EVENTS)) {
		enum rc rc = why_set(why, RC_IO, "can't set up a socket: %s", zmq_strerror(errno));
		close_socket(client);
		return rc;
	}
	if (zmq_connect(client->socket, client->endpoint) != 0) {
		enum rc rc = why_set(why, errno == EINVAL ? RC_INVALID : RC_IO, "can't connect to \"%s\": %s",
		                     client->endpoint, zmq_strerror(errno));
		close_socket(client);
		return rc;
	}
	client->handle = loop_add_zmq(client->loop, client->socket, LOOP_READ, on_readable, client);
	link_monitor_watch(&client->monitor, client->loop, on_event, client);
	return RC_OK;
}

static void try_again(void *context)
{
	struct link_client *client = context;
	struct why why;
	if (open_socket(client, &why) != RC_OK)
		fail(client, LINK_UNREACHABLE, "this host has no descriptor left for a connection");
}

enum rc link_client_open(struct loop *loop, const struct identity *identity, const char *endpoint,
                         const uint8_t server_key[32], const struct link_client_events *events,
                         struct link_client **out, struct why *why)
{
	enum rc rc = link_endpoint_check(endpoint, why);
	if (rc != RC_OK)
		return rc;
	struct link_client *client = mem_zalloc(sizeof(*client));
	client->loop = loop;
	client->events = *events;
	client->identity = identity;
	memcpy(client->public, identity_public(identity)->transport, LINK_KEY_BYTES);
	memcpy(client->server_key, server_key, LINK_KEY_BYTES);
	client->endpoint = mem_strdup(endpoint);
	client->detail = "";
	client->context = zmq_ctx_new();
	if (!client->context)
		mem_exhausted();
	rc = open_socket(client, why);
	if (rc != RC_OK) {
		link_client_close(&client);
		return rc;
	}
	*out = client;
	return RC_OK;
}

void link_client_close(struct link_client **client)
{
	struct link_client *old = *client;
	if (!old)
		return;
	*client = NULL;
	loop_timer_clear(old->loop, &old->retry);
	close_socket(old);
	while (zmq_ctx_term(old->context) != 0 && errno == EINTR)
		;
	free(old->endpoint);
	free(old);
}

enum link_state link_client_state(const struct link_client *client)
{
	return client->state;
}

enum rc link_client_send(struct link_client *client, const void *data, size_t length)
{
	/* News about the connection comes first: a message must not go to a connection that hasn't said HELLO. */
	if (client->state != LINK_UP || link_monitor_pending(&client->monitor))
		return RC_AGAIN;
	return zmq_send(client->socket, data, length, ZMQ_DONTWAIT) < 0 ? RC_AGAIN : RC_OK;
}
