/* reading.h: what one complete reading of one source found: records by fingerprint, with their text for a while. */
#ifndef MASTER_READING_H
#define MASTER_READING_H

#include "common/fpset.h"

struct reading;

/* key: the epoch's fingerprint key. */
struct reading *reading_new(const uint8_t key[RECORD_HASH_KEY_BYTES]);
void reading_free(struct reading **reading);

/* For looking for some records: only these are taken from now on, others are passed over. They outlive the reading. */
void reading_only(struct reading *reading, const struct fpset *wanted);
bool reading_empty(const struct reading *reading);

/* Duplicates are fine. RC_LIMIT when the texts pass 4 GiB. */
enum rc reading_add(struct reading *reading, const struct record *record, struct why *why);
/* Sorts, drops duplicates: some milliseconds of it. True: it's sealed; false: call again. */
bool reading_seal_some(struct reading *reading);
void reading_seal(struct reading *reading);                       /* all of it */

/* After sealing. The set and the records' texts belong to the reading. */
const struct fpset *reading_set(const struct reading *reading);
bool reading_find(const struct reading *reading, const struct fingerprint *print, struct record *out);
uint64_t reading_count(const struct reading *reading, enum record_type type);
/* Moves the set out (the caller frees it), so that the texts can go. */
void reading_take_set(struct reading **reading, struct fpset *out);

#endif
