/* peer.h: what the master knows of one replica's copy of one zone, and what it does when something happens. Pure.
 *
 *                    HELLO
 *        AWAY -----------------> GREETED
 *          ^                        | REFRESH_OLDER, REFRESH_OTHER, IXFR_PART, IXFR_NONE,
 *          | LOST, from             | NEXT, GAP, ANNOUNCED, NEW_EPOCH
 *          | everywhere             v
 *          |          .---------> BEHIND ------------------------.
 *          |          |             |                            |
 *          | GAP, FULL, NEW_EPOCH,  | REFRESH_SAME, IXFR_ALL     | AXFR, FETCH
 *          | REFRESH_OTHER,         v                            v
 *          | IXFR_PART, IXFR_NONE CURRENT ---- AXFR, FETCH ---> SNAPSHOT
 *          |          `-----------' ^                            |   |
 *          |                        `-- REFRESH_SAME, IXFR_ALL --'   | IXFR_PART, IXFR_NONE, NEW_EPOCH:
 *          `--------------------------------------------------       v to BEHIND
 *
 * From GREETED, REFRESH_SAME and IXFR_ALL lead to CURRENT, AXFR and FETCH to SNAPSHOT as well; HELLO leads from
 * everywhere to GREETED. Only CURRENT gets changesets without asking; the others are told the announcement, and ask. */
#ifndef MASTER_PEER_H
#define MASTER_PEER_H

enum peer_state {
	PEER_AWAY,          /* not connected */
	PEER_GREETED,       /* hello done, nothing known of what it has */
	PEER_CURRENT,       /* sent everything up to the newest serial: pushes go on from there */
	PEER_BEHIND,        /* told of a newer announcement, will ask */
	PEER_SNAPSHOT,      /* fetching the whole zone */
	PEER_STATES
};

enum peer_event {
	PEER_HELLO,         /* a new connection has said HELLO */
	PEER_LOST,          /* the connection is gone */
	PEER_REFRESH_SAME,  /* it showed the newest serial */
	PEER_REFRESH_OLDER, /* an older one of this epoch */
	PEER_REFRESH_OTHER, /* nothing, or another epoch's, or what can't be */
	PEER_IXFR_ALL,      /* it asked, and was sent everything up to the newest serial */
	PEER_IXFR_PART,     /* it was sent some; it will ask for more */
	PEER_IXFR_NONE,     /* what it asked for isn't held */
	PEER_AXFR,          /* it was offered a snapshot */
	PEER_FETCH,         /* it was sent a piece of one */
	PEER_NEXT,          /* a changeset was published that leads on from what it was sent */
	PEER_GAP,           /* one that doesn't */
	PEER_ANNOUNCED,     /* the same serial under a new date */
	PEER_NEW_EPOCH,     /* another history has begun */
	PEER_FULL,          /* its queue takes no more: it doesn't read */
	PEER_EVENTS
};

enum peer_action {
	PEER_NOTHING,
	PEER_TELL,          /* send the announcement */
	PEER_PUSH           /* send the changeset */
};

struct peer_step {
	enum peer_state state;
	enum peer_action action;
};

struct peer_step peer_next(enum peer_state state, enum peer_event event);
const char *peer_state_name(enum peer_state state);      /* "away", "greeted", "current", "behind", "snapshot" */
const char *peer_event_name(enum peer_event event);

#endif
