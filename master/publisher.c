/* publisher.c: who is connected and what is sent without being asked; requests are in publisher_answer.c.
 *
 * For each replica and each of its zones there is a holding with a state of the peer machine (peer.h). A push
 * doesn't wait for the acknowledgement of the one before: the connection keeps the order, and what is lost with a
 * connection is asked for on the next. Nothing is queued here: when a replica's queue in the transport is full it is
 * BEHIND, and asks when it reads again. Replicas are known by their proved transport key alone. */
#include "master/publisher_private.h"
#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Requests cost tokens, of which so many come back each second. A FETCH brings 256 KiB, so the rate is no bound for
 * transfers that a network has; for everything else it's 250 a second. */
#define TOKENS_A_MINUTE (60 * 2000)
#define TOKENS_MAX 4000
#define COST_SMALL 1         /* FETCH, ACK */
#define COST 8
#define LINES_A_MINUTE 30
#define LINES_MAX 60
#define UPKEEP_MS 30000

struct publisher_zone *publisher_find_zone(struct publisher *publisher, const char *name)
{
	for (size_t i = 0; i < publisher->zone_count; i++)
		if (strcmp(publisher->zones[i].name, name) == 0)
			return &publisher->zones[i];
	return NULL;
}

static struct publisher_client *find_client(const struct publisher *publisher, const uint8_t transport_key[32])
{
	for (size_t i = 0; i < publisher->client_count; i++)
		if (memcmp(publisher->clients[i].spec.key.transport, transport_key, 32) == 0)
			return &publisher->clients[i];
	return NULL;
}

static bool spend(struct publisher_bucket *bucket, int64_t per_minute, int64_t most, int64_t cost)
{
	const int64_t full = most * 1000;
	int64_t passed = mono_since(bucket->filled);
	int64_t gained = passed >= full * 60 / per_minute ? full : passed * per_minute / 60;
	if (bucket->filled.ms == 0)
		gained = full;
	/* Else the fraction is left to grow. */
	if (gained > 0)
		bucket->filled = clock_mono();
	bucket->thousandths = bucket->thousandths + gained > full ? full : bucket->thousandths + gained;
	if (bucket->thousandths < cost * 1000)
		return false;
	bucket->thousandths -= cost * 1000;
	return true;
}

bool publisher_may_log(struct publisher_client *client)
{
	return spend(&client->lines, LINES_A_MINUTE, LINES_MAX, 1);
}

/* ---- Sending ---- */

static void lose(struct publisher *publisher, struct publisher_client *client)
{
	if (!client->greeted)
		return;
	client->greeted = false;
	if (publisher_may_log(client))
		log_info("replica \"%s\" lost: its connection is gone", client->spec.name);
	publisher_step_client(publisher, client, PEER_LOST);
}

static enum rc post_bytes(struct publisher *publisher, const struct link_peer *link, const struct buf *bytes)
{
	return publisher->send.send(publisher->send.context, link, bytes->data, bytes->length);
}

enum rc publisher_post(struct publisher *publisher, const struct link_peer *link, const struct message *message)
{
	struct buf bytes = {0};
	message_encode(&bytes, message);
	enum rc rc = post_bytes(publisher, link, &bytes);
	buf_free(&bytes);
	return rc;
}

enum rc publisher_tell(struct publisher *publisher, struct publisher_client *client, const struct message *message)
{
	enum rc rc = publisher_post(publisher, &client->link, message);
	if (rc == RC_NOT_FOUND)
		lose(publisher, client);
	return rc;
}

void publisher_complain(struct publisher *publisher, const struct link_peer *link, const char *zone,
                        enum message_error error, const char *reason)
{
	struct message message = {.type = MESSAGE_ERROR, .error = error};
	(void)snprintf(message.zone, sizeof(message.zone), "%s", zone);
	size_t length = strnlen(reason, REASON_MAX);
	memcpy(message.reason, reason, length);
	(void)publisher_post(publisher, link, &message);
}

bool publisher_plain(struct publisher *publisher, struct publisher_zone *zone, struct soa *out)
{
	struct soa soa;
	if (!zone_soa(zone->zone, &soa))
		return false;
	if (soa.kind != SOA_PLAIN) {
		const struct soa *held = &zone->plain;
		if (soa_compare(held, &soa) != SOA_SAME || held->time.ms != soa.time.ms || held->zone[0] == '\0') {
			soa.kind = SOA_PLAIN;
			soa.from = soa.serial;
			memset(soa.content_hash, 0, sizeof(soa.content_hash));
			soa_sign(&soa, publisher->identity);
			zone->plain = soa;
		}
		soa = zone->plain;
	}
	*out = soa;
	return true;
}

/* ---- The peer machine ---- */

static enum rc do_action(const struct publisher_place *place, enum peer_action action, const struct buf *push)
{
	struct publisher *publisher = place->publisher;
	struct message message = {.type = MESSAGE_SOA};
	enum rc rc = RC_OK;
	switch (action) {
	case PEER_NOTHING:
		break;
	case PEER_TELL:
		if (publisher_plain(publisher, place->zone, &message.soa))
			rc = publisher_tell(publisher, place->client, &message);
		break;
	case PEER_PUSH:
		rc = post_bytes(publisher, &place->client->link, push);
		if (rc == RC_NOT_FOUND)
			lose(publisher, place->client);
		break;
	}
	return rc;
}

static void enter(const struct publisher_place *place, enum peer_state state, enum peer_event event)
{
	struct publisher_holding *holding = place->holding;
	if (holding->state == state)
		return;
	log_debug("replica \"%s\", zone \"%s\": %s -> %s, %s", place->client->spec.name, holding->zone,
	          peer_state_name(holding->state), peer_state_name(state), peer_event_name(event));
	holding->state = state;
	if (state != PEER_CURRENT)
		holding->caught_up = false;
}

void publisher_step(const struct publisher_place *place, enum peer_event event, const struct buf *push, uint64_t to)
{
	struct publisher_holding *holding = place->holding;
	const struct peer_step step = peer_next(holding->state, event);
	enter(place, step.state, event);
	enum rc rc = do_action(place, step.action, push);
	if (rc == RC_AGAIN)
		enter(place, peer_next(holding->state, PEER_FULL).state, PEER_FULL);
	else if (rc == RC_OK && (event == PEER_REFRESH_SAME || event == PEER_IXFR_ALL || event == PEER_NEXT))
		holding->sent = to;
	if (step.action == PEER_PUSH && rc == RC_OK)
		publisher_reached(holding, place->zone->epoch.id, to);
}

void publisher_step_client(struct publisher *publisher, struct publisher_client *client, enum peer_event event)
{
	for (size_t i = 0; i < client->spec.zone_count; i++) {
		const struct publisher_place place = {publisher, client, &client->holdings[i], NULL};
		publisher_step(&place, event, NULL, 0);
	}
}

void publisher_reached(struct publisher_holding *holding, const uint8_t epoch_id[16], uint64_t serial)
{
	if (memcmp(holding->reached_epoch, epoch_id, sizeof(holding->reached_epoch)) != 0) {
		memcpy(holding->reached_epoch, epoch_id, sizeof(holding->reached_epoch));
		holding->reached = serial;
	}
	if (serial > holding->reached)
		holding->reached = serial;
}

/* The event for all who may have the zone. */
static void step_all(struct publisher *publisher, struct publisher_zone *zone, enum peer_event event)
{
	for (size_t i = 0; i < publisher->client_count; i++) {
		struct publisher_client *client = &publisher->clients[i];
		for (size_t j = 0; j < client->spec.zone_count; j++) {
			if (strcmp(client->holdings[j].zone, zone->name) != 0)
				continue;
			const struct publisher_place place = {publisher, client, &client->holdings[j], zone};
			publisher_step(&place, event, NULL, 0);
		}
	}
}

/* Whether this is another history than the one told last. */
static bool note_epoch(struct publisher_zone *zone, const struct soa *soa)
{
	bool other = zone->told && !epoch_equal(&zone->epoch, &soa->epoch);
	zone->told = true;
	zone->epoch = soa->epoch;
	return other;
}

static struct publisher_zone *zone_of(struct publisher *publisher, const struct zone *zone)
{
	return publisher_find_zone(publisher, zone_spec(zone)->name);
}

void publisher_changeset(struct publisher *publisher, struct zone *zone, const struct soa *soa, const void *data,
                         size_t length)
{
	struct publisher_zone *published = zone_of(publisher, zone);
	if (!published)
		return;
	if (note_epoch(published, soa)) {
		step_all(publisher, published, PEER_NEW_EPOCH);
		return;
	}
	const struct message message = {.type = MESSAGE_CHANGES, .data = data, .data_length = length};
	struct buf push = {0};
	message_encode(&push, &message);
	for (size_t i = 0; i < publisher->client_count; i++) {
		struct publisher_client *client = &publisher->clients[i];
		for (size_t j = 0; j < client->spec.zone_count; j++) {
			struct publisher_holding *holding = &client->holdings[j];
			if (strcmp(holding->zone, published->name) != 0)
				continue;
			const struct publisher_place place = {publisher, client, holding, published};
			publisher_step(&place, holding->sent == soa->from ? PEER_NEXT : PEER_GAP, &push, soa->serial);
		}
	}
	buf_free(&push);
}

void publisher_announcement(struct publisher *publisher, struct zone *zone, const struct soa *soa)
{
	struct publisher_zone *published = zone_of(publisher, zone);
	if (published)
		step_all(publisher, published, note_epoch(published, soa) ? PEER_NEW_EPOCH : PEER_ANNOUNCED);
}

/* ---- Receiving ---- */

bool publisher_admit(struct publisher *publisher, const uint8_t transport_key[32])
{
	return find_client(publisher, transport_key) != NULL;
}

static void note_contact(struct publisher_client *client)
{
	client->seen = true;
	client->heard = clock_mono();
	client->contact = clock_wall();
	if (client->silent)
		log_info("replica \"%s\" is heard again", client->spec.name);      /* not more often than it was called lost */
	client->silent = false;
}

static bool from_replica(enum message_type type)
{
	return type <= MESSAGE_KEPT;
}

void publisher_message(struct publisher *publisher, const struct link_peer *link, const void *data, size_t length)
{
	struct publisher_client *client = find_client(publisher, link->transport_key);
	struct message message = {.zone = ""};
	struct why why;
	enum rc rc = message_decode(data, length, &message, &why);
	if (!client) {
		/* Its key was taken out of the configuration while it was connected. */
		publisher->refused++;
		publisher_complain(publisher, link, message.zone, ERROR_NO_ZONE, "this master doesn't admit your key any more");
		return;
	}
	if (rc == RC_OK && !from_replica(message.type))
		rc = why_set(&why, RC_INVALID, "%s is for a master to say", message_type_name(message.type));
	bool small = rc == RC_OK && (message.type == MESSAGE_FETCH || message.type == MESSAGE_ACK);
	if (!spend(&client->requests, TOKENS_A_MINUTE, TOKENS_MAX, small ? COST_SMALL : COST)) {
		publisher->refused++;
		if (rc == RC_OK && message.type != MESSAGE_ACK && message.type != MESSAGE_KEPT)
			publisher_complain(publisher, link, message.zone, ERROR_BUSY, "too many requests; ask again later");
		return;
	}
	bool own = client->greeted && client->link.routing_length == link->routing_length &&
	           memcmp(client->link.routing, link->routing, link->routing_length) == 0;
	if (rc == RC_OK && message.type != MESSAGE_HELLO && !own)
		rc = why_set(&why, RC_INVALID, "HELLO must come first on a connection, and the newest connection counts");
	if (rc != RC_OK) {
		publisher->refused++;
		log_debug("replica \"%s\": %s", client->spec.name, why.text);
		publisher_complain(publisher, link, "", ERROR_MALFORMED, why.text);
		return;
	}
	note_contact(client);
	publisher_answer(publisher, client, link, &message);
}

/* ---- Configuration ---- */

/* A replica that says nothing for so long isn't there, whatever its connection seems to be. */
static int64_t silence_ms(struct publisher *publisher, const struct publisher_client *client)
{
	int64_t longest = 0;
	for (size_t i = 0; i < client->spec.zone_count; i++) {
		const struct publisher_zone *zone = publisher_find_zone(publisher, client->holdings[i].zone);
		if (!zone)
			continue;
		const struct zone_spec *spec = zone_spec(zone->zone);
		int64_t limit = (3 * (int64_t)spec->refresh_s + spec->retry_s) * 1000;
		if (limit > longest)
			longest = limit;
	}
	return longest;
}

static void on_upkeep(void *context)
{
	struct publisher *publisher = context;
	for (size_t i = 0; i < publisher->client_count; i++) {
		struct publisher_client *client = &publisher->clients[i];
		int64_t limit = silence_ms(publisher, client);
		publisher_keys_tell(publisher, client);
		if (!client->greeted || client->silent || limit == 0 || mono_since(client->heard) <= limit)
			continue;
		client->silent = true;
		log_warn("replica \"%s\" lost: nothing was heard of it for %" PRId64 " s", client->spec.name, limit / 1000);
	}
	for (size_t i = 0; i < publisher->zone_count; i++)
		snapshot_tidy(publisher->zones[i].snapshots);
	loop_timer_after(publisher->loop, &publisher->upkeep, UPKEEP_MS, on_upkeep, publisher);
}

struct publisher *publisher_new(struct loop *loop, const struct identity *identity, const struct publisher_send *send)
{
	struct publisher *publisher = mem_zalloc(sizeof(*publisher));
	publisher->loop = loop;
	publisher->identity = identity;
	publisher->send = *send;
	loop_timer_after(loop, &publisher->upkeep, UPKEEP_MS, on_upkeep, publisher);
	return publisher;
}

static void free_zones(struct publisher_zone *zones, size_t count)
{
	for (size_t i = 0; i < count; i++)
		snapshot_free(&zones[i].snapshots);
	free(zones);
}

static void free_clients(struct publisher_client *clients, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(clients[i].holdings);
	free(clients);
}

void publisher_free(struct publisher **publisher)
{
	struct publisher *old = *publisher;
	if (!old)
		return;
	loop_timer_clear(old->loop, &old->upkeep);
	free_zones(old->zones, old->zone_count);
	free_clients(old->clients, old->client_count);
	free(old);
	*publisher = NULL;
}

static void configure_zones(struct publisher *publisher, struct zone *const *zones, size_t count)
{
	struct publisher_zone *old = publisher->zones;
	size_t old_count = publisher->zone_count;
	struct publisher_zone *fresh = mem_zalloc((count ? count : 1) * sizeof(*fresh));
	for (size_t i = 0; i < count; i++) {
		const struct zone_spec *spec = zone_spec(zones[i]);
		struct publisher_zone *known = publisher_find_zone(publisher, spec->name);
		if (known) {
			fresh[i] = *known;
			known->snapshots = NULL;
		} else {
			(void)snprintf(fresh[i].name, sizeof(fresh[i].name), "%s", spec->name);
			fresh[i].snapshots = snapshot_new(spec->folder);
		}
		fresh[i].zone = zones[i];
		struct soa soa;
		if (zone_soa(zones[i], &soa))
			(void)note_epoch(&fresh[i], &soa);
	}
	publisher->zones = fresh;
	publisher->zone_count = count;
	free_zones(old, old_count);
}

static void configure_client(struct publisher_client *client, const struct publisher_client *known,
                             const struct publisher_replica *spec)
{
	if (known)
		*client = *known;
	client->spec = *spec;
	client->holdings = mem_zalloc((spec->zone_count ? spec->zone_count : 1) * sizeof(*client->holdings));
	for (size_t i = 0; i < spec->zone_count; i++) {
		struct publisher_holding *holding = &client->holdings[i];
		for (size_t j = 0; known && j < known->spec.zone_count; j++)
			if (strcmp(known->holdings[j].zone, spec->zones[i]) == 0)
				*holding = known->holdings[j];
		if (holding->zone[0] == '\0') {
			(void)snprintf(holding->zone, sizeof(holding->zone), "%s", spec->zones[i]);
			holding->state = client->greeted ? PEER_GREETED : PEER_AWAY;
		}
	}
}

void publisher_configure(struct publisher *publisher, struct zone *const *zones, size_t zone_count,
                         const struct publisher_replica *replicas, size_t replica_count)
{
	configure_zones(publisher, zones, zone_count);
	struct publisher_client *fresh = mem_zalloc((replica_count ? replica_count : 1) * sizeof(*fresh));
	for (size_t i = 0; i < replica_count; i++) {
		const struct publisher_client *known = find_client(publisher, replicas[i].key.transport);
		configure_client(&fresh[i], known, &replicas[i]);
	}
	free_clients(publisher->clients, publisher->client_count);
	publisher->clients = fresh;
	publisher->client_count = replica_count;
}

/* ---- Status ---- */

size_t publisher_replica_count(const struct publisher *publisher)
{
	return publisher->client_count;
}

void publisher_replica_status(const struct publisher *publisher, size_t replica, struct publisher_replica_status *out)
{
	const struct publisher_client *client = &publisher->clients[replica];
	*out = (struct publisher_replica_status){
		.name = client->spec.name,
		.key = &client->spec.key,
		.state = client->greeted && !client->silent ? REPLICA_CONNECTED : client->seen ? REPLICA_LOST : REPLICA_NEVER,
		.last_contact = client->contact,
		.version = client->version,
	};
	memcpy(out->software, client->software, sizeof(out->software));
}

size_t publisher_zone_count(const struct publisher *publisher, size_t replica)
{
	return publisher->clients[replica].spec.zone_count;
}

void publisher_zone_status(const struct publisher *publisher, size_t replica, size_t zone,
                           struct publisher_zone_status *out)
{
	const struct publisher_holding *holding = &publisher->clients[replica].holdings[zone];
	*out = (struct publisher_zone_status){
		.zone = holding->zone,
		.known = holding->known,
		.serial = holding->serial,
		.served = holding->served,
		.health = (int)holding->health,
		.reason = holding->reason,
	};
	for (size_t i = 0; i < publisher->zone_count; i++) {
		const struct publisher_zone *published = &publisher->zones[i];
		if (strcmp(published->name, holding->zone) == 0)
			out->same_epoch = published->told &&
			                  memcmp(published->epoch.id, holding->epoch_id, sizeof(holding->epoch_id)) == 0;
	}
}

uint64_t publisher_refused(const struct publisher *publisher)
{
	return publisher->refused;
}
