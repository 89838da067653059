/* transfer_store.h: from a complete stream in a file to a zone's new contents, step by step. For transfer.c only. */
#ifndef REPLICA_TRANSFER_STORE_H
#define REPLICA_TRANSFER_STORE_H

#include "common/loop.h"
#include "common/zonedb.h"

struct transfer_store;

struct transfer_store_spec {
	struct loop *loop;
	struct zonedb *db;
	int fd;                        /* the stream; stays the caller's */
	const char *path;              /* its name, for sentences */
	uint64_t total;
	const struct soa *soa;         /* verified, with the content_hash that it was signed with */
	void (*record)(void *context, const struct record *record);      /* NULL before the first */
	enum rc (*agree)(void *context, const struct soa *soa, struct why *why);
	/* Called once, as the last thing: it may free the store. RC_INVALID: the contents aren't what was signed, or are
	 * against the rules; RC_UNSUPPORTED: of a newer version; RC_REFUSED: not agreed; RC_IO, RC_DAMAGED. */
	void (*end)(void *context, enum rc rc, const struct why *why);
	void *context;
};

/* Copies the spec; what it points to must outlive it. */
struct transfer_store *transfer_store_new(const struct transfer_store_spec *spec);
void transfer_store_free(struct transfer_store **store);      /* at any time: nothing has changed then */

#endif
