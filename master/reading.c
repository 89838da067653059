/* reading.c: records collected in the order in which they come, and found by fingerprint once they are sorted.
 *
 * Three parts: all the encodings one behind the other, where each begins, and the fingerprints; the last two are sorted
 * together, in place. Beside the text that is 20 bytes a record.
 *
 * A duplicate is found by sorting. Only of records that aren't recipients it's found at once, in a table: the domain of
 * ten thousand recipients is one record, and would otherwise be collected ten thousand times. */
#include "master/reading.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 1024u
#define BEGINS_FIRST 1024u
#define TYPES (RECORD_PARAM + 1)

/* A record's encoding in the texts. */
struct piece {
	size_t begin;
	size_t length;
};

struct reading {
	uint8_t key[RECORD_HASH_KEY_BYTES];
	struct fpset set;              /* [i] is record i's until it's sealed */
	struct buf texts;
	uint32_t *begins;              /* [i]: where the record of set.at[i] is in texts */
	size_t begins_capacity;
	uint32_t *slots;               /* of all but recipients. 0: free, else a record's number + 1; a power of two */
	size_t slot_count;
	struct piece last[TYPES];      /* the newest of each type, as most are like the one before */
	uint64_t counts[TYPES];
	bool sealed;
	const struct fpset *only;      /* NULL: all */
};

struct reading *reading_new(const uint8_t key[RECORD_HASH_KEY_BYTES])
{
	struct reading *reading = mem_zalloc(sizeof(*reading));
	memcpy(reading->key, key, sizeof(reading->key));
	reading->slot_count = SLOTS_FIRST;
	reading->slots = mem_zalloc(SLOTS_FIRST * sizeof(uint32_t));
	return reading;
}

void reading_free(struct reading **handle)
{
	struct reading *reading = *handle;
	if (!reading)
		return;
	fpset_free(&reading->set);
	buf_free(&reading->texts);
	free(reading->begins);
	free(reading->slots);
	free(reading);
	*handle = NULL;
}

static struct record record_at(const struct reading *reading, size_t number)
{
	struct cursor in = cursor_over(reading->texts.data + reading->begins[number],
	                               reading->texts.length - reading->begins[number]);
	struct record record = {0};
	enum rc rc = record_decode(&in, &record, NULL);
	assert(rc == RC_OK);
	(void)rc;
	return record;
}

/* The slot of that record, or the free one where it belongs. */
static uint32_t *find_slot(const struct reading *reading, const struct fingerprint *print)
{
	size_t slot = (size_t)print->low & (reading->slot_count - 1);
	while (reading->slots[slot] != 0 &&
	       fingerprint_compare(&reading->set.at[reading->slots[slot] - 1], print) != 0)
		slot = (slot + 1) & (reading->slot_count - 1);
	return &reading->slots[slot];
}

/* At most half full. */
static void grow_slots(struct reading *reading)
{
	if ((reading->counts[RECORD_DOMAIN] + reading->counts[RECORD_PARAM]) * 2 < reading->slot_count)
		return;
	uint32_t *old = reading->slots;
	size_t count = reading->slot_count;
	reading->slot_count *= 2;
	reading->slots = mem_zalloc(reading->slot_count * sizeof(uint32_t));
	for (size_t i = 0; i < count; i++)
		if (old[i] != 0)
			*find_slot(reading, &reading->set.at[old[i] - 1]) = old[i];
	free(old);
}

/* The texts end with this piece: is it what the last one of its type was? */
static bool like_last(const struct reading *reading, enum record_type type, struct piece piece)
{
	const struct piece *last = &reading->last[type];
	return last->length == piece.length &&
	       memcmp(reading->texts.data + last->begin, reading->texts.data + piece.begin, piece.length) == 0;
}

/* Whether a record other than a recipient is there already; if not, it's noted that it will be. */
static bool is_twin(struct reading *reading, enum record_type type, const struct fingerprint *print)
{
	grow_slots(reading);
	uint32_t *slot = find_slot(reading, print);
	if (*slot == 0) {
		*slot = (uint32_t)(reading->set.count + 1);
		return false;
	}
	reading->last[type].begin = reading->begins[*slot - 1];
	return true;
}

static void put_begin(struct reading *reading, size_t begin)
{
	if (reading->set.count == reading->begins_capacity) {
		reading->begins_capacity = reading->begins_capacity ? reading->begins_capacity * 2 : BEGINS_FIRST;
		reading->begins = mem_realloc(reading->begins, reading->begins_capacity, sizeof(uint32_t));
	}
	reading->begins[reading->set.count] = (uint32_t)begin;
}

/* Whether the piece is to be taken: it's wanted, and not there already as far as is known. */
static bool is_new(struct reading *reading, enum record_type type, struct piece piece, struct fingerprint *print)
{
	if (like_last(reading, type, piece))
		return false;
	*print = record_fingerprint_encoded(reading->key, reading->texts.data + piece.begin, piece.length);
	if (reading->only && !fpset_has(reading->only, print))
		return false;
	reading->last[type] = piece;
	return type == RECORD_RCPT || !is_twin(reading, type, print);
}

void reading_only(struct reading *reading, const struct fpset *wanted)
{
	reading->only = wanted;
}

bool reading_empty(const struct reading *reading)
{
	return reading->counts[RECORD_RCPT] + reading->counts[RECORD_DOMAIN] + reading->counts[RECORD_PARAM] == 0;
}

enum rc reading_add(struct reading *reading, const struct record *record, struct why *why)
{
	assert(!reading->sealed);
	struct piece piece = {.begin = reading->texts.length};
	/* Begins are 32 bits wide. */
	if (piece.begin > UINT32_MAX - (RECORD_KEY_MAX + RECORD_VALUE_MAX + 16))
		return why_set(why, RC_LIMIT, "more than 4 GiB of addresses in one source");
	record_encode(&reading->texts, record);
	piece.length = reading->texts.length - piece.begin;
	struct fingerprint print;
	if (!is_new(reading, record->type, piece, &print)) {
		reading->texts.length = piece.begin;
		return RC_OK;
	}
	put_begin(reading, piece.begin);
	fpset_append(&reading->set, print);
	reading->counts[record->type]++;
	return RC_OK;
}

void reading_seal(struct reading *reading)
{
	assert(!reading->sealed);
	reading->sealed = true;
	free(reading->slots);
	reading->slots = NULL;
	fpset_seal_tagged(&reading->set, reading->begins);
	reading->counts[RECORD_RCPT] = reading->set.count - reading->counts[RECORD_DOMAIN] - reading->counts[RECORD_PARAM];
}

const struct fpset *reading_set(const struct reading *reading)
{
	assert(reading->sealed);
	return &reading->set;
}

bool reading_find(const struct reading *reading, const struct fingerprint *print, struct record *out)
{
	assert(reading->sealed);
	size_t number = fpset_find(&reading->set, print);
	if (number == reading->set.count)
		return false;
	*out = record_at(reading, number);
	return true;
}

uint64_t reading_count(const struct reading *reading, enum record_type type)
{
	assert(reading->sealed);
	return reading->counts[type];
}

void reading_take_set(struct reading **reading, struct fpset *out)
{
	assert((*reading)->sealed);
	*out = (*reading)->set;
	(*reading)->set = (struct fpset){0};
	reading_free(reading);
}
