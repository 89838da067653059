/* status_json.c: see status_json.h. */
#include "common/status_json.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

json_t *status_json_number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

json_t *status_json_text(const char *text)
{
	char *clean = mem_strdup(text);
	why_clean(clean);
	json_t *json = json_string(clean);
	free(clean);
	return json;
}

json_t *status_json_epoch(const struct epoch *epoch)
{
	char digits[2 * sizeof epoch->id + 1];
	for (size_t i = 0; i < sizeof epoch->id; i++)
		(void)snprintf(digits + 2 * i, 3, "%02x", epoch->id[i]);
	return json_string(digits);
}

json_t *status_json_digest(const struct digest *digest)
{
	char digits[33];
	(void)snprintf(digits, sizeof digits, "%016" PRIx64 "%016" PRIx64, digest->high, digest->low);
	return json_string(digits);
}
