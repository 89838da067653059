/* table_build.h: one table file written anew, from the zones' records to the rename. */
#ifndef REPLICA_TABLE_BUILD_H
#define REPLICA_TABLE_BUILD_H

#include "replica/table.h"
#include "replica/table_stamp.h"

struct table_build {
	const struct table_spec *spec;
	const struct table_zone *zones;     /* first those whose records are all there, then the others */
	size_t count;                       /* of the first sort */
	size_t total;
	const char *file;                   /* what to replace: path with extension */
	bool keep_old;                      /* take over what is allowed of the file that is there as well */
	const struct table_stamp *same;     /* don't replace the file if its keys are these; or NULL */
};

struct table_built {
	struct digest digest;
	uint64_t keys;
	bool replaced;                      /* false: the file has just these keys already, and stands */
	struct table_file file;             /* when replaced */
};

/* RC_REFUSED: there wouldn't be a single key, which would refuse everybody; nothing was changed. RC_IO, RC_DAMAGED: as
 * before, nothing was changed. */
enum rc table_build(const struct table_build *build, struct table_built *out, struct why *why);

#endif
