/* session_message.c: what the master says, verified (verify.h) before anything else is made of it, and turned into the
 * machine's events. */
#include "replica/session_private.h"

#include "common/log.h"

#include <inttypes.h>
#include <string.h>

static void refuse(struct session *session, const char *sentence)
{
	session->events.refused(session->events.context, session, sentence);
}

static void fail(struct session *session, enum rc rc, const char *sentence)
{
	if (strcmp(session->error.text, sentence) != 0)
		session_tell(session, true, "%s", sentence);
	(void)why_set(&session->error, rc, "%s", sentence);
	session->disk = rc == RC_IO;
}

static void note_damage(struct session *session, const char *sentence)
{
	if (!session->damage.text[0])
		log_error("%s", sentence);
	(void)why_set(&session->damage, RC_DAMAGED, "%s", sentence);
}

static bool transferring(const struct session *session)
{
	return session->state == REFRESH_AXFR_ASKED || session->state == REFRESH_AXFR;
}

static void heard_of(struct session *session, const struct soa *soa)
{
	if (zonedb_present(session->db) && epoch_equal(&zonedb_meta(session->db)->epoch, &soa->epoch) &&
	    soa->serial > session->newest)
		session->newest = soa->serial;
	bool before = session->from_future;
	session->from_future = verify_from_future(soa, clock_wall());
	if (session->from_future && !before)
		log_warn("zone \"%s\": serial %" PRIu64 " is dated more than a day ahead: is a clock wrong, the master's or "
		         "ours?", session->spec->name, soa->serial);
}

/* ---- SOA ---- */

static void on_same(struct session *session, const struct verify_ground *ground, const struct soa *soa)
{
	struct why why;
	session_event(session, REFRESH_ON_SAME);      /* first: it forgets what went wrong before */
	if (!verify_is_later(ground, soa))
		return;
	enum rc rc = zonedb_note_soa(session->db, soa, clock_wall(), &why);
	if (rc != RC_OK) {
		fail(session, rc, why.text);
		return;
	}
	session_received(session);
	session_acknowledge(session);
}

static void on_soa(struct session *session, const struct message *message)
{
	struct soa known;
	struct why why;
	const struct verify_ground ground = session_ground(session, &known);
	enum verify_verdict verdict = verify_announcement(&ground, &message->soa, &why);
	if (verdict != VERIFY_REFUSED)
		heard_of(session, &message->soa);
	switch (verdict) {
	case VERIFY_SAME:
		on_same(session, &ground, &message->soa);
		return;
	case VERIFY_NEWER:
		session_event(session, REFRESH_ON_NEWER);
		return;
	case VERIFY_LATER_EPOCH:
		session_event(session, REFRESH_ON_LATER_EPOCH);
		return;
	case VERIFY_EMPTY:
		session_event(session, REFRESH_ON_EMPTY);
		return;
	case VERIFY_DAMAGED:
		note_damage(session, why.text);
		session_event(session, REFRESH_ON_DAMAGED);
		return;
	default:
		refuse(session, why.text);
		if (session->state == REFRESH_ASKED)
			(void)why_set(&session->error, RC_REFUSED, "%s", why.text);
		session_event(session, REFRESH_ON_REFUSED);
		return;
	}
}

/* ---- CHANGES ---- */

static enum refresh_event progress(struct session *session, const struct changeset *changeset, bool more)
{
	bool behind = changeset->soa.serial < session->newest;
	if (session->state == REFRESH_IXFR && more && ++session->answers < IXFR_BURST)
		return REFRESH_ON_APPLIED_MORE;
	return behind || (session->state == REFRESH_IXFR && more) ? REFRESH_ON_APPLIED_BEHIND : REFRESH_ON_APPLIED;
}

static void tell_tables(struct session *session, const struct changeset *changeset)
{
	bool recipients = false, domains = false, params = false;
	for (uint32_t i = 0; i < changeset->count; i++) {
		const struct record *record = &changeset->operations[i].record;
		if (!allow_has(session->allow, record))
			continue;
		recipients = recipients || record->type == RECORD_RCPT;
		domains = domains || record->type == RECORD_DOMAIN;
		params = params || record->type == RECORD_PARAM;
	}
	session->version += domains || params;
	session->events.changed(session->events.context, session, recipients, domains);
}

static void apply(struct session *session, const struct message *message, const struct changeset *changeset)
{
	struct why why;
	enum rc rc = zonedb_commit(session->db, changeset, message->data, message->data_length, clock_wall(), &why);
	if (rc == RC_OK) {
		log_debug("zone \"%s\": serial %" PRIu64 ", %" PRIu32 " changes", session->spec->name, changeset->soa.serial,
		          changeset->count);
		tally_changes(&session->tally, session->allow, changeset);
		tell_tables(session, changeset);
		session_received(session);
		session_event(session, progress(session, changeset, message->more));
		rc = zonedb_checkpoint(session->db, &why);
		if (rc != RC_OK)
			fail(session, rc, why.text);
		return;
	}
	if (!zonedb_present(session->db)) {
		note_damage(session, why.text);
		session_event(session, REFRESH_ON_EMPTY);
	} else if (rc == RC_INVALID) {
		note_damage(session, why.text);
		session_event(session, REFRESH_ON_MISFIT);
	} else if (rc == RC_DAMAGED) {
		session->events.fatal(session->events.context, why.text);
	} else {
		fail(session, rc, why.text);
		session_event(session, REFRESH_ON_FAILED);
	}
}

/* A repeat is an echo while an IXFR is being answered, since a push may cross it. Otherwise somebody plays it again. */
static void on_repeat(struct session *session, const struct changeset *changeset)
{
	if (session->state == REFRESH_IXFR)
		return;
	struct why why;
	(void)why_set(&why, RC_REFUSED, "zone \"%s\": the changeset to serial %" PRIu64 " came a second time",
	              session->spec->name, changeset->soa.serial);
	refuse(session, why.text);
}

static void on_changeset(struct session *session, const struct message *message, const struct changeset *changeset)
{
	struct soa known;
	struct why why;
	const struct verify_ground ground = session_ground(session, &known);
	enum verify_verdict verdict = verify_changeset(&ground, &changeset->soa, &why);
	if (verdict != VERIFY_REFUSED)
		heard_of(session, &changeset->soa);
	switch (verdict) {
	case VERIFY_NEXT:
		apply(session, message, changeset);
		return;
	case VERIFY_GAP:
		session_event(session, REFRESH_ON_GAP);
		return;
	case VERIFY_REPEAT:
		on_repeat(session, changeset);
		return;
	case VERIFY_LATER_EPOCH:
		session_event(session, REFRESH_ON_LATER_EPOCH);
		return;
	case VERIFY_EMPTY:
		session_event(session, REFRESH_ON_EMPTY);
		return;
	case VERIFY_DAMAGED:
		note_damage(session, why.text);
		session_event(session, REFRESH_ON_DAMAGED);
		return;
	default:
		refuse(session, why.text);
		return;
	}
}

static void on_changes(struct session *session, const struct message *message)
{
	if (transferring(session))
		return;      /* refresh.c says why */
	struct changeset changeset = {.operations = NULL};
	struct why why;
	enum rc rc = changeset_decode(message->data, message->data_length, &changeset, &why);
	if (rc != RC_OK) {
		(void)why_prepend(&why, rc, "zone \"%s\": a changeset", session->spec->name);
		refuse(session, why.text);
		return;
	}
	on_changeset(session, message, &changeset);
	changeset_free(&changeset);
}

/* ---- SNAPSHOT, CHUNK ---- */

static void on_snapshot(struct session *session, const struct message *message)
{
	if (session->state != REFRESH_AXFR_ASKED)
		return;
	struct soa known;
	struct why why;
	const struct verify_ground ground = session_ground(session, &known);
	enum rc rc = verify_snapshot(&ground, &message->soa, &why);
	if (rc == RC_OK)
		rc = transfer_begin(session->transfer, message, &why);
	if (rc == RC_OK) {
		session_event(session, REFRESH_ON_SNAPSHOT);
		return;
	}
	if (rc == RC_IO) {
		fail(session, rc, why.text);
	} else {
		refuse(session, why.text);
		(void)why_set(&session->error, rc, "%s", why.text);
	}
	session_event(session, REFRESH_ON_SNAPSHOT_REFUSED);
}

static void on_chunk(struct session *session, const struct message *message)
{
	if (session->state != REFRESH_AXFR || !transfer_chunk(session->transfer, message))
		return;
	if (session->state != REFRESH_AXFR)
		return;      /* the disk is full: it ended there and then */
	if (transfer_waiting(session->transfer))
		session_arm(session, SESSION_PIECE_MS);
	else
		loop_timer_clear(session->loop, &session->timer);
}

void session_on_record(void *context, const struct record *record)
{
	struct session *session = context;
	if (record)
		tally_add(&session->incoming, session->allow, record);
	else
		session->incoming = (struct tally){.recipients = 0};
}

/* Epoch and serial of the records. */
static struct soa held(const struct session *session)
{
	if (!zonedb_present(session->db))
		return (struct soa){.serial = 0};
	const struct store_meta *meta = zonedb_meta(session->db);
	return (struct soa){.epoch = meta->epoch, .serial = meta->serial};
}

enum rc session_on_agree(void *context, const struct soa *soa, struct why *why)
{
	struct session *session = context;
	struct soa known;
	const struct verify_ground ground = session_ground(session, &known);
	session->before = held(session);
	return verify_snapshot(&ground, soa, why);
}

void session_on_end(void *context, enum rc rc, const struct why *why)
{
	struct session *session = context;
	if (rc != RC_OK) {
		fail(session, rc, why->text);
		/* The new records may be in place all the same, and only the last sync have failed. */
		const struct soa now = held(session);
		if (soa_compare(&session->before, &now) != SOA_SAME)
			session_recount(session);
		session_event(session, REFRESH_ON_BROKEN);
		return;
	}
	const struct store_meta *meta = zonedb_meta(session->db);
	log_info("zone \"%s\": whole transfer stored: serial %" PRIu64 ", %" PRIu64 " records", session->spec->name,
	         meta->serial, meta->count);
	session->tally = session->incoming;
	session->damage.text[0] = '\0';
	session->newest = meta->serial;
	session->version++;
	session->events.changed(session->events.context, session, true, true);
	session_received(session);
	session_event(session, REFRESH_ON_STORED);
}

/* ---- ERROR ---- */

static void on_error(struct session *session, const struct message *message)
{
	log_debug("zone \"%s\": the master says error %d: %s", session->spec->name, (int)message->error, message->reason);
	switch (message->error) {
	case ERROR_NO_HISTORY:
		session_event(session, REFRESH_ON_NO_HISTORY);
		return;
	case ERROR_NO_SNAPSHOT:
		session_event(session, REFRESH_ON_NO_SNAPSHOT);
		return;
	case ERROR_NO_ZONE:
		(void)why_set(&session->error, RC_NOT_FOUND, "the master doesn't give us this zone: %s; is the zone's name "
		              "right, and listed for this replica in master.conf?", message->reason);
		session_event(session, REFRESH_ON_NOT_THERE);
		return;
	case ERROR_NOT_YET:
		(void)why_set(&session->error, RC_AGAIN, "the master has nothing published yet: %s", message->reason);
		session_event(session, REFRESH_ON_NOT_THERE);
		return;
	case ERROR_VERSION:
	case ERROR_MALFORMED:
	case ERROR_BUSY:
		(void)why_set(&session->error, RC_AGAIN, "the master says: %s", message->reason);
		session_event(session, REFRESH_ON_LATER);
		return;
	}
}

void session_message(struct session *session, const struct message *message)
{
	switch (message->type) {
	case MESSAGE_SOA:
		on_soa(session, message);
		return;
	case MESSAGE_CHANGES:
		on_changes(session, message);
		return;
	case MESSAGE_SNAPSHOT:
		on_snapshot(session, message);
		return;
	case MESSAGE_CHUNK:
		on_chunk(session, message);
		return;
	case MESSAGE_ERROR:
		on_error(session, message);
		return;
	default: {
		struct why why;
		(void)why_set(&why, RC_REFUSED, "zone \"%s\": a master has no business to send %s", session->spec->name,
		              message_type_name(message->type));
		refuse(session, why.text);
		return;
	}
	}
}
