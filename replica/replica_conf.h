/* replica_conf.h: replica.conf, read and checked. */
#ifndef REPLICA_REPLICA_CONF_H
#define REPLICA_REPLICA_CONF_H

#include "replica/lookout.h"
#include "replica/master.h"
#include "replica/session.h"
#include "replica/table.h"

struct replica_zone {
	struct session_spec session;
	const char *master;
	const char *folder;              /* STATE/zones/NAME */
};

struct replica_table {
	struct table_spec spec;
	const char *const *zones;
	size_t zone_count;               /* 0: all */
};

/* Plain data; all that it points to is its own. */
struct replica_conf {
	const char *identity;
	const char *state;
	const char *control;
	const char *zones_folder;        /* STATE/zones */
	const char *stamps_folder;       /* STATE/tables */
	const char *keys_folder;         /* STATE/keys */
	struct master_spec *masters;
	size_t master_count;
	struct replica_zone *zones;
	size_t zone_count;
	struct replica_table *tables;
	size_t table_count;
	struct lookout_spec postfix;     /* config: NULL: there is no such section */
	void **memory;
	size_t memory_count;
};

/* As conf_load; RC_INVALID with file, line and mend for all that can be known without looking at the machine. */
enum rc replica_conf_load(const char *path, struct replica_conf **out, struct why *why);
enum rc replica_conf_parse(const char *name, const char *text, size_t length, struct replica_conf **out,
                           struct why *why);
void replica_conf_free(struct replica_conf **conf);

/* The name of a setting that can't be changed while the daemon runs and differs, or NULL. */
const char *replica_conf_fixed_change(const struct replica_conf *a, const struct replica_conf *b);

/* The beginning of question.h: what the configuration says, up to the zones. */
void replica_conf_question(const struct replica_conf *conf, struct buf *out);

/* Is the zone in the table? */
bool replica_table_has(const struct replica_table *table, const char *zone);

#endif
