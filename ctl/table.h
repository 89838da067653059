/* table.h: rows in aligned columns, with notes between them. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include "common/buf.h"
#include "ctl/terminal.h"

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS_MAX 10
#define TABLE_ROWS_MAX 500        /* what comes after is counted, not shown */

/* Plain data, for static tables. */
struct table_column {
	const char *heading;
	bool right;              /* numbers stand at the right */
	bool painted;            /* a word of health or state, coloured by it */
};

struct table;

/* Nothing gets wider than the terminal: where the rows would, the widest words in them are cut, and where that isn't
 * enough, each row becomes a paragraph. */
struct table *table_new(const struct table_column *columns, size_t count, const struct terminal *terminal);
/* The next cell of the row; a row is finished by its last cell. The text is cleaned. */
void table_cell(struct table *table, const char *text);
/* A sentence of its own under the row that was finished last, indented, broken into lines. Cleaned. */
void table_note(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints an empty line and the table, or nothing when it has no rows. Frees it, nulls the handle. */
void table_finish(struct table **table, struct buf *out);

#endif
