/* test_trust.c: which keys a replica believes, through a roll-over and what can go wrong with one; the file of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/file.h"
#include "replica/trust.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/protocol_fixture.h"

#include <sys/stat.h>

static struct identity *a, *b, *c, *stranger;
static struct trust *trust;
static struct why why;

static char *base;

/* The file, or one beside it. */
static const char *folder_path(const char *ending)
{
	static char path[512];
	(void)snprintf(path, sizeof(path), "%s/primary%s", base, ending);
	return path;
}

#define KEY(identity) (*identity_public(identity))

/* Opens it anew, as after a restart, with these configured keys. */
static void configure(const struct identity *first, const struct identity *second)
{
	struct pubkey keys[2] = {KEY(first)};
	if (second)
		keys[1] = KEY(second);
	trust_free(&trust);
	trust = trust_open(folder_path(""), keys, second ? 2 : 1);
	if (trust_settle(trust, &why) != RC_OK)
		fail_msg("%s", why.text);
}

static bool believes(const struct identity *identity)
{
	size_t count;
	const struct pubkey *keys = trust_keys(trust, &count);
	assert_true(count >= 1);
	for (size_t i = 0; i < count; i++)
		if (pubkey_equal(&keys[i], identity_public(identity)))
			return true;
	return false;
}

/* "ab": exactly these are believed. */
static void expect(const char *who)
{
	size_t count;
	(void)trust_keys(trust, &count);
	assert_int_equal(count, strlen(who));
	assert_int_equal(believes(a), strchr(who, 'a') != NULL);
	assert_int_equal(believes(b), strchr(who, 'b') != NULL);
	assert_int_equal(believes(c), strchr(who, 'c') != NULL);
	assert_false(believes(stranger));
}

static struct handover say(const struct identity *signer, const struct identity *next, int64_t time)
{
	return handover_make(signer, next ? identity_public(next) : NULL, (struct wall){time});
}

static enum trust_verdict hear(const struct identity *signer, const struct identity *next, int64_t time)
{
	const struct handover word = say(signer, next, time);
	why.text[0] = '\0';
	return trust_hear(trust, &word, &why);
}

static bool on_disk(void)
{
	struct stat st;
	return stat(folder_path(""), &st) == 0;
}

static ino_t inode(void)
{
	struct stat st;
	assert_int_equal(stat(folder_path(""), &st), 0);
	return st.st_ino;
}

static int set_up(void **state)
{
	(void)state;
	now_ms = 1000;
	clock_use(&fake_clock);
	base = fixture_folder();
	configure(a, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	trust_free(&trust);
	clock_use(NULL);
	(void)unlink(folder_path(""));
	assert_int_equal(rmdir(base), 0);
	free(base);
	return 0;
}

static void a_whole_roll_over_survives_restarts(void **state)
{
	(void)state;
	expect("a");
	assert_false(on_disk());
	assert_int_equal(hear(a, NULL, 100), TRUST_NEWS);
	expect("a");
	assert_int_equal(hear(a, b, 200), TRUST_NEWS);
	expect("ab");
	assert_true(pubkey_equal(&trust_status(trust).announced->next, identity_public(b)));
	assert_null(trust_status(trust).changed);
	configure(a, NULL);
	expect("ab");
	assert_int_equal(hear(a, b, 200), TRUST_KNOWN);
	/* A switch isn't dated before it was announced. */
	assert_int_equal(hear(b, NULL, 200), TRUST_REFUSED);
	expect("ab");
	assert_int_equal(hear(b, NULL, 300), TRUST_NEWS);
	expect("b");
	configure(a, NULL);
	expect("b");
	assert_true(pubkey_equal(trust_status(trust).changed, identity_public(b)));
	assert_null(trust_status(trust).announced);
	/* And on to the next one but one, with replica.conf as it was in the beginning. */
	assert_int_equal(hear(b, c, 400), TRUST_NEWS);
	assert_int_equal(hear(c, NULL, 500), TRUST_NEWS);
	configure(a, NULL);
	expect("c");
}

static void the_switch_may_come_with_the_next_announcement(void **state)
{
	(void)state;
	assert_int_equal(hear(a, b, 100), TRUST_NEWS);
	assert_int_equal(hear(b, c, 200), TRUST_NEWS);
	expect("bc");
}

static void a_former_key_is_worthless(void **state)
{
	(void)state;
	assert_int_equal(hear(a, b, 100), TRUST_NEWS);
	assert_int_equal(hear(b, NULL, 200), TRUST_NEWS);
	/* Stolen, it may say what it likes, with any date; and what it said in its time may be played again. */
	assert_int_equal(hear(a, c, 900), TRUST_REFUSED);
	assert_int_equal(hear(a, NULL, 900), TRUST_REFUSED);
	assert_int_equal(hear(a, b, 100), TRUST_REFUSED);
	expect("b");
	configure(a, NULL);
	assert_int_equal(hear(a, c, 900), TRUST_REFUSED);
	expect("b");
	/* But the master may go back to it, as to any other key. */
	assert_int_equal(hear(b, a, 300), TRUST_NEWS);
	expect("ab");
	assert_int_equal(hear(a, NULL, 400), TRUST_NEWS);
	expect("a");
}

static void an_announcement_can_be_taken_back(void **state)
{
	(void)state;
	const struct handover early = say(a, b, 100);
	assert_int_equal(trust_hear(trust, &early, &why), TRUST_NEWS);
	assert_int_equal(hear(a, NULL, 200), TRUST_NEWS);
	expect("a");
	assert_int_equal(hear(b, NULL, 300), TRUST_REFUSED);
	/* Played again, after a restart too. */
	assert_int_equal(trust_hear(trust, &early, &why), TRUST_REFUSED);
	assert_non_null(strstr(why.text, "older"));
	configure(a, NULL);
	assert_int_equal(trust_hear(trust, &early, &why), TRUST_REFUSED);
	expect("a");
	/* Another one instead. */
	assert_int_equal(hear(a, c, 300), TRUST_NEWS);
	expect("ac");
	/* A date stands for one statement. */
	assert_int_equal(hear(a, b, 300), TRUST_REFUSED);
	expect("ac");
}

static void who_is_nobody_is_refused(void **state)
{
	(void)state;
	assert_int_equal(hear(stranger, b, 100), TRUST_REFUSED);
	assert_int_equal(hear(b, NULL, 100), TRUST_REFUSED);
	/* In the master's name, with somebody else's signature; with a bit turned. */
	struct handover forged = say(stranger, b, 100);
	forged.present = KEY(a);
	assert_int_equal(trust_hear(trust, &forged, &why), TRUST_REFUSED);
	struct handover altered = say(a, b, 100);
	altered.time.ms++;
	assert_int_equal(trust_hear(trust, &altered, &why), TRUST_REFUSED);
	altered = say(a, b, 100);
	altered.next = KEY(c);
	assert_int_equal(trust_hear(trust, &altered, &why), TRUST_REFUSED);
	/* The next key alone, before it was announced by the present one; a signing half with another transport half. */
	struct handover half = say(a, b, 100);
	memcpy(half.present.transport, KEY(c).transport, 32);
	assert_int_equal(trust_hear(trust, &half, &why), TRUST_REFUSED);
	expect("a");
	assert_false(on_disk());
}

static void a_flood_is_written_seldom(void **state)
{
	(void)state;
	unsigned written = 0;
	for (int64_t i = 0; i < 1000; i++)
		written += hear(a, i % 2 ? b : c, 100 + i) == TRUST_NEWS;
	assert_true(written <= 10);
	/* The same again and again isn't written at all. */
	now_ms += 3600000;
	assert_int_equal(hear(a, b, 5000), TRUST_NEWS);
	ino_t before = inode();
	for (int i = 0; i < 1000; i++)
		assert_int_equal(hear(a, b, 5000), TRUST_KNOWN);
	assert_int_equal(inode(), before);
	/* It's heard again after a while. */
	for (int64_t i = 0; i < 20; i++)
		(void)hear(a, i % 2 ? b : c, 6000 + i);
	assert_int_equal(hear(a, NULL, 7000), TRUST_REFUSED);
	now_ms += 60000;
	assert_int_equal(hear(a, NULL, 7000), TRUST_NEWS);
	expect("a");
}

static void two_configured_keys_have_a_succession_each(void **state)
{
	(void)state;
	configure(a, b);
	expect("ab");
	assert_int_equal(hear(a, c, 100), TRUST_NEWS);
	expect("abc");
	assert_int_equal(hear(c, NULL, 200), TRUST_NEWS);
	expect("bc");
	/* One that leads to a key that is configured as well. */
	configure(a, NULL);
	expect("c");
	configure(b, NULL);
	expect("b");
	configure(a, b);
	expect("ab");
	assert_int_equal(hear(a, b, 300), TRUST_NEWS);
	assert_int_equal(hear(b, NULL, 400), TRUST_NEWS);
	expect("b");
	configure(a, b);
	expect("b");
}

static void the_configuration_has_the_last_word(void **state)
{
	(void)state;
	assert_int_equal(hear(a, b, 100), TRUST_NEWS);
	assert_int_equal(hear(b, c, 200), TRUST_NEWS);
	/* The new key is written into replica.conf: nothing is lost, and its dates still count. */
	configure(b, NULL);
	expect("bc");
	assert_null(trust_status(trust).changed);
	assert_int_equal(hear(b, NULL, 150), TRUST_REFUSED);
	assert_int_equal(hear(b, c, 200), TRUST_KNOWN);
	/* What it was before is forgotten. */
	configure(a, NULL);
	expect("a");
	assert_false(on_disk());
	configure(b, NULL);
	expect("b");
	/* Another key: all is forgotten, for good. */
	assert_int_equal(hear(b, c, 300), TRUST_NEWS);
	configure(stranger, NULL);
	assert_false(on_disk());
	configure(b, NULL);
	expect("b");
}

static void nothing_is_forgotten_before_the_configuration_is_in_force(void **state)
{
	(void)state;
	assert_int_equal(hear(a, b, 100), TRUST_NEWS);
	const struct pubkey other = KEY(stranger);
	trust_free(&trust);
	trust = trust_open(folder_path(""), &other, 1);
	assert_true(on_disk());
	configure(a, NULL);
	expect("ab");
}

static void a_damaged_file_is_told_and_not_used(void **state)
{
	(void)state;
	assert_int_equal(hear(a, b, 100), TRUST_NEWS);
	struct buf good = {.data = NULL};
	assert_int_equal(file_read(folder_path(""), 4096, &good, &why), RC_OK);
	for (size_t i = 0; i <= good.length; i += i < 12 ? 1 : 7) {
		for (int way = 0; way < 2; way++) {
			struct buf bad = {.data = NULL};
			buf_put(&bad, good.data, way == 0 && i < good.length ? i : good.length);
			if (way == 1 && i < good.length)
				bad.data[i] ^= 1;
			else if (i == good.length)
				buf_put_u8(&bad, 0);
			assert_int_equal(file_replace(folder_path(""), 0600, bad.data, bad.length, &why), RC_OK);
			buf_free(&bad);
			configure(a, NULL);
			expect("a");
			if (!strstr(trust_trouble(trust), folder_path("")))
				fail_msg("damage at %zu isn't told: \"%s\"", i, trust_trouble(trust));
		}
	}
	/* What the master says heals it. */
	assert_int_equal(hear(a, b, 100), TRUST_NEWS);
	assert_string_equal(trust_trouble(trust), "");
	configure(a, NULL);
	expect("ab");
	/* A newer version's. */
	good.data[7] = '2';
	assert_int_equal(file_replace(folder_path(""), 0600, good.data, good.length, &why), RC_OK);
	configure(a, NULL);
	expect("a");
	assert_non_null(strstr(trust_trouble(trust), "newer"));
	buf_free(&good);
}

static void what_cant_be_written_doesnt_count(void **state)
{
	(void)state;
	assert_int_equal(hear(a, b, 100), TRUST_NEWS);
	/* A folder in the place of the new file: it can't be made, whoever tries. */
	assert_int_equal(mkdir(folder_path(".tmp"), 0700), 0);
	assert_int_equal(hear(b, NULL, 200), TRUST_LATER);
	assert_true(why.text[0] != '\0');
	expect("ab");
	assert_int_equal(rmdir(folder_path(".tmp")), 0);
	assert_int_equal(hear(b, NULL, 200), TRUST_NEWS);
	expect("b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_roll_over_survives_restarts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_switch_may_come_with_the_next_announcement, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_former_key_is_worthless, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_announcement_can_be_taken_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_is_nobody_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_flood_is_written_seldom, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_configured_keys_have_a_succession_each, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_configuration_has_the_last_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_forgotten_before_the_configuration_is_in_force, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_file_is_told_and_not_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cant_be_written_doesnt_count, set_up, tear_down),
	};
	identity_init();
	a = fixture_identity(1);
	b = fixture_identity(11);
	c = fixture_identity(21);
	stranger = fixture_identity(31);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	identity_free(&a);
	identity_free(&b);
	identity_free(&c);
	identity_free(&stranger);
	return failed;
}
