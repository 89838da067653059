/* peer.c: the transition table of a replica's copy of a zone; see the diagram in peer.h.
 *
 * Two choices that need a reason. A replica that is CURRENT and shows an older serial stays CURRENT: its REFRESH and
 * our pushes have crossed on the way; should the pushes be lost after all, it sees the gap in the next one, and asks.
 * And BEHIND is told of every new serial, although it was told before: what it was told may not have fitted into its
 * queue, and an announcement is small. */
#include "master/peer.h"

#include <assert.h>
#include <stddef.h>

#define STEP(state, action) {PEER_##state, PEER_##action}

/* What a connection brings, whatever is known of the copy. */
#define CONNECTED_ROWS \
	[PEER_HELLO] = STEP(GREETED, NOTHING), \
	[PEER_LOST] = STEP(AWAY, NOTHING), \
	[PEER_REFRESH_SAME] = STEP(CURRENT, TELL), \
	[PEER_IXFR_ALL] = STEP(CURRENT, NOTHING), \
	[PEER_IXFR_PART] = STEP(BEHIND, NOTHING), \
	[PEER_IXFR_NONE] = STEP(BEHIND, NOTHING), \
	[PEER_AXFR] = STEP(SNAPSHOT, NOTHING), \
	[PEER_FETCH] = STEP(SNAPSHOT, NOTHING), \
	[PEER_NEW_EPOCH] = STEP(BEHIND, TELL)

_Static_assert(PEER_AWAY == 0 && PEER_NOTHING == 0, "what isn't in the table is nothing, away");

static const struct peer_step steps[PEER_STATES][PEER_EVENTS] = {
	[PEER_AWAY] = {
		[PEER_HELLO] = STEP(GREETED, NOTHING),      /* all else leaves it AWAY, with NOTHING: both are 0 */
	},
	[PEER_GREETED] = {
		CONNECTED_ROWS,
		[PEER_REFRESH_OLDER] = STEP(BEHIND, TELL),
		[PEER_REFRESH_OTHER] = STEP(BEHIND, TELL),
		[PEER_NEXT] = STEP(BEHIND, TELL),
		[PEER_GAP] = STEP(BEHIND, TELL),
		[PEER_ANNOUNCED] = STEP(BEHIND, TELL),
		[PEER_FULL] = STEP(GREETED, NOTHING),
	},
	[PEER_CURRENT] = {
		CONNECTED_ROWS,
		[PEER_REFRESH_OLDER] = STEP(CURRENT, TELL),
		[PEER_REFRESH_OTHER] = STEP(BEHIND, TELL),
		[PEER_NEXT] = STEP(CURRENT, PUSH),
		[PEER_GAP] = STEP(BEHIND, TELL),
		[PEER_ANNOUNCED] = STEP(CURRENT, TELL),
		[PEER_FULL] = STEP(BEHIND, NOTHING),
	},
	[PEER_BEHIND] = {
		CONNECTED_ROWS,
		[PEER_REFRESH_OLDER] = STEP(BEHIND, TELL),
		[PEER_REFRESH_OTHER] = STEP(BEHIND, TELL),
		[PEER_NEXT] = STEP(BEHIND, TELL),
		[PEER_GAP] = STEP(BEHIND, TELL),
		[PEER_ANNOUNCED] = STEP(BEHIND, TELL),
		[PEER_FULL] = STEP(BEHIND, NOTHING),
	},
	[PEER_SNAPSHOT] = {
		CONNECTED_ROWS,
		[PEER_REFRESH_OLDER] = STEP(SNAPSHOT, TELL),
		[PEER_REFRESH_OTHER] = STEP(SNAPSHOT, TELL),
		[PEER_NEXT] = STEP(SNAPSHOT, TELL),
		[PEER_GAP] = STEP(SNAPSHOT, TELL),
		[PEER_ANNOUNCED] = STEP(SNAPSHOT, TELL),
		[PEER_FULL] = STEP(SNAPSHOT, NOTHING),
	},
};

struct peer_step peer_next(enum peer_state state, enum peer_event event)
{
	assert(state < PEER_STATES && event < PEER_EVENTS);
	return steps[state][event];
}

const char *peer_state_name(enum peer_state state)
{
	static const char *const names[PEER_STATES] = {"away", "greeted", "current", "behind", "snapshot"};
	return state < PEER_STATES ? names[state] : "?";
}

const char *peer_event_name(enum peer_event event)
{
	static const char *const names[PEER_EVENTS] = {
		"hello", "lost", "refresh-same", "refresh-older", "refresh-other", "ixfr-all", "ixfr-part", "ixfr-none",
		"axfr", "fetch", "next", "gap", "announced", "new-epoch", "full",
	};
	return event < PEER_EVENTS ? names[event] : "?";
}
