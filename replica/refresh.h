/* refresh.h: a zone's way to the master's newest serial: the states, and what each event does in each of them. Pure. */
#ifndef REPLICA_REFRESH_H
#define REPLICA_REFRESH_H

enum refresh_state {
	REFRESH_DOWN,           /* no connection */
	REFRESH_GREETING,       /* connected, HELLO not answered yet */
	REFRESH_ASKED,          /* REFRESH sent */
	REFRESH_CURRENT,        /* what we have is the newest that we know of; polls every refresh */
	REFRESH_IXFR,           /* changesets asked for */
	REFRESH_AXFR_ASKED,     /* snapshot asked for */
	REFRESH_AXFR,           /* snapshot being fetched, checked and stored */
	REFRESH_NOTHING,        /* the master has nothing for us yet; an announcement is acted upon at once */
	REFRESH_WAIT            /* something failed; asks again after a pause that grows */
};
#define REFRESH_STATES (REFRESH_WAIT + 1)

enum refresh_event {
	REFRESH_ON_LINK_UP,
	REFRESH_ON_LINK_DOWN,
	REFRESH_ON_WELCOME,
	REFRESH_ON_SAME,                /* announced: what we have */
	REFRESH_ON_NEWER,               /* announced: a later serial of our epoch */
	REFRESH_ON_LATER_EPOCH,         /* announced: another history, begun later */
	REFRESH_ON_EMPTY,               /* announced, and we have no complete set of records */
	REFRESH_ON_DAMAGED,             /* announced: our serial with another digest */
	REFRESH_ON_REFUSED,             /* announced: what may not be believed (older, badly signed) */
	REFRESH_ON_APPLIED,             /* a changeset is durable, and is the newest we know of */
	REFRESH_ON_APPLIED_MORE,        /* a changeset is durable, the rest of the answer is under way */
	REFRESH_ON_APPLIED_BEHIND,      /* a changeset is durable, the answer ended, and there is more to ask for */
	REFRESH_ON_GAP,                 /* a changeset that doesn't begin where we are */
	REFRESH_ON_MISFIT,              /* a signed changeset that doesn't lead to the digest it announces */
	REFRESH_ON_NO_HISTORY,          /* error: these changesets aren't held any more */
	REFRESH_ON_NO_SNAPSHOT,         /* error: that snapshot isn't held any more */
	REFRESH_ON_NOT_THERE,           /* error: nothing published yet, or not for us */
	REFRESH_ON_LATER,               /* error: busy, or our message wasn't understood */
	REFRESH_ON_SNAPSHOT,            /* the snapshot is ready to be fetched */
	REFRESH_ON_SNAPSHOT_REFUSED,    /* the snapshot offered may not be believed */
	REFRESH_ON_STORED,              /* the snapshot is durable */
	REFRESH_ON_BROKEN,              /* the snapshot's contents aren't what was signed, or the disk said no */
	REFRESH_ON_FAILED,              /* our own disk said no to a changeset */
	REFRESH_ON_STALLED,             /* no piece of the snapshot has come for too long */
	REFRESH_ON_TIMER,
	REFRESH_ON_ASK,                 /* an operator wants the master asked now */
	REFRESH_ON_RETRANSFER           /* an operator wants the whole zone anew */
};
#define REFRESH_EVENTS (REFRESH_ON_RETRANSFER + 1)

enum refresh_action {
	REFRESH_DO_NOTHING,
	REFRESH_DO_STOP,          /* clear the timer */
	REFRESH_DO_ASK,           /* send REFRESH; timer: the answer is overdue */
	REFRESH_DO_POLL_LATER,    /* timer: refresh seconds; failures are forgotten */
	REFRESH_DO_IXFR,          /* send IXFR; timer: overdue */
	REFRESH_DO_GO_ON,         /* timer anew: the rest of an answer is overdue */
	REFRESH_DO_AXFR,          /* send AXFR; timer: overdue */
	REFRESH_DO_FETCH,         /* begin or resume fetching; timer: a piece is overdue */
	REFRESH_DO_FETCH_AGAIN,   /* ask again for the pieces that haven't come */
	REFRESH_DO_BACK_OFF       /* timer: retry seconds, doubled at each failure up to refresh */
};
#define REFRESH_ACTIONS (REFRESH_DO_BACK_OFF + 1)

struct refresh_step {
	enum refresh_state state;
	enum refresh_action action;
	const char *reason;       /* for the log: why, in a few words; "" where nothing happens */
};

struct refresh_step refresh_next(enum refresh_state state, enum refresh_event event);

/* "current", "axfr-asked" ...: for status, log and tests. */
const char *refresh_state_name(enum refresh_state state);
const char *refresh_event_name(enum refresh_event event);
const char *refresh_action_name(enum refresh_action action);

#endif
