/* check_identity.c: see check_identity.h. */
#include "common/check_identity.h"

#include "common/identity.h"

#include <stdio.h>
#include <unistd.h>

int check_identity(const char *path)
{
	struct identity *identity = NULL;
	struct why why;
	char key[PUBKEY_TEXT_MAX];
	enum rc rc = identity_load(path, &identity, &why);
	if (rc == RC_OK) {
		pubkey_format(identity_public(identity), key);
		printf("identity: %s\n", key);
		identity_free(&identity);
	} else if (rc == RC_NOT_FOUND) {
		printf("error: there is no identity %s: make it with `rxfer keygen %s`\n", path, path);
	} else {
		printf("error: identity: %s\n", why.text);
	}
	if (geteuid() == 0)
		printf("note: root may read more than the daemon's user; to check with its rights: runuser -u rxfer -- rxfer check\n");
	return rc == RC_OK ? 0 : 2;
}
