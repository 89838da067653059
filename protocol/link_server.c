/* link_server.c: the listening end: a ROUTER socket that knows by key whom it talks to.
 *
 * ROUTER addresses connections by routing ids. Peers may choose theirs, and could so take the id of another that is
 * gone; so only ids that ZeroMQ made are taken (five bytes, the first one zero, the rest counted up from a random
 * number), and each message carries the user id that the ZAP handler gave to its connection (link_zap.c). */
#include "protocol/link.h"
#include "common/mem.h"
#include "protocol/link_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define MESSAGES_A_TURN 100      /* then timers, signals and other sockets have their turn */
#define ENDPOINT_MAX 256
#define ROUTING_LENGTH 5
#define ARRIVALS (ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED)
#define FAILURES (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)

struct link_server {
	struct loop *loop;
	struct link_server_events events;
	void *context;
	void *socket;
	struct watch_handle *handle;
	struct link_zap *zap;
	struct link_monitor monitor;
	struct link_connections *connections;
	char (*endpoints)[ENDPOINT_MAX];
	size_t count;
	uint64_t failed;
	uint64_t malformed;
};

static bool more_parts(void *socket)
{
	int more = 0;
	size_t size = sizeof(more);
	return zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) == 0 && more;
}

/* Who sent it, or false: its routing id or its user id isn't as we make them. */
static bool identify(zmq_msg_t *routing, zmq_msg_t *payload, struct link_peer *out)
{
	size_t length = zmq_msg_size(routing);
	const uint8_t *id = zmq_msg_data(routing);
	if (length != ROUTING_LENGTH || id[0] != 0)
		return false;
	*out = (struct link_peer){.routing_length = ROUTING_LENGTH};
	memcpy(out->routing, id, length);
	return link_user_id_parse(zmq_msg_gets(payload, "User-Id"), out->transport_key);
}

static void hear_monitor(struct link_server *server)
{
	int event;
	uint32_t value;
	while (link_monitor_read(&server->monitor, &event, &value)) {
		if (event & FAILURES)
			server->failed++;
		else if (event == ZMQ_EVENT_ACCEPTED)
			link_connections_accepted(server->connections, (int)value);
		else if (event == ZMQ_EVENT_DISCONNECTED)
			link_connections_gone(server->connections, (int)value);
	}
}

static bool keeps(void *context, const uint8_t key[LINK_KEY_BYTES])
{
	const struct link_server *server = context;
	return !server->events.keeps || server->events.keeps(server->events.context, key);
}

/* False: no more messages. */
static bool read_one(struct link_server *server)
{
	zmq_msg_t routing, payload;
	(void)zmq_msg_init(&routing);
	(void)zmq_msg_init(&payload);
	bool got = zmq_msg_recv(&routing, server->socket, ZMQ_DONTWAIT) >= 0;
	if (got) {
		/* A message is taken whole or not at all, so its later parts are there. */
		bool well = more_parts(server->socket) && zmq_msg_recv(&payload, server->socket, ZMQ_DONTWAIT) >= 0;
		while (more_parts(server->socket)) {
			well = false;
			(void)zmq_recv(server->socket, NULL, 0, ZMQ_DONTWAIT);
		}
		struct link_peer peer;
		if (well && identify(&routing, &payload, &peer)) {
			hear_monitor(server);      /* that its connection was accepted has been said before it came */
			bool counts = link_connections_spoke(server->connections, zmq_msg_get(&payload, ZMQ_SRCFD), peer.transport_key);
			if (counts && !keeps(server, peer.transport_key))
				link_server_review(server);
			else if (counts)
				server->events.message(server->events.context, &peer, zmq_msg_data(&payload), zmq_msg_size(&payload));
		} else {
			server->malformed++;
		}
	}
	(void)zmq_msg_close(&payload);
	(void)zmq_msg_close(&routing);
	return got;
}

static void on_readable(void *context, int events)
{
	(void)events;
	struct link_server *server = context;
	for (int i = 0; i < MESSAGES_A_TURN && read_one(server); i++)
		;
}

static void on_event(void *context, int events)
{
	(void)events;
	hear_monitor(context);
}

static bool set_options(struct link_server *server, const struct identity *identity)
{
	void *socket = server->socket;
	return link_set_common(socket) && link_set_int(socket, ZMQ_ROUTER_MANDATORY, 1) &&
	       link_set_int(socket, ZMQ_IPV6, 1) && link_set_int(socket, ZMQ_CURVE_SERVER, 1) &&
	       zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, identity_transport_secret(identity), LINK_KEY_BYTES) == 0 &&
	       zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, LINK_ZAP_DOMAIN, strlen(LINK_ZAP_DOMAIN)) == 0;
}

static enum rc bind_one(struct link_server *server, const char *endpoint, struct why *why)
{
	static const char prefix[] = "tcp://";
	if (strncmp(endpoint, prefix, strlen(prefix)) != 0)
		return why_set(why, RC_INVALID, "can't listen on \"%s\": write it as tcp://HOST:PORT, or tcp://*:PORT for all "
		               "addresses", endpoint);
	if (zmq_bind(server->socket, endpoint) != 0) {
		/* EINVAL: no port; ENODEV: no such address or name here. */
		enum rc rc = errno == EINVAL || errno == ENODEV ? RC_INVALID : RC_IO;
		return why_set(why, rc, "can't listen on \"%s\": %s", endpoint,
		               errno == EINVAL ? "write it as tcp://HOST:PORT" :
		               errno == ENODEV ? "this host has no such address" : zmq_strerror(errno));
	}
	size_t size = ENDPOINT_MAX;
	if (zmq_getsockopt(server->socket, ZMQ_LAST_ENDPOINT, server->endpoints[server->count], &size) != 0)
		return why_set(why, RC_IO, "can't learn where \"%s\" is bound: %s", endpoint, zmq_strerror(errno));
	server->count++;
	return RC_OK;
}

/* The doorkeeper stands before the door is opened. */
static enum rc start(struct link_server *server, const struct identity *identity, struct why *why)
{
	server->context = zmq_ctx_new();
	if (!server->context)
		mem_exhausted();
	server->zap = link_zap_open(server->loop, server->context, server->events.admit, server->events.context, why);
	if (!server->zap)
		return RC_IO;
	server->socket = zmq_socket(server->context, ZMQ_ROUTER);
	if (!server->socket || !set_options(server, identity) ||
	    !link_monitor_open(&server->monitor, server->context, server->socket, ARRIVALS | FAILURES))
		return why_set(why, RC_IO, "can't set up the listening socket: %s", zmq_strerror(errno));
	return RC_OK;
}

enum rc link_server_open(struct loop *loop, const struct identity *identity, const char *const *endpoints, size_t count,
                         const struct link_server_events *events, struct link_server **out, struct why *why)
{
	struct link_server *server = mem_zalloc(sizeof(*server));
	server->loop = loop;
	server->events = *events;
	server->endpoints = mem_zalloc((count ? count : 1) * sizeof(*server->endpoints));
	server->connections = link_connections_new(loop);
	enum rc rc = start(server, identity, why);
	for (size_t i = 0; rc == RC_OK && i < count; i++)
		rc = bind_one(server, endpoints[i], why);
	if (rc != RC_OK) {
		link_server_close(&server);
		return rc;
	}
	server->handle = loop_add_zmq(loop, server->socket, LOOP_READ, on_readable, server);
	link_monitor_watch(&server->monitor, loop, on_event, server);
	*out = server;
	return RC_OK;
}

void link_server_close(struct link_server **server)
{
	struct link_server *old = *server;
	if (!old)
		return;
	*server = NULL;
	if (old->handle)
		loop_remove(old->loop, &old->handle);
	link_monitor_close(&old->monitor, old->loop);
	if (old->socket)
		(void)zmq_close(old->socket);
	link_zap_close(&old->zap);
	link_connections_free(&old->connections);
	while (zmq_ctx_term(old->context) != 0 && errno == EINTR)
		;
	free(old->endpoints);
	free(old);
}

const char *link_server_endpoint(const struct link_server *server, size_t index)
{
	return index < server->count ? server->endpoints[index] : NULL;
}

void link_server_review(struct link_server *server)
{
	hear_monitor(server);
	link_connections_review(server->connections, keeps, server);
}

enum rc link_server_send(struct link_server *server, const struct link_peer *peer, const void *data, size_t length)
{
	/* The queue is looked at with the first part; the second then has its place. */
	if (zmq_send(server->socket, peer->routing, peer->routing_length, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
		return errno == EAGAIN ? RC_AGAIN : RC_NOT_FOUND;
	return zmq_send(server->socket, data, length, ZMQ_DONTWAIT) < 0 ? RC_NOT_FOUND : RC_OK;
}

struct link_server_counts link_server_counts(const struct link_server *server)
{
	return (struct link_server_counts){
		.refused = link_zap_refused(server->zap),
		.failed = server->failed,
		.malformed = server->malformed,
		.cut = link_connections_cut(server->connections),
		.connections = link_connections_count(server->connections),
	};
}
