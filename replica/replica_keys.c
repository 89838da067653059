/* replica_keys.c: see replica_keys.h.
 *
 * Specs of masters and sessions point into the array of the trust, whose contents change when a master's keys do: then
 * the numbers in the specs are set anew, and the link is told. */
#include "replica/replica_keys.h"

#include "common/log.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

static void use(struct replica *replica, size_t index)
{
	struct replica_conf *conf = replica->conf;
	struct master_spec *master = &conf->masters[index];
	master->keys = trust_keys(replica->trusts[index], &master->key_count);
	for (size_t i = 0; i < conf->zone_count; i++) {
		if (strcmp(conf->zones[i].master, master->name) != 0)
			continue;
		conf->zones[i].session.keys = master->keys;
		conf->zones[i].session.key_count = master->key_count;
	}
}

void replica_keys_open(struct replica *replica)
{
	const struct replica_conf *conf = replica->conf;
	for (size_t i = 0; i < conf->master_count; i++) {
		const struct master_spec *master = &conf->masters[i];
		char *path = mem_sprintf("%s/%s", conf->keys_folder, master->name);
		replica->trusts[i] = trust_open(path, master->keys, master->key_count);
		free(path);
		use(replica, i);
	}
}

void replica_keys_settle(struct replica *replica)
{
	struct why why;
	for (size_t i = 0; i < replica->conf->master_count; i++) {
		const char *name = replica->conf->masters[i].name;
		if (trust_trouble(replica->trusts[i])[0])
			log_error("master \"%s\": %s", name, trust_trouble(replica->trusts[i]));
		if (trust_settle(replica->trusts[i], &why) != RC_OK)
			log_error("master \"%s\": %s", name, why.text);
	}
}

void replica_keys_close(struct replica *replica)
{
	for (size_t i = 0; replica->trusts && i < replica->conf->master_count; i++)
		trust_free(&replica->trusts[i]);
	free(replica->trusts);
	replica->trusts = NULL;
}

/* ---- KEYS ---- */

static void tell_news(const struct master *master, const struct trust *trust, const struct handover *word)
{
	char key[PUBKEY_TEXT_MAX];
	struct trust_status status = trust_status(trust);
	const char *name = master_spec(master)->name;
	if (status.changed) {
		pubkey_format(status.changed, key);
		log_info("master \"%s\": it has a new key, announced by the former one, which isn't believed any more; in the "
		         "configuration, when convenient: keys = { \"%s\" }", name, key);
	}
	if (word->announced) {
		pubkey_format(&word->next, key);
		log_info("master \"%s\": it announces its next key: %s; kept", name, key);
	}
}

/* What is kept here of that key: the master may compare. */
static void answer(struct master *master, const struct trust *trust, const struct pubkey *present)
{
	const struct handover *word = trust_word(trust, present);
	if (!word)
		return;
	const struct message message = {.type = MESSAGE_KEPT, .handover = *word};
	struct buf bytes = {.data = NULL};
	message_encode(&bytes, &message);
	if (master_send(master, bytes.data, bytes.length) != RC_OK)
		log_debug("master \"%s\": KEPT couldn't be sent", master_spec(master)->name);
	buf_free(&bytes);
}

enum rc replica_keys_heard(struct replica *replica, struct master *master, const struct handover *word,
                           struct why *why)
{
	size_t index = 0;
	while (replica->masters[index] != master)
		index++;
	struct trust *trust = replica->trusts[index];
	enum trust_verdict verdict = trust_hear(trust, word, why);
	switch (verdict) {
	case TRUST_NEWS:
		use(replica, index);
		tell_news(master, trust, word);
		master_keys_changed(master);
		break;
	case TRUST_LATER:
		return why_prepend(why, RC_IO, "master \"%s\": what it says of its keys can't be kept",
		                   master_spec(master)->name);
	case TRUST_KNOWN:
	case TRUST_REFUSED:
		break;
	}
	answer(master, trust, &word->present);
	return verdict == TRUST_REFUSED ? why_prepend(why, RC_REFUSED, "master \"%s\"", master_spec(master)->name) : RC_OK;
}
