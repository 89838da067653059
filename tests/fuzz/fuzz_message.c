/* fuzz_message.c: any bytes as a message: decoded or refused; what was decoded encodes to the same bytes. */
#include "common/buf.h"
#include "common/changeset.h"
#include "protocol/message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message message;
	struct why why;
	if (message_decode(data, size, &message, &why) != RC_OK)
		return 0;
	struct buf again = {0};
	message_encode(&again, &message);
	if (again.length != size || memcmp(again.data, data, size) != 0)
		abort();
	buf_free(&again);
	struct changeset changeset;
	if (message.type == MESSAGE_CHANGES &&
	    changeset_decode(message.data, message.data_length, &changeset, &why) == RC_OK)
		changeset_free(&changeset);
	return 0;
}
