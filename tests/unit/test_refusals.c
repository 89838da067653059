/* test_refusals.c: a refused key is logged as a line for the configuration, and nobody fills the log. */
#include "master/refusals.h"
#include "tests/unit/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static FILE *log_file;
static int saved;

static int set_up(void **state)
{
	(void)state;
	identity_init();
	now_ms = 1000;
	clock_use(&fake_clock);
	log_file = tmpfile();
	saved = dup(STDERR_FILENO);
	return dup2(fileno(log_file), STDERR_FILENO) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	clock_use(NULL);
	(void)dup2(saved, STDERR_FILENO);
	close(saved);
	return fclose(log_file);
}

/* How many lines have been logged since it was asked last; the last of them stays in `line`. */
static char line[1000];

static unsigned logged(void)
{
	unsigned count = 0;
	fflush(stderr);
	rewind(log_file);
	while (fgets(line, sizeof(line), log_file))
		count++;
	assert_int_equal(ftruncate(fileno(log_file), 0), 0);
	rewind(log_file);
	(void)lseek(STDERR_FILENO, 0, SEEK_SET);
	return count;
}

static void the_line_is_one_for_the_configuration(void **state)
{
	(void)state;
	struct refusals refusals = {0};
	uint8_t key[32];
	identity_random(key, sizeof(key));
	refusals_note(&refusals, key, "192.0.2.1");
	assert_int_equal(logged(), 1);
	assert_non_null(strstr(line, " from 192.0.2.1:"));
	char *text = strstr(line, "rxfer1:");
	assert_non_null(text);
	text[strcspn(text, " \n")] = '\0';
	struct pubkey back;
	assert_int_equal(pubkey_parse(text, &back, NULL), RC_OK);
	assert_memory_equal(back.transport, key, sizeof(key));
	assert_false(pubkey_signs(&back));
	assert_true(pubkey_equal(&back, &refusals.key));
	assert_string_equal(refusals.address, "192.0.2.1");
	assert_int_equal(refusals.time.ms, FAKE_CLOCK_EPOCH_MS + 1000);
	assert_int_equal(refusals.count, 1);
}

static void a_key_that_comes_again_is_told_once_an_hour(void **state)
{
	(void)state;
	struct refusals refusals = {0};
	const uint8_t one[32] = {1}, other[32] = {2};
	for (int i = 0; i < 719; i++) {      /* every five seconds */
		refusals_note(&refusals, one, "192.0.2.1");
		refusals_note(&refusals, other, "2001:db8::1");
		now_ms += 5000;
	}
	assert_int_equal(logged(), 2);
	now_ms += 5000;
	refusals_note(&refusals, one, "192.0.2.1");
	refusals_note(&refusals, one, "192.0.2.1");
	assert_int_equal(logged(), 1);
	assert_int_equal(refusals.count, 2 * 719 + 2);
}

static void a_flood_of_keys_is_cut(void **state)
{
	(void)state;
	struct refusals refusals = {0};
	uint8_t key[32] = {0};
	for (int i = 0; i < 10000; i++) {
		key[0] = (uint8_t)i;
		key[1] = (uint8_t)(i >> 8);
		refusals_note(&refusals, key, "192.0.2.1");
	}
	assert_int_equal(logged(), CALM_LINES);
	now_ms += 60000;
	key[2] = 1;
	refusals_note(&refusals, key, "192.0.2.1");
	assert_int_equal(logged(), 1);
	assert_non_null(strstr(line, "9990 more such lines were left out"));
	assert_int_equal(refusals.count, 10001);
}

int main(void)
{
#define REFUSALS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		REFUSALS_TEST(the_line_is_one_for_the_configuration),
		REFUSALS_TEST(a_key_that_comes_again_is_told_once_an_hour),
		REFUSALS_TEST(a_flood_of_keys_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
