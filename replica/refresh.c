/* refresh.c: the refresh machine of a zone. Pure: it neither sends nor waits nor looks at a clock.
 *
 *            link up           welcome                    same
 *    DOWN -----------> GREETING -------> ASKED ----------------------> CURRENT <---.
 *      ^                                  ^ ^ |                         |  |  |     | applied
 *      | link down (from anywhere)        | | |      newer  .-----------'  |  `-----'
 *                                         | | |             v       gap    |
 *                    timer (poll) --------' | +----------> IXFR <----------'
 *                    from CURRENT           | |             |  `-- applied: CURRENT
 *                                           | |             | no history, misfit
 *                                    stored | | nothing     v
 *                                    .------' | here,   AXFR_ASKED --snapshot--> AXFR --stored--> ASKED
 *                                    |        | later epoch,  ^                    |
 *                                    |        | damaged       |                    | broken, stalled
 *                                    |        `---------------'                    v
 *    NOTHING (not there) ---timer----+------------------------------ timer ----- WAIT (back-off)
 *
 * IXFR or AXFR is decided here and nowhere else: a later serial of the same epoch asks for changesets; another epoch,
 * an empty or damaged store, a changeset that misses its digest, and "no history" ask for everything. The step's
 * reason goes to the log.
 *
 * Nothing is applied while a snapshot is being fetched: it would be taken back by the snapshot, which is older by then.
 * What is announced meanwhile is asked for after it, with the REFRESH that follows each snapshot. Whoever leaves AXFR
 * keeps the pieces that have come, so that the same snapshot goes on where it stopped.
 *
 * In WAIT an announcement asks for changesets at once, since they are cheap; a whole transfer waits for the timer, so
 * that one that fails each time doesn't eat the link. In NOTHING nothing has failed, so there it doesn't wait. */
#include "replica/refresh.h"

#include <stdbool.h>
#include <stddef.h>

static struct refresh_step step(enum refresh_state state, enum refresh_action action, const char *reason)
{
	return (struct refresh_step){state, action, reason};
}

static struct refresh_step stay(enum refresh_state state)
{
	return step(state, REFRESH_DO_NOTHING, "");
}

static bool connected(enum refresh_state state)
{
	return state != REFRESH_DOWN && state != REFRESH_GREETING;
}

static bool transferring(enum refresh_state state)
{
	return state == REFRESH_AXFR_ASKED || state == REFRESH_AXFR;
}

static struct refresh_step on_link(enum refresh_state state, enum refresh_event event)
{
	switch (event) {
	case REFRESH_ON_LINK_DOWN:
		if (state == REFRESH_DOWN)
			return stay(state);
		return step(REFRESH_DOWN, REFRESH_DO_STOP, "the connection is gone");
	case REFRESH_ON_LINK_UP:      /* also when nobody had noticed that it was gone */
		return step(REFRESH_GREETING, REFRESH_DO_STOP, "connected");
	default:      /* welcome */
		if (state != REFRESH_GREETING)
			return stay(state);
		return step(REFRESH_ASKED, REFRESH_DO_ASK, "the master has greeted us");
	}
}

/* Why everything is needed rather than changesets; NULL: it isn't. */
static const char *whole_reason(enum refresh_event event)
{
	switch (event) {
	case REFRESH_ON_LATER_EPOCH:
		return "the master has begun a new epoch";
	case REFRESH_ON_EMPTY:
		return "there is no complete set of records here";
	case REFRESH_ON_DAMAGED:
		return "the master announces our serial with another digest";
	default:
		return NULL;
	}
}

static struct refresh_step on_announcement(enum refresh_state state, enum refresh_event event)
{
	const char *whole = whole_reason(event);
	if (transferring(state))
		return stay(state);
	if (whole) {
		if (state == REFRESH_WAIT)
			return stay(state);
		return step(REFRESH_AXFR_ASKED, REFRESH_DO_AXFR, whole);
	}
	switch (event) {
	case REFRESH_ON_SAME:
		return step(REFRESH_CURRENT, REFRESH_DO_POLL_LATER, "we have what the master announces");
	case REFRESH_ON_NEWER:
		if (state == REFRESH_IXFR)
			return stay(state);
		return step(REFRESH_IXFR, REFRESH_DO_IXFR, "the master announces a later serial");
	default:      /* refused: as an answer it is none; unasked it changes nothing */
		if (state != REFRESH_ASKED)
			return stay(state);
		return step(REFRESH_WAIT, REFRESH_DO_BACK_OFF, "the master's announcement was refused");
	}
}

static struct refresh_step on_changes(enum refresh_state state, enum refresh_event event)
{
	if (transferring(state))
		return stay(state);
	switch (event) {
	case REFRESH_ON_APPLIED:
		if (state == REFRESH_ASKED)      /* a push that crossed our question: the answer is still to come */
			return stay(state);
		return step(REFRESH_CURRENT, REFRESH_DO_POLL_LATER, "changes applied");
	case REFRESH_ON_APPLIED_MORE:
		if (state != REFRESH_IXFR)
			return stay(state);
		return step(REFRESH_IXFR, REFRESH_DO_GO_ON, "more changes are coming");
	case REFRESH_ON_APPLIED_BEHIND:
		return step(REFRESH_IXFR, REFRESH_DO_IXFR, "there are more changes");
	case REFRESH_ON_GAP:
		if (state == REFRESH_IXFR)      /* a push that crossed the answer */
			return stay(state);
		return step(REFRESH_IXFR, REFRESH_DO_IXFR, "changes between ours and the newest are missing");
	case REFRESH_ON_FAILED:
		return step(REFRESH_WAIT, REFRESH_DO_BACK_OFF, "changes couldn't be stored");
	default:      /* misfit */
		if (state == REFRESH_WAIT)
			return stay(state);
		return step(REFRESH_AXFR_ASKED, REFRESH_DO_AXFR, "changes don't lead from our records to the announced digest");
	}
}

static struct refresh_step on_error(enum refresh_state state, enum refresh_event event)
{
	switch (event) {
	case REFRESH_ON_NO_HISTORY:
		if (state != REFRESH_IXFR)
			return stay(state);
		return step(REFRESH_AXFR_ASKED, REFRESH_DO_AXFR, "the master doesn't hold the changes since our serial");
	case REFRESH_ON_NO_SNAPSHOT:
		if (state != REFRESH_AXFR)
			return stay(state);
		return step(REFRESH_AXFR_ASKED, REFRESH_DO_AXFR, "the master doesn't hold that snapshot any more");
	case REFRESH_ON_NOT_THERE:
		if (state == REFRESH_CURRENT || state == REFRESH_NOTHING)      /* not an answer to anything we have asked */
			return stay(state);
		return step(REFRESH_NOTHING, REFRESH_DO_BACK_OFF, "the master has nothing for us");
	default:      /* later */
		if (state == REFRESH_CURRENT || state == REFRESH_WAIT || state == REFRESH_NOTHING)
			return stay(state);
		return step(REFRESH_WAIT, REFRESH_DO_BACK_OFF, "the master asks us to come later");
	}
}

static struct refresh_step on_snapshot(enum refresh_state state, enum refresh_event event)
{
	switch (event) {
	case REFRESH_ON_SNAPSHOT:
		if (state != REFRESH_AXFR_ASKED)
			return stay(state);
		return step(REFRESH_AXFR, REFRESH_DO_FETCH, "the snapshot is ready");
	case REFRESH_ON_SNAPSHOT_REFUSED:
		if (state != REFRESH_AXFR_ASKED)
			return stay(state);
		return step(REFRESH_WAIT, REFRESH_DO_BACK_OFF, "the snapshot offered was refused");
	default:
		break;
	}
	if (state != REFRESH_AXFR)
		return stay(state);
	switch (event) {
	case REFRESH_ON_STORED:
		return step(REFRESH_ASKED, REFRESH_DO_ASK, "the whole zone is stored");
	case REFRESH_ON_BROKEN:
		return step(REFRESH_WAIT, REFRESH_DO_BACK_OFF, "the whole transfer failed");
	default:      /* stalled */
		return step(REFRESH_WAIT, REFRESH_DO_BACK_OFF, "the whole transfer stalled");
	}
}

static struct refresh_step on_timer(enum refresh_state state)
{
	switch (state) {
	case REFRESH_CURRENT:
		return step(REFRESH_ASKED, REFRESH_DO_ASK, "time to ask");
	case REFRESH_WAIT:
	case REFRESH_NOTHING:
		return step(REFRESH_ASKED, REFRESH_DO_ASK, "time to try again");
	case REFRESH_ASKED:
	case REFRESH_IXFR:
	case REFRESH_AXFR_ASKED:
		return step(REFRESH_WAIT, REFRESH_DO_BACK_OFF, "the master didn't answer");
	case REFRESH_AXFR:
		return step(REFRESH_AXFR, REFRESH_DO_FETCH_AGAIN, "a piece of the snapshot is overdue");
	case REFRESH_DOWN:
	case REFRESH_GREETING:
		break;
	}
	return stay(state);
}

static struct refresh_step on_operator(enum refresh_state state, enum refresh_event event)
{
	if (transferring(state))
		return stay(state);
	if (event == REFRESH_ON_RETRANSFER)
		return step(REFRESH_AXFR_ASKED, REFRESH_DO_AXFR, "an operator asked for a whole transfer");
	if (state == REFRESH_ASKED || state == REFRESH_IXFR)
		return stay(state);
	return step(REFRESH_ASKED, REFRESH_DO_ASK, "an operator asked for it");
}

struct refresh_step refresh_next(enum refresh_state state, enum refresh_event event)
{
	if (event == REFRESH_ON_LINK_UP || event == REFRESH_ON_LINK_DOWN || event == REFRESH_ON_WELCOME)
		return on_link(state, event);
	if (!connected(state))
		return stay(state);
	switch (event) {
	case REFRESH_ON_SAME:
	case REFRESH_ON_NEWER:
	case REFRESH_ON_LATER_EPOCH:
	case REFRESH_ON_EMPTY:
	case REFRESH_ON_DAMAGED:
	case REFRESH_ON_REFUSED:
		return on_announcement(state, event);
	case REFRESH_ON_APPLIED:
	case REFRESH_ON_APPLIED_MORE:
	case REFRESH_ON_APPLIED_BEHIND:
	case REFRESH_ON_GAP:
	case REFRESH_ON_MISFIT:
	case REFRESH_ON_FAILED:
		return on_changes(state, event);
	case REFRESH_ON_NO_HISTORY:
	case REFRESH_ON_NO_SNAPSHOT:
	case REFRESH_ON_NOT_THERE:
	case REFRESH_ON_LATER:
		return on_error(state, event);
	case REFRESH_ON_SNAPSHOT:
	case REFRESH_ON_SNAPSHOT_REFUSED:
	case REFRESH_ON_STORED:
	case REFRESH_ON_BROKEN:
	case REFRESH_ON_STALLED:
		return on_snapshot(state, event);
	case REFRESH_ON_ASK:
	case REFRESH_ON_RETRANSFER:
		return on_operator(state, event);
	default:
		return on_timer(state);
	}
}

const char *refresh_state_name(enum refresh_state state)
{
	static const char *const names[REFRESH_STATES] = {
		[REFRESH_DOWN] = "not-connected", [REFRESH_GREETING] = "greeting", [REFRESH_ASKED] = "asked",
		[REFRESH_CURRENT] = "current",    [REFRESH_IXFR] = "ixfr",         [REFRESH_AXFR_ASKED] = "axfr-asked",
		[REFRESH_AXFR] = "axfr",          [REFRESH_NOTHING] = "nothing-there", [REFRESH_WAIT] = "waiting",
	};
	return names[state];
}

const char *refresh_event_name(enum refresh_event event)
{
	static const char *const names[REFRESH_EVENTS] = {
		[REFRESH_ON_LINK_UP] = "link-up",
		[REFRESH_ON_LINK_DOWN] = "link-down",
		[REFRESH_ON_WELCOME] = "welcome",
		[REFRESH_ON_SAME] = "same",
		[REFRESH_ON_NEWER] = "newer",
		[REFRESH_ON_LATER_EPOCH] = "later-epoch",
		[REFRESH_ON_EMPTY] = "empty",
		[REFRESH_ON_DAMAGED] = "damaged",
		[REFRESH_ON_REFUSED] = "refused",
		[REFRESH_ON_APPLIED] = "applied",
		[REFRESH_ON_APPLIED_MORE] = "applied-more",
		[REFRESH_ON_APPLIED_BEHIND] = "applied-behind",
		[REFRESH_ON_GAP] = "gap",
		[REFRESH_ON_MISFIT] = "misfit",
		[REFRESH_ON_NO_HISTORY] = "no-history",
		[REFRESH_ON_NO_SNAPSHOT] = "no-snapshot",
		[REFRESH_ON_NOT_THERE] = "not-there",
		[REFRESH_ON_LATER] = "later",
		[REFRESH_ON_SNAPSHOT] = "snapshot",
		[REFRESH_ON_SNAPSHOT_REFUSED] = "snapshot-refused",
		[REFRESH_ON_STORED] = "stored",
		[REFRESH_ON_BROKEN] = "broken",
		[REFRESH_ON_FAILED] = "failed",
		[REFRESH_ON_STALLED] = "stalled",
		[REFRESH_ON_TIMER] = "timer",
		[REFRESH_ON_ASK] = "ask",
		[REFRESH_ON_RETRANSFER] = "retransfer",
	};
	return names[event];
}

const char *refresh_action_name(enum refresh_action action)
{
	static const char *const names[REFRESH_ACTIONS] = {
		[REFRESH_DO_NOTHING] = "-",
		[REFRESH_DO_STOP] = "stop",
		[REFRESH_DO_ASK] = "REFRESH",
		[REFRESH_DO_POLL_LATER] = "poll-later",
		[REFRESH_DO_IXFR] = "IXFR",
		[REFRESH_DO_GO_ON] = "go-on",
		[REFRESH_DO_AXFR] = "AXFR",
		[REFRESH_DO_FETCH] = "FETCH",
		[REFRESH_DO_FETCH_AGAIN] = "FETCH-again",
		[REFRESH_DO_BACK_OFF] = "back-off",
	};
	return names[action];
}
