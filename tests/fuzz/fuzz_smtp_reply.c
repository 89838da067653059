/* Any bytes as what an SMTP server says: in one piece and byte by byte the same replies come out, all within their
 * bounds. */
#include "common/buf.h"
#include "common/mem.h"
#include "ctl/smtp_reply.h"

#include <stdlib.h>
#include <string.h>

/* The replies as text; the last line says how it ended. */
static void read_all(const uint8_t *data, size_t size, size_t piece, struct buf *out)
{
	struct smtp_reply_reader *reader = mem_zalloc(sizeof *reader);
	enum rc rc = RC_AGAIN;
	struct why why;

	for (size_t at = 0; at < size && (rc == RC_OK || rc == RC_AGAIN); ) {
		size_t length = size - at < piece ? size - at : piece, taken = SIZE_MAX;
		rc = smtp_reply_read(reader, data + at, length, &taken, &why);
		if (rc != RC_OK && rc != RC_AGAIN)
			break;
		if (taken == 0 || taken > length || (rc == RC_AGAIN && taken != length))
			abort();
		at += taken;
		if (rc == RC_AGAIN)
			continue;
		if (reader->reply.code < 200 || reader->reply.code > 599 || strlen(reader->reply.text) > SMTP_REPLY_TEXT_MAX)
			abort();
		buf_printf(out, "%d %s\n", reader->reply.code, reader->reply.text);
	}
	buf_printf(out, "%d", rc == RC_OK ? RC_AGAIN : rc);
	free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = { 0 };
	struct buf bytes = { 0 };

	read_all(data, size, size, &whole);
	read_all(data, size, 1, &bytes);
	if (strcmp(buf_text(&whole), buf_text(&bytes)) != 0)
		abort();
	buf_free(&whole);
	buf_free(&bytes);
	return 0;
}
