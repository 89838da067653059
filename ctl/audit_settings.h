/* audit_settings.h: the options of `rxfer audit`, understood. */
#ifndef CTL_AUDIT_SETTINGS_H
#define CTL_AUDIT_SETTINGS_H

#include "common/why.h"
#include "ctl/options.h"

#include <stddef.h>
#include <stdint.h>

#define AUDIT_SETTINGS_SAMPLE 1000
#define AUDIT_SETTINGS_RATE 100
#define AUDIT_SETTINGS_PATIENCE 120

/* Plain data; host and port are freed by audit_settings_free, the rest is argv's. */
struct audit_settings {
	char *host;
	char *port;
	const char *from;
	const char *helo;           /* or NULL */
	size_t sample;              /* recipients; SIZE_MAX: all */
	uint64_t seed;
	int rate;                   /* a second; 0: no limit */
	int patience_ms;
};

/* RC_INVALID: the sentence names the option. Without --seed one is drawn. */
enum rc audit_settings_take(const struct options *options, struct audit_settings *out, struct why *why);
void audit_settings_free(struct audit_settings *settings);

#endif
