/* rotate.c: see rotate.h.
 *
 * Each step is one change of the files, durable before the daemon is told: a link for announcing, a rename for the
 * switch, an unlink for taking back. Interrupted anywhere, the same command again goes on; so does the daemon by itself,
 * when it is started or reloaded. The former identity is gone with the rename: what is worth stealing shall not lie
 * around. */
#include "master/rotate.h"

#include "common/control.h"
#include "common/file.h"
#include "common/mem.h"
#include "master/master_conf.h"
#include "master/rollover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASK_MS 10000
#define SWITCH_MS 600000      /* every zone is written anew */

struct rotation {
	struct master_conf *conf;
	const char *identity;
	char *next;
};

/* ---- the daemon ---- */

/* Prints what the daemon says. RC_NOT_FOUND: it doesn't run. */
static enum rc ask(const struct rotation *rotation, const char *word, const char *key, struct why *why)
{
	const char *words[] = {"rotate-key", word, key};
	struct buf answer = {.data = NULL};
	int timeout_ms = word && strcmp(word, "switch") == 0 ? SWITCH_MS : ASK_MS;
	enum rc rc = control_ask(master_conf_control(rotation->conf), words, word ? key ? 3 : 2 : 1, timeout_ms, &answer,
	                         why);
	if (rc == RC_OK)
		fputs(buf_text(&answer), stdout);
	buf_free(&answer);
	return rc;
}

/* After the files have been changed: the daemon looks at them, now or when it starts. */
static enum rc tell(const struct rotation *rotation, const char *word, struct why *why)
{
	enum rc rc = ask(rotation, word, NULL, why);
	if (rc != RC_NOT_FOUND)
		return rc;
	printf("rxfer-master isn't running: it takes note of that when it starts\n");
	return RC_OK;
}

/* ---- the files ---- */

/* What root makes is given to the owner of the present identity. */
static enum rc give_away(const struct rotation *rotation, struct why *why)
{
	struct stat owner, now;
	if (stat(rotation->identity, &owner) != 0)
		return file_fail(why, "can't look at", rotation->identity);
	int fd = open(rotation->next, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return file_fail(why, "can't open", rotation->next);
	enum rc rc = RC_OK;
	if (fstat(fd, &now) != 0)
		rc = file_fail(why, "can't look at", rotation->next);
	else if ((now.st_uid != owner.st_uid || now.st_gid != owner.st_gid) && fchown(fd, owner.st_uid, owner.st_gid) != 0)
		rc = file_fail(why, "can't give it to the owner of the present identity", rotation->next);
	(void)close(fd);
	return rc;
}

static enum rc load_key(const char *path, char key[PUBKEY_TEXT_MAX], struct why *why)
{
	struct identity *identity = NULL;
	enum rc rc = identity_load(path, &identity, why);
	if (rc == RC_OK)
		pubkey_format(identity_public(identity), key);
	identity_free(&identity);
	return rc;
}

/* The next identity's key. RC_NOT_FOUND: there is none. */
static enum rc load_next(const struct rotation *rotation, char key[PUBKEY_TEXT_MAX], struct why *why)
{
	enum rc rc = load_key(rotation->next, key, why);
	if (rc == RC_NOT_FOUND)
		return why_set(why, rc, "there is no next identity %s; to make and announce one: rxfer rotate-key",
		               rotation->next);
	return rc;
}

/* ---- what can be done ---- */

static enum rc announce(const struct rotation *rotation, struct why *why)
{
	char key[PUBKEY_TEXT_MAX];
	enum rc rc = load_key(rotation->identity, key, why);
	if (rc == RC_OK && access(rotation->next, F_OK) != 0 && errno == ENOENT)
		rc = identity_generate(rotation->next, why);
	if (rc == RC_OK)
		rc = load_key(rotation->next, key, why);
	if (rc == RC_OK)
		rc = give_away(rotation, why);
	if (rc != RC_OK)
		return rc;
	printf("%s\n", key);
	return tell(rotation, NULL, why);
}

static enum rc finish(const struct rotation *rotation, bool force, struct why *why)
{
	char key[PUBKEY_TEXT_MAX];
	struct why reason;
	enum rc rc = load_next(rotation, key, why);
	/* The rename may have been done, and the daemon not told. */
	if (rc == RC_NOT_FOUND)
		return ask(rotation, "switch", NULL, &reason) == RC_OK ? RC_OK : rc;
	if (rc != RC_OK)
		return rc;
	rc = ask(rotation, "ready", key, why);
	if (rc != RC_OK && !force) {
		if (rc == RC_NOT_FOUND)
			return why_set(why, rc, "rxfer-master isn't running, so nobody knows who has the next key; start it, or add "
			               "--force");
		return why_prepend(why, rc, "not yet (--force does it all the same; who doesn't have the key by then can't connect "
		                   "until it's written into the replica.conf there)");
	}
	if (rc != RC_OK)
		fprintf(stderr, "warning: %s\n", why->text);
	if (rename(rotation->next, rotation->identity) != 0)
		return file_fail(why, "can't put into its place", rotation->next);
	rc = file_sync_folder(rotation->identity, why);
	return rc == RC_OK ? tell(rotation, "switch", why) : rc;
}

static enum rc cancel(const struct rotation *rotation, struct why *why)
{
	if (unlink(rotation->next) != 0 && errno != ENOENT)
		return file_fail(why, "can't remove", rotation->next);
	enum rc rc = file_sync_folder(rotation->next, why);
	return rc == RC_OK ? tell(rotation, NULL, why) : rc;
}

int rotate_main(const char *conf_path, const char *word)
{
	struct rotation rotation = {.conf = NULL};
	struct why why;
	identity_init();
	enum rc rc = master_conf_load(conf_path, &rotation.conf, &why);
	if (rc == RC_OK) {
		rotation.identity = master_conf_identity(rotation.conf);
		rotation.next = mem_sprintf("%s" ROLLOVER_NEXT, rotation.identity);
		if (strcmp(word, "announce") == 0)
			rc = announce(&rotation, &why);
		else if (strcmp(word, "finish") == 0 || strcmp(word, "force") == 0)
			rc = finish(&rotation, strcmp(word, "force") == 0, &why);
		else if (strcmp(word, "cancel") == 0)
			rc = cancel(&rotation, &why);
		else
			rc = why_set(&why, RC_INVALID, "\"%s\": announce, finish, force or cancel", word);
		free(rotation.next);
		master_conf_free(&rotation.conf);
	}
	if (rc != RC_OK)
		fprintf(stderr, "rxfer rotate-key: %s\n", why.text);
	return rc == RC_OK && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
