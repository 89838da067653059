/* control_commands.c: see control_commands.h.
 *
 * A list is copied out of the zone before it is sent: the zone may change while the client reads, and a store must not
 * change under a walk. */
#include "master/control_commands.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 65536u

static struct zone *find_zone(const struct status_facts *facts, struct control_request *request)
{
	const char *name = control_word(request, 1);
	if (!name && facts->zone_count == 1)
		return facts->zones[0];
	if (!name) {
		control_refuse(request, "there are %zu zones: name one", facts->zone_count);
		return NULL;
	}
	for (size_t i = 0; i < facts->zone_count; i++)
		if (strcmp(zone_spec(facts->zones[i])->name, name) == 0)
			return facts->zones[i];
	control_refuse(request, "there is no zone \"%s\" here", name);
	return NULL;
}

/* ---- list ---- */

struct listing {
	struct buf lines;
	size_t sent;
};

static bool put_line(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	struct listing *listing = context;
	const struct record *record = &entry->record;
	(void)print;
	buf_printf(&listing->lines, "%s %.*s", record_type_name(record->type), (int)record->key_length, record->key);
	if (record->value_length > 0)
		buf_printf(&listing->lines, " %.*s", (int)record->value_length, record->value);
	buf_put(&listing->lines, "\n", 1);
	return true;
}

static bool more_lines(void *context, struct buf *out)
{
	struct listing *listing = context;
	size_t left = listing->lines.length - listing->sent;
	size_t length = left;
	if (left > PIECE_BYTES) {
		const char *begin = (const char *)listing->lines.data + listing->sent;
		const char *end = memchr(begin + PIECE_BYTES, '\n', left - PIECE_BYTES);
		length = (size_t)(end + 1 - begin);      /* the last line ends like all others */
	}
	buf_put(out, listing->lines.data + listing->sent, length);
	listing->sent += length;
	return listing->sent < listing->lines.length;
}

static void list_done(void *context)
{
	struct listing *listing = context;
	buf_free(&listing->lines);
	free(listing);
}

static void list(const struct status_facts *facts, struct control_request *request)
{
	struct why why;
	struct zone *zone = find_zone(facts, request);
	if (!zone)
		return;
	if (!zone_published(zone)) {
		control_refuse(request, "zone \"%s\": nothing is published yet (see rxfer status)", zone_spec(zone)->name);
		return;
	}
	struct listing *listing = mem_zalloc(sizeof *listing);
	if (zonedb_walk(zone_db(zone), put_line, listing, &why) != RC_OK) {
		list_done(listing);
		control_refuse(request, "zone \"%s\": %s", zone_spec(zone)->name, why.text);
		return;
	}
	control_stream(request, more_lines, list_done, listing);
}

/* ---- The others ---- */

static void status(const struct status_facts *facts, struct control_request *request)
{
	struct buf out = {0};
	status_json(facts, &out);
	control_reply(request, buf_text(&out), out.length);
	buf_free(&out);
}

static void refresh(const struct status_facts *facts, struct control_request *request)
{
	struct zone *zone = find_zone(facts, request);
	if (!zone)
		return;
	zone_refresh(zone);
	struct buf out = {0};
	buf_printf(&out, "zone \"%s\": %zu source%s being read", zone_spec(zone)->name, zone_source_count(zone),
	           zone_source_count(zone) == 1 ? " is" : "s are");
	control_reply(request, buf_text(&out), out.length);
	buf_free(&out);
}

static void approve(const struct status_facts *facts, struct control_request *request)
{
	struct why why;
	uint64_t count = 0;
	struct zone *zone = find_zone(facts, request);
	if (!zone)
		return;
	if (zone_approve(zone, &count, &why) != RC_OK) {
		control_refuse(request, "%s", why.text);
		return;
	}
	struct buf out = {0};
	buf_printf(&out, "zone \"%s\": %" PRIu64 " deletion%s approved", zone_spec(zone)->name, count, count == 1 ? "" : "s");
	control_reply(request, buf_text(&out), out.length);
	buf_free(&out);
}

static const struct command {
	const char *name;
	size_t words_max;
	void (*run)(const struct status_facts *facts, struct control_request *request);
} commands[] = {
	{"status", 1, status}, {"list", 2, list}, {"refresh", 2, refresh}, {"approve", 2, approve},
};

void control_commands_handle(void *context, struct control_request *request)
{
	const char *word = control_word(request, 0);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (!word || strcmp(commands[i].name, word) != 0)
			continue;
		if (control_words(request) > commands[i].words_max)
			control_refuse(request, "%s: too many words", word);
		else
			commands[i].run(context, request);
		return;
	}
	control_refuse(request, "rxfer-master doesn't know the command \"%s\"", word ? word : "");
}
