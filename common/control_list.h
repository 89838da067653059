/* control_list.h: the answer to `rxfer list`: all records of a zone, at either end. */
#ifndef COMMON_CONTROL_LIST_H
#define COMMON_CONTROL_LIST_H

#include "common/control.h"
#include "common/zonedb.h"

/* Answers with a line for each record, "TYPE key" or "TYPE key value", in no particular order; or refuses with why it
 * can't. db is present. */
void control_list(struct control_request *request, const char *zone, struct zonedb *db);

#endif
