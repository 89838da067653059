/* One source read once more: by which key and in which line it has a recipient, and why it doesn't count. The helper is this
 * program, started again with --read-lines. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/file.h"
#include "master/probe.h"
#include "master/read.h"
#include "tests/unit/folder.h"
#include "tests/unit/index_fixture.h"

#include <stdlib.h>
#include <string.h>

static struct loop *loop;
static const char *const bare[] = {"a.org"};
static const char *const wanted_domains[] = {"a.org", "b.org"};
static const char *const excluded[] = {"root@a.org"};
static const struct keys_filter everything = {.smtputf8 = true};
static const struct keys_filter some = {.domains = wanted_domains, .domain_count = 2, .exclude = excluded,
                                        .exclude_count = 1, .smtputf8 = true};

static int set_up(void **state)
{
	(void)state;
	return folder_make("probe");
}

static int tear_down(void **state)
{
	(void)state;
	return folder_remove();
}

static const char *put(const char *name, const char *text)
{
	struct why why;
	assert_int_equal(file_replace(in_folder(name), 0600, text, strlen(text), &why), RC_OK);
	return in_folder(name);
}

struct heard {
	struct probe_result result;
	char error[WHY_MAX];
	bool done;
};

static void on_end(void *context, const struct probe_result *result)
{
	struct heard *heard = context;
	assert_false(heard->done);
	heard->result = *result;
	(void)snprintf(heard->error, sizeof heard->error, "%s", result->error);
	heard->done = true;
}

static struct source_spec spec_of(enum source_kind kind, const char *text, const struct keys_filter *filter)
{
	return (struct source_spec){.name = "test", .kind = kind, .text = text, .interval_ms = 60000, .timeout_ms = 20000,
	                            .rule = {.filter = filter, .aliases = kind == SOURCE_ALIASES,
	                                     .domains = kind == SOURCE_ALIASES ? bare : NULL,
	                                     .domain_count = kind == SOURCE_ALIASES}};
}

/* addresses: separated by blanks. */
static struct heard probe(const struct source_spec *source, const char *addresses)
{
	struct address keys[LOOKUP_KEYS_MAX];
	struct heard heard = {.done = false};
	struct probe_spec spec = {.source = source, .keys = keys, .end = on_end, .context = &heard};
	struct probe *handle = NULL;
	struct why why;
	char *copy = mem_strdup(addresses);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		assert_int_equal(address_parse(word, strlen(word), true, &keys[spec.count++], NULL), RC_OK);
	free(copy);
	if (probe_start(loop, &spec, &handle, &why) != RC_OK)
		fail_msg("%s", why.text);
	while (!heard.done)
		assert_int_equal(loop_turn(loop, 1000, NULL), RC_OK);
	return heard;
}

static void check_find(const struct heard *heard, size_t index, enum probe_state state, uint64_t line, const char *key)
{
	assert_string_equal(heard->error, "");
	assert_int_equal(heard->result.finds[index].state, state);
	assert_int_equal(heard->result.finds[index].line, line);
	assert_string_equal(heard->result.finds[index].key, key);
}

static void lines_of_a_text(void **state)
{
	(void)state;
	struct source_spec spec = spec_of(SOURCE_MAP, put("text", "# a\n\nA@a.org x\n  more\n@B.org x\na@A.org y\n"), &everything);
	struct heard heard = probe(&spec, "a@a.org x@b.org @b.org");
	check_find(&heard, 0, PROBE_THERE, 3, "A@a.org");
	check_find(&heard, 1, PROBE_NOT_THERE, 0, "");
	check_find(&heard, 2, PROBE_THERE, 5, "@B.org");
}

static void indexes_have_no_lines(void **state)
{
	(void)state;
	static const char *const keys[] = {"z@a.org", "a@a.org"};
	index_make_hash(in_folder("index.db"), keys, 2, true);
	char *text = mem_sprintf("hash:%s", in_folder("index"));
	struct source_spec spec = spec_of(SOURCE_MAP, text, &everything);
	struct heard heard = probe(&spec, "a@a.org");
	check_find(&heard, 0, PROBE_THERE, 0, "a@a.org");
	char *map, *file;
	probe_names(&spec, &map, &file);
	assert_string_equal(map, text);
	assert_string_equal(file, in_folder("index.db"));
	free(map);
	free(file);
	free(text);
}

static void names_and_what_is_always_valid(void **state)
{
	(void)state;
	struct source_spec spec = spec_of(SOURCE_ALIASES, put("aliases", "# a\nRoot: x\n\"a b\": x\n"), &everything);
	struct heard heard = probe(&spec, "root@a.org nobody@a.org postmaster@a.org root@b.org");
	check_find(&heard, 0, PROBE_THERE, 2, "root");
	check_find(&heard, 2, PROBE_THERE, 0, "");
	check_find(&heard, 3, PROBE_NOT_THERE, 0, "");
}

static void a_command_s_lines(void **state)
{
	(void)state;
	struct source_spec spec = spec_of(SOURCE_COMMAND, "printf 'x@a.org\\n\\nA@a.org  \\ny@a.org'", &everything);
	struct heard heard = probe(&spec, "a@a.org y@a.org");
	check_find(&heard, 0, PROBE_THERE, 3, "A@a.org");
	check_find(&heard, 1, PROBE_THERE, 4, "y@a.org");
	/* What isn't complete doesn't count, and a command runs to its end. */
	spec.text = "echo a@a.org; exit 3";
	heard = probe(&spec, "a@a.org");
	assert_non_null(strstr(heard.error, "ended with status 3"));
	spec.text = "echo a@a.org; echo this is no address";
	heard = probe(&spec, "a@a.org");
	assert_non_null(strstr(heard.error, "line 2 of its output isn't an address"));
}

static void what_the_zone_keeps_out(void **state)
{
	(void)state;
	struct source_spec spec = spec_of(SOURCE_MAP, put("text", "root@a.org x\nx@c.org x\nx@b.org x\n"), &some);
	struct heard heard = probe(&spec, "root@a.org x@c.org x@b.org");
	check_find(&heard, 0, PROBE_EXCLUDED, 1, "root@a.org");
	check_find(&heard, 1, PROBE_OTHER_DOMAIN, 2, "x@c.org");
	check_find(&heard, 2, PROBE_THERE, 3, "x@b.org");
}

static void what_a_postfix_makes_of_it(void **state)
{
	(void)state;
	static const char text[] =
		"plan\t1\ndomain\tmailbox\ta.org\ndomain\trelay\tb.org\nbare\tmailbox\ta.org\nparam\trecipient_delimiter\t+\n"
		"away\tgone@a.org\naway\tb.org\nkept\tkept@b.org\nend\n";
	struct postfix_plan plan;
	assert_int_equal(postfix_plan_parse(text, sizeof text - 1, &plan, NULL), RC_OK);
	struct source_spec spec = spec_of(SOURCE_MAP, put("text", "gone@a.org x\nbare x\nx@b.org x\nx@a.org x\n"), &everything);
	spec.rule.plan = &plan;
	spec.rule.classes = POSTFIX_BIT(POSTFIX_MAILBOX);
	spec.rule.domains = bare;
	spec.rule.domain_count = 1;
	struct heard heard = probe(&spec, "gone@a.org bare@a.org x@b.org x@a.org x@nowhere.org");
	check_find(&heard, 0, PROBE_AWAY, 1, "gone@a.org");
	check_find(&heard, 1, PROBE_THERE, 2, "bare");
	check_find(&heard, 2, PROBE_OTHER_CLASS, 3, "x@b.org");
	check_find(&heard, 3, PROBE_THERE, 4, "x@a.org");
	check_find(&heard, 4, PROBE_NOT_THERE, 0, "");
	/* Everybody is taken away there but one, who is valid by the catch-all. */
	put("text", "x@a.org x\n@b.org x\n");
	spec.rule.classes = POSTFIX_BIT(POSTFIX_RELAY);
	heard = probe(&spec, "kept@b.org @b.org");
	check_find(&heard, 0, PROBE_THERE, 2, "@b.org");
	check_find(&heard, 1, PROBE_AWAY, 2, "@b.org");
	postfix_plan_free(&plan);
}

static void it_ends_early_but_not_for_ever(void **state)
{
	(void)state;
	struct source_spec spec = spec_of(SOURCE_COMMAND, "echo a@a.org; sleep 1000", &everything);
	spec.timeout_ms = 300;
	struct heard heard = probe(&spec, "a@a.org");
	assert_non_null(strstr(heard.error, "not done after 300 ms"));
	struct buf big = {0};
	for (int i = 0; i < 200000; i++)
		buf_printf(&big, "user%d@a.org x\n", i);
	spec = spec_of(SOURCE_MAP, put("big", buf_text(&big)), &everything);
	buf_free(&big);
	heard = probe(&spec, "user0@a.org");
	check_find(&heard, 0, PROBE_THERE, 1, "user0@a.org");
	heard = probe(&spec, "user199999@a.org nobody@a.org");
	check_find(&heard, 0, PROBE_THERE, 200000, "user199999@a.org");
	check_find(&heard, 1, PROBE_NOT_THERE, 0, "");
}

static void what_cannot_be_read(void **state)
{
	(void)state;
	struct source_spec spec = spec_of(SOURCE_MAP, in_folder("nowhere"), &everything);
	struct heard heard = probe(&spec, "a@a.org");
	assert_non_null(strstr(heard.error, "No such file"));
	spec.text = "nis:x";
	struct address key;
	struct why why;
	struct probe *handle = NULL;
	const struct probe_spec wanted = {.source = &spec, .keys = &key, .count = 1, .end = on_end, .context = &heard};
	assert_int_equal(address_parse("a@a.org", 7, true, &key, NULL), RC_OK);
	assert_int_equal(probe_start(loop, &wanted, &handle, &why), RC_INVALID);
	assert_null(handle);
	spec = spec_of(SOURCE_COMMAND, "sleep 1000", &everything);
	assert_int_equal(probe_start(loop, &wanted, &handle, &why), RC_OK);
	probe_abandon(&handle);
	assert_null(handle);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--read-lines") == 0)
		return read_lines_main(argv[2]);
	loop = loop_new();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_a_text),
		cmocka_unit_test(indexes_have_no_lines),
		cmocka_unit_test(names_and_what_is_always_valid),
		cmocka_unit_test(a_command_s_lines),
		cmocka_unit_test(what_the_zone_keeps_out),
		cmocka_unit_test(what_a_postfix_makes_of_it),
		cmocka_unit_test(it_ends_early_but_not_for_ever),
		cmocka_unit_test(what_cannot_be_read),
	};
	int failed = cmocka_run_group_tests(tests, set_up, tear_down);
	loop_free(loop);
	return failed;
}
