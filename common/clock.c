/* clock.c: the system's two clocks, or those that a test has put in their place.
 *
 * Intervals are measured with CLOCK_BOOTTIME: a machine that was suspended for a day has a list that is a day older. */
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const struct clock_source *source;      /* NULL: the system's */

static int64_t system_ms(clockid_t id)
{
	struct timespec now = {0};
	(void)clock_gettime(id, &now);      /* can't fail: both clocks are there since Linux 2.6.39 */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct mono clock_mono(void)
{
	return source ? source->mono(source->context) : (struct mono){system_ms(CLOCK_BOOTTIME)};
}

struct wall clock_wall(void)
{
	return source ? source->wall(source->context) : (struct wall){system_ms(CLOCK_REALTIME)};
}

void clock_use(const struct clock_source *new_source)
{
	source = new_source;
}

struct mono mono_add(struct mono time, int64_t ms)
{
	/* Intervals come from configurations and peers: "as late as can be" is a better answer than an overflow. */
	struct mono sum;
	if (__builtin_add_overflow(time.ms, ms, &sum.ms))
		sum.ms = ms > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}

int64_t mono_since(struct mono earlier)
{
	int64_t ms;
	if (__builtin_sub_overflow(clock_mono().ms, earlier.ms, &ms))
		ms = earlier.ms < 0 ? INT64_MAX : INT64_MIN;
	return ms;
}

void wall_format(struct wall time, char out[CLOCK_TEXT_MAX])
{
	time_t seconds = (time_t)(time.ms / 1000 - (time.ms % 1000 < 0));      /* rounded down, before 1970 too */
	struct tm tm;
	/* A peer's time may be anything: a year that has no four digits isn't printed. */
	if (!gmtime_r(&seconds, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900 ||
	    strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(out, CLOCK_TEXT_MAX, "(impossible time)");
}

void clock_duration(int64_t ms, char out[CLOCK_TEXT_MAX])
{
	static const struct {
		uint64_t ms;
		const char *name;
	} units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
	const size_t count = sizeof(units) / sizeof(units[0]);

	const char *sign = ms < 0 ? "-" : "";
	uint64_t left = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
	if (left < 1000) {
		(void)snprintf(out, CLOCK_TEXT_MAX, "%s%" PRIu64 " %s", sign, left, left ? "ms" : "s");
		return;
	}
	size_t first = 0;
	while (left < units[first].ms)
		first++;
	uint64_t major = left / units[first].ms;
	uint64_t minor = first + 1 < count ? left % units[first].ms / units[first + 1].ms : 0;
	if (minor == 0)
		(void)snprintf(out, CLOCK_TEXT_MAX, "%s%" PRIu64 " %s", sign, major, units[first].name);
	else
		(void)snprintf(out, CLOCK_TEXT_MAX, "%s%" PRIu64 " %s %u %s", sign, major, units[first].name,
		               (unsigned)minor, units[first + 1].name);
}
