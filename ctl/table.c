/* table.c: rows in aligned columns. Widths are known only when the last row is there, so all is kept until then. */
#include "ctl/table.h"

#include "common/mem.h"
#include "ctl/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_MIN 12               /* narrower than this no word is cut */
#define GAP 2
#define NOTE_INDENT 4
#define NOTE_MAX 2000

struct row {
	char *cells[TABLE_COLUMNS_MAX];
	char *notes;                 /* whole lines, or NULL */
};

struct table {
	const struct table_column *columns;
	struct terminal terminal;
	size_t column_count;
	size_t widths[TABLE_COLUMNS_MAX];
	struct row *rows;
	size_t row_count;
	size_t cell_count;           /* of the row being filled, the last of rows */
	size_t left_out;
};

struct table *table_new(const struct table_column *columns, size_t count, const struct terminal *terminal)
{
	struct table *table = mem_zalloc(sizeof *table);

	table->columns = columns;
	table->column_count = count;
	table->terminal = *terminal;
	for (size_t i = 0; i < count; i++)
		table->widths[i] = strlen(columns[i].heading);
	return table;
}

static bool is_full(const struct table *table)
{
	return table->row_count == TABLE_ROWS_MAX && table->cell_count == table->column_count;
}

void table_cell(struct table *table, const char *text)
{
	struct buf clean = { 0 };

	if (is_full(table) || table->left_out > 0) {
		table->left_out++;
		return;
	}
	if (table->row_count == 0 || table->cell_count == table->column_count) {
		table->rows = mem_realloc(table->rows, table->row_count + 1, sizeof *table->rows);
		table->rows[table->row_count++] = (struct row){ 0 };
		table->cell_count = 0;
	}
	text_put(&clean, text, strlen(text));
	char *cell = mem_strdup(buf_text(&clean));
	size_t width = text_width(cell);
	if (width > table->widths[table->cell_count])
		table->widths[table->cell_count] = width;
	table->rows[table->row_count - 1].cells[table->cell_count++] = cell;
	buf_free(&clean);
}

void table_note(struct table *table, const char *format, ...)
{
	struct buf clean = { 0 };
	struct buf lines = { 0 };
	char text[NOTE_MAX];
	va_list arguments;

	if (table->row_count == 0 || table->left_out > 0)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	struct row *row = &table->rows[table->row_count - 1];
	if (row->notes != NULL)
		buf_put(&lines, row->notes, strlen(row->notes));
	text_put(&clean, text, strlen(text));
	buf_printf(&lines, "%*s", NOTE_INDENT, "");
	text_put_wrapped(&lines, buf_text(&clean), NOTE_INDENT, table->terminal.columns);
	buf_put_u8(&lines, '\n');
	free(row->notes);
	row->notes = mem_strdup(buf_text(&lines));
	buf_free(&clean);
	buf_free(&lines);
}

static size_t row_width(const struct table *table)
{
	size_t width = GAP * (table->column_count - 1);

	for (size_t i = 0; i < table->column_count; i++)
		width += table->widths[i];
	return width;
}

/* The column whose words can best be cut, or column_count: numbers and states are never cut, headings aren't. */
static size_t find_widest(const struct table *table)
{
	size_t widest = table->column_count;

	for (size_t i = 0; i < table->column_count; i++) {
		const struct table_column *column = &table->columns[i];
		if (column->right || column->painted || table->widths[i] <= CELL_MIN || table->widths[i] <= strlen(column->heading))
			continue;
		if (widest == table->column_count || table->widths[i] > table->widths[widest])
			widest = i;
	}
	return widest;
}

/* False: even with all words cut the rows are wider than the terminal. */
static bool fit(struct table *table)
{
	while (row_width(table) > table->terminal.columns) {
		size_t widest = find_widest(table);
		if (widest == table->column_count)
			return false;
		table->widths[widest]--;
	}
	return true;
}

/* Spaces behind the last cell of a row aren't written. */
static void put_row(const struct table *table, char *const *cells, bool heading, struct buf *out)
{
	size_t owed = 0;

	for (size_t i = 0; i < table->column_count; i++) {
		const char *whole = heading ? table->columns[i].heading : cells[i] != NULL ? cells[i] : "";
		struct buf cut = { 0 };
		text_put_cut(&cut, whole, table->widths[i]);
		const char *cell = buf_text(&cut);
		size_t padding = table->widths[i] - text_width(cell);
		enum paint paint = !heading && table->columns[i].painted ? text_paint(cell) : PAINT_NONE;

		if (table->columns[i].right)
			owed += padding;
		if (cell[0] != '\0') {
			buf_printf(out, "%*s", (int)owed, "");
			text_put_painted(out, cell, paint, table->terminal.colour);
			owed = 0;
		}
		owed += (table->columns[i].right ? 0 : padding) + GAP;
		buf_free(&cut);
	}
	buf_put_u8(out, '\n');
}

/* The first cell on a line of its own, the others below it, each behind its heading. */
static void put_paragraph(const struct table *table, char *const *cells, struct buf *out)
{
	const size_t columns = table->terminal.columns;
	const char *first = cells[0] != NULL ? cells[0] : "";
	size_t used = columns;      /* of the line: the second cell begins one */
	bool begun = first[0] != '\0';

	text_put_cut(out, first, columns);
	for (size_t i = 1; i < table->column_count; i++) {
		const char *heading = table->columns[i].heading;
		struct buf cut = { 0 };
		if (cells[i] == NULL || cells[i][0] == '\0')
			continue;
		text_put_cut(&cut, cells[i], columns - NOTE_INDENT - strlen(heading) - 1);
		size_t width = strlen(heading) + 1 + text_width(buf_text(&cut));
		bool fresh = used + GAP + width > columns;
		buf_printf(out, "%s%*s%s ", fresh && begun ? "\n" : "", fresh ? NOTE_INDENT : GAP, "", heading);
		text_put_painted(out, buf_text(&cut), table->columns[i].painted ? text_paint(cells[i]) : PAINT_NONE,
		                 table->terminal.colour);
		begun = true;
		used = fresh ? NOTE_INDENT + width : used + GAP + width;
		buf_free(&cut);
	}
	buf_put_u8(out, '\n');
}

void table_finish(struct table **table, struct buf *out)
{
	struct table *old = *table;
	bool fits = fit(old);

	*table = NULL;
	if (old->row_count > 0)
		buf_put_u8(out, '\n');
	if (old->row_count > 0 && fits)
		put_row(old, NULL, true, out);
	for (size_t i = 0; i < old->row_count; i++) {
		struct row *row = &old->rows[i];
		if (fits)
			put_row(old, row->cells, false, out);
		else
			put_paragraph(old, row->cells, out);
		if (row->notes != NULL)
			buf_put(out, row->notes, strlen(row->notes));
		for (size_t cell = 0; cell < old->column_count; cell++)
			free(row->cells[cell]);
		free(row->notes);
	}
	if (old->left_out > 0)
		buf_printf(out, "... and %zu more\n", old->left_out / old->column_count);
	free(old->rows);
	free(old);
}
