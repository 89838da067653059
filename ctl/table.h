/* table.h: rows in aligned columns, with notes between them. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS_MAX 10
#define TABLE_ROWS_MAX 500        /* what comes after is counted, not shown */
#define TABLE_WIDTH 100           /* of notes; rows get as wide as their cells need */

/* Plain data, for static tables. */
struct table_column {
	const char *heading;
	bool right;              /* numbers stand at the right */
	bool painted;            /* a word of health or state, coloured by it */
};

struct table;

struct table *table_new(const struct table_column *columns, size_t count);
/* The next cell of the row; a row is finished by its last cell. The text is cleaned and cut. */
void table_cell(struct table *table, const char *text);
/* A sentence of its own under the row that was finished last, indented, broken into lines. Cleaned. */
void table_note(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints an empty line and the table, or nothing when it has no rows. Frees it, nulls the handle. */
void table_finish(struct table **table, bool colour, struct buf *out);

#endif
