/* zone.h: a zone at its master: the sources' sets merged, compared with what is published, braked, signed, published.
 *
 * The published set lives in the zonedb. A record is wanted while at least one source has it. Additions go out at
 * once; deletions wait until all sources have been read since the start and are known to hold what they held then (one
 * that can't be read may have the record by now), and for the brake. The first serial waits for all sources too, and
 * for at least one recipient.
 *
 * A source that fails after it was read keeps its last good set, and nothing is deleted until it can be read again. It
 * makes the zone's health a warning, and critical when it has failed for an hour or for three of its intervals,
 * whichever is longer. */
#ifndef MASTER_ZONE_H
#define MASTER_ZONE_H

#include "common/zonedb.h"
#include "master/source.h"

struct zone_spec {
	const char *name;
	const char *folder;                  /* of its zonedb */
	const struct source_spec *sources;
	size_t source_count;
	uint32_t refresh_s, retry_s, expire_s;
	uint32_t max_shrink_percent;
	uint64_t min_shrink;
};

struct zone;
struct zone_events {
	/* A changeset has become durable: data is its encoding, the same bytes that the journal holds. */
	void (*changeset)(void *context, struct zone *zone, const struct soa *soa, const void *data, size_t length);
	/* A new dated announcement, or a new epoch, without a changeset. */
	void (*announcement)(void *context, struct zone *zone, const struct soa *soa);
	/* Nobody knows what is on disk (a failed fsync, a damaged store): the daemon must end and be started again, so that
	 * recovery finds out. The zone does nothing more. May be NULL. */
	void (*fatal)(void *context, struct zone *zone, const char *reason);
	void *context;
	/* The Postfix that it is made of accepts something else now: its spec must be made anew of this plan, and the zone with
	 * it (not from within this call). NULL for a zone without one. */
	void (*plan)(void *context, struct zone *zone, const struct buf *text);
};

/* Begins to read the sources; events come from the loop, never from within this call. The spec outlives the zone. As
 * zonedb_open; RC_INVALID for a source that can't be (source_new); RC_UNSUPPORTED. */
enum rc zone_open(struct loop *loop, const struct zone_spec *spec, const struct identity *identity,
                  const struct zone_events *events, struct zone **out, struct why *why);
void zone_close(struct zone **zone);

const struct zone_spec *zone_spec(const struct zone *zone);
bool zone_published(const struct zone *zone);              /* there is a serial to give away */
bool zone_soa(const struct zone *zone, struct soa *out);   /* the newest announcement of what is published */
struct zonedb *zone_db(struct zone *zone);                 /* for IXFR and snapshots; read only */
const struct identity *zone_identity(const struct zone *zone);

/* A replica has shown an announcement with our own signature (verified by the caller) that is beyond our history: we
 * were restored from an old copy. Begins a new epoch after it. */
void zone_evidence(struct zone *zone, const struct soa *soa);

/* Who read the records has found them damaged: the end (fatal); the next start finds it too, and makes them anew. */
void zone_damaged(struct zone *zone, const struct why *why);

void zone_refresh(struct zone *zone);                      /* read all sources now */
/* Lets the held deletions go; *count: how many. RC_NOT_FOUND when nothing is held; RC_AGAIN while a source hasn't been
 * read; RC_REFUSED when no recipient would be left; RC_IO, RC_DAMAGED when they couldn't be written. */
enum rc zone_approve(struct zone *zone, uint64_t *count, struct why *why);

struct zone_status {
	enum { ZONE_OK, ZONE_WARNING, ZONE_CRITICAL } health;
	char reason[WHY_MAX];            /* "" when well */
	uint64_t held_deletions;
	struct wall changed;             /* time of the newest serial; 0: none */
	uint64_t recipients, domains;
};
void zone_status(const struct zone *zone, struct zone_status *out);

/* For rxfer explain: how a record stands at the sources, by what is known of them without reading. */
bool zone_source_has(const struct zone *zone, size_t index, const struct record *record);    /* the last good reading */
bool zone_source_unread(const struct zone *zone, size_t index);                              /* there is none yet */
/* A published record that no source has any more: why it stays. False: a source has it, or may have. */
bool zone_held(const struct zone *zone, const struct record *record, struct why *reason);

size_t zone_source_count(const struct zone *zone);
const struct source *zone_source(const struct zone *zone, size_t index);

#endif
