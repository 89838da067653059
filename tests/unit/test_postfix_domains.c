/* test_postfix_domains.c: domains and their address classes, as Postfix sees them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/postfix_fixture.h"

static void mydestination_is_tried_first(void **state)
{
	(void)state;
	assert_plan("mydestination = One.Example, two.example\nvirtual_alias_domains = one.example three.example\n"
	            "virtual_mailbox_domains = three.example four.example\nrelay_domains = four.example five.example\n", NULL,
	            "domain\tlocal\tone.example\ndomain\tlocal\ttwo.example\ndomain\talias\tthree.example\n"
	            "domain\tmailbox\tfour.example\ndomain\trelay\tfive.example\n-domain\talias\tone.example");
}

static void virtual_alias_domains_default_to_the_keys_of_virtual_alias_maps(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"hash:/virtual", "a.example\nuser@a.example\n@b.example\nc.example\n"}, {0}};
	assert_plan("virtual_alias_domains = hash:/virtual\nvirtual_alias_maps = hash:/virtual\n", &(struct fake){.maps = maps},
	            "domain\talias\ta.example\ndomain\talias\tc.example\n-domain\talias\tb.example\n"
	            "map\talias\tvirtual_alias_maps\tmap!\thash:/virtual\nwatch\t/virtual.db");
}

static void virtual_mailbox_domains_default_to_the_keys_of_virtual_mailbox_maps(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"lmdb:/mailbox", "a.example\nuser@a.example\n"}, {0}};
	assert_plan("virtual_mailbox_domains = proxy:lmdb:/mailbox\nvirtual_mailbox_maps = lmdb:/mailbox\n",
	            &(struct fake){.maps = maps}, "domain\tmailbox\ta.example\nwatch\t/mailbox.lmdb");
}

static void relay_domains_match_subdomains_when_parent_domain_matches_subdomains_says_so(void **state)
{
	(void)state;
	static const char relay[] = "relay_recipient_maps = hash:/r\nrelay_domains = a.example .b.example\n";
	char settings[256];
	assert_plan(relay, NULL, "domain\trelay\ta.example\nbelow\trelay\ta.example\n-below\trelay\tb.example");
	(void)snprintf(settings, sizeof settings, "%sparent_domain_matches_subdomains = mynetworks\n", relay);
	assert_plan(settings, NULL, "domain\trelay\ta.example\n-below\trelay\ta.example\nbelow\trelay\tb.example\n"
	            "-domain\trelay\tb.example");
}

static void names_in_files(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"/domains", "# none.example\na.example, b.example\n/more\n"}, {"/more", "C.example\n"},
	                                {0}};
	assert_plan("mydestination = /domains\n", &(struct fake){.maps = maps},
	            "domain\tlocal\ta.example\ndomain\tlocal\tb.example\ndomain\tlocal\tc.example\nwatch\t/domains\nwatch\t/more\n"
	            "-domain\tlocal\tnone.example");
}

static void files_that_are_missing_or_name_each_other(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"/a", "/b\n"}, {"/b", "/a\n"}, {0}};
	assert_plan("mydestination = /nowhere\n", NULL, "problem\tmydestination\t/nowhere\t~");
	assert_plan("mydestination = /a\n", &(struct fake){.maps = maps}, "problem\tmydestination\t/a\t~");
}

static void tables(void **state)
{
	(void)state;
	/* The domain is folded before it's looked up; keys of a texthash aren't. */
	const struct fake_map maps[] = {{"texthash:/t", "a.example\nB.example\n"}, {0}};
	assert_plan("mydestination = texthash:/t, x.example\n", &(struct fake){.maps = maps},
	            "domain\tlocal\ta.example\ndomain\tlocal\tx.example\n-domain\tlocal\tb.example\n-domain\tlocal\tB.example");
	assert_plan("mydestination = hash:/gone\n", NULL, "problem\tmydestination\thash:/gone\t~");
}

static void negations(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"/f", "a.example\n!b.example\n"}, {0}};
	assert_plan("mydestination = !a.example, a.example, b.example, !b.example\n", NULL,
	            "domain\tlocal\tb.example\n-domain\tlocal\ta.example");
	assert_plan("mydestination = !/f\n", &(struct fake){.maps = maps},
	            "domain\tlocal\tb.example\n-domain\tlocal\ta.example");
	assert_plan("relay_domains = !x.a.example, a.example\n", NULL,
	            "domain\tnone\tx.a.example\nbelow\tnone\tx.a.example\nbelow\trelay\ta.example\ndomain\trelay\ta.example");
	assert_plan("relay_domains = a.example, !x.a.example\n", NULL, "-domain\tnone\tx.a.example\n-below\tnone\tx.a.example");
}

static void a_domain_is_asked_for_by_its_nearest_rule(void **state)
{
	(void)state;
	struct postfix_plan plan;
	fake_plan("relay_domains = !x.a.example, a.example\nmydestination = l.a.example\nrelay_recipient_maps = hash:/r\n", NULL,
	          &plan);
	const struct { const char *name; enum postfix_class class; } asked[] = {
		{"a.example", POSTFIX_RELAY}, {"b.a.example", POSTFIX_RELAY}, {"c.b.a.example", POSTFIX_RELAY},
		{"x.a.example", POSTFIX_NONE}, {"y.x.a.example", POSTFIX_NONE}, {"l.a.example", POSTFIX_LOCAL},
		{"z.l.a.example", POSTFIX_RELAY}, {"example", POSTFIX_NONE}, {"aa.example", POSTFIX_NONE},
	};
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
		assert_int_equal(postfix_domains_class(&plan.domains, asked[i].name), asked[i].class);
	postfix_plan_free(&plan);
}

static void what_is_no_domain_matches_none(void **state)
{
	(void)state;
	assert_plan("mydestination = a@b , a.example ,, !\n", NULL, "domain\tlocal\ta.example\n-domain\tlocal\ta@b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mydestination_is_tried_first),
		cmocka_unit_test(virtual_alias_domains_default_to_the_keys_of_virtual_alias_maps),
		cmocka_unit_test(virtual_mailbox_domains_default_to_the_keys_of_virtual_mailbox_maps),
		cmocka_unit_test(relay_domains_match_subdomains_when_parent_domain_matches_subdomains_says_so),
		cmocka_unit_test(names_in_files),
		cmocka_unit_test(files_that_are_missing_or_name_each_other),
		cmocka_unit_test(tables),
		cmocka_unit_test(negations),
		cmocka_unit_test(a_domain_is_asked_for_by_its_nearest_rule),
		cmocka_unit_test(what_is_no_domain_matches_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
