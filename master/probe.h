/* probe.h: one source read once more, for people, to find where it has some recipients: by which key, in which line.
 *
 * It is read as for the zone: by a child process, within the source's time limit, and what isn't complete doesn't
 * count; but it ends early when all is found. */
#ifndef MASTER_PROBE_H
#define MASTER_PROBE_H

#include "master/source.h"
#include "postfix/lookup.h"

struct probe;

/* What a key of the source comes to. In rising order of what is worth telling. */
enum probe_state {
	PROBE_NOT_THERE,
	PROBE_OTHER_CLASS,       /* Postfix doesn't ask this map about addresses of that class */
	PROBE_OTHER_DOMAIN,      /* the zone's `domains` don't name it */
	PROBE_EXCLUDED,          /* the zone's `exclude` does */
	PROBE_AWAY,              /* transport_maps or relocated_maps take it away */
	PROBE_THERE
};

struct probe_find {
	enum probe_state state;
	uint64_t line;           /* of the map's text, or of the command's output; 0: none, as in an index */
	char key[ADDRESS_MAX + 1];      /* as it stands there, cut when it's longer; "": valid without standing there */
};

/* Plain data. */
struct probe_result {
	const char *error;       /* why it couldn't be read, in one sentence; or "": then finds count */
	struct probe_find finds[LOOKUP_KEYS_MAX];      /* as in the spec */
};

struct probe_spec {
	const struct source_spec *source;      /* outlives the probe; not SOURCE_POSTFIX */
	const struct address *keys;            /* copied */
	size_t count;
	/* Called once, from the loop; the probe has freed itself before. */
	void (*end)(void *context, const struct probe_result *result);
	void *context;
};

/* RC_OK: *out is a handle until `end` is called. RC_INVALID, RC_IO: it can't be read, `end` won't be called. */
enum rc probe_start(struct loop *loop, const struct probe_spec *spec, struct probe **out, struct why *why);
/* Kills it without a word. Nulls the handle. */
void probe_abandon(struct probe **probe);

/* The map as people know it, and the file that is read; "" when it's none. To be freed. */
void probe_names(const struct source_spec *source, char **map, char **file);

#endif
