/* test_compare.c: what is found in a Postfix's settings, and the lines that mend it; and that nothing is found in an ordinary
 * one. */
#include "replica/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a made-up Postfix ---- */

/* Lines of KEY TAB VALUE; or of a file. text NULL: it's there, and can't be read. */
struct fake_map {
	const char *name;
	const char *text;
	bool unlisted;
};

/* What is looked at. Settings go before those of a good configuration. */
struct given {
	const char *settings;        /* as `postconf -x` has them */
	const char *written;         /* as main.cf has them, where that differs */
	const char *overrides;       /* lines of `postconf -P`, for smtp inet and rewrite unix */
	const char *zone;            /* its lines in the place of the good ones */
	const char *more;            /* other zones */
	const struct fake_map *maps;
	bool absent;                 /* our tables aren't written yet */
	const char *commands;
	const char *config;
};

#define RECIPIENTS "hash:/t/recipients"
#define DOMAINS "hash:/t/domains"
#define GOOD_ZONE "param\trecipient_delimiter\t+\nparam\tsmtputf8_enable\tyes\nparam\towner_request_special\tyes\n" \
                  "param\tallow_min_user\tno\ndomain\texample.com\ndomain\texample.org\n"

static const char good[] =
	"alias_maps = hash:/etc/aliases\nallow_min_user = no\ncanonical_maps = \nmydestination = mx2.example.net, localhost\n"
	"mydomain = example.net\nmyhostname = mx2.example.net\nmyorigin = mx2.example.net\nowner_request_special = yes\n"
	"parent_domain_matches_subdomains = relay_domains,transport_maps\nqueue_directory = /queue\n"
	"receive_override_options = \nrecipient_canonical_maps = \nrecipient_delimiter = +\nrelay_domains = " DOMAINS "\n"
	"relay_recipient_maps = " RECIPIENTS "\nrelay_transport = relay\nrelocated_maps = \nsmtpd_reject_unlisted_recipient = yes\n"
	"smtpd_recipient_restrictions = \nsmtputf8_enable = yes\nsoft_bounce = no\ntransport_maps = \n"
	"unknown_relay_recipient_reject_code = 550\nvirtual_alias_domains = \nvirtual_alias_maps = \nvirtual_mailbox_domains = \n";
static const char types[] = "btree\ncdb\nhash\ninline\nmysql\npipemap\nproxy\nregexp\nstatic\ntexthash\nunionmap\nunix\n";

static const struct fake_map *find_map(const struct given *given, const char *name)
{
	for (const struct fake_map *map = given->maps; map && map->name; map++)
		if (strcmp(map->name, name) == 0)
			return map;
	return NULL;
}

static enum rc fake_file(void *context, const char *path, struct buf *out, struct why *why)
{
	const struct fake_map *map = find_map(context, path);
	if (!map)
		return why_set(why, RC_NOT_FOUND, "%s isn't there", path);
	if (!map->text)
		return why_set(why, RC_IO, "can't read %s: Permission denied", path);
	buf_put(out, map->text, strlen(map->text));
	return RC_OK;
}

static enum rc fake_list(void *context, const char *name, struct buf *out, struct why *why)
{
	const struct fake_map *map = find_map(context, name);
	if (map && map->unlisted)
		return why_set(why, RC_IO, "can't be listed");
	return fake_file(context, name, out, why);
}

static bool wants(const struct buf *keys, const char *key, size_t length)
{
	const char *at = (const char *)keys->data, *end = at + keys->length;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		if ((size_t)(stop - at) == length && memcmp(at, key, length) == 0)
			return true;
		at = stop + 1;
	}
	return false;
}

/* "*" in a map's text answers everything that is asked. */
static enum rc fake_values(void *context, const char *name, const struct buf *keys, struct buf *out, struct why *why)
{
	struct buf text = {0};
	enum rc rc = fake_file(context, name, &text, why);
	if (rc != RC_OK)
		return rc;
	assert_true(keys->length > 0 && keys->data[keys->length - 1] == '\n');
	const char *all = strcmp(buf_text(&text), "everything\n") == 0 ? "everything" : NULL;
	const char *source = all ? (const char *)keys->data : buf_text(&text);
	const char *end = all ? source + keys->length : source + text.length;
	for (const char *at = source; at < end;) {
		size_t length = (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) - at);
		size_t key = strcspn(at, "\t\n");
		if (all)
			buf_printf(out, "%.*s\tx\n", (int)length, at);
		else if (wants(keys, at, key))
			buf_printf(out, "%.*s\n", (int)length, at);
		at += length + 1;
	}
	buf_free(&text);
	return RC_OK;
}

static bool fake_there(void *context, const char *path)
{
	const struct given *given = context;
	assert_true(strcmp(path, "/t/recipients.db") == 0 || strcmp(path, "/t/domains.db") == 0);
	return !given->absent;
}

/* Of doubles the first counts: a good setting is put in only when there is no other. */
static struct postconf settings_of(const char *first, const char *second)
{
	const char *const parts[] = {first ? first : "", second ? second : "", good};
	struct postconf conf;
	struct buf text = {0};
	struct why why;
	for (size_t part = 0; part < 3; part++)
		for (const char *line = parts[part]; *line != '\0'; line = strchr(line, '\n') + 1) {
			char name[80];
			snprintf(name, sizeof name, "\n%.*s=", (int)strcspn(line, "="), line);
			char *so_far = malloc(text.length + 2);
			snprintf(so_far, text.length + 2, "\n%s", buf_text(&text));
			if (!strstr(so_far, name))
				buf_put(&text, line, strcspn(line, "\n") + 1);
			free(so_far);
		}
	assert_int_equal(postconf_parse(text.data, text.length, &conf, &why), RC_OK);
	buf_free(&text);
	return conf;
}

static void question_of(const struct given *given, struct question *out)
{
	struct buf text = {0};
	struct why why;
	buf_printf(&text, "question\t1\n");
	if (given->commands)
		buf_printf(&text, "commands\t%s\n", given->commands);
	buf_printf(&text, "table\trecipients\trecipients\thash\t/t/recipients\t.db\nin\texample\nin\tother\n"
	           "table\tdomains\tdomains\thash\t/t/domains\t.db\nin\texample\nin\tother\n"
	           "zone\texample\n%s%send\n", given->zone ? given->zone : GOOD_ZONE, given->more ? given->more : "");
	if (question_parse(&text, out, &why) != RC_OK)
		fail_msg("%s", why.text);
	buf_free(&text);
}

static void find(const struct given *given, struct findings *out)
{
	static const char master_cf[] = "smtp inet n - n - - smtpd\nrewrite unix - - n - - trivial-rewrite\n";
	struct postconf main_cf = settings_of(given->written, given->settings), conf = settings_of(given->settings, NULL);
	struct postconf_services services;
	struct question question;
	struct buf known = {0};
	struct why why;
	const char *overrides = given->overrides ? given->overrides : "";
	const struct compare_world world = {fake_values, fake_list, fake_file, fake_there, (void *)(uintptr_t)given};
	assert_int_equal(postconf_parse_services(master_cf, strlen(master_cf), overrides, strlen(overrides), &services, &why),
	                 RC_OK);
	buf_put(&known, types, sizeof types - 1);
	question_of(given, &question);
	const struct compare_postfix postfix = {
		.config = given->config ? given->config : "/etc/postfix", .main = &main_cf, .smtpd = {&conf, &services.at[0]},
		.rewrite = {&conf, &services.at[1]}, .types = &known,
	};
	*out = (struct findings){.at = NULL};
	compare_find(&question, &postfix, &world, out);
	question_free(&question);
	postconf_services_free(&services);
	postconf_free(&main_cf);
	postconf_free(&conf);
	buf_free(&known);
}

/* `expected`: a line for each finding, in order: "warning: SENTENCE", of which a part is enough; a "..." ends it; the next
 * line, when it begins with "> ", is the mend. */
static void assert_found(const struct given *given, const char *expected)
{
	struct findings findings;
	struct buf text = {0};
	find(given, &findings);
	for (size_t i = 0; i < findings.count; i++) {
		const struct finding *finding = &findings.at[i];
		buf_printf(&text, "%s: %s\n", finding->warning ? "warning" : "hint", finding->sentence);
		if (finding->mend[0])
			buf_printf(&text, "> %s\n", finding->mend);
	}
	const char *at = buf_text(&text);
	for (const char *want = expected; *want != '\0' || *at != '\0';) {
		size_t length = strcspn(want, "\n");
		bool open = length > 3 && strncmp(want + length - 3, "...", 3) == 0;
		size_t compared = open ? length - 3 : length;
		size_t got = strcspn(at, "\n");
		if ((open ? got < compared : got != compared) || strncmp(at, want, compared) != 0)
			fail_msg("wanted\n%s\ngot\n%s", expected, buf_text(&text));
		want += length + (want[length] == '\n');
		at += got + (at[got] == '\n');
	}
	findings_free(&findings);
	buf_free(&text);
}

#define POSTCONF_E "> postconf -e '"

/* ---- tests ---- */

static void nothing_is_found_in_an_ordinary_configuration(void **state)
{
	(void)state;
	assert_found(&(struct given){0}, "");
	assert_found(&(struct given){.zone = "domain\texample.com\n"}, "");
	assert_found(&(struct given){.zone = ""}, "");
	const struct fake_map maps[] = {
		{"hash:/etc/postfix/virtual", "root\tanne\nanne@mx2.example.net\tanne\n@elsewhere.example\tx\n", false},
		{"hash:/etc/postfix/transport", "example.com\tsmtp:[mx1.example.com]\n*\terror:nowhere\n.org\t:\n"
		                                "example.org\trelay:[mx1.example.com]\nx@elsewhere.example\terror:\n", false},
		{"/etc/mailname", "mx2.example.net\n", false}, {0}};
	assert_found(&(struct given){
		.settings = "virtual_alias_maps = hash:/etc/postfix/virtual\nvirtual_alias_domains = hash:/etc/postfix/virtual\n"
		            "transport_maps = hash:/etc/postfix/transport\nmyorigin = /etc/mailname\n"
		            "relay_domains = mx2.example.net, localhost " DOMAINS "\n"
		            "relay_recipient_maps = proxy:unionmap:{inline:{a@elsewhere.example=x}, proxy:hash:/t//recipients}\n"
		            "smtpd_reject_unlisted_recipient = no\nsmtpd_recipient_restrictions = a, reject_unlisted_recipient\n",
		.maps = (const struct fake_map[]){maps[0], maps[1], maps[2], {"inline:{a@elsewhere.example=x}",
		                                  "a@elsewhere.example\tx\n", false}, {0}}}, "");
}

static void parameters_are_those_of_the_primary(void **state)
{
	(void)state;
	assert_found(&(struct given){.settings = "recipient_delimiter = -\n"},
	             "warning: recipient_delimiter is \"-\" here and \"+\" on the primary of zone \"example\": valid recipients may be "
	             "refused\n" POSTCONF_E "recipient_delimiter = +'");
	assert_found(&(struct given){.settings = "recipient_delimiter = \n"}, "warning: recipient_delimiter is \"\" here...\n"
	             POSTCONF_E "recipient_delimiter = +'");
	assert_found(&(struct given){.settings = "recipient_delimiter = -+\n", .zone = "param\trecipient_delimiter\t+-\n"}, "");
	assert_found(&(struct given){.zone = "param\trecipient_delimiter\t\n"}, "warning: recipient_delimiter is \"+\" here and \"\"...\n"
	             POSTCONF_E "recipient_delimiter = '");
	assert_found(&(struct given){.settings = "owner_request_special = no\nallow_min_user = yes\nsmtputf8_enable = no\n"},
	             "warning: smtputf8_enable is \"no\" here...\n" POSTCONF_E "smtputf8_enable = yes'\n"
	             "warning: owner_request_special is \"no\"...\n" POSTCONF_E "owner_request_special = yes'\n"
	             "warning: allow_min_user is \"yes\"...\n" POSTCONF_E "allow_min_user = no'");
}

static void parameters_of_master_cf_are_mended_there(void **state)
{
	(void)state;
	assert_found(&(struct given){.settings = "recipient_delimiter = -\n", .overrides = "smtp/inet/recipient_delimiter = -\n"},
	             "warning: recipient_delimiter is \"-\" here (by the -o of smtp in master.cf) and...\n"
	             "> postconf -P smtp/inet/recipient_delimiter=+");
}

static void zones_that_want_different_values_are_named(void **state)
{
	(void)state;
	assert_found(&(struct given){.more = "zone\tother\nparam\trecipient_delimiter\t-\nparam\tsmtputf8_enable\tyes\n"},
	             "warning: zones want different values of recipient_delimiter, and no setting can suit all: \"+\" (zone \"example\"), "
	             "\"-\" (zone \"other\")");
}

/* The line is for root's shell, and the value is the master's. */
static void what_a_master_sends_never_gets_into_a_shell(void **state)
{
	(void)state;
	assert_found(&(struct given){.zone = "param\trecipient_delimiter\t'; reboot; '\n"}, "warning: recipient_delimiter is...");
	assert_found(&(struct given){.zone = "param\trecipient_delimiter\t$x\n"}, "warning: recipient_delimiter is...");
	assert_found(&(struct given){.zone = "param\trecipient_delimiter\t+ -\n"}, "warning: recipient_delimiter is...");
	assert_found(&(struct given){.zone = "param\tsmtputf8_enable\tno\\n\n"}, "warning: smtputf8_enable is...");
	assert_found(&(struct given){.zone = "param\tmailbox_command\t/bin/sh\nparam\tsmtpd_relay_restrictions\tpermit\n"}, "");
	assert_found(&(struct given){.more = "zone\tthird\ndomain\tx'$(reboot)'\n"}, "warning: relay_domains doesn't have x'...");
	assert_found(&(struct given){.more = "zone\tthird\ndomain\tstatic:x\n"}, "warning: relay_domains doesn't have static:x...");
	assert_found(&(struct given){.more = "zone\tthird\ndomain\t/etc/x\n"}, "warning: relay_domains doesn't have /etc/x...");
	assert_found(&(struct given){.more = "zone\tthird\ndomain\tmüll.example\n"},
	             "warning: relay_domains doesn't have müll.example...\n> ...");
}

static void tables_are_named_where_postfix_looks(void **state)
{
	(void)state;
	assert_found(&(struct given){.settings = "relay_recipient_maps = \n"},
	             "warning: relay_recipient_maps is empty: every recipient in relay_domains is accepted; it must name table "
	             "\"recipients\" (" RECIPIENTS ")\n" POSTCONF_E "relay_recipient_maps = " RECIPIENTS "'");
	const struct fake_map maps[] = {{"hash:/other", "x@elsewhere.example\tx\n", false}, {0}};
	assert_found(&(struct given){.settings = "relay_recipient_maps = hash:/other\n", .written = "relay_recipient_maps = $mine\n",
	                             .maps = maps},
	             "warning: relay_recipient_maps doesn't name table \"recipients\" (" RECIPIENTS "): recipients that only it has are "
	             "refused\n" POSTCONF_E "relay_recipient_maps = $mine, " RECIPIENTS "'");
	assert_found(&(struct given){.settings = "relay_domains = mx2.example.net\n", .written = "relay_domains = $mydestination\n"},
	             "warning: relay_domains doesn't name table \"domains\" (" DOMAINS "): mail for domains that only it has is refused\n"
	             POSTCONF_E "relay_domains = $mydestination, " DOMAINS "'");
	assert_found(&(struct given){.settings = "relay_domains = " RECIPIENTS " !" DOMAINS "\n",
	                             .maps = (const struct fake_map[]){{RECIPIENTS, "", false}, {DOMAINS, "", false}, {0}}},
	             "warning: relay_domains doesn't name table \"domains\"...\n> ...");
	assert_found(&(struct given){.settings = "relay_domains = \nrelay_recipient_maps = " RECIPIENTS " " DOMAINS "\n"},
	             "warning: relay_domains doesn't name table \"domains\"...\n" POSTCONF_E "relay_domains = " DOMAINS "'");
	assert_found(&(struct given){.settings = "relay_domains = /list\n",
	                             .maps = (const struct fake_map[]){{"/list", "# ours\n" DOMAINS "\n", false}, {0}}}, "");
	assert_found(&(struct given){.settings = "relay_recipient_maps = hash:/a,hash:/b\n",
	                             .written = "relay_recipient_maps = hash:/c\n",
	                             .overrides = "smtp/inet/relay_recipient_maps = hash:/a, hash:/b\n",
	                             .maps = (const struct fake_map[]){{"hash:/a", "", false}, {"hash:/b", "", false}, {0}}},
	             "warning: relay_recipient_maps (by the -o of smtp in master.cf) doesn't name...\n"
	             "> postconf -P smtp/inet/relay_recipient_maps=hash:/a,hash:/b," RECIPIENTS);
}

static void tables_named_by_another_type_are_told(void **state)
{
	(void)state;
	assert_found(&(struct given){.settings = "relay_recipient_maps = unionmap:{static:x, btree:/t/recipients}\n",
	                             .maps = (const struct fake_map[]){{"static:x", "", false}, {0}}},
	             "warning: relay_recipient_maps names btree:/t/recipients for \"recipients\" (" RECIPIENTS "): Postfix looks for another "
	             "file, and puts mail off\n" POSTCONF_E "relay_recipient_maps = unionmap:{static:x, " RECIPIENTS "}'\n"
	             "hint: relay_recipient_maps has static:x...");
	assert_found(&(struct given){.settings = "relay_domains = btree:/t/domains\n",
	                             .maps = (const struct fake_map[]){{"btree:/t/domains", "", false}, {0}}},
	             "warning: relay_domains names btree:/t/domains for...\n" POSTCONF_E "relay_domains = " DOMAINS "'");
	assert_found(&(struct given){.settings = "relay_recipient_maps = btree:/t/recipients2 btree:/t/recipients\n",
	                             .maps = (const struct fake_map[]){{"btree:/t/recipients2", "", false}, {0}}},
	             "warning: relay_recipient_maps names btree:/t/recipients for...\n"
	             POSTCONF_E "relay_recipient_maps = btree:/t/recipients2, " RECIPIENTS "'");
	/* It's somewhere behind a name: no line can say where. */
	assert_found(&(struct given){.settings = "relay_recipient_maps = btree:/t/recipients\n",
	                             .written = "relay_recipient_maps = $mine\n"},
	             "warning: relay_recipient_maps names btree:/t/recipients for...");
}

static void tables_that_are_not_written_yet_need_not_be_named(void **state)
{
	(void)state;
	assert_found(&(struct given){.settings = "relay_recipient_maps = \nrelay_domains = \n", .absent = true},
	             "hint: table \"recipients\" (" RECIPIENTS ") isn't written yet; when it is, name it in relay_recipient_maps\n"
	             "hint: table \"domains\" (" DOMAINS ") isn't written yet; when it is, name it in relay_domains");
	assert_found(&(struct given){.absent = true}, "");
}

static void domains_belong_to_no_other_class(void **state)
{
	(void)state;
	assert_found(&(struct given){.settings = "mydestination = mx2.example.net, Example.COM, localhost\n"},
	             "warning: mydestination has example.com: this host looks for their recipients among its own users and aliases, and "
	             "not in relay_recipient_maps\n" POSTCONF_E "mydestination = mx2.example.net, localhost'");
	assert_found(&(struct given){.settings = "mydestination = mx2.example.net, example.com, example.org\nmydomain = example.org\n",
	                             .written = "mydestination = $myhostname example.com ${mydomain}\n"},
	             "warning: mydestination has example.com, example.org: ...\n" POSTCONF_E "mydestination = $myhostname'");
	assert_found(&(struct given){.settings = "mydestination = a.example, !example.com, /names\n", .written = "mydestination = $m\n",
	                             .maps = (const struct fake_map[]){{"/names", "example.com\nexample.org\n", false}, {0}}},
	             "warning: mydestination has example.org: this host looks for their recipients among its own users and aliases, and "
	             "not in relay_recipient_maps; take out example.org (by /names)");
	assert_found(&(struct given){.settings = "virtual_alias_domains = hash:/v\nvirtual_mailbox_domains = example.com example.org\n",
	                             .maps = (const struct fake_map[]){{"hash:/v", "example.com\tx\n", false}, {0}}},
	             "warning: virtual_alias_domains has example.com: this host accepts its own virtual aliases in them, and not in "
	             "relay_recipient_maps; take out example.com (by hash:/v)\n"
	             "warning: virtual_mailbox_domains has example.org: ...\n" POSTCONF_E "virtual_mailbox_domains = example.com'");
	assert_found(&(struct given){.settings = "mydestination = /names, example.com\n",
	                             .maps = (const struct fake_map[]){{"/names", "# example.org\nexample.com\n", false}, {0}}},
	             "warning: mydestination has example.com: ...");
	/* Of two zones, and in no table of ours: told once. */
	assert_found(&(struct given){.settings = "mydestination = example.com third.example\n",
	                             .more = "zone\tthird\ndomain\tthird.example\ndomain\texample.com\n"},
	             "warning: mydestination has example.com, third.example: ...\n" POSTCONF_E "mydestination = '");
	/* A subdomain of a name isn't covered by it there. */
	assert_found(&(struct given){.settings = "mydestination = com, .com, org\n"}, "");
}

static void domains_are_all_in_relay_domains(void **state)
{
	(void)state;
	const char *const zone = "domain\ta.example.com\ndomain\texample.com\ndomain\texample.org\n";
	/* A domain of a zone that our table doesn't hold. */
	assert_found(&(struct given){.more = "zone\tthird\ndomain\tthird.example\n"},
	             "warning: relay_domains doesn't have third.example: all mail for them is refused\n"
	             POSTCONF_E "relay_domains = " DOMAINS ", third.example'");
	assert_found(&(struct given){.settings = "relay_domains = EXAMPLE.com " DOMAINS "\n", .zone = zone}, "");
	assert_found(&(struct given){.settings = "relay_domains = !a.example.com " DOMAINS "\n", .zone = zone},
	             "warning: relay_domains doesn't have a.example.com: ...\n> ...");
	assert_found(&(struct given){.settings = "relay_domains = !example.com " DOMAINS "\n", .zone = zone},
	             "warning: relay_domains doesn't have a.example.com, example.com: ...\n> ...");
	assert_found(&(struct given){.settings = "relay_domains = !example.com " DOMAINS "\nparent_domain_matches_subdomains = \n",
	                             .zone = zone}, "warning: relay_domains doesn't have example.com: ...\n> ...");
	assert_found(&(struct given){.settings = "relay_domains = hash:/r " DOMAINS "\n", .more = "zone\tthird\ndomain\tthird.example\n",
	                             .maps = (const struct fake_map[]){{"hash:/r", "example\tx\n", false}, {0}}}, "");
	assert_found(&(struct given){.settings = "relay_domains = hash:/r " DOMAINS "\nparent_domain_matches_subdomains = \n",
	                             .more = "zone\tthird\ndomain\tthird.example\n",
	                             .maps = (const struct fake_map[]){{"hash:/r", ".example\tx\n", false}, {0}}}, "");
	/* What can't be asked may have it. */
	assert_found(&(struct given){.settings = "relay_domains = hash:/r " DOMAINS "\n", .more = "zone\tthird\ndomain\tthird.example\n",
	                             .maps = (const struct fake_map[]){{"hash:/r", NULL, false}, {0}}},
	             "hint: relay_domains has hash:/r, and what that says of the zones' domains can't be known: can't read hash:/r: "
	             "Permission denied");
}

static void maps_with_a_word_on_recipients_are_told(void **state)
{
	(void)state;
	const struct fake_map maps[] = {
		{"hash:/v", "Anne@Example.com\tx\nbob@example.com\tx\n@example.org\tx\n\"a b\"@example.org\tx\nx@y.example\tx\n", false},
		{"hash:/moved", "carl@example.org\tx\n", false}, {"regexp:/all", "everything\n", false}, {"regexp:/some", "", false},
		{"mysql:/db.cf", NULL, false}, {"cdb:/c", "@example.com\tx\n", true}, {"static:x", "everything\n", false}, {0}};
	assert_found(&(struct given){.settings = "virtual_alias_maps = proxy:hash:/v\n", .maps = maps},
	             "warning: virtual_alias_maps (hash:/v) has anne@example.com, bob@example.com, @example.org and 1 more: accepted "
	             "whatever the zone says, and rewritten here");
	assert_found(&(struct given){.settings = "canonical_maps = regexp:/all\nrecipient_canonical_maps = regexp:/some\n", .maps = maps},
	             "hint: recipient_canonical_maps has regexp:/some, and what that says of the zones' domains can't be known: it can't be "
	             "listed\nwarning: canonical_maps (regexp:/all) has everybody in example.com, everybody in example.org: accepted...");
	assert_found(&(struct given){.settings = "virtual_alias_maps = mysql:/db.cf\n", .maps = maps},
	             "hint: virtual_alias_maps has mysql:/db.cf, and what that says of the zones' domains can't be known: can't read...");
	assert_found(&(struct given){.settings = "virtual_alias_maps = cdb:/c\n", .maps = maps},
	             "warning: virtual_alias_maps (cdb:/c) has everybody in example.com: ...");
	assert_found(&(struct given){.settings = "relay_recipient_maps = " RECIPIENTS " static:x\n", .maps = maps},
	             "warning: relay_recipient_maps (static:x) has everybody in example.com, everybody in example.org: accepted whatever "
	             "the zone says");
	assert_found(&(struct given){.settings = "relocated_maps = hash:/moved\n", .maps = maps},
	             "warning: relocated_maps (hash:/moved) has carl@example.org: refused here as moved");
	assert_found(&(struct given){.settings = "virtual_alias_maps = hash:/gone\ncanonical_maps = hash:/gone\n"},
	             "warning: canonical_maps has hash:/gone, which isn't there: Postfix puts off all mail that asks for it");
	assert_found(&(struct given){.settings = "virtual_alias_maps = nosuch:/x\n"},
	             "warning: virtual_alias_maps has nosuch:/x, of a type that this Postfix doesn't know: it puts off all mail that asks for "
	             "it");
}

static void bare_keys_count_where_myorigin_is_a_zones_domain(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"hash:/v", "root\tanne\n", false}, {"/mailname", "Example.com\n", false}, {0}};
	assert_found(&(struct given){.settings = "virtual_alias_maps = hash:/v\nmyorigin = /mailname\n", .maps = maps},
	             "warning: virtual_alias_maps (hash:/v) has root (at example.com, as that is myorigin): accepted...");
}

static void transports_that_refuse_are_told(void **state)
{
	(void)state;
	const struct fake_map maps[] = {
		{"hash:/t", "example.com\terror:gone\nanne@example.org\tretry:\nbob@elsewhere.example\terror:\n", false},
		{"hash:/star", "*\tretry:later\nexample.org\t:\n@example.org\terror:\n", false}, {"regexp:/r", "example.com\terror:not asked\n", false},
		{"hash:/parent", "com\terror:\n.org\terror:\n", false}, {"static:error:x", "everything\n", false}, {0}};
	assert_found(&(struct given){.settings = "transport_maps = hash:/t\n", .maps = maps},
	             "warning: transport_maps has error: or retry: for example.com: their mail is refused or put off\n"
	             "warning: transport_maps has error: or retry: for anne@example.org: refused or put off whatever the zone says");
	assert_found(&(struct given){.settings = "transport_maps = hash:/star\n", .maps = maps},
	             "warning: transport_maps has error: or retry: for example.com: ...");
	assert_found(&(struct given){.settings = "transport_maps = regexp:/r\n", .maps = maps}, "");
	assert_found(&(struct given){.settings = "transport_maps = hash:/parent\n", .maps = maps},
	             "warning: transport_maps has error: or retry: for example.com: ...");
	assert_found(&(struct given){.settings = "transport_maps = hash:/parent\nparent_domain_matches_subdomains = \n", .maps = maps},
	             "warning: transport_maps has error: or retry: for example.org: ...");
	assert_found(&(struct given){.settings = "relay_transport = error:no relay\n"},
	             "warning: relay_transport is error:no relay: all mail for the zones' domains is refused\n"
	             POSTCONF_E "relay_transport = relay'");
	assert_found(&(struct given){.settings = "transport_maps = hash:/star\nrelay_transport = error\n", .maps = maps},
	             "warning: transport_maps has error: or retry: for example.com: ...\n"
	             "warning: relay_transport is error: all mail for the zones' domains is refused\n> ...");
	assert_found(&(struct given){.settings = "transport_maps = hash:/gone\n"},
	             "warning: transport_maps has hash:/gone, which isn't there: ...");
}

static void settings_that_switch_the_tables_off(void **state)
{
	(void)state;
	assert_found(&(struct given){.settings = "smtpd_reject_unlisted_recipient = no\n"},
	             "warning: smtpd_reject_unlisted_recipient is no: every recipient in the zones' domains is accepted\n"
	             POSTCONF_E "smtpd_reject_unlisted_recipient = yes'");
	assert_found(&(struct given){.settings = "receive_override_options = a,no_unknown_recipient_checks\n"},
	             "warning: receive_override_options has no_unknown_recipient_checks: every...\n"
	             POSTCONF_E "receive_override_options = a'");
	assert_found(&(struct given){.settings = "receive_override_options = no_unknown_recipient_checks\n",
	                             .overrides = "smtp/inet/receive_override_options = no_unknown_recipient_checks\n"},
	             "warning: receive_override_options has no_unknown_recipient_checks (by the -o of smtp in master.cf): ...\n"
	             "> postconf -P smtp/inet/receive_override_options=");
	assert_found(&(struct given){.settings = "unknown_relay_recipient_reject_code = 450\nsoft_bounce = yes\n"},
	             "warning: unknown_relay_recipient_reject_code is 450: unknown recipients aren't refused, and their senders try again "
	             "for days\n" POSTCONF_E "unknown_relay_recipient_reject_code = 550'\n"
	             "warning: soft_bounce is yes: ...\n" POSTCONF_E "soft_bounce = no'");
}

static void the_line_is_for_this_postfix(void **state)
{
	(void)state;
	assert_found(&(struct given){.settings = "soft_bounce = yes\n", .config = "/etc/postfix-in"},
	             "warning: soft_bounce is yes: ...\n> postconf -c /etc/postfix-in -e 'soft_bounce = no'");
	assert_found(&(struct given){.settings = "soft_bounce = yes\n", .config = "/odd 'folder'", .commands = "/opt/postfix/sbin"},
	             "warning: soft_bounce is yes: ...\n> /opt/postfix/sbin/postconf -c '/odd '\\''folder'\\''' -e 'soft_bounce = no'");
}

static void what_is_left_out_is_told(void **state)
{
	(void)state;
	assert_found(&(struct given){.zone = "domain\texample.com\nleft\t41\n"},
	             "hint: zone \"example\" has so many domains that only the first 1 of 42 are compared");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_found_in_an_ordinary_configuration),
		cmocka_unit_test(parameters_are_those_of_the_primary),
		cmocka_unit_test(parameters_of_master_cf_are_mended_there),
		cmocka_unit_test(zones_that_want_different_values_are_named),
		cmocka_unit_test(what_a_master_sends_never_gets_into_a_shell),
		cmocka_unit_test(tables_are_named_where_postfix_looks),
		cmocka_unit_test(tables_named_by_another_type_are_told),
		cmocka_unit_test(tables_that_are_not_written_yet_need_not_be_named),
		cmocka_unit_test(domains_belong_to_no_other_class),
		cmocka_unit_test(domains_are_all_in_relay_domains),
		cmocka_unit_test(maps_with_a_word_on_recipients_are_told),
		cmocka_unit_test(bare_keys_count_where_myorigin_is_a_zones_domain),
		cmocka_unit_test(transports_that_refuse_are_told),
		cmocka_unit_test(settings_that_switch_the_tables_off),
		cmocka_unit_test(the_line_is_for_this_postfix),
		cmocka_unit_test(what_is_left_out_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
