/* rollover_status.c: see rollover_status.h. */
#include "master/rollover_status.h"

#include "protocol/limits.h"

#include <string.h>

#define NAMED_MAX 10      /* replicas in a sentence */

struct rollover_count rollover_status_count(const struct status_facts *facts)
{
	struct rollover_count count = {.replicas = publisher_replica_count(facts->publisher)};
	for (size_t i = 0; i < count.replicas; i++) {
		struct publisher_replica_status status;
		publisher_replica_status(facts->publisher, i, &status);
		count.kept += rollover_has(facts->rollover, status.key);
	}
	return count;
}

const char *rollover_status_of(const struct status_facts *facts, size_t replica)
{
	struct publisher_replica_status status;
	publisher_replica_status(facts->publisher, replica, &status);
	if (!rollover_word(facts->rollover)->announced)
		return "";
	if (rollover_has(facts->rollover, status.key))
		return "kept";
	return status.version != 0 && status.version < PROTOCOL_VERSION_KEYS ? "unable" : "missing";
}

static void put_missing(const struct status_facts *facts, struct buf *out)
{
	size_t named = 0;
	for (size_t i = 0; i < publisher_replica_count(facts->publisher); i++) {
		struct publisher_replica_status status;
		publisher_replica_status(facts->publisher, i, &status);
		const char *state = rollover_status_of(facts, i);
		if (strcmp(state, "kept") == 0)
			continue;
		if (named++ == NAMED_MAX) {
			buf_printf(out, ", and others");
			return;
		}
		buf_printf(out, "%s%s (%s)", named > 1 ? ", " : "", status.name,
		           strcmp(state, "unable") == 0 ? "its rxfer is too old for this: write the key into its replica.conf" :
		           status.state == REPLICA_CONNECTED ? "it's connected, and hasn't answered yet" : "it isn't connected");
	}
}

static void put_progress(const struct status_facts *facts, struct buf *out)
{
	const struct rollover_count count = rollover_status_count(facts);
	char key[PUBKEY_TEXT_MAX];
	pubkey_format(&rollover_word(facts->rollover)->next, key);
	buf_printf(out, "the next key, %s, is kept by %zu of %zu replica%s", key, count.kept, count.replicas,
	           count.replicas == 1 ? "" : "s");
	if (count.kept < count.replicas) {
		buf_printf(out, "; not by ");
		put_missing(facts, out);
	}
}

static void look(const struct status_facts *facts, struct control_request *request)
{
	struct buf out = {.data = NULL};
	if (rollover_trouble(facts->rollover)[0]) {
		control_refuse(request, "%s", rollover_trouble(facts->rollover));
		return;
	}
	if (rollover_word(facts->rollover)->announced)
		put_progress(facts, &out);
	else
		buf_printf(&out, "no next key is announced");
	control_reply(request, buf_text(&out), out.length);
	buf_free(&out);
}

static void ready(const struct status_facts *facts, struct control_request *request)
{
	const struct handover *word = rollover_word(facts->rollover);
	const char *wanted = control_word(request, 2);
	char key[PUBKEY_TEXT_MAX] = "";
	struct buf out = {.data = NULL};
	const struct rollover_count count = rollover_status_count(facts);
	if (word->announced)
		pubkey_format(&word->next, key);
	if (!wanted || strcmp(wanted, key) != 0) {
		control_refuse(request, "the daemon hasn't announced that key%s%s: do `rxfer rotate-key` again",
		               rollover_trouble(facts->rollover)[0] ? ": " : "", rollover_trouble(facts->rollover));
		return;
	}
	put_progress(facts, &out);
	if (count.kept < count.replicas)
		control_refuse(request, "%s", buf_text(&out));
	else
		control_reply(request, buf_text(&out), out.length);
	buf_free(&out);
}

void rollover_status_request(const struct status_facts *facts, struct control_request *request)
{
	const char *word = control_word(request, 1);
	bool to_switch = word && strcmp(word, "switch") == 0;
	if (word && !to_switch && strcmp(word, "ready") != 0) {
		control_refuse(request, "rotate-key: rxfer-master doesn't know \"%s\"", word);
		return;
	}
	rollover_look(facts->rollover);
	if (rollover_switching(facts->rollover, request))
		return;
	if (to_switch && !rollover_trouble(facts->rollover)[0])
		control_refuse(request, "there is nothing to switch to: this daemon runs with the key of its identity");
	else if (word && !to_switch)
		ready(facts, request);
	else
		look(facts, request);
}
