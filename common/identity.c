/* identity.c: keys, signatures and hashes; the one file that uses libsodium for them.
 *
 * The identity file is text, so that a person who opens it sees what it is. Lines end in LF; after the first, they may
 * stand in any order, each word once; empty lines and lines that begin with '#' are skipped. At most 4096 bytes.
 *
 *     line                     bytes of the value      encoding
 *     rxfer identity 1         the file's version      decimal; always the first line
 *     sign VALUE               32: Ed25519 seed        base64url without padding (RFC 4648, section 5)
 *     transport VALUE          32: Curve25519 secret   the same
 *     check VALUE              32                      the same; BLAKE2b-256("rxfer identity 1" seed secret)
 *
 * The public halves aren't stored but computed, so that they can't disagree with the secret ones. The file is made
 * under another name, synced, and linked into place: link(2) is atomic and never overwrites. A reader never sees half
 * of it.
 *
 * Secrets live in sodium_malloc memory only: guarded, locked, left out of core dumps, wiped when freed. */
#include "common/identity.h"
#include "common/buf.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX 4096
#define FILE_WORDS "rxfer identity "
#define FILE_VERSION "1"
#define FILE_MAGIC FILE_WORDS FILE_VERSION
#define DAMAGE_MEND "bring it back from a safe copy, or make a new identity"
#define PUBKEY_PREFIX "rxfer1:"
#define PUBKEY_CHECK_BYTES 6
#define PUBKEY_RAW_BYTES (32 + 32 + PUBKEY_CHECK_BYTES)
#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define BASE64_32 44                                      /* text of 32 bytes, with the NUL */
#define PUBKEY_BASE64_LENGTH 94                           /* text of 70 bytes, without it */

_Static_assert(sizeof(PUBKEY_PREFIX) + PUBKEY_BASE64_LENGTH <= PUBKEY_TEXT_MAX, "a public key's text must fit");
_Static_assert(IDENTITY_SIGNATURE_BYTES == crypto_sign_BYTES, "size of a signature");
_Static_assert(crypto_box_SECRETKEYBYTES == 32 && crypto_box_PUBLICKEYBYTES == 32, "size of a transport key");

/* Bytes only: sodium_malloc aligns nothing. */
struct identity {
	struct pubkey public;
	uint8_t sign_secret[crypto_sign_SECRETKEYBYTES];
	uint8_t transport_secret[32];
};

/* What the file holds, in locked memory while it's read or written. */
struct secrets {
	uint8_t seed[32];
	uint8_t transport[32];
	uint8_t check[32];
	char text[FILE_BYTES_MAX + 1];
};

struct identity_hasher {
	crypto_generichash_state state;
};

void identity_init(void)
{
	if (sodium_init() >= 0)
		return;
	log_error("libsodium can't start: no source of random numbers");
	exit(EXIT_FAILURE);
}

static void *locked_alloc(size_t size)
{
	void *memory = sodium_malloc(size);
	if (!memory)
		mem_exhausted();
	sodium_memzero(memory, size);
	return memory;
}

static void file_check(const struct secrets *secrets, uint8_t out[32])
{
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, 32);
	crypto_generichash_update(&state, (const uint8_t *)FILE_MAGIC, strlen(FILE_MAGIC));
	crypto_generichash_update(&state, secrets->seed, sizeof(secrets->seed));
	crypto_generichash_update(&state, secrets->transport, sizeof(secrets->transport));
	crypto_generichash_final(&state, out, 32);
	sodium_memzero(&state, sizeof(state));
}

/* A new pair of keys, as the text of a file. */
static void make_text(struct secrets *secrets)
{
	randombytes_buf(secrets->seed, sizeof(secrets->seed));
	/* What crypto_box_keypair does (crypto_scalarmult clamps), without a public key that nobody needs here. */
	randombytes_buf(secrets->transport, sizeof(secrets->transport));
	file_check(secrets, secrets->check);

	char sign[BASE64_32], transport[BASE64_32], check[BASE64_32];
	sodium_bin2base64(sign, sizeof(sign), secrets->seed, 32, BASE64);
	sodium_bin2base64(transport, sizeof(transport), secrets->transport, 32, BASE64);
	sodium_bin2base64(check, sizeof(check), secrets->check, 32, BASE64);
	(void)snprintf(secrets->text, sizeof(secrets->text),
	               FILE_MAGIC "\n"
	               "# SECRET. Whoever has this file can speak in this host's name. Never copy it to another host;\n"
	               "# to show the public key, which others may know: rxfer key THIS-FILE\n"
	               "sign %s\ntransport %s\ncheck %s\n", sign, transport, check);
	sodium_memzero(sign, sizeof(sign));
	sodium_memzero(transport, sizeof(transport));
}

/* Writes text to fd, which is tmp, syncs it, gives it the name path. Closes fd. */
static enum rc publish(int fd, const char *tmp, const char *path, const char *text, struct why *why)
{
	enum rc rc = fchmod(fd, 0600) == 0 ? RC_OK : file_fail(why, "can't set the mode of", tmp);
	if (rc == RC_OK)
		rc = file_write_all(fd, text, strlen(text), path, why);
	if (rc == RC_OK && fsync(fd) != 0)
		rc = file_fail(why, "can't sync", path);
	(void)close(fd);
	if (rc == RC_OK && link(tmp, path) != 0) {
		if (errno == EEXIST)
			rc = why_set(why, RC_REFUSED, "%s exists already, and an identity is never overwritten; choose "
			             "another name, or move it away if no host trusts its key any more", path);
		else
			rc = file_fail(why, "can't make", path);
	}
	return rc;
}

enum rc identity_generate(const char *path, struct why *why)
{
	char *tmp = mem_sprintf("%s.XXXXXX", path);
	struct secrets *secrets = locked_alloc(sizeof(*secrets));
	enum rc rc;
	int fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0) {
		rc = file_fail(why, "can't make", path);
	} else {
		make_text(secrets);
		rc = publish(fd, tmp, path, secrets->text, why);
		(void)unlink(tmp);
	}
	if (rc == RC_OK)
		rc = file_sync_folder(path, why);
	sodium_free(secrets);
	free(tmp);
	return rc;
}

/* A file that is no identity at all is told as that, whatever its mode: nobody shall be sent to change the rights of
 * some other file. */
static enum rc check_mode(const char *path, mode_t mode, const char *text, size_t length, struct why *why)
{
	const size_t words = strlen(FILE_WORDS);
	bool ours = length >= words && memcmp(text, FILE_WORDS, words) == 0;
	if (ours && (mode & 077))
		return why_set(why, RC_REFUSED, "%s: others than its owner have rights to it (mode %04o); do: chmod 600 %s", path,
		               (unsigned)(mode & 07777), path);
	return RC_OK;
}

/* The whole file into text. Permissions are asked of the open file, not of the name, which could change meanwhile. */
static enum rc read_secret_file(const char *path, char text[FILE_BYTES_MAX + 1], size_t *length, struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return why_set(why, RC_NOT_FOUND, "%s: there is no such identity; make one with: rxfer keygen %s", path,
		               path);
	if (fd < 0)
		return file_fail(why, "can't open the identity", path);
	enum rc rc = RC_OK;
	struct stat st;
	if (fstat(fd, &st) != 0)
		rc = file_fail(why, "can't look at", path);
	else if (!S_ISREG(st.st_mode))
		rc = why_set(why, RC_REFUSED, "%s: isn't a regular file", path);
	size_t total = 0;
	while (rc == RC_OK && total <= FILE_BYTES_MAX) {
		ssize_t got = read(fd, text + total, FILE_BYTES_MAX + 1 - total);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			rc = file_fail(why, "can't read", path);
		if (got <= 0)
			break;
		total += (size_t)got;
	}
	if (rc == RC_OK && total > FILE_BYTES_MAX)
		rc = why_set(why, RC_INVALID, "%s: isn't an rxfer identity: too large", path);
	if (rc == RC_OK)
		rc = check_mode(path, st.st_mode, text, total, why);
	(void)close(fd);
	if (rc == RC_OK)
		*length = total;
	return rc;
}

/* Exactly 32 bytes, or false. */
static bool decode(const char *text, uint8_t out[32])
{
	size_t length;
	return sodium_base642bin(out, 32, text, strlen(text), NULL, &length, NULL, BASE64) == 0 && length == 32;
}

/* "WORD VALUE" into its field; `seen` has a bit for each word. */
static bool parse_line(const char *line, struct secrets *out, unsigned *seen)
{
	const struct {
		const char *word;
		uint8_t *value;
	} words[] = {{"sign ", out->seed}, {"transport ", out->transport}, {"check ", out->check}};
	for (unsigned i = 0; i < 3; i++) {
		size_t length = strlen(words[i].word);
		if (strncmp(line, words[i].word, length) != 0)
			continue;
		bool fresh = !(*seen & 1u << i);
		*seen |= 1u << i;
		return fresh && decode(line + length, words[i].value);
	}
	return false;
}

static enum rc parse_version(const char *path, const char *line, struct why *why)
{
	const size_t words = strlen(FILE_WORDS);
	if (strncmp(line, FILE_WORDS, words) != 0)
		return why_set(why, RC_INVALID, "%s: isn't an rxfer identity: its first line isn't \"" FILE_MAGIC "\"",
		               path);
	const char *version = line + words;
	if (strcmp(version, FILE_VERSION) == 0)
		return RC_OK;
	if (*version >= '1' && *version <= '9' && strspn(version, "0123456789") == strlen(version))
		return why_set(why, RC_UNSUPPORTED, "%s: an identity of version %.10s, made by a newer rxfer; this one "
		               "knows version " FILE_VERSION, path, version);
	return why_set(why, RC_INVALID, "%s:1: damaged; " DAMAGE_MEND, path);
}

/* Takes secrets->text apart, which is changed by it, and fills the other fields. */
static enum rc parse_text(const char *path, size_t length, struct secrets *secrets, struct why *why)
{
	secrets->text[length] = '\0';
	bool binary = strlen(secrets->text) != length;
	char *rest = secrets->text;
	enum rc rc = parse_version(path, strsep(&rest, "\n"), why);
	if (rc != RC_OK)
		return rc;
	unsigned seen = 0;
	for (unsigned number = 2; rest; number++) {
		const char *line = strsep(&rest, "\n");
		if (*line != '\0' && *line != '#' && !parse_line(line, secrets, &seen))
			return why_set(why, RC_INVALID, "%s:%u: damaged; " DAMAGE_MEND, path, number);
	}
	uint8_t check[32];
	file_check(secrets, check);
	if (binary || seen != 7 || sodium_memcmp(check, secrets->check, sizeof(check)) != 0)
		return why_set(why, RC_INVALID, "%s: damaged (%s); " DAMAGE_MEND, path,
		               binary ? "NUL bytes" : seen != 7 ? "a line is missing" : "its check sum doesn't fit");
	return RC_OK;
}

enum rc identity_load(const char *path, struct identity **out, struct why *why)
{
	struct secrets *secrets = locked_alloc(sizeof(*secrets));
	size_t length = 0;
	enum rc rc = read_secret_file(path, secrets->text, &length, why);
	if (rc == RC_OK)
		rc = parse_text(path, length, secrets, why);
	if (rc == RC_OK) {
		struct identity *identity = locked_alloc(sizeof(*identity));
		crypto_sign_seed_keypair(identity->public.sign, identity->sign_secret, secrets->seed);
		memcpy(identity->transport_secret, secrets->transport, sizeof(identity->transport_secret));
		crypto_scalarmult_base(identity->public.transport, identity->transport_secret);
		(void)sodium_mprotect_readonly(identity);
		*out = identity;
	}
	sodium_free(secrets);
	return rc;
}

void identity_free(struct identity **identity)
{
	sodium_free(*identity);      /* wipes it; NULL is fine */
	*identity = NULL;
}

const struct pubkey *identity_public(const struct identity *identity)
{
	return &identity->public;
}

const uint8_t *identity_transport_secret(const struct identity *identity)
{
	return identity->transport_secret;
}

/* sign transport check, as in the printed line. */
static void pubkey_raw(const struct pubkey *key, uint8_t out[PUBKEY_RAW_BYTES])
{
	memcpy(out, key->sign, 32);
	memcpy(out + 32, key->transport, 32);
	uint8_t hash[32];
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	crypto_generichash_update(&state, (const uint8_t *)PUBKEY_PREFIX, strlen(PUBKEY_PREFIX));
	crypto_generichash_update(&state, out, 64);
	crypto_generichash_final(&state, hash, sizeof(hash));
	memcpy(out + 64, hash, PUBKEY_CHECK_BYTES);
}

void pubkey_format(const struct pubkey *key, char out[PUBKEY_TEXT_MAX])
{
	uint8_t raw[PUBKEY_RAW_BYTES];
	pubkey_raw(key, raw);
	memcpy(out, PUBKEY_PREFIX, strlen(PUBKEY_PREFIX));
	sodium_bin2base64(out + strlen(PUBKEY_PREFIX), PUBKEY_TEXT_MAX - strlen(PUBKEY_PREFIX), raw, sizeof(raw),
	                  BASE64);
}

enum rc pubkey_parse(const char *text, struct pubkey *out, struct why *why)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const size_t prefix = strlen(PUBKEY_PREFIX);
	if (strncmp(text, PUBKEY_PREFIX, prefix) != 0)
		return why_set(why, RC_INVALID, "a public key begins with \"" PUBKEY_PREFIX "\"; take the line that "
		               "\"rxfer key FILE\" prints");
	const char *body = text + prefix;
	size_t good = strspn(body, alphabet);
	if (body[good] != '\0')
		return why_set(why, RC_INVALID, "a public key has letters, digits, '-' and '_' only: character %zu is "
		               "something else", prefix + good + 1);
	if (good != PUBKEY_BASE64_LENGTH)
		return why_set(why, RC_INVALID, "a public key has %zu characters, this one %zu: some were lost or "
		               "added", prefix + PUBKEY_BASE64_LENGTH, prefix + good);

	uint8_t raw[PUBKEY_RAW_BYTES], expected[PUBKEY_RAW_BYTES];
	size_t length;
	struct pubkey key;
	bool decoded = sodium_base642bin(raw, sizeof(raw), body, good, NULL, &length, NULL, BASE64) == 0;
	if (decoded) {
		memcpy(key.sign, raw, 32);
		memcpy(key.transport, raw + 32, 32);
		pubkey_raw(&key, expected);
	}
	if (!decoded || memcmp(raw, expected, sizeof(raw)) != 0)
		return why_set(why, RC_INVALID, "the public key's check sum doesn't fit: a character is mistyped");
	*out = key;
	return RC_OK;
}

struct pubkey pubkey_of_transport(const uint8_t transport[32])
{
	struct pubkey key = {.sign = {0}};
	memcpy(key.transport, transport, sizeof(key.transport));
	return key;
}

bool pubkey_signs(const struct pubkey *key)
{
	return !sodium_is_zero(key->sign, sizeof(key->sign));
}

bool pubkey_equal(const struct pubkey *a, const struct pubkey *b)
{
	return memcmp(a->sign, b->sign, sizeof(a->sign)) == 0 &&
	       memcmp(a->transport, b->transport, sizeof(a->transport)) == 0;
}

/* What is really signed: length of the context u8, context, data. */
static struct buf signed_bytes(const char *context, const void *data, size_t length)
{
	size_t context_length = strlen(context);
	assert(context_length <= UINT8_MAX);
	struct buf bytes = {0};
	buf_reserve(&bytes, 1 + context_length + length);
	buf_put_u8(&bytes, (uint8_t)context_length);
	buf_put(&bytes, context, context_length);
	buf_put(&bytes, data, length);
	return bytes;
}

void identity_sign(const struct identity *identity, const char *context, const void *data, size_t length,
                   uint8_t signature[IDENTITY_SIGNATURE_BYTES])
{
	struct buf bytes = signed_bytes(context, data, length);
	crypto_sign_detached(signature, NULL, bytes.data, bytes.length, identity->sign_secret);
	buf_free(&bytes);
}

bool identity_verify(const struct pubkey *signer, const char *context, const void *data, size_t length,
                     const uint8_t signature[IDENTITY_SIGNATURE_BYTES])
{
	struct buf bytes = signed_bytes(context, data, length);
	bool valid = crypto_sign_verify_detached(signature, bytes.data, bytes.length, signer->sign) == 0;
	buf_free(&bytes);
	return valid;
}

void identity_hash(const void *data, size_t length, uint8_t out[IDENTITY_HASH_BYTES])
{
	crypto_generichash(out, IDENTITY_HASH_BYTES, data, length, NULL, 0);
}

struct identity_hasher *identity_hasher_new(void)
{
	struct identity_hasher *hasher = aligned_alloc(_Alignof(struct identity_hasher), sizeof(*hasher));
	if (!hasher)
		mem_exhausted();
	crypto_generichash_init(&hasher->state, NULL, 0, IDENTITY_HASH_BYTES);
	return hasher;
}

void identity_hasher_add(struct identity_hasher *hasher, const void *data, size_t length)
{
	crypto_generichash_update(&hasher->state, data, length);
}

void identity_hasher_finish(struct identity_hasher **hasher, uint8_t out[IDENTITY_HASH_BYTES])
{
	crypto_generichash_final(&(*hasher)->state, out, IDENTITY_HASH_BYTES);
	free(*hasher);
	*hasher = NULL;
}

void identity_random(void *out, size_t length)
{
	randombytes_buf(out, length);
}
