/* reading.c: records collected in the order in which they come, and found by fingerprint once they are sorted.
 *
 * Three parts: all the encodings one behind the other, where each begins, and the fingerprints. The last two are thrown
 * into bins by their first bits as they come, and sealing sorts one bin after the other into the set: each fits the
 * processor's cache, and others can have their turn in between. A sealed reading takes 20 bytes a record beside the text,
 * twice that while it's sealed.
 *
 * A duplicate is found by sorting. Only of records that aren't recipients it's found at once, in a table: the domain of
 * ten thousand recipients is one record, and would otherwise be collected ten thousand times. */
#include "master/reading.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 1024u
#define BIN_BITS 8
#define BINS (1u << BIN_BITS)
#define CHUNK_RECORDS 64
#define SLAB_CHUNKS 128            /* large enough to go back to the system when it's freed (mem_give_back) */
#define SEAL_RECORDS 65536u        /* at a time */
#define TYPES (RECORD_PARAM + 1)

/* A record's encoding in the texts. */
struct piece {
	size_t begin;
	size_t length;
};

/* Of a record that isn't a recipient. */
struct slot {
	struct fingerprint print;
	uint32_t after;                /* where it begins in the texts, plus one; 0: the slot is free */
};

struct chunk {
	struct chunk *next;
	struct fingerprint prints[CHUNK_RECORDS];
	uint32_t begins[CHUNK_RECORDS];
};
struct slab {
	struct slab *next;
	size_t used;
	struct chunk chunks[SLAB_CHUNKS];
};
struct bin {
	struct chunk *chunks;          /* the newest first; all but that are full */
	size_t count;
};

struct reading {
	uint8_t key[RECORD_HASH_KEY_BYTES];
	struct buf texts;
	struct piece last[TYPES];      /* the newest of each type, as most are like the one before */
	struct slot *slots;            /* a power of two */
	size_t slot_count;
	uint64_t counts[TYPES];        /* of recipients with duplicates, until it's sealed */

	struct slab *slabs;            /* until it's sealed: where the chunks are */
	const struct fpset *only;      /* NULL: all */
	struct bin *bins;
	unsigned sealed_bins;
	struct fpset set;
	uint32_t *begins;              /* [i]: where the record of set.at[i] is in texts */
};

struct reading *reading_new(const uint8_t key[RECORD_HASH_KEY_BYTES])
{
	struct reading *reading = mem_zalloc(sizeof(*reading));
	memcpy(reading->key, key, sizeof(reading->key));
	reading->slot_count = SLOTS_FIRST;
	reading->slots = mem_zalloc(SLOTS_FIRST * sizeof(*reading->slots));
	reading->bins = mem_zalloc(BINS * sizeof(*reading->bins));
	return reading;
}

static void free_collected(struct reading *reading)
{
	while (reading->slabs) {
		struct slab *slab = reading->slabs;
		reading->slabs = slab->next;
		free(slab);
	}
	free(reading->bins);
	free(reading->slots);
	reading->bins = NULL;
	reading->slots = NULL;
}

void reading_free(struct reading **handle)
{
	struct reading *reading = *handle;
	if (!reading)
		return;
	free_collected(reading);
	fpset_free(&reading->set);
	buf_free(&reading->texts);
	free(reading->begins);
	free(reading);
	*handle = NULL;
}

static bool is_sealed(const struct reading *reading)
{
	return reading->bins == NULL;
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

/* ---- Collecting ---- */

/* The slot of that record, or the free one where it belongs. */
static struct slot *find_slot(const struct reading *reading, const struct fingerprint *print)
{
	size_t at = (size_t)print->low & (reading->slot_count - 1);
	while (reading->slots[at].after != 0 && fingerprint_compare(&reading->slots[at].print, print) != 0)
		at = (at + 1) & (reading->slot_count - 1);
	return &reading->slots[at];
}

/* At most half full. */
static void grow_slots(struct reading *reading)
{
	if ((reading->counts[RECORD_DOMAIN] + reading->counts[RECORD_PARAM]) * 2 < reading->slot_count)
		return;
	struct slot *old = reading->slots;
	size_t count = reading->slot_count;
	reading->slot_count *= 2;
	reading->slots = mem_zalloc(reading->slot_count * sizeof(*reading->slots));
	for (size_t i = 0; i < count; i++)
		if (old[i].after != 0)
			*find_slot(reading, &old[i].print) = old[i];
	free(old);
}

/* The texts end with this piece: is it what the last one of its type was? */
static bool is_like_last(const struct reading *reading, enum record_type type, struct piece piece)
{
	const struct piece *last = &reading->last[type];
	return last->length == piece.length &&
	       memcmp(reading->texts.data + last->begin, reading->texts.data + piece.begin, piece.length) == 0;
}

/* Whether a record other than a recipient is there already; if not, it's noted that it will be. */
static bool is_twin(struct reading *reading, enum record_type type, const struct fingerprint *print, size_t begin)
{
	grow_slots(reading);
	struct slot *slot = find_slot(reading, print);
	if (slot->after == 0) {
		*slot = (struct slot){*print, (uint32_t)begin + 1};
		return false;
	}
	reading->last[type].begin = slot->after - 1;
	return true;
}

static struct chunk *new_chunk(struct reading *reading)
{
	if (!reading->slabs || reading->slabs->used == SLAB_CHUNKS) {
		struct slab *slab = mem_alloc(sizeof(*slab));
		slab->next = reading->slabs;
		slab->used = 0;
		reading->slabs = slab;
	}
	return &reading->slabs->chunks[reading->slabs->used++];
}

static void collect(struct reading *reading, const struct fingerprint *print, size_t begin)
{
	struct bin *bin = &reading->bins[print->high >> (64 - BIN_BITS)];
	size_t at = bin->count++ % CHUNK_RECORDS;
	if (at == 0) {
		struct chunk *chunk = new_chunk(reading);
		chunk->next = bin->chunks;
		bin->chunks = chunk;
	}
	bin->chunks->prints[at] = *print;
	bin->chunks->begins[at] = (uint32_t)begin;
}

/* Whether the piece is to be taken: it's wanted, and not there already as far as is known. */
static bool is_new(struct reading *reading, enum record_type type, struct piece piece, struct fingerprint *print)
{
	if (is_like_last(reading, type, piece))
		return false;
	*print = record_fingerprint_encoded(reading->key, reading->texts.data + piece.begin, piece.length);
	if (reading->only && !fpset_has(reading->only, print))
		return false;
	reading->last[type] = piece;
	return type == RECORD_RCPT || !is_twin(reading, type, print, piece.begin);
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
	assert(!is_sealed(reading) && reading->sealed_bins == 0);
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
	collect(reading, &print, piece.begin);
	reading->counts[record->type]++;
	return RC_OK;
}

/* ---- Sealing ---- */

static void make_room(struct reading *reading)
{
	size_t total = 0;
	for (unsigned i = 0; i < BINS; i++)
		total += reading->bins[i].count;
	reading->set.at = mem_alloc((total + 1) * sizeof(*reading->set.at));
	reading->set.capacity = total + 1;
	reading->begins = mem_alloc((total + 1) * sizeof(*reading->begins));
}

/* Sorts the bin to the end of the set. */
static void seal_bin(struct reading *reading, struct bin *bin)
{
	struct fpset part = {.at = reading->set.at + reading->set.count, .capacity = bin->count};
	uint32_t *begins = reading->begins + reading->set.count;
	size_t count = bin->count % CHUNK_RECORDS;
	for (const struct chunk *chunk = bin->chunks; chunk; chunk = chunk->next) {
		count = count ? count : CHUNK_RECORDS;
		memcpy(part.at + part.count, chunk->prints, count * sizeof(*part.at));
		memcpy(begins + part.count, chunk->begins, count * sizeof(*begins));
		part.count += count;
		count = 0;
	}
	fpset_seal_tagged(&part, begins, BIN_BITS);
	reading->set.count += part.count;
}

bool reading_seal_some(struct reading *reading)
{
	assert(!is_sealed(reading));
	if (reading->sealed_bins == 0)
		make_room(reading);
	size_t before = reading->set.count;
	while (reading->sealed_bins < BINS && reading->set.count - before < SEAL_RECORDS)
		seal_bin(reading, &reading->bins[reading->sealed_bins++]);
	if (reading->sealed_bins < BINS)
		return false;
	free_collected(reading);
	reading->counts[RECORD_RCPT] = reading->set.count - reading->counts[RECORD_DOMAIN] - reading->counts[RECORD_PARAM];
	return true;
}

void reading_seal(struct reading *reading)
{
	while (!reading_seal_some(reading))
		;
}

/* ---- A sealed reading ---- */

const struct fpset *reading_set(const struct reading *reading)
{
	assert(is_sealed(reading));
	return &reading->set;
}

bool reading_find(const struct reading *reading, const struct fingerprint *print, struct record *out)
{
	assert(is_sealed(reading));
	size_t number = fpset_find(&reading->set, print);
	if (number == reading->set.count)
		return false;
	*out = record_at(reading, number);
	return true;
}

uint64_t reading_count(const struct reading *reading, enum record_type type)
{
	assert(is_sealed(reading));
	return reading->counts[type];
}

void reading_take_set(struct reading **reading, struct fpset *out)
{
	assert(is_sealed(*reading));
	*out = (*reading)->set;
	(*reading)->set = (struct fpset){0};
	reading_free(reading);
}
