/* terminal.h: what standard output is: how wide, and whether colours are welcome. */
#ifndef CTL_TERMINAL_H
#define CTL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#define TERMINAL_COLUMNS 100      /* of what is no terminal */
#define TERMINAL_COLUMNS_MIN 40
#define TERMINAL_COLUMNS_MAX 200

struct terminal {
	bool colour;
	size_t columns;
};

/* COLUMNS goes before what the terminal says; NO_COLOR (no-color.org) and TERM=dumb are heard. */
struct terminal terminal_look(void);

#endif
