/* test_source_postfix.c: what a plan that was found out is worth: as before, something new, or not to be used. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/source_postfix.h"

#include <stdio.h>
#include <string.h>

#define BEGIN "plan\t1\ndomain\tmailbox\tvm.example\n"
#define END "rcpt\tpostmaster@vm.example\nrcpt\t@vm.example\nparam\trecipient_delimiter\t+\nwatch\t/etc/postfix/main.cf\n" \
            "watch\trelative\nwatch\t/etc/postfix/domains\nend\n"
static const char known[] = BEGIN "map\tmailbox\tvirtual_mailbox_maps\tmap\ttexthash:/boxes\n" END;

struct scene {
	struct postfix_plan plan;
	struct source_postfix postfix;
	struct keys_filter filter;
	struct keys_rule rule;
	struct keys_tally tally;
	struct reading *reading;
	struct why why;
};

/* `before`: the plan that the zone is made of; NULL: none yet. */
static void begin(struct scene *scene, const char *before)
{
	static const uint8_t hash_key[RECORD_HASH_KEY_BYTES] = {7};
	*scene = (struct scene){.filter = {.smtputf8 = true}, .reading = reading_new(hash_key)};
	scene->postfix = (struct source_postfix){.config = "/etc/postfix", .argument = "/etc/postfix", .text = before};
	scene->rule = (struct keys_rule){.filter = &scene->filter, .plan = &scene->plan};
	if (!before)
		return;
	assert_int_equal(postfix_plan_parse(before, strlen(before), &scene->plan, &scene->why), RC_OK);
	scene->postfix.plan = &scene->plan;
}

static void end(struct scene *scene)
{
	postfix_plan_free(&scene->plan);
	reading_free(&scene->reading);
}

static enum source_postfix_end judge(struct scene *scene, const char *text)
{
	struct buf found = {0};
	buf_put(&found, text, strlen(text));
	enum source_postfix_end result = source_postfix_judge(&scene->postfix, &found, &scene->rule, scene->reading,
	                                                      &scene->tally, &scene->why);
	buf_free(&found);
	return result;
}

static void the_same_plan_gives_its_own_records(void **state)
{
	(void)state;
	struct scene scene;
	begin(&scene, known);
	assert_int_equal(judge(&scene, known), SOURCE_POSTFIX_SAME);
	reading_seal(scene.reading);
	assert_int_equal(reading_count(scene.reading, RECORD_RCPT), 2);
	assert_int_equal(reading_count(scene.reading, RECORD_DOMAIN), 1);
	assert_int_equal(reading_count(scene.reading, RECORD_PARAM), 1);
	/* postmaster alone doesn't make a list. */
	assert_int_equal(scene.tally.keys, 1);
	end(&scene);
}

static void the_first_plan_and_another_one_are_new(void **state)
{
	(void)state;
	struct scene scene;
	begin(&scene, NULL);
	assert_int_equal(judge(&scene, known), SOURCE_POSTFIX_NEW);
	end(&scene);
	begin(&scene, known);
	assert_int_equal(judge(&scene, BEGIN END), SOURCE_POSTFIX_NEW);
	reading_seal(scene.reading);
	assert_int_equal(reading_count(scene.reading, RECORD_RCPT), 0);
	end(&scene);
}

static void a_plan_that_is_not_whole_fails(void **state)
{
	(void)state;
	struct scene scene;
	begin(&scene, known);
	for (size_t length = 0; length < sizeof known - 1; length++) {
		char part[sizeof known] = "";
		memcpy(part, known, length);
		assert_int_equal(judge(&scene, part), SOURCE_POSTFIX_FAILED);
		assert_non_null(strstr(scene.why.text, "plan"));
	}
	end(&scene);
}

static void a_plan_with_problems_fails_and_names_them(void **state)
{
	(void)state;
	struct scene scene;
	begin(&scene, known);
	assert_int_equal(judge(&scene, "plan\t1\nproblem\trelay_domains\tmysql:/r\tcan't be listed\nend\n"), SOURCE_POSTFIX_FAILED);
	assert_string_equal(scene.why.text, "relay_domains = mysql:/r: can't be listed");
	assert_int_equal(judge(&scene, "plan\t1\nproblem\tp\tm\tfirst\nproblem\tq\tn\tsecond\nproblem\tr\to\tthird\nend\n"),
	                 SOURCE_POSTFIX_FAILED);
	assert_string_equal(scene.why.text, "p = m: first; and 2 more: q = n, r = o");
	end(&scene);
}

/* The daemon mustn't learn it only when it has closed the zone to make it anew. */
static void a_map_that_this_program_cannot_read_fails(void **state)
{
	(void)state;
	static const char *const maps[] = {"map\tnosuch:/x", "aliases\tnosuch:/x", "map=!\thash:relative"};
	struct scene scene;
	begin(&scene, known);
	for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
		char text[256];
		(void)snprintf(text, sizeof text, BEGIN "map\tmailbox\tvirtual_mailbox_maps\t%s\n" END, maps[i]);
		assert_int_equal(judge(&scene, text), SOURCE_POSTFIX_FAILED);
		assert_non_null(strstr(scene.why.text, "virtual_mailbox_maps = "));
		assert_non_null(strstr(scene.why.text, strchr(maps[i], '\t') + 1));
	}
	static const char *const fine[] = {"map\tinline:{a=b}", "aliases\tpipemap:{inline:{a=b}, static:c}", "map\tunix:passwd.byname",
	                                   "aliases\tinline:{a=b}", "command\tlist them", "aliases\ttexthash:/x"};
	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
		char text[256];
		(void)snprintf(text, sizeof text, BEGIN "map\tmailbox\tvirtual_mailbox_maps\t%s\n" END, fine[i]);
		assert_int_equal(judge(&scene, text), SOURCE_POSTFIX_NEW);
	}
	end(&scene);
}

static void collect(void *context, const char *path)
{
	buf_printf(context, "%s ", path);
}

static void all_that_it_is_made_of_is_watched(void **state)
{
	(void)state;
	struct scene scene;
	struct buf files = {0};
	begin(&scene, NULL);
	source_postfix_files(&scene.postfix, collect, &files);
	assert_string_equal(buf_text(&files), "/etc/postfix/main.cf /etc/postfix/master.cf ");
	end(&scene);
	buf_clear(&files);
	begin(&scene, known);
	source_postfix_files(&scene.postfix, collect, &files);
	assert_string_equal(buf_text(&files), "/etc/postfix/main.cf /etc/postfix/domains ");
	end(&scene);
	buf_free(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_plan_gives_its_own_records),
		cmocka_unit_test(the_first_plan_and_another_one_are_new),
		cmocka_unit_test(a_plan_that_is_not_whole_fails),
		cmocka_unit_test(a_plan_with_problems_fails_and_names_them),
		cmocka_unit_test(a_map_that_this_program_cannot_read_fails),
		cmocka_unit_test(all_that_it_is_made_of_is_watched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
