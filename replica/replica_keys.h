/* replica_keys.h: the masters' keys (trust.h) put to use: by links, by sessions, in what is answered. */
#ifndef REPLICA_REPLICA_KEYS_H
#define REPLICA_REPLICA_KEYS_H

#include "replica/replica.h"

/* For a configuration that isn't in use yet: fills trusts, and gives its masters and zones the keys that are believed.
 * Nothing is written. */
void replica_keys_open(struct replica *replica);
/* The configuration is in force. */
void replica_keys_settle(struct replica *replica);
void replica_keys_close(struct replica *replica);

/* KEYS has come from that master. RC_REFUSED: it's not to be believed. RC_IO: it can't be kept, nothing has changed. */
enum rc replica_keys_heard(struct replica *replica, struct master *master, const struct handover *word,
                           struct why *why);

#endif
