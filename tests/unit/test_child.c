/* test_child.c: a program's output, end and complaint are heard; one that hangs, floods or forks is got rid of. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/child.h"
#include "common/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 20000

struct run {
	struct loop *loop;
	struct child *child;
	struct buf output;
	size_t largest;               /* piece of output */
	size_t stop_after;            /* 0: never */
	bool abandon_in_output;
	const struct buf *input;
	bool ended;
	enum child_end end;
	int code;
	char complaint[512];
};

static bool on_output(void *context, const void *data, size_t length)
{
	struct run *run = context;
	assert_false(run->ended);
	buf_put(&run->output, data, length);
	if (length > run->largest)
		run->largest = length;
	if (run->abandon_in_output)
		child_abandon(&run->child);
	return run->stop_after == 0 || run->output.length < run->stop_after;
}

static void on_end(void *context, enum child_end end, int code, const char *complaint)
{
	struct run *run = context;
	assert_false(run->ended);
	run->ended = true;
	run->end = end;
	run->code = code;
	(void)snprintf(run->complaint, sizeof(run->complaint), "%s", complaint);
}

static void start_program(struct run *run, const char *const *argv, int64_t timeout_ms)
{
	struct child_spec spec = {.argv = argv, .timeout_ms = timeout_ms, .on_output = on_output, .on_end = on_end,
	                          .context = run, .input = run->input};
	struct why why = {""};
	run->ended = false;
	run->largest = 0;
	buf_clear(&run->output);
	assert_int_equal(child_start(run->loop, &spec, &run->child, &why), RC_OK);
}

static void start(struct run *run, const char *script, int64_t timeout_ms)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};
	start_program(run, argv, timeout_ms);
}

static void finish(struct run *run)
{
	struct why why = {""};
	struct mono begin = clock_mono();
	while (!run->ended) {
		assert_int_equal(loop_turn(run->loop, DEADLINE_MS, &why), RC_OK);
		assert_true(mono_since(begin) < DEADLINE_MS);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);      /* all are reaped */
	assert_int_equal(errno, ECHILD);
}

static void run_script(struct run *run, const char *script)
{
	start(run, script, DEADLINE_MS);
	finish(run);
}

static int count_descriptors(void)
{
	int count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static int descriptors;

static int set_up(void **state)
{
	static struct run run;
	descriptors = count_descriptors();
	run = (struct run){.loop = loop_new()};
	*state = &run;
	return 0;
}

static int tear_down(void **state)
{
	struct run *run = *state;
	loop_free(run->loop);
	buf_free(&run->output);
	return count_descriptors() == descriptors ? 0 : -1;
}

static void output_status_complaint(void **state)
{
	struct run *run = *state;
	run_script(run, "echo one; echo first >&2; printf 'last \\033[1m\\0 words \\n\\n  \\n' >&2; echo two; exit 3");
	assert_string_equal(buf_text(&run->output), "one\ntwo\n");
	assert_int_equal(run->end, CHILD_EXITED);
	assert_int_equal(run->code, 3);
	assert_string_equal(run->complaint, "last ?[1m? words");

	run_script(run, "true");
	assert_int_equal(run->end, CHILD_EXITED);
	assert_int_equal(run->code, 0);
	assert_string_equal(run->complaint, "");

	run_script(run, "printf 'no line feed' >&2; kill -TERM $$");
	assert_int_equal(run->end, CHILD_KILLED);
	assert_int_equal(run->code, SIGTERM);
	assert_string_equal(run->complaint, "no line feed");

	run_script(run, "exec >&-; exec 2>&-; exit 7");
	assert_int_equal(run->code, 7);
}

static void much_output(void **state)
{
	struct run *run = *state;
	run_script(run, "head -c 3000000 /dev/zero; head -c 1000000 /dev/zero | tr '\\0' x >&2; printf 'y\\nend' >&2");
	assert_int_equal(run->end, CHILD_EXITED);
	assert_int_equal(run->output.length, 3000000);
	assert_true(run->largest <= 65536);
	assert_string_equal(run->complaint, "end");
	run_script(run, "head -c 1000000 /dev/zero | tr '\\0' x >&2");
	assert_int_equal(strlen(run->complaint), 300);
}

static void input_is_there_whole(void **state)
{
	struct run *run = *state;
	struct buf input = {0};
	for (int i = 0; i < 300000; i++)
		buf_put(&input, "a line\n", 7);
	run->input = &input;
	run_script(run, "wc -c; cat");
	assert_int_equal(strtol(buf_text(&run->output), NULL, 10), 2100000);
	run->input = NULL;
	run_script(run, "cat; echo end");
	assert_string_equal(buf_text(&run->output), "end\n");
	buf_free(&input);
}

static void time_out(void **state)
{
	struct run *run = *state;
	struct mono begin = clock_mono();
	start(run, "echo begun; echo slow >&2; sleep 1000 & sleep 1000", 1000);
	finish(run);
	assert_int_equal(run->end, CHILD_TIMED_OUT);
	assert_int_equal(run->code, 0);
	assert_string_equal(buf_text(&run->output), "begun\n");
	assert_string_equal(run->complaint, "slow");
	assert_true(mono_since(begin) >= 1000);

	/* The process ends at once, its child holds the output open: that counts as not ended, and it's killed too. */
	start(run, "sleep 1000 & echo $!", 1000);
	finish(run);
	assert_int_equal(run->end, CHILD_TIMED_OUT);
	pid_t grandchild = (pid_t)strtol(buf_text(&run->output), NULL, 10);
	assert_true(grandchild > 1);
	int pidfd = pidfd_open(grandchild, 0);      /* fails when it's gone altogether */
	struct pollfd gone = {.fd = pidfd, .events = POLLIN};
	assert_true(pidfd < 0 || poll(&gone, 1, DEADLINE_MS) == 1);
	if (pidfd >= 0)
		close(pidfd);

	/* One that left the group and holds the output can't be killed by us, and doesn't keep us waiting either. */
	start(run, "setsid sleep 3 & exit 0", 200);
	finish(run);
	assert_int_equal(run->end, CHILD_TIMED_OUT);
}

static void stopped_by_reader(void **state)
{
	struct run *run = *state;
	run->stop_after = 100000;
	run_script(run, "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done");
	assert_int_equal(run->end, CHILD_STOPPED);
	assert_true(run->output.length < 100000 + 65536);
}

static void abandoned(void **state)
{
	struct run *run = *state;
	struct why why = {""};
	start(run, "sleep 1000", DEADLINE_MS);
	child_abandon(&run->child);
	assert_null(run->child);
	child_abandon(&run->child);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(loop_turn(run->loop, 0, &why), RC_OK);

	run->abandon_in_output = true;
	start(run, "echo x; sleep 1000", DEADLINE_MS);
	struct mono begin = clock_mono();
	while (run->child && mono_since(begin) < DEADLINE_MS)
		assert_int_equal(loop_turn(run->loop, DEADLINE_MS, &why), RC_OK);
	assert_null(run->child);
	assert_int_equal(loop_turn(run->loop, 0, &why), RC_OK);
	assert_false(run->ended);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* /dev/null to read, no descriptor of ours, no signal blocked or ignored (but for 32 and 33, which are the C library's
 * own and which posix_spawn ignores), a group of its own. */
static void clean_surroundings(void **state)
{
	struct run *run = *state;
	int leaky = open("/dev/null", O_RDONLY);      /* as a library without O_CLOEXEC would */
	assert_int_equal(dup2(leaky, 200), 200);
	close(leaky);
	sigset_t mask, before;
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, &before);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);

	run_script(run, "cat; readlink /proc/self/fd/0; test -e /proc/$$/fd/200 && echo leak; "
	                "read -r _ _ _ _ group _ </proc/$$/stat; [ $group = $$ ] || echo group; exit 5");
	assert_string_equal(buf_text(&run->output), "/dev/null\n");
	assert_int_equal(run->end, CHILD_EXITED);
	assert_int_equal(run->code, 5);      /* though SIGCHLD was ignored */

	/* Not asked of a shell: some clear their mask themselves. */
	const char *argv[] = {"/bin/grep", "-cE", "SigBlk:.0*$|SigIgn:.*0000000$", "/proc/self/status", NULL};
	start_program(run, argv, DEADLINE_MS);
	finish(run);
	assert_string_equal(buf_text(&run->output), "2\n");
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	close(200);
}

static void cannot_start(void **state)
{
	struct run *run = *state;
	struct why why = {""};
	const char *missing[] = {"/no/such/program", NULL};
	struct child_spec spec = {.argv = missing, .timeout_ms = 1000, .on_output = on_output, .on_end = on_end,
	                          .context = run};
	assert_int_equal(child_start(run->loop, &spec, &run->child, &why), RC_IO);
	assert_non_null(strstr(why.text, "can't run /no/such/program: No such file"));
	const char *folder[] = {"/", NULL};
	spec.argv = folder;
	assert_int_equal(child_start(run->loop, &spec, &run->child, &why), RC_IO);
	assert_non_null(strstr(why.text, "executable"));
	assert_null(run->child);
	assert_false(run->ended);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void many_at_once(void **state)
{
	struct run *first = *state;
	struct run runs[10];
	for (int i = 0; i < 10; i++) {
		char script[64];
		(void)snprintf(script, sizeof(script), "head -c %d /dev/zero; exit %d", i * 50000, i);
		runs[i] = (struct run){.loop = first->loop};
		start(&runs[i], script, DEADLINE_MS);
	}
	struct why why = {""};
	struct mono begin = clock_mono();
	for (int i = 0; i < 10; i++) {
		while (!runs[i].ended && mono_since(begin) < DEADLINE_MS)
			assert_int_equal(loop_turn(first->loop, DEADLINE_MS, &why), RC_OK);
		assert_int_equal(runs[i].code, i);
		assert_int_equal(runs[i].output.length, i * 50000);
		buf_free(&runs[i].output);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(output_status_complaint),
		TEST(much_output),
		TEST(input_is_there_whole),
		TEST(time_out),
		TEST(stopped_by_reader),
		TEST(abandoned),
		TEST(clean_surroundings),
		TEST(cannot_start),
		TEST(many_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
