/* link_monitor.c: the options both ends share, and the events that ZeroMQ tells about a socket.
 *
 * A wrong key, a refused one and a dead host all look like silence on the socket itself; only its monitor tells them
 * apart. Two traps: ZeroMQ's own thread waits when the monitor's queue is full, so the queue has no limit (an event has
 * a few bytes, and they are read at every turn of the loop); and a monitored socket whose monitor's reader is closed
 * first blocks that thread for ever, so monitoring is stopped before either is closed. */
#include "protocol/link_private.h"
#include "protocol/limits.h"

#include <stdio.h>
#include <string.h>
#include <zmq.h>

/* ZMQ_MAXMSGSIZE counts what is on the wire: "\x07MESSAGE", a nonce of 8, the box's 16, flags 1. */
#define CURVE_OVERHEAD (8 + 8 + 16 + 1)

bool link_set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

bool link_set_common(void *socket)
{
	const int64_t message_max = MESSAGE_BYTES_MAX + CURVE_OVERHEAD;
	return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &message_max, sizeof(message_max)) == 0 &&
	       link_set_int(socket, ZMQ_HANDSHAKE_IVL, LINK_HANDSHAKE_MS) &&
	       link_set_int(socket, ZMQ_HEARTBEAT_IVL, LINK_HEARTBEAT_MS) &&
	       link_set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, LINK_HEARTBEAT_TIMEOUT_MS) &&
	       link_set_int(socket, ZMQ_HEARTBEAT_TTL, LINK_HEARTBEAT_TIMEOUT_MS) &&
	       link_set_int(socket, ZMQ_LINGER, LINK_LINGER_MS) &&
	       link_set_int(socket, ZMQ_SNDHWM, LINK_QUEUE_MESSAGES) &&
	       link_set_int(socket, ZMQ_RCVHWM, LINK_QUEUE_MESSAGES);
}

bool link_monitor_open(struct link_monitor *monitor, void *zmq_context, void *socket, int events)
{
	char name[64];
	(void)snprintf(name, sizeof(name), "inproc://monitor-%p", socket);
	if (zmq_socket_monitor(socket, name, events) != 0)
		return false;
	monitor->watched = socket;
	monitor->socket = zmq_socket(zmq_context, ZMQ_PAIR);
	return monitor->socket && link_set_int(monitor->socket, ZMQ_LINGER, 0) &&
	       link_set_int(monitor->socket, ZMQ_RCVHWM, 0) && zmq_connect(monitor->socket, name) == 0;
}

void link_monitor_watch(struct link_monitor *monitor, struct loop *loop, loop_io *callback, void *context)
{
	monitor->handle = loop_add_zmq(loop, monitor->socket, LOOP_READ, callback, context);
}

bool link_monitor_read(struct link_monitor *monitor, int *event, uint32_t *value)
{
	/* Two frames: u16 event and u32 value in the machine's byte order; the endpoint, which we know. */
	uint8_t frame[6];
	int length = zmq_recv(monitor->socket, frame, sizeof(frame), ZMQ_DONTWAIT);
	if (length < 0)
		return false;
	char endpoint[1];
	int more = 1;
	size_t size = sizeof(more);
	while (zmq_getsockopt(monitor->socket, ZMQ_RCVMORE, &more, &size) == 0 && more)
		(void)zmq_recv(monitor->socket, endpoint, sizeof(endpoint), 0);
	uint16_t number;
	memcpy(&number, frame, sizeof(number));
	memcpy(value, frame + sizeof(number), sizeof(*value));
	*event = number;
	return true;
}

bool link_monitor_pending(const struct link_monitor *monitor)
{
	int events = 0;
	size_t size = sizeof(events);
	return zmq_getsockopt(monitor->socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN);
}

void link_monitor_close(struct link_monitor *monitor, struct loop *loop)
{
	if (monitor->watched)
		(void)zmq_socket_monitor(monitor->watched, NULL, 0);
	if (monitor->handle)
		loop_remove(loop, &monitor->handle);
	if (monitor->socket)
		(void)zmq_close(monitor->socket);
	*monitor = (struct link_monitor){0};
}
