/* protocol_fixture.h: what the tests of protocol and publisher share: identities with fixed keys, and samples. */
#ifndef TESTS_PROTOCOL_FIXTURE_H
#define TESTS_PROTOCOL_FIXTURE_H

#include "common/buf.h"
#include "common/changeset.h"
#include "common/identity.h"
#include "common/mem.h"
#include "protocol/message.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE_UNUSED __attribute__((unused))

/* A new folder under $TMPDIR; the caller frees the name. */
static FIXTURE_UNUSED char *fixture_folder(void)
{
	const char *base = getenv("TMPDIR");
	char *path = mem_sprintf("%s/rxfer-test.XXXXXX", base && *base ? base : "/tmp");
	assert_non_null(mkdtemp(path));
	return path;
}

/* The identity whose Ed25519 seed is 32 bytes of `fill`, its Curve25519 secret 32 bytes of fill + 1. Through a file, as
 * identity.c knows no other way. */
static FIXTURE_UNUSED struct identity *fixture_identity(uint8_t fill)
{
	static const char magic[] = "rxfer identity 1";
	uint8_t seed[32], transport[32], check[32];
	memset(seed, fill, sizeof(seed));
	memset(transport, fill + 1, sizeof(transport));
	struct buf hashed = {0};
	buf_put(&hashed, magic, strlen(magic));
	buf_put(&hashed, seed, sizeof(seed));
	buf_put(&hashed, transport, sizeof(transport));
	identity_hash(hashed.data, hashed.length, check);
	buf_free(&hashed);

	char text[3][64];
	const uint8_t *values[3] = {seed, transport, check};
	for (size_t i = 0; i < 3; i++)
		sodium_bin2base64(text[i], sizeof(text[i]), values[i], 32, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char *folder = fixture_folder();
	char *path = mem_sprintf("%s/identity", folder);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	fprintf(file, "%s\nsign %s\ntransport %s\ncheck %s\n", magic, text[0], text[1], text[2]);
	assert_int_equal(fclose(file), 0);
	struct identity *identity;
	struct why why;
	if (identity_load(path, &identity, &why) != RC_OK)
		fail_msg("%s", why.text);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	free(path);
	free(folder);
	return identity;
}

/* What zone "example" holds at serial 7. */
static FIXTURE_UNUSED struct record fixture_record(unsigned number)
{
	static const char alice[] = "alice@example.org", domain[] = "example.org", name[] = "recipient_delimiter";
	struct record record = record_make(RECORD_PARAM, name, strlen(name));
	record.value = "+";
	record.value_length = 1;
	return number == 0 ? record_make(RECORD_RCPT, alice, strlen(alice)) :
	       number == 1 ? record_make(RECORD_DOMAIN, domain, strlen(domain)) : record;
}
#define FIXTURE_RECORDS 3

/* Unsigned. */
static FIXTURE_UNUSED struct soa fixture_soa(enum soa_kind kind)
{
	struct soa soa = {
		.kind = kind, .zone = "example", .epoch = {.began = {1700000000000}}, .serial = 7,
		.from = kind == SOA_CHANGESET ? 6 : 7, .count = FIXTURE_RECORDS, .time = {1700000123456},
		.refresh_s = 60, .retry_s = 15, .expire_s = 604800,
	};
	for (uint8_t i = 0; i < sizeof(soa.epoch.id); i++)
		soa.epoch.id[i] = (uint8_t)(0xa0 + i);
	for (unsigned i = 0; i < FIXTURE_RECORDS; i++) {
		struct record record = fixture_record(i);
		struct fingerprint print = record_fingerprint(soa.epoch.id, &record);
		digest_add(&soa.digest, &print);
	}
	return soa;
}

/* The changeset from 6 to 7: adds alice@example.org, deletes bob@example.org. */
static FIXTURE_UNUSED void fixture_changeset(const struct identity *signer, struct buf *out)
{
	static const char bob[] = "bob@example.org";
	struct soa soa = fixture_soa(SOA_CHANGESET);
	struct changeset_draft draft = {0};
	struct record record = fixture_record(0);
	assert_true(changeset_draft_put(&draft, CHANGE_ADD, &record));
	record = record_make(RECORD_RCPT, bob, strlen(bob));
	assert_true(changeset_draft_put(&draft, CHANGE_DELETE, &record));
	changeset_draft_finish(&draft, &soa, signer, out);
	changeset_draft_free(&draft);
}

/* A whole transfer's stream: u64 count, records. */
static FIXTURE_UNUSED void fixture_stream(struct buf *out)
{
	buf_put_u64(out, FIXTURE_RECORDS);
	for (unsigned i = 0; i < FIXTURE_RECORDS; i++) {
		struct record record = fixture_record(i);
		record_encode(out, &record);
	}
}

static FIXTURE_UNUSED struct soa fixture_signed(enum soa_kind kind, const struct identity *signer)
{
	struct soa soa = fixture_soa(kind);
	if (kind == SOA_SNAPSHOT) {
		struct buf stream = {0};
		fixture_stream(&stream);
		identity_hash(stream.data, stream.length, soa.content_hash);
		buf_free(&stream);
	}
	soa_sign(&soa, signer);
	return soa;
}

/* It announces the key whose halves are 32 bytes of 0xb1 and of 0xb2. */
static FIXTURE_UNUSED struct handover fixture_handover(const struct identity *signer)
{
	struct pubkey next;
	memset(next.sign, 0xb1, sizeof(next.sign));
	memset(next.transport, 0xb2, sizeof(next.transport));
	return handover_make(signer, &next, (struct wall){1700000123456});
}

#endif
