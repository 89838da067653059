/* test_loop.c: what runs, in which order, what doesn't run any more, and that an idle loop sleeps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/loop.h"
#include "tests/unit/fake_clock.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

/* What has happened, a letter an event. */
static char events[64];

static void note(char what)
{
	size_t length = strlen(events);
	assert_true(length + 1 < sizeof(events));
	events[length] = what;
	events[length + 1] = '\0';
}

struct fixture {
	struct loop *loop;
	int a[2], b[2];                        /* pipes */
	struct watch_handle *on_a, *on_b;
	struct timer x, y, z;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	fixture = (struct fixture){.loop = loop_new()};
	if (pipe2(fixture.a, O_CLOEXEC) != 0 || pipe2(fixture.b, O_CLOEXEC) != 0)
		return -1;
	events[0] = '\0';
	now_ms = 1000;
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	clock_use(NULL);
	loop_free(f->loop);
	for (int i = 0; i < 2; i++) {
		close(f->a[i]);
		close(f->b[i]);
	}
	return 0;
}

static void turn(struct fixture *f, int64_t max_wait_ms)
{
	struct why why = {""};
	assert_int_equal(loop_turn(f->loop, max_wait_ms, &why), RC_OK);
}

static void put(const int pipe[2])
{
	assert_int_equal(write(pipe[1], "x", 1), 1);
}

static void note_x(void *context)
{
	(void)context;
	note('x');
}

static void note_y(void *context)
{
	(void)context;
	note('y');
}

static void note_z(void *context)
{
	(void)context;
	note('z');
}

static void idle_time_is_the_next_timers(void **state)
{
	struct fixture *f = *state;
	struct timer deferred = {.armed = false};
	clock_use(&fake_clock);
	assert_int_equal(loop_idle_ms(f->loop), -1);
	loop_timer_after(f->loop, &f->x, 300, note_x, f);
	loop_timer_after(f->loop, &f->y, 100000, note_y, f);
	assert_int_equal(loop_idle_ms(f->loop), 300);
	loop_timer_clear(f->loop, &f->x);
	assert_int_equal(loop_idle_ms(f->loop), 100000);
	loop_defer(f->loop, &deferred, note_z, f);
	assert_int_equal(loop_idle_ms(f->loop), 0);
	turn(f, -1);
	assert_int_equal(loop_idle_ms(f->loop), 100000);
	now_ms += 100001;
	assert_int_equal(loop_idle_ms(f->loop), 0);
	turn(f, -1);
	assert_string_equal(events, "zy");
	assert_int_equal(loop_idle_ms(f->loop), -1);
}

static void timers_fire_in_order(void **state)
{
	struct fixture *f = *state;
	clock_use(&fake_clock);
	loop_timer_after(f->loop, &f->x, 30, note_x, f);
	loop_timer_after(f->loop, &f->y, 10, note_y, f);
	loop_timer_after(f->loop, &f->z, 10, note_z, f);
	turn(f, 0);
	assert_string_equal(events, "");
	now_ms += 9;
	turn(f, 0);
	assert_string_equal(events, "");
	now_ms += 1;
	turn(f, 0);
	assert_string_equal(events, "yz");
	assert_false(f->y.armed);
	assert_true(f->x.armed);
	now_ms += 100;
	turn(f, 0);
	turn(f, 0);
	assert_string_equal(events, "yzx");

	/* Set again is moved, cleared is silent. */
	loop_timer_after(f->loop, &f->x, 10, note_x, f);
	loop_timer_after(f->loop, &f->x, 50, note_x, f);
	loop_timer_after(f->loop, &f->y, 10, note_y, f);
	loop_timer_clear(f->loop, &f->y);
	loop_timer_clear(f->loop, &f->y);
	now_ms += 20;
	turn(f, 0);
	assert_string_equal(events, "yzx");
	now_ms += 30;
	turn(f, 0);
	assert_string_equal(events, "yzxx");
}

static void clear_z(void *context)
{
	struct fixture *f = context;
	note('c');
	loop_timer_clear(f->loop, &f->z);
}

static void set_x_now(void *context)
{
	struct fixture *f = context;
	note('x');
	loop_timer_after(f->loop, &f->x, 0, set_x_now, f);
}

static void timers_change_each_other(void **state)
{
	struct fixture *f = *state;
	clock_use(&fake_clock);
	loop_timer_after(f->loop, &f->y, 0, clear_z, f);
	loop_timer_after(f->loop, &f->z, 0, note_z, f);
	turn(f, 0);
	assert_string_equal(events, "c");

	/* One that sets itself again for now leaves the others their turn. */
	events[0] = '\0';
	loop_timer_after(f->loop, &f->x, 0, set_x_now, f);
	loop_timer_after(f->loop, &f->z, 0, note_z, f);
	turn(f, 1000);
	assert_string_equal(events, "xz");
	turn(f, 1000);
	assert_string_equal(events, "xzx");
}

static void read_a(void *context, int found)
{
	struct fixture *f = context;
	char byte;
	assert_int_equal(found, LOOP_READ);
	assert_int_equal(read(f->a[0], &byte, 1), 1);
	note('a');
	loop_defer(f->loop, &f->x, note_x, f);
}

static void read_b(void *context, int found)
{
	struct fixture *f = context;
	char byte;
	assert_int_equal(found, LOOP_READ);
	assert_int_equal(read(f->b[0], &byte, 1), 1);
	note('b');
	loop_defer(f->loop, &f->x, note_x, f);
}

static void defer_again(void *context)
{
	struct fixture *f = context;
	note('d');
	loop_defer(f->loop, &f->z, note_z, f);
}

static void deferred_runs_once_at_the_end(void **state)
{
	struct fixture *f = *state;
	clock_use(&fake_clock);
	f->on_a = loop_add_fd(f->loop, f->a[0], LOOP_READ, read_a, f);
	f->on_b = loop_add_fd(f->loop, f->b[0], LOOP_READ, read_b, f);
	put(f->a);
	put(f->b);
	loop_timer_after(f->loop, &f->y, 0, note_y, f);
	turn(f, -1);
	assert_string_equal(events, "abyx");
	turn(f, 0);
	assert_string_equal(events, "abyx");

	/* From outside of a turn it makes the next one run without waiting; from a deferred call, the next after. */
	events[0] = '\0';
	loop_defer(f->loop, &f->x, defer_again, f);
	turn(f, -1);
	assert_string_equal(events, "d");
	turn(f, -1);
	assert_string_equal(events, "dz");
	loop_defer(f->loop, &f->x, note_x, f);
	loop_timer_clear(f->loop, &f->x);
	turn(f, 0);
	assert_string_equal(events, "dz");
}

static void remove_b(void *context, int found)
{
	struct fixture *f = context;
	(void)found;
	note('r');
	loop_remove(f->loop, &f->on_b);
	loop_remove(f->loop, &f->on_a);
	/* Enough new ones to make the tables grow while they are walked. */
	for (int i = 0; i < 40; i++)
		loop_add_fd(f->loop, f->b[0], i == 0 ? LOOP_READ : 0, read_b, f);
}

static void removed_is_not_called(void **state)
{
	struct fixture *f = *state;
	f->on_a = loop_add_fd(f->loop, f->a[0], LOOP_READ, remove_b, f);
	f->on_b = loop_add_fd(f->loop, f->b[0], LOOP_READ, read_b, f);
	put(f->a);
	put(f->b);
	turn(f, -1);
	assert_string_equal(events, "r");
	assert_null(f->on_a);
	assert_null(f->on_b);
	loop_remove(f->loop, &f->on_a);
	turn(f, -1);
	assert_string_equal(events, "rbx");      /* the new handle of the same descriptor; nobody watches a any more */
}

static void mute_b(void *context, int found)
{
	struct fixture *f = context;
	char byte;
	(void)found;
	note('m');
	assert_int_equal(read(f->a[0], &byte, 1), 1);
	loop_set_events(f->on_b, 0);
}

static void note_events(void *context, int found)
{
	(void)context;
	note((char)('0' + found));
}

static void events_can_be_taken_back(void **state)
{
	struct fixture *f = *state;
	f->on_a = loop_add_fd(f->loop, f->a[0], LOOP_READ, mute_b, f);
	f->on_b = loop_add_fd(f->loop, f->b[0], LOOP_READ, read_b, f);
	put(f->a);
	put(f->b);
	turn(f, -1);
	assert_string_equal(events, "m");

	/* A hang-up is told as readable; with no events it isn't told at all and doesn't wake the loop. */
	close(f->a[1]);
	f->a[1] = -1;
	loop_remove(f->loop, &f->on_a);
	f->on_a = loop_add_fd(f->loop, f->a[0], LOOP_READ, note_events, f);
	turn(f, -1);
	assert_string_equal(events, "m1");
	loop_set_events(f->on_a, 0);
	loop_timer_after(f->loop, &f->x, 20, note_x, f);
	turn(f, -1);
	assert_string_equal(events, "m1x");

	/* Both directions in one call. */
	int both[2];
	assert_int_equal(pipe2(both, O_CLOEXEC), 0);
	struct watch_handle *writer = loop_add_fd(f->loop, both[1], LOOP_READ | LOOP_WRITE, note_events, f);
	turn(f, -1);
	assert_string_equal(events, "m1x2");
	close(both[0]);
	turn(f, -1);
	assert_string_equal(events, "m1x23");
	loop_remove(f->loop, &writer);
	close(both[1]);
}

static void idle_sleeps(void **state)
{
	struct fixture *f = *state;
	f->on_a = loop_add_fd(f->loop, f->a[0], LOOP_READ, read_a, f);
	loop_timer_after(f->loop, &f->x, 150, note_x, f);
	struct mono start = clock_mono();
	unsigned turns = 0;
	while (events[0] == '\0') {
		turn(f, -1);
		turns++;
	}
	assert_true(mono_since(start) >= 150);
	assert_true(turns <= 3);

	clock_t before = clock();
	loop_timer_after(f->loop, &f->x, 300, note_x, f);
	turn(f, -1);
	assert_true(clock() - before < CLOCKS_PER_SEC / 10);
	start = clock_mono();
	turn(f, 30);
	assert_true(mono_since(start) >= 29);
}

static void receive(void *context, int found)
{
	char text[8] = "";
	assert_int_equal(found, LOOP_READ);
	assert_int_equal(zmq_recv(context, text, sizeof(text), ZMQ_DONTWAIT), 1);
	note(text[0]);
}

static void zmq_sockets(void **state)
{
	struct fixture *f = *state;
	void *context = zmq_ctx_new();
	void *one = zmq_socket(context, ZMQ_PAIR), *two = zmq_socket(context, ZMQ_PAIR);
	assert_int_equal(zmq_bind(one, "inproc://test"), 0);
	assert_int_equal(zmq_connect(two, "inproc://test"), 0);
	struct watch_handle *reader = loop_add_zmq(f->loop, one, LOOP_READ, receive, one);
	struct watch_handle *writer = loop_add_zmq(f->loop, two, LOOP_WRITE, note_events, f);
	turn(f, -1);
	assert_string_equal(events, "2");
	loop_set_events(writer, 0);
	assert_int_equal(zmq_send(two, "p", 1, 0), 1);
	assert_int_equal(zmq_send(two, "q", 1, 0), 1);
	turn(f, -1);
	turn(f, -1);      /* one message a callback: the second is still seen */
	assert_string_equal(events, "2pq");
	turn(f, 0);
	assert_string_equal(events, "2pq");
	loop_remove(f->loop, &reader);
	loop_remove(f->loop, &writer);
	zmq_close(one);
	zmq_close(two);
	zmq_ctx_term(context);
}

static void stop_x(void *context)
{
	struct fixture *f = context;
	note('s');
	loop_stop(f->loop);
}

static void signals_are_calls(void **state)
{
	struct fixture *f = *state;
	struct why why = {""};
	loop_signal(f->loop, SIGUSR1, note_x, f);
	loop_signal(f->loop, SIGUSR2, stop_x, f);
	raise(SIGUSR1);
	raise(SIGUSR1);      /* the kernel keeps one of a kind */
	turn(f, -1);
	assert_string_equal(events, "x");
	raise(SIGUSR2);
	assert_int_equal(loop_run(f->loop, &why), RC_OK);
	assert_string_equal(events, "xs");
	loop_stop(f->loop);
	assert_int_equal(loop_run(f->loop, &why), RC_OK);
	assert_string_equal(events, "xs");
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
	(void)signal;
	alarms = alarms + 1;
}

static void interruption_is_no_error(void **state)
{
	struct fixture *f = *state;
	struct sigaction action = {.sa_handler = on_alarm}, before;
	sigaction(SIGALRM, &action, &before);
	struct itimerval soon = {.it_value.tv_usec = 20000};
	setitimer(ITIMER_REAL, &soon, NULL);
	loop_timer_after(f->loop, &f->x, 100, note_x, f);
	while (events[0] == '\0')
		turn(f, -1);
	assert_int_equal(alarms, 1);
	sigaction(SIGALRM, &before, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(idle_time_is_the_next_timers),
		TEST(timers_fire_in_order),
		TEST(timers_change_each_other),
		TEST(deferred_runs_once_at_the_end),
		TEST(removed_is_not_called),
		TEST(events_can_be_taken_back),
		TEST(idle_sleeps),
		TEST(zmq_sockets),
		TEST(signals_are_calls),
		TEST(interruption_is_no_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
