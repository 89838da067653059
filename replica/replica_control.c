/* replica_control.c: see replica_control.h.
 *
 * A list is copied out of the zone before it is sent: the zone may change while the client reads, and a store must not
 * change under a walk. The rxfer command sorts it. */
#include "replica/replica_control.h"

#include "common/mem.h"
#include "replica/replica_status.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 65536u

static struct session *find_zone(const struct replica *replica, struct control_request *request)
{
	const char *name = control_word(request, 1);
	if (!name && replica->conf->zone_count == 1)
		return replica->sessions[0];
	if (!name) {
		control_refuse(request, "there are %zu zones: name one", replica->conf->zone_count);
		return NULL;
	}
	struct session *session = replica_session(replica, name);
	if (!session)
		control_refuse(request, "there is no zone \"%s\" here", name);
	return session;
}

/* ---- list ---- */

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

static void list(struct replica *replica, struct control_request *request)
{
	struct session *session = find_zone(replica, request);
	if (!session)
		return;
	if (!zonedb_present(session_db(session))) {
		control_refuse(request, "zone \"%s\": there are no records yet (see rxfer status)", session_name(session));
		return;
	}
	struct listing *listing = mem_zalloc(sizeof(*listing));
	struct why why;
	if (zonedb_walk(session_db(session), put_line, listing, &why) != RC_OK) {
		list_done(listing);
		control_refuse(request, "zone \"%s\": %s", session_name(session), why.text);
	} else if (listing->lines.length == 0) {
		list_done(listing);
		control_reply(request, "", 0);
	} else {
		control_stream(request, more_lines, list_done, listing);
	}
}

/* ---- the others ---- */

static void status(struct replica *replica, struct control_request *request)
{
	struct buf out = {.data = NULL};
	replica_status_json(replica, &out);
	control_reply(request, (const char *)out.data, out.length);
	buf_free(&out);
}

static void ask(struct replica *replica, struct control_request *request, bool whole)
{
	struct session *session = find_zone(replica, request);
	if (!session)
		return;
	const struct master *master = replica_master_of(replica, session);
	if (!master_greeted(master)) {
		control_refuse(request, "zone \"%s\": master \"%s\" isn't connected: %s", session_name(session),
		               master_spec(master)->name, master_status(master).state);
		return;
	}
	if (whole)
		session_retransfer(session);
	else
		session_refresh(session);
	struct buf out = {.data = NULL};
	buf_printf(&out, whole ? "zone \"%s\": the whole zone is being fetched; what is here stays in use until then"
	           : "zone \"%s\": master \"%s\" has been asked", session_name(session), master_spec(master)->name);
	control_reply(request, buf_text(&out), out.length);
	buf_free(&out);
}

static void refresh(struct replica *replica, struct control_request *request)
{
	ask(replica, request, false);
}

static void retransfer(struct replica *replica, struct control_request *request)
{
	ask(replica, request, true);
}

static const struct command {
	const char *name;
	size_t words_max;
	void (*run)(struct replica *replica, struct control_request *request);
} commands[] = {
	{"status", 1, status}, {"list", 2, list}, {"refresh", 2, refresh}, {"retransfer", 2, retransfer},
};

void replica_control_handle(void *context, struct control_request *request)
{
	const char *word = control_word(request, 0);
	for (size_t i = 0; word && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, word) != 0)
			continue;
		if (control_words(request) > commands[i].words_max)
			control_refuse(request, "%s: too many words", word);
		else
			commands[i].run(context, request);
		return;
	}
	control_refuse(request, "rxfer-replica doesn't know the command \"%s\"", word ? word : "");
}
