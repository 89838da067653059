/* rollover_file.h: what a master remembers of a roll-over: its newest word on its keys, and who keeps it. */
#ifndef MASTER_ROLLOVER_FILE_H
#define MASTER_ROLLOVER_FILE_H

#include "common/handover.h"

#define ROLLOVER_KEPT_MAX 65535u

/* Plain data; rollover_file_free for kept. */
struct rollover_file {
	struct handover word;
	struct pubkey *kept;         /* replicas that have answered that they keep it */
	size_t kept_count;           /* at most ROLLOVER_KEPT_MAX */
};

/* RC_NOT_FOUND, RC_DAMAGED, RC_UNSUPPORTED (a newer version), RC_IO; *out is untouched then. */
enum rc rollover_file_load(const char *path, struct rollover_file *out, struct why *why);
/* As file_replace. */
enum rc rollover_file_save(const char *path, const struct rollover_file *file, struct why *why);
void rollover_file_free(struct rollover_file *file);

#endif
