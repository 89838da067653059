/* test_postfix_classes.c: who is valid in each class, as Postfix sees it. Each of these settings was given to a Postfix 3.7,
 * and smtpd asked. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/postfix_fixture.h"

#define FOUR "mydestination = lo.example\nvirtual_alias_domains = va.example\nvirtual_mailbox_domains = vm.example\n" \
             "relay_domains = rl.example\n"
#define TABLES "local_recipient_maps = hash:/l\nvirtual_mailbox_maps = hash:/m\nrelay_recipient_maps = hash:/r\n"

static void local_recipient_maps_with_accounts_and_alias_maps(void **state)
{
	(void)state;
	assert_plan(FOUR "local_recipient_maps = proxy:unix:passwd.byname hash:/etc/aliases\nalias_maps = hash:/etc/aliases\n",
	            NULL, "map\tlocal\tlocal_recipient_maps\tmap\tunix:passwd.byname\n"
	            "map\tlocal\tlocal_recipient_maps\taliases\thash:/etc/aliases");
}

static void virtual_alias_maps_count_in_every_class(void **state)
{
	(void)state;
	assert_plan(FOUR TABLES "virtual_alias_maps = hash:/v\n", NULL,
	            "map\tlocal,alias,mailbox,relay\tvirtual_alias_maps\tmap!\thash:/v");
}

static void canonical_maps_and_recipient_canonical_maps_count_in_every_class(void **state)
{
	(void)state;
	assert_plan(FOUR TABLES "canonical_maps = hash:/c\nrecipient_canonical_maps = hash:/rc\n", NULL,
	            "map\tlocal,alias,mailbox,relay\tcanonical_maps\tmap!\thash:/c\n"
	            "map\tlocal,alias,mailbox,relay\trecipient_canonical_maps\tmap!\thash:/rc");
}

static void virtual_mailbox_maps_and_relay_recipient_maps_count_in_their_own_class(void **state)
{
	(void)state;
	assert_plan(FOUR TABLES, NULL, "map\tmailbox\tvirtual_mailbox_maps\tmap\thash:/m\n"
	            "map\trelay\trelay_recipient_maps\tmap\thash:/r");
}

static void a_table_of_a_class_without_domains_is_not_read(void **state)
{
	(void)state;
	assert_plan("mydestination = lo.example\n" TABLES, NULL, "-map\tmailbox\t~\n-map\trelay\t~");
	assert_plan("mydestination = lo.example\nlocal_recipient_maps = hash:/l\nvirtual_mailbox_maps = mysql:/m\n", NULL,
	            "-problem\t~");
}

static void bare_keys_hold_at_mydestination_and_at_myorigin(void **state)
{
	(void)state;
	assert_plan(FOUR TABLES "myorigin = lo.example\n", NULL, "bare\tlocal\tlo.example\n-bare\tmailbox\t~");
	assert_plan(FOUR TABLES "myorigin = VM.example\n", NULL, "bare\tlocal\tlo.example\nbare\tmailbox\tvm.example");
	assert_plan(FOUR TABLES "myorigin = sub.rl.example\n", NULL, "bare\trelay\tsub.rl.example");
	const struct fake_map maps[] = {{"/mailname", "vm.example\n"}, {0}};
	assert_plan(FOUR TABLES "myorigin = /mailname\n", &(struct fake){.maps = maps},
	            "bare\tmailbox\tvm.example\nwatch\t/mailname");
	assert_plan(FOUR TABLES "myorigin = /gone\n", NULL, "problem\tmyorigin\t/gone\t~");
	assert_plan(FOUR TABLES "myorigin = elsewhere.example\n", NULL, "bare\tlocal\tlo.example\n-bare\tnone\t~");
}

static void postmaster_mailer_daemon_and_double_bounce_are_always_valid_in_the_local_class(void **state)
{
	(void)state;
	assert_plan(FOUR TABLES "double_bounce_sender = twice\n", NULL,
	            "rcpt\tpostmaster@lo.example\nrcpt\t\"\"@lo.example\nrcpt\tmailer-daemon@lo.example\nrcpt\ttwice@lo.example\n"
	            "-rcpt\tdouble-bounce@lo.example\n-rcpt\tpostmaster@vm.example\n-rcpt\tpostmaster@rl.example");
	assert_plan(FOUR TABLES "myorigin = vm.example\n", NULL, "rcpt\tdouble-bounce@vm.example");
}

static void a_class_without_a_table_accepts_everything(void **state)
{
	(void)state;
	assert_plan(FOUR, NULL, "rcpt\t@lo.example\nrcpt\t@vm.example\nrcpt\t@rl.example\n-rcpt\t@va.example\n"
	            "-rcpt\tpostmaster@lo.example\nnote\tevery subdomain of rl.example~");
	assert_plan(FOUR TABLES, NULL, "-rcpt\t@~");
}

static void static_accepts_everything(void **state)
{
	(void)state;
	assert_plan(FOUR "virtual_mailbox_maps = hash:/m, static:all\nlocal_recipient_maps = hash:/l\nrelay_recipient_maps = "
	            "hash:/r\n", NULL, "rcpt\t@vm.example\n-map\tmailbox\t~\n-rcpt\t@lo.example");
	assert_plan(FOUR TABLES "virtual_alias_maps = static:somebody\n", NULL,
	            "rcpt\t@va.example\nrcpt\t@lo.example\nrcpt\t@vm.example\nrcpt\t@rl.example\n-map\t~");
}

static void no_unknown_recipient_checks_accepts_everything(void **state)
{
	(void)state;
	assert_plan(FOUR TABLES "receive_override_options = no_header_body_checks, no_unknown_recipient_checks\n"
	            "local_transport = error:gone\n", NULL,
	            "rcpt\t@va.example\nrcpt\t@lo.example\nrcpt\t@vm.example\nrcpt\t@rl.example\n-map\t~");
}

static void smtpd_reject_unlisted_recipient_no_accepts_everything_unless_it_is_asked_for(void **state)
{
	(void)state;
	assert_plan(FOUR TABLES "smtpd_reject_unlisted_recipient = no\n", NULL, "rcpt\t@va.example\nrcpt\t@lo.example\n-map\t~");
	assert_plan(FOUR TABLES "smtpd_reject_unlisted_recipient = no\n"
	            "smtpd_recipient_restrictions = permit_mynetworks, reject_unlisted_recipient\n", NULL,
	            "-rcpt\t@~\nmap\tlocal\tlocal_recipient_maps\tmap\thash:/l");
}

static void transport_maps_to_error_take_addresses_away(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"hash:/t", "u@vm.example\terror:gone\nv@vm.example\tretry:later\n"
	                                            "w@vm.example\terror:4.2.1 any\nlo.example\terror:5.1.1 gone\n"
	                                            "ok@lo.example\tlocal:\nx@vm.example\tsmtp:[there]\n"}, {0}};
	assert_plan(FOUR TABLES "transport_maps = hash:/t\n", &(struct fake){.maps = maps},
	            "away\tu@vm.example\n-away\tv@vm.example\naway\tw@vm.example\naway\tlo.example\nkept\tok@lo.example\n"
	            "-kept\tx@vm.example\n-rcpt\tpostmaster@lo.example\nwatch\t/t.db");
}

static void static_in_transport_maps_answers_before_extensions_are_taken_off(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"hash:/t", "u@vm.example\terror:\nvm.example\terror:\n"}, {0}};
	assert_plan(FOUR TABLES "transport_maps = hash:/t static:smtp:\n", &(struct fake){.maps = maps}, "-away\t~");
	assert_plan(FOUR TABLES "recipient_delimiter =\ntransport_maps = hash:/t static:smtp:\n", &(struct fake){.maps = maps},
	            "away\tu@vm.example\n-away\tvm.example");
	assert_plan(FOUR TABLES "transport_maps = randmap:{error:x, smtp:[y]}\n", NULL, "-away\t~\n-problem\t~");
	assert_plan(FOUR TABLES "transport_maps = randmap:{error:x,error:y}\n", NULL, "away\t*\n-problem\t~");
	assert_plan(FOUR TABLES "transport_maps = static:error:x\n", NULL, "away\t*\n-rcpt\tpostmaster@lo.example");
}

static void a_unionmap_in_transport_maps_joins_its_answers(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"hash:/a", "u@vm.example\terror\nv@vm.example\terror:x\n"},
	                                {"hash:/b", "u@vm.example\terror\nw@vm.example\terror\n"},
	                                {"texthash:/t", "W@vm.example\tsmtp\nv@vm.example\tsmtp\n"}, {0}};
	assert_plan(FOUR TABLES "transport_maps = proxy:unionmap:{hash:/a, proxy:hash:/b}\n", &(struct fake){.maps = maps},
	            "-away\tu@vm.example\naway\tv@vm.example\naway\tw@vm.example\n-problem\t~\nwatch\t/a.db\nwatch\t/b.db");
	/* What isn't folded behind a proxy has no answer to add. */
	assert_plan(FOUR TABLES "transport_maps = unionmap:{proxy:texthash:/t, hash:/b}\n", &(struct fake){.maps = maps},
	            "away\tw@vm.example\n-away\tv@vm.example");
	assert_plan(FOUR TABLES "transport_maps = proxy:unionmap:{texthash:/t, unionmap:{hash:/b}}\n", &(struct fake){.maps = maps},
	            "away\tw@vm.example");
	assert_plan(FOUR TABLES "transport_maps = unionmap:{texthash:/t, hash:/b}\n", &(struct fake){.maps = maps},
	            "-away\tw@vm.example\naway\tu@vm.example");
	/* Of its own, and then the static one; others the static one alone. A map behind isn't asked. */
	assert_plan(FOUR TABLES "recipient_delimiter =\ntransport_maps = unionmap:{hash:/a, static:error}, hash:/none\n",
	            &(struct fake){.maps = maps}, "away\t*\nkept\tu@vm.example\naway\tv@vm.example\n-problem\t~");
	assert_plan(FOUR TABLES "transport_maps = unionmap:{hash:/a, mysql:/c}\n", &(struct fake){.maps = maps},
	            "problem\ttransport_maps\tmysql:/c\t~\n-away\t~");
}

/* smtpd finds the address without its extension valid, and whoever looks for transports doesn't see that it's refused. */
static void what_is_split_elsewhere_is_not_taken_away(void **state)
{
	(void)state;
	static const char plus[] = FOUR TABLES "transport_maps = hash:/t\nrelocated_maps = hash:/m\n";
	static const char none[] = FOUR TABLES "recipient_delimiter =\ntransport_maps = hash:/t\nrelocated_maps = hash:/m\n";
	static const char letter[] = FOUR TABLES "recipient_delimiter = X\ntransport_maps = hash:/t static:smtp:\n";
	static const char lists[] = FOUR TABLES "recipient_delimiter = -\ntransport_maps = hash:/t\n";
	static const char no_lists[] = FOUR TABLES "recipient_delimiter = -\nowner_request_special = no\n";
	const struct fake_map maps[] = {{"hash:/t", "u@vm.example\terror:\nw+x@vm.example\terror:\nlo.example\terror:\n"
	                                            "l@lo.example\terror:\n"},
	                                {"hash:/m", "v@vm.example\tx\nv+x@vm.example\tx\n@rl.example\tx\nbare\tx\n"}, {0}};
	assert_plan(plus, &(struct fake){.maps = maps},
	            "away\tu@vm.example\naway\tw+x@vm.example\nmoved\tv@vm.example\nmoved\tbare\nsplit\t+\t");
	assert_plan(none, &(struct fake){.maps = maps, .smtpd = plus},
	            "-away\tu@vm.example\naway\tw+x@vm.example\naway\tlo.example\naway\tl@lo.example\n-moved\tv@vm.example\n"
	            "moved\tv+x@vm.example\nmoved\t@rl.example\n-moved\tbare\n-split\t~");
	assert_plan(plus, &(struct fake){.maps = maps, .smtpd = none}, "away\tu@vm.example\nmoved\tv@vm.example\nsplit\t+\t");
	assert_plan(letter, &(struct fake){.maps = maps}, "away\tu@vm.example");
	assert_plan(lists, &(struct fake){.maps = maps, .smtpd = no_lists}, "-away\tu@vm.example");
	assert_plan(lists, &(struct fake){.maps = maps}, "away\tu@vm.example\nsplit\t-\t");
}

static void what_retry_puts_off_is_accepted(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"hash:/t", "u@vm.example\tretry:later\nlo.example\tretry:\nu@va.example\tretry:\n"},
	                                {0}};
	assert_plan(FOUR TABLES "transport_maps = hash:/t\nrelay_transport = retry:down\n", &(struct fake){.maps = maps},
	            "rcpt\tu@vm.example\nrcpt\t@lo.example\nrcpt\t@rl.example\n-rcpt\tu@va.example\n-rcpt\t@vm.example\n"
	            "-away\t~\nnote\ta transport is retry~");
}

static void texts_behind_proxy_are_not_folded(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"texthash:/moved", "Up@vm.example\tx\nlow@vm.example\tx\n"}, {0}};
	assert_plan(FOUR "local_recipient_maps = hash:/l\nrelay_recipient_maps = texthash:/r\n"
	            "virtual_mailbox_maps = proxy:unionmap:{texthash:/m, hash:/h}\nrelocated_maps = proxy:texthash:/moved\n",
	            &(struct fake){.maps = maps},
	            "map\tmailbox\tvirtual_mailbox_maps\tmap=\ttexthash:/m\nmap\tmailbox\tvirtual_mailbox_maps\tmap\thash:/h\n"
	            "map\trelay\trelay_recipient_maps\tmap\ttexthash:/r\nmoved\tlow@vm.example\n-moved\tup@vm.example");
	assert_plan(FOUR "local_recipient_maps = pipemap:{unionmap:{proxy:texthash:/a, proxy:inline:{b=c}}, hash:/d}\n"
	            "virtual_mailbox_maps = pipemap:{unionmap:{proxy:texthash:/a, proxy:hash:/b}, hash:/d}\n"
	            "relay_recipient_maps = pipemap:{texthash:/a, proxy:texthash:/d}\n", NULL,
	            "map\tlocal\tlocal_recipient_maps\tmap=\tpipemap:{unionmap:{texthash:/a, inline:{b=c}}, hash:/d}\n"
	            "map\tmailbox\tvirtual_mailbox_maps\tmap\tpipemap:{unionmap:{texthash:/a, hash:/b}, hash:/d}\n"
	            "map\trelay\trelay_recipient_maps\tmap\tpipemap:{texthash:/a, texthash:/d}");
}

/* Whether uX+ext is u depends on how it is written. */
static void letters_as_delimiters_keep_a_domain(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"hash:/t", "u@vm.example\tsmtp:\nv@rl.example\terror:\n*\terror:\n"}, {0}};
	assert_plan(FOUR TABLES "recipient_delimiter = X\ntransport_maps = hash:/t\n", &(struct fake){.maps = maps},
	            "kept\tvm.example\nkept\tu@vm.example\naway\t*\n-kept\trl.example\naway\tv@rl.example");
	assert_plan(FOUR TABLES "transport_maps = hash:/t\n", &(struct fake){.maps = maps}, "-kept\tvm.example");
	const struct fake_map some[] = {{"hash:/t", "u@vm.example\tsmtp:\nvm.example\terror:\nu@lo.example\tlocal:\n"}, {0}};
	assert_plan(FOUR TABLES "recipient_delimiter = X\ntransport_maps = hash:/t\nlocal_transport = error:\n",
	            &(struct fake){.maps = some}, "kept\tvm.example\nkept\tlo.example\ngone\tlocal");
}

static void indexes_are_folded_as_main_cf_says(void **state)
{
	(void)state;
	static const char utf8[] = FOUR TABLES, ascii[] = FOUR TABLES "smtputf8_enable = no\n";
	assert_plan(ascii, &(struct fake){.smtpd = utf8}, "map\trelay\trelay_recipient_maps\tmap=\thash:/r");
	assert_plan(utf8, &(struct fake){.smtpd = ascii}, "map\trelay\trelay_recipient_maps\tmap\thash:/r");
	assert_plan(ascii, NULL, "map\trelay\trelay_recipient_maps\tmap\thash:/r");
}

static void transport_maps_that_take_nothing_away_are_not_kept(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"hash:/t", "u@vm.example\tsmtp:[x]\nlo.example\t:\n"}, {0}};
	assert_plan(FOUR TABLES "transport_maps = hash:/t\n", &(struct fake){.maps = maps}, "-away\t~\n-kept\t~\nwatch\t/t.db");
	const struct fake_map one[] = {{"hash:/t", "a.example\tsmtp:\nb.example\terror:\nx.b.example\tsmtp:\n.b.example\terror:\n"
	                                           "u@a.example\tsmtp:\nu@b.example\tsmtp:\n"}, {0}};
	assert_plan(FOUR TABLES "transport_maps = hash:/t\n", &(struct fake){.maps = one},
	            "-kept\ta.example\n-kept\tu@a.example\nkept\tx.b.example\nkept\tu@b.example\naway\t.b.example");
}

static void relocated_maps_take_addresses_away(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"hash:/moved", "u@vm.example\tu@new\npostmaster\tx\n@rl.example\ty\n"}, {0}};
	assert_plan(FOUR TABLES "relocated_maps = hash:/moved\n", &(struct fake){.maps = maps},
	            "moved\tu@vm.example\nmoved\tpostmaster\nmoved\t@rl.example\n-rcpt\tpostmaster@lo.example\n"
	            "rcpt\tmailer-daemon@lo.example");
}

static void bare_keys_of_relocated_maps_hold_where_transports_are_looked_for(void **state)
{
	(void)state;
	static const char here[] = FOUR TABLES "relocated_maps = hash:/moved\nmyorigin = rl.example\ndouble_bounce_sender = u\n";
	static const char smtpd[] = "mydestination = vm.example\nvirtual_mailbox_domains = lo.example\n" TABLES
	                            "double_bounce_sender = u\nmyorigin = va.example\n";
	const struct fake_map maps[] = {{"hash:/moved", "u\tnew\nv@vm.example\tnew\n"}, {0}};
	assert_plan(here, &(struct fake){.maps = maps, .smtpd = smtpd},
	            "moved\tu\nmoved-origin\trl.example\n-rcpt\tu@lo.example\nbare\tmailbox\tvm.example\n-bare\trelay\t~");
}

static void what_is_put_off_and_has_moved_is_refused(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"hash:/t", "u@vm.example\tretry:\nv@vm.example\tretry:\nrl.example\tretry:\n"},
	                                {"hash:/moved", "u@vm.example\tx\n@rl.example\tx\n"}, {0}};
	assert_plan(FOUR TABLES "transport_maps = hash:/t\nrelocated_maps = hash:/moved\n", &(struct fake){.maps = maps},
	            "-rcpt\tu@vm.example\nrcpt\tv@vm.example\n-rcpt\t@rl.example");
}

static void a_class_whose_own_transport_is_error_is_gone(void **state)
{
	(void)state;
	const struct fake_map maps[] = {{"hash:/t", "ok@lo.example\tlocal:\n"}, {0}};
	assert_plan(FOUR TABLES "local_transport = error:no local mail here\ntransport_maps = hash:/t\n",
	            &(struct fake){.maps = maps}, "gone\tlocal\n-gone\tmailbox\n-rcpt\t~\nkept\tok@lo.example");
	assert_plan("mydestination = lo.example\nlocal_transport = error:none\ntransport_maps = hash:/t\n",
	            &(struct fake){.maps = maps}, "rcpt\tok@lo.example\n-rcpt\t@lo.example");
}

static void patterns_without_error_in_transport_maps_are_harmless(void **state)
{
	(void)state;
	const struct fake_map harmless[] = {{"/p", "/@vm\\.example/ smtp:[x]\n"}, {0}};
	const struct fake_map harmful[] = {{"/p", "/^bad/ error:gone\n"}, {0}};
	assert_plan(FOUR TABLES "transport_maps = regexp:/p\n", &(struct fake){.maps = harmless}, "-problem\t~\nwatch\t/p");
	assert_plan(FOUR TABLES "transport_maps = regexp:/p\n", &(struct fake){.maps = harmful},
	            "problem\ttransport_maps\tregexp:/p\t~");
	assert_plan(FOUR TABLES "transport_maps = regexp:/p\nlocal_transport = error:\n", &(struct fake){.maps = harmless},
	            "problem\ttransport_maps\tregexp:/p\tits patterns~");
	const struct fake_treat treats[] = {{"regexp:/p", POSTFIX_IGNORE, NULL}, {0}};
	assert_plan(FOUR TABLES "transport_maps = regexp:/p\nlocal_transport = error:\n",
	            &(struct fake){.maps = harmless, .treats = treats}, "-problem\t~");
}

static void proxy_prefixes_unionmap_and_pipemap(void **state)
{
	(void)state;
	assert_plan(FOUR "local_recipient_maps = hash:/l\nrelay_recipient_maps = hash:/r\n"
	            "virtual_mailbox_maps = proxy:unionmap:{proxy:hash:/a, unionmap:{lmdb:/b {inline:{ k = v }}}}, hash:rel, "
	            "pipemap:{hash:/p,regexp:/q}, pipemap:{pipemap:{unionmap:{hash:/x,lmdb:/y},hash:/z},static:w}\n", NULL,
	            "map\tmailbox\tvirtual_mailbox_maps\tmap\thash:/a\nmap\tmailbox\tvirtual_mailbox_maps\tmap\tlmdb:/b\n"
	            "map\tmailbox\tvirtual_mailbox_maps\tmap=\tinline:{ k = v }\n"
	            "map\tmailbox\tvirtual_mailbox_maps\tmap\thash:/queue/rel\n"
	            "map\tmailbox\tvirtual_mailbox_maps\tmap\tpipemap:{hash:/p,regexp:/q}\n-problem\t~");
	assert_plan(FOUR TABLES "virtual_alias_maps = proxy:pipemap:{proxy:lmdb:/a, { inline:{ proxy:k = proxy:v } }, "
	            "{ unionmap:{proxy:pipemap:{hash:/b,proxy:proxy:static:x}} }}\n", NULL,
	            "map\tlocal,alias,mailbox,relay\tvirtual_alias_maps\tmap=!\t"
	            "pipemap:{lmdb:/a, { inline:{ proxy:k = proxy:v } }, "
	            "{ unionmap:{pipemap:{hash:/b,static:x}} }}");
	/* Nothing folds what proxymap reads of a text; a pipe asks its first map. */
	assert_plan(FOUR TABLES "virtual_alias_maps = pipemap:{proxy:texthash:/a, static:x} "
	            "pipemap:{pipemap:{proxy:inline:{ k = v }, hash:/b}, static:x} "
	            "pipemap:{{ unionmap:{proxy:texthash:/c hash:/d} }, static:x} pipemap:{texthash:/e, proxy:static:x}\n", NULL,
	            "map\tlocal,alias,mailbox,relay\tvirtual_alias_maps\tmap=!\tpipemap:{texthash:/a, static:x}\n"
	            "map\tlocal,alias,mailbox,relay\tvirtual_alias_maps\tmap=!\t"
	            "pipemap:{pipemap:{inline:{ k = v }, hash:/b}, static:x}\n"
	            "map\tlocal,alias,mailbox,relay\tvirtual_alias_maps\tmap!\t"
	            "pipemap:{{ unionmap:{texthash:/c hash:/d} }, static:x}\n"
	            "map\tlocal,alias,mailbox,relay\tvirtual_alias_maps\tmap!\tpipemap:{texthash:/e, static:x}");
	assert_plan(FOUR TABLES "virtual_alias_maps = pipemap:{mysql:/a,hash:/b}\n", NULL,
	            "problem\tvirtual_alias_maps\tpipemap:{mysql:/a,hash:/b}\t~");
}

static void what_cannot_be_listed_is_never_guessed(void **state)
{
	(void)state;
	assert_plan(FOUR "local_recipient_maps = hash:/l\nrelay_recipient_maps = hash:/r\nvirtual_mailbox_maps = proxy:mysql:/m "
	            "nosuch:/n plain\n", NULL,
	            "problem\tvirtual_mailbox_maps\tmysql:/m\t~\nproblem\tvirtual_mailbox_maps\tnosuch:/n\tthis Postfix doesn't~\n"
	            "problem\tvirtual_mailbox_maps\tplain\ta map needs~");
	assert_plan("mydestination = mysql:/d\n", NULL, "problem\tmydestination\tmysql:/d\t~");
}

static void the_administrator_says_what_to_do_with_it(void **state)
{
	(void)state;
	static const char settings[] = FOUR "local_recipient_maps = hash:/l\nrelay_recipient_maps = hash:/r\n"
	                               "virtual_mailbox_maps = mysql:/m\n";
	const struct fake_treat list[] = {{"mysql:/m", POSTFIX_LIST, "list them"}, {0}};
	const struct fake_treat all[] = {{"mysql:/m", POSTFIX_CATCH_ALL, NULL}, {0}};
	const struct fake_treat none[] = {{"mysql:/m", POSTFIX_IGNORE, NULL}, {0}};
	assert_plan(settings, &(struct fake){.treats = list},
	            "map\tmailbox\tvirtual_mailbox_maps\tcommand\tlist them\n-problem\t~");
	assert_plan(settings, &(struct fake){.treats = all}, "rcpt\t@vm.example\n-problem\t~");
	assert_plan(settings, &(struct fake){.treats = none}, "-rcpt\t@vm.example\n-problem\t~\n-map\tmailbox\t~");
	const struct fake_treat domains[] = {{"mysql:/d", POSTFIX_LIST, "list domains"}, {0}};
	const struct fake_map maps[] = {{"list domains", "a.example\n"}, {0}};
	assert_plan("mydestination = mysql:/d\n", &(struct fake){.maps = maps, .treats = domains},
	            "domain\tlocal\ta.example\n-problem\t~");
	const struct fake_treat every[] = {{"mysql:/d", POSTFIX_CATCH_ALL, NULL}, {0}};
	assert_plan("mydestination = mysql:/d\n", &(struct fake){.treats = every},
	            "problem\tmydestination\tmysql:/d\ta catch-all~");
}

static void parameters_that_must_match(void **state)
{
	(void)state;
	assert_plan(FOUR TABLES "recipient_delimiter = +-\nsmtputf8_enable = no\nowner_request_special = no\n"
	            "allow_min_user = yes\n", NULL,
	            "param\trecipient_delimiter\t+-\nparam\tsmtputf8_enable\tno\nparam\towner_request_special\tno\n"
	            "param\tallow_min_user\tyes");
	assert_plan(FOUR TABLES "recipient_delimiter =\n", NULL, "param\trecipient_delimiter\t");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_recipient_maps_with_accounts_and_alias_maps),
		cmocka_unit_test(virtual_alias_maps_count_in_every_class),
		cmocka_unit_test(canonical_maps_and_recipient_canonical_maps_count_in_every_class),
		cmocka_unit_test(virtual_mailbox_maps_and_relay_recipient_maps_count_in_their_own_class),
		cmocka_unit_test(a_table_of_a_class_without_domains_is_not_read),
		cmocka_unit_test(bare_keys_hold_at_mydestination_and_at_myorigin),
		cmocka_unit_test(postmaster_mailer_daemon_and_double_bounce_are_always_valid_in_the_local_class),
		cmocka_unit_test(a_class_without_a_table_accepts_everything),
		cmocka_unit_test(static_accepts_everything),
		cmocka_unit_test(no_unknown_recipient_checks_accepts_everything),
		cmocka_unit_test(smtpd_reject_unlisted_recipient_no_accepts_everything_unless_it_is_asked_for),
		cmocka_unit_test(transport_maps_to_error_take_addresses_away),
		cmocka_unit_test(static_in_transport_maps_answers_before_extensions_are_taken_off),
		cmocka_unit_test(a_unionmap_in_transport_maps_joins_its_answers),
		cmocka_unit_test(what_is_split_elsewhere_is_not_taken_away),
		cmocka_unit_test(what_retry_puts_off_is_accepted),
		cmocka_unit_test(texts_behind_proxy_are_not_folded),
		cmocka_unit_test(letters_as_delimiters_keep_a_domain),
		cmocka_unit_test(indexes_are_folded_as_main_cf_says),
		cmocka_unit_test(transport_maps_that_take_nothing_away_are_not_kept),
		cmocka_unit_test(relocated_maps_take_addresses_away),
		cmocka_unit_test(bare_keys_of_relocated_maps_hold_where_transports_are_looked_for),
		cmocka_unit_test(what_is_put_off_and_has_moved_is_refused),
		cmocka_unit_test(a_class_whose_own_transport_is_error_is_gone),
		cmocka_unit_test(patterns_without_error_in_transport_maps_are_harmless),
		cmocka_unit_test(proxy_prefixes_unionmap_and_pipemap),
		cmocka_unit_test(what_cannot_be_listed_is_never_guessed),
		cmocka_unit_test(the_administrator_says_what_to_do_with_it),
		cmocka_unit_test(parameters_that_must_match),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
