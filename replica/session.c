/* session.c: the refresh machine's hands: it sends, waits and remembers; what to do next is refresh.c's decision.
 *
 * Every wait has a timer, so that nothing that gets lost on the way can leave a zone hanging. Pauses are spread by ten
 * percent either way, so that many backups don't ask at one moment; so are polls, from refresh to 20 percent more: the
 * master signs and pushes an announcement every refresh, and one that comes in time makes the poll needless. */
#include "replica/session_private.h"

#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 10000            /* for an answer to REFRESH or IXFR, and between its parts */
#define SNAPSHOT_MS 120000         /* the master may have to write the whole zone first */
#define REFRESH_S 60               /* before any announcement has said it */
#define RETRY_S 5
/* Whole transfers in a row without success. More of them wait for the next pause's end: two masters with one key would
 * make us fetch everything from each in turn, without end. */
#define WHOLES_MAX 3

void session_tell(struct session *session, bool error, const char *format, ...)
{
	uint64_t kept_back;
	if (!calm_allows(&session->calm, &kept_back))
		return;
	char more[CALM_TEXT_MAX];
	calm_text(kept_back, more);
	char text[2 * WHY_MAX];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (error)
		log_error("zone \"%s\": %s%s", session->spec->name, text, more);
	else
		log_info("zone \"%s\": %s%s", session->spec->name, text, more);
}

/* ---- sending ---- */

enum rc session_send(struct session *session, struct message *message)
{
	struct buf bytes = {.data = NULL};
	memcpy(message->zone, session->spec->name, strlen(session->spec->name) + 1);
	message_encode(&bytes, message);
	enum rc rc = session->events.send(session->events.context, session, bytes.data, bytes.length);
	if (rc != RC_OK)
		log_debug("zone \"%s\": %s couldn't be sent", session->spec->name, message_type_name(message->type));
	buf_free(&bytes);
	return rc;
}

/* The newest announcement is shown even when the records are damaged: it's evidence that only the master can make, and
 * tells one that was restored from an old copy how far it had been. */
static void send_refresh(struct session *session)
{
	struct message message = {.type = MESSAGE_REFRESH};
	message.present = zonedb_soa(session->db, &message.soa);
	(void)session_send(session, &message);
}

static void send_ixfr(struct session *session)
{
	struct message message = {.type = MESSAGE_IXFR};
	if (!zonedb_present(session->db))
		return;
	const struct store_meta *meta = zonedb_meta(session->db);
	memcpy(message.epoch_id, meta->epoch.id, sizeof(message.epoch_id));
	message.serial = meta->serial;
	session->answers = 0;
	(void)session_send(session, &message);
}

static void send_axfr(struct session *session)
{
	struct message message = {.type = MESSAGE_AXFR};
	session->wholes++;
	(void)session_send(session, &message);
}

static enum rc send_fetch(void *context, const struct message *message)
{
	struct message copy = *message;
	return session_send(context, &copy);
}

/* ---- the machine ---- */

static void on_timer(void *context)
{
	session_event(context, REFRESH_ON_TIMER);
}

void session_arm(struct session *session, int64_t ms)
{
	loop_timer_after(session->loop, &session->timer, ms, on_timer, session);
}

bool session_connected(const struct session *session)
{
	return session->state != REFRESH_DOWN && session->state != REFRESH_GREETING;
}

/* Somewhere between least and least + 20 percent of ms. */
static int64_t spread(int64_t ms, int64_t least_percent)
{
	uint16_t random;
	identity_random(&random, sizeof(random));
	return ms * least_percent / 100 + ms / 5 * random / UINT16_MAX;
}

static int64_t refresh_ms(const struct session *session, bool retry)
{
	struct soa soa = {.refresh_s = REFRESH_S, .retry_s = RETRY_S};
	(void)zonedb_soa(session->db, &soa);
	return (int64_t)(retry ? soa.retry_s : soa.refresh_s) * 1000;
}

static void back_off(struct session *session)
{
	int64_t ms = refresh_ms(session, true);
	int64_t most = refresh_ms(session, false);
	for (unsigned i = 0; i < session->failures && ms < most; i++)
		ms *= 2;
	session->failures++;
	session->wholes = 0;
	session_arm(session, spread(ms < most || session->failures == 1 ? ms : most, 90));
}

static void fetch_again(struct session *session)
{
	if (!transfer_waiting(session->transfer))
		return;      /* all is there and being stored */
	if (transfer_again(session->transfer))
		session_arm(session, SESSION_PIECE_MS);
	else
		session_event(session, REFRESH_ON_STALLED);
}

static void perform(struct session *session, enum refresh_action action)
{
	switch (action) {
	case REFRESH_DO_NOTHING:
		return;
	case REFRESH_DO_STOP:
		loop_timer_clear(session->loop, &session->timer);
		return;
	case REFRESH_DO_ASK:
		session_arm(session, ANSWER_MS);
		send_refresh(session);
		return;
	case REFRESH_DO_POLL_LATER:
		session->failures = 0;
		session->wholes = 0;
		session->error.text[0] = '\0';
		session->disk = false;
		transfer_forget(session->transfer);
		session_arm(session, spread(refresh_ms(session, false), 100));
		return;
	case REFRESH_DO_IXFR:
		session_arm(session, ANSWER_MS);
		send_ixfr(session);
		return;
	case REFRESH_DO_GO_ON:
		session_arm(session, ANSWER_MS);
		return;
	case REFRESH_DO_AXFR:
		session_arm(session, SNAPSHOT_MS);
		send_axfr(session);
		return;
	case REFRESH_DO_FETCH:
		session_arm(session, SESSION_PIECE_MS);
		return;
	case REFRESH_DO_FETCH_AGAIN:
		fetch_again(session);
		return;
	case REFRESH_DO_BACK_OFF:
		back_off(session);
		return;
	}
}

static bool worth_telling(enum refresh_state from, enum refresh_state to)
{
	if (from == to)
		return false;
	return to == REFRESH_AXFR_ASKED || to == REFRESH_WAIT || to == REFRESH_NOTHING || from == REFRESH_WAIT ||
	       from == REFRESH_NOTHING;
}

void session_event(struct session *session, enum refresh_event event)
{
	struct refresh_step step = refresh_next(session->state, event);
	if (step.action == REFRESH_DO_AXFR && session->wholes >= WHOLES_MAX)
		step = (struct refresh_step){REFRESH_WAIT, REFRESH_DO_BACK_OFF, "too many whole transfers in a row failed"};
	if (step.state == session->state && step.action == REFRESH_DO_NOTHING)
		return;
	enum refresh_state before = session->state;
	if (worth_telling(before, step.state))
		session_tell(session, false, "%s -> %s: %s", refresh_state_name(before), refresh_state_name(step.state),
		             step.reason);
	else
		log_debug("zone \"%s\": %s -> %s: %s", session->spec->name, refresh_state_name(before),
		          refresh_state_name(step.state), step.reason);
	if (before == REFRESH_AXFR && step.state != REFRESH_AXFR)
		transfer_pause(session->transfer);
	if (step.state == REFRESH_WAIT && !session->error.text[0])
		(void)why_set(&session->error, RC_AGAIN, "%s", step.reason);
	session->state = step.state;
	perform(session, step.action);
	session_report(session);
}

void session_link(struct session *session, bool up)
{
	buf_clear(&session->reported);
	session_event(session, up ? REFRESH_ON_LINK_UP : REFRESH_ON_LINK_DOWN);
}

void session_welcome(struct session *session)
{
	session_event(session, REFRESH_ON_WELCOME);
}

void session_refresh(struct session *session)
{
	session->events.changed(session->events.context, session, false, false);      /* the tables look at their files */
	session_event(session, REFRESH_ON_ASK);
}

void session_retransfer(struct session *session)
{
	session->wholes = 0;
	session_event(session, REFRESH_ON_RETRANSFER);
}

struct verify_ground session_ground(const struct session *session, struct soa *known)
{
	return (struct verify_ground){
		.zone = session->spec->name,
		.keys = session->spec->keys,
		.key_count = session->spec->key_count,
		.known = zonedb_soa(session->db, known) ? known : NULL,
		.records = zonedb_present(session->db) ? zonedb_meta(session->db) : NULL,
	};
}

/* ---- beginning and end ---- */

struct proof {
	struct session *session;
	struct store_meta meta;
	struct digest digest;
	uint64_t count;
	bool wrong;
};

static bool tally_one(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	struct proof *proof = context;
	struct fingerprint real = record_fingerprint(proof->meta.epoch.id, &entry->record);
	proof->wrong = fingerprint_compare(&real, print) != 0;
	digest_add(&proof->digest, &real);
	proof->count++;
	tally_add(&proof->session->tally, proof->session->allow, &entry->record);
	return !proof->wrong;
}

/* Counts the records, and proves on the way that they are those of the serial: a store that was closed properly was
 * believed up to here. If they aren't, tables stay as they are, and everything is asked for anew. */
static void tally_all(struct session *session)
{
	struct why why;
	session->tally = (struct tally){.recipients = 0};
	if (!zonedb_present(session->db))
		return;
	struct proof proof = {.session = session, .meta = *zonedb_meta(session->db)};
	enum rc rc = zonedb_walk(session->db, tally_one, &proof, &why);
	if (rc == RC_OK && (proof.wrong || proof.count != proof.meta.count || !digest_equal(&proof.digest, &proof.meta.digest)))
		rc = why_set(&why, RC_DAMAGED, "the records on disk aren't those of serial %" PRIu64, proof.meta.serial);
	if (rc == RC_OK)
		return;
	session->tally = (struct tally){.recipients = 0};
	if (rc == RC_DAMAGED)
		zonedb_distrust(session->db, why.text);
	else
		log_error("zone \"%s\": %s", session->spec->name, why.text);
}

void session_recount(struct session *session)
{
	session->version++;
	tally_all(session);
	session->events.changed(session->events.context, session, true, true);
}

static void greet(struct session *session)
{
	if (allow_any(session->allow))
		log_warn("zone \"%s\": domains = { \"*\" }: its master decides for which domains this host relays mail",
		         session->spec->name);
	if (zonedb_trouble(session->db)[0])
		log_error("zone \"%s\": %s: %s", session->spec->name, zonedb_trouble(session->db),
		          zonedb_present(session->db) ? "mended" : "tables stay as they are until a whole transfer heals it");
}

enum rc session_new(struct loop *loop, const struct session_spec *spec, const char *folder,
                    const struct session_events *events, struct session **out, struct why *why)
{
	struct session *session = mem_zalloc(sizeof(*session));
	session->loop = loop;
	session->spec = spec;
	session->events = *events;
	enum rc rc = allow_new(spec->domains, spec->domain_count, &session->allow, why);
	if (rc == RC_OK)
		rc = zonedb_open(folder, spec->name, &session->db, why);
	if (rc != RC_OK) {
		(void)why_prepend(why, rc, "zone \"%s\"", spec->name);
		allow_free(&session->allow);
		free(session);
		return rc;
	}
	const struct transfer_events transfer = {.send = send_fetch, .record = session_on_record, .agree = session_on_agree,
	                                         .end = session_on_end, .context = session};
	session->transfer = transfer_new(loop, folder, session->db, &transfer);
	tally_all(session);
	greet(session);
	session_judge(session);
	*out = session;
	return RC_OK;
}

enum rc session_configure(struct session *session, const struct session_spec *spec, struct why *why)
{
	struct allow *allow = NULL;
	enum rc rc = allow_new(spec->domains, spec->domain_count, &allow, why);
	if (rc != RC_OK)
		return why_prepend(why, rc, "zone \"%s\"", spec->name);
	bool same = allow_same(allow, session->allow) && spec->on_expire == session->spec->on_expire;
	allow_free(&session->allow);
	session->allow = allow;
	session->spec = spec;
	if (same)
		return RC_OK;
	session_recount(session);
	greet(session);
	session_report(session);
	return RC_OK;
}

void session_free(struct session **handle)
{
	struct session *session = *handle;
	if (!session)
		return;
	loop_timer_clear(session->loop, &session->timer);
	loop_timer_clear(session->loop, &session->aging);
	loop_timer_clear(session->loop, &session->report);
	transfer_free(&session->transfer);
	zonedb_close(&session->db);
	allow_free(&session->allow);
	buf_free(&session->reported);
	free(session);
	*handle = NULL;
}

/* ---- questions ---- */

const char *session_name(const struct session *session)
{
	return session->spec->name;
}

const struct session_spec *session_spec(const struct session *session)
{
	return session->spec;
}

struct zonedb *session_db(const struct session *session)
{
	return session->db;
}

const struct allow *session_allow(const struct session *session)
{
	return session->allow;
}

const struct tally *session_tally(const struct session *session)
{
	return &session->tally;
}

uint64_t session_version(const struct session *session)
{
	return session->version;
}
