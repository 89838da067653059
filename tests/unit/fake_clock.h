/* fake_clock.h: a clock that stands still until the test moves it. */
#ifndef TESTS_UNIT_FAKE_CLOCK_H
#define TESTS_UNIT_FAKE_CLOCK_H

#include "common/clock.h"

#define FAKE_CLOCK_EPOCH_MS 1700000000000

static int64_t now_ms;

static inline struct mono fake_clock_mono(void *context)
{
	(void)context;
	return (struct mono){now_ms};
}

static inline struct wall fake_clock_wall(void *context)
{
	(void)context;
	return (struct wall){FAKE_CLOCK_EPOCH_MS + now_ms};
}

/* For clock_use. */
static const struct clock_source fake_clock = {fake_clock_mono, fake_clock_wall, NULL};

#endif
