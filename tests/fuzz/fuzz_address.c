/* fuzz_address.c: any bytes as a map's key. The first byte says whether SMTPUTF8 is on. What comes out must be stable
 * under being parsed again, fit its limits, and its parts must fit together. */
#include "common/address.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	bool smtputf8 = (data[0] & 1) != 0;
	struct address address, again, full;
	struct why why = {""};
	if (address_parse(data + 1, size - 1, smtputf8, &address, &why) != RC_OK) {
		demand(why.text[0] != '\0');
		return 0;
	}
	demand(address.length <= ADDRESS_MAX && strlen(address.text) == address.length && address.at <= address.length);
	demand((address.kind == ADDRESS_BARE) == (address.at == address.length));
	demand((address.kind == ADDRESS_CATCHALL) == (address.at == 0));
	demand(address_parse(address.text, address.length, smtputf8, &again, NULL) == RC_OK);
	demand(strcmp(again.text, address.text) == 0 && again.kind == address.kind && again.at == address.at);
	if (address.kind == ADDRESS_BARE && address_qualify(&address, "example.com", &full, NULL) == RC_OK) {
		demand(full.kind == ADDRESS_FULL && strcmp(address_domain(&full), "example.com") == 0);
		demand(address_parse(full.text, full.length, smtputf8, &again, NULL) == RC_OK);
		demand(strcmp(again.text, full.text) == 0);
	}
	return 0;
}
