/* table_type.c: the kinds of tables that this build can write. */
#include "replica/table_type.h"

#include <string.h>

static const struct table_type *const types[] = {
	&table_hash,
};

const struct table_type *table_type_find(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	return NULL;
}

const char *table_type_list(void)
{
	return "hash";
}
