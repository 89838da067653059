/* rollover.h: the change of this master's identity: announced while the present one is in use, so that every backup
 * knows the next key before it comes, and then made at once.
 *
 *     IDENTITY alone ----> IDENTITY and IDENTITY.next ----> IDENTITY.next renamed to IDENTITY
 *       no next key  <----   announced, answered              switched to
 *
 * The files are root's: `rxfer rotate-key` (rotate.h) makes and renames them. The daemon only looks at them: at its
 * start, at SIGHUP, and when it's told to; what they say counts, so that it doesn't matter who is interrupted where. */
#ifndef MASTER_ROLLOVER_H
#define MASTER_ROLLOVER_H

#include "common/control.h"
#include "common/handover.h"
#include "common/loop.h"

#define ROLLOVER_NEXT ".next"        /* the next identity's path is the present one's with this */

struct rollover;

struct rollover_spec {
	const char *identity_path;
	const char *state;               /* the folder for what is remembered */
	const struct identity *identity;
	/* There is something to be said of the keys; also from within rollover_new. */
	void (*announce)(void *context, const struct handover *word);
	/* All is to go on under this identity, which is taken over; from the loop. False: it can't, and the daemon ends. */
	bool (*renew)(void *context, struct identity **identity);
	void *context;
};

/* The paths are copied. Looks at the files and announces; what is wrong with them is logged, see rollover_trouble. */
struct rollover *rollover_new(struct loop *loop, const struct rollover_spec *spec);
void rollover_free(struct rollover **rollover);

/* Looks at the files again. What they ask for is begun: a switch is made at the end of the turn. */
void rollover_look(struct rollover *rollover);
/* A switch is due. The request (NULL: none) is answered when it's done. One that waited before is refused. */
bool rollover_switching(struct rollover *rollover, struct control_request *request);

/* A replica shows what it keeps of our word. One of our own that is later than what we know (we were restored from an
 * old copy) makes ours later still. */
void rollover_kept(struct rollover *rollover, const struct pubkey *replica, const struct handover *shown);

const struct handover *rollover_word(const struct rollover *rollover);
bool rollover_has(const struct rollover *rollover, const struct pubkey *replica);      /* it keeps that word */
const char *rollover_trouble(const struct rollover *rollover);                         /* "" when all is well */

#endif
