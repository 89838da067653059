/* fuzz_changeset.c: any bytes as a changeset. What is accepted must come out the same when it is encoded again. */
#include "common/changeset.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct changeset changeset;
	struct why why = {""};
	if (changeset_decode(data, size, &changeset, &why) != RC_OK) {
		if (why.text[0] == '\0')
			abort();
		return 0;
	}
	struct buf again = {0};
	soa_encode(&again, &changeset.soa);
	buf_put_u32(&again, changeset.count);
	for (uint32_t i = 0; i < changeset.count; i++) {
		buf_put_u8(&again, (uint8_t)changeset.operations[i].change);
		record_encode(&again, &changeset.operations[i].record);
		(void)record_fingerprint(changeset.soa.epoch.id, &changeset.operations[i].record);
	}
	if (again.length != size || memcmp(again.data, data, size) != 0)
		abort();
	buf_free(&again);
	changeset_free(&changeset);
	return 0;
}
