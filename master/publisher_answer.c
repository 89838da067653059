/* publisher_answer.c: what a replica's requests are answered with. PROTOCOL has the rules; zone and peer state come in
 * through struct publisher_place.
 *
 * Each request has exactly one answer (IXFR: one or more CHANGES, the last without `more`), or an ERROR; ACK has none.
 * An answer that doesn't fit into the replica's queue is dropped: it asks again when its time is up. */
#include "config.h"

#include "master/publisher_private.h"
#include "common/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void refuse(const struct publisher_place *place, enum message_error error, const char *reason)
{
	publisher_complain(place->publisher, &place->client->link, place->holding->zone, error, reason);
}

/* ---- HELLO ---- */

static void refuse_version(struct publisher *publisher, struct publisher_client *client, const struct link_peer *link,
                           const struct message *request)
{
	char reason[REASON_MAX + 1];
	(void)snprintf(reason, sizeof(reason), "this master speaks versions %u to %u of the protocol, and you %u to %u: "
	               "update the older of the two hosts", PROTOCOL_VERSION_MIN, PROTOCOL_VERSION, request->version_min,
	               request->version_max);
	publisher->refused++;
	if (publisher_may_log(client))
		log_warn("replica \"%s\" (%s) can't be served: it speaks versions %u to %u of the protocol, this master %u to %u",
		         client->spec.name, request->software, request->version_min, request->version_max,
		         PROTOCOL_VERSION_MIN, PROTOCOL_VERSION);
	publisher_complain(publisher, link, "", ERROR_VERSION, reason);
}

static void greet(struct publisher *publisher, struct publisher_client *client, const struct link_peer *link,
                  const struct message *request)
{
	if (request->version_min > PROTOCOL_VERSION || request->version_max < PROTOCOL_VERSION_MIN) {
		refuse_version(publisher, client, link, request);
		return;
	}
	client->greeted = true;
	client->link = *link;
	client->version = request->version_max < PROTOCOL_VERSION ? request->version_max : (uint8_t)PROTOCOL_VERSION;
	client->kept = false;
	memcpy(client->software, request->software, sizeof(client->software));
	if (publisher_may_log(client))
		log_info("replica \"%s\" connected (%s)", client->spec.name, client->software);
	publisher_step_client(publisher, client, PEER_HELLO);
	struct message welcome = {
		.type = MESSAGE_WELCOME, .version_min = client->version, .version_max = client->version,
		.software = "rxfer-master " PACKAGE_VERSION,
	};
	(void)publisher_tell(publisher, client, &welcome);
	publisher_keys_tell(publisher, client);
}

/* ---- REFRESH ---- */

/* Whether what it shows can't come from the history we know: then our own state is an old copy, or lost, or somebody
 * else signs with our key; or it's a forgery. */
static bool beyond(const struct soa *ours, const struct soa *shown)
{
	switch (soa_compare(ours, shown)) {
	case SOA_NEWER:
	case SOA_LATER_EPOCH:
		return true;
	case SOA_SAME:
		return ours->count != shown->count || !digest_equal(&ours->digest, &shown->digest);
	case SOA_EARLIER_EPOCH:
		return ours->epoch.began.ms == shown->epoch.began.ms;
	case SOA_OLDER:
		break;
	}
	return false;
}

/* False: it isn't what it says. Only what would be evidence is verified: anything else has no effect but on what this
 * replica is sent, and it may have what it likes of that. */
static bool weigh(const struct publisher_place *place, const struct soa *shown)
{
	struct publisher *publisher = place->publisher;
	struct soa ours;
	if (zone_soa(place->zone->zone, &ours) && !beyond(&ours, shown))
		return true;
	if (!soa_verify(shown, identity_public(publisher->identity))) {
		publisher->refused++;
		if (publisher_may_log(place->client))
			log_warn("replica \"%s\" shows an announcement of zone \"%s\", serial %" PRIu64 ", that this master "
			         "never signed", place->client->spec.name, place->holding->zone, shown->serial);
		return false;
	}
	if (publisher_may_log(place->client))
		log_warn("replica \"%s\" has serial %" PRIu64 " of zone \"%s\" under this master's signature, and it isn't "
		         "known here", place->client->spec.name, shown->serial, place->holding->zone);
	zone_evidence(place->zone->zone, shown);
	return true;
}

static void answer_refresh(const struct publisher_place *place, const struct message *request)
{
	struct publisher_holding *holding = place->holding;
	const struct soa *shown = &request->soa;
	bool present = request->present && weigh(place, shown);
	if (present)
		publisher_reached(holding, shown->epoch.id, shown->serial);
	if (present && !holding->known) {
		holding->known = true;
		memcpy(holding->epoch_id, shown->epoch.id, sizeof(holding->epoch_id));
		holding->serial = shown->serial;
	}
	struct soa ours;
	if (!publisher_plain(place->publisher, place->zone, &ours)) {
		refuse(place, ERROR_NOT_YET, "nothing is published yet");
		return;
	}
	enum soa_order order = soa_compare(&ours, shown);
	if (present && order == SOA_SAME)
		publisher_step(place, PEER_REFRESH_SAME, NULL, ours.serial);
	else
		publisher_step(place, present && order == SOA_OLDER ? PEER_REFRESH_OLDER : PEER_REFRESH_OTHER, NULL, 0);
}

/* ---- IXFR ---- */

static void no_history(const struct publisher_place *place, uint64_t from, const char *reason)
{
	if (publisher_may_log(place->client))
		log_info("replica \"%s\", zone \"%s\": IXFR from serial %" PRIu64 " refused: %s: AXFR",
		         place->client->spec.name, place->holding->zone, from, reason);
	refuse(place, ERROR_NO_HISTORY, reason);
	publisher_step(place, PEER_IXFR_NONE, NULL, 0);
}

/* Sends up to IXFR_BURST changesets from *at on, which is moved on. RC_AGAIN: the queue is full. RC_NOT_FOUND: the
 * replica is gone. RC_INVALID: the journal doesn't have it, see why. */
static enum rc send_burst(const struct publisher_place *place, uint64_t newest, uint64_t *at, struct why *why)
{
	struct zonedb *db = zone_db(place->zone->zone);
	const struct epoch epoch = zonedb_meta(db)->epoch;
	struct buf data = {0};
	enum rc rc = RC_OK;
	for (unsigned i = 0; rc == RC_OK && i < IXFR_BURST && *at < newest; i++) {
		uint64_t to;
		buf_clear(&data);
		if (zonedb_changes_from(db, &epoch, *at, &data, &to, why) != RC_OK) {
			rc = RC_INVALID;
			break;
		}
		const struct message message = {
			.type = MESSAGE_CHANGES, .more = to < newest && i + 1 < IXFR_BURST,
			.data = data.data, .data_length = data.length,
		};
		rc = publisher_tell(place->publisher, place->client, &message);
		if (rc == RC_OK) {
			*at = to;
			publisher_reached(place->holding, epoch.id, to);
		}
	}
	buf_free(&data);
	return rc;
}

static void answer_ixfr(const struct publisher_place *place, const struct message *request)
{
	struct zonedb *db = zone_db(place->zone->zone);
	if (!zone_published(place->zone->zone) || !zonedb_present(db)) {
		refuse(place, ERROR_NOT_YET, "nothing is published yet");
		return;
	}
	const struct store_meta *meta = zonedb_meta(db);
	const uint64_t newest = meta->serial;
	struct why why;
	if (memcmp(meta->epoch.id, request->epoch_id, sizeof(request->epoch_id)) != 0) {
		no_history(place, request->serial, "it's of another epoch");
		return;
	}
	if (request->serial > newest) {
		(void)why_set(&why, RC_INVALID, "the newest serial is %" PRIu64, newest);
		no_history(place, request->serial, why.text);
		return;
	}
	if (request->serial == newest) {
		publisher_step(place, PEER_REFRESH_SAME, NULL, newest);
		return;
	}
	if (request->serial < zonedb_oldest(db)) {
		(void)why_set(&why, RC_INVALID, "the oldest that is held leads on from serial %" PRIu64, zonedb_oldest(db));
		no_history(place, request->serial, why.text);
		return;
	}
	uint64_t at = request->serial;
	enum rc rc = send_burst(place, newest, &at, &why);
	if (rc == RC_INVALID)
		no_history(place, at, why.text);
	else if (rc == RC_AGAIN)
		publisher_step(place, PEER_FULL, NULL, 0);
	else if (rc == RC_OK)
		publisher_step(place, at == newest ? PEER_IXFR_ALL : PEER_IXFR_PART, NULL, at);
}

/* ---- AXFR ---- */

static void answer_axfr(const struct publisher_place *place)
{
	struct zone *zone = place->zone->zone;
	struct soa newest;
	if (!zone_soa(zone, &newest) || !zonedb_present(zone_db(zone))) {
		refuse(place, ERROR_NOT_YET, "nothing is published yet");
		return;
	}
	struct message answer = {.type = MESSAGE_SNAPSHOT};
	struct why why;
	const struct publisher_holding *holding = place->holding;
	const struct snapshot_request request = {
		.db = zone_db(zone), .newest = &newest, .signer = place->publisher->identity,
		.at_least = memcmp(holding->reached_epoch, newest.epoch.id, sizeof(holding->reached_epoch)) == 0
			? holding->reached : 0,
	};
	enum rc rc = snapshot_offer(place->zone->snapshots, &request, &answer.soa, &answer.stream_bytes, &why);
	if (rc != RC_OK) {
		if (rc != RC_AGAIN)
			log_error("zone \"%s\": no whole transfer can be given: %s", place->holding->zone, why.text);
		if (rc == RC_DAMAGED)
			zone_damaged(zone, &why);
		refuse(place, ERROR_BUSY, rc == RC_AGAIN ? why.text : "the master can't make a snapshot; its log says why");
		return;
	}
	if (publisher_may_log(place->client))
		log_info("replica \"%s\", zone \"%s\": AXFR of serial %" PRIu64 ", %" PRIu64 " records in %" PRIu64 " bytes",
		         place->client->spec.name, place->holding->zone, answer.soa.serial, answer.soa.count,
		         answer.stream_bytes);
	publisher_step(place, PEER_AXFR, NULL, 0);
	(void)publisher_tell(place->publisher, place->client, &answer);
}

static void answer_fetch(const struct publisher_place *place, const struct message *request)
{
	struct buf data = {0};
	struct why why;
	const struct snapshot_piece piece = {
		.epoch_id = request->epoch_id, .serial = request->serial, .offset = request->offset, .length = request->length,
	};
	enum rc rc = snapshot_read(place->zone->snapshots, &piece, &data, &why);
	if (rc == RC_OK) {
		struct message chunk = {
			.type = MESSAGE_CHUNK, .serial = request->serial, .offset = request->offset,
			.data = data.data, .data_length = data.length,
		};
		memcpy(chunk.zone, request->zone, sizeof(chunk.zone));
		memcpy(chunk.epoch_id, request->epoch_id, sizeof(chunk.epoch_id));
		publisher_step(place, PEER_FETCH, NULL, 0);
		(void)publisher_tell(place->publisher, place->client, &chunk);
	} else {
		if (rc == RC_IO)
			log_error("zone \"%s\": %s", place->holding->zone, why.text);
		refuse(place, ERROR_NO_SNAPSHOT, rc == RC_IO ? "the master can't read it; its log says why" : why.text);
	}
	buf_free(&data);
}

/* ---- ACK ---- */

static void note_ack(const struct publisher_place *place, const struct message *request)
{
	struct publisher_holding *holding = place->holding;
	publisher_reached(holding, request->epoch_id, request->serial);
	holding->known = true;
	memcpy(holding->epoch_id, request->epoch_id, sizeof(holding->epoch_id));
	holding->serial = request->serial;
	holding->served = request->served;
	bool news = holding->health != request->health || strcmp(holding->reason, request->reason) != 0;
	if (news && publisher_may_log(place->client)) {
		if (request->health != HEALTH_OK)
			log_warn("replica \"%s\", zone \"%s\": it reports: %s", place->client->spec.name, holding->zone,
			         request->reason);
		else
			log_info("replica \"%s\", zone \"%s\": it reports that all is well", place->client->spec.name,
			         holding->zone);
	}
	holding->health = request->health;
	memcpy(holding->reason, request->reason, sizeof(holding->reason));

	struct soa ours;
	bool whole = zone_soa(place->zone->zone, &ours) &&
	             memcmp(ours.epoch.id, request->epoch_id, sizeof(request->epoch_id)) == 0 &&
	             request->serial == ours.serial && request->served == ours.serial;
	if (whole && !holding->caught_up) {
		holding->caught_up = true;
		if (publisher_may_log(place->client))
			log_info("replica \"%s\", zone \"%s\": caught up, serves serial %" PRIu64, place->client->spec.name,
			         holding->zone, request->served);
	}
}

/* ---- All ---- */

static bool find_place(struct publisher *publisher, struct publisher_client *client, const char *zone,
                       struct publisher_place *out)
{
	*out = (struct publisher_place){.publisher = publisher, .client = client};
	for (size_t i = 0; i < client->spec.zone_count; i++)
		if (strcmp(client->holdings[i].zone, zone) == 0)
			out->holding = &client->holdings[i];
	out->zone = publisher_find_zone(publisher, zone);
	return out->holding && out->zone;
}

void publisher_answer(struct publisher *publisher, struct publisher_client *client, const struct link_peer *link,
                      const struct message *request)
{
	if (request->type == MESSAGE_HELLO) {
		greet(publisher, client, link, request);
		return;
	}
	if (request->type == MESSAGE_KEPT) {
		publisher_keys_kept(publisher, client, &request->handover);
		return;
	}
	struct publisher_place place;
	if (!find_place(publisher, client, request->zone, &place)) {
		/* One answer for both, so that nobody learns the names of zones that aren't theirs. */
		if (request->type != MESSAGE_ACK)
			publisher_complain(publisher, link, request->zone, ERROR_NO_ZONE,
			                   "this master has no such zone for you: see the replica's zones in its configuration");
		return;
	}
	switch (request->type) {
	case MESSAGE_REFRESH:
		answer_refresh(&place, request);
		break;
	case MESSAGE_IXFR:
		answer_ixfr(&place, request);
		break;
	case MESSAGE_AXFR:
		answer_axfr(&place);
		break;
	case MESSAGE_FETCH:
		answer_fetch(&place, request);
		break;
	case MESSAGE_ACK:
		note_ack(&place, request);
		break;
	default:
		assert(false);      /* publisher_message lets only a replica's messages come here */
	}
}
