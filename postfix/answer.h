/* answer.h: what a zone says of a recipient: the verdict of a backup's smtpd whose tables hold what the zone holds. */
#ifndef POSTFIX_ANSWER_H
#define POSTFIX_ANSWER_H

#include "common/status_json.h"
#include "common/zonedb.h"
#include "postfix/lookup.h"

/* Of several zones' the greatest is the whole's. */
enum answer_verdict {
	ANSWER_FOREIGN,      /* the domain isn't the zone's: "Relay access denied" */
	ANSWER_REFUSE,       /* "User unknown in relay recipient table" */
	ANSWER_DEFER,        /* there is no complete set of records yet, and so no table */
	ANSWER_ACCEPT
};
const char *answer_verdict_name(enum answer_verdict verdict);      /* "foreign", "refuse", "defer", "accept" */

struct answer_key {
	struct fingerprint print;      /* of its RCPT record; only while records are present */
	bool found;
	uint64_t since;                /* the serial that added it */
};

/* Plain data. */
struct answer {
	enum answer_verdict verdict;
	struct lookup lookup;
	struct answer_key keys[LOOKUP_KEYS_MAX];      /* as lookup.keys */
	bool listed;                                  /* the zone has the domain */
	uint64_t domain_since;
	bool delimiter_known;                         /* the zone says what recipient_delimiter is */
};

/* As lookup_parse, with the zone's own parameters (Postfix's defaults where it has none); else as zonedb_get. Without
 * records it's ANSWER_DEFER. */
enum rc answer_ask(struct zonedb *db, const char *address, struct answer *out, struct why *why);

/* The first key that was found: LOOKUP_KEYS_MAX when none was. */
size_t answer_found(const struct answer *answer);
/* Why it's so, in one sentence. */
void answer_sentence(const struct answer *answer, char out[WHY_MAX]);

/* The object that `explain` has for a zone: zone, serial, epoch, verdict, sentence, domain, params, lookups. A new
 * reference. */
json_t *answer_json(const struct answer *answer, const char *zone, struct zonedb *db, const char *sentence);

/* The whole answer, with the line end, of such objects. `address` as it was asked; RC_INVALID, RC_LIMIT: it's none. */
enum rc answer_print(const char *program, const char *address, json_t *zones, struct buf *out, struct why *why);

#endif
