/* replica_control.c: see replica_control.h. */
#include "replica/replica_control.h"

#include "common/control_list.h"
#include "replica/replica_explain.h"
#include "replica/replica_status.h"

#include <string.h>

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

static void list(struct replica *replica, struct control_request *request)
{
	struct session *session = find_zone(replica, request);
	if (!session)
		return;
	if (!zonedb_present(session_db(session))) {
		control_refuse(request, "zone \"%s\": there are no records yet (see rxfer status)", session_name(session));
		return;
	}
	control_list(request, session_name(session), session_db(session));
}

static void status(struct replica *replica, struct control_request *request)
{
	struct buf out = {.data = NULL};
	replica_status_json(replica, &out);
	control_reply(request, (const char *)out.data, out.length);
	buf_free(&out);
}

/* For the check, which may not open what we have open. */
static void question(struct replica *replica, struct control_request *request)
{
	struct buf out = {.data = NULL};
	replica_question_zones(replica, &out);
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

static void explain(struct replica *replica, struct control_request *request)
{
	replica_explain(replica, request);
}

static const struct command {
	const char *name;
	size_t words_max;
	void (*run)(struct replica *replica, struct control_request *request);
} commands[] = {
	{"status", 1, status}, {"list", 2, list}, {"refresh", 2, refresh}, {"retransfer", 2, retransfer},
	{"explain", 3, explain},
	{"question", 1, question},
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
