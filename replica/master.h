/* master.h: a master that this replica is connected to: the link, the greeting, and which of its keys it answers to. */
#ifndef REPLICA_MASTER_H
#define REPLICA_MASTER_H

#include "common/identity.h"
#include "common/loop.h"
#include "protocol/message.h"

/* From the configuration; all that it points to outlives the master, or the next master_configure. */
struct master_spec {
	const char *name;
	const char *connect;             /* "tcp://HOST:PORT" */
	const struct pubkey *keys;       /* that are believed: tried in turn; any of them may sign */
	size_t key_count;
};

struct master;
struct master_events {
	void (*link)(void *context, struct master *master, bool up);
	void (*welcome)(void *context, struct master *master);
	/* Any message but WELCOME, decoded; the zone it names may be unknown. */
	void (*message)(void *context, struct master *master, const struct message *message);
	void (*refused)(void *context, const char *sentence);
	void *context;
};

/* software: what HELLO says, "rxfer-replica 1.0". RC_INVALID for an endpoint that can't be parsed. */
enum rc master_new(struct loop *loop, const struct identity *identity, const char *software,
                   const struct master_spec *spec, const struct master_events *events, struct master **out,
                   struct why *why);
void master_free(struct master **master);
/* After a reload; a connection stays when its address does, and its key is among the new ones. RC_INVALID: the old one
 * goes on. */
enum rc master_configure(struct master *master, const struct master_spec *spec, struct why *why);
/* The keys of its spec have become others: a connection to one that isn't among them any more is made anew. */
void master_keys_changed(struct master *master);

/* RC_AGAIN: not connected and greeted, or its queue is full. */
enum rc master_send(struct master *master, const void *data, size_t length);

bool master_greeted(const struct master *master);
const struct master_spec *master_spec(const struct master *master);

struct master_status {
	const char *state;       /* "connected", "connecting", "refused", "wrong-key", "version", "unreachable" */
	bool hopeless;           /* it won't get better by waiting */
	struct wall since;
	const char *error;       /* or "" */
};
struct master_status master_status(const struct master *master);

#endif
