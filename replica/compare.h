/* compare.h: this host's Postfix, as postconf shows it, against what it must be so that the zones' recipients get the
 * primary's verdicts here. Pure: what it needs of the world it asks for. postconf(5). */
#ifndef REPLICA_COMPARE_H
#define REPLICA_COMPARE_H

#include "postfix/postconf.h"
#include "replica/findings.h"
#include "replica/question.h"

/* One of Postfix's daemons: its parameters, expanded, with its overrides of master.cf. */
struct compare_side {
	const struct postconf *conf;
	const struct postconf_service *service;      /* NULL: main.cf alone */
};

struct compare_postfix {
	const char *config;              /* the folder of main.cf */
	const struct postconf *main;     /* main.cf in its own words, nothing expanded */
	struct compare_side smtpd;       /* recipients are its matter */
	struct compare_side rewrite;     /* trivial-rewrite: address classes and transports */
	const struct buf *types;         /* of maps, one a line */
};

/* All of them append to *out. RC_NOT_FOUND: the file isn't there, or the map's index; others: it can't be read. Maps
 * are TYPE:NAME, without proxy:. */
struct compare_world {
	/* KEY TAB VALUE for those of the keys (one a line) that the map has. */
	enum rc (*values)(void *context, const char *map, const struct buf *keys, struct buf *out, struct why *why);
	/* KEY TAB VALUE for all of them. */
	enum rc (*list)(void *context, const char *map, struct buf *out, struct why *why);
	enum rc (*file)(void *context, const char *path, struct buf *out, struct why *why);
	bool (*there)(void *context, const char *path);
	void *context;
};

void compare_find(const struct question *question, const struct compare_postfix *postfix,
                  const struct compare_world *world, struct findings *out);

#endif
