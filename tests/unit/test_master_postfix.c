/* test_master_postfix.c: a zone's `postfix` section, and the sources that a plan makes of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/master_postfix.h"
#include "master/postfix_find.h"
#include "postfix/postfix_options.h"

#include <string.h>

#define S POSTFIX_FIND_SEPARATOR

static const struct conf_option zone_options[] = {
	{.name = "postfix", .kind = CONF_SECTION, .section = postfix_options},
	{.name = "treat", .kind = CONF_SECTION, .flags = CONF_TITLED, .section = master_postfix_treat_options},
	{0}
};

static enum rc load(const char *text, struct master_postfix **out, struct why *why)
{
	struct conf *conf;
	assert_int_equal(conf_parse("m.conf", text, strlen(text), zone_options, &conf, why), RC_OK);
	enum rc rc = master_postfix_load(conf, out, why);
	conf_free(&conf);
	return rc;
}

static const struct keys_filter filter = {.smtputf8 = false};

static struct master_postfix *make(const char *text, struct source_spec *base)
{
	struct master_postfix *postfix = NULL;
	struct why why;
	if (load(text, &postfix, &why) != RC_OK)
		fail_msg("%s", why.text);
	master_postfix_base(postfix, &filter, 20, base);
	return postfix;
}

static void what_the_section_says(void **state)
{
	(void)state;
	struct source_spec base;
	struct master_postfix *postfix = make("postfix { }", &base);
	assert_int_equal(base.kind, SOURCE_POSTFIX);
	assert_string_equal(base.text, "/etc/postfix");
	assert_string_equal(base.postfix->argument, "/etc/postfix");
	assert_null(base.postfix->plan);
	assert_int_equal(base.interval_ms, 60000);
	assert_int_equal(base.timeout_ms, 60000);
	assert_int_equal(base.settle_ms, 20);
	assert_int_equal(master_postfix_count(postfix), 0);
	assert_null(master_postfix_note(postfix, 0));
	master_postfix_free(&postfix);
	postfix = make("postfix { config_directory = \"/p\" command_directory = \"/c\" service = \"s\" interval = 5 timeout = 6 }\n"
	               "treat \"mysql:/a\" { as = \"list\" command = \"one | two\" }\ntreat \"pcre:/b\" { as = \"ignore\" }\n"
	               "treat \"ldap:/c\" { as = \"catch-all\" }", &base);
	assert_string_equal(base.postfix->argument, "/p" S "service" S "s" S "commands" S "/c" S "list" S "mysql:/a" S "one | two" S
	                    "ignore" S "pcre:/b" S "catch-all" S "ldap:/c");
	assert_int_equal(base.interval_ms, 5000);
	assert_int_equal(base.timeout_ms, 6000);
	master_postfix_free(&postfix);
	master_postfix_free(&postfix);
}

static void mistakes_in_it(void **state)
{
	(void)state;
	static const struct { const char *text, *part; } cases[] = {
		{"treat \"a:b\" { as = \"what\" }", "say \"list\", \"catch-all\" or \"ignore\""},
		{"treat \"a:b\" { as = \"list\" }", "say what lists it"},
		{"treat \"a:b\" { as = \"ignore\" command = \"x\" }", "only for as = \"list\""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct master_postfix *postfix = NULL;
		struct why why;
		char text[256] = "postfix { }\n";
		strcat(text, cases[i].text);
		assert_int_equal(load(text, &postfix, &why), RC_INVALID);
		assert_null(postfix);
		assert_non_null(strstr(why.text, cases[i].part));
		assert_non_null(strstr(why.text, "m.conf:2"));
	}
}

static void take(struct master_postfix *postfix, const char *text, enum rc expected)
{
	struct buf plan = {0};
	struct why why;
	buf_put(&plan, text, strlen(text));
	assert_int_equal(master_postfix_plan(postfix, &plan, &why), expected);
	buf_free(&plan);
}

static const char plan[] =
	"plan\t1\ndomain\tlocal\tlo.example\ndomain\tlocal\ta.example\ndomain\tmailbox\tvm.example\ndomain\trelay\trl.example\n"
	"bare\tlocal\tlo.example\nbare\tmailbox\tvm.example\nbare\tlocal\ta.example\n"
	"map\tlocal,mailbox,relay\tvirtual_alias_maps\tmap!\thash:/v\nmap\tlocal\tlocal_recipient_maps\taliases\thash:/a\n"
	"map\tmailbox\tvirtual_mailbox_maps\tmap=\tpipemap:{hash:/p, hash:/q}\nmap\trelay\trelay_recipient_maps\tcommand\tlist\n"
	"param\tsmtputf8_enable\tyes\nnote\tfirst\nnote\tsecond\nend\n";

static void a_plan_makes_sources(void **state)
{
	(void)state;
	struct source_spec base, source;
	struct master_postfix *postfix = make("postfix { config_directory = \"/p\" interval = 7 timeout = 8 }", &base);
	take(postfix, plan, RC_OK);
	assert_ptr_equal(base.postfix->plan, base.rule.plan);
	assert_string_equal(base.postfix->text, plan);
	assert_int_equal(master_postfix_count(postfix), 4);
	assert_string_equal(master_postfix_note(postfix, 1), "second");
	assert_null(master_postfix_note(postfix, 2));

	master_postfix_source(postfix, 0, &source);
	assert_string_equal(source.name, "virtual_alias_maps hash:/v");
	assert_int_equal(source.kind, SOURCE_MAP);
	assert_int_equal(source.interval_ms, 7000);
	assert_int_equal(source.timeout_ms, 8000);
	assert_int_equal(source.settle_ms, 20);
	assert_true(source.rule.first);
	assert_ptr_equal(source.rule.plan, base.rule.plan);
	/* Where bare keys hold, sorted. The plan's word on smtputf8_enable goes before the zone's. */
	assert_int_equal(source.rule.domain_count, 3);
	assert_string_equal(source.rule.domains[0], "a.example");
	assert_true(source.rule.filter->smtputf8);

	master_postfix_source(postfix, 1, &source);
	assert_int_equal(source.kind, SOURCE_ALIASES);
	assert_true(source.rule.aliases);
	assert_int_equal(source.rule.domain_count, 2);
	assert_int_equal(source.rule.classes, POSTFIX_BIT(POSTFIX_LOCAL));
	master_postfix_source(postfix, 2, &source);
	assert_true(source.rule.exact);
	assert_string_equal(source.text, "pipe:/p\t\tpipemap:{hash:/p, hash:/q}");
	master_postfix_source(postfix, 3, &source);
	assert_int_equal(source.kind, SOURCE_COMMAND);
	assert_string_equal(source.text, "list");
	assert_int_equal(source.rule.domain_count, 0);
	master_postfix_free(&postfix);
}

static void another_plan_takes_its_place_and_a_bad_one_does_not(void **state)
{
	(void)state;
	struct source_spec base, source;
	struct master_postfix *postfix = make("postfix { }", &base);
	take(postfix, plan, RC_OK);
	take(postfix, "plan\t1\n", RC_INVALID);
	assert_int_equal(master_postfix_count(postfix), 4);
	assert_string_equal(base.postfix->text, plan);
	take(postfix, "plan\t1\nmap\trelay\trelay_recipient_maps\tmap\thash:/n\nparam\tsmtputf8_enable\tno\nend\n", RC_OK);
	assert_int_equal(master_postfix_count(postfix), 1);
	master_postfix_source(postfix, 0, &source);
	assert_string_equal(source.text, "hash:/n");
	assert_false(source.rule.filter->smtputf8);
	assert_null(master_postfix_note(postfix, 0));
	master_postfix_free(&postfix);
}

/* A pipe in alias_maps is asked as any other. */
static void pipes_of_aliases_know_their_postfix(void **state)
{
	(void)state;
	struct source_spec base, source;
	struct master_postfix *postfix = make("postfix { config_directory = \"/p\" command_directory = \"/c\" }", &base);
	take(postfix, "plan\t1\nmap\tlocal\tlocal_recipient_maps\taliases\tpipemap:{hash:/a, static:b}\nend\n", RC_OK);
	master_postfix_source(postfix, 0, &source);
	assert_int_equal(source.kind, SOURCE_ALIASES);
	assert_string_equal(source.text, "pipe:/p\t/c\tpipemap:{hash:/a, static:b}");
	master_postfix_free(&postfix);
}

static void names_are_unique_and_short(void **state)
{
	(void)state;
	struct source_spec base, source[4];
	struct buf text = {0};
	struct why why;
	struct master_postfix *postfix = make("postfix { }", &base);
	buf_printf(&text, "plan\t1\n");
	for (int i = 0; i < 2; i++) {
		buf_printf(&text, "map\trelay\trelay_recipient_maps\tmap\tinline:{");
		for (int j = 0; j < 100; j++)
			buf_printf(&text, "user%d=x ", j);
		buf_printf(&text, "%d=x}\n", i);
	}
	buf_printf(&text, "map\tlocal\tp\tmap\thash:/x\nmap\tlocal\tp\tmap\tbtree:/x\nend\n");
	assert_int_equal(master_postfix_plan(postfix, &text, &why), RC_OK);
	for (size_t i = 0; i < 4; i++) {
		master_postfix_source(postfix, i, &source[i]);
		assert_true(strlen(source[i].name) < 256);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(source[i].name, source[j].name);
	}
	assert_string_not_equal(source[0].text, source[1].text);
	assert_string_equal(source[3].name, "p btree:/x");
	buf_free(&text);
	master_postfix_free(&postfix);
}

static void what_counts_as_the_same(void **state)
{
	(void)state;
	static const char *const others[] = {
		"postfix { config_directory = \"/q\" }", "postfix { interval = 5 }", "postfix { timeout = 5 }",
		"postfix { service = \"s\" }", "postfix { command_directory = \"/c\" }",
		"postfix { }\ntreat \"a:b\" { as = \"ignore\" }",
	};
	struct source_spec base;
	struct master_postfix *first = make("postfix { }", &base);
	struct master_postfix *second = make("postfix { config_directory = \"/etc/postfix\" }", &base);
	assert_true(master_postfix_same(NULL, NULL));
	assert_false(master_postfix_same(first, NULL));
	assert_false(master_postfix_same(NULL, first));
	assert_true(master_postfix_same(first, second));
	/* What it was found to accept is no setting. */
	take(second, plan, RC_OK);
	assert_true(master_postfix_same(first, second));
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		struct master_postfix *other = make(others[i], &base);
		assert_false(master_postfix_same(first, other));
		master_postfix_free(&other);
	}
	master_postfix_free(&second);
	master_postfix_free(&first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_section_says),
		cmocka_unit_test(mistakes_in_it),
		cmocka_unit_test(a_plan_makes_sources),
		cmocka_unit_test(another_plan_takes_its_place_and_a_bad_one_does_not),
		cmocka_unit_test(pipes_of_aliases_know_their_postfix),
		cmocka_unit_test(names_are_unique_and_short),
		cmocka_unit_test(what_counts_as_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
