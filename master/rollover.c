/* rollover.c: see rollover.h.
 *
 * The word on the keys is made anew only when it says something else, and each time with a later date than before,
 * whatever the clock does: replicas take an earlier one for a replay, and write down what is new. */
#include "master/rollover.h"

#include "common/log.h"
#include "common/mem.h"
#include "master/rollover_file.h"

#include <stdlib.h>
#include <string.h>

struct rollover {
	struct loop *loop;
	struct rollover_spec spec;       /* its paths aren't used: */
	char *path;
	char *next_path;
	char *file_path;
	struct rollover_file file;       /* the word, and who keeps it */
	struct why trouble;              /* with the identities */
	struct why unsaved;              /* with our own file */
	struct identity *fresh;          /* to be switched to at the end of this turn */
	struct timer turn;
	struct control_request *waiting; /* for that */
};

static void save(struct rollover *rollover)
{
	struct why why;
	if (rollover_file_save(rollover->file_path, &rollover->file, &why) == RC_OK) {
		rollover->unsaved.text[0] = '\0';
		return;
	}
	/* It counts all the same: should it be forgotten, the replicas show it. */
	if (strcmp(rollover->unsaved.text, why.text) != 0)
		log_error("what is said of the keys can't be remembered: %s", why.text);
	rollover->unsaved = why;
}

/* A new word on the keys. */
static void say(struct rollover *rollover, const struct pubkey *next)
{
	struct wall time = clock_wall();
	if (time.ms <= rollover->file.word.time.ms)
		time.ms = rollover->file.word.time.ms + 1;
	const struct handover word = handover_make(rollover->spec.identity, next, time);
	if (!handover_agrees(&word, &rollover->file.word))
		rollover->file.kept_count = 0;
	rollover->file.word = word;
	save(rollover);
}

static void announce(struct rollover *rollover)
{
	rollover->spec.announce(rollover->spec.context, &rollover->file.word);
}

/* ---- the files ---- */

static void set_trouble(struct rollover *rollover, const struct why *why)
{
	if (why && strcmp(why->text, rollover->trouble.text) != 0)
		log_warn("%s", why->text);
	if (why)
		rollover->trouble = *why;
	else
		rollover->trouble.text[0] = '\0';
}

static void take_back(struct rollover *rollover)
{
	if (!rollover->file.word.announced)
		return;
	say(rollover, NULL);
	log_info("the next key is taken back");
	announce(rollover);
}

static void take_next(struct rollover *rollover, const struct pubkey *next)
{
	const struct handover *word = &rollover->file.word;
	char key[PUBKEY_TEXT_MAX];
	if (word->announced && pubkey_equal(&word->next, next))
		return;
	say(rollover, next);
	pubkey_format(next, key);
	log_info("the next key is announced: %s", key);
	announce(rollover);
}

/* The present identity is still ours. */
static void look_at_next(struct rollover *rollover, const struct identity *next, enum rc rc, struct why *why)
{
	set_trouble(rollover, NULL);
	if (rc == RC_NOT_FOUND) {
		take_back(rollover);
	} else if (rc != RC_OK) {
		set_trouble(rollover, why);
	} else if (handover_shares(&rollover->file.word.present, identity_public(next))) {
		(void)why_set(why, RC_INVALID, "%s has the key that is in use, or a half of it: take it back with "
		              "`rxfer rotate-key --cancel`", rollover->next_path);
		set_trouble(rollover, why);
	} else {
		take_next(rollover, identity_public(next));
	}
}

static void on_turn(void *context);

void rollover_look(struct rollover *rollover)
{
	struct identity *next = NULL, *present = NULL;
	struct why why, next_why;
	const struct handover *word = &rollover->file.word;
	if (rollover->fresh)
		return;
	/* In this order: the next one may be renamed to the present one at any moment, and mustn't be missed twice. */
	enum rc next_rc = identity_load(rollover->next_path, &next, &next_why);
	if (identity_load(rollover->path, &present, &why) != RC_OK) {
		set_trouble(rollover, &why);
	} else if (pubkey_equal(identity_public(present), &word->present)) {
		look_at_next(rollover, next, next_rc, &next_why);
	} else if (word->announced && pubkey_equal(identity_public(present), &word->next)) {
		set_trouble(rollover, NULL);
		rollover->fresh = present;
		present = NULL;
		loop_defer(rollover->loop, &rollover->turn, on_turn, rollover);
	} else {
		(void)why_set(&why, RC_REFUSED, "%s has another key than this daemon runs with, and one that wasn't announced: to "
		              "use it, restart the daemon", rollover->path);
		set_trouble(rollover, &why);
	}
	identity_free(&next);
	identity_free(&present);
}

/* ---- the switch ---- */

bool rollover_switching(struct rollover *rollover, struct control_request *request)
{
	if (!rollover->fresh)
		return false;
	if (request && rollover->waiting)
		control_refuse(rollover->waiting, "somebody else asks for the same just now");
	if (request)
		rollover->waiting = request;
	return true;
}

static void on_turn(void *context)
{
	struct rollover *rollover = context;
	const struct identity *identity = rollover->fresh;
	char key[PUBKEY_TEXT_MAX];
	pubkey_format(identity_public(identity), key);
	log_info("the key that was announced is switched to: %s", key);
	if (!rollover->spec.renew(rollover->spec.context, &rollover->fresh))
		return;
	rollover->spec.identity = identity;
	say(rollover, NULL);
	announce(rollover);
	if (rollover->waiting) {
		char *line = mem_sprintf("the new key is in use: %s", key);
		control_reply(rollover->waiting, line, strlen(line));
		free(line);
		rollover->waiting = NULL;
	}
	rollover_look(rollover);
}

/* ---- what replicas answer ---- */

/* By the half that is proved: of a replica's key the configuration may not have more. */
bool rollover_has(const struct rollover *rollover, const struct pubkey *replica)
{
	for (size_t i = 0; i < rollover->file.kept_count; i++)
		if (memcmp(rollover->file.kept[i].transport, replica->transport, sizeof(replica->transport)) == 0)
			return true;
	return false;
}

static void add_kept(struct rollover *rollover, const struct pubkey *replica)
{
	struct rollover_file *file = &rollover->file;
	if (rollover_has(rollover, replica) || file->kept_count >= ROLLOVER_KEPT_MAX)
		return;
	file->kept = mem_realloc(file->kept, file->kept_count + 1, sizeof(*file->kept));
	file->kept[file->kept_count++] = *replica;
	save(rollover);
}

void rollover_kept(struct rollover *rollover, const struct pubkey *replica, const struct handover *shown)
{
	struct handover *word = &rollover->file.word;
	bool agrees = handover_agrees(shown, word);
	bool later = shown->time.ms > word->time.ms || (!agrees && shown->time.ms == word->time.ms);
	if (!pubkey_equal(&shown->present, &word->present) || shown->time.ms == INT64_MAX || !handover_verify(shown))
		return;
	if (later) {
		log_warn("a replica keeps a later word on our keys than is known here: the state here is an old copy, or was "
		         "lost; ours is dated after it");
		const struct pubkey next = word->next;
		bool announced = word->announced;
		word->time = shown->time;
		say(rollover, announced ? &next : NULL);
		announce(rollover);
	}
	if (agrees)
		add_kept(rollover, replica);
}

/* ---- beginning and end ---- */

static void recall(struct rollover *rollover)
{
	struct why why;
	enum rc rc = rollover_file_load(rollover->file_path, &rollover->file, &why);
	if (rc != RC_OK && rc != RC_NOT_FOUND)
		log_error("%s; who keeps the next key is found out anew", why.text);
	if (rc == RC_OK && pubkey_equal(&rollover->file.word.present, identity_public(rollover->spec.identity)) &&
	    handover_verify(&rollover->file.word))
		return;
	say(rollover, NULL);
}

struct rollover *rollover_new(struct loop *loop, const struct rollover_spec *spec)
{
	struct rollover *rollover = mem_zalloc(sizeof(*rollover));
	rollover->loop = loop;
	rollover->spec = *spec;
	rollover->path = mem_strdup(spec->identity_path);
	rollover->next_path = mem_sprintf("%s" ROLLOVER_NEXT, spec->identity_path);
	rollover->file_path = mem_sprintf("%s/rollover", spec->state);
	recall(rollover);
	announce(rollover);
	rollover_look(rollover);
	return rollover;
}

void rollover_free(struct rollover **handle)
{
	struct rollover *rollover = *handle;
	if (!rollover)
		return;
	loop_timer_clear(rollover->loop, &rollover->turn);
	identity_free(&rollover->fresh);
	rollover_file_free(&rollover->file);
	free(rollover->path);
	free(rollover->next_path);
	free(rollover->file_path);
	free(rollover);
	*handle = NULL;
}

const struct handover *rollover_word(const struct rollover *rollover)
{
	return &rollover->file.word;
}

const char *rollover_trouble(const struct rollover *rollover)
{
	return rollover->trouble.text[0] ? rollover->trouble.text : rollover->unsaved.text;
}
