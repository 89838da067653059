/* test_peer.c: every pair of state and event of the master's peer machine, written out a second time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/peer.h"

#include <string.h>

/* A row for each event: what AWAY, GREETED, CURRENT, BEHIND, SNAPSHOT become (A G C B S), and do (- nothing, t tell,
 * p push). */
static const struct {
	enum peer_event event;
	const char *steps;
} table[] = {
	{PEER_HELLO,         "G- G- G- G- G-"},
	{PEER_LOST,          "A- A- A- A- A-"},
	{PEER_REFRESH_SAME,  "A- Ct Ct Ct Ct"},
	{PEER_REFRESH_OLDER, "A- Bt Ct Bt St"},
	{PEER_REFRESH_OTHER, "A- Bt Bt Bt St"},
	{PEER_IXFR_ALL,      "A- C- C- C- C-"},
	{PEER_IXFR_PART,     "A- B- B- B- B-"},
	{PEER_IXFR_NONE,     "A- B- B- B- B-"},
	{PEER_AXFR,          "A- S- S- S- S-"},
	{PEER_FETCH,         "A- S- S- S- S-"},
	{PEER_NEXT,          "A- Bt Cp Bt St"},
	{PEER_GAP,           "A- Bt Bt Bt St"},
	{PEER_ANNOUNCED,     "A- Bt Ct Bt St"},
	{PEER_NEW_EPOCH,     "A- Bt Bt Bt Bt"},
	{PEER_FULL,          "A- G- B- B- S-"},
};

static void every_pair(void **state)
{
	(void)state;
	assert_int_equal(sizeof(table) / sizeof(table[0]), PEER_EVENTS);
	for (unsigned i = 0; i < PEER_EVENTS; i++) {
		assert_int_equal(table[i].event, i);
		for (unsigned from = 0; from < PEER_STATES; from++) {
			struct peer_step step = peer_next((enum peer_state)from, table[i].event);
			const char *want = table[i].steps + 3 * from;
			const char got[] = {"AGCBS"[step.state], "-tp"[step.action], '\0'};
			if (strncmp(got, want, 2) != 0)
				fail_msg("%s, %s: %s and not %.2s", peer_state_name((enum peer_state)from),
				         peer_event_name(table[i].event), got, want);
		}
	}
}

/* What must hold whatever the table says. */
static void only_a_current_one_is_pushed_to(void **state)
{
	(void)state;
	for (unsigned from = 0; from < PEER_STATES; from++)
		for (unsigned event = 0; event < PEER_EVENTS; event++) {
			struct peer_step step = peer_next((enum peer_state)from, (enum peer_event)event);
			if (step.action == PEER_PUSH)
				assert_true(from == PEER_CURRENT && event == PEER_NEXT);
			if (from == PEER_AWAY)
				assert_int_equal(step.action, PEER_NOTHING);
			/* A full queue isn't filled further. */
			if (event == PEER_FULL) {
				assert_int_equal(step.action, PEER_NOTHING);
				assert_int_not_equal(step.state, PEER_CURRENT);
			}
		}
}

static void all_have_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PEER_STATES; i++)
		assert_string_not_equal(peer_state_name((enum peer_state)i), "?");
	for (unsigned i = 0; i < PEER_EVENTS; i++)
		assert_non_null(peer_event_name((enum peer_event)i));
	assert_string_equal(peer_state_name(PEER_STATES), "?");
	assert_string_equal(peer_event_name(PEER_EVENTS), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair),
		cmocka_unit_test(only_a_current_one_is_pushed_to),
		cmocka_unit_test(all_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
