/* freshness.c: from times to a word. See the header for the rule; nothing here reads a clock. */
#include "replica/freshness.h"

#include <stddef.h>

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* now - then without overflow (dates come from the network), never below 0. */
static int64_t age(int64_t then, int64_t now)
{
	int64_t result;
	if (now <= then)
		return 0;
	return __builtin_sub_overflow(now, then, &result) ? INT64_MAX : result;
}

struct freshness_verdict freshness_judge(const struct freshness_facts *facts, struct wall wall, struct mono mono)
{
	if (!facts->present)
		return (struct freshness_verdict){.freshness = FRESHNESS_EMPTY};
	int64_t held = age(facts->received.ms, wall.ms);
	if (facts->received_here)
		held = later(held, age(facts->received_mono.ms, mono.ms));
	int64_t dated = age(facts->dated.ms, wall.ms);
	int64_t stale = ((int64_t)facts->refresh_s + 3 * (int64_t)facts->retry_s) * 1000;
	int64_t expired = (int64_t)facts->expire_s * 1000;

	struct freshness_verdict verdict = {.age_ms = later(held, dated)};
	verdict.clocks_differ = held <= stale && dated > stale && dated - held > 60000;
	if (verdict.age_ms > expired) {
		verdict.freshness = FRESHNESS_EXPIRED;
	} else if (verdict.age_ms > stale) {
		verdict.freshness = FRESHNESS_STALE;
		verdict.next_ms = expired - verdict.age_ms + 1;
	} else {
		verdict.freshness = FRESHNESS_FRESH;
		verdict.next_ms = (stale < expired ? stale : expired) - verdict.age_ms + 1;
	}
	return verdict;
}

const char *freshness_name(enum freshness freshness)
{
	switch (freshness) {
	case FRESHNESS_EMPTY:
		return "empty";
	case FRESHNESS_FRESH:
		return "fresh";
	case FRESHNESS_STALE:
		return "stale";
	case FRESHNESS_EXPIRED:
		break;
	}
	return "expired";
}
