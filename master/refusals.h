/* refusals.h: the keys that were turned away at the door, for the log and for status: whoever has pasted a wrong key
 * into the configuration shall see the right one.
 *
 * A handshake shows the transport half of a key alone. So the lines here have zeros for the signing half: a master never
 * asks for that, and takes such a line as a replica's key (identity.h). */
#ifndef MASTER_REFUSALS_H
#define MASTER_REFUSALS_H

#include "common/calm.h"
#include "common/identity.h"

#define REFUSALS_ADDRESS_MAX 64
#define REFUSALS_REMEMBERED 8u

struct refusals_line {
	uint8_t transport_key[32];
	struct mono logged;
};

/* Plain data; zeroed at the beginning. */
struct refusals {
	uint64_t count;
	struct pubkey key;                             /* the last */
	char address[REFUSALS_ADDRESS_MAX];
	struct wall time;
	struct refusals_line lines[REFUSALS_REMEMBERED];      /* logged last; a key again after an hour */
	size_t next, used;
	struct calm calm;
};

void refusals_note(struct refusals *refusals, const uint8_t transport_key[32], const char *address);

#endif
