/* master_conf.h: rxfer-master's configuration: validated, folded, and in the shape that zones and publisher take. */
#ifndef MASTER_MASTER_CONF_H
#define MASTER_MASTER_CONF_H

#include "master/publisher.h"
#include "master/zone.h"

struct master_conf;

/* Errors begin with "FILE:LINE: " and name the mend. RC_NOT_FOUND, RC_IO, RC_LIMIT, RC_INVALID. */
enum rc master_conf_load(const char *path, struct master_conf **out, struct why *why);
/* The same from memory; name stands for the file in messages. */
enum rc master_conf_parse(const char *name, const char *text, size_t length, struct master_conf **out, struct why *why);
void master_conf_free(struct master_conf **conf);

const char *master_conf_identity(const struct master_conf *conf);
const char *master_conf_state(const struct master_conf *conf);
const char *master_conf_control(const struct master_conf *conf);
const char *const *master_conf_listen(const struct master_conf *conf, size_t *count);
/* What only a restart can change: "identity", "state", "control", "listen", or NULL when it's the same in both. */
const char *master_conf_fixed_change(const struct master_conf *before, const struct master_conf *after);

/* Specs stay where they are as long as the configuration lives. */
size_t master_conf_zone_count(const struct master_conf *conf);
const struct zone_spec *master_conf_zone(const struct master_conf *conf, size_t index);
const struct publisher_replica *master_conf_replicas(const struct master_conf *conf, size_t *count);

/* The zone at `index` is made of a Postfix, which accepts something else now (zone_events). The zone must be closed; its
 * spec stays where it is, with other sources. RC_INVALID: the plan isn't whole. */
enum rc master_conf_plan(struct master_conf *conf, size_t index, const struct buf *text, struct why *why);
/* Notes of the newest plan; NULL: no more. */
const char *master_conf_note(const struct master_conf *conf, size_t index, size_t note);

/* One watch for all sources (watch.h); it outlives them. */
void master_conf_use_watch(struct master_conf *conf, struct watch *watch);

/* For a new configuration: where a zone means the same as in the old one, the old spec changes places with the new one,
 * so that what uses it can go on when `old` is freed. */
void master_conf_inherit(struct master_conf *conf, struct master_conf *old);

#endif
