/* link_private.h: what the two ends of the transport share. For link_*.c only. */
#ifndef PROTOCOL_LINK_PRIVATE_H
#define PROTOCOL_LINK_PRIVATE_H

#include "common/loop.h"
#include "common/why.h"
#include "protocol/link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_ZAP_DOMAIN "rxfer"
#define LINK_KEY_BYTES 32
#define LINK_USER_ID_MAX (2 * LINK_KEY_BYTES + 1)

#define LINK_QUEUE_MESSAGES 64          /* each way, for each connection: at most so many MiB */
#define LINK_HANDSHAKE_MS 10000         /* somebody who connects and says nothing is cut off after that */
#define LINK_HEARTBEAT_MS 5000          /* PING so often ... */
#define LINK_HEARTBEAT_TIMEOUT_MS 20000 /* ... and a connection on which nothing came for so long is dead */
#define LINK_LINGER_MS 500              /* what a closing end may spend on sending its last words */

/* Options that must be set before connect and bind, the same at both ends. False: a failed call, in errno. */
bool link_set_int(void *socket, int option, int value);
bool link_set_common(void *socket);

/* ---- Socket events ---- */

struct link_monitor {
	void *watched;
	void *socket;
	struct watch_handle *handle;
};

/* events: ZMQ_EVENT_...; callback is called when link_monitor_read has something. False: errno. */
bool link_monitor_open(struct link_monitor *monitor, void *zmq_context, void *socket, int events);
void link_monitor_watch(struct link_monitor *monitor, struct loop *loop, loop_io *callback, void *context);
/* False when there are no more. */
bool link_monitor_read(struct link_monitor *monitor, int *event, uint32_t *value);
bool link_monitor_pending(const struct link_monitor *monitor);
/* Before the watched socket is closed. A zeroed one is fine. */
void link_monitor_close(struct link_monitor *monitor, struct loop *loop);

/* ---- Who is connected ---- */

struct link_connections;
struct link_connections *link_connections_new(struct loop *loop);
void link_connections_free(struct link_connections **connections);
/* What the monitor says of a descriptor. */
void link_connections_accepted(struct link_connections *connections, int fd);
void link_connections_gone(struct link_connections *connections, int fd);
/* A message has come on it, from that key; after all that the monitor has said before. False: it was cut, and what still
 * comes of it doesn't count: its greeting would supersede the newer one's. */
bool link_connections_spoke(struct link_connections *connections, int fd, const uint8_t key[LINK_KEY_BYTES]);
/* Cuts those that have spoken, with a key that isn't kept. */
typedef bool link_keeps(void *context, const uint8_t key[LINK_KEY_BYTES]);
void link_connections_review(struct link_connections *connections, link_keeps *keeps, void *context);
size_t link_connections_count(const struct link_connections *connections);
uint64_t link_connections_cut(const struct link_connections *connections);

/* ---- Who may come in ---- */

struct link_zap;
/* NULL: why says it. See link.h on admit. */
struct link_zap *link_zap_open(struct loop *loop, void *zmq_context, link_admit *admit, void *context, struct why *why);
void link_zap_close(struct link_zap **zap);
uint64_t link_zap_refused(const struct link_zap *zap);

/* The user id that the handler gives to a connection: its key in hex. Parsing fails for anything else. */
void link_user_id(const uint8_t key[LINK_KEY_BYTES], char out[LINK_USER_ID_MAX]);
bool link_user_id_parse(const char *text, uint8_t key[LINK_KEY_BYTES]);

#endif
