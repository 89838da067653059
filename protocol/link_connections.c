/* link_connections.c: who is connected to the listening end, and who has to go.
 *
 * ZeroMQ keeps a connection as long as the peer's heartbeats come, and an application can neither count connections nor
 * close one. So a replica whose key is admitted could open as many as it likes, each with a queue of its own that it
 * doesn't read, anybody could fill the table of descriptors with silence, and who was admitted once would stay. Three
 * rules:
 *
 *     A key has one connection: once a message has come on a newer one, the older ones are cut. A replica that comes
 *     back after an unclean end is thus never kept out by what is left of its old connection, but ends that.
 *
 *     A connection on which no message has come waits, at most WAIT_MS (a replica greets at once), and at most
 *     WAITING_MAX of them wait: then the longest waiting one is cut, as a handshake takes no time and idling does.
 *
 *     A connection whose key isn't admitted any more is cut when that becomes so, or when it first speaks.
 *
 * A descriptor is learned from the monitor's ACCEPTED, and from the message itself. It's ZeroMQ's, which closes it in
 * its own thread; what is done here is shutdown(2), and ZeroMQ sees an end of file, or can't write any more. What the
 * kernel still holds for the peer is thrown away when ZeroMQ closes it, without lingering. If it has just closed it, the
 * number may be another's: whose it is is asked before, by the peer's address and port. Should that be overtaken too, another
 * replica loses a connection, and makes a new one. */
#include "protocol/link_private.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define WAIT_MS (LINK_HANDSHAKE_MS + 20000)
#define WAITING_MAX 256u

struct connection {
	enum { NONE, WAITING, SPOKEN, CUT } state;
	uint8_t key[LINK_KEY_BYTES];           /* SPOKEN */
	struct mono since;
	struct sockaddr_storage peer;
	socklen_t peer_length;                 /* 0: gone before it could be asked */
};

struct link_connections {
	struct loop *loop;
	struct timer timer;
	struct connection *at;                 /* by descriptor */
	size_t count;
	uint64_t cut;
};

static bool peer_of(int fd, struct sockaddr_storage *peer, socklen_t *length)
{
	memset(peer, 0, sizeof(*peer));
	*length = sizeof(*peer);
	if (getpeername(fd, (struct sockaddr *)peer, length) == 0)
		return true;
	*length = 0;
	return false;
}

static void cut(struct link_connections *connections, size_t fd)
{
	struct connection *connection = &connections->at[fd];
	struct sockaddr_storage peer;
	socklen_t length;
	connection->state = CUT;
	connections->cut++;
	if (peer_of((int)fd, &peer, &length) && length == connection->peer_length &&
	    memcmp(&peer, &connection->peer, length) == 0) {
		const struct linger none = {.l_onoff = 1, .l_linger = 0};
		(void)setsockopt((int)fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		(void)shutdown((int)fd, SHUT_RDWR);
	}
}

/* The longest waiting one, or count when nobody waits. */
static size_t find_oldest(const struct link_connections *connections, size_t *waiting)
{
	size_t oldest = connections->count;
	*waiting = 0;
	for (size_t i = 0; i < connections->count; i++) {
		if (connections->at[i].state != WAITING)
			continue;
		++*waiting;
		if (oldest == connections->count || connections->at[i].since.ms < connections->at[oldest].since.ms)
			oldest = i;
	}
	return oldest;
}

static void on_wait_over(void *context)
{
	struct link_connections *connections = context;
	size_t waiting, oldest;
	while ((oldest = find_oldest(connections, &waiting)) < connections->count) {
		struct mono due = mono_add(connections->at[oldest].since, WAIT_MS);
		if (mono_since(due) < 0) {
			loop_timer_set(connections->loop, &connections->timer, due, on_wait_over, connections);
			return;
		}
		cut(connections, oldest);
	}
}

void link_connections_accepted(struct link_connections *connections, int fd)
{
	size_t index = (size_t)fd;
	if (index >= connections->count) {
		size_t count = index + 64;
		connections->at = mem_realloc(connections->at, count, sizeof(*connections->at));
		memset(connections->at + connections->count, 0, (count - connections->count) * sizeof(*connections->at));
		connections->count = count;
	}
	struct connection *connection = &connections->at[index];
	*connection = (struct connection){.state = WAITING, .since = clock_mono()};
	(void)peer_of(fd, &connection->peer, &connection->peer_length);
	size_t waiting, oldest = find_oldest(connections, &waiting);
	if (waiting > WAITING_MAX)
		cut(connections, oldest);
	if (!connections->timer.armed)
		loop_timer_after(connections->loop, &connections->timer, WAIT_MS, on_wait_over, connections);
}

void link_connections_gone(struct link_connections *connections, int fd)
{
	if ((size_t)fd < connections->count)
		connections->at[fd].state = NONE;
}

static bool is_of(const struct connection *connection, const uint8_t key[LINK_KEY_BYTES])
{
	return connection->state == SPOKEN && memcmp(connection->key, key, LINK_KEY_BYTES) == 0;
}

bool link_connections_spoke(struct link_connections *connections, int fd, const uint8_t key[LINK_KEY_BYTES])
{
	struct connection *connection = fd >= 0 && (size_t)fd < connections->count ? &connections->at[fd] : NULL;
	/* Gone, but what it sent is still there: it had its say. */
	if (!connection || connection->state == NONE || is_of(connection, key))
		return true;
	if (connection->state == CUT)
		return false;
	for (size_t i = 0; i < connections->count; i++)
		if (is_of(&connections->at[i], key))
			cut(connections, i);
	connection->state = SPOKEN;
	memcpy(connection->key, key, LINK_KEY_BYTES);
	return true;
}

void link_connections_review(struct link_connections *connections, link_keeps *keeps, void *context)
{
	for (size_t i = 0; i < connections->count; i++)
		if (connections->at[i].state == SPOKEN && !keeps(context, connections->at[i].key))
			cut(connections, i);
}

struct link_connections *link_connections_new(struct loop *loop)
{
	struct link_connections *connections = mem_zalloc(sizeof(*connections));
	connections->loop = loop;
	return connections;
}

void link_connections_free(struct link_connections **connections)
{
	if (!*connections)
		return;
	loop_timer_clear((*connections)->loop, &(*connections)->timer);
	free((*connections)->at);
	free(*connections);
	*connections = NULL;
}

size_t link_connections_count(const struct link_connections *connections)
{
	size_t count = 0;
	for (size_t i = 0; i < connections->count; i++)
		count += connections->at[i].state != NONE;
	return count;
}

uint64_t link_connections_cut(const struct link_connections *connections)
{
	return connections->cut;
}
