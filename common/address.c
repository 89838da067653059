/* address.c: keys of Postfix maps in the form in which a backup's smtpd looks them up.
 *
 * Where each rule is from:
 * - Folding: Postfix's casefold(): pure ASCII, or smtputf8_enable off, means ASCII lower case and other bytes left
 *   alone; else ICU's full case folding in locale en_US with default options. No NFC, no conversion from or to xn--.
 * - Not UTF-8: with SMTPUTF8 Postfix's dictionaries neither store nor find such a key; without it bytes are bytes.
 * - Quoting: Postfix's quote_822_local(): the local part is what stands before the last '@'; unless it is a
 *   dot-string it goes into double quotes, with a backslash before '"' and '\'. Bytes beyond ASCII need no quotes.
 * - A key that is quoted already stays as it is: smtpd asks for the quoted form only where quotes are needed, so a
 *   key with needless quotes matches nothing on the primary, and shall match nothing on the backup. */
#include "common/address.h"

#include <unicode/ucasemap.h>
#include <unicode/ustring.h>

#include <string.h>

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool is_ascii(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

static bool is_utf8(const char *text, size_t length)
{
	UChar wide[ADDRESS_MAX + 1];
	int32_t count;
	UErrorCode error = U_ZERO_ERROR;
	(void)u_strFromUTF8(wide, ADDRESS_MAX + 1, &count, text, (int32_t)length, &error);
	return U_SUCCESS(error);
}

/* ICU's folding of valid UTF-8. The case map is cheap to make, and isn't kept, so that there is no state. */
static enum rc fold_utf8(const char *in, size_t length, char out[ADDRESS_MAX + 1], size_t *out_length, struct why *why)
{
	UErrorCode error = U_ZERO_ERROR;
	UCaseMap *map = ucasemap_open("en_US", U_FOLD_CASE_DEFAULT, &error);
	int32_t folded = 0;
	if (U_SUCCESS(error))
		folded = ucasemap_utf8FoldCase(map, out, ADDRESS_MAX, in, (int32_t)length, &error);
	ucasemap_close(map);
	if (error == U_BUFFER_OVERFLOW_ERROR)
		return why_set(why, RC_LIMIT, "longer than %d bytes once it is folded", ADDRESS_MAX);
	if (U_FAILURE(error))
		return why_set(why, RC_IO, "ICU can't fold it (%s)", u_errorName(error));
	*out_length = (size_t)folded;
	return RC_OK;
}

static enum rc fold(const void *key, size_t length, bool smtputf8, char out[ADDRESS_MAX + 1], size_t *out_length,
                    struct why *why)
{
	const char *text = key;
	if (length == 0)
		return why_set(why, RC_INVALID, "empty");
	if (length > ADDRESS_MAX)
		return why_set(why, RC_LIMIT, "longer than %d bytes", ADDRESS_MAX);
	for (size_t i = 0; i < length; i++)
		if (is_control(text[i]))
			return why_set(why, RC_INVALID, "a control character (0x%02x) at byte %zu", (unsigned char)text[i], i + 1);
	if (smtputf8 && !is_ascii(text, length)) {
		if (!is_utf8(text, length))
			return why_set(why, RC_INVALID, "not UTF-8, which smtputf8_enable demands");
		enum rc rc = fold_utf8(text, length, out, out_length, why);
		if (rc != RC_OK)
			return rc;
	} else {
		for (size_t i = 0; i < length; i++)
			out[i] = lower(text[i]);
		*out_length = length;
	}
	out[*out_length] = '\0';
	return RC_OK;
}

/* is_822_dot_string() of Postfix. */
static bool is_dot_string(const char *local, size_t length)
{
	if (length == 0 || local[0] == '.' || local[length - 1] == '.')
		return false;
	for (size_t i = 0; i < length; i++) {
		if (local[i] == '.' && i + 1 < length && local[i + 1] == '.')
			return false;
		if (strchr(" ()<>@,;:\\\"[]", local[i]) != NULL)
			return false;
	}
	return true;
}

/* The index behind the closing quote of a text that begins with a quote; 0: there is none. */
static size_t quoted_end(const char *text, size_t length)
{
	for (size_t i = 1; i < length; i++) {
		if (text[i] == '\\')
			i++;
		else if (text[i] == '"')
			return i + 1;
	}
	return 0;
}

/* Whether the whole text is one quoted string. */
static bool is_quoted(const char *text, size_t length)
{
	return length > 0 && text[0] == '"' && quoted_end(text, length) == length;
}

static enum rc check_domain(const char *domain, size_t length, struct why *why)
{
	if (length == 0)
		return why_set(why, RC_INVALID, "no domain behind the '@'");
	for (size_t i = 0; i < length; i++)
		if (domain[i] == '@' || domain[i] == ' ')
			return why_set(why, RC_INVALID, "%s in the domain", domain[i] == '@' ? "an '@'" : "white space");
	return RC_OK;
}

/* The local part in quotes, into 2 * ADDRESS_MAX + 2 bytes. */
static size_t quote(const char *local, size_t length, char *out)
{
	size_t at = 0;
	out[at++] = '"';
	for (size_t i = 0; i < length; i++) {
		if (local[i] == '"' || local[i] == '\\')
			out[at++] = '\\';
		out[at++] = local[i];
	}
	out[at++] = '"';
	return at;
}

/* Puts local@domain together, the local part as it is. */
static enum rc join_plain(const char *local, size_t local_length, const char *domain, size_t domain_length,
                          struct address *out, struct why *why)
{
	if (local_length + 1 + domain_length > ADDRESS_MAX)
		return why_set(why, RC_LIMIT, "longer than %d bytes in its full and quoted form", ADDRESS_MAX);
	struct address address = {.kind = local_length == 0 ? ADDRESS_CATCHALL : ADDRESS_FULL};
	address.at = (uint16_t)local_length;
	address.length = (uint16_t)(local_length + 1 + domain_length);
	memcpy(address.text, local, local_length);
	address.text[local_length] = '@';
	memcpy(address.text + local_length + 1, domain, domain_length);
	*out = address;
	return RC_OK;
}

/* The same, quoted unless it needn't be or is so already. */
static enum rc join(const char *local, size_t local_length, const char *domain, size_t domain_length,
                    struct address *out, struct why *why)
{
	char text[2 * ADDRESS_MAX + 2];
	if (local_length == 0 || is_quoted(local, local_length) || is_dot_string(local, local_length))
		return join_plain(local, local_length, domain, domain_length, out, why);
	return join_plain(text, quote(local, local_length, text), domain, domain_length, out, why);
}

/* ---- The common case ---- */

/* What a byte is where nothing needs quoting or ICU. The other half of the table is zero, OTHER, too. */
enum byte_kind { OTHER, PLAIN, AT, DOT };
#define O OTHER
#define P PLAIN
#define A AT
#define D DOT
static const uint8_t byte_kinds[256] = {
	O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
	O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
	O, P, O, P, P, P, P, P, O, O, P, P, O, P, D, P,
	P, P, P, P, P, P, P, P, P, P, O, O, O, P, O, P,
	A, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P,
	P, P, P, P, P, P, P, P, P, P, P, O, O, O, P, P,
	P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P,
	P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, O,
};
#undef O
#undef P
#undef A
#undef D

/* Nearly all keys: printable ASCII without specials, one '@' at most, a dot-string before it. What the general way makes
 * of them takes a tenth of its time to say. False: not one of these, *out is untouched. */
static bool parse_plain(const char *key, size_t length, struct address *out)
{
	size_t at = length;
	uint8_t before = PLAIN;
	if (length == 0 || length > ADDRESS_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		uint8_t kind = byte_kinds[(unsigned char)key[i]];
		if (kind == PLAIN) {
			before = PLAIN;
			continue;
		}
		bool local = at == length;
		bool dots = local && before == DOT && i > 0;      /* two, or one at the end */
		bool leads = kind == DOT && i == 0;
		if (kind == OTHER || (kind == AT && !local) || dots || leads)
			return false;
		if (kind == AT)
			at = i;
		before = kind;
	}
	if (at + 1 == length)
		return false;
	for (size_t i = 0; i < length; i++)
		out->text[i] = lower(key[i]);
	out->text[length] = '\0';
	out->kind = at == length ? ADDRESS_BARE : at == 0 ? ADDRESS_CATCHALL : ADDRESS_FULL;
	out->length = (uint16_t)length;
	out->at = (uint16_t)at;
	return true;
}

enum rc address_parse(const void *key, size_t length, bool smtputf8, struct address *out, struct why *why)
{
	if (parse_plain(key, length, out))
		return RC_OK;
	char text[ADDRESS_MAX + 1];
	size_t text_length = 0;
	enum rc rc = fold(key, length, smtputf8, text, &text_length, why);
	if (rc != RC_OK)
		return rc;
	const char *at = memrchr(text, '@', text_length);
	if (text[0] == '"') {
		size_t end = quoted_end(text, text_length);
		if (end == 0)
			return why_set(why, RC_INVALID, "an opening quote without a closing one");
		if (end == text_length)
			at = NULL;
		else if (text[end] == '@')
			at = text + end;
	}
	if (at == NULL) {
		struct address bare = {.kind = ADDRESS_BARE, .length = (uint16_t)text_length, .at = (uint16_t)text_length};
		memcpy(bare.text, text, text_length);
		*out = bare;
		return RC_OK;
	}
	const char *domain = at + 1;
	size_t domain_length = text_length - (size_t)(domain - text);
	rc = check_domain(domain, domain_length, why);
	return rc == RC_OK ? join(text, (size_t)(at - text), domain, domain_length, out, why) : rc;
}

enum rc address_qualify(const struct address *bare, const char *domain, struct address *out, struct why *why)
{
	size_t domain_length = strlen(domain);
	if (bare->kind != ADDRESS_BARE)
		return why_set(why, RC_INVALID, "it has a domain already");
	enum rc rc = check_domain(domain, domain_length, why);
	return rc == RC_OK ? join(bare->text, bare->length, domain, domain_length, out, why) : rc;
}

const char *address_domain(const struct address *address)
{
	return address->at < address->length ? address->text + address->at + 1 : "";
}

size_t address_local(const struct address *address, char out[ADDRESS_MAX + 1])
{
	size_t length = 0;
	bool quoted = is_quoted(address->text, address->at);
	for (size_t i = quoted, end = address->at - (size_t)quoted; i < end; i++) {
		if (address->text[i] == '\\' && i + 1 < end)
			i++;
		out[length++] = address->text[i];
	}
	out[length] = '\0';
	return length;
}

enum rc address_make(const char *local, size_t length, const char *domain, struct address *out, struct why *why)
{
	char text[2 * ADDRESS_MAX + 2];
	if (length > ADDRESS_MAX)
		return why_set(why, RC_LIMIT, "longer than %d bytes", ADDRESS_MAX);
	if (is_dot_string(local, length))
		return join_plain(local, length, domain, strlen(domain), out, why);
	return join_plain(text, quote(local, length, text), domain, strlen(domain), out, why);
}

enum rc address_parse_domain(const char *text, bool smtputf8, char out[ADDRESS_MAX + 1], struct why *why)
{
	char folded[ADDRESS_MAX + 1];
	size_t length = 0;
	enum rc rc = fold(text, strlen(text), smtputf8, folded, &length, why);
	if (rc == RC_OK)
		rc = check_domain(folded, length, why);
	if (rc == RC_OK && folded[0] == '.')
		rc = why_set(why, RC_INVALID, "a leading dot");
	if (rc == RC_OK)
		memcpy(out, folded, length + 1);
	return rc;
}
