/* test_zones.c: zones come and go with the configuration and with what their Postfix accepts; each change alone, and two
 * at once. The zones themselves are stand-ins. */
#include "master/zones.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* ---- The zone's stand-in ---- */

struct zone {
	const struct zone_spec *spec;
	size_t sources;      /* it was opened with */
};

static unsigned opened, closed;
static bool told;        /* that zones are about to be closed */
static const char *cannot_open;

enum rc zone_open(struct loop *loop, const struct zone_spec *spec, const struct identity *identity,
                  const struct zone_events *events, struct zone **out, struct why *why)
{
	(void)loop;
	(void)identity;
	(void)events;
	if (cannot_open && strcmp(cannot_open, spec->name) == 0)
		return why_set(why, RC_IO, "the disk is gone");
	struct zone *zone = calloc(1, sizeof(*zone));
	assert_non_null(zone);
	*zone = (struct zone){spec, spec->source_count};
	*out = zone;
	opened++;
	return RC_OK;
}

void zone_close(struct zone **zone)
{
	assert_true(told);
	free(*zone);
	*zone = NULL;
	closed++;
}

const struct zone_spec *zone_spec(const struct zone *zone)
{
	return zone->spec;
}

/* ---- The stage ---- */

static struct loop *loop;
static struct zones *zones;
static struct master_conf *conf;
static unsigned changes;
static char lost[WHY_MAX];

static void on_changed(void *context)
{
	(void)context;
	changes++;
}

static void on_lost(void *context, const char *reason)
{
	(void)context;
	(void)strcpy(lost, reason);
}

static void on_closing(void *context)
{
	(void)context;
	told = true;
}

static const struct zones_events events = {.closing = on_closing, .changed = on_changed, .lost = on_lost};

#define POSTFIX "postfix { config_directory = \"/etc/postfix\" }"
#define ONE "zone \"one\" { " POSTFIX " }\n"
#define TWO "zone \"two\" { " POSTFIX " }\n"
#define PLAN "plan\t1\ndomain\trelay\texample.com\nmap\trelay\trelay_recipient_maps\tmap\thash:/etc/postfix/r\nend\n"

static struct master_conf *parse(const char *text)
{
	struct master_conf *out = NULL;
	struct why why = {""};
	if (master_conf_parse("test.conf", text, strlen(text), &out, &why) != RC_OK)
		fail_msg("%s", why.text);
	return out;
}

static int set_up(void **state)
{
	(void)state;
	struct why why;
	loop = loop_new();
	conf = parse(ONE TWO);
	opened = closed = changes = 0;
	told = false;
	cannot_open = NULL;
	lost[0] = '\0';
	zones = zones_new(loop, NULL, &events);
	return zones_open(zones, conf, &why) == RC_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	told = true;             /* the caller knows */
	zones_free(&zones);
	assert_int_equal(opened, closed);
	master_conf_free(&conf);
	loop_free(loop);
	return 0;
}

static struct zone *at(size_t index)
{
	size_t count;
	struct zone *const *all = zones_all(zones, &count);
	return index < count ? all[index] : NULL;
}

static void turn(void)
{
	struct why why;
	assert_int_equal(loop_turn(loop, 0, &why), RC_OK);
}

static void say_plan(size_t index, const char *plan)
{
	struct buf text = {0};
	buf_put(&text, plan, strlen(plan));
	zones_plan(zones, at(index), &text);
	buf_free(&text);
}

/* As SIGHUP does. */
static void replace(const char *text)
{
	struct master_conf *old = conf;
	conf = parse(text);
	master_conf_inherit(conf, old);
	zones_replace(zones, conf);
	master_conf_free(&old);
}

static void a_plan_makes_its_zone_anew(void **state)
{
	(void)state;
	struct zone *other = at(1);
	assert_int_equal(at(0)->sources, 1);
	say_plan(0, PLAN);
	assert_int_equal(closed, 0);      /* not from within the zone */
	turn();
	assert_int_equal(at(0)->sources, 2);
	assert_ptr_equal(at(1), other);
	assert_int_equal(changes, 1);
	turn();
	assert_int_equal(changes, 1);
}

static void a_plan_that_comes_with_a_reload_is_not_lost(void **state)
{
	(void)state;
	say_plan(1, PLAN);
	replace("zone \"new\" { " POSTFIX " }\n" ONE TWO);
	assert_int_equal(at(2)->sources, 1);
	turn();
	assert_int_equal(at(0)->sources, 1);
	assert_int_equal(at(1)->sources, 1);
	assert_int_equal(at(2)->sources, 2);
	assert_string_equal(zone_spec(at(2))->name, "two");
}

static void a_plan_of_a_zone_that_changes_is_made_again(void **state)
{
	(void)state;
	say_plan(0, PLAN);
	replace("zone \"one\" { refresh = 30 " POSTFIX " }\n" TWO);
	turn();
	assert_int_equal(at(0)->sources, 1);      /* it asks its Postfix by itself */
	say_plan(0, PLAN);
	replace(TWO);
	turn();
	assert_int_equal(at(0)->sources, 1);
	assert_null(at(1));
}

static void unchanged_zones_go_on(void **state)
{
	(void)state;
	struct zone *one = at(0), *two = at(1);
	replace(TWO ONE);
	assert_ptr_equal(at(0), two);
	assert_ptr_equal(at(1), one);
	assert_int_equal(opened, 2);
	replace("zone \"one\" { refresh = 30 " POSTFIX " }\n" TWO);
	assert_ptr_equal(at(1), two);
	assert_int_equal(opened, 3);
	assert_int_equal(closed, 1);
}

static void a_zone_that_cannot_be_opened_is_told(void **state)
{
	(void)state;
	cannot_open = "one";
	say_plan(0, PLAN);
	turn();
	assert_string_equal(lost, "zone \"one\": the disk is gone");
	assert_null(at(0));
	cannot_open = "new";
	lost[0] = '\0';
	replace(TWO "zone \"new\" { " POSTFIX " }\n" ONE);
	assert_string_equal(lost, "zone \"new\": the disk is gone");
	assert_non_null(at(0));
	assert_null(at(1));
}

int main(void)
{
#define ZONES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ZONES_TEST(a_plan_makes_its_zone_anew),
		ZONES_TEST(a_plan_that_comes_with_a_reload_is_not_lost),
		ZONES_TEST(a_plan_of_a_zone_that_changes_is_made_again),
		ZONES_TEST(unchanged_zones_go_on),
		ZONES_TEST(a_zone_that_cannot_be_opened_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
