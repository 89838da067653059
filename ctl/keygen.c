/* keygen.c: `rxfer keygen` and `rxfer key`.
 *
 * An identity is made by root, and read by daemons that run as a user of their own. So the new file is given to that
 * user, if there is one: otherwise the first start would fail over a permission. */
#include "ctl/keygen.h"

#include "common/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DAEMON_USER "rxfer"

static int print_key(const char *path, const char *command)
{
	struct identity *identity = NULL;
	struct why why;
	char line[PUBKEY_TEXT_MAX];

	if (identity_load(path, &identity, &why) != RC_OK) {
		fprintf(stderr, "rxfer %s: %s\n", command, why.text);
		return 1;
	}
	pubkey_format(identity_public(identity), line);
	identity_free(&identity);
	if (puts(line) < 0 || fflush(stdout) != 0) {
		fprintf(stderr, "rxfer %s: standard output: %s\n", command, strerror(errno));
		return 1;
	}
	return 0;
}

static void give_away(const char *path)
{
	const struct passwd *user = geteuid() == 0 ? getpwnam(DAEMON_USER) : NULL;

	if (user == NULL)
		return;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, user->pw_uid, user->pw_gid) != 0)
		fprintf(stderr, "rxfer keygen: %s: can't give it to the user %s: %s; do it with chown\n", path, DAEMON_USER,
		        strerror(errno));
	else
		fprintf(stderr, "%s belongs to the user %s now, as the daemons run under that name.\n", path, DAEMON_USER);
	if (fd >= 0)
		close(fd);
}

int keygen_main(const struct options *options)
{
	struct why why;

	identity_init();
	if (identity_generate(options->word, &why) != RC_OK) {
		fprintf(stderr, "rxfer keygen: %s\n", why.text);
		return 1;
	}
	give_away(options->word);
	return print_key(options->word, "keygen");
}

int keygen_key_main(const struct options *options)
{
	identity_init();
	return print_key(options->word, "key");
}
