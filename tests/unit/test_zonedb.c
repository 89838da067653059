/* A zone on disk in use: commits, announcements, whole transfers given up, upkeep. */
#include "tests/unit/zonedb_fixture.h"

#include "tests/unit/soa_same.h"

static void begins_empty(void **state)
{
	(void)state;
	struct zonedb *db = open_zone();
	assert_false(zonedb_present(db));
	assert_string_equal(zonedb_trouble(db), "");
	struct soa soa;
	assert_false(zonedb_soa(db, &soa));
	struct zonedb *second = NULL;
	assert_int_equal(zonedb_open(folder, "z", &second, NULL), RC_AGAIN);
	assert_null(second);
	struct fingerprint print = {0};
	assert_int_equal(zonedb_get(db, &print, NULL, NULL, NULL), RC_NOT_FOUND);
	assert_int_equal(zonedb_checkpoint(db, NULL), RC_OK);
	zonedb_close(&db);
	assert_null(db);
}

static void commits_and_reopens(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(5);
	check_contents(db);
	struct soa soa;
	assert_true(zonedb_soa(db, &soa));
	assert_int_equal(soa.kind, SOA_SNAPSHOT);
	assert_int_equal(zonedb_soa_received(db).ms, 777);
	assert_int_equal(commit(db, 6), RC_OK);
	assert_int_equal(commit(db, 9), RC_OK);
	assert_int_equal(zonedb_soa_received(db).ms, 1234);
	for (int opened = 0; opened < 2; opened++) {
		assert_int_equal(zonedb_meta(db)->serial, 9);
		assert_int_equal(zonedb_oldest(db), 5);
		assert_string_equal(zonedb_trouble(db), "");
		check_contents(db);
		assert_true(zonedb_soa(db, &soa));
		assert_int_equal(soa.serial, 9);
		assert_true(soa_verify(&soa, identity_public(signer)));
		struct buf out = {0};
		uint64_t to;
		assert_int_equal(zonedb_changes_from(db, &epoch, 6, &out, &to, NULL), RC_OK);
		assert_int_equal(to, 9);
		assert_int_equal(zonedb_changes_from(db, &epoch, 7, &out, &to, NULL), RC_NOT_FOUND);
		struct epoch other = epoch_begin(&epoch);
		assert_int_equal(zonedb_changes_from(db, &other, 6, &out, &to, NULL), RC_NOT_FOUND);
		buf_free(&out);
		zonedb_close(&db);
		db = open_zone();
	}
	/* The changeset was signed later than the file's announcement came. */
	assert_int_equal(zonedb_soa_received(db).ms, soa.time.ms);
	zonedb_close(&db);
}

static void refuses_what_does_not_fit(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(5);
	static const struct { uint64_t from, to; bool lie; } cases[] = {{4, 6, false}, {6, 7, false}, {5, 6, true}};
	for (size_t i = 0; i < 3; i++) {
		struct buf data = {0};
		changeset_of(cases[i].from, cases[i].to, cases[i].lie, &data);
		assert_int_equal(commit_encoding(db, &data, NULL), RC_INVALID);
		buf_free(&data);
	}
	/* Leads to the right digest, but adds what is there, deletes what isn't, or speaks of one record twice. */
	char a[64], b[64];
	struct record absent = numbered(NUMBERS + 1, a);
	struct record here = numbered(4, b);
	assert_true(member(4, 5) && member(4, 6) && !member(2, 5));
	struct { enum change change; struct record record; } odd[][2] = {
		{{CHANGE_ADD, absent}, {CHANGE_DELETE, absent}},
		{{CHANGE_ADD, here}, {CHANGE_DELETE, here}},
	};
	for (size_t i = 0; i < 2; i++) {
		struct changeset_draft draft = {0};
		assert_true(changeset_draft_put(&draft, odd[i][0].change, &odd[i][0].record));
		assert_true(changeset_draft_put(&draft, odd[i][1].change, &odd[i][1].record));
		struct soa soa = soa_of(5);
		soa.from = 5;
		soa.serial = 6;
		struct buf data = {0};
		changeset_draft_finish(&draft, &soa, signer, &data);
		struct why why;
		assert_int_equal(commit_encoding(db, &data, &why), RC_INVALID);
		assert_non_null(strstr(why.text, "twice"));
		buf_free(&data);
		changeset_draft_free(&draft);
	}
	for (int deleting = 0; deleting < 2; deleting++) {
		struct changeset_draft draft = {0};
		struct record *record = deleting ? &absent : &here;
		assert_true(changeset_draft_put(&draft, deleting ? CHANGE_DELETE : CHANGE_ADD, record));
		struct soa soa = soa_of(5);
		struct fingerprint print = record_fingerprint(epoch.id, record);
		soa.from = 5;
		soa.serial = 6;
		if (deleting) {
			digest_subtract(&soa.digest, &print);
			soa.count--;
		} else {
			digest_add(&soa.digest, &print);
			soa.count++;
		}
		struct buf data = {0};
		changeset_draft_finish(&draft, &soa, signer, &data);
		assert_int_equal(commit_encoding(db, &data, NULL), RC_INVALID);
		buf_free(&data);
		changeset_draft_free(&draft);
	}
	assert_int_equal(zonedb_meta(db)->serial, 5);
	check_contents(db);
	assert_int_equal(commit(db, 6), RC_OK);
	check_contents(db);
	zonedb_close(&db);
}

static void remembers_announcements(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(5);
	struct soa soa = soa_of(8);
	soa.kind = SOA_SNAPSHOT;      /* only one of these may be ahead of what is held */
	soa_sign(&soa, signer);
	assert_int_equal(zonedb_note_soa(db, &soa, (struct wall){4444}, NULL), RC_OK);
	soa.time.ms++;
	assert_int_equal(zonedb_note_soa(db, &soa, (struct wall){5555}, NULL), RC_OK);
	struct soa older = soa_of(7);
	assert_int_equal(zonedb_note_soa(db, &older, (struct wall){6666}, NULL), RC_INVALID);
	assert_int_equal(commit(db, 6), RC_OK);
	for (int opened = 0; opened < 2; opened++) {
		struct soa known;
		assert_true(zonedb_soa(db, &known));
		assert_soa_equal(&known, &soa);
		assert_int_equal(zonedb_soa_received(db).ms, 5555);
		assert_int_equal(zonedb_meta(db)->serial, 6);
		check_contents(db);
		zonedb_close(&db);
		db = open_zone();
	}
	zonedb_close(&db);
	char *path = inside("soa");
	assert_int_equal(truncate(path, 30), 0);
	db = open_zone();
	assert_true(zonedb_present(db));
	assert_non_null(strstr(zonedb_trouble(db), "announcement"));
	assert_true(zonedb_soa(db, &soa));
	assert_int_equal(soa.serial, 6);
	zonedb_close(&db);
	free(path);
}

/* Leftovers of a transfer that was killed before it took its place. */
static void leftovers_are_removed(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(5);
	zonedb_close(&db);
	copy_file("records.tch", "records.tch.new");
	copy_file("journal", "journal.new");
	db = open_zone();
	check_contents(db);
	char *path = inside("records.tch.new");
	assert_int_not_equal(access(path, F_OK), 0);
	free(path);
	/* And one given up leaves what was there. */
	struct zonedb_builder *builder = fill(db, 6);
	struct zonedb_builder *second = NULL;
	assert_int_equal(zonedb_build(db, &epoch, 1, &second, NULL), RC_AGAIN);
	zonedb_build_abandon(&builder);
	assert_null(builder);
	builder = fill(db, 6);
	char text[64];
	struct record twice = numbered(3, text);
	assert_int_equal(zonedb_build_add(builder, &twice, 6, NULL), RC_INVALID);
	zonedb_build_abandon(&builder);
	builder = fill(db, 6);
	struct soa wrong = soa_of(7);
	assert_int_equal(zonedb_build_finish(&builder, &wrong, (struct wall){1}, NULL), RC_INVALID);
	assert_null(builder);
	assert_int_equal(build(db, 4, NULL), RC_INVALID);       /* never backwards */
	assert_int_equal(zonedb_meta(db)->serial, 5);
	check_contents(db);
	assert_int_equal(build(db, 5, NULL), RC_OK);            /* the same again: healing */
	check_contents(db);
	zonedb_close(&db);
}

static void upkeep_trims(void **state)
{
	(void)state;
	struct zonedb *db = zone_at(1);
	uint64_t serial = 1;
	while (zonedb_oldest(db) == 1 && serial < 2000) {
		assert_int_equal(commit(db, ++serial), RC_OK);
		assert_int_equal(zonedb_checkpoint(db, NULL), RC_OK);
	}
	assert_true(zonedb_oldest(db) > 1 && zonedb_oldest(db) < serial);
	char *path = inside("journal");
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_true(status.st_size <= 1 << 20 && status.st_size > 1 << 19);
	free(path);
	uint64_t oldest = zonedb_oldest(db);
	zonedb_close(&db);
	db = open_zone();
	assert_int_equal(zonedb_oldest(db), oldest);
	assert_int_equal(zonedb_meta(db)->serial, serial);
	check_contents(db);
	zonedb_close(&db);
}

static bool note_param(void *context, const struct record *param)
{
	buf_printf(context, "%.*s=%.*s ", param->key_length, param->key, param->value_length, param->value);
	return true;
}

static void check_params(struct zonedb *db, const char *wanted)
{
	struct buf text = {0};
	assert_int_equal(zonedb_params(db, note_param, &text, NULL), RC_OK);
	assert_string_equal(buf_text(&text), wanted);
	buf_free(&text);
}

static struct record param(const char *name, const char *value)
{
	struct record record = record_make(RECORD_PARAM, name, strlen(name));
	record.value = value;
	record.value_length = (uint16_t)strlen(value);
	return record;
}

static enum rc change(struct zonedb *db, const struct record *gone, const struct record *added)
{
	struct changeset_draft draft = {0};
	struct soa soa = soa_of(0);
	const struct store_meta *meta = zonedb_meta(db);
	struct buf data = {0};
	soa.digest = meta->digest;
	soa.count = meta->count;
	soa.from = meta->serial;
	soa.serial = meta->serial + 1;
	const struct record *records[] = {added, gone};
	for (int deleting = 0; deleting < 2; deleting++) {
		if (!records[deleting])
			continue;
		struct fingerprint print = record_fingerprint(epoch.id, records[deleting]);
		assert_true(changeset_draft_put(&draft, deleting ? CHANGE_DELETE : CHANGE_ADD, records[deleting]));
		if (deleting)
			digest_subtract(&soa.digest, &print);
		else
			digest_add(&soa.digest, &print);
		soa.count += deleting ? (uint64_t)-1 : 1;
	}
	changeset_draft_finish(&draft, &soa, signer, &data);
	enum rc rc = commit_encoding(db, &data, NULL);
	buf_free(&data);
	changeset_draft_free(&draft);
	return rc;
}

/* With and without a walk before, over changes and a restart, and when the contents are made anew. */
static void parameters_are_at_hand(void **state)
{
	(void)state;
	const struct record plus = param("recipient_delimiter", "+"), minus = param("recipient_delimiter", "-"),
	                    none = param("recipient_delimiter", ""), yes = param("smtputf8_enable", "yes");
	struct zonedb *db = open_zone();
	struct buf text = {0};
	assert_int_equal(zonedb_params(db, note_param, &text, NULL), RC_NOT_FOUND);
	buf_free(&text);
	zonedb_close(&db);
	db = zone_at(5);
	check_params(db, "");
	assert_int_equal(change(db, NULL, &plus), RC_OK);
	check_params(db, "recipient_delimiter=+ ");
	assert_int_equal(change(db, &plus, &minus), RC_OK);
	assert_int_equal(change(db, NULL, &yes), RC_OK);
	check_params(db, "recipient_delimiter=- smtputf8_enable=yes ");
	assert_int_equal(change(db, &yes, NULL), RC_OK);
	assert_int_equal(change(db, &minus, &none), RC_OK);
	assert_int_equal(change(db, &plus, NULL), RC_INVALID);      /* not there any more: nothing happens */
	for (int opened = 0; opened < 2; opened++) {
		check_params(db, "recipient_delimiter= ");
		zonedb_close(&db);
		db = open_zone();
	}
	assert_int_equal(change(db, &none, &plus), RC_OK);          /* nobody has walked yet */
	check_params(db, "recipient_delimiter=+ ");
	assert_int_equal(build(db, zonedb_meta(db)->serial + 1, NULL), RC_OK);
	check_params(db, "");
	zonedb_close(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(begins_empty),
		TEST(commits_and_reopens),
		TEST(refuses_what_does_not_fit),
		TEST(remembers_announcements),
		TEST(leftovers_are_removed),
		TEST(upkeep_trims),
		TEST(parameters_are_at_hand),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
