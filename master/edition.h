/* edition.h: what a zone has published, and how its next serial is made: drafted, signed, durable, and only then told.
 *
 * zone.h decides what is to be published; this file sees to it that a serial never stands for two things, that times
 * of announcements only grow, and that everything bears this master's signature. */
#ifndef MASTER_EDITION_H
#define MASTER_EDITION_H

#include "common/zonedb.h"

struct edition;

struct edition_spec {
	const char *folder;
	const char *zone;
	const struct identity *identity;
	uint32_t refresh_s, retry_s, expire_s;
	/* A changeset has become durable. */
	void (*committed)(void *context, const struct soa *soa, const void *data, size_t length);
	void *context;
};

/* Opens the zone's folder and finds out what was published. The spec's pointers are kept. As zonedb_open. */
enum rc edition_open(const struct edition_spec *spec, struct edition **out, struct why *why);
void edition_close(struct edition **edition);

struct zonedb *edition_db(struct edition *edition);
bool edition_published(const struct edition *edition);
/* The newest plain announcement of what is published; only when it is. */
const struct soa *edition_soa(const struct edition *edition);
/* The newest announcement known of this zone, published by now or not: NULL when there is none. */
const struct soa *edition_known(const struct edition *edition);
/* What is on disk bears the signature of another identity: nobody who knows us can verify it. A new epoch is due. */
bool edition_foreign(const struct edition *edition);
/* The newest announcement is of a later epoch than the records: a new epoch was being begun when the process ended, and its
 * contents hadn't taken their place. Another one is due. */
bool edition_half_begun(const struct edition *edition);
uint64_t edition_recipients(const struct edition *edition);
uint64_t edition_domains(const struct edition *edition);
struct wall edition_changed(const struct edition *edition);       /* when the newest serial was made; 0: not known */

/* A draft of what follows. edition_flush makes it durable and tells; a draft that grows beyond a changeset's limits is
 * flushed in between, so these can fail as edition_flush does. After a failure call edition_drop. */
enum rc edition_add(struct edition *edition, const struct record *record, struct why *why);
/* What isn't there is no error. RC_IO, RC_DAMAGED. */
enum rc edition_delete(struct edition *edition, const struct fingerprint *print, struct why *why);
/* RC_IO: nothing happened, try again. RC_DAMAGED: only a restart knows what is on disk. Nothing drafted is RC_OK. */
enum rc edition_flush(struct edition *edition, struct why *why);

void edition_drop(struct edition *edition);        /* the draft so far */

/* Signs the present state anew, dated now. Told by the caller, also after RC_IO (it couldn't be remembered). */
enum rc edition_announce(struct edition *edition, struct why *why);

/* Whole contents anew: fill calls edition_fill_add for each record, no record twice. */
struct edition_filler;
typedef enum rc edition_fill(void *context, struct edition_filler *filler, struct why *why);
enum rc edition_fill_add(struct edition_filler *filler, const struct record *record, struct why *why);

/* Begins a new epoch at serial 1. What was published stands until RC_OK. */
enum rc edition_begin(struct edition *edition, const struct epoch *epoch, edition_fill *fill, void *context,
                      struct why *why);
/* The same with what is on disk now, and what `more` adds to it. */
enum rc edition_renew(struct edition *edition, const struct epoch *epoch, edition_fill *more, void *context,
                      struct why *why);
/* After the records were lost: goes on with the known epoch and serial. RC_NOT_FOUND when what is filled in isn't what
 * the known announcement speaks of; *count says how much it is. */
enum rc edition_restore(struct edition *edition, edition_fill *fill, void *context, uint64_t *count, struct why *why);

#endif
