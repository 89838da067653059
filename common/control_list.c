/* control_list.c: see control_list.h.
 *
 * The lines are copied out of the zone before they are sent: the zone may change while the client reads, and a store
 * must not change under a walk. */
#include "common/control_list.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 65536u

struct listing {
	struct buf lines;
	size_t sent;
};

static bool put_line(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	(void)print;
	struct listing *listing = context;
	const struct record *record = &entry->record;
	buf_printf(&listing->lines, "%s %.*s", record_type_name(record->type), (int)record->key_length, record->key);
	if (record->value_length > 0)
		buf_printf(&listing->lines, " %.*s", (int)record->value_length, record->value);
	buf_put(&listing->lines, "\n", 1);
	return true;
}

static bool more_lines(void *context, struct buf *out)
{
	struct listing *listing = context;
	size_t length = listing->lines.length - listing->sent;
	const char *begin = (const char *)listing->lines.data + listing->sent;
	if (length > PIECE_BYTES) {
		const char *end = memchr(begin + PIECE_BYTES, '\n', length - PIECE_BYTES);
		length = (size_t)(end + 1 - begin);      /* the last line ends like all others */
	}
	buf_put(out, begin, length);
	listing->sent += length;
	return listing->sent < listing->lines.length;
}

static void list_done(void *context)
{
	struct listing *listing = context;
	buf_free(&listing->lines);
	free(listing);
}

void control_list(struct control_request *request, const char *zone, struct zonedb *db)
{
	struct listing *listing = mem_zalloc(sizeof *listing);
	struct why why;
	if (zonedb_walk(db, put_line, listing, &why) != RC_OK) {
		list_done(listing);
		control_refuse(request, "zone \"%s\": %s", zone, why.text);
	} else if (listing->lines.length == 0) {
		list_done(listing);
		control_reply(request, "", 0);
	} else {
		control_stream(request, more_lines, list_done, listing);
	}
}
