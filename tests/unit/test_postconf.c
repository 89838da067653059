/* test_postconf.c: what postconf prints, and which smtpd counts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "postfix/postconf.h"

#include <string.h>

static void parameters(void **state)
{
	(void)state;
	static const char text[] = "b = x = y\na =\nc = {  d }\n\n";
	struct postconf conf;
	struct why why;
	assert_int_equal(postconf_parse(text, strlen(text), &conf, &why), RC_OK);
	assert_string_equal(postconf_get(&conf, "a"), "");
	assert_string_equal(postconf_get(&conf, "b"), "x = y");
	assert_string_equal(postconf_get(&conf, "c"), "{  d }");
	assert_string_equal(postconf_get(&conf, "nowhere"), "");
	assert_false(postconf_is_yes(&conf, "b"));
	postconf_free(&conf);
	assert_int_equal(postconf_parse("usage: postconf\n", 16, &conf, &why), RC_INVALID);
	assert_int_equal(postconf_parse(" = x\n", 5, &conf, &why), RC_INVALID);
}

static const struct postconf_service *chosen(const char *services, const char *overrides, const char *wanted,
                                             struct postconf_services *found, size_t *rivals)
{
	struct why why;
	assert_int_equal(postconf_parse_services(services, strlen(services), overrides, strlen(overrides), found, &why), RC_OK);
	return postconf_smtpd(found, wanted, rivals);
}

static void smtpd_overrides_in_master_cf(void **state)
{
	(void)state;
	struct postconf_services services;
	size_t rivals;
	const struct postconf_service *smtpd =
		chosen("smtp       inet  n - n - - smtpd -o a=b\n127.0.0.1:10025 inet n - n - - smtpd\nlocal unix - n n - - local\n",
		       "smtp/inet/relay_recipient_maps = hash:/x hash:/y\nsmtp/inet/empty =\n127.0.0.1:10025/inet/p = q\n", NULL,
		       &services, &rivals);
	assert_string_equal(smtpd->name, "smtp");
	assert_int_equal(smtpd->override_count, 2);
	assert_string_equal(smtpd->overrides[0].name, "relay_recipient_maps");
	assert_string_equal(smtpd->overrides[0].value, "hash:/x hash:/y");
	assert_string_equal(smtpd->overrides[1].value, "");
	assert_int_equal(rivals, 0);
	assert_string_equal(postconf_service_of(&services, "local")->name, "local");
	assert_null(postconf_service_of(&services, "none"));
	postconf_services_free(&services);
}

static void the_smtpd_that_strangers_reach(void **state)
{
	(void)state;
	static const struct { const char *services, *wanted, *name; } cases[] = {
		{"submission inet n - n - - smtpd\nsmtp inet n - n - - smtpd\n", NULL, "smtp"},
		{"192.0.2.1:25 inet n - n - - smtpd\n", NULL, "192.0.2.1:25"},
		{"smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\nsmtps inet n - n - - smtpd\n", NULL, "smtpd"},
		{"587 inet n - n - - smtpd\n127.0.0.1:2525 inet n - n - - smtpd\n", NULL, "127.0.0.1:2525"},
		{"smtp inet n - n - - /usr/lib/postfix/sbin/smtpd\n", NULL, "smtp"},
		{"smtp inet n - n - - smtpd\n10025 inet n - n - - smtpd\n", "10025", "10025"},
		{"smtp inet n - n - - smtpd\n", "nowhere", NULL},
		{"smtp unix n - n - - smtp\nsubmission inet n - n - - smtpd\n", NULL, NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct postconf_services services;
		size_t rivals;
		const struct postconf_service *smtpd = chosen(cases[i].services, "", cases[i].wanted, &services, &rivals);
		if (cases[i].name)
			assert_string_equal(smtpd->name, cases[i].name);
		else
			assert_null(smtpd);
		postconf_services_free(&services);
	}
}

static void rivals_at_port_25(void **state)
{
	(void)state;
	struct postconf_services services;
	size_t rivals;
	(void)chosen("192.0.2.1:25 inet n - n - - smtpd\n192.0.2.2:smtp inet n - n - - smtpd\n192.0.2.3:25 inet n - n - - smtpd\n",
	             "192.0.2.2:smtp/inet/a = b\n", NULL, &services, &rivals);
	assert_int_equal(rivals, 1);
	postconf_services_free(&services);
}

static void what_is_not_understood_is_refused(void **state)
{
	(void)state;
	struct postconf_services services;
	struct why why;
	assert_int_equal(postconf_parse_services("smtp inet\n", 10, "", 0, &services, &why), RC_INVALID);
	assert_int_equal(postconf_parse_services("a b c d e f g h\n", 16, "x/b/p = q\n", 10, &services, &why), RC_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters),
		cmocka_unit_test(smtpd_overrides_in_master_cf),
		cmocka_unit_test(the_smtpd_that_strangers_reach),
		cmocka_unit_test(rivals_at_port_25),
		cmocka_unit_test(what_is_not_understood_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
