/* master.c: see master.h.
 *
 *     CONNECTING --link up--> GREETING --WELCOME--> GREETED
 *         ^                    `- HELLO again every 10 s
 *         `---- link down, from anywhere
 *
 * The link reconnects by itself. A wrong key is what it looks like when the master's identity was replaced: with
 * several keys the next one is tried, and only when all have been is it told. The link is never closed from inside one
 * of its own calls, but by a timer. */
#include "replica/master.h"

#include "common/log.h"
#include "common/mem.h"
#include "protocol/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GREETING_MS 10000
#define AGAIN_MS 1000           /* when a greeting has been forgotten */
#define NEXT_ROUND_MS 5000      /* after all keys have been tried */

struct master {
	struct loop *loop;
	const struct identity *identity;
	const char *software;
	const struct master_spec *spec;
	struct master_events events;
	struct link_client *link;
	struct pubkey key;            /* the one that is being tried, or that it answered to */
	size_t wrong;                 /* so many have been tried in vain since it answered the last time */
	bool up;
	bool greeted;
	bool version;                 /* no version in common */
	struct wall since;
	struct why error;
	struct timer greeting;
	struct timer reopen;
};

/* ---- greeting ---- */

static void greet(void *context)
{
	struct master *master = context;
	struct message hello = {.type = MESSAGE_HELLO, .version_min = PROTOCOL_VERSION_MIN,
	                        .version_max = PROTOCOL_VERSION};
	(void)snprintf(hello.software, sizeof(hello.software), "%s", master->software);
	struct buf bytes = {.data = NULL};
	message_encode(&bytes, &hello);
	if (link_client_send(master->link, bytes.data, bytes.length) != RC_OK)
		log_debug("master \"%s\": HELLO couldn't be sent", master->spec->name);
	buf_free(&bytes);
	loop_timer_after(master->loop, &master->greeting, GREETING_MS, greet, master);
}

static void on_welcome(struct master *master, const struct message *message)
{
	if (master->greeted)
		return;
	master->greeted = true;
	master->version = false;
	master->since = clock_wall();
	master->error.text[0] = '\0';
	loop_timer_clear(master->loop, &master->greeting);
	log_info("master \"%s\": connected to %s, %s", master->spec->name, master->spec->connect, message->software);
	master->events.welcome(master->events.context, master);
}

static void on_version(struct master *master, const struct message *message)
{
	if (!master->version)
		log_error("master \"%s\": no version of the protocol in common: %s", master->spec->name, message->reason);
	master->version = true;
	master->since = clock_wall();
	(void)why_set(&master->error, RC_UNSUPPORTED, "no version of the protocol in common: %s; update the older end",
	              message->reason);
}

/* The connection stands, but the master doesn't know that we have greeted: we were taken out of its configuration, and
 * perhaps put back. */
static void on_ungreeted(struct master *master)
{
	master->greeted = false;
	master->since = clock_wall();
	master->events.link(master->events.context, master, false);
	master->events.link(master->events.context, master, true);
	loop_timer_after(master->loop, &master->greeting, AGAIN_MS, greet, master);
}

/* ---- the link's events ---- */

static void on_message(void *context, const void *data, size_t length)
{
	struct master *master = context;
	struct message message;
	struct why why;
	enum rc rc = message_decode(data, length, &message, &why);
	if (rc != RC_OK) {
		(void)why_prepend(&why, rc, "master \"%s\"", master->spec->name);
		master->events.refused(master->events.context, why.text);
	} else if (message.type == MESSAGE_WELCOME) {
		on_welcome(master, &message);
	} else if (message.type == MESSAGE_ERROR && message.error == ERROR_VERSION) {
		on_version(master, &message);
	} else if (message.type == MESSAGE_ERROR && message.error == ERROR_MALFORMED && message.zone[0] == '\0') {
		if (master->greeted)
			on_ungreeted(master);
	} else if (master->greeted) {
		master->events.message(master->events.context, master, &message);
	}
}

static void open_link(void *context);

static size_t index_of(const struct master_spec *spec, const struct pubkey *key)
{
	size_t i = 0;
	while (i < spec->key_count && !pubkey_equal(&spec->keys[i], key))
		i++;
	return i;
}

/* False: all have been tried, and it's begun anew after a while. With a single key the link itself tries again. */
static bool try_next_key(struct master *master)
{
	const struct master_spec *spec = master->spec;
	if (spec->key_count < 2)
		return false;
	bool more = ++master->wrong < spec->key_count;
	if (!more)
		master->wrong = 0;
	master->key = spec->keys[(index_of(spec, &master->key) + 1) % spec->key_count];
	loop_timer_after(master->loop, &master->reopen, more ? 0 : NEXT_ROUND_MS, open_link, master);
	return more;
}

static void set_down(struct master *master)
{
	loop_timer_clear(master->loop, &master->greeting);
	bool was_up = master->up;
	master->up = master->greeted = master->version = false;
	if (was_up)
		master->events.link(master->events.context, master, false);
}

static void tell_down(struct master *master, enum link_state state, const char *detail)
{
	const char *name = master->spec->name;
	struct why why;
	if (state == LINK_WRONG_KEY)
		(void)why_set(&why, RC_REFUSED, "%s has another key than %s: if it was changed on purpose, write the line "
		              "that `rxfer key` prints there into `keys`", master->spec->connect,
		              master->spec->key_count > 1 ? "any that is believed" : "the one that is believed");
	else if (state == LINK_REFUSED)
		(void)why_set(&why, RC_REFUSED, "%s doesn't let us in: is our key in a `replica` section there?",
		              master->spec->connect);
	else
		(void)why_set(&why, RC_IO, "%s: %s", master->spec->connect,
		              detail && detail[0] ? detail : link_state_name(state));
	if (strcmp(why.text, master->error.text) != 0)
		log_warn("master \"%s\": %s", name, why.text);
	master->error = why;
}

static void on_state(void *context, enum link_state state, const char *detail)
{
	struct master *master = context;
	master->since = clock_wall();
	if (state == LINK_UP) {
		master->up = true;
		master->wrong = 0;
		master->greeted = false;
		master->events.link(master->events.context, master, true);
		greet(master);
		return;
	}
	set_down(master);
	if (state == LINK_CONNECTING)
		return;
	if (state != LINK_WRONG_KEY || !try_next_key(master))
		tell_down(master, state, detail);
	else
		log_info("master \"%s\": %s doesn't answer to one of its keys, the next one is tried", master->spec->name,
		         master->spec->connect);
}

/* ---- beginning and end ---- */

static enum rc try_open(struct master *master, const struct master_spec *spec, const struct pubkey *key,
                        struct why *why)
{
	const struct link_client_events events = {.state = on_state, .message = on_message, .context = master};
	struct link_client *link;
	enum rc rc = link_client_open(master->loop, master->identity, spec->connect, key->transport, &events, &link,
	                              why);
	if (rc != RC_OK)
		return why_prepend(why, rc, "master \"%s\"", spec->name);
	if (master->link)
		link_client_close(&master->link);
	set_down(master);
	master->link = link;
	master->key = *key;
	return RC_OK;
}

static void open_link(void *context)
{
	struct master *master = context;
	struct why why;
	const struct pubkey key = master->key;
	if (try_open(master, master->spec, &key, &why) != RC_OK)
		log_error("%s", why.text);
}

enum rc master_new(struct loop *loop, const struct identity *identity, const char *software,
                   const struct master_spec *spec, const struct master_events *events, struct master **out,
                   struct why *why)
{
	struct master *master = mem_zalloc(sizeof(*master));
	master->loop = loop;
	master->identity = identity;
	master->software = software;
	master->spec = spec;
	master->events = *events;
	master->since = clock_wall();
	enum rc rc = try_open(master, spec, &spec->keys[0], why);
	if (rc != RC_OK) {
		free(master);
		return rc;
	}
	*out = master;
	return RC_OK;
}

static bool same_keys(const struct master_spec *a, const struct master_spec *b)
{
	if (a->key_count != b->key_count)
		return false;
	for (size_t i = 0; i < a->key_count; i++)
		if (!pubkey_equal(&a->keys[i], &b->keys[i]))
			return false;
	return true;
}

enum rc master_configure(struct master *master, const struct master_spec *spec, struct why *why)
{
	bool same = strcmp(master->spec->connect, spec->connect) == 0;
	/* A connection to a key that is still believed stays; without one all the keys are tried from the first on. */
	if (!same || index_of(spec, &master->key) == spec->key_count || (!master->up && !same_keys(master->spec, spec))) {
		enum rc rc = try_open(master, spec, &spec->keys[0], why);
		if (rc != RC_OK)
			return rc;
		master->wrong = 0;
		master->since = clock_wall();
		master->error.text[0] = '\0';
		loop_timer_clear(master->loop, &master->reopen);
	}
	master->spec = spec;
	return RC_OK;
}

void master_keys_changed(struct master *master)
{
	const struct master_spec *spec = master->spec;
	if (index_of(spec, &master->key) < spec->key_count)
		return;
	log_info("master \"%s\": the connection is to a key that isn't believed any more, a new one is made", spec->name);
	master->key = spec->keys[0];
	master->wrong = 0;
	loop_timer_after(master->loop, &master->reopen, 0, open_link, master);
}

void master_free(struct master **master)
{
	if (!*master)
		return;
	loop_timer_clear((*master)->loop, &(*master)->greeting);
	loop_timer_clear((*master)->loop, &(*master)->reopen);
	link_client_close(&(*master)->link);
	free(*master);
	*master = NULL;
}

enum rc master_send(struct master *master, const void *data, size_t length)
{
	return master->greeted ? link_client_send(master->link, data, length) : RC_AGAIN;
}

bool master_greeted(const struct master *master)
{
	return master->greeted;
}

const struct master_spec *master_spec(const struct master *master)
{
	return master->spec;
}

struct master_status master_status(const struct master *master)
{
	struct master_status status = {.since = master->since, .error = master->error.text};
	enum link_state state = link_client_state(master->link);
	if (master->version)
		status.state = "version";
	else if (state == LINK_UP && !master->greeted)
		status.state = link_state_name(LINK_CONNECTING);
	else
		status.state = link_state_name(state);
	status.hopeless = master->version || state == LINK_WRONG_KEY || state == LINK_REFUSED;
	return status;
}
