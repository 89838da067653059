/* reading.c: records collected in the order in which they come, and found by fingerprint.
 *
 * Three parts: all the encodings one behind the other, where each begins, and an open-addressed table from fingerprint
 * to number. Beside the text that is 28 to 36 bytes a record. The table makes a duplicate free (the domain of ten
 * thousand recipients is one record), and stays right when the set is sorted, because a hit is proved by
 * hashing the record's text again. */
#include "master/reading.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 1024u
#define TYPES (RECORD_PARAM + 1)

struct reading {
	uint8_t key[RECORD_HASH_KEY_BYTES];
	struct fpset set;              /* [i] is record i's until it's sealed */
	struct buf texts;
	uint32_t *begins;              /* [i]: where record i is in texts */
	uint32_t *slots;               /* 0: free, else a record's number + 1; a power of two */
	size_t begins_capacity;
	size_t slot_count;
	size_t count;
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

static void put_slot(struct reading *reading, const struct fingerprint *print, size_t number)
{
	size_t slot = (size_t)print->low & (reading->slot_count - 1);
	while (reading->slots[slot] != 0)
		slot = (slot + 1) & (reading->slot_count - 1);
	reading->slots[slot] = (uint32_t)(number + 1);
}

/* At most half full. */
static void grow_slots(struct reading *reading)
{
	if (reading->count * 2 < reading->slot_count)
		return;
	free(reading->slots);
	reading->slot_count *= 2;
	reading->slots = mem_zalloc(reading->slot_count * sizeof(uint32_t));
	for (size_t i = 0; i < reading->count; i++)
		put_slot(reading, &reading->set.at[i], i);
}

static bool has(const struct reading *reading, const struct fingerprint *print)
{
	size_t slot = (size_t)print->low & (reading->slot_count - 1);
	for (; reading->slots[slot] != 0; slot = (slot + 1) & (reading->slot_count - 1))
		if (fingerprint_compare(&reading->set.at[reading->slots[slot] - 1], print) == 0)
			return true;
	return false;
}

void reading_only(struct reading *reading, const struct fpset *wanted)
{
	reading->only = wanted;
}

bool reading_empty(const struct reading *reading)
{
	return reading->count == 0;
}

enum rc reading_add(struct reading *reading, const struct record *record, struct why *why)
{
	assert(!reading->sealed);
	struct fingerprint print = record_fingerprint(reading->key, record);
	if (reading->only && !fpset_has(reading->only, &print))
		return RC_OK;
	if (has(reading, &print))
		return RC_OK;
	/* Begins are 32 bits wide. */
	if (reading->texts.length > UINT32_MAX - (RECORD_KEY_MAX + RECORD_VALUE_MAX + 16))
		return why_set(why, RC_LIMIT, "more than 4 GiB of addresses in one source");
	if (reading->count == reading->begins_capacity) {
		reading->begins_capacity = reading->begins_capacity ? reading->begins_capacity * 2 : SLOTS_FIRST;
		reading->begins = mem_realloc(reading->begins, reading->begins_capacity, sizeof(uint32_t));
	}
	grow_slots(reading);
	reading->begins[reading->count] = (uint32_t)reading->texts.length;
	record_encode(&reading->texts, record);
	fpset_append(&reading->set, print);
	put_slot(reading, &print, reading->count);
	reading->count++;
	reading->counts[record->type]++;
	return RC_OK;
}

void reading_seal(struct reading *reading)
{
	assert(!reading->sealed);
	reading->sealed = true;
	fpset_seal(&reading->set);
}

const struct fpset *reading_set(const struct reading *reading)
{
	assert(reading->sealed);
	return &reading->set;
}

bool reading_find(const struct reading *reading, const struct fingerprint *print, struct record *out)
{
	assert(reading->sealed);
	size_t slot = (size_t)print->low & (reading->slot_count - 1);
	for (; reading->slots[slot] != 0; slot = (slot + 1) & (reading->slot_count - 1)) {
		struct record record = record_at(reading, reading->slots[slot] - 1);
		struct fingerprint found = record_fingerprint(reading->key, &record);
		if (fingerprint_compare(&found, print) == 0) {
			*out = record;
			return true;
		}
	}
	return false;
}

uint64_t reading_count(const struct reading *reading, enum record_type type)
{
	return reading->counts[type];
}

void reading_take_set(struct reading **reading, struct fpset *out)
{
	assert((*reading)->sealed);
	*out = (*reading)->set;
	(*reading)->set = (struct fpset){0};
	reading_free(reading);
}
