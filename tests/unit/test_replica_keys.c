/* test_replica_keys.c: a whole replica over real sockets, and a master that says of its keys what it likes: an honest
 * one, one that has stolen a key, one that floods, one that plays old words again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/link.h"
#include "replica/replica_keys.h"
#include "tests/unit/protocol_fixture.h"

#define DEADLINE_MS 20000

static struct identity *a, *b, *c, *own, *stranger;
static struct loop *loop;
static struct link_server *server;
static char endpoint[256];
static struct link_peer peer;
static char *home;
static struct replica replica;

static unsigned hellos, answers;      /* what the master has got */
static struct handover answer;

static bool admit(void *context, const uint8_t key[32], const char *address)
{
	(void)context, (void)key, (void)address;
	return true;
}

static void send_message(const struct message *message)
{
	struct buf bytes = {0};
	message_encode(&bytes, message);
	assert_int_equal(link_server_send(server, &peer, bytes.data, bytes.length), RC_OK);
	buf_free(&bytes);
}

static void on_message(void *context, const struct link_peer *from, const void *data, size_t length)
{
	(void)context;
	struct message message;
	struct why why;
	if (message_decode(data, length, &message, &why) != RC_OK)
		fail_msg("%s", why.text);
	peer = *from;
	if (message.type == MESSAGE_HELLO) {
		assert_int_equal(message.version_min, 1);
		assert_int_equal(message.version_max, 2);
		hellos++;
		send_message(&(struct message){.type = MESSAGE_WELCOME, .version_min = 2, .software = "test"});
	} else if (message.type == MESSAGE_KEPT) {
		answer = message.handover;
		answers++;
	}
}

static void serve(const struct identity *identity)
{
	static const struct link_server_events events = {.admit = admit, .message = on_message};
	struct why why;
	const char *where = endpoint[0] ? endpoint : "tcp://127.0.0.1:*";
	link_server_close(&server);
	if (link_server_open(loop, identity, &where, 1, &events, &server, &why) != RC_OK)
		fail_msg("%s", why.text);
	if (!endpoint[0])
		(void)snprintf(endpoint, sizeof(endpoint), "%s", link_server_endpoint(server, 0));
}

#define UNTIL(condition) do { \
	struct mono until_start = clock_mono(); \
	while (!(condition)) { \
		struct why turn_why; \
		assert_int_equal(loop_turn(loop, 100, &turn_why), RC_OK); \
		if (mono_since(until_start) > DEADLINE_MS) \
			fail_msg("never: %s (%s)", #condition, replica.last_refused.text); \
	} \
} while (0)

static struct master_status status(void)
{
	return master_status(replica.masters[0]);
}

static void start(void)
{
	char key[PUBKEY_TEXT_MAX];
	struct why why;
	struct replica_conf *conf = NULL;
	pubkey_format(identity_public(a), key);
	const char *port = strrchr(endpoint, ':');
	char *text = mem_sprintf("state = \"%s\"\nmaster \"primary\" { connect = \"tcp://127.0.0.1%s\" keys = { \"%s\" } }\n"
	                         "zone \"example\" { master = \"primary\" domains = { \"example.com\" } }\n", home, port,
	                         key);
	if (replica_conf_parse("replica.conf", text, strlen(text), &conf, &why) != RC_OK ||
	    replica_open(&replica, loop, own, &conf, &why) != RC_OK)
		fail_msg("%s", why.text);
	free(text);
	unsigned before = hellos;
	UNTIL(hellos > before && master_greeted(replica.masters[0]));
}

static int set_up(void **state)
{
	(void)state;
	loop = loop_new();
	home = fixture_folder();
	endpoint[0] = '\0';
	hellos = answers = 0;
	serve(a);
	start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	replica_close(&replica);
	link_server_close(&server);
	loop_free(loop);
	char *command = mem_sprintf("rm -rf '%s'", home);
	assert_int_equal(system(command), 0);
	free(command);
	free(home);
	return 0;
}

static struct handover word_of(const struct identity *signer, const struct identity *next, int64_t time)
{
	return handover_make(signer, next ? identity_public(next) : NULL, (struct wall){time});
}

/* KEYS, and what becomes of it: an answer, or a refusal that is counted. */
static bool say(struct handover word)
{
	unsigned answered = answers;
	uint64_t refused = replica.refused;
	send_message(&(struct message){.type = MESSAGE_KEYS, .handover = word});
	UNTIL(answers > answered || replica.refused > refused);
	return replica.refused == refused;
}

static bool believes(const struct identity *identity)
{
	const struct master_spec *spec = master_spec(replica.masters[0]);
	const struct session_spec *zone = session_spec(replica.sessions[0]);
	bool found = false;
	assert_ptr_equal(spec->keys, zone->keys);
	assert_int_equal(spec->key_count, zone->key_count);
	for (size_t i = 0; i < spec->key_count; i++)
		found = found || pubkey_equal(&spec->keys[i], identity_public(identity));
	return found;
}

static void an_honest_roll_over(void **state)
{
	(void)state;
	const struct handover first = word_of(a, b, 100);
	assert_true(say(first));
	assert_true(handover_agrees(&answer, &first));
	assert_true(believes(a) && believes(b));
	serve(b);
	UNTIL(hellos == 2 && master_greeted(replica.masters[0]));
	assert_true(say(word_of(b, NULL, 200)));
	assert_true(!believes(a) && believes(b));
	assert_string_equal(status().state, "connected");
	/* What was said before the switch is nothing now; nor is who said it. */
	assert_false(say(first));
	assert_false(say(word_of(a, c, 300)));
	assert_int_equal(replica.refused, 2);
	assert_non_null(strstr(replica.last_refused.text, "master \"primary\""));
	serve(a);
	UNTIL(strcmp(status().state, "wrong-key") == 0);
	assert_true(status().hopeless);
	/* It's the same after a restart. */
	replica_close(&replica);
	serve(b);
	start();
	assert_true(!believes(a) && believes(b));
}

/* The thief of a key that is about to be given up passes on the word that ends it: the connection to him ends too. */
static void a_connection_to_a_key_that_is_given_up_ends(void **state)
{
	(void)state;
	assert_true(say(word_of(a, b, 100)));
	send_message(&(struct message){.type = MESSAGE_KEYS, .handover = word_of(b, NULL, 200)});
	UNTIL(strcmp(status().state, "wrong-key") == 0);
	assert_true(!believes(a) && believes(b));
	assert_int_equal(hellos, 1);
}

static void strangers_words_are_counted(void **state)
{
	(void)state;
	assert_false(say(word_of(stranger, b, 100)));
	assert_false(say(word_of(b, NULL, 100)));
	struct handover forged = word_of(a, b, 100);
	forged.signature[0] ^= 1;
	assert_false(say(forged));
	assert_int_equal(replica.refused, 3);
	assert_int_equal(answers, 0);
	/* Too long, too short, its own successor: no message at all. */
	struct buf bytes = {0};
	message_encode(&bytes, &(struct message){.type = MESSAGE_KEYS, .handover = word_of(a, b, 100)});
	buf_put_u8(&bytes, 0);
	for (size_t length = bytes.length; length >= bytes.length - 2; length -= 2)
		assert_int_equal(link_server_send(server, &peer, bytes.data, length), RC_OK);
	bytes.length--;
	memcpy(bytes.data + 1 + 64, bytes.data + 1, 64);
	assert_int_equal(link_server_send(server, &peer, bytes.data, bytes.length), RC_OK);
	UNTIL(replica.refused == 6);
	assert_true(believes(a) && !believes(b) && !believes(stranger));
	assert_true(say(word_of(a, NULL, 100)));      /* the connection stands */
	buf_free(&bytes);
}

/* A restored master is shown what is kept of its word. */
static void an_older_word_is_answered_with_the_later_one(void **state)
{
	(void)state;
	const struct handover later = word_of(a, b, 500);
	assert_true(say(later));
	unsigned before = answers;
	send_message(&(struct message){.type = MESSAGE_KEYS, .handover = word_of(a, NULL, 400)});
	UNTIL(answers > before && replica.refused == 1);
	assert_true(handover_agrees(&answer, &later));
	assert_int_equal(answer.time.ms, 500);
	assert_true(believes(b));
}

static void a_flood_is_refused(void **state)
{
	(void)state;
	for (int64_t i = 0; i < 60; i++)
		send_message(&(struct message){.type = MESSAGE_KEYS, .handover = word_of(a, i % 2 ? b : c, 100 + i)});
	UNTIL(replica.refused >= 50);
	UNTIL(answers >= 10);
	assert_int_equal(replica.refused, 50);
}

#define KEYS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEYS_TEST(an_honest_roll_over),
		KEYS_TEST(a_connection_to_a_key_that_is_given_up_ends),
		KEYS_TEST(strangers_words_are_counted),
		KEYS_TEST(an_older_word_is_answered_with_the_later_one),
		KEYS_TEST(a_flood_is_refused),
	};
	identity_init();
	struct identity **const all[] = {&a, &b, &c, &own, &stranger};
	for (size_t i = 0; i < 5; i++)
		*all[i] = fixture_identity((uint8_t)(1 + 10 * i));
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < 5; i++)
		identity_free(all[i]);
	return failed;
}
