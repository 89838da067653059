/* test_identity.c: keys are kept safe, a slip in a key line is noticed, a signature speaks for one purpose only. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/identity.h"
#include "common/buf.h"
#include "common/file.h"
#include "common/mem.h"
#include "tests/unit/folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

static char path[300];

static int set_up(void **state)
{
	(void)state;
	identity_init();
	if (folder_make("identity") != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/id", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return folder_remove();
}

static struct identity *fresh(void)
{
	(void)unlink(path);
	struct why why = {""};
	struct identity *identity = NULL;
	assert_int_equal(identity_generate(path, &why), RC_OK);
	assert_int_equal(identity_load(path, &identity, &why), RC_OK);
	return identity;
}

static void generates(void **state)
{
	(void)state;
	mode_t before = umask(0);
	struct identity *identity = fresh();
	umask(before);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	unsigned names = 0;
	DIR *dir = opendir(folder);
	while (readdir(dir))
		names++;
	closedir(dir);
	assert_int_equal(names, 3);      /* ".", "..", "id": no temporary file is left */

	struct why why = {""};
	assert_int_equal(identity_generate(path, &why), RC_REFUSED);
	assert_non_null(strstr(why.text, "never overwritten"));
	struct identity *again = NULL;
	assert_int_equal(identity_load(path, &again, &why), RC_OK);
	assert_true(pubkey_equal(identity_public(identity), identity_public(again)));
	identity_free(&again);

	struct identity *other = fresh();
	assert_false(pubkey_equal(identity_public(identity), identity_public(other)));
	identity_free(&other);
	identity_free(&identity);
	assert_null(identity);
	identity_free(&identity);

	char *bad = mem_sprintf("%s/no/id", folder);
	assert_int_equal(identity_generate(bad, &why), RC_IO);
	assert_non_null(strstr(why.text, bad));
	free(bad);
}

/* ZeroMQ takes the same key pair. */
static void transport_key_is_zeromqs(void **state)
{
	(void)state;
	struct identity *identity = fresh();
	char secret[41], expected[41], own[41];
	assert_non_null(zmq_z85_encode(secret, identity_transport_secret(identity), 32));
	assert_int_equal(zmq_curve_public(expected, secret), 0);
	assert_non_null(zmq_z85_encode(own, identity_public(identity)->transport, 32));
	assert_string_equal(own, expected);
	identity_free(&identity);
}

static enum rc load(struct why *why)
{
	struct identity *identity = NULL;
	enum rc rc = identity_load(path, &identity, why);
	assert_true((rc == RC_OK) == (identity != NULL));
	identity_free(&identity);
	return rc;
}

static void refuses_what_others_can_read(void **state)
{
	(void)state;
	struct identity *identity = fresh();
	identity_free(&identity);
	static const mode_t modes[] = {0640, 0604, 0620, 0601, 0666};
	struct why why = {""};
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(load(&why), RC_REFUSED);
		assert_non_null(strstr(why.text, "chmod 600"));
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(load(&why), RC_OK);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(load(&why), RC_NOT_FOUND);
	assert_non_null(strstr(why.text, "rxfer keygen"));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(load(&why), RC_REFUSED);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(load(&why), RC_REFUSED);
	assert_int_equal(unlink(path), 0);
}

static enum rc load_text(const void *text, size_t length, struct why *why)
{
	assert_int_equal(file_replace(path, 0600, text, length, NULL), RC_OK);
	return load(why);
}

/* Nobody is sent to change the rights of a file that is something else. */
static void another_file_is_told_as_that_first(void **state)
{
	(void)state;
	static const char *const others[] = {"root:x:0:0:root:/root:/bin/bash\n", "", "rxfer", "rxfer identit"};
	struct why why;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(file_replace(path, 0644, others[i], strlen(others[i]), NULL), RC_OK);
		assert_int_equal(load(&why), RC_INVALID);
		assert_non_null(strstr(why.text, "isn't an rxfer identity"));
		assert_null(strstr(why.text, "chmod"));
	}
	char *large = mem_zalloc(10000);
	assert_int_equal(file_replace(path, 0644, large, 10000, NULL), RC_OK);
	free(large);
	assert_int_equal(load(&why), RC_INVALID);
	assert_null(strstr(why.text, "chmod"));
	assert_int_equal(unlink(path), 0);
}

static void notices_damage(void **state)
{
	(void)state;
	struct identity *identity = fresh();
	identity_free(&identity);
	struct why why = {""};
	struct buf good = {0};
	assert_int_equal(file_read(path, 4096, &good, &why), RC_OK);

	/* One changed byte: in a comment it may pass, anywhere else it mustn't. */
	size_t first_comment = (size_t)(strchr(buf_text(&good), '#') - buf_text(&good));
	size_t secrets = (size_t)(strstr(buf_text(&good), "\nsign ") - buf_text(&good));
	for (size_t i = 0; i < good.length - 1; i++) {
		if (i >= first_comment && i < secrets)
			continue;
		good.data[i] ^= 1;
		enum rc rc = load_text(good.data, good.length, &why);
		assert_true(rc == RC_INVALID);
		assert_non_null(strstr(why.text, path));
		good.data[i] ^= 1;
	}
	for (size_t length = 0; length < good.length - 1; length += 3)
		assert_int_equal(load_text(good.data, length, &why), RC_INVALID);
	assert_int_equal(load_text(good.data, good.length - 1, &why), RC_OK);      /* the last LF is no loss */

	buf_put(&good, "sign AAAA\n", 10);
	assert_int_equal(load_text(good.data, good.length, &why), RC_INVALID);
	good.length -= 10;
	buf_reserve(&good, 100);
	char *line = strstr(buf_text(&good), "\nsign ");      /* the same line twice: nobody's hand should do that */
	size_t line_length = (size_t)(strchr(line + 1, '\n') - line);
	buf_put(&good, line + 1, line_length);
	assert_int_equal(load_text(good.data, good.length, &why), RC_INVALID);
	good.length -= line_length;
	buf_put(&good, "# a\0b\n", 6);
	assert_int_equal(load_text(good.data, good.length, &why), RC_INVALID);
	good.length -= 6;
	buf_put(&good, "\n# by hand\n", 11);
	assert_int_equal(load_text(good.data, good.length, &why), RC_OK);
	good.data[strlen("rxfer identity ")] = '2';
	assert_int_equal(load_text(good.data, good.length, &why), RC_UNSUPPORTED);
	assert_non_null(strstr(why.text, "version 2"));

	buf_reserve(&good, 5000);
	memset(good.data, '\n', 5000);
	assert_int_equal(load_text(good.data, 5000, &why), RC_INVALID);
	assert_non_null(strstr(why.text, "too large"));
	buf_free(&good);
}

static void public_key_line(void **state)
{
	(void)state;
	struct identity *identity = fresh();
	char text[PUBKEY_TEXT_MAX];
	struct pubkey key;
	struct why why = {""};
	pubkey_format(identity_public(identity), text);
	assert_int_equal(strlen(text), 101);
	assert_memory_equal(text, "rxfer1:", 7);
	assert_int_equal(pubkey_parse(text, &key, &why), RC_OK);
	assert_true(pubkey_equal(&key, identity_public(identity)));

	/* Any one character mistyped, any two neighbours swapped, any length. */
	const struct pubkey before = key;
	for (size_t i = 0; text[i]; i++) {
		char was = text[i];
		for (const char *other = "Ab0-_+= \n"; *other; other++) {
			text[i] = *other;
			assert_int_equal(pubkey_parse(text, &key, &why), was == *other ? RC_OK : RC_INVALID);
		}
		text[i] = was;
		if (text[i + 1] && text[i + 1] != was) {
			text[i] = text[i + 1];
			text[i + 1] = was;
			assert_int_equal(pubkey_parse(text, &key, &why), RC_INVALID);
			text[i + 1] = text[i];
			text[i] = was;
		}
	}
	assert_int_equal(pubkey_parse(text, &key, &why), RC_OK);
	char longer[PUBKEY_TEXT_MAX + 4];
	(void)snprintf(longer, sizeof(longer), "%sA", text);
	assert_int_equal(pubkey_parse(longer, &key, &why), RC_INVALID);
	assert_non_null(strstr(why.text, "101 characters, this one 102"));
	for (size_t length = strlen(text); length-- > 0;) {
		text[length] = '\0';
		assert_int_equal(pubkey_parse(text, &key, &why), RC_INVALID);
	}
	assert_non_null(strstr(why.text, "begins with"));
	assert_true(pubkey_equal(&key, &before));
	identity_free(&identity);
}

/* A fixed key has a fixed text: the line is a format that people keep in configurations. */
static void public_key_line_is_stable(void **state)
{
	(void)state;
	struct pubkey key, back;
	for (unsigned i = 0; i < 32; i++) {
		key.sign[i] = (uint8_t)i;
		key.transport[i] = (uint8_t)(0x80 + i);
	}
	char text[PUBKEY_TEXT_MAX];
	pubkey_format(&key, text);
	assert_string_equal(text, "rxfer1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-AgYKDhIWGh"
	                    "4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en4XWdN-r1g");
	assert_int_equal(pubkey_parse(text, &back, NULL), RC_OK);
	assert_true(pubkey_equal(&key, &back));
}

/* All that a handshake shows: nothing is ever signed by that. */
static void a_transport_key_alone_signs_nothing(void **state)
{
	(void)state;
	struct identity *identity = fresh();
	struct pubkey half = pubkey_of_transport(identity_public(identity)->transport);
	char text[PUBKEY_TEXT_MAX], whole[PUBKEY_TEXT_MAX];
	struct pubkey back;
	pubkey_format(&half, text);
	pubkey_format(identity_public(identity), whole);
	assert_int_equal(pubkey_parse(text, &back, NULL), RC_OK);
	assert_true(pubkey_equal(&half, &back));
	assert_memory_equal(text + 7 + 43, whole + 7 + 43, 42);      /* what people can compare */
	assert_true(pubkey_signs(identity_public(identity)));
	assert_false(pubkey_signs(&half));
	uint8_t signature[IDENTITY_SIGNATURE_BYTES] = {0};
	assert_false(identity_verify(&half, "soa", "x", 1, signature));
	signature[0] = 1;      /* R the neutral element, S zero: what an order of one would let through */
	assert_false(identity_verify(&half, "soa", "x", 1, signature));
	identity_sign(identity, "soa", "x", 1, signature);
	assert_false(identity_verify(&half, "soa", "x", 1, signature));
	identity_free(&identity);
	assert_int_equal(unlink(path), 0);
}

static void signatures(void **state)
{
	(void)state;
	struct identity *identity = fresh();
	struct identity *other = fresh();
	const struct pubkey *signer = identity_public(identity);
	uint8_t signature[IDENTITY_SIGNATURE_BYTES];
	char data[] = "some data";
	identity_sign(identity, "soa", data, sizeof(data), signature);
	assert_true(identity_verify(signer, "soa", data, sizeof(data), signature));
	assert_false(identity_verify(identity_public(other), "soa", data, sizeof(data), signature));
	assert_false(identity_verify(signer, "change", data, sizeof(data), signature));
	assert_false(identity_verify(signer, "soa", data, sizeof(data) - 1, signature));
	assert_false(identity_verify(signer, "soas", "ome data", sizeof(data) - 1, signature));
	data[3] ^= 1;
	assert_false(identity_verify(signer, "soa", data, sizeof(data), signature));
	data[3] ^= 1;
	for (size_t i = 0; i < sizeof(signature); i++) {
		signature[i] ^= 0x10;
		assert_false(identity_verify(signer, "soa", data, sizeof(data), signature));
		signature[i] ^= 0x10;
	}
	identity_sign(identity, "", NULL, 0, signature);
	assert_true(identity_verify(signer, "", NULL, 0, signature));
	identity_free(&identity);
	identity_free(&other);
}

/* RFC 7693's algorithm with 32 bytes of output; values by b2sum -l 256. */
static void hashes(void **state)
{
	(void)state;
	static const uint8_t abc[32] = {
		0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef, 0x3f, 0xee, 0x98, 0x57, 0x9b,
		0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb, 0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19,
	};
	uint8_t out[IDENTITY_HASH_BYTES];
	identity_hash("abc", 3, out);
	assert_memory_equal(out, abc, sizeof(abc));
	struct identity_hasher *hasher = identity_hasher_new();
	identity_hasher_add(hasher, "a", 1);
	identity_hasher_add(hasher, "", 0);
	identity_hasher_add(hasher, "bc", 2);
	memset(out, 0, sizeof(out));
	identity_hasher_finish(&hasher, out);
	assert_null(hasher);
	assert_memory_equal(out, abc, sizeof(abc));

	uint8_t a[16] = {0}, b[16] = {0};
	identity_random(a, sizeof(a));
	identity_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generates),
		cmocka_unit_test(transport_key_is_zeromqs),
		cmocka_unit_test(refuses_what_others_can_read),
		cmocka_unit_test(another_file_is_told_as_that_first),
		cmocka_unit_test(notices_damage),
		cmocka_unit_test(public_key_line),
		cmocka_unit_test(public_key_line_is_stable),
		cmocka_unit_test(a_transport_key_alone_signs_nothing),
		cmocka_unit_test(signatures),
		cmocka_unit_test(hashes),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
