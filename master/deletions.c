/* deletions.c: see deletions.h. */
#include "master/deletions.h"

#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct deletions {
	struct edition *edition;
	const char *zone;
	char *path;
	struct deletions_limits limits;
	struct held_file file;           /* what is on disk */
	bool unsaved;                    /* the file must be written whatever changed */
	bool doubt;
	bool compared;                   /* due is complete: the published set was compared with what is wanted */
	bool anew;                       /* it may not be any more */
	struct fpset due;
	struct fpset held;               /* a part of due */
	enum brake_verdict verdict;      /* why */
	struct buf scratch;
};

static bool same_set(const struct fpset *a, const struct fpset *b)
{
	return a->count == b->count && (a->count == 0 || memcmp(a->at, b->at, a->count * sizeof *a->at) == 0);
}

static bool same_names(const struct held_file *a, const struct held_file *b)
{
	return a->names.length == b->names.length &&
	       (a->names.length == 0 || memcmp(a->names.data, b->names.data, a->names.length) == 0);
}

static void copy_set(struct fpset *out, const struct fpset *set)
{
	static const struct fpset none;
	fpset_union(set, &none, out);
}

/* In place: drops what isn't published (any more). */
static enum rc keep_published(struct deletions *deletions, struct fpset *set, struct why *why)
{
	struct zonedb *db = edition_db(deletions->edition);
	size_t count = 0;
	for (size_t i = 0; i < set->count; i++) {
		enum rc rc = zonedb_get(db, &set->at[i], &deletions->scratch, NULL, why);
		if (rc == RC_OK)
			set->at[count++] = set->at[i];
		else if (rc != RC_NOT_FOUND)
			return rc;
	}
	set->count = count;
	return RC_OK;
}

/* Reads the file into *deletions; what it holds of the published set is held, and so far all that is due. */
static enum rc load(struct deletions *deletions, struct why *why)
{
	bool present = zonedb_present(edition_db(deletions->edition));
	struct why trouble;
	enum rc rc = held_load(deletions->path, &deletions->file, &trouble);
	if (rc == RC_UNSUPPORTED || rc == RC_IO)
		return why_set(why, rc, "%s", trouble.text);
	if (rc != RC_OK) {
		deletions->unsaved = true;
		deletions->doubt = present;
		if (rc == RC_DAMAGED || present)
			log_warn("zone \"%s\": %s; what would be deleted next is held", deletions->zone, trouble.text);
		return RC_OK;
	}
	if (!present)
		return RC_OK;
	held_prints(&deletions->file, zonedb_meta(edition_db(deletions->edition))->epoch.id, &deletions->held);
	rc = keep_published(deletions, &deletions->held, why);
	copy_set(&deletions->due, &deletions->held);
	return rc;
}

enum rc deletions_open(struct edition *edition, const char *zone, const char *path,
                       const struct deletions_limits *limits, struct deletions **out, struct why *why)
{
	struct deletions *deletions = mem_zalloc(sizeof *deletions);
	deletions->edition = edition;
	deletions->zone = zone;
	deletions->path = mem_strdup(path);
	deletions->limits = *limits;
	enum rc rc = load(deletions, why);
	if (rc != RC_OK) {
		deletions_close(&deletions);
		return rc;
	}
	*out = deletions;
	return RC_OK;
}

void deletions_close(struct deletions **deletions)
{
	if (!*deletions)
		return;
	held_free(&(*deletions)->file);
	fpset_free(&(*deletions)->due);
	fpset_free(&(*deletions)->held);
	buf_free(&(*deletions)->scratch);
	free((*deletions)->path);
	free(*deletions);
	*deletions = NULL;
}

uint64_t deletions_held(const struct deletions *deletions)
{
	return deletions->held.count;
}

bool deletions_holds(const struct deletions *deletions, const struct fingerprint *print)
{
	return fpset_has(&deletions->held, print);
}

const char *deletions_reason(const struct deletions *deletions)
{
	return deletions->held.count && deletions->verdict != BRAKE_LET_GO ? brake_reason(deletions->verdict) : "";
}

bool deletions_source_had_records(const struct deletions *deletions, const char *source)
{
	return held_has_name(&deletions->file, source);
}

bool deletions_compared(const struct deletions *deletions)
{
	return deletions->compared;
}

void deletions_compare_anew(struct deletions *deletions)
{
	deletions->anew = true;
}

const struct held_file *deletions_file(const struct deletions *deletions)
{
	return &deletions->file;
}

/* ---- The file ---- */

static enum rc collect_texts(struct deletions *deletions, const struct fpset *set, struct held_file *out,
                             struct why *why)
{
	for (size_t i = 0; i < set->count; i++) {
		struct store_entry entry;
		enum rc rc = zonedb_get(edition_db(deletions->edition), &set->at[i], &deletions->scratch, &entry, why);
		if (rc == RC_OK)
			held_put_record(out, &entry.record);
		else if (rc != RC_NOT_FOUND)
			return rc;
	}
	return RC_OK;
}

static bool must_save(const struct deletions *deletions, const struct fpset *held, const struct held_file *names)
{
	return deletions->unsaved || !same_set(held, &deletions->held) || !same_names(names, &deletions->file);
}

/* Makes `held` what is held, on disk and here; the disk is only written when something changed. */
static enum rc hold(struct deletions *deletions, const struct fpset *held, const struct held_file *names,
                    struct why *why)
{
	if (!must_save(deletions, held, names))
		return RC_OK;
	struct held_file file = {0};
	buf_put(&file.names, names->names.data, names->names.length);
	file.name_count = names->name_count;
	enum rc rc = collect_texts(deletions, held, &file, why);
	if (rc == RC_OK)
		rc = held_save(deletions->path, &file, why);
	if (rc != RC_OK) {
		held_free(&file);
		return rc;
	}
	held_free(&deletions->file);
	deletions->file = file;
	deletions->unsaved = false;
	copy_set(&deletions->held, held);
	return RC_OK;
}

/* ---- What is due ---- */

struct comparison {
	const struct deletions_view *view;
	struct fpset *due;
};

static bool compare(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	const struct comparison *comparison = context;
	const struct deletions_view *view = comparison->view;
	(void)entry;
	bool wanted = fpset_has(view->fresh, print);
	for (size_t i = 0; i < view->sets.count && !wanted; i++)
		wanted = i != view->index && fpset_has(view->sets.at[i], print);
	if (!wanted)
		fpset_append(comparison->due, *print);
	return true;
}

static enum rc find_due(struct deletions *deletions, const struct deletions_view *view, struct fpset *due,
                        struct why *why)
{
	if (deletions->compared && !deletions->anew) {
		merge_due(&view->sets, view->index, view->fresh, &deletions->due, due);
		return keep_published(deletions, due, why);
	}
	struct comparison comparison = {view, due};
	enum rc rc = zonedb_walk(edition_db(deletions->edition), compare, &comparison, why);
	fpset_seal(due);
	return rc;
}

static enum rc count(struct deletions *deletions, const struct fpset *set, uint64_t *all, uint64_t *recipients,
                     struct why *why)
{
	for (size_t i = 0; i < set->count; i++) {
		struct store_entry entry;
		enum rc rc = zonedb_get(edition_db(deletions->edition), &set->at[i], &deletions->scratch, &entry, why);
		if (rc != RC_OK)
			return rc;
		*all += entry.record.type != RECORD_PARAM;
		*recipients += entry.record.type == RECORD_RCPT;
	}
	return RC_OK;
}

static enum rc judge(struct deletions *deletions, const struct fpset *still, const struct fpset *fresh, bool emptied,
                     enum brake_verdict *verdict, struct why *why)
{
	const struct edition *edition = deletions->edition;
	struct brake_case facts = {
		.recipients = edition_recipients(edition),
		.published = edition_recipients(edition) + edition_domains(edition),
		.source_emptied = emptied,
		.doubt = deletions->doubt,
		.max_shrink_percent = deletions->limits.max_shrink_percent,
		.min_shrink = deletions->limits.min_shrink,
	};
	uint64_t held_recipients = 0;
	enum rc rc = count(deletions, still, &facts.held, &held_recipients, why);
	if (rc == RC_OK)
		rc = count(deletions, fresh, &facts.fresh, &facts.fresh_recipients, why);
	if (rc == RC_OK)
		*verdict = brake_judge(&facts);
	return rc;
}

static void tell(struct deletions *deletions, uint64_t before, uint64_t recovered, uint64_t fresh)
{
	if (fresh > 0)
		log_warn("zone \"%s\": %" PRIu64 " deletion%s held, %zu in all: %s; to let them go: rxfer approve %s",
		         deletions->zone, fresh, fresh == 1 ? " is" : "s are", deletions->held.count,
		         brake_reason(deletions->verdict), deletions->zone);
	if (recovered > 0)
		log_info("zone \"%s\": %" PRIu64 " of %" PRIu64 " held deletions are off, their records are listed again",
		         deletions->zone, recovered, before);
}

static enum rc delete_all(struct deletions *deletions, const struct fpset *set, struct why *why)
{
	for (size_t i = 0; i < set->count; i++) {
		enum rc rc = edition_delete(deletions->edition, &set->at[i], why);
		if (rc != RC_OK)
			return rc;
	}
	return edition_flush(deletions->edition, why);
}

/* The DOMAIN records of the recipients in `set`. */
static enum rc domains_of(struct deletions *deletions, const struct fpset *set, struct fpset *out, struct why *why)
{
	struct zonedb *db = edition_db(deletions->edition);
	for (size_t i = 0; i < set->count; i++) {
		struct store_entry entry;
		const char *domain;
		size_t length;
		enum rc rc = zonedb_get(db, &set->at[i], &deletions->scratch, &entry, why);
		if (rc == RC_NOT_FOUND || (rc == RC_OK && entry.record.type != RECORD_RCPT))
			continue;
		if (rc != RC_OK)
			return rc;
		record_domain(&entry.record, &domain, &length);
		struct record record = record_make(RECORD_DOMAIN, domain, length);
		fpset_append(out, record_fingerprint(zonedb_meta(db)->epoch.id, &record));
	}
	fpset_seal(out);
	return RC_OK;
}

/* Takes the domains of recipients that stay out of *go and puts them into *kept: a backup refuses whatever isn't in its
 * domains. */
static enum rc keep_domains(struct deletions *deletions, const struct fpset *stay, struct fpset *go, struct fpset *kept,
                            struct why *why)
{
	struct fpset domains = {0};
	struct fpset rest = {0};
	enum rc rc = go->count > 0 ? domains_of(deletions, stay, &domains, why) : RC_OK;
	if (rc == RC_OK) {
		fpset_common(go, &domains, kept);
		fpset_minus(go, kept, &rest);
		fpset_free(go);
		*go = rest;
	}
	fpset_free(&domains);
	return rc;
}

static enum rc put_off(struct deletions *deletions, const struct fpset *due, struct why *why)
{
	enum rc rc = edition_flush(deletions->edition, why);
	if (rc != RC_OK)
		return rc;
	copy_set(&deletions->due, due);
	deletions->compared = true;
	deletions->anew = false;
	return RC_OK;
}

/* Additions are out before anything that can fail is tried, and what is held is written before what isn't goes. */
static enum rc carry_out(struct deletions *deletions, const struct fpset *held, const struct fpset *go,
                         const struct held_file *names, struct why *why)
{
	enum rc rc = must_save(deletions, held, names) ? edition_flush(deletions->edition, why) : RC_OK;
	if (rc == RC_OK)
		rc = hold(deletions, held, names, why);
	return rc == RC_OK ? delete_all(deletions, go, why) : rc;
}

enum rc deletions_settle(struct deletions *deletions, const struct deletions_view *view, struct why *why)
{
	struct fpset due = {0};
	struct fpset still = {0};
	struct fpset fresh = {0};
	struct fpset held = {0};
	struct fpset go = {0};
	struct fpset kept = {0};
	enum brake_verdict verdict = BRAKE_LET_GO;
	uint64_t before = deletions->held.count;

	enum rc rc = find_due(deletions, view, &due, why);
	if (rc != RC_OK)
		goto out;
	if (view->wait) {
		rc = put_off(deletions, &due, why);
		goto out;
	}
	brake_split(&deletions->held, &due, &still, &fresh);
	rc = judge(deletions, &still, &fresh, view->emptied, &verdict, why);
	if (rc != RC_OK)
		goto out;
	bool keep = verdict != BRAKE_LET_GO;
	copy_set(keep ? &kept : &go, &fresh);
	if (!keep)
		rc = keep_domains(deletions, &still, &go, &kept, why);
	if (rc != RC_OK)
		goto out;
	fpset_union(&still, &kept, &held);
	rc = carry_out(deletions, &held, &go, view->names, why);
	if (rc != RC_OK)
		goto out;
	fpset_minus(&due, &go, &deletions->due);
	deletions->compared = true;
	deletions->anew = false;
	deletions->doubt = false;
	if (keep)
		deletions->verdict = verdict;
	tell(deletions, before, before - still.count, keep ? fresh.count : 0);
out:
	fpset_free(&due);
	fpset_free(&still);
	fpset_free(&fresh);
	fpset_free(&held);
	fpset_free(&go);
	fpset_free(&kept);
	return rc;
}

/* What of the held ones may go when a human says so: not what is listed again, nor the domain of a recipient that isn't
 * judged yet; while deletions wait, neither has been looked at. */
static enum rc find_approved(struct deletions *deletions, const struct merge_sets *sets, struct fpset *go,
                             struct fpset *kept, struct why *why)
{
	struct fpset rest = {0};
	for (size_t i = 0; i < deletions->held.count; i++)
		if (!merge_wanted(sets, &deletions->held.at[i]))
			fpset_append(go, deletions->held.at[i]);
	fpset_seal(go);
	enum rc rc = keep_published(deletions, go, why);
	fpset_minus(&deletions->due, &deletions->held, &rest);
	if (rc == RC_OK)
		rc = keep_domains(deletions, &rest, go, kept, why);
	fpset_free(&rest);
	return rc;
}

static enum rc delete_approved(struct deletions *deletions, const struct fpset *go, struct why *why)
{
	uint64_t all = 0;
	uint64_t recipients = 0;
	enum rc rc = count(deletions, go, &all, &recipients, why);
	if (rc != RC_OK)
		return rc;
	if (go->count == 0)
		return why_set(why, RC_NOT_FOUND, "zone \"%s\": no deletions are held", deletions->zone);
	if (recipients > 0 && recipients >= edition_recipients(deletions->edition))
		return why_set(why, RC_REFUSED, "zone \"%s\": no recipient would be left, and an empty zone refuses everybody's "
		               "mail: to give the zone up take it out of the configuration", deletions->zone);
	rc = delete_all(deletions, go, why);
	if (rc != RC_OK)
		edition_drop(deletions->edition);
	return rc;
}

/* They are gone; a file that still names them does no more than hold them again, should they ever come back. */
static void forget_approved(struct deletions *deletions, const struct fpset *go, const struct fpset *kept)
{
	struct fpset left = {0};
	struct held_file names = {0};
	struct why trouble;
	fpset_minus(&deletions->due, go, &left);
	fpset_free(&deletions->due);
	deletions->due = left;
	buf_put(&names.names, deletions->file.names.data, deletions->file.names.length);
	names.name_count = deletions->file.name_count;
	if (hold(deletions, kept, &names, &trouble) != RC_OK) {
		log_error("zone \"%s\": %s", deletions->zone, trouble.text);
		deletions->unsaved = true;
		copy_set(&deletions->held, kept);
	}
	held_free(&names);
}

enum rc deletions_approve(struct deletions *deletions, const struct merge_sets *sets, uint64_t *approved,
                          struct why *why)
{
	struct fpset go = {0};
	struct fpset kept = {0};
	enum rc rc = find_approved(deletions, sets, &go, &kept, why);
	if (rc == RC_OK)
		rc = delete_approved(deletions, &go, why);
	if (rc == RC_OK) {
		*approved = go.count;
		log_info("zone \"%s\": %" PRIu64 " held deletions were approved", deletions->zone, *approved);
		forget_approved(deletions, &go, &kept);
	}
	fpset_free(&go);
	fpset_free(&kept);
	return rc;
}

/* ---- New contents ---- */

enum rc deletions_keep(struct deletions *deletions, struct held_file *out, struct why *why)
{
	return collect_texts(deletions, &deletions->held, out, why);
}

void deletions_rekey(struct deletions *deletions, const struct held_file *kept)
{
	held_prints(kept, zonedb_meta(edition_db(deletions->edition))->epoch.id, &deletions->held);
	copy_set(&deletions->due, &deletions->held);
	deletions->compared = false;
}

enum rc deletions_adopt(struct deletions *deletions, const struct merge_sets *sets, const struct held_file *names,
                        struct why *why)
{
	struct fpset filed = {0};
	struct fpset held = {0};
	held_prints(&deletions->file, zonedb_meta(edition_db(deletions->edition))->epoch.id, &filed);
	for (size_t i = 0; i < filed.count; i++)
		if (!merge_wanted(sets, &filed.at[i]))
			fpset_append(&held, filed.at[i]);
	fpset_seal(&held);
	fpset_free(&filed);
	deletions->unsaved = true;
	deletions->doubt = false;
	deletions->compared = true;
	deletions->anew = false;
	copy_set(&deletions->due, &held);
	enum rc rc = hold(deletions, &held, names, why);
	if (rc != RC_OK)
		copy_set(&deletions->held, &held);
	fpset_free(&held);
	return rc;
}
