/* test_replica_conf.c: a good configuration, and for each mistake the line and the word that mends it. */
#include "replica/replica_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static char key[PUBKEY_TEXT_MAX];

static int setup(void **state)
{
	(void)state;
	struct pubkey pubkey = {.sign = {1}, .transport = {2}};
	identity_init();
	pubkey_format(&pubkey, key);
	return 0;
}

/* KEY in the text stands for a key. */
static enum rc parse(const char *text, struct replica_conf **out, struct why *why)
{
	char full[4096];
	size_t length = 0;
	for (const char *at = text; *at && length < sizeof(full) - PUBKEY_TEXT_MAX;) {
		if (strncmp(at, "KEY", 3) == 0) {
			length += (size_t)snprintf(full + length, sizeof(full) - length, "%s", key);
			at += 3;
		} else {
			full[length++] = *at++;
		}
	}
	return replica_conf_parse("replica.conf", full, length, out, why);
}

#define MASTER "master \"primary\" { connect = \"tcp://mx1.example.com:7353\" keys = { \"KEY\" } }\n"
#define ZONE "zone \"example\" { master = \"primary\" domains = { \"example.com\", \"Example.ORG\" } }\n"
#define TABLE(name, path) "table \"" name "\" { holds = \"recipients\" path = \"" path "\" }\n"

static void a_good_one(void **state)
{
	(void)state;
	struct replica_conf *conf = NULL;
	struct why why;
	enum rc rc = parse("state = \"/s\"\n" MASTER ZONE
	          "zone \"other\" { master = \"primary\" domains = { \"*\" } on_expire = \"accept\" }\n"
	          "table \"relay_recipients\" { holds = \"recipients\" type = \"hash\" path = \"/t//recipients\" }\n"
	          "table \"relay_domains\" { holds = \"domains\" path = \"/t/domains\" zones = { \"other\" } }\n",
	          &conf, &why);
	if (rc != RC_OK)
		fail_msg("%s", why.text);
	assert_non_null(strstr(conf->identity, "/rxfer/replica.identity"));
	assert_string_equal(conf->control, "/run/rxfer/replica.sock");
	assert_int_equal(conf->master_count, 1);
	assert_int_equal(conf->masters[0].key_count, 1);
	assert_int_equal(conf->zone_count, 2);
	assert_string_equal(conf->zones[0].folder, "/s/zones/example");
	assert_int_equal(conf->zones[0].session.domain_count, 2);
	assert_int_equal(conf->zones[0].session.on_expire, ON_EXPIRE_KEEP);
	assert_int_equal(conf->zones[1].session.on_expire, ON_EXPIRE_ACCEPT);
	assert_ptr_equal(conf->zones[0].session.keys, conf->masters[0].keys);
	assert_int_equal(conf->table_count, 2);
	assert_string_equal(conf->tables[0].spec.path, "/t/recipients");
	assert_true(replica_table_has(&conf->tables[0], "example"));
	assert_false(replica_table_has(&conf->tables[1], "example"));
	assert_true(replica_table_has(&conf->tables[1], "other"));

	struct replica_conf *other = NULL;
	assert_int_equal(parse("state = \"/other\"\n" MASTER ZONE, &other, &why), RC_OK);
	assert_string_equal(replica_conf_fixed_change(conf, other), "state");
	assert_null(replica_conf_fixed_change(conf, conf));
	replica_conf_free(&other);
	replica_conf_free(&conf);
}

static void a_postfix(void **state)
{
	(void)state;
	struct replica_conf *conf = NULL;
	struct why why;
	struct buf question = {0};
	assert_int_equal(parse(MASTER ZONE, &conf, &why), RC_OK);
	assert_null(conf->postfix.config);
	replica_conf_free(&conf);
	assert_int_equal(parse(MASTER ZONE "postfix { }\n", &conf, &why), RC_OK);
	assert_string_equal(conf->postfix.config, "/etc/postfix");
	assert_null(conf->postfix.commands);
	assert_null(conf->postfix.service);
	assert_int_equal(conf->postfix.interval_ms, 60000);
	assert_int_equal(conf->postfix.timeout_ms, 60000);
	replica_conf_free(&conf);
	assert_int_equal(parse(MASTER ZONE "zone \"other\" { master = \"primary\" domains = { \"c\" } }\n" TABLE("t", "/t/x")
	                       "table \"d\" { holds = \"domains\" path = \"/t/d\" zones = { \"other\" } }\n"
	                       "postfix { config_directory = \"/p\" command_directory = \"/c\" service = \"smtp\" "
	                       "interval = 5 timeout = 7 }\n", &conf, &why), RC_OK);
	assert_string_equal(conf->postfix.config, "/p");
	assert_int_equal(conf->postfix.interval_ms, 5000);
	assert_int_equal(conf->postfix.timeout_ms, 7000);
	replica_conf_question(conf, &question);
	assert_string_equal(buf_text(&question), "question\t1\ncommands\t/c\nservice\tsmtp\n"
	                    "table\tt\trecipients\thash\t/t/x\t.db\nin\texample\nin\tother\n"
	                    "table\td\tdomains\thash\t/t/d\t.db\nin\tother\n");
	buf_free(&question);
	replica_conf_free(&conf);
}

static void mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *line, *word;
	} bad[] = {
		{ZONE, "replica.conf", "master"},
		{MASTER, "replica.conf", "zone"},
		{"master \"m\" { connect = \"mx1:7353\" keys = { \"KEY\" } }\n" ZONE, ":1:", "tcp://HOST:PORT"},
		{"master \"m\" { connect = \"tcp://mx1\" keys = { \"KEY\" } }\n" ZONE, ":1:", "tcp://HOST:PORT"},
		{"master \"m\" { connect = \"tcp://mx1:1\" keys = { } }\n" ZONE, ":1:", "rxfer key"},
		{"master \"m\" { connect = \"tcp://mx1:1\" keys = { \"rxfer1:abc\" } }\n" ZONE, ":1:", "rxfer key"},
		{"master \"m/x\" { connect = \"tcp://mx1:1\" keys = { \"KEY\" } }\n" ZONE, ":1:", "name"},
		{MASTER "zone \"example\" { master = \"nobody\" domains = { \"a\" } }\n", ":2:", "no master \"nobody\""},
		{MASTER "zone \"example\" { master = \"primary\" }\n", ":2:", "no domains"},
		{MASTER "zone \"example\" { master = \"primary\" domains = { } }\n", ":2:", "no domains"},
		{MASTER "zone \"example\" { master = \"primary\" domains = { \"a\", \"*\" } }\n", ":2:", "alone"},
		{MASTER "zone \"example\" { master = \"primary\" domains = { \"a@b\" } }\n", ":2:", "'@'"},
		{MASTER "zone \"../x\" { master = \"primary\" domains = { \"a\" } }\n", ":2:", "name"},
		{MASTER "zone \"example\" { master = \"primary\" domains = { \"a\" } on_expire = \"defer\" }\n", ":2:", "keep"},
		{MASTER ZONE "table \"t\" { holds = \"users\" path = \"/t\" }\n", ":3:", "recipients"},
		{MASTER ZONE "table \"t\" { holds = \"domains\" type = \"mysql\" path = \"/t\" }\n", ":3:", "hash"},
		{MASTER ZONE "table \"t\" { holds = \"domains\" path = \"t\" }\n", ":3:", "path"},
		{MASTER ZONE "table \"t\" { holds = \"domains\" path = \"/t.db\" }\n", ":3:", ".db"},
		{MASTER ZONE "table \"t\" { holds = \"domains\" path = \"/t/\" }\n", ":3:", "main.cf"},
		{MASTER ZONE "table \"t\" { holds = \"domains\" path = \"/a b\" }\n", ":3:", "main.cf"},
		{MASTER ZONE "table \"t\" { holds = \"domains\" path = \"/t\" zones = { \"x\" } }\n", ":3:", "no zone \"x\""},
		{MASTER ZONE "table \"t\" { holds = \"domains\" path = \"/t\" zones = { } }\n", ":3:", "leave it out"},
		{MASTER ZONE TABLE("a", "/t/x") TABLE("b", "/t//x"), ":4:", "same file"},
		{MASTER ZONE TABLE("..", "/t/x"), ":3:", "name"},
		{MASTER ZONE "postfix { config_directory = \"postfix\" }\n", ":3:", "config_directory"},
		{MASTER ZONE "postfix { timeout = 0 }\n", ":3:", "timeout"},
		{MASTER ZONE "postfix { }\npostfix { }\n", ":4:", "postfix"},
		{MASTER ZONE "tabel \"t\" { }\n", ":3:", "tabel"},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct replica_conf *conf = NULL;
		struct why why = {""};
		if (parse(bad[i].text, &conf, &why) == RC_OK)
			fail_msg("was taken: %s", bad[i].text);
		assert_null(conf);
		if (!strstr(why.text, bad[i].line) || !strstr(why.text, bad[i].word))
			fail_msg("\"%s\" should name %s and %s for\n%s", why.text, bad[i].line, bad[i].word, bad[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one),
		cmocka_unit_test(a_postfix),
		cmocka_unit_test(mistakes),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
