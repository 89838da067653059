/* trust.c: see trust.h.
 *
 * Byte table of the file (numbers big-endian), made by file_replace:
 *     0  u8[8]    "rxferTK1"
 *     8  u16      number of successions
 *    10  each:    u8[32] and u8[32], the halves of the configured key that it began with; the newest statement that
 *                 was heard in it (handover.h), HANDOVER_BYTES
 *   at the end    u8[32] BLAKE2b-256 of all before
 * Successions in which nothing was said aren't in it; without any there is no file. A damaged file is told and not
 * used: the master says everything again on each connection, but a key that was given up is believed again until then. */
#include "replica/trust.h"

#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC_BYTES 8
#define ENTRY_BYTES (64 + HANDOVER_BYTES)
#define FILE_BYTES_MAX (MAGIC_BYTES + 2 + UINT16_MAX * ENTRY_BYTES + IDENTITY_HASH_BYTES)
/* Statements that can be new in a row, and one more each minute: an fsync each. */
#define NEWS_SAVED 10
#define NEWS_MS 60000

static const char magic[MAGIC_BYTES + 1] = "rxferTK1";
static const char magic_words[] = "rxferTK";

struct succession {
	struct pubkey root;          /* configured */
	bool spoken;
	struct handover word;        /* the newest; without one the root itself is the present key */
};

struct trust {
	char *path;
	struct succession *at;       /* for each configured key */
	size_t count;
	struct pubkey *keys;         /* room for two of each */
	size_t key_count;
	struct why trouble;
	struct mono news_full;       /* when as many statements as can be saved are allowed again */
	struct buf on_disk;
};

static const struct pubkey *present_of(const struct succession *succession)
{
	return succession->spoken ? &succession->word.present : &succession->root;
}

static bool believed(const struct trust *trust, const struct pubkey *key)
{
	for (size_t i = 0; i < trust->key_count; i++)
		if (pubkey_equal(&trust->keys[i], key))
			return true;
	return false;
}

static void believe(struct trust *trust, const struct pubkey *key)
{
	if (!believed(trust, key))
		trust->keys[trust->key_count++] = *key;
}

static void gather(struct trust *trust)
{
	trust->key_count = 0;
	for (size_t i = 0; i < trust->count; i++)
		believe(trust, present_of(&trust->at[i]));
	for (size_t i = 0; i < trust->count; i++)
		if (trust->at[i].spoken && trust->at[i].word.announced)
			believe(trust, &trust->at[i].word.next);
}

/* ---- the file ---- */

static void put_key(struct buf *out, const struct pubkey *key)
{
	buf_put(out, key->sign, sizeof(key->sign));
	buf_put(out, key->transport, sizeof(key->transport));
}

/* Nothing when there is nothing to remember. */
static void encode(struct buf *out, const struct succession *at, size_t count)
{
	uint8_t hash[IDENTITY_HASH_BYTES];
	uint16_t spoken = 0;
	for (size_t i = 0; i < count; i++)
		spoken = (uint16_t)(spoken + at[i].spoken);
	if (spoken == 0)
		return;
	buf_put(out, magic, MAGIC_BYTES);
	buf_put_u16(out, spoken);
	for (size_t i = 0; i < count; i++) {
		if (!at[i].spoken)
			continue;
		put_key(out, &at[i].root);
		handover_encode(out, &at[i].word);
	}
	identity_hash(out->data, out->length, hash);
	buf_put(out, hash, sizeof(hash));
}

/* One entry of the file to the successions that it is for: of the same root, or of a root that it has come to. */
static void adopt(struct trust *trust, const struct succession *entry)
{
	for (size_t i = 0; i < trust->count; i++) {
		struct succession *own = &trust->at[i];
		bool same = pubkey_equal(&own->root, &entry->root);
		bool arrived = !own->spoken && pubkey_equal(&own->root, &entry->word.present);
		if (!same && !arrived)
			continue;
		own->spoken = true;
		own->word = entry->word;
	}
}

static bool read_entries(struct trust *trust, struct cursor *in)
{
	uint16_t count = cursor_u16(in);
	bool good = cursor_left(in) == (size_t)count * ENTRY_BYTES;
	for (uint16_t i = 0; good && i < count; i++) {
		struct succession entry = {.spoken = true};
		cursor_copy(in, entry.root.sign, sizeof(entry.root.sign));
		cursor_copy(in, entry.root.transport, sizeof(entry.root.transport));
		good = handover_decode(in, &entry.word, NULL) == RC_OK && handover_verify(&entry.word);
		if (good)
			adopt(trust, &entry);
	}
	return good;
}

static enum rc decode(struct trust *trust, const struct buf *bytes, struct why *why)
{
	uint8_t hash[IDENTITY_HASH_BYTES];
	size_t words = strlen(magic_words);
	if (bytes->length >= MAGIC_BYTES && memcmp(bytes->data, magic_words, words) == 0 &&
	    bytes->data[words] > (uint8_t)magic[words] && bytes->data[words] <= '9')
		return why_set(why, RC_UNSUPPORTED, "%s was written by a newer rxfer; the configured keys alone are believed",
		               trust->path);
	bool good = bytes->length > MAGIC_BYTES + sizeof(hash) && memcmp(bytes->data, magic, MAGIC_BYTES) == 0;
	if (good) {
		size_t length = bytes->length - sizeof(hash);
		identity_hash(bytes->data, length, hash);
		struct cursor in = cursor_over(bytes->data + MAGIC_BYTES, length - MAGIC_BYTES);
		good = memcmp(hash, bytes->data + length, sizeof(hash)) == 0 && read_entries(trust, &in);
	}
	if (!good)
		return why_set(why, RC_DAMAGED, "%s is damaged; the configured keys alone are believed until the master says "
		               "its keys again", trust->path);
	return RC_OK;
}

static void load(struct trust *trust)
{
	struct why why;
	enum rc rc = file_read(trust->path, FILE_BYTES_MAX, &trust->on_disk, &why);
	if (rc == RC_NOT_FOUND)
		return;
	if (rc == RC_OK)
		rc = decode(trust, &trust->on_disk, &why);
	if (rc == RC_OK)
		return;
	for (size_t i = 0; i < trust->count; i++)
		trust->at[i].spoken = false;
	trust->trouble = why;
}

static enum rc save(struct trust *trust, const struct succession *at, struct why *why)
{
	struct buf bytes = {.data = NULL};
	enum rc rc = RC_OK;
	encode(&bytes, at, trust->count);
	if (bytes.length > 0)
		rc = file_replace(trust->path, 0600, bytes.data, bytes.length, why);
	else if (unlink(trust->path) != 0 && errno != ENOENT)
		rc = file_fail(why, "can't remove", trust->path);
	else
		rc = file_sync_folder(trust->path, why);
	if (rc != RC_OK) {
		buf_free(&bytes);
		return rc;
	}
	buf_free(&trust->on_disk);
	trust->on_disk = bytes;
	trust->trouble.text[0] = '\0';
	return RC_OK;
}

/* ---- beginning and end ---- */

struct trust *trust_open(const char *path, const struct pubkey *configured, size_t count)
{
	struct trust *trust = mem_zalloc(sizeof(*trust));
	trust->path = mem_strdup(path);
	trust->count = count;
	trust->at = mem_zalloc(count * sizeof(*trust->at));
	trust->keys = mem_zalloc(2 * count * sizeof(*trust->keys));
	for (size_t i = 0; i < count; i++)
		trust->at[i].root = configured[i];
	load(trust);
	gather(trust);
	return trust;
}

void trust_free(struct trust **handle)
{
	struct trust *trust = *handle;
	if (!trust)
		return;
	buf_free(&trust->on_disk);
	free(trust->path);
	free(trust->at);
	free(trust->keys);
	free(trust);
	*handle = NULL;
}

enum rc trust_settle(struct trust *trust, struct why *why)
{
	struct buf wanted = {.data = NULL};
	enum rc rc = RC_OK;
	encode(&wanted, trust->at, trust->count);
	bool same = wanted.length == trust->on_disk.length &&
	            (wanted.length == 0 || memcmp(wanted.data, trust->on_disk.data, wanted.length) == 0);
	buf_free(&wanted);
	/* What can't be read stays for people to look at, until the master has said its keys. */
	if (!same && !trust->trouble.text[0])
		rc = save(trust, trust->at, why);
	return rc;
}

/* ---- what a master says ---- */

enum place { ELSEWHERE, STALE, SAME, NEXT };

static enum place place_of(const struct succession *succession, const struct handover *word)
{
	const struct handover *last = &succession->word;
	if (pubkey_equal(&word->present, present_of(succession))) {
		if (!succession->spoken || word->time.ms > last->time.ms)
			return NEXT;
		return word->time.ms == last->time.ms && handover_agrees(word, last) ? SAME : STALE;
	}
	if (succession->spoken && last->announced && pubkey_equal(&word->present, &last->next))
		return word->time.ms > last->time.ms ? NEXT : STALE;
	return ELSEWHERE;
}

/* Whoever has a master's key may say something new as often as he likes, but not have it written as often. */
static bool allowed(struct trust *trust)
{
	int64_t owed = -mono_since(trust->news_full);
	if (owed > (int64_t)(NEWS_SAVED - 1) * NEWS_MS)
		return false;
	trust->news_full = mono_add(owed > 0 ? trust->news_full : clock_mono(), NEWS_MS);
	return true;
}

static enum trust_verdict refuse(struct why *why, const char *sentence)
{
	(void)why_set(why, RC_REFUSED, "%s", sentence);
	return TRUST_REFUSED;
}

static enum trust_verdict keep(struct trust *trust, const struct handover *word, struct why *why)
{
	if (!allowed(trust))
		return refuse(why, "it says something new of its keys too often");
	struct succession *fresh = mem_zalloc(trust->count * sizeof(*fresh));
	memcpy(fresh, trust->at, trust->count * sizeof(*fresh));
	for (size_t i = 0; i < trust->count; i++) {
		if (place_of(&fresh[i], word) != NEXT)
			continue;
		fresh[i].spoken = true;
		fresh[i].word = *word;
	}
	if (save(trust, fresh, why) != RC_OK) {
		free(fresh);
		return TRUST_LATER;
	}
	free(trust->at);
	trust->at = fresh;
	gather(trust);
	return TRUST_NEWS;
}

enum trust_verdict trust_hear(struct trust *trust, const struct handover *word, struct why *why)
{
	enum place best = ELSEWHERE;
	for (size_t i = 0; i < trust->count; i++) {
		enum place place = place_of(&trust->at[i], word);
		best = place > best ? place : best;
	}
	if (best == ELSEWHERE)
		return refuse(why, "it says of its keys what none of the keys has signed that are believed");
	if (!handover_verify(word))
		return refuse(why, "what it says of its keys has a bad signature");
	if (best == STALE)
		return refuse(why, "what it says of its keys is older than what it said before: a replay, or a master restored "
		              "from an old copy");
	return best == SAME ? TRUST_KNOWN : keep(trust, word, why);
}

/* ---- questions ---- */

const struct pubkey *trust_keys(const struct trust *trust, size_t *count)
{
	*count = trust->key_count;
	return trust->keys;
}

const struct handover *trust_word(const struct trust *trust, const struct pubkey *present)
{
	for (size_t i = 0; i < trust->count; i++)
		if (trust->at[i].spoken && pubkey_equal(&trust->at[i].word.present, present))
			return &trust->at[i].word;
	return NULL;
}

static bool configured(const struct trust *trust, const struct pubkey *key)
{
	for (size_t i = 0; i < trust->count; i++)
		if (pubkey_equal(&trust->at[i].root, key))
			return true;
	return false;
}

struct trust_status trust_status(const struct trust *trust)
{
	struct trust_status status = {.changed = NULL};
	for (size_t i = 0; i < trust->count; i++) {
		const struct succession *succession = &trust->at[i];
		if (!succession->spoken)
			continue;
		if (!status.changed && !configured(trust, &succession->word.present))
			status.changed = &succession->word.present;
		if (!status.announced && succession->word.announced)
			status.announced = &succession->word;
	}
	return status;
}

const char *trust_trouble(const struct trust *trust)
{
	return trust->trouble.text;
}
