/* The control socket: whole answers, clear errors, and clients that are slow, gone, many or rude. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/control.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char folder[200];
static char path[256];
static struct loop *loop;
static struct control *control;
static struct control_request *held;       /* "later": answered by the test */
static int streams_done;
static int64_t skew_ms;                    /* how far the tests' clock is ahead */

static struct mono fake_mono(void *context)
{
	struct timespec now;

	(void)context;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (struct mono){ (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + skew_ms };
}

static struct wall fake_wall(void *context)
{
	(void)context;
	return (struct wall){ 0 };
}

struct lines {
	int next;
	int count;
};

static bool more_lines(void *context, struct buf *out)
{
	struct lines *lines = context;

	if (lines->next == lines->count)
		return false;
	if (lines->next++ % 2 == 0)      /* every second time there is nothing yet */
		return true;
	for (int i = 0; i < 100; i++)
		buf_printf(out, "RCPT user%d@example.com\n", lines->next);
	return true;
}

static void lines_done(void *context)
{
	streams_done++;
	free(context);
}

static void handler(void *context, struct control_request *request)
{
	const char *word = control_word(request, 0);

	assert_ptr_equal(context, &loop);
	if (strcmp(word, "hello") == 0) {
		control_reply(request, "good day", 8);
	} else if (strcmp(word, "nothing") == 0) {
		control_reply(request, "", 0);
	} else if (strcmp(word, "echo") == 0) {
		char body[64];
		assert_null(control_word(request, control_words(request)));
		snprintf(body, sizeof body, "%zu %s\n.\nend\n", control_words(request), control_word(request, 1));
		control_reply(request, body, strlen(body));
	} else if (strcmp(word, "later") == 0) {
		held = request;
	} else if (strcmp(word, "list") == 0) {
		struct lines *lines = calloc(1, sizeof *lines);
		lines->count = 2000;
		control_stream(request, more_lines, lines_done, lines);
	} else if (strcmp(word, "close") == 0) {
		control_close(&control);
	} else {
		control_refuse(request, "unknown command \"%s\"\n", word);
	}
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct why why;

	(void)state;
	snprintf(folder, sizeof folder, "%s/rxfer-control-XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/s", folder);
	loop = loop_new();
	held = NULL;
	streams_done = 0;
	skew_ms = 0;
	assert_int_equal(control_open(loop, path, handler, &loop, &control, &why), RC_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	clock_use(NULL);
	control_close(&control);
	loop_free(loop);
	assert_int_equal(access(path, F_OK), -1);
	rmdir(folder);
	return 0;
}

/* ---- asking, in a thread of its own ---- */

struct asking {
	const char *words[20];
	size_t count;
	int timeout_ms;
	struct buf out;
	struct why why;
	enum rc rc;
	int wake[2];
	bool finished;
	pthread_t thread;
	struct watch_handle *watch;
};

static void *ask_thread(void *context)
{
	struct asking *asking = context;

	asking->rc = control_ask(path, asking->words, asking->count, asking->timeout_ms, &asking->out, &asking->why);
	assert_int_equal(write(asking->wake[1], "x", 1), 1);
	return NULL;
}

static void on_finished(void *context, int events)
{
	struct asking *asking = context;

	(void)events;
	asking->finished = true;
}

static void ask_begin(struct asking *asking)
{
	while (asking->words[asking->count] != NULL)
		asking->count++;
	if (asking->timeout_ms == 0)
		asking->timeout_ms = 20000;
	assert_int_equal(pipe(asking->wake), 0);
	asking->watch = loop_add_fd(loop, asking->wake[0], LOOP_READ, on_finished, asking);
	assert_int_equal(pthread_create(&asking->thread, NULL, ask_thread, asking), 0);
}

static void turn_until(const bool *flag)
{
	struct why why;

	for (int turns = 0; !*flag; turns++) {
		assert_true(turns < 100000);
		assert_int_equal(loop_turn(loop, 20000, &why), RC_OK);
	}
}

static void ask_end(struct asking *asking)
{
	turn_until(&asking->finished);
	pthread_join(asking->thread, NULL);
	loop_remove(loop, &asking->watch);
	close(asking->wake[0]);
	close(asking->wake[1]);
}

static void ask(struct asking *asking)
{
	ask_begin(asking);
	ask_end(asking);
}

static void test_answers(void **state)
{
	(void)state;
	struct asking hello = { .words = { "hello" } };
	ask(&hello);
	assert_int_equal(hello.rc, RC_OK);
	assert_string_equal(buf_text(&hello.out), "good day\n");
	buf_free(&hello.out);

	struct asking nothing = { .words = { "nothing" } };
	buf_put(&nothing.out, "before ", 7);
	ask(&nothing);
	assert_int_equal(nothing.rc, RC_OK);
	assert_string_equal(buf_text(&nothing.out), "before ");
	buf_free(&nothing.out);

	struct asking echo = { .words = { "echo", "a b", "c" } };
	ask(&echo);
	assert_int_equal(echo.rc, RC_OK);
	assert_string_equal(buf_text(&echo.out), "3 a b\n.\nend\n");
	buf_free(&echo.out);
}

static void test_refusal(void **state)
{
	(void)state;
	struct asking asking = { .words = { "dance\x1b[31m" } };

	ask(&asking);
	assert_int_equal(asking.rc, RC_REFUSED);
	assert_string_equal(asking.why.text, "the request has a control character in it");
	buf_free(&asking.out);
	asking = (struct asking){ .words = { "dance" } };
	ask(&asking);
	assert_int_equal(asking.rc, RC_REFUSED);
	assert_string_equal(asking.why.text, "unknown command \"dance\"?");
	assert_int_equal(asking.out.length, 0);
	buf_free(&asking.out);
}

static void test_stream(void **state)
{
	(void)state;
	struct asking asking = { .words = { "list" } };

	ask(&asking);
	assert_int_equal(asking.rc, RC_OK);
	assert_int_equal(streams_done, 1);
	size_t lines = 0;
	for (size_t i = 0; i < asking.out.length; i++)
		lines += asking.out.data[i] == '\n';
	assert_int_equal(lines, 100 * 1000);
	buf_free(&asking.out);
}

static void test_later(void **state)
{
	(void)state;
	struct asking first = { .words = { "later" } };
	struct asking second = { .words = { "hello" } };
	struct why why;

	ask_begin(&first);
	while (held == NULL)
		assert_int_equal(loop_turn(loop, 20000, &why), RC_OK);
	ask(&second);
	assert_int_equal(second.rc, RC_OK);
	control_reply(held, "at last\n", 8);
	ask_end(&first);
	assert_int_equal(first.rc, RC_OK);
	assert_string_equal(buf_text(&first.out), "at last\n");
	buf_free(&first.out);
	buf_free(&second.out);
}

static void test_closed_while_pending(void **state)
{
	(void)state;
	struct asking asking = { .words = { "later" } };
	struct why why;

	ask_begin(&asking);
	while (held == NULL)
		assert_int_equal(loop_turn(loop, 20000, &why), RC_OK);
	control_close(&control);
	ask_end(&asking);
	assert_int_equal(asking.rc, RC_IO);
	assert_non_null(strstr(asking.why.text, "cut off"));
	buf_free(&asking.out);
}

static void test_cut_off_in_the_middle(void **state)
{
	(void)state;
	struct asking asking = { .words = { "list" } };
	struct why why;

	buf_put(&asking.out, "before", 6);
	ask_begin(&asking);
	for (int turns = 0; turns < 10; turns++)      /* of more than a thousand */
		assert_int_equal(loop_turn(loop, 20000, &why), RC_OK);
	control_close(&control);
	assert_int_equal(streams_done, 1);
	ask_end(&asking);
	assert_int_equal(asking.rc, RC_IO);
	assert_non_null(strstr(asking.why.text, "cut off"));
	assert_string_equal(buf_text(&asking.out), "before");
	buf_free(&asking.out);
}

static void test_closed_by_the_handler(void **state)
{
	(void)state;
	struct asking asking = { .words = { "close" } };

	ask(&asking);
	assert_int_equal(asking.rc, RC_IO);
	assert_null(control);
	buf_free(&asking.out);
}

static void test_time_out(void **state)
{
	(void)state;
	struct asking asking = { .words = { "later" }, .timeout_ms = 50 };

	ask(&asking);
	assert_int_equal(asking.rc, RC_AGAIN);
	assert_non_null(held);
	control_reply(held, "nobody hears this\n", 18);
	buf_free(&asking.out);
}

static void test_nobody_there(void **state)
{
	(void)state;
	struct buf out = { 0 };
	struct why why;
	const char *words[] = { "hello" };
	char other[300];

	snprintf(other, sizeof other, "%s/none", folder);
	assert_int_equal(control_ask(other, words, 1, 1000, &out, &why), RC_NOT_FOUND);
	assert_non_null(strstr(why.text, "no such socket"));
	const char *bad[] = { "a\tb" };
	assert_int_equal(control_ask(path, bad, 1, 1000, &out, &why), RC_INVALID);
	buf_free(&out);
}

/* ---- a client by hand ---- */

static int client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

/* Turns the loop until the daemon closed the connection; what it said is in out. */
static void drain(int fd, char *out, size_t size)
{
	size_t length = 0;
	struct why why;

	for (int turns = 0;; turns++) {
		assert_true(turns < 10000);
		ssize_t got = recv(fd, out + length, size - 1 - length, 0);
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			break;
		if (got > 0)
			length += (size_t)got;
		else
			assert_int_equal(loop_turn(loop, 20000, &why), RC_OK);
	}
	out[length] = '\0';
	close(fd);
}

static void test_byte_by_byte(void **state)
{
	(void)state;
	char out[100];
	struct why why;
	int fd = client();

	for (const char *at = "echo\tx\r\nrest"; *at != '\0'; at++) {
		assert_int_equal(send(fd, at, 1, MSG_NOSIGNAL), 1);
		if (*at != 'r' && *at != 'e' && *at != 's')
			assert_int_equal(loop_turn(loop, 20, &why), RC_OK);
		if (*at == '\n')
			break;
	}
	drain(fd, out, sizeof out);
	assert_string_equal(out, "ok\n2 x\n.\nend\n.\n");
}

static void test_rude_requests(void **state)
{
	(void)state;
	static char big[5000];
	char out[200];
	int fd = client();

	memset(big, 'x', sizeof big);
	assert_int_equal(send(fd, big, sizeof big, MSG_NOSIGNAL), sizeof big);
	drain(fd, out, sizeof out);
	assert_string_equal(out, "error the request is longer than 4096 bytes\n");

	fd = client();
	assert_int_equal(send(fd, "a\0b\n", 4, MSG_NOSIGNAL), 4);
	drain(fd, out, sizeof out);
	assert_string_equal(out, "error the request has a control character in it\n");

	fd = client();
	assert_int_equal(send(fd, "1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t13\t14\t15\t16\t17\n", 43, MSG_NOSIGNAL), 43);
	drain(fd, out, sizeof out);
	assert_string_equal(out, "error the request has more than 16 words\n");

	fd = client();
	assert_int_equal(send(fd, "hel", 3, MSG_NOSIGNAL), 3);
	shutdown(fd, SHUT_WR);
	drain(fd, out, sizeof out);
	assert_string_equal(out, "");

	fd = client();
	assert_int_equal(send(fd, "hello\n", 6, MSG_NOSIGNAL), 6);
	shutdown(fd, SHUT_WR);
	drain(fd, out, sizeof out);
	assert_string_equal(out, "ok\ngood day\n.\n");
}

static void test_gone_in_the_middle_of_a_stream(void **state)
{
	(void)state;
	struct why why;
	int fd = client();

	assert_int_equal(send(fd, "list\n", 5, MSG_NOSIGNAL), 5);
	for (int turns = 0; turns < 3; turns++)
		assert_int_equal(loop_turn(loop, 1000, &why), RC_OK);
	close(fd);
	for (int turns = 0; streams_done == 0; turns++) {
		assert_true(turns < 1000);
		assert_int_equal(loop_turn(loop, 1000, &why), RC_OK);
	}
	assert_int_equal(streams_done, 1);
}

static void test_silent_clients_are_cut_off(void **state)
{
	(void)state;
	static const struct clock_source source = { .mono = fake_mono, .wall = fake_wall };
	char out[100];
	struct why why;

	clock_use(&source);
	int fd = client();
	assert_int_equal(loop_turn(loop, 20000, &why), RC_OK);
	skew_ms = 29000;
	assert_int_equal(loop_turn(loop, 0, &why), RC_OK);
	assert_int_equal(recv(fd, out, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	skew_ms = 31000;
	drain(fd, out, sizeof out);
	assert_string_equal(out, "");
}

static void test_too_many_clients(void **state)
{
	(void)state;
	int fds[33];
	char out[200];

	for (int i = 0; i < 33; i++)
		fds[i] = client();
	drain(fds[32], out, sizeof out);
	assert_string_equal(out, "error too many clients at once; try again in a moment\n");
	for (int i = 0; i < 32; i++)
		close(fds[i]);
	int fd = -1;
	for (int tries = 0; tries < 100; tries++) {
		fd = client();
		assert_int_equal(send(fd, "hello\n", 6, MSG_NOSIGNAL), 6);
		drain(fd, out, sizeof out);
		if (strcmp(out, "ok\ngood day\n.\n") == 0)
			return;
	}
	fail_msg("the places of clients that went away stay taken: %s", out);
}

static void test_socket_file(void **state)
{
	(void)state;
	struct control *second = NULL;
	struct why why;
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
	assert_int_equal(control_open(loop, path, handler, NULL, &second, &why), RC_REFUSED);
	assert_null(second);

	/* A socket left behind by a daemon that was killed is replaced; a file that isn't a socket isn't. */
	char stale[300];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(stale, sizeof stale, "%s/stale", folder);
	strcpy(address.sun_path, stale);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
	assert_int_equal(control_open(loop, stale, handler, NULL, &second, &why), RC_OK);
	/* Somebody else's socket in our place isn't removed. */
	unlink(stale);
	fd = open(stale, O_CREAT | O_WRONLY, 0600);
	close(fd);
	control_close(&second);
	assert_int_equal(access(stale, F_OK), 0);
	assert_int_equal(control_open(loop, stale, handler, NULL, &second, &why), RC_IO);
	assert_non_null(strstr(why.text, "isn't a socket"));
	unlink(stale);
	char endless[400];
	memset(endless, 'x', sizeof endless);
	endless[0] = '/';
	endless[sizeof endless - 1] = '\0';
	assert_int_equal(control_open(loop, endless, handler, NULL, &second, &why), RC_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed_while_pending, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_off_in_the_middle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed_by_the_handler, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_byte_by_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rude_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_in_the_middle_of_a_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent_clients_are_cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_clients, setup, teardown),
		cmocka_unit_test_setup_teardown(test_socket_file, setup, teardown),
	};

	alarm(120);      /* an answer that never comes is a failure, not a wait */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
