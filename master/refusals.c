/* refusals.c: see refusals.h. A replica that isn't admitted tries again every few seconds, for months perhaps: its key
 * is told once an hour. */
#include "master/refusals.h"

#include "common/log.h"

#include <stdio.h>
#include <string.h>

#define AGAIN_MS (60 * 60 * 1000)

/* Whether it was logged not long ago; otherwise it counts as logged now. */
static bool is_known(struct refusals *refusals, const uint8_t transport_key[32])
{
	struct refusals_line *line = NULL;
	for (size_t i = 0; i < refusals->used && !line; i++)
		if (memcmp(refusals->lines[i].transport_key, transport_key, 32) == 0)
			line = &refusals->lines[i];
	if (line && mono_since(line->logged) < AGAIN_MS)
		return true;
	if (!line) {
		line = &refusals->lines[refusals->next];
		refusals->next = (refusals->next + 1) % REFUSALS_REMEMBERED;
		if (refusals->used < REFUSALS_REMEMBERED)
			refusals->used++;
	}
	memcpy(line->transport_key, transport_key, 32);
	line->logged = clock_mono();
	return false;
}

void refusals_note(struct refusals *refusals, const uint8_t transport_key[32], const char *address)
{
	char text[PUBKEY_TEXT_MAX], more[CALM_TEXT_MAX];
	uint64_t kept_back;
	refusals->count++;
	refusals->time = clock_wall();
	refusals->key = pubkey_of_transport(transport_key);
	(void)snprintf(refusals->address, sizeof(refusals->address), "%s", address);
	if (is_known(refusals, transport_key) || !calm_allows(&refusals->calm, &kept_back))
		return;
	calm_text(kept_back, more);
	pubkey_format(&refusals->key, text);
	log_warn("refused a connection from %s: no replica in the configuration has the key %s%s", address, text, more);
}
