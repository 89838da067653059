/* Configuration files: what a right one gives, and the one line that each kind of wrong one gets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct conf_option source_options[] = {
	{ .name = "map", .kind = CONF_STRING },
	{ .name = "interval", .kind = CONF_INTEGER, .fallback = "60", .minimum = 10, .maximum = 86400 },
	{ .name = "domains", .kind = CONF_LIST },
	{ 0 }
};

static const struct conf_option zone_options[] = {
	{ .name = "source", .kind = CONF_SECTION, .flags = CONF_TITLED | CONF_REQUIRED, .section = source_options },
	{ .name = "refresh", .kind = CONF_INTEGER, .fallback = "60", .minimum = 5, .maximum = 86400 },
	{ .name = "offset", .kind = CONF_INTEGER, .minimum = INT64_MIN, .maximum = INT64_MAX },
	{ .name = "domains", .kind = CONF_LIST },
	{ 0 }
};

static const struct conf_option map_options[] = {
	{ .name = "listen", .kind = CONF_STRING, .flags = CONF_REQUIRED },
	{ 0 }
};

static const struct conf_option options[] = {
	{ .name = "identity", .kind = CONF_STRING, .flags = CONF_REQUIRED | CONF_PATH },
	{ .name = "state", .kind = CONF_STRING, .flags = CONF_PATH, .fallback = "/var/lib/rxfer/master" },
	{ .name = "listen", .kind = CONF_LIST, .fallback = "tcp://*:7353" },
	{ .name = "zone", .kind = CONF_SECTION, .flags = CONF_TITLED, .section = zone_options },
	{ .name = "socketmap", .kind = CONF_SECTION, .section = map_options },
	{ 0 }
};

static struct conf *parse(const char *text)
{
	struct conf *conf = NULL;
	struct why why = { "" };
	enum rc rc = conf_parse("m.conf", text, strlen(text), options, &conf, &why);

	if (rc != RC_OK)
		fail_msg("refused: %s\n%s", why.text, text);
	return conf;
}

static void test_whole(void **state)
{
	(void)state;
	struct conf *conf = parse("# a comment\n"
	                          "identity = \"/etc/id\" // another\n"
	                          "/* a third\n   over lines */ listen = { \"tcp://*:1\", 'tcp://*:2', }\n"
	                          "zone \"one\" {\n"
	                          "    refresh = 30   source \"a\" { map = \"hash:/etc/postfix/\\\"x\\\\\" }\n"
	                          "    source b\n"
	                          "    {\n"
	                          "        interval = 10\n"
	                          "        domains = {}\n"
	                          "    }\n"
	                          "    domains = { example.com }\n"
	                          "}\n"
	                          "zone 'two' { source \"a\" { domains = \"x.example\" } offset = -5 }\n");

	assert_string_equal(conf_string(conf, "identity"), "/etc/id");
	assert_string_equal(conf_string(conf, "state"), "/var/lib/rxfer/master");
	assert_false(conf_given(conf, "state"));
	assert_true(conf_given(conf, "identity"));
	assert_int_equal(conf_count(conf, "listen"), 2);
	assert_string_equal(conf_item(conf, "listen", 1), "tcp://*:2");
	assert_int_equal(conf_count(conf, "socketmap"), 0);
	assert_false(conf_given(conf, "socketmap"));
	assert_int_equal(conf_count(conf, "zone"), 2);

	const struct conf *one = conf_section(conf, "zone", 0);
	assert_string_equal(conf_title(one), "one");
	assert_int_equal(conf_line(one), 5);
	assert_int_equal(conf_integer(one, "refresh"), 30);
	assert_int_equal(conf_integer(one, "offset"), 0);
	assert_int_equal(conf_count(one, "source"), 2);
	const struct conf *a = conf_section(one, "source", 0);
	const struct conf *b = conf_section(one, "source", 1);
	assert_string_equal(conf_string(a, "map"), "hash:/etc/postfix/\"x\\");
	assert_int_equal(conf_integer(a, "interval"), 60);
	assert_false(conf_given(a, "interval"));
	assert_int_equal(conf_line(a), 6);
	assert_string_equal(conf_title(b), "b");
	assert_int_equal(conf_line(b), 7);
	assert_null(conf_string(b, "map"));
	assert_true(conf_given(b, "domains"));
	assert_int_equal(conf_count(b, "domains"), 0);
	assert_int_equal(conf_integer(b, "interval"), 10);
	const struct conf *two = conf_section(conf, "zone", 1);
	assert_int_equal(conf_line(two), 14);
	assert_int_equal(conf_integer(two, "offset"), -5);
	assert_string_equal(conf_item(conf_section(two, "source", 0), "domains", 0), "x.example");

	struct why why;
	assert_int_equal(conf_fail(b, &why, "unknown map type \"%s\"", "mysql"), RC_INVALID);
	assert_string_equal(why.text, "m.conf:7: source \"b\": unknown map type \"mysql\"");
	conf_fail(conf, &why, "no zone");
	assert_string_equal(why.text, "m.conf:1: no zone");
	conf_free(&conf);
	assert_null(conf);
	conf_free(&conf);
}

static void test_defaults(void **state)
{
	(void)state;
	struct conf *conf = parse("identity = '/i'");

	assert_int_equal(conf_count(conf, "listen"), 1);
	assert_string_equal(conf_item(conf, "listen", 0), "tcp://*:7353");
	conf_free(&conf);
	conf = parse("identity = '/i' listen = {}");
	assert_int_equal(conf_count(conf, "listen"), 0);
	conf_free(&conf);
}

struct wrong {
	const char *text;
	const char *sentence;
};

#define ID "identity = \"/i\"\n"
#define SOURCE "source \"s\" {}"

static const struct wrong wrongs[] = {
	/* syntax */
	{ "", "m.conf:1: the option \"identity\" is missing" },
	{ ID "state = \"/x\nrefresh = 1\n", "m.conf:2: the string that begins here isn't closed on its line" },
	{ ID "state = '/x", "m.conf:2: the string that begins here isn't closed on its line" },
	{ ID "state = \"/x\\", "m.conf:2: the string that begins here isn't closed on its line" },
	{ ID "/* open\nzone \"x\" {", "m.conf:2: the comment that begins here isn't closed with */" },
	{ ID "/*", "m.conf:2: the comment that begins here isn't closed with */" },
	{ ID "/*/", "m.conf:2: the comment that begins here isn't closed with */" },
	{ ID "zone \"x\"\n{\n " SOURCE "\n", "m.conf:2: the section that begins here isn't closed with '}'" },
	{ ID "zone \"x\" {\n source \"s\" {\n }\n", "m.conf:2: the section that begins here isn't closed with '}'" },
	{ ID "listen = {\n \"a\",\n", "m.conf:2: the list that begins here isn't closed with '}'" },
	{ ID "zone \"x\"", "m.conf:2: the file ends in the middle of \"zone\"" },
	{ ID "state", "m.conf:2: the file ends in the middle of \"state\"" },
	{ ID "state =", "m.conf:2: the file ends in the middle of \"state\"" },
	{ ID "}\n", "m.conf:2: a '}' without a section that it could close" },
	{ ID "state = = \"/x\"", "m.conf:2: unexpected '='; here should be a value" },
	{ ID "listen = { \"a\" \"b\" }", "m.conf:2: unexpected '\"'; here should be ',' or '}'" },
	{ ID "listen = { { \"a\" } }", "m.conf:2: unexpected '{'; here should be a value or '}'" },
	{ ID "\"state\" = \"/x\"", "m.conf:2: unexpected '\"'; here should be the name of an option or a section" },
	{ ID "listen += { \"a\" }", "m.conf:2: unexpected '+': a value that isn't only letters, digits, "
	  "'_', '-' and '.' must be in quotes" },
	{ ID "state = /var/lib", "m.conf:2: unexpected '/': a value that isn't only letters, digits, "
	  "'_', '-' and '.' must be in quotes" },
	{ ID "listen = tcp://x", "m.conf:2: unexpected ':': a value that isn't only letters, digits, "
	  "'_', '-' and '.' must be in quotes" },
	{ ID "zone|refresh = 5", "m.conf:2: unexpected '|': a value that isn't only letters, digits, "
	  "'_', '-' and '.' must be in quotes" },
	{ ID "include(\"/etc/passwd\")", "m.conf:2: unexpected '(': a value that isn't only letters, digits, "
	  "'_', '-' and '.' must be in quotes" },
	{ ID "state = \"/${HOME}\"", "m.conf:2: \"${\": variables aren't replaced here; put the string in single quotes "
	  "if it is meant so" },
	{ ID "state = ${HOME}", "m.conf:2: unexpected '$': a value that isn't only letters, digits, "
	  "'_', '-' and '.' must be in quotes" },
	{ ID "state = \"/a\\x00b\"", "m.conf:2: a backslash in double quotes must be followed by \" or \\: "
	  "write \\\\ for a backslash" },
	{ ID "state = \"\"", "m.conf:2: an empty string: write a value, or leave the option out" },
	{ ID "zone \"\" { " SOURCE " }", "m.conf:2: an empty string: write a value, or leave the option out" },
	{ ID "state = \"/a\tb\"", "m.conf:2: a TAB or CR within a string: write a space" },
	{ ID "# \x01", "m.conf:2: a control character (0x01) in the file: take it out" },
	{ ID "# \xff", "m.conf:2: the byte 0xff isn't UTF-8 text: save the file as UTF-8" },
	{ ID "# \xed\xa0\x80", "m.conf:2: the byte 0xed isn't UTF-8 text: save the file as UTF-8" },
	{ "a{b{c{d{e{f{g{h{i{", "m.conf:1: sections are nested more than 8 deep" },
	/* names, types, what is missing or given twice */
	{ ID "colour = red", "m.conf:2: no such option 'colour'" },
	{ ID "/* one */ /* two */\n# three\ncolour = red", "m.conf:4: no such option 'colour'" },
	{ ID "zone \"x\" {\n" SOURCE "\n colour = red }", "m.conf:4: zone \"x\": no such option 'colour'" },
	{ ID "zone = \"x\"", "m.conf:2: missing title for section 'zone'" },
	{ ID "zone { " SOURCE " }", "m.conf:2: missing title for section 'zone'" },
	{ ID "state { }", "m.conf:2: missing equal sign after option 'state'" },
	{ ID "state \"x\" { }", "m.conf:2: missing equal sign after option 'state'" },
	{ ID "socketmap \"x\" { }", "m.conf:2: missing opening brace for section 'socketmap'" },
	{ ID "state = { \"/x\" }", "m.conf:2: unexpected token '{'" },
	{ ID "state = \"/a\"\nstate = \"/b\"", "m.conf:3: \"state\" is given a second time, first in line 2: join them" },
	{ ID "listen = {}\nlisten = {}", "m.conf:3: \"listen\" is given a second time, first in line 2: join them" },
	{ ID "socketmap { listen = a }\nsocketmap { listen = a }",
	  "m.conf:3: \"socketmap\" is given a second time, first in line 2: join them" },
	{ ID "zone \"x\" { " SOURCE " }\nzone \"x\" { " SOURCE " }", "m.conf:3: found duplicate title 'x'" },
	{ ID "zone \"x\" {\n}", "m.conf:2: zone \"x\": a section \"source\" is missing" },
	{ ID "\n\nsocketmap {\n}", "m.conf:4: socketmap: the option \"listen\" is missing" },
	{ "identity = \"id\"", "m.conf:1: \"identity\" must be a whole path, beginning with '/', not \"id\"" },
	/* numbers */
	{ ID "zone \"x\" {\n refresh = 4 }",
	  "m.conf:3: zone \"x\": \"refresh\" must be a number from 5 to 86400, not \"4\"" },
	{ ID "zone \"x\" {\n refresh = 86401 }",
	  "m.conf:3: zone \"x\": \"refresh\" must be a number from 5 to 86400, not \"86401\"" },
	{ ID "zone \"x\" { refresh = 0x10 }",
	  "m.conf:2: zone \"x\": \"refresh\" must be a number from 5 to 86400, not \"0x10\"" },
	{ ID "zone \"x\" { refresh = 60s }",
	  "m.conf:2: zone \"x\": \"refresh\" must be a number from 5 to 86400, not \"60s\"" },
	{ ID "zone \"x\" { refresh = - }",
	  "m.conf:2: zone \"x\": \"refresh\" must be a number from 5 to 86400, not \"-\"" },
	{ ID "zone \"x\" { refresh = 99999999999999999999 }",
	  "m.conf:2: zone \"x\": \"refresh\" must be a number from 5 to 86400, not \"99999999999999999999\"" },
};

static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
		struct conf *conf = (struct conf *)&wrongs;
		struct why why = { "" };
		enum rc rc = conf_parse("m.conf", wrongs[i].text, strlen(wrongs[i].text), options, &conf, &why);
		if (rc != RC_INVALID || strcmp(why.text, wrongs[i].sentence) != 0)
			fail_msg("%s\ngave %d, %s\ninstead of %s", wrongs[i].text, (int)rc, why.text, wrongs[i].sentence);
		assert_ptr_equal(conf, &wrongs);
		/* Nothing of a failed parse stays in the lexer. */
		conf = parse(ID "listen = { \"a\" }");
		assert_int_equal(conf_count(conf, "listen"), 1);
		conf_free(&conf);
	}
}

static void test_octal_is_decimal(void **state)
{
	(void)state;
	struct conf *conf = parse(ID "zone x { " SOURCE " refresh = 010 }");

	assert_int_equal(conf_integer(conf_section(conf, "zone", 0), "refresh"), 10);
	conf_free(&conf);
}

static void test_single_quotes_are_literal(void **state)
{
	(void)state;
	struct conf *conf = parse(ID "state = '/${HOME}\\n\\'\\\\'");

	assert_string_equal(conf_string(conf, "state"), "/${HOME}\\n'\\");
	conf_free(&conf);
}

/* Comments never reach libconfuse, whose buffer for them grows by 32 bytes. */
static void test_comments_of_any_length(void **state)
{
	(void)state;
	for (int length = 0; length < 100; length++) {
		char text[256];
		char comment[101];
		memset(comment, 'x', sizeof comment);
		comment[length] = '\0';
		snprintf(text, sizeof text, "#%s\n" ID "//%s", comment, comment);
		struct conf *conf = parse(text);
		conf_free(&conf);
	}
}

static void test_nul_and_limits(void **state)
{
	(void)state;
	static const char nul[] = "identity = \"/i\"\n\0 zone";
	struct conf *conf = NULL;
	struct why why;

	assert_int_equal(conf_parse("m.conf", nul, sizeof nul - 1, options, &conf, &why), RC_INVALID);
	assert_string_equal(why.text, "m.conf:2: a control character (0x00) in the file: take it out");

	struct buf text = { 0 };
	buf_printf(&text, "identity = \"/i\"\n");
	for (int i = 0; i <= 10000; i++)
		buf_printf(&text, "zone z%d {" SOURCE "}\n", i);
	assert_int_equal(conf_parse("m.conf", (const char *)text.data, text.length, options, &conf, &why), RC_INVALID);
	assert_string_equal(why.text, "m.conf:5002: more than 10000 sections");
	buf_clear(&text);
	for (int i = 0; i <= 200; i++)
		buf_printf(&text, "word%d = 1\n", i);
	assert_int_equal(conf_parse("m.conf", (const char *)text.data, text.length, options, &conf, &why), RC_INVALID);
	assert_string_equal(why.text, "m.conf:201: more than 200 options in a section");
	while (text.length <= 1024 * 1024)
		buf_printf(&text, "                                                               \n");
	assert_int_equal(conf_parse("m.conf", (const char *)text.data, text.length, options, &conf, &why), RC_LIMIT);
	assert_null(conf);
	buf_free(&text);
}

static void test_file(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	char folder[256];
	char path[300];
	struct conf *conf = NULL;
	struct why why;

	snprintf(folder, sizeof folder, "%s/rxfer-conf-XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/m.conf", folder);
	assert_int_equal(conf_load(path, options, &conf, &why), RC_NOT_FOUND);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(ID "nonsense\n", file);
	fclose(file);
	assert_int_equal(conf_load(path, options, &conf, &why), RC_INVALID);
	assert_memory_equal(why.text, path, strlen(path));
	assert_string_equal(why.text + strlen(path), ":3: the file ends in the middle of \"nonsense\"");
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(ID, file);
	fclose(file);
	assert_int_equal(conf_load(path, options, &conf, &why), RC_OK);
	assert_string_equal(conf_string(conf, "identity"), "/i");
	conf_free(&conf);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_octal_is_decimal),
		cmocka_unit_test(test_single_quotes_are_literal),
		cmocka_unit_test(test_comments_of_any_length),
		cmocka_unit_test(test_nul_and_limits),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
