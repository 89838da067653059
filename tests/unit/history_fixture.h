/* history_fixture.h: a real zonedb in a temporary folder, with a history that publisher's and snapshot's tests write. */
#ifndef TESTS_HISTORY_FIXTURE_H
#define TESTS_HISTORY_FIXTURE_H

#include "common/zonedb.h"
#include "tests/unit/protocol_fixture.h"

struct history {
	char *folder;
	struct zonedb *db;
	const struct identity *signer;
	struct soa soa;            /* newest */
	struct buf encoded;        /* the newest changeset */
	unsigned users;
};

static FIXTURE_UNUSED void must(enum rc rc, const struct why *why)
{
	if (rc != RC_OK)
		fail_msg("%s", why->text);
}

static FIXTURE_UNUSED struct record history_user(unsigned number, char text[64])
{
	(void)snprintf(text, 64, "user%u@example.org", number);
	return record_make(RECORD_RCPT, text, strlen(text));
}

/* A new epoch, later than the one before, with `users` records at serial 1. */
static FIXTURE_UNUSED void history_begin(struct history *history, unsigned users)
{
	struct epoch epoch = epoch_begin(history->soa.zone[0] ? &history->soa.epoch : NULL);
	struct zonedb_builder *builder;
	struct why why = {""};
	must(zonedb_build(history->db, &epoch, users, &builder, &why), &why);
	for (unsigned i = 0; i < users; i++) {
		char text[64];
		struct record record = history_user(i, text);
		must(zonedb_build_add(builder, &record, 1, &why), &why);
	}
	history->soa = (struct soa){
		.kind = SOA_PLAIN, .zone = "example", .epoch = epoch, .serial = 1, .from = 1,
		.digest = zonedb_build_digest(builder), .count = zonedb_build_count(builder), .time = clock_wall(),
		.refresh_s = 60, .retry_s = 15, .expire_s = 3600,
	};
	soa_sign(&history->soa, history->signer);
	must(zonedb_build_finish(&builder, &history->soa, clock_wall(), &why), &why);
	history->users = users;
}

static FIXTURE_UNUSED void history_open(struct history *history, const struct identity *signer)
{
	struct why why = {""};
	*history = (struct history){.folder = fixture_folder(), .signer = signer};
	must(zonedb_open(history->folder, "example", &history->db, &why), &why);
}

/* One changeset, adding one user. */
static FIXTURE_UNUSED void history_change(struct history *history)
{
	char text[64];
	struct why why = {""};
	struct record record = history_user(history->users++, text);
	struct changeset_draft draft = {0};
	assert_true(changeset_draft_put(&draft, CHANGE_ADD, &record));
	struct fingerprint print = record_fingerprint(history->soa.epoch.id, &record);
	digest_add(&history->soa.digest, &print);
	history->soa.count++;
	history->soa.from = history->soa.serial++;
	history->soa.time.ms++;
	struct buf *encoded = &history->encoded;
	buf_clear(encoded);
	changeset_draft_finish(&draft, &history->soa, history->signer, encoded);
	changeset_draft_free(&draft);
	struct changeset changeset;
	must(changeset_decode(encoded->data, encoded->length, &changeset, &why), &why);
	must(zonedb_commit(history->db, &changeset, encoded->data, encoded->length, clock_wall(), &why), &why);
	changeset_free(&changeset);
}

static FIXTURE_UNUSED void history_close(struct history *history)
{
	zonedb_close(&history->db);
	char *command = mem_sprintf("rm -rf '%s'", history->folder);
	assert_int_equal(system(command), 0);
	free(command);
	free(history->folder);
	buf_free(&history->encoded);
}

#endif
