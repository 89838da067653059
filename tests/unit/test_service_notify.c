/* test_service_notify.c: what a service manager hears; and one that hears nothing, its queue full, is never waited
 * for. */
#include "common/service_notify.h"
#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEADLINE_S 20

static struct loop *loop;
static struct service_notify notify;
static int manager;
static const char *state;

static void summary(const void *context, char out[WHY_MAX])
{
	struct why why;
	(void)why_set(&why, RC_OK, "%s", *(const char *const *)context);
	memcpy(out, why.text, WHY_MAX);
}

static int set_up(void **unused)
{
	(void)unused;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (folder_make("notify") != 0)
		return -1;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_folder("n"));
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	loop = loop_new();
	state = "well";
	alarm(DEADLINE_S);
	return bind(manager, (struct sockaddr *)&address, sizeof(address)) == 0 ? setenv("NOTIFY_SOCKET", address.sun_path, 1)
	                                                                       : -1;
}

static int tear_down(void **unused)
{
	(void)unused;
	alarm(0);
	service_notify_end(&notify);
	loop_free(loop);
	close(manager);
	return folder_remove();
}

/* The next word, or "" when there is none. */
static const char *heard(void)
{
	static char text[1000];
	ssize_t length = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[length > 0 ? length : 0] = '\0';
	return text;
}

static void the_manager_is_told(void **unused)
{
	(void)unused;
	service_notify_begin(&notify, loop, summary, &state);
	assert_string_equal(heard(), "READY=1\nSTATUS=well");
	state = "ill";
	service_notify_reloading(&notify);
	const char *reloading = heard();
	assert_int_equal(strncmp(reloading, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	assert_true(atoll(reloading + 27) > 0);
	service_notify_ready(&notify);
	assert_string_equal(heard(), "READY=1\nSTATUS=ill");
	service_notify_stopping();
	assert_string_equal(heard(), "STOPPING=1");
	assert_string_equal(heard(), "");
}

/* As long as there is room. */
static void fill(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("NOTIFY_SOCKET"));
	while (sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof(address)) == 1)
		;
	close(fd);
}

static void drain(void)
{
	while (strcmp(heard(), "x") == 0)
		;
}

static void a_manager_that_hangs_is_not_waited_for(void **unused)
{
	(void)unused;
	struct why why;
	const char *word;
	fill();
	service_notify_begin(&notify, loop, summary, &state);
	service_notify_reloading(&notify);
	service_notify_ready(&notify);
	service_notify_stopping();
	/* And nothing is lost that counts. */
	drain();
	while (*(word = heard()) == '\0')
		assert_int_equal(loop_turn(loop, -1, &why), RC_OK);
	assert_string_equal(word, "READY=1\nSTATUS=well");
	assert_string_equal(heard(), "");
}

static void without_a_manager_nothing_is_said(void **unused)
{
	(void)unused;
	static const char *const odd[] = {"", "relative", "@", "vsock:2:1", "/there/is/no/such/socket"};
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_int_equal(setenv("NOTIFY_SOCKET", odd[i], 1), 0);
		service_notify_begin(&notify, loop, summary, &state);
		assert_false(notify.ready_owed);
		service_notify_end(&notify);
	}
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	service_notify_begin(&notify, loop, summary, &state);
	service_notify_stopping();
	assert_string_equal(heard(), "");
}

int main(void)
{
#define NOTIFY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		NOTIFY_TEST(the_manager_is_told),
		NOTIFY_TEST(a_manager_that_hangs_is_not_waited_for),
		NOTIFY_TEST(without_a_manager_nothing_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
