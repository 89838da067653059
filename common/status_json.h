/* status_json.h: values as both daemons write them into the JSON of their status. */
#ifndef COMMON_STATUS_JSON_H
#define COMMON_STATUS_JSON_H

#include "common/record.h"
#include "common/soa.h"

#include <jansson.h>

/* All return a new reference, the caller's. */
json_t *status_json_number(uint64_t value);                      /* cut at JSON's largest integer */
json_t *status_json_text(const char *text);                      /* made clean UTF-8 first: paths need not be */
json_t *status_json_epoch(const struct epoch *epoch);            /* its id, 32 hexadecimal digits */
json_t *status_json_digest(const struct digest *digest);         /* 32 hexadecimal digits */

#endif
