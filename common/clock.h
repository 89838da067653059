/* clock.h: two kinds of time that can't be mixed, behind a source that tests and the simulator replace. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct mono { int64_t ms; };    /* since boot, counts on during suspend (CLOCK_BOOTTIME); never goes back */
struct wall { int64_t ms; };    /* since 1970 UTC; may be wrong, may jump */

struct mono clock_mono(void);
struct wall clock_wall(void);

struct clock_source {
	struct mono (*mono)(void *context);
	struct wall (*wall)(void *context);
	void *context;
};
/* NULL brings the system's clocks back. The struct must outlive its use. */
void clock_use(const struct clock_source *source);

struct mono mono_add(struct mono time, int64_t ms);
int64_t mono_since(struct mono earlier);                 /* ms from then until now */

#define CLOCK_TEXT_MAX 48
/* "2026-11-21T19:47:44Z" */
void wall_format(struct wall time, char out[CLOCK_TEXT_MAX]);

/* A number of ms as people say it, two units at most, rounded down: "120 ms", "3 s", "3 min 20 s", "9 d 3 h". */
void clock_duration(int64_t ms, char out[CLOCK_TEXT_MAX]);

#endif
