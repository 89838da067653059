/* table_build.c: invariant 7: whatever Postfix opens under the table's name is complete and of one serial.
 *
 * The file is built as PATH.EXT.tmp in the same folder, closed, given its mode, synced, renamed, and the folder is
 * synced. It is never written in place: with running smtpds that refuses valid recipients. The old file is never linked
 * to, since smtpd knows by its link count that it was replaced. */
#include "replica/table_build.h"

#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Postfix's daemons read it, some of them as their own user. What is in it can be asked of the mail server anyway. */
#define TABLE_MODE 0644

/* Digests of tables are compared only on this machine, with what we wrote ourselves. */
static const uint8_t digest_key[RECORD_HASH_KEY_BYTES] = {'r', 'x', 'f', 'e', 'r', ' ', 't', 'a', 'b', 'l', 'e'};

struct writing {
	const struct table_build *build;
	const struct table_zone *zone;      /* being walked */
	struct table_writer *writer;
	struct table_built built;
	enum rc rc;
	struct why *why;
};

static bool put(struct writing *writing, const char *key, size_t length)
{
	bool added;
	writing->rc = writing->build->spec->type->put(writing->writer, key, length, &added, writing->why);
	if (writing->rc != RC_OK)
		return false;
	if (!added)
		return true;
	struct record record = record_make(RECORD_RCPT, key, length);
	struct fingerprint print = record_fingerprint(digest_key, &record);
	digest_add(&writing->built.digest, &print);
	writing->built.keys++;
	return true;
}

static bool put_catch_all(struct writing *writing, const char *domain, size_t length)
{
	char key[RECORD_KEY_MAX + 2];
	if (length > RECORD_KEY_MAX)
		return true;
	key[0] = '@';
	memcpy(key + 1, domain, length);
	return put(writing, key, length + 1);
}

static bool visit_record(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	(void)print;
	struct writing *writing = context;
	const struct record *record = &entry->record;
	const struct table_zone *zone = writing->zone;
	bool recipients = writing->build->spec->holds == TABLE_RECIPIENTS;
	if (record->type == (recipients ? RECORD_RCPT : RECORD_DOMAIN) && allow_has(zone->allow, record))
		return put(writing, record->key, record->key_length);
	/* Where any domain is allowed, the zone's own are those to be opened. */
	if (recipients && zone->open && allow_any(zone->allow) && record->type == RECORD_DOMAIN)
		return put_catch_all(writing, record->key, record->key_length);
	return true;
}

static bool visit_old_key(void *context, const char *key, size_t length)
{
	struct writing *writing = context;
	const struct table_build *build = writing->build;
	if (length > RECORD_KEY_MAX)
		return true;
	struct record record =
		record_make(build->spec->holds == TABLE_RECIPIENTS ? RECORD_RCPT : RECORD_DOMAIN, key, length);
	for (size_t i = 0; i < build->total; i++)
		if (allow_has(build->zones[i].allow, &record))
			return put(writing, key, length);
	return true;
}

static enum rc write_zone(struct writing *writing, const struct table_zone *zone)
{
	writing->zone = zone;
	enum rc rc = zonedb_walk(zone->db, visit_record, writing, writing->why);
	if (writing->rc != RC_OK)
		rc = writing->rc;
	bool open = zone->open && writing->build->spec->holds == TABLE_RECIPIENTS;
	for (size_t i = 0; rc == RC_OK && open && i < allow_count(zone->allow); i++) {
		const char *domain = allow_domain(zone->allow, i);
		(void)put_catch_all(writing, domain, strlen(domain));
		rc = writing->rc;
	}
	return rc;
}

static enum rc write_all(struct writing *writing)
{
	const struct table_build *build = writing->build;
	enum rc rc = RC_OK;
	for (size_t i = 0; rc == RC_OK && i < build->count; i++)
		rc = write_zone(writing, &build->zones[i]);
	if (rc == RC_OK && build->keep_old) {
		rc = build->spec->type->walk(build->file, visit_old_key, writing, writing->why);
		if (writing->rc != RC_OK)
			rc = writing->rc;
	}
	if (rc == RC_OK && writing->built.keys == 0)
		rc = why_set(writing->why, RC_REFUSED, "there is no key to put into it, and an empty table would refuse "
		             "everybody: do the zones' `domains` name what the master publishes?");
	return rc;
}

static bool same_keys(const struct table_build *build, const struct table_built *built)
{
	return build->same && build->same->keys == built->keys && digest_equal(&build->same->digest, &built->digest);
}

static enum rc put_into_place(const char *tmp, const struct table_build *build, struct table_built *built,
                              struct why *why)
{
	if (chmod(tmp, TABLE_MODE) != 0) {
		enum rc rc = file_fail(why, "can't set the mode of", tmp);
		(void)unlink(tmp);
		return rc;
	}
	enum rc rc = file_promote(tmp, build->file, why);
	if (rc == RC_OK)
		rc = table_file_look(build->file, &built->file, why);
	built->replaced = true;
	return rc;
}

enum rc table_build(const struct table_build *build, struct table_built *out, struct why *why)
{
	char *tmp = mem_sprintf("%s.tmp", build->file);
	struct writing writing = {.build = build, .rc = RC_OK, .why = why};
	uint64_t expected = 0;
	for (size_t i = 0; i < build->count; i++)
		expected += build->zones[i].expected;
	enum rc rc = RC_OK;
	if (unlink(tmp) != 0 && errno != ENOENT && errno != ENOTDIR)
		rc = file_fail(why, "can't remove", tmp);
	if (rc == RC_OK)
		rc = build->spec->type->create(tmp, expected, &writing.writer, why);
	if (rc != RC_OK)
		goto out;
	rc = write_all(&writing);
	bool unchanged = rc == RC_OK && same_keys(build, &writing.built);
	if (rc == RC_OK && !unchanged)
		rc = build->spec->type->finish(&writing.writer, why);
	else
		build->spec->type->abandon(&writing.writer);
	if (rc == RC_OK && !unchanged)
		rc = put_into_place(tmp, build, &writing.built, why);
	else
		(void)unlink(tmp);
	if (rc == RC_OK)
		*out = writing.built;
out:
	free(tmp);
	return rc;
}
