/* rollover_status.h: how far a roll-over is: in the status, in a sentence, and what `rxfer rotate-key` asks for. */
#ifndef MASTER_ROLLOVER_STATUS_H
#define MASTER_ROLLOVER_STATUS_H

#include "common/control.h"
#include "master/status.h"

/* Who keeps the word on the keys, of the configured replicas. */
struct rollover_count {
	size_t replicas;
	size_t kept;
};
struct rollover_count rollover_status_count(const struct status_facts *facts);
/* "kept", "missing", "unable" (it speaks a version without KEYS), or "" while no next key is announced. */
const char *rollover_status_of(const struct status_facts *facts, size_t replica);

/* Answers "rotate-key": look at the files, and say how it stands; "rotate-key ready KEY": refused unless all replicas
 * keep that key; "rotate-key switch": refused unless there is one to be switched to, answered when that is done. */
void rollover_status_request(const struct status_facts *facts, struct control_request *request);

#endif
