/* terminal.c: see terminal.h. */
#include "ctl/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static size_t wanted_columns(bool terminal)
{
	const char *text = getenv("COLUMNS");
	struct winsize size = { 0 };

	if (text != NULL && text[0] != '\0' && strspn(text, "0123456789") == strlen(text) && strlen(text) < 6 && atoi(text) > 0)
		return (size_t)atoi(text);
	if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return TERMINAL_COLUMNS;
}

struct terminal terminal_look(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	bool terminal = isatty(STDOUT_FILENO) == 1;
	size_t columns = wanted_columns(terminal);

	return (struct terminal) {
		.colour = terminal && (no_color == NULL || no_color[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0,
		.columns = columns < TERMINAL_COLUMNS_MIN ? TERMINAL_COLUMNS_MIN
		           : columns > TERMINAL_COLUMNS_MAX ? TERMINAL_COLUMNS_MAX : columns,
	};
}
