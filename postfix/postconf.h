/* postconf.h: what Postfix's own postconf says of a configuration, parsed. Pure but for postconf_ask. */
#ifndef POSTFIX_POSTCONF_H
#define POSTFIX_POSTCONF_H

#include "common/buf.h"
#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>

struct postconf_pair {
	char *name;
	char *value;
};

/* Parameters with their values expanded: `postconf -x`. */
struct postconf {
	struct postconf_pair *at;        /* sorted by name */
	size_t count;
};
/* RC_INVALID: a line that isn't `name = value`. */
enum rc postconf_parse(const void *text, size_t length, struct postconf *out, struct why *why);
void postconf_free(struct postconf *conf);
const char *postconf_get(const struct postconf *conf, const char *name);      /* "" when it isn't there */
bool postconf_is_yes(const struct postconf *conf, const char *name);

/* A service of master.cf, of `postconf -M`, with what `postconf -P` says it overrides. */
struct postconf_service {
	char *name;                      /* "smtp", "127.0.0.1:10025" */
	char *type;                      /* "inet", "unix", "pass" */
	char *command;                   /* "smtpd" */
	struct postconf_pair *overrides;
	size_t override_count;
};
struct postconf_services {
	struct postconf_service *at;
	size_t count;
};
enum rc postconf_parse_services(const void *services, size_t services_length, const void *overrides,
                                size_t overrides_length, struct postconf_services *out, struct why *why);
void postconf_services_free(struct postconf_services *services);

/* The smtpd that strangers on the Internet reach: the one named `wanted`, or the one at port 25 (behind postscreen it's the
 * service of type pass), or the first one of type inet that isn't for submission. NULL: there is none. *rivals: how many
 * others at port 25 override something else. */
const struct postconf_service *postconf_smtpd(const struct postconf_services *services, const char *wanted,
                                              size_t *rivals);
/* The one with this command, or NULL. */
const struct postconf_service *postconf_service_of(const struct postconf_services *services, const char *command);

/* Runs postconf, found in `folder` or (when that's NULL) in $PATH, /usr/sbin and /usr/local/sbin. Overrides of the
 * service hold (NULL: main.cf alone). RC_IO: it can't be run or it failed: its own words. */
enum rc postconf_ask(const char *folder, const char *config, const struct postconf_service *service,
                     struct postconf *out, struct why *why);
/* The same of main.cf alone, as it's written there: nothing is expanded. */
enum rc postconf_ask_raw(const char *folder, const char *config, struct postconf *out, struct why *why);
enum rc postconf_ask_services(const char *folder, const char *config, struct postconf_services *out, struct why *why);
enum rc postconf_ask_types(const char *folder, const char *config, struct buf *out, struct why *why);   /* one a line */

#endif
