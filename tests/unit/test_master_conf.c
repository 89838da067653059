/* test_master_conf.c: what a master's configuration means, and what each mistake is answered with. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/identity.h"
#include "common/mem.h"
#include "master/master_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char key_a[PUBKEY_TEXT_MAX];
static char key_b[PUBKEY_TEXT_MAX];

static int make_keys(void **state)
{
	(void)state;
	struct pubkey key = {.sign = {1}, .transport = {2}};
	identity_init();
	pubkey_format(&key, key_a);
	key.transport[0] = 3;
	pubkey_format(&key, key_b);
	return 0;
}

static enum rc parse(const char *text, struct master_conf **out, struct why *why)
{
	return master_conf_parse("m.conf", text, strlen(text), out, why);
}

#define SOURCE "source \"a\" { map = \"/etc/postfix/virtual\" }"

static void defaults(void **state)
{
	(void)state;
	struct master_conf *conf = NULL;
	struct why why;
	if (parse("zone \"example\" {\n " SOURCE "\n}\n", &conf, &why) != RC_OK)
		fail_msg("%s", why.text);
	size_t count;
	assert_string_equal(master_conf_listen(conf, &count)[0], "tcp://*:7353");
	assert_int_equal(count, 1);
	assert_string_equal(master_conf_state(conf), "/var/lib/rxfer/master");
	assert_string_equal(master_conf_control(conf), "/run/rxfer/master.sock");
	const struct zone_spec *zone = master_conf_zone(conf, 0);
	assert_string_equal(zone->name, "example");
	assert_string_equal(zone->folder, "/var/lib/rxfer/master/zones/example");
	assert_int_equal(zone->refresh_s, 60);
	assert_int_equal(zone->retry_s, 15);
	assert_int_equal(zone->expire_s, 604800);
	assert_int_equal(zone->max_shrink_percent, 10);
	assert_int_equal(zone->min_shrink, 10);
	const struct source_spec *source = &zone->sources[0];
	assert_int_equal(source->kind, SOURCE_MAP);
	assert_int_equal(source->interval_ms, 60000);
	assert_int_equal(source->timeout_ms, 30000);
	assert_int_equal(source->settle_ms, 200);
	assert_true(source->rule.filter->smtputf8);
	(void)master_conf_replicas(conf, &count);
	assert_int_equal(count, 0);
	master_conf_free(&conf);
}

static void everything_given(void **state)
{
	(void)state;
	struct master_conf *conf = NULL;
	struct why why;
	char *text = mem_sprintf("identity = \"/i\" state = \"/s\" control = \"/c\"\n"
		"listen = { \"tcp://[::1]:1\", \"tcp://*:2\" }\n"
		"zone \"z1\" { source \"al\" { aliases = \"/etc/aliases\" domains = { \"Example.COM\" } interval = 5 timeout = 6 }\n"
		"  source \"c\" { command = \"echo x\" }\n  domains = { \"STRASSE.example\" } exclude = { \"Root@Example.com\" }\n"
		"  refresh = 1 retry = 2 expire = 3 settle_ms = 0 max_shrink_percent = 0 min_shrink = 0 smtputf8 = \"no\" }\n"
		"zone \"z2\" { " SOURCE " }\n"
		"replica \"mx2\" { key = \"%s\" zones = { \"z1\", \"z2\" } }\nreplica \"mx3\" { key = \"%s\" zones = { \"z2\" } }\n",
		key_a, key_b);
	if (parse(text, &conf, &why) != RC_OK)
		fail_msg("%s", why.text);
	free(text);
	assert_int_equal(master_conf_zone_count(conf), 2);
	const struct zone_spec *zone = master_conf_zone(conf, 0);
	assert_int_equal(zone->source_count, 2);
	assert_int_equal(zone->sources[0].kind, SOURCE_ALIASES);
	assert_true(zone->sources[0].rule.aliases);
	assert_string_equal(zone->sources[0].rule.domains[0], "example.com");
	assert_int_equal(zone->sources[0].interval_ms, 5000);
	assert_int_equal(zone->sources[1].kind, SOURCE_COMMAND);
	assert_string_equal(zone->sources[1].rule.filter->domains[0], "strasse.example");
	assert_string_equal(zone->sources[1].rule.filter->exclude[0], "root@example.com");
	assert_false(zone->sources[1].rule.filter->smtputf8);
	size_t count;
	const struct publisher_replica *replicas = master_conf_replicas(conf, &count);
	assert_int_equal(count, 2);
	assert_string_equal(replicas[0].name, "mx2");
	assert_int_equal(replicas[0].zone_count, 2);
	assert_string_equal(replicas[1].zones[0], "z2");
	assert_int_equal(replicas[1].key.transport[0], 3);
	master_conf_free(&conf);
}

/* %A and %B in text stand for keys. */
static void assert_error(const char *text, const char *expected)
{
	struct master_conf *conf = NULL;
	struct why why = {""};
	char filled[2000] = "";
	for (const char *at = text; *at; at++) {
		size_t length = strlen(filled);
		if (at[0] == '%' && (at[1] == 'A' || at[1] == 'B'))
			(void)snprintf(filled + length, sizeof filled - length, "%s", *++at == 'A' ? key_a : key_b);
		else
			(void)snprintf(filled + length, sizeof filled - length, "%c", *at);
	}
	enum rc rc = parse(filled, &conf, &why);
	if (rc == RC_OK || !strstr(why.text, expected) || strncmp(why.text, "m.conf:", 7) != 0)
		fail_msg("\"%s\": rc %d, \"%s\", expected \"%s\"", filled, (int)rc, why.text, expected);
	assert_null(conf);
}

static void each_mistake_has_a_sentence(void **state)
{
	(void)state;
	static const struct { const char *text, *expected; } cases[] = {
		{"state = \"/s\"\n", "zone"},
		{"zone \"Bad\" { " SOURCE " }", "a zone's name is"},
		{"\n\nzone \"z\" { source \"a b\" { map = \"/x\" } }", "m.conf:3: source \"a b\": a name is"},
		{"zone \"z\" {\n source \"a\" { interval = 3 } }", "m.conf:2: source \"a\": it says nothing to read"},
		{"zone \"z\" { source \"a\" { map = \"/x\" command = \"y\" } }", "it has map and command"},
		{"zone \"z\" { source \"a\" { map = \"mysql:/x\" } }", "mysql"},
		{"zone \"z\" { source \"a\" { map = \"relative\" } }", "map:"},
		{"zone \"z\" { source \"a\" { aliases = \"/etc/aliases\" } }", "domains = {"},
		{"zone \"z\" { source \"a\" { command = \"x\" interval = 0 } }", "interval"},
		{"zone \"z\" { source \"a\" { command = \"x\" domains = { \"a@b\" } } }", "domains: \"a@b\""},
		{"zone \"z\" { " SOURCE " exclude = { \"root\" } }", "isn't a whole address"},
		{"zone \"z\" { " SOURCE " smtputf8 = \"maybe\" }", "say \"yes\" or \"no\""},
		{"zone \"z\" { " SOURCE " refresh = 100 expire = 100 }", "must be longer than refresh"},
		{"zone \"z\" { " SOURCE " max_shrink_percent = 101 }", "max_shrink_percent"},
		{"zone \"z\" { " SOURCE " } replica \"r\" { key = \"rxfer1:x\" zones = { \"z\" } }", "key:"},
		{"zone \"z\" { " SOURCE " } replica \"r\" { key = \"%A\" }", "zones"},
		{"zone \"z\" { " SOURCE " } replica \"r\" { key = \"%A\" zones = { \"y\" } }", "there is no zone \"y\""},
		{"zone \"z\" { " SOURCE " } replica \"r\" { key = \"%A\" zones = { \"z\", \"z\" } }", "stands there twice"},
		{"zone \"z\" { " SOURCE " }\nreplica \"r\" { key = \"%A\" zones = { \"z\" } }\n"
		 "replica \"s\" { key = \"%A\" zones = { \"z\" } }", "m.conf:3: replica \"s\": it has the same key as replica \"r\""},
		{"listen = { \"*:7353\" } zone \"z\" { " SOURCE " }", "isn't an endpoint"},
		{"zone \"z\" { " SOURCE " } zone \"z\" { " SOURCE " }", "z"},
		{"colour = 1 zone \"z\" { " SOURCE " }", "colour"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_error(cases[i].text, cases[i].expected);
}

static struct master_conf *must_parse(const char *text)
{
	struct master_conf *conf = NULL;
	struct why why;
	if (parse(text, &conf, &why) != RC_OK)
		fail_msg("%s", why.text);
	return conf;
}

static void unchanged_zones_keep_their_spec(void **state)
{
	(void)state;
	struct master_conf *old = must_parse("zone \"a\" { " SOURCE " } zone \"b\" { " SOURCE " }\n"
	                                     "zone \"c\" { " SOURCE " }");
	const struct zone_spec *a = master_conf_zone(old, 0);
	const struct zone_spec *b = master_conf_zone(old, 1);
	struct master_conf *conf = must_parse("zone \"b\" { " SOURCE " exclude = { \"x@y\" } }\n\nzone \"a\" { " SOURCE " }");
	master_conf_inherit(conf, old);
	assert_ptr_equal(master_conf_zone(conf, 1), a);
	assert_ptr_not_equal(master_conf_zone(conf, 0), b);
	assert_null(master_conf_fixed_change(old, conf));
	master_conf_free(&old);
	assert_string_equal(master_conf_zone(conf, 1)->sources[0].text, "/etc/postfix/virtual");
	struct master_conf *other = must_parse("listen = { \"tcp://*:1\" } zone \"a\" { " SOURCE " }");
	assert_string_equal(master_conf_fixed_change(conf, other), "listen");
	master_conf_free(&other);
	master_conf_free(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(everything_given),
		cmocka_unit_test(each_mistake_has_a_sentence),
		cmocka_unit_test(unchanged_zones_keep_their_spec),
	};
	return cmocka_run_group_tests(tests, make_keys, NULL);
}
