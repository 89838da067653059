/* table.c: when a table file is written, and when it had better be left alone. How is table_build.c's matter.
 *
 * The stamp (table_stamp.h) says what file was written last and from which serials. Before every decision the file is
 * compared with it: one that somebody changed, replaced or removed is written anew; one that is as we left it, from the
 * serials that are current, isn't touched, whatever else happened. A stamp whose rule is zero belongs to a makeshift,
 * and never counts as current.
 *
 * Bursts: a table that was quick to write is written at the end of the loop's turn. One that takes long waits after
 * each writing for as long as that took, so that it falls behind by at most two writings and the daemon stays awake. */
#include "replica/table.h"

#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "replica/table_build.h"

#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLL_MS 5000           /* how soon a file that somebody changed is noticed: one lstat */
#define RETRY_MS 15000         /* after one couldn't be written */
#define SLOW_MS 50
#define SLOW_KEYS 20000

struct table {
	struct loop *loop;
	const struct table_spec *spec;
	size_t zone_count;
	struct table_events events;
	char *stamp_path;
	char *file;                    /* spec->path with the type's extension */
	struct table_stamp stamp;      /* written == 0: none */
	bool looked;                   /* the zones' serials were compared with the stamp */
	bool dirty;                    /* the file lacks something that a zone has */
	enum table_state state;
	struct why error;
	int64_t took_ms;               /* the last writing */
	struct mono ended;
	struct timer soon;             /* at the end of the turn */
	struct timer later;            /* poll, retry, or a slow table's turn */
	bool due;                      /* `later` is a slow table's turn */
	bool waiting;                  /* for another table */
};

/* The zones as they are at one moment: those that are whole come first. */
struct view {
	struct table_zone *zones;
	size_t present, total;
	const char *missing;           /* the name of one that isn't whole, or NULL */
	uint8_t rule[IDENTITY_HASH_BYTES];
};

static void put_right(void *context);

static void arm(struct table *table, int64_t ms)
{
	loop_timer_after(table->loop, &table->later, ms, put_right, table);
}

/* ---- what is ---- */

static void describe_zone(struct buf *text, enum table_holds holds, const struct table_zone *zone)
{
	bool open = zone->open && holds == TABLE_RECIPIENTS;
	buf_printf(text, "zone %s%s%s\n", zone->name, open ? " open" : "", allow_any(zone->allow) ? " any" : "");
	for (size_t i = 0; i < allow_count(zone->allow); i++)
		buf_printf(text, "allow %s\n", allow_domain(zone->allow, i));
}

static void gather(const struct table *table, struct view *view)
{
	struct buf text = {.data = NULL};
	*view = (struct view){.total = table->zone_count};
	view->zones = mem_realloc(NULL, table->zone_count + 1, sizeof(*view->zones));
	buf_printf(&text, "%s %s\n", table_holds_name(table->spec->holds), table->file);
	size_t absent = table->zone_count;
	for (size_t i = 0; i < table->zone_count; i++) {
		struct table_zone zone;
		table->events.zone(table->events.context, table, i, &zone);
		describe_zone(&text, table->spec->holds, &zone);
		if (zonedb_present(zone.db)) {
			view->zones[view->present++] = zone;
		} else {
			view->zones[--absent] = zone;
			view->missing = zone.name;
		}
	}
	identity_hash(text.data, text.length, view->rule);
	buf_free(&text);
}

/* Is the file the one that we wrote last? Says once what is wrong with it. */
static bool intact(struct table *table)
{
	struct table_file file;
	struct why why;
	enum rc rc = table_file_look(table->file, &file, &why);
	if (table->stamp.written.ms == 0)
		return false;
	if (rc == RC_OK && table_file_same(&file, &table->stamp.file))
		return true;
	log_warn("table \"%s\": %s was %s by somebody else; the replica is the only writer of its tables",
	         table->spec->name, table->file, rc == RC_NOT_FOUND ? "removed" : "changed");
	table_stamp_free(&table->stamp);
	return false;
}

static bool ruled(const struct table *table, const struct view *view)
{
	return memcmp(table->stamp.rule, view->rule, sizeof(view->rule)) == 0;
}

static bool same_serials(const struct table *table, const struct view *view)
{
	for (size_t i = 0; i < view->present; i++) {
		const struct store_meta *meta = zonedb_meta(view->zones[i].db);
		const struct table_stamp_zone *held = table_stamp_find(&table->stamp, view->zones[i].name);
		if (!held || !epoch_equal(&held->epoch, &meta->epoch) || held->serial != meta->serial)
			return false;
	}
	return true;
}

/* ---- what is told ---- */

static void tell(struct table *table, enum table_state state, const char *error)
{
	if (error[0] && strcmp(error, table->error.text) != 0) {
		if (state == TABLE_FAILED)
			log_error("table \"%s\": %s", table->spec->name, error);
		else if (state == TABLE_OK)
			log_warn("table \"%s\": %s", table->spec->name, error);
		else
			log_info("table \"%s\": %s", table->spec->name, error);
	} else if (!error[0] && table->error.text[0]) {
		log_info("table \"%s\": well again", table->spec->name);
	}
	table->state = state;
	(void)why_set(&table->error, RC_OK, "%s", error);
}

static void save_stamp(struct table *table)
{
	struct why why;
	if (table_stamp_save(table->stamp_path, &table->stamp, &why) != RC_OK)
		log_warn("table \"%s\": %s: it will be written anew at the next start", table->spec->name, why.text);
}

/* ---- the folder ---- */

static const char readme[] =
	"The tables in this folder are written by rxfer-replica, which replaces each file as a whole. Nobody else may\n"
	"write them: not postmap, not an editor, not a copy from another machine. What is changed here is written anew.\n";

/* Before each writing: whoever removed the folder shall get it back, and the file with it. */
static enum rc make_folder(const struct table *table, struct why *why)
{
	char *copy = mem_strdup(table->file);
	const char *folder = dirname(copy);
	struct stat st;
	enum rc rc = RC_OK;
	if (stat(folder, &st) != 0) {
		rc = file_make_folder(folder, why);
		if (rc == RC_OK)
			(void)chmod(folder, 0755);      /* Postfix's daemons must get through to the files */
	}
	char *note = mem_sprintf("%s/README.rxfer", folder);
	struct why reason;
	if (rc == RC_OK && access(note, F_OK) != 0 &&
	    file_replace(note, 0644, readme, sizeof(readme) - 1, &reason) != RC_OK)
		log_debug("table \"%s\": %s", table->spec->name, reason.text);      /* the table itself will say it louder */
	free(note);
	free(copy);
	return rc;
}

/* ---- what is done ---- */

static void note_serials(struct table *table, const struct view *view)
{
	free(table->stamp.zones);
	table->stamp.zones = NULL;
	table->stamp.zone_count = 0;
	for (size_t i = 0; i < view->present; i++) {
		const struct store_meta *meta = zonedb_meta(view->zones[i].db);
		table_stamp_set(&table->stamp, view->zones[i].name, &meta->epoch, meta->serial);
	}
	memcpy(table->stamp.rule, view->rule, sizeof(table->stamp.rule));
}

static void note_built(struct table *table, const struct view *view, const struct table_built *built)
{
	if (built->replaced) {
		table->stamp.file = built->file;
		table->stamp.written = clock_wall();
	}
	table->stamp.digest = built->digest;
	table->stamp.keys = built->keys;
	if (view->missing)
		memset(table->stamp.rule, 0, sizeof(table->stamp.rule));
	else
		note_serials(table, view);
	save_stamp(table);
}

static enum rc write_file(struct table *table, const struct view *view, bool whole, struct why *why)
{
	struct table_build build = {
		.spec = table->spec, .zones = view->zones, .count = view->present, .total = view->total, .file = table->file,
		.keep_old = view->missing != NULL, .same = whole ? &table->stamp : NULL,
	};
	bool first = table->stamp.written.ms == 0;
	struct table_built built;
	struct mono began = clock_mono();
	enum rc rc = make_folder(table, why);
	if (rc == RC_OK)
		rc = table_build(&build, &built, why);
	table->ended = clock_mono();
	table->took_ms = table->ended.ms - began.ms;
	if (rc != RC_OK)
		return rc;
	note_built(table, view, &built);
	table->dirty = false;
	char took[CLOCK_TEXT_MAX];
	clock_duration(table->took_ms, took);
	if (built.replaced && (first || view->missing))
		log_info("table \"%s\": %s written with %" PRIu64 " keys in %s", table->spec->name, table->file, built.keys,
		         took);
	else
		log_debug("table \"%s\": %" PRIu64 " keys %s in %s", table->spec->name, built.keys,
		          built.replaced ? "written" : "compared, no change", took);
	return RC_OK;
}

static bool must_wait(struct table *table)
{
	table->waiting = table->events.wait && table->events.wait(table->events.context, table);
	return table->waiting;
}

/* Some zone isn't whole. Whatever the file holds stays in it. */
static void put_right_without(struct table *table, const struct view *view, bool whole)
{
	struct why why;
	bool there = whole || access(table->file, F_OK) == 0;
	if (!there || (!whole && view->present == 0)) {
		(void)why_set(&why, RC_AGAIN,
		              there ? "%s isn't what the replica wrote, and zone \"%s\" isn't here to put it right" :
		               "there is no %s before zone \"%s\" has been transferred: Postfix defers mail", table->file,
		              view->missing);
		tell(table, there ? TABLE_FAILED : TABLE_ABSENT, why.text);
		return;
	}
	bool write = table->dirty && view->present > 0;
	if (write && must_wait(table))
		return;
	if (write && write_file(table, view, whole, &why) != RC_OK) {
		tell(table, TABLE_FAILED, why.text);
		arm(table, RETRY_MS);
		return;
	}
	(void)why_set(&why, RC_AGAIN, "zone \"%s\" isn't here: its keys stay as they were, others are only added",
	              view->missing);
	tell(table, TABLE_OK, why.text);
}

static void put_right_with(struct table *table, const struct view *view, bool whole)
{
	struct why why;
	bool serials = same_serials(table, view);
	enum rc rc = RC_OK;
	if (table->dirty || !ruled(table, view)) {
		if (must_wait(table))
			return;
		rc = write_file(table, view, whole, &why);
	} else if (!serials) {      /* changes that this table has nothing of */
		note_serials(table, view);
		save_stamp(table);
	}
	if (rc == RC_OK) {
		tell(table, TABLE_OK, "");
		return;
	}
	bool there = access(table->file, F_OK) == 0;
	tell(table, TABLE_FAILED, why.text);
	if (!there && rc == RC_REFUSED)
		table->state = TABLE_ABSENT;
	arm(table, RETRY_MS);
}

static void put_right(void *context)
{
	struct table *table = context;
	loop_timer_clear(table->loop, &table->soon);
	table->due = table->waiting = false;
	arm(table, POLL_MS);
	struct view view;
	gather(table, &view);
	bool whole = intact(table);
	if (!whole || (!table->looked && (!same_serials(table, &view) || !ruled(table, &view))))
		table->dirty = true;
	table->looked = true;
	if (view.missing)
		put_right_without(table, &view, whole);
	else if (view.total > 0)
		put_right_with(table, &view, whole);
	free(view.zones);
	table->events.changed(table->events.context, table);
}

void table_touch(struct table *table, bool contents)
{
	if (contents)
		table->dirty = true;
	if (table->due)
		return;
	if (!table->dirty || (table->took_ms < SLOW_MS && table->stamp.keys < SLOW_KEYS)) {
		loop_defer(table->loop, &table->soon, put_right, table);
		return;
	}
	/* Not in this turn: what the changes' arrival has to be answered with goes out first. */
	int64_t pause = table->took_ms - mono_since(table->ended);
	table->due = true;
	arm(table, pause > 1 ? pause : 1);
}

bool table_behind(const struct table *table)
{
	return (table->dirty || !table->looked) && access(table->file, F_OK) == 0;
}

void table_go_on(struct table *table)
{
	if (table->waiting)
		loop_defer(table->loop, &table->soon, put_right, table);
}

/* ---- beginning and end ---- */

static void set_spec(struct table *table, const struct table_spec *spec, size_t zone_count)
{
	char *file = mem_sprintf("%s%s", spec->path, spec->type->extension);
	if (table->file && strcmp(table->file, file) != 0)
		table_stamp_free(&table->stamp);
	free(table->file);
	table->file = file;
	table->spec = spec;
	table->zone_count = zone_count;
	table->looked = false;
	struct why why;
	if (make_folder(table, &why) != RC_OK)
		log_warn("table \"%s\": %s", spec->name, why.text);
	loop_defer(table->loop, &table->soon, put_right, table);
}

struct table *table_new(struct loop *loop, const struct table_spec *spec, const char *stamp_folder, size_t zone_count,
                        const struct table_events *events)
{
	struct table *table = mem_zalloc(sizeof(*table));
	table->loop = loop;
	table->events = *events;
	table->stamp_path = mem_sprintf("%s/%s.stamp", stamp_folder, spec->name);
	struct why why;
	enum rc rc = table_stamp_load(table->stamp_path, &table->stamp, &why);
	if (rc != RC_OK)
		log_debug("table \"%s\": %s", spec->name, why.text);
	set_spec(table, spec, zone_count);
	return table;
}

void table_configure(struct table *table, const struct table_spec *spec, size_t zone_count)
{
	set_spec(table, spec, zone_count);
}

void table_free(struct table **table)
{
	if (!*table)
		return;
	loop_timer_clear((*table)->loop, &(*table)->soon);
	loop_timer_clear((*table)->loop, &(*table)->later);
	table_stamp_free(&(*table)->stamp);
	free((*table)->stamp_path);
	free((*table)->file);
	free(*table);
	*table = NULL;
}

/* ---- questions ---- */

const struct table_spec *table_spec(const struct table *table)
{
	return table->spec;
}

size_t table_zone_count(const struct table *table)
{
	return table->zone_count;
}

bool table_served(const struct table *table, const char *zone, struct epoch *epoch, uint64_t *serial)
{
	const struct table_stamp_zone *held = table_stamp_find(&table->stamp, zone);
	if (!held)
		return false;
	*epoch = held->epoch;
	*serial = held->serial;
	return true;
}

struct table_status table_status(const struct table *table)
{
	return (struct table_status){.state = table->state, .error = table->error.text, .records = table->stamp.keys,
	                             .written = table->stamp.written};
}

const char *table_state_name(enum table_state state)
{
	static const char *const names[] = {[TABLE_ABSENT] = "absent", [TABLE_OK] = "ok", [TABLE_FAILED] = "failed"};
	return names[state];
}

const char *table_holds_name(enum table_holds holds)
{
	return holds == TABLE_RECIPIENTS ? "recipients" : "domains";
}

char *table_main_cf(const struct table_spec *spec)
{
	return mem_sprintf("%s = %s:%s", spec->holds == TABLE_RECIPIENTS ? "relay_recipient_maps" : "relay_domains",
	                   spec->type->name, spec->path);
}
