/* test_link.c: both ends on loopback with real sockets: who comes in, and what each failure is called. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/link.h"
#include "protocol/limits.h"
#include "tests/unit/protocol_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <zmq.h>

#define DEADLINE_MS 20000

static struct identity *master, *replica, *stranger;
static const struct pubkey *admitted, *admitted_too;      /* the server lets these keys in; NULL: nobody */

static struct {
	struct loop *loop;
	struct link_server *server;
	char endpoint[256];
	struct link_client *client;
	/* what the server got */
	struct link_peer peer;
	size_t received;
	struct buf last;
	char address[64];
	/* what the client got */
	size_t answers;
	struct buf answer;
	unsigned seen;            /* states, a bit each */
	enum link_state state;
	char detail[200];
} fix;

static bool admit(void *context, const uint8_t key[32], const char *address)
{
	(void)snprintf(fix.address, sizeof(fix.address), "%s", address);
	(void)context;
	return (admitted && memcmp(admitted->transport, key, 32) == 0) ||
	       (admitted_too && memcmp(admitted_too->transport, key, 32) == 0);
}

static void at_server(void *context, const struct link_peer *peer, const void *data, size_t length)
{
	(void)context;
	fix.peer = *peer;
	fix.received++;
	buf_clear(&fix.last);
	buf_put(&fix.last, data, length);
}

static void at_client(void *context, const void *data, size_t length)
{
	(void)context;
	fix.answers++;
	buf_clear(&fix.answer);
	buf_put(&fix.answer, data, length);
}

static void on_state(void *context, enum link_state state, const char *detail)
{
	(void)context;
	fix.state = state;
	fix.seen |= 1u << state;
	(void)snprintf(fix.detail, sizeof(fix.detail), "%s", detail);
	assert_int_equal(state == LINK_UP, detail[0] == '\0');
}

static bool keeps(void *context, const uint8_t key[32])
{
	(void)context;
	return admitted && memcmp(admitted->transport, key, 32) == 0;
}

static const struct link_server_events server_events = {.admit = admit, .message = at_server};
static const struct link_server_events strict_events = {.admit = admit, .message = at_server, .keeps = keeps};
static const struct link_client_events client_events = {on_state, at_client, NULL};

static void serve_with(const char *endpoint, const struct link_server_events *events)
{
	struct why why = {""};
	if (link_server_open(fix.loop, master, &endpoint, 1, events, &fix.server, &why) != RC_OK)
		fail_msg("%s", why.text);
	(void)snprintf(fix.endpoint, sizeof(fix.endpoint), "%s", link_server_endpoint(fix.server, 0));
}

static void serve(const char *endpoint)
{
	serve_with(endpoint, &server_events);
}

static void connect_to(const char *endpoint, const struct identity *key_of)
{
	struct why why = {""};
	if (link_client_open(fix.loop, replica, endpoint, identity_public(key_of)->transport, &client_events, &fix.client,
	                     &why) != RC_OK)
		fail_msg("%s", why.text);
	assert_int_equal(link_client_state(fix.client), LINK_CONNECTING);
	assert_int_equal(link_client_send(fix.client, "x", 1), RC_AGAIN);
}

/* Turns the loop until the condition holds. */
#define UNTIL(condition) do { \
	struct mono until_start = clock_mono(); \
	while (!(condition)) { \
		struct why turn_why; \
		assert_int_equal(loop_turn(fix.loop, 100, &turn_why), RC_OK); \
		if (mono_since(until_start) > DEADLINE_MS) \
			fail_msg("never: %s (state %s, %s)", #condition, link_state_name(fix.state), fix.detail); \
	} \
} while (0)

static int set_up(void **state)
{
	(void)state;
	memset(&fix, 0, sizeof(fix));
	fix.loop = loop_new();
	admitted = identity_public(replica);
	admitted_too = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	link_client_close(&fix.client);
	link_server_close(&fix.server);
	assert_null(fix.client);
	assert_null(fix.server);
	loop_free(fix.loop);
	buf_free(&fix.last);
	buf_free(&fix.answer);
	return 0;
}

static void messages_go_both_ways(void **state)
{
	(void)state;
	serve("tcp://127.0.0.1:*");
	connect_to(fix.endpoint, master);
	UNTIL(link_client_state(fix.client) == LINK_UP);
	assert_int_equal(fix.seen, 1u << LINK_UP);
	assert_int_equal(link_client_send(fix.client, "question", 8), RC_OK);
	UNTIL(fix.received == 1);
	assert_memory_equal(fix.last.data, "question", 8);
	/* The key is the proved one. */
	assert_memory_equal(fix.peer.transport_key, identity_public(replica)->transport, 32);

	uint8_t *large = mem_alloc(MESSAGE_BYTES_MAX);
	memset(large, 'z', MESSAGE_BYTES_MAX);
	assert_int_equal(link_server_send(fix.server, &fix.peer, large, MESSAGE_BYTES_MAX), RC_OK);
	UNTIL(fix.answers == 1);
	assert_int_equal(fix.answer.length, MESSAGE_BYTES_MAX);
	free(large);

	struct link_peer nobody = fix.peer;
	nobody.routing[4] ^= 1;
	assert_int_equal(link_server_send(fix.server, &nobody, "x", 1), RC_NOT_FOUND);
	struct link_server_counts counts = link_server_counts(fix.server);
	assert_int_equal(counts.refused + counts.failed + counts.malformed, 0);
}

static void a_refused_key_is_told_and_comes_in_once_admitted(void **state)
{
	(void)state;
	admitted = NULL;
	serve("tcp://127.0.0.1:*");
	connect_to(fix.endpoint, master);
	UNTIL(fix.state == LINK_REFUSED && link_server_counts(fix.server).refused >= 2);
	assert_string_equal(fix.address, "127.0.0.1");
	assert_non_null(strstr(fix.detail, "admit"));
	assert_int_equal(fix.seen, 1u << LINK_REFUSED);
	admitted = identity_public(replica);
	UNTIL(fix.state == LINK_UP);
	assert_int_equal(link_client_send(fix.client, "q", 1), RC_OK);
	UNTIL(fix.received == 1);
}

static void a_wrong_server_key_is_told_at_both_ends(void **state)
{
	(void)state;
	serve("tcp://127.0.0.1:*");
	connect_to(fix.endpoint, stranger);
	UNTIL(fix.state == LINK_WRONG_KEY && link_server_counts(fix.server).failed >= 2);
	assert_int_equal(fix.seen, 1u << LINK_WRONG_KEY);
	assert_int_equal(link_server_counts(fix.server).refused, 0);
	assert_int_equal(fix.received, 0);
}

/* A bound port that nobody listens on: connections to it are refused, and no other process gets it meanwhile. */
static int reserve_port(char endpoint[64], int backlog)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int on = 1;      /* what was accepted here mustn't keep the port from who listens next */
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	if (backlog)
		assert_int_equal(listen(fd, backlog), 0);
	(void)snprintf(endpoint, 64, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
	return fd;
}

static void a_dead_port_is_unreachable(void **state)
{
	(void)state;
	char endpoint[64];
	int fd = reserve_port(endpoint, 0);
	connect_to(endpoint, master);
	UNTIL(fix.state == LINK_UNREACHABLE);
	assert_non_null(strstr(fix.detail, "nobody listens"));
	assert_int_equal(close(fd), 0);
	/* And found when it's there. */
	serve(endpoint);
	UNTIL(fix.state == LINK_UP);
	assert_int_equal(fix.seen, 1u << LINK_UNREACHABLE | 1u << LINK_UP);
}

static void an_unknown_name_is_unreachable(void **state)
{
	(void)state;
	connect_to("tcp://no-such-host.invalid:7353", master);
	UNTIL(fix.state == LINK_UNREACHABLE);
	assert_non_null(strstr(fix.detail, "name"));
}

static void greet(void *context, int events)
{
	(void)events;
	static const char greeting[] = "220 mail.example.org ESMTP: this is no ZeroMQ, and longer than its greeting\r\n";
	int connection = accept4(*(int *)context, NULL, NULL, SOCK_CLOEXEC);
	assert_true(connection >= 0);
	assert_int_equal(send(connection, greeting, strlen(greeting), MSG_NOSIGNAL), strlen(greeting));
	assert_int_equal(close(connection), 0);
}

static void another_service_is_no_master(void **state)
{
	(void)state;
	char endpoint[64];
	int fd = reserve_port(endpoint, 5);
	struct watch_handle *handle = loop_add_fd(fix.loop, fd, LOOP_READ, greet, &fd);
	connect_to(endpoint, master);
	UNTIL(fix.state == LINK_WRONG_KEY);
	loop_remove(fix.loop, &handle);
	assert_int_equal(close(fd), 0);
	/* ZeroMQ gave up at that; we don't. */
	serve(endpoint);
	UNTIL(fix.state == LINK_UP);
}

static void a_restarted_master_is_found_and_gets_nothing_old(void **state)
{
	(void)state;
	serve("tcp://127.0.0.1:*");
	connect_to(fix.endpoint, master);
	UNTIL(fix.state == LINK_UP);
	assert_int_equal(link_client_send(fix.client, "a", 1), RC_OK);
	UNTIL(fix.received == 1);
	struct link_peer old = fix.peer;

	char endpoint[256];
	memcpy(endpoint, fix.endpoint, sizeof(endpoint));
	link_server_close(&fix.server);
	/* Still up as far as it knows: these are lost with the connection, and mustn't come before the next HELLO. */
	for (int i = 0; i < 5; i++)
		(void)link_client_send(fix.client, "old", 3);
	UNTIL(fix.state == LINK_UNREACHABLE);
	assert_int_equal(link_client_send(fix.client, "b", 1), RC_AGAIN);
	serve(endpoint);
	struct mono start = clock_mono();
	UNTIL(fix.state == LINK_UP);
	assert_true(mono_since(start) < 2000);
	assert_int_equal(link_client_send(fix.client, "new", 3), RC_OK);
	UNTIL(fix.received == 2);
	assert_memory_equal(fix.last.data, "new", 3);
	assert_int_equal(link_server_send(fix.server, &old, "x", 1), RC_NOT_FOUND);
}

static void a_gone_replica_is_not_found(void **state)
{
	(void)state;
	serve("tcp://127.0.0.1:*");
	connect_to(fix.endpoint, master);
	UNTIL(fix.state == LINK_UP);
	assert_int_equal(link_client_send(fix.client, "a", 1), RC_OK);
	UNTIL(fix.received == 1);
	link_client_close(&fix.client);
	UNTIL(link_server_send(fix.server, &fix.peer, "x", 1) == RC_NOT_FOUND);
}

/* A peer of our own making that doesn't keep to the rules. */
static void *raw_peer(void *context, const struct identity *identity, const char *routing_id)
{
	void *socket = zmq_socket(context, ZMQ_DEALER);
	int zero = 0;
	assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof(zero)), 0);
	int few = 1, never = -1;
	assert_int_equal(zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &never, sizeof(never)), 0);
	assert_int_equal(zmq_setsockopt(socket, ZMQ_RCVHWM, &few, sizeof(few)), 0);
	if (routing_id)
		assert_int_equal(zmq_setsockopt(socket, ZMQ_ROUTING_ID, routing_id, strlen(routing_id)), 0);
	assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, identity_public(master)->transport, 32), 0);
	assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, identity_public(identity)->transport, 32), 0);
	assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, identity_transport_secret(identity), 32), 0);
	assert_int_equal(zmq_connect(socket, fix.endpoint), 0);
	return socket;
}

static void odd_frames_are_counted_and_dropped(void **state)
{
	(void)state;
	serve("tcp://127.0.0.1:*");
	void *context = zmq_ctx_new();
	void *socket = raw_peer(context, replica, NULL);
	for (int part = 0; part < 9; part++)
		assert_int_equal(zmq_send(socket, "part", 4, part < 8 ? ZMQ_SNDMORE : 0), 4);
	assert_int_equal(zmq_send(socket, "whole", 5, 0), 5);
	UNTIL(fix.received == 1);
	assert_memory_equal(fix.last.data, "whole", 5);
	assert_int_equal(link_server_counts(fix.server).malformed, 1);
	assert_int_equal(zmq_close(socket), 0);

	socket = raw_peer(context, replica, "mine");
	assert_int_equal(zmq_send(socket, "hello", 5, 0), 5);
	UNTIL(link_server_counts(fix.server).malformed == 2);
	assert_int_equal(fix.received, 1);
	assert_int_equal(zmq_close(socket), 0);

	/* No CURVE at all. */
	socket = zmq_socket(context, ZMQ_DEALER);
	int zero = 0;
	assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof(zero)), 0);
	assert_int_equal(zmq_connect(socket, fix.endpoint), 0);
	assert_int_equal(zmq_send(socket, "hello", 5, 0), 5);
	UNTIL(link_server_counts(fix.server).failed >= 1);
	assert_int_equal(fix.received, 1);
	assert_int_equal(zmq_close(socket), 0);
	assert_int_equal(zmq_ctx_term(context), 0);
}

static void a_frame_too_large_ends_the_connection(void **state)
{
	(void)state;
	serve("tcp://127.0.0.1:*");
	connect_to(fix.endpoint, master);
	UNTIL(fix.state == LINK_UP);
	uint8_t *large = mem_zalloc(MESSAGE_BYTES_MAX + 1);
	assert_int_equal(link_client_send(fix.client, large, MESSAGE_BYTES_MAX + 1), RC_OK);
	UNTIL(fix.state == LINK_UNREACHABLE);
	UNTIL(fix.state == LINK_UP);
	assert_int_equal(fix.received, 0);
	free(large);
}

static void a_peer_that_does_not_read_fills_its_queue_only(void **state)
{
	(void)state;
	admitted_too = identity_public(stranger);
	serve("tcp://127.0.0.1:*");
	void *context = zmq_ctx_new();
	void *socket = raw_peer(context, stranger, NULL);
	assert_int_equal(zmq_send(socket, "a", 1, 0), 1);
	UNTIL(fix.received == 1);
	struct link_peer slow = fix.peer;
	connect_to(fix.endpoint, master);
	UNTIL(fix.state == LINK_UP);
	assert_int_equal(link_client_send(fix.client, "b", 1), RC_OK);
	UNTIL(fix.received == 2);
	assert_memory_not_equal(slow.routing, fix.peer.routing, 5);

	uint8_t *large = mem_zalloc(MESSAGE_BYTES_MAX);
	enum rc rc = RC_OK;
	int sent;
	for (sent = 0; rc == RC_OK && sent < 1000; sent++)
		rc = link_server_send(fix.server, &slow, large, MESSAGE_BYTES_MAX);
	assert_int_equal(rc, RC_AGAIN);
	assert_int_equal(link_server_send(fix.server, &fix.peer, "c", 1), RC_OK);
	UNTIL(fix.answers == 1);
	free(large);
	assert_int_equal(zmq_close(socket), 0);
	assert_int_equal(zmq_ctx_term(context), 0);
}

static size_t connections(void)
{
	return link_server_counts(fix.server).connections;
}

/* An attacker whose key is admitted: each of its connections greets and then reads nothing of what it's sent. */
static void a_key_has_one_connection(void **state)
{
	(void)state;
	enum { MANY = 20 };
	void *sockets[MANY];
	struct link_peer peers[MANY];
	void *context = zmq_ctx_new();
	uint8_t *large = mem_zalloc(MESSAGE_BYTES_MAX);
	serve("tcp://127.0.0.1:*");
	for (size_t i = 0; i < MANY; i++) {
		sockets[i] = raw_peer(context, replica, NULL);
		assert_int_equal(zmq_send(sockets[i], "a", 1, 0), 1);
		UNTIL(fix.received == i + 1);
		peers[i] = fix.peer;
		while (link_server_send(fix.server, &peers[i], large, MESSAGE_BYTES_MAX) == RC_OK)
			;
		UNTIL(connections() == 1);
	}
	/* What was queued for them is gone with them. */
	for (size_t i = 0; i + 1 < MANY; i++)
		UNTIL(link_server_send(fix.server, &peers[i], "x", 1) == RC_NOT_FOUND);
	assert_int_equal(link_server_counts(fix.server).cut, MANY - 1);

	/* And the replica itself, which comes back after an unclean end, is served at once. */
	connect_to(fix.endpoint, master);
	UNTIL(fix.state == LINK_UP);
	assert_int_equal(link_client_send(fix.client, "b", 1), RC_OK);
	UNTIL(fix.received == MANY + 1 && connections() == 1);
	assert_int_equal(link_server_send(fix.server, &fix.peer, "c", 1), RC_OK);
	UNTIL(fix.answers == 1);
	assert_int_equal(fix.seen, 1u << LINK_UP);
	free(large);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(zmq_close(sockets[i]), 0);
	assert_int_equal(zmq_ctx_term(context), 0);
}

static void a_revoked_key_is_cut_at_once(void **state)
{
	(void)state;
	serve_with("tcp://127.0.0.1:*", &strict_events);
	connect_to(fix.endpoint, master);
	UNTIL(fix.state == LINK_UP);
	assert_int_equal(link_client_send(fix.client, "a", 1), RC_OK);
	UNTIL(fix.received == 1);
	/* One that is still admitted stays. */
	link_server_review(fix.server);
	assert_int_equal(link_server_counts(fix.server).cut, 0);
	admitted = NULL;
	/* What it said before, and is read only now, doesn't count; and it's sent nothing more. */
	assert_int_equal(link_client_send(fix.client, "b", 1), RC_OK);
	link_server_review(fix.server);
	assert_int_equal(link_server_counts(fix.server).cut, 1);
	(void)link_server_send(fix.server, &fix.peer, "secret", 6);
	UNTIL(fix.state == LINK_REFUSED);
	assert_int_equal(fix.received, 1);
	assert_int_equal(fix.answers, 0);
	UNTIL(link_server_send(fix.server, &fix.peer, "x", 1) == RC_NOT_FOUND);
}

/* It came in, said nothing, and was revoked meanwhile. */
static void a_revoked_key_is_cut_when_it_first_speaks(void **state)
{
	(void)state;
	serve_with("tcp://127.0.0.1:*", &strict_events);
	connect_to(fix.endpoint, master);
	UNTIL(fix.state == LINK_UP);
	admitted = NULL;
	link_server_review(fix.server);
	assert_int_equal(link_client_send(fix.client, "a", 1), RC_OK);
	UNTIL(fix.state == LINK_REFUSED);
	assert_int_equal(fix.received, 0);
	assert_int_equal(link_server_counts(fix.server).cut, 1);
}

static int64_t ahead_ms;

static struct mono mono_ahead(void *context)
{
	struct timespec now;
	(void)context;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (struct mono){now.tv_sec * 1000 + now.tv_nsec / 1000000 + ahead_ms};
}

static void who_says_nothing_is_cut_and_who_greets_stays(void **state)
{
	(void)state;
	const struct clock_source ahead = {.mono = mono_ahead, .wall = NULL};
	void *context = zmq_ctx_new();
	ahead_ms = 0;
	clock_use(&ahead);
	serve("tcp://127.0.0.1:*");
	connect_to(fix.endpoint, master);
	UNTIL(fix.state == LINK_UP);
	assert_int_equal(link_client_send(fix.client, "b", 1), RC_OK);
	UNTIL(fix.received == 1);
	void *socket = raw_peer(context, replica, NULL);      /* admitted, its heartbeats come, and it's silent */
	UNTIL(connections() == 2);
	ahead_ms = 40000;
	UNTIL(connections() == 1);
	assert_int_equal(link_server_counts(fix.server).cut, 1);
	assert_int_equal(link_server_send(fix.server, &fix.peer, "c", 1), RC_OK);
	UNTIL(fix.answers == 1);
	assert_int_equal(fix.seen, 1u << LINK_UP);
	clock_use(NULL);
	assert_int_equal(zmq_close(socket), 0);
	assert_int_equal(zmq_ctx_term(context), 0);
}

/* What has come is read and thrown away. */
static bool is_closed(int fd)
{
	char greeting[100];
	ssize_t length;
	while ((length = recv(fd, greeting, sizeof(greeting), MSG_DONTWAIT)) > 0)
		;
	return length == 0 || errno != EAGAIN;
}

/* An attacker without any key: idle connections, more than may wait. */
static void idle_connections_keep_nobody_out(void **state)
{
	(void)state;
	enum { MANY = 350, MAY_WAIT = 256 };
	static int idle[MANY];
	serve("tcp://127.0.0.1:*");
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	address.sin_port = htons((uint16_t)atoi(strrchr(fix.endpoint, ':') + 1));
	for (size_t i = 0; i < MANY; i++) {
		idle[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(idle[i], (struct sockaddr *)&address, sizeof(address)), 0);
		UNTIL(connections() > 0 && connections() + link_server_counts(fix.server).cut >= i + 1);
	}
	/* The longest waiting one has gone, the last one hasn't. */
	UNTIL(is_closed(idle[0]));
	assert_false(is_closed(idle[MANY - 1]));
	UNTIL(connections() == MAY_WAIT);
	assert_int_equal(link_server_counts(fix.server).cut, MANY - MAY_WAIT);
	connect_to(fix.endpoint, master);
	UNTIL(fix.state == LINK_UP);
	assert_int_equal(link_client_send(fix.client, "b", 1), RC_OK);
	UNTIL(fix.received == 1);
	assert_int_equal(fix.seen, 1u << LINK_UP);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(close(idle[i]), 0);
	UNTIL(connections() == 1);
}

static void bad_endpoints_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *endpoint;
		enum rc rc;
	} cases[] = {
		{"127.0.0.1:7353", RC_INVALID}, {"tcp://127.0.0.1", RC_INVALID}, {"tcp://127.0.0.1:http", RC_INVALID},
		{"tcp://192.0.2.1:*", RC_IO}, {"ipc:///tmp/x", RC_INVALID}, {"", RC_INVALID},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct why why = {""};
		const char *endpoint = cases[i].endpoint;
		enum rc rc = link_server_open(fix.loop, master, &endpoint, 1, &server_events, &fix.server, &why);
		assert_true(rc == RC_INVALID || rc == cases[i].rc);
		assert_null(fix.server);
		if (!strstr(why.text, endpoint))
			fail_msg("\"%s\" doesn't name %s", why.text, endpoint);
	}
	struct why why = {""};
	assert_int_equal(link_client_open(fix.loop, replica, "tcp://host", identity_public(master)->transport,
	                                  &client_events, &fix.client, &why), RC_INVALID);
	assert_null(fix.client);
	assert_non_null(strstr(why.text, "tcp://host"));

	serve("tcp://127.0.0.1:*");
	const char *taken = fix.endpoint;
	struct link_server *second = NULL;
	assert_int_equal(link_server_open(fix.loop, master, &taken, 1, &server_events, &second, &why), RC_IO);
	assert_null(second);
	assert_non_null(strstr(why.text, "in use"));
}

static void states_have_names(void **state)
{
	(void)state;
	assert_string_equal(link_state_name(LINK_CONNECTING), "connecting");
	assert_string_equal(link_state_name(LINK_UP), "connected");
	assert_string_equal(link_state_name(LINK_UNREACHABLE), "unreachable");
	assert_string_equal(link_state_name(LINK_WRONG_KEY), "wrong-key");
	assert_string_equal(link_state_name(LINK_REFUSED), "refused");
	assert_string_equal(link_state_name((enum link_state)9), "?");
}

/* Somebody who cuts each connection as soon as it stands doesn't make us come ten times a second. */
static void connections_that_never_hold_come_ever_slower(void **state)
{
	(void)state;
	unsigned connections = 0;
	serve("tcp://127.0.0.1:*");
	connect_to(fix.endpoint, master);
	struct mono start = clock_mono();
	while (mono_since(start) < 2000) {
		UNTIL(fix.state == LINK_UP);
		connections++;
		char endpoint[256];
		memcpy(endpoint, fix.endpoint, sizeof(endpoint));
		link_server_close(&fix.server);
		UNTIL(fix.state != LINK_UP);
		serve(endpoint);
	}
	assert_true(connections > 1);
	assert_true(connections < 10);
}

static void endpoints_are_checked_before_they_are_used(void **state)
{
	(void)state;
	static const char *const good[] = {"tcp://mx1.example.com:7353", "tcp://192.0.2.1:1", "tcp://[2001:db8::1]:65535",
	                                   "tcp://[fe80::1%eth0]:7353", "tcp://a:10"};
	static const char *const bad[] = {"", "tcp://", "tcp://host", "tcp://host:", "tcp://:7353", "tcp://host:0",
	                                  "tcp://host:65536", "tcp://host:7353x", "tcp://host:-1", "tcp://ho st:7353",
	                                  "udp://host:7353", "tcp:/host:7353", "tcp://*:7353", "tcp://[]:7353",
	                                  "tcp://[::1:7353", "tcp://::1:7353", "tcp://[fe80::1%]:7353", "tcp://-x:7353",
	                                  "tcp://a;b:7353", "tcp://host:*"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct why why = {""};
		if (link_endpoint_check(good[i], &why) != RC_OK)
			fail_msg("%s", why.text);
		connect_to(good[i], master);      /* the library agrees */
		link_client_close(&fix.client);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct why why = {""};
		if (link_endpoint_check(bad[i], &why) != RC_INVALID)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_non_null(strstr(why.text, "tcp://HOST:PORT"));
	}
}

int main(void)
{
	identity_init();
	master = fixture_identity(1);
	replica = fixture_identity(2);
	stranger = fixture_identity(3);
#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		LINK_TEST(messages_go_both_ways),
		LINK_TEST(a_refused_key_is_told_and_comes_in_once_admitted),
		LINK_TEST(a_wrong_server_key_is_told_at_both_ends),
		LINK_TEST(a_dead_port_is_unreachable),
		LINK_TEST(an_unknown_name_is_unreachable),
		LINK_TEST(another_service_is_no_master),
		LINK_TEST(a_restarted_master_is_found_and_gets_nothing_old),
		LINK_TEST(a_gone_replica_is_not_found),
		LINK_TEST(odd_frames_are_counted_and_dropped),
		LINK_TEST(a_frame_too_large_ends_the_connection),
		LINK_TEST(a_peer_that_does_not_read_fills_its_queue_only),
		LINK_TEST(connections_that_never_hold_come_ever_slower),
		LINK_TEST(endpoints_are_checked_before_they_are_used),
		LINK_TEST(a_key_has_one_connection),
		LINK_TEST(a_revoked_key_is_cut_at_once),
		LINK_TEST(a_revoked_key_is_cut_when_it_first_speaks),
		LINK_TEST(who_says_nothing_is_cut_and_who_greets_stays),
		LINK_TEST(idle_connections_keep_nobody_out),
		LINK_TEST(bad_endpoints_are_named),
		LINK_TEST(states_have_names),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	identity_free(&master);
	identity_free(&replica);
	identity_free(&stranger);
	return failed;
}
