/* test_verify.c: what a replica believes, and what it refuses: played by an attacker who has everything but the key. */
#include "replica/verify.h"

#include "common/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BEGAN 1700000000000

static struct identity *master, *stranger;
static struct pubkey keys[2];

static struct identity *make_identity(void)
{
	char folder[] = "/tmp/rxfer-verify-XXXXXX", path[64];
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/identity", folder);
	struct identity *identity = NULL;
	assert_int_equal(identity_generate(path, NULL), RC_OK);
	assert_int_equal(identity_load(path, &identity, NULL), RC_OK);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	return identity;
}

static int setup(void **state)
{
	(void)state;
	identity_init();
	master = make_identity();
	stranger = make_identity();
	/* The master's key is the second: any of them counts. */
	struct identity *other = make_identity();
	keys[0] = *identity_public(other);
	keys[1] = *identity_public(master);
	identity_free(&other);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	identity_free(&master);
	identity_free(&stranger);
	return 0;
}

static struct soa soa_of(enum soa_kind kind, uint64_t from, uint64_t serial)
{
	struct soa soa = {.kind = kind, .zone = "example", .epoch = {.id = {1}, .began = {BEGAN}}, .serial = serial,
	                  .from = from, .digest = {serial, serial}, .count = 2 * serial, .time = {BEGAN + (int64_t)serial},
	                  .refresh_s = 60, .retry_s = 15, .expire_s = 600};
	return soa;
}

static struct soa plain(uint64_t serial)
{
	struct soa soa = soa_of(SOA_PLAIN, serial, serial);
	soa_sign(&soa, master);
	return soa;
}

static struct soa changes(uint64_t from, uint64_t serial)
{
	struct soa soa = soa_of(SOA_CHANGESET, from, serial);
	soa_sign(&soa, master);
	return soa;
}

/* Records and evidence at serial 10. */
static struct soa known;
static struct store_meta records;
static struct verify_ground ground_at_10(void)
{
	known = plain(10);
	records = (struct store_meta){.epoch = known.epoch, .serial = 10, .digest = known.digest, .count = known.count};
	return (struct verify_ground){.zone = "example", .keys = keys, .key_count = 2, .known = &known,
	                              .records = &records};
}

static void announcements(void **state)
{
	(void)state;
	struct verify_ground ground = ground_at_10();
	struct why why;
	struct soa soa = plain(10);
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_SAME);
	soa = plain(11);
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_NEWER);
	soa = plain(9);
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_REFUSED);
	assert_non_null(strstr(why.text, "older than serial 10"));
	ground.records = NULL;
	soa = plain(10);
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_EMPTY);
	soa = plain(9);      /* an empty store doesn't make a replay true */
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_REFUSED);
	ground.known = NULL;
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_EMPTY);
}

static void signatures(void **state)
{
	(void)state;
	struct verify_ground ground = ground_at_10();
	struct why why;
	struct soa soa = soa_of(SOA_PLAIN, 11, 11);
	soa_sign(&soa, stranger);
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_REFUSED);
	assert_non_null(strstr(why.text, "isn't signed"));
	soa = plain(11);
	soa.serial = 12;
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_REFUSED);
	soa = changes(10, 11);
	soa.content_hash[0] ^= 1;
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_REFUSED);
	soa = soa_of(SOA_SNAPSHOT, 11, 11);
	soa_sign(&soa, master);
	assert_int_equal(verify_snapshot(&ground, &soa, &why), RC_OK);
	soa.content_hash[31] ^= 1;
	assert_int_equal(verify_snapshot(&ground, &soa, &why), RC_REFUSED);
	ground.key_count = 1;
	soa = plain(11);
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_REFUSED);
}

static void another_zone_under_the_same_key(void **state)
{
	(void)state;
	struct verify_ground ground = ground_at_10();
	struct why why;
	struct soa soa = soa_of(SOA_CHANGESET, 10, 11);
	(void)snprintf(soa.zone, sizeof(soa.zone), "other");
	soa_sign(&soa, master);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_REFUSED);
	assert_non_null(strstr(why.text, "\"other\""));
}

static void changesets(void **state)
{
	(void)state;
	struct verify_ground ground = ground_at_10();
	struct why why;
	struct soa soa = changes(10, 11);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_NEXT);
	soa = changes(10, 15);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_NEXT);
	soa = changes(11, 12);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_GAP);
	soa = changes(9, 12);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_GAP);
	soa = changes(9, 10);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_REPEAT);
	soa = changes(3, 4);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_REPEAT);
	ground.records = NULL;
	soa = changes(10, 11);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_EMPTY);
	soa = changes(3, 4);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_REFUSED);
}

/* The store lost its end: what was announced before may be fetched again, but nothing below what the records have. */
static void evidence_ahead_of_the_records(void **state)
{
	(void)state;
	struct verify_ground ground = ground_at_10();
	struct why why;
	records.serial = 8;
	struct soa soa = changes(8, 9);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_NEXT);
	soa = plain(9);
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_REFUSED);
	soa = plain(10);
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_NEWER);
}

static void epochs(void **state)
{
	(void)state;
	struct verify_ground ground = ground_at_10();
	struct why why;
	struct soa soa = soa_of(SOA_PLAIN, 1, 1);
	soa.epoch = (struct epoch){.id = {2}, .began = {BEGAN + 1}};
	soa_sign(&soa, master);
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_LATER_EPOCH);
	soa.kind = SOA_CHANGESET;
	soa.from = 0;
	soa_sign(&soa, master);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_LATER_EPOCH);
	for (int i = 0; i < 2; i++) {
		soa.epoch.began.ms = BEGAN - i;
		soa.serial = 99;
		soa_sign(&soa, master);
		assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_REFUSED);
		soa.kind = SOA_SNAPSHOT;
		soa_sign(&soa, master);
		assert_int_equal(verify_snapshot(&ground, &soa, &why), RC_REFUSED);
		soa.kind = SOA_CHANGESET;
	}
}

static void one_serial_two_contents(void **state)
{
	(void)state;
	struct verify_ground ground = ground_at_10();
	struct why why;
	struct soa soa = soa_of(SOA_PLAIN, 10, 10);
	soa.digest.low++;
	soa_sign(&soa, master);
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_DAMAGED);
	soa = soa_of(SOA_PLAIN, 10, 10);
	soa.count++;
	soa_sign(&soa, master);
	assert_int_equal(verify_announcement(&ground, &soa, &why), VERIFY_DAMAGED);
	soa = soa_of(SOA_CHANGESET, 9, 10);
	soa.digest.high++;
	soa_sign(&soa, master);
	assert_int_equal(verify_changeset(&ground, &soa, &why), VERIFY_DAMAGED);
	soa.kind = SOA_SNAPSHOT;      /* what heals it */
	soa.from = 10;
	soa_sign(&soa, master);
	assert_int_equal(verify_snapshot(&ground, &soa, &why), RC_OK);
}

static void only_a_later_date_is_fresh(void **state)
{
	(void)state;
	struct verify_ground ground = ground_at_10();
	struct soa soa = plain(10);
	assert_false(verify_is_later(&ground, &soa));
	soa.time.ms++;
	assert_true(verify_is_later(&ground, &soa));
	soa.time.ms -= 2;
	assert_false(verify_is_later(&ground, &soa));
	soa.time.ms = INT64_MAX;
	assert_true(verify_from_future(&soa, (struct wall){BEGAN}));
	soa.time.ms = BEGAN + 24 * 3600 * 1000;
	assert_false(verify_from_future(&soa, (struct wall){BEGAN}));
	soa.time.ms = INT64_MIN;
	assert_false(verify_from_future(&soa, (struct wall){BEGAN}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(announcements),
		cmocka_unit_test(signatures),
		cmocka_unit_test(another_zone_under_the_same_key),
		cmocka_unit_test(changesets),
		cmocka_unit_test(evidence_ahead_of_the_records),
		cmocka_unit_test(epochs),
		cmocka_unit_test(one_serial_two_contents),
		cmocka_unit_test(only_a_later_date_is_fresh),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
