/* audit_progress.c: see audit_progress.h. */
#include "ctl/audit_progress.h"

#include "common/buf.h"
#include "ctl/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL_MS 200
#define LINES_MS 10000
#define WORDS_WIDTH 60

void audit_progress_begin(struct audit_progress *progress, size_t total)
{
	*progress = (struct audit_progress){ .terminal = isatty(STDERR_FILENO) == 1, .last = clock_mono(), .total = total };
}

static void show(struct audit_progress *progress, const char *text)
{
	if (mono_since(progress->last) < (progress->terminal ? TERMINAL_MS : LINES_MS))
		return;
	progress->last = clock_mono();
	if (progress->terminal)
		fprintf(stderr, "\r\033[K%s", text);
	else
		fprintf(stderr, "rxfer audit: %s\n", text);
	progress->dirty = progress->terminal;
}

static void show_counts(struct audit_progress *progress)
{
	struct buf text = { 0 };

	text_put_number(&text, (int64_t)progress->done);
	buf_printf(&text, " of ");
	text_put_number(&text, (int64_t)progress->total);
	buf_printf(&text, " asked");
	if (progress->suspects > 0) {
		buf_printf(&text, ", ");
		text_put_number(&text, (int64_t)progress->suspects);
		buf_printf(&text, " to be asked again");
	}
	show(progress, buf_text(&text));
	buf_free(&text);
}

void audit_progress_add(struct audit_progress *progress, size_t answers)
{
	progress->done += answers;
	show_counts(progress);
}

void audit_progress_suspect(struct audit_progress *progress)
{
	progress->suspects++;
}

void audit_progress_again(struct audit_progress *progress, size_t total)
{
	progress->done = 0;
	progress->total = total;
	progress->suspects = 0;
	show_counts(progress);
}

void audit_progress_wait(struct audit_progress *progress, const char *server, const char *words)
{
	struct buf clean = { 0 };
	struct buf text = { 0 };

	text_put(&clean, words, strlen(words));
	buf_printf(&text, "%s puts us off, waiting: ", server);
	text_put_cut(&text, buf_text(&clean), WORDS_WIDTH);
	show(progress, buf_text(&text));
	buf_free(&clean);
	buf_free(&text);
}

void audit_progress_end(struct audit_progress *progress)
{
	if (progress->dirty)
		fputs("\r\033[K", stderr);
	progress->dirty = false;
}
