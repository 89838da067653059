/* table.h: a table that Postfix reads: a view of one type of record over one or several zones, kept right.
 *
 *     ABSENT ----- all zones are there, file written -----> OK <---- written ---- FAILED
 *     (no file: Postfix defers)                              `---- can't write ----^   (the file that was there stands)
 *
 * There is no first file before every zone of the table has been transferred whole: a zone's missing keys would mean
 * refused mail, a missing table only means deferred mail. Once there is a file it is never taken away, never emptied,
 * and never made without what is in it: while a zone can't be read, all keys stay, and the others' additions are added
 * (a makeshift, which is replaced when the zone is whole again). That holds for a file of unknown origin too: it may be
 * ours, written just before we were killed. */
#ifndef REPLICA_TABLE_H
#define REPLICA_TABLE_H

#include "common/loop.h"
#include "common/zonedb.h"
#include "replica/allow.h"
#include "replica/table_type.h"

enum table_holds { TABLE_RECIPIENTS, TABLE_DOMAINS };

/* From the configuration; the strings outlive the table. */
struct table_spec {
	const char *name;
	enum table_holds holds;
	const struct table_type *type;
	const char *path;              /* as main.cf has it, without the type's extension */
};

/* A zone as the table is to see it now. */
struct table_zone {
	const char *name;
	struct zonedb *db;             /* read only */
	const struct allow *allow;
	bool open;                     /* expired, and the operator wants to accept: @domain for each domain */
	uint64_t expected;             /* about how many keys */
};

struct table;
struct table_events {
	void (*zone)(void *context, const struct table *table, size_t index, struct table_zone *out);
	/* Must it wait for another table (table_behind)? Then table_go_on is called when that has moved. NULL: never. */
	bool (*wait)(void *context, const struct table *table);
	/* State or contents have changed: served serials, status. */
	void (*changed)(void *context, struct table *table);
	void *context;
};

/* zone_count: how many zones events->zone answers for. stamp_folder exists; the stamp is FOLDER/NAME.stamp. Begins by
 * looking at the file that is there: at the end of this turn of the loop it is put right. */
struct table *table_new(struct loop *loop, const struct table_spec *spec, const char *stamp_folder, size_t zone_count,
                        const struct table_events *events);
void table_free(struct table **table);       /* the file stays */

/* After a reload: the same table with a new spec (same name) and zones. */
void table_configure(struct table *table, const struct table_spec *spec, size_t zone_count);
const struct table_spec *table_spec(const struct table *table);
size_t table_zone_count(const struct table *table);

/* A zone has changed. contents: records of the type this table holds, or what of them is allowed; else only a serial.
 * Small tables are written at the end of this turn, large ones soon, many changes at once. */
void table_touch(struct table *table, bool contents);

/* There is a file, and it lacks something that a zone has, or nobody has looked yet. A table of domains waits for the
 * recipients': with a domain in relay_domains before its users are listed, Postfix would refuse them. */
bool table_behind(const struct table *table);
void table_go_on(struct table *table);

/* Which serial of a zone the file holds; false: none. */
bool table_served(const struct table *table, const char *zone, struct epoch *epoch, uint64_t *serial);

enum table_state { TABLE_ABSENT, TABLE_OK, TABLE_FAILED };
struct table_status {
	enum table_state state;
	const char *error;             /* why it is absent, failed or a makeshift; or "" */
	uint64_t records;              /* keys in the file; 0: none */
	struct wall written;           /* 0: never */
};
struct table_status table_status(const struct table *table);
const char *table_state_name(enum table_state state);          /* "absent", "ok", "failed" */
const char *table_holds_name(enum table_holds holds);          /* "recipients", "domains" */

/* The line for main.cf: "relay_recipient_maps = hash:/path". The caller frees it. */
char *table_main_cf(const struct table_spec *spec);

#endif
