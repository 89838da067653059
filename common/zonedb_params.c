/* zonedb_params.c: a zone's PARAM records at hand.
 *
 * They can't be looked up: a record is found by its fingerprint, and that is of its value, too. There are few, and
 * whoever opens a zone walks all its records, to count them: they are gathered on that way, and kept up to date
 * after. */
#include "common/zonedb_private.h"

#include <string.h>

void zonedb_params_forget(struct zonedb *db)
{
	buf_free(&db->params);
	db->params_known = false;
}

void zonedb_params_put(struct buf *params, const struct record *record)
{
	if (record->type == RECORD_PARAM && params->length < ZONEDB_PARAMS_BYTES)
		record_encode(params, record);
}

static bool same(const struct record *a, const struct record *b)
{
	return a->key_length == b->key_length && a->value_length == b->value_length &&
	       memcmp(a->key, b->key, a->key_length) == 0 &&
	       (a->value_length == 0 || memcmp(a->value, b->value, a->value_length) == 0);
}

/* All but that one. */
static void take_out(struct buf *params, const struct record *record)
{
	struct buf rest = {0};
	struct cursor in = cursor_over(params->data, params->length);
	struct record kept;
	while (cursor_left(&in) > 0 && record_decode(&in, &kept, NULL) == RC_OK)
		if (!same(&kept, record))
			record_encode(&rest, &kept);
	buf_free(params);
	*params = rest;
}

void zonedb_params_change(struct zonedb *db, const struct changeset *changeset)
{
	for (uint32_t i = 0; db->params_known && i < changeset->count; i++) {
		const struct operation *operation = &changeset->operations[i];
		if (operation->record.type != RECORD_PARAM)
			continue;
		if (operation->change == CHANGE_ADD)
			zonedb_params_put(&db->params, &operation->record);
		else
			take_out(&db->params, &operation->record);
	}
}

static bool pass_over(void *context, const struct fingerprint *print, const struct store_entry *entry)
{
	(void)context;
	(void)print;
	(void)entry;
	return true;
}

enum rc zonedb_params(struct zonedb *db, zonedb_param_visit *visit, void *context, struct why *why)
{
	enum rc rc = db->params_known && db->present ? RC_OK : zonedb_walk(db, pass_over, NULL, why);
	if (rc != RC_OK)
		return rc;
	struct cursor in = cursor_over(db->params.data, db->params.length);
	struct record param;
	while (cursor_left(&in) > 0 && record_decode(&in, &param, NULL) == RC_OK)
		if (!visit(context, &param))
			break;
	return RC_OK;
}
