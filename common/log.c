/* log.c: one event, one line, one write(2), so that lines of two threads can't mix.
 *
 * Needs no allocation, because "out of memory" is said with it. */
#include "common/log.h"
#include "common/clock.h"
#include "common/why.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A why with some context fits. */
#define MESSAGE_MAX 2048

enum level { ERROR = 3, WARN = 4, INFO = 6, DEBUG = 7 };      /* syslog's numbers, as journald reads them */

static struct {
	const char *program;
	bool journal;
	bool debug;
} state = {.program = "rxfer"};

/* sd-daemon(3): JOURNAL_STREAM is the device and inode of the journal's socket; it is inherited, so it only counts
 * when standard error is still that socket. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	if (!stream || fstat(STDERR_FILENO, &st) != 0)
		return false;
	char own[64];
	(void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, own) == 0;
}

void log_open(const char *program, bool debug)
{
	/* Were standard error closed, the next file to be opened would get its number, and log lines would be written
	 * into a database. */
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);

	state.program = program;
	state.debug = debug;
	state.journal = stderr_is_journal();
}

static void write_line(enum level level, const char *message)
{
	char line[MESSAGE_MAX + 128];
	int length;
	if (state.journal) {
		length = snprintf(line, sizeof(line), "<%d>%s\n", (int)level, message);
	} else {
		char now[CLOCK_TEXT_MAX];
		wall_format(clock_wall(), now);
		const char *word = level == ERROR ? "error: " : level == WARN ? "warning: " : "";
		length = snprintf(line, sizeof(line), "%s %.60s: %s%s\n", now, state.program, word, message);
	}
	ssize_t done;
	do
		done = write(STDERR_FILENO, line, (size_t)length);
	while (done < 0 && errno == EINTR);      /* any other failure: there is nobody left to tell */
}

static void log_message(enum level level, const char *format, va_list args)
{
	int saved = errno;
	char message[MESSAGE_MAX];
	(void)vsnprintf(message, sizeof(message), format, args);
	why_clean(message);
	write_line(level, message);
	errno = saved;
}

void log_error(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	log_message(ERROR, format, args);
	va_end(args);
}

void log_warn(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	log_message(WARN, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	log_message(INFO, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	if (!state.debug)
		return;
	va_list args;
	va_start(args, format);
	log_message(DEBUG, format, args);
	va_end(args);
}
