/* test_refresh.c: every pair of state and event. What isn't in the table must change nothing and do nothing. */
#include "replica/refresh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

struct expected {
	enum refresh_state state;
	enum refresh_event event;
	enum refresh_state next;
	enum refresh_action action;
};

#define WHOLE(state) \
	{state, REFRESH_ON_LATER_EPOCH, REFRESH_AXFR_ASKED, REFRESH_DO_AXFR}, \
	{state, REFRESH_ON_EMPTY, REFRESH_AXFR_ASKED, REFRESH_DO_AXFR}, \
	{state, REFRESH_ON_DAMAGED, REFRESH_AXFR_ASKED, REFRESH_DO_AXFR}, \
	{state, REFRESH_ON_MISFIT, REFRESH_AXFR_ASKED, REFRESH_DO_AXFR}
#define LINK(state) \
	{state, REFRESH_ON_LINK_DOWN, REFRESH_DOWN, REFRESH_DO_STOP}, \
	{state, REFRESH_ON_LINK_UP, REFRESH_GREETING, REFRESH_DO_STOP}
#define SETTLED(state) \
	{state, REFRESH_ON_SAME, REFRESH_CURRENT, REFRESH_DO_POLL_LATER}, \
	{state, REFRESH_ON_APPLIED_BEHIND, REFRESH_IXFR, REFRESH_DO_IXFR}, \
	{state, REFRESH_ON_FAILED, REFRESH_WAIT, REFRESH_DO_BACK_OFF}, \
	{state, REFRESH_ON_RETRANSFER, REFRESH_AXFR_ASKED, REFRESH_DO_AXFR}
#define BEHIND(state) \
	{state, REFRESH_ON_NEWER, REFRESH_IXFR, REFRESH_DO_IXFR}, \
	{state, REFRESH_ON_GAP, REFRESH_IXFR, REFRESH_DO_IXFR}
#define IDLE(state) \
	{state, REFRESH_ON_TIMER, REFRESH_ASKED, REFRESH_DO_ASK}, \
	{state, REFRESH_ON_ASK, REFRESH_ASKED, REFRESH_DO_ASK}, \
	{state, REFRESH_ON_APPLIED, REFRESH_CURRENT, REFRESH_DO_POLL_LATER}

static const struct expected table[] = {
	{REFRESH_DOWN, REFRESH_ON_LINK_UP, REFRESH_GREETING, REFRESH_DO_STOP},

	LINK(REFRESH_GREETING),
	{REFRESH_GREETING, REFRESH_ON_WELCOME, REFRESH_ASKED, REFRESH_DO_ASK},

	LINK(REFRESH_ASKED), WHOLE(REFRESH_ASKED), SETTLED(REFRESH_ASKED), BEHIND(REFRESH_ASKED),
	{REFRESH_ASKED, REFRESH_ON_REFUSED, REFRESH_WAIT, REFRESH_DO_BACK_OFF},
	{REFRESH_ASKED, REFRESH_ON_NOT_THERE, REFRESH_NOTHING, REFRESH_DO_BACK_OFF},
	{REFRESH_ASKED, REFRESH_ON_LATER, REFRESH_WAIT, REFRESH_DO_BACK_OFF},
	{REFRESH_ASKED, REFRESH_ON_TIMER, REFRESH_WAIT, REFRESH_DO_BACK_OFF},

	LINK(REFRESH_CURRENT), WHOLE(REFRESH_CURRENT), SETTLED(REFRESH_CURRENT), BEHIND(REFRESH_CURRENT),
	IDLE(REFRESH_CURRENT),

	LINK(REFRESH_IXFR), WHOLE(REFRESH_IXFR), SETTLED(REFRESH_IXFR),
	{REFRESH_IXFR, REFRESH_ON_APPLIED, REFRESH_CURRENT, REFRESH_DO_POLL_LATER},
	{REFRESH_IXFR, REFRESH_ON_APPLIED_MORE, REFRESH_IXFR, REFRESH_DO_GO_ON},
	{REFRESH_IXFR, REFRESH_ON_NO_HISTORY, REFRESH_AXFR_ASKED, REFRESH_DO_AXFR},
	{REFRESH_IXFR, REFRESH_ON_NOT_THERE, REFRESH_NOTHING, REFRESH_DO_BACK_OFF},
	{REFRESH_IXFR, REFRESH_ON_LATER, REFRESH_WAIT, REFRESH_DO_BACK_OFF},
	{REFRESH_IXFR, REFRESH_ON_TIMER, REFRESH_WAIT, REFRESH_DO_BACK_OFF},

	LINK(REFRESH_AXFR_ASKED),
	{REFRESH_AXFR_ASKED, REFRESH_ON_SNAPSHOT, REFRESH_AXFR, REFRESH_DO_FETCH},
	{REFRESH_AXFR_ASKED, REFRESH_ON_SNAPSHOT_REFUSED, REFRESH_WAIT, REFRESH_DO_BACK_OFF},
	{REFRESH_AXFR_ASKED, REFRESH_ON_NOT_THERE, REFRESH_NOTHING, REFRESH_DO_BACK_OFF},
	{REFRESH_AXFR_ASKED, REFRESH_ON_LATER, REFRESH_WAIT, REFRESH_DO_BACK_OFF},
	{REFRESH_AXFR_ASKED, REFRESH_ON_TIMER, REFRESH_WAIT, REFRESH_DO_BACK_OFF},

	LINK(REFRESH_AXFR),
	{REFRESH_AXFR, REFRESH_ON_STORED, REFRESH_ASKED, REFRESH_DO_ASK},
	{REFRESH_AXFR, REFRESH_ON_BROKEN, REFRESH_WAIT, REFRESH_DO_BACK_OFF},
	{REFRESH_AXFR, REFRESH_ON_STALLED, REFRESH_WAIT, REFRESH_DO_BACK_OFF},
	{REFRESH_AXFR, REFRESH_ON_TIMER, REFRESH_AXFR, REFRESH_DO_FETCH_AGAIN},
	{REFRESH_AXFR, REFRESH_ON_NO_SNAPSHOT, REFRESH_AXFR_ASKED, REFRESH_DO_AXFR},
	{REFRESH_AXFR, REFRESH_ON_NOT_THERE, REFRESH_NOTHING, REFRESH_DO_BACK_OFF},
	{REFRESH_AXFR, REFRESH_ON_LATER, REFRESH_WAIT, REFRESH_DO_BACK_OFF},

	LINK(REFRESH_NOTHING), WHOLE(REFRESH_NOTHING), SETTLED(REFRESH_NOTHING), BEHIND(REFRESH_NOTHING),
	IDLE(REFRESH_NOTHING),

	LINK(REFRESH_WAIT), SETTLED(REFRESH_WAIT), BEHIND(REFRESH_WAIT), IDLE(REFRESH_WAIT),
	{REFRESH_WAIT, REFRESH_ON_NOT_THERE, REFRESH_NOTHING, REFRESH_DO_BACK_OFF},
};

static struct expected find(enum refresh_state state, enum refresh_event event)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].state == state && table[i].event == event)
			return table[i];
	return (struct expected){state, event, state, REFRESH_DO_NOTHING};
}

static void every_pair(void **state)
{
	(void)state;
	for (int s = 0; s < REFRESH_STATES; s++)
		for (int e = 0; e < REFRESH_EVENTS; e++) {
			struct expected want = find((enum refresh_state)s, (enum refresh_event)e);
			struct refresh_step got = refresh_next(want.state, want.event);
			if (got.state != want.next || got.action != want.action)
				fail_msg("%s + %s: %s, %s; expected %s, %s", refresh_state_name(want.state),
				         refresh_event_name(want.event), refresh_state_name(got.state),
				         refresh_action_name(got.action), refresh_state_name(want.next),
				         refresh_action_name(want.action));
			bool moved = got.state != want.state || got.action != REFRESH_DO_NOTHING;
			assert_non_null(got.reason);
			assert_true(moved == (got.reason[0] != '\0'));
		}
}

static void names_are_there_and_differ(void **state)
{
	(void)state;
	for (int i = 0; i < REFRESH_STATES; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(refresh_state_name((enum refresh_state)i),
			                        refresh_state_name((enum refresh_state)j));
	for (int i = 0; i < REFRESH_EVENTS; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(refresh_event_name((enum refresh_event)i),
			                        refresh_event_name((enum refresh_event)j));
	for (int i = 0; i < REFRESH_ACTIONS; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(refresh_action_name((enum refresh_action)i),
			                        refresh_action_name((enum refresh_action)j));
}

/* From any state, once the link is up and answers come, the machine gets to CURRENT: no state is a dead end. */
static void every_state_leads_to_current(void **state)
{
	(void)state;
	for (int s = 0; s < REFRESH_STATES; s++) {
		enum refresh_state at = (enum refresh_state)s;
		static const enum refresh_event course[] = {REFRESH_ON_TIMER, REFRESH_ON_LINK_UP, REFRESH_ON_WELCOME,
		                                            REFRESH_ON_SAME};
		for (size_t i = 0; i < sizeof(course) / sizeof(course[0]); i++)
			at = refresh_next(at, course[i]).state;
		assert_int_equal(at, REFRESH_CURRENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair),
		cmocka_unit_test(names_are_there_and_differ),
		cmocka_unit_test(every_state_leads_to_current),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
