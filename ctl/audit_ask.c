/* audit_ask.c: see audit_ask.h.
 *
 * The unanswered questions are always a tail: those of a group are answered in their order, and whatever ends a session
 * leaves the rest for the next one. Three ends of a step: RC_OK (go on), RC_AGAIN (put off: the session is closed,
 * wait, go on), anything else (that was it). */
#include "ctl/audit_ask.h"

#include "common/clock.h"
#include "common/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPIENTS_MAX 1000            /* of a session */
#define TRANSACTIONS_MAX 40            /* of a session */
#define TRANSACTION_RECIPIENTS 100
#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 30000
#define HANGUPS_MAX 3                  /* before the same address */
#define REPLY_MAX 600

struct audit_ask {
	struct audit_ask_spec spec;
	struct smtp *session;              /* or NULL */
	size_t sessions;
	int errors;                        /* the rest until due are of the session */
	int recipients;
	int transactions;
	bool in_transaction;
	bool utf8;                         /* of the transaction */
	int tried;                         /* recipients of the transaction */
	struct mono due;                   /* not before this the next recipients */
	struct mono progress;              /* when something was answered last */
	int64_t backoff_ms;
	int per_transaction;
	int hangups;                       /* in a row, before the same address */
	struct why last_words;             /* why we were put off */
};

struct audit_ask *audit_ask_new(const struct audit_ask_spec *spec)
{
	struct audit_ask *ask = mem_zalloc(sizeof *ask);

	ask->spec = *spec;
	ask->per_transaction = TRANSACTION_RECIPIENTS;
	ask->backoff_ms = BACKOFF_FIRST_MS;
	return ask;
}

void audit_ask_free(struct audit_ask **ask)
{
	if (*ask == NULL)
		return;
	smtp_close(&(*ask)->session);
	free(*ask);
	*ask = NULL;
}

size_t audit_ask_sessions(const struct audit_ask *ask)
{
	return ask->sessions;
}

enum rc audit_ask_pause(struct audit_ask *ask, int64_t ms, struct why *why)
{
	struct pollfd fd = { .fd = ask->spec.smtp.interrupt_fd, .events = POLLIN };
	struct mono end = mono_add(clock_mono(), ms);

	for (int64_t left = ms; left >= 0; left = -mono_since(end)) {
		int ready = poll(&fd, 1, (int)(left < 60000 ? left : 60000));
		if (ready > 0)
			return why_set(why, RC_IO, "interrupted");
		if (ready < 0 && errno != EINTR)
			return why_set(why, RC_IO, "poll: %s", strerror(errno));
		if (left == 0)
			break;
	}
	return RC_OK;
}

static bool is_interrupted(const struct audit_ask *ask)
{
	struct pollfd fd = { .fd = ask->spec.smtp.interrupt_fd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

static void end_session(struct audit_ask *ask)
{
	smtp_close(&ask->session);
	ask->in_transaction = false;
}

/* Ends the session; RC_AGAIN when there is patience left. The last words are in *why. */
static enum rc put_off(struct audit_ask *ask, struct why *why)
{
	end_session(ask);
	ask->last_words = *why;
	if (is_interrupted(ask))
		return why_set(why, RC_IO, "interrupted");
	return RC_AGAIN;
}

/* What smtp_open or smtp_take has met: a server that is away, busy or slow may be better later, one that talks nonsense
 * won't. The very first connection must succeed. */
static enum rc judge_trouble(struct audit_ask *ask, enum rc rc, struct why *why)
{
	if (rc == RC_AGAIN || (rc == RC_IO && ask->sessions > 0))
		return put_off(ask, why);
	end_session(ask);
	return rc;
}

static enum rc open_session(struct audit_ask *ask, struct why *why)
{
	if (ask->session != NULL && ask->errors < AUDIT_ASK_ERRORS_MAX && ask->recipients < RECIPIENTS_MAX &&
	    (ask->in_transaction || ask->transactions < TRANSACTIONS_MAX))
		return RC_OK;
	end_session(ask);
	enum rc rc = smtp_open(&ask->spec.smtp, &ask->session, why);
	if (rc != RC_OK)
		return judge_trouble(ask, rc, why);
	ask->sessions++;
	ask->errors = ask->recipients = ask->transactions = 0;
	return RC_OK;
}

static enum rc end_transaction(struct audit_ask *ask, struct why *why)
{
	struct smtp_reply reply;

	ask->in_transaction = false;
	smtp_put(ask->session, "RSET");
	enum rc rc = smtp_take(ask->session, &reply, why);
	if (rc != RC_OK)
		return judge_trouble(ask, rc, why);
	if (reply.code / 100 != 2) {
		why_set(why, RC_AGAIN, "it refuses RSET: %d %s", reply.code, reply.text);
		return put_off(ask, why);
	}
	return RC_OK;
}

static enum rc begin_transaction(struct audit_ask *ask, bool utf8, struct why *why)
{
	struct smtp_reply reply;

	if (ask->in_transaction && ask->utf8 == utf8 && ask->tried < ask->per_transaction)
		return RC_OK;
	if (ask->in_transaction) {
		enum rc rc = end_transaction(ask, why);
		if (rc != RC_OK)
			return rc;
	}
	smtp_put(ask->session, "MAIL FROM:<%s>%s", ask->spec.from, utf8 ? " SMTPUTF8" : "");
	enum rc rc = smtp_take(ask->session, &reply, why);
	if (rc != RC_OK)
		return judge_trouble(ask, rc, why);
	ask->transactions++;
	if (reply.code / 100 == 2) {
		ask->in_transaction = true;
		ask->utf8 = utf8;
		ask->tried = 0;
		return RC_OK;
	}
	why_set(why, RC_REFUSED, "it refuses MAIL FROM:<%s>: %d %s; another sender is set with --from", ask->spec.from,
	        reply.code, reply.text);
	if (reply.code / 100 == 4)
		return put_off(ask, why);
	end_session(ask);
	return RC_REFUSED;
}

static void answer(struct audit_ask *ask, struct audit_question *question, int code, const char *reply)
{
	question->code = code;
	free(question->reply);
	question->reply = mem_strdup(reply);
	ask->progress = clock_mono();
	ask->backoff_ms = BACKOFF_FIRST_MS;
	ask->hangups = 0;
	ask->spec.on_progress(ask->spec.context, 1);
}

/* Whether the reply says that there is a limit, and nothing about the address. */
static bool is_limit(const struct audit_ask *ask, const struct smtp_reply *reply)
{
	if (reply->code == 452)
		return ask->tried > 0;
	return reply->code / 100 == 4 &&
	       (strstr(reply->text, "too many") != NULL || strstr(reply->text, "too much") != NULL);
}

/* One reply to RCPT. RC_NOT_FOUND: what is asked in this group after it has no answer either, but goes on as it is. */
static enum rc judge_reply(struct audit_ask *ask, struct audit_question *question, const struct smtp_reply *reply,
                           struct why *why)
{
	char line[REPLY_MAX];

	smtp_reply_line(reply, line, sizeof line);
	if (reply->code / 100 == 3)
		return why_set(why, RC_INVALID, "\"%s\" is no answer to RCPT", line);
	if (reply->code == 421 || (is_limit(ask, reply) && reply->code != 452)) {
		why_set(why, RC_AGAIN, "%s", line);
		return RC_AGAIN;
	}
	if (is_limit(ask, reply)) {
		ask->per_transaction = ask->tried;
		return RC_NOT_FOUND;
	}
	ask->tried++;
	answer(ask, question, reply->code, line);
	return RC_OK;
}

static bool needs_utf8(const char *address)
{
	for (const char *at = address; *at != '\0'; at++)
		if ((unsigned char)*at >= 0x80)
			return true;
	return false;
}

/* How many of the questions go out at once: no more than may be refused, and one by one where the server hung up. */
static size_t group_size(const struct audit_ask *ask, const struct audit_question *questions, size_t count, bool utf8)
{
	int limit = AUDIT_ASK_ERRORS_MAX - ask->errors;
	size_t size = 1;

	if (!smtp_offers(ask->session, "PIPELINING") || ask->hangups > 0)
		return 1;
	if (limit > ask->per_transaction - ask->tried)
		limit = ask->per_transaction - ask->tried;
	while (size < count && size < (size_t)limit && needs_utf8(questions[size].address) == utf8)
		size++;
	return size;
}

static enum rc pace(struct audit_ask *ask, size_t size, struct why *why)
{
	int64_t wait = -mono_since(ask->due);
	enum rc rc = RC_OK;

	if (ask->spec.rate == 0)
		return RC_OK;
	if (wait > 0)
		rc = audit_ask_pause(ask, wait, why);
	ask->due = mono_add(wait > 0 ? ask->due : clock_mono(), (int64_t)size * 1000 / ask->spec.rate);
	return rc;
}

/* Sends a group of RCPTs and takes the replies. *done of the questions are answered. */
static enum rc ask_group(struct audit_ask *ask, struct audit_question *questions, size_t size, size_t *done,
                         struct why *why)
{
	struct smtp_reply reply = { 0 };
	enum rc verdict = pace(ask, size, why);

	if (verdict != RC_OK)
		return verdict;
	for (size_t i = 0; i < size; i++)
		smtp_put(ask->session, "RCPT TO:<%s>", questions[i].address);
	ask->recipients += (int)size;
	for (size_t i = 0; i < size && reply.code != 421; i++) {
		enum rc rc = smtp_take(ask->session, &reply, verdict == RC_OK ? why : NULL);
		if (rc != RC_OK) {
			ask->hangups += verdict == RC_OK;
			return verdict == RC_AGAIN ? put_off(ask, why) : judge_trouble(ask, rc, why);
		}
		ask->errors += reply.code / 100 != 2;
		if (verdict == RC_OK)
			verdict = judge_reply(ask, &questions[i], &reply, why);
		*done += verdict == RC_OK;
	}
	ask->hangups += reply.code == 421;
	if (verdict == RC_NOT_FOUND)
		return end_transaction(ask, why);
	return verdict == RC_AGAIN ? put_off(ask, why) : verdict;
}

/* One step: opens what must be open, asks a group from the front. */
static enum rc step(struct audit_ask *ask, struct audit_question *questions, size_t count, size_t *done,
                    struct why *why)
{
	bool utf8 = needs_utf8(questions[0].address);
	enum rc rc = open_session(ask, why);

	if (rc != RC_OK)
		return rc;
	if (utf8 && !smtp_offers(ask->session, "SMTPUTF8")) {
		answer(ask, &questions[0], AUDIT_ASK_NOT_ASKED, "the server doesn't offer SMTPUTF8");
		*done = 1;
		return RC_OK;
	}
	rc = begin_transaction(ask, utf8, why);
	if (rc != RC_OK)
		return rc;
	return ask_group(ask, questions, group_size(ask, questions, count, utf8), done, why);
}

/* After RC_AGAIN: waits, or gives up, or gives up on the one address that seems to be the reason. */
static enum rc wait_out(struct audit_ask *ask, struct audit_question *question, size_t *done, struct why *why)
{
	int64_t patience = ask->spec.smtp.timeout_ms - mono_since(ask->progress);
	int64_t wait = ask->backoff_ms < patience ? ask->backoff_ms : patience;

	if (patience <= 0)
		return why_set(why, RC_AGAIN, "it has put us off for too long: %s", ask->last_words.text);
	if (ask->hangups >= HANGUPS_MAX) {
		question->code = 421;
		question->reply = mem_strdup(ask->last_words.text);
		ask->hangups = 0;
		*done = 1;
	}
	ask->backoff_ms = ask->backoff_ms * 2 < BACKOFF_MAX_MS ? ask->backoff_ms * 2 : BACKOFF_MAX_MS;
	ask->spec.on_wait(ask->spec.context, ask->last_words.text);
	return audit_ask_pause(ask, wait, why);
}

enum rc audit_ask(struct audit_ask *ask, struct audit_question *questions, size_t count, bool apart, struct why *why)
{
	int per_transaction = ask->per_transaction;
	enum rc rc = RC_OK;

	if (apart) {
		end_session(ask);
		ask->per_transaction = 1;
	}
	ask->progress = clock_mono();
	ask->hangups = 0;
	for (size_t at = 0; at < count && rc == RC_OK; ) {
		size_t done = 0;
		rc = step(ask, questions + at, count - at, &done, why);
		if (rc == RC_AGAIN) {
			at += done;
			done = 0;
			rc = at < count ? wait_out(ask, &questions[at], &done, why) : RC_OK;
		}
		at += done;
	}
	if (apart)
		ask->per_transaction = per_transaction;
	return rc;
}
