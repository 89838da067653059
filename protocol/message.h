/* message.h: the messages, decoded into validated structs and encoded from them. PROTOCOL describes them byte by byte.
 *
 * A message is one ZeroMQ frame (ROUTER's routing id aside): u8 type, then the fields below in their order. Texts are a
 * u8 length and bytes (printable UTF-8 without control characters); numbers are big-endian; nothing may follow. */
#ifndef PROTOCOL_MESSAGE_H
#define PROTOCOL_MESSAGE_H

#include "common/changeset.h"
#include "common/handover.h"
#include "common/soa.h"
#include "protocol/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum message_type {
	/* replica -> master */
	MESSAGE_HELLO = 1,      /* first on each connection */
	MESSAGE_REFRESH = 2,    /* what I have of this zone, with its announcement as evidence: what have you? */
	MESSAGE_IXFR = 3,       /* send the changesets that lead on from here */
	MESSAGE_AXFR = 4,       /* prepare a snapshot of the whole zone */
	MESSAGE_FETCH = 5,      /* send this piece of the snapshot */
	MESSAGE_ACK = 6,        /* so far is durable, so far is served, and all is well, or why not */
	MESSAGE_KEPT = 7,       /* answers KEYS: the statement that is kept here */
	/* master -> replica */
	MESSAGE_WELCOME = 17,   /* answers HELLO */
	MESSAGE_SOA = 18,       /* NOTIFY, and the answer to REFRESH */
	MESSAGE_CHANGES = 19,   /* one changeset: a push, or part of an IXFR */
	MESSAGE_SNAPSHOT = 20,  /* answers AXFR: the stream's announcement and length */
	MESSAGE_CHUNK = 21,     /* answers FETCH */
	MESSAGE_ERROR = 22,
	MESSAGE_KEYS = 23       /* which key the master has, and will have; version 2 */
};

enum message_error {
	ERROR_VERSION = 1,          /* no version in common; the connection is of no use */
	ERROR_NO_ZONE = 2,          /* not published here, or not for you */
	ERROR_NOT_YET = 3,          /* nothing published yet: refresh later */
	ERROR_NO_HISTORY = 4,       /* these changesets aren't held (any more): AXFR */
	ERROR_NO_SNAPSHOT = 5,      /* that snapshot isn't held (any more): AXFR anew */
	ERROR_MALFORMED = 6,        /* your message broke a rule */
	ERROR_BUSY = 7              /* too much asked in too short a time: later */
};

enum message_health { HEALTH_OK = 0, HEALTH_WARNING = 1, HEALTH_CRITICAL = 2 };

/* Plain data. Views (data, contents) point into the frame that was decoded. Fields by type:
 *   HELLO     version_min u8, version_max u8, software text
 *   WELCOME   version u8 (in version_min and version_max), software text
 *   REFRESH   zone text, present u8 (0 or 1), and when present: soa (of the same zone; any kind: the newest one held),
 *             and when that isn't plain: content_hash u8[32] (without it nobody could verify it)
 *   IXFR      zone text, epoch_id u8[16], serial u64
 *   AXFR      zone text
 *   FETCH     zone text, epoch_id u8[16], serial u64, offset u64, length u32 (1..CHUNK_BYTES_MAX)
 *   ACK       zone text, epoch_id u8[16], serial u64 (durable), served u64, health u8, reason text
 *   SOA       soa (kind plain)
 *   CHANGES   more u8 (0 or 1), then a changeset as in changeset.h (contents: the view of it)
 *   SNAPSHOT  stream_bytes u64 (SNAPSHOT_BYTES_MIN..MAX), content_hash u8[32], soa (kind snapshot)
 *   CHUNK     zone text, epoch_id u8[16], serial u64, offset u64, data (the rest, 1..CHUNK_BYTES_MAX; length too)
 *   ERROR     zone text (may be empty), error u8, reason text
 *   KEYS      handover
 *   KEPT      handover */
struct message {
	enum message_type type;
	char zone[SOA_ZONE_MAX + 1];
	uint8_t version_min, version_max;
	char software[SOFTWARE_MAX + 1];
	bool present;
	struct soa soa;                    /* with content_hash for SNAPSHOT and REFRESH; CHANGES: without */
	uint8_t epoch_id[16];
	uint64_t serial;
	uint64_t served;
	uint64_t offset;
	uint32_t length;
	uint64_t stream_bytes;
	enum message_health health;
	enum message_error error;
	char reason[REASON_MAX + 1];
	bool more;
	const uint8_t *data;               /* CHUNK: the bytes; CHANGES: the changeset's encoding */
	size_t data_length;
	struct handover handover;
};

/* "HELLO" ... */
const char *message_type_name(enum message_type type);
const char *message_error_name(enum message_error error);      /* "no-history" ... */

/* Checks everything but signatures; a changeset inside CHANGES is left to changeset_decode. SOA, CHANGES and SNAPSHOT
 * fill zone too. RC_INVALID, RC_LIMIT, RC_UNSUPPORTED (an unknown type). */
enum rc message_decode(const void *data, size_t length, struct message *out, struct why *why);

/* Appends; the struct must hold what message_decode would accept (texts are cut at their limit). */
void message_encode(struct buf *out, const struct message *message);

#endif
