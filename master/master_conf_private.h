/* master_conf_private.h: what master_conf.c and master_conf_zone.c share. */
#ifndef MASTER_MASTER_CONF_PRIVATE_H
#define MASTER_MASTER_CONF_PRIVATE_H

#include "common/conf.h"
#include "master/master_conf.h"
#include "master/master_postfix.h"

/* Memory that goes together. */
struct master_conf_pool {
	void **at;
	size_t count;
};

struct zone_conf {
	struct master_conf_pool pool;
	struct zone_spec spec;
	struct source_spec *sources;     /* the Postfix, those of the file, those of the Postfix's plan */
	size_t own_count;                /* without the plan's */
	struct master_postfix *postfix;  /* NULL: none */
	struct watch *watch;
	struct keys_filter filter;
};

void *master_conf_pool_keep(struct master_conf_pool *pool, void *memory);
const char *master_conf_pool_text(struct master_conf_pool *pool, const char *text);        /* a copy */
void *master_conf_pool_array(struct master_conf_pool *pool, size_t count, size_t size);
void master_conf_pool_free(struct master_conf_pool *pool);

extern const struct conf_option master_conf_zone_options[];
enum rc master_conf_load_zone(const struct conf *section, const char *state, struct zone_conf *zone, struct why *why);
void master_conf_zone_free(struct zone_conf *zone);
bool master_conf_same_zone(const struct zone_conf *a, const struct zone_conf *b);

/* RC_INVALID: the section's title can't be a name. */
enum rc master_conf_check_name(const struct conf *section, struct why *why);
bool master_conf_same_texts(const char *const *a, size_t a_count, const char *const *b, size_t b_count);

#endif
