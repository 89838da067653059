/* read_accounts.c: the names that unix:passwd.byname and unix:group.byname have, from the system's account database.
 *
 * Not every account database lets itself be listed: an LDAP directory behind sssd or nslcd answers for one name, and lists
 * none. nsswitch.conf(5) says where the names come from; only where all of it can be listed is the list complete. Postfix
 * asks in lower case, so names with capitals are nobody's address. */
#include "master/read.h"

#include "common/file.h"
#include "common/mem.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define NSSWITCH_MAX 65536

bool read_accounts_listable(const char *nsswitch, const char *database, char culprit[32])
{
	static const char *const listable[] = {"files", "compat", "systemd", "db", "extrausers", "altfiles", "mymachines", NULL};
	size_t length = strlen(database);
	for (const char *line = nsswitch; line && *line != '\0'; line = strchr(line, '\n'), line += line != NULL) {
		line += strspn(line, " \t");
		if (strncmp(line, database, length) != 0 || line[length + strspn(line + length, " \t")] != ':')
			continue;
		const char *at = line + strcspn(line, ":") + 1;
		for (;;) {
			at += strspn(at, " \t");
			size_t word = *at == '[' ? strcspn(at, "]\n") + 1 : strcspn(at, " \t\n#");
			if (*at == '\0' || *at == '\n' || *at == '#' || word == 0)
				return true;
			size_t i = 0;
			while (*at != '[' && listable[i] && (strlen(listable[i]) != word || strncmp(listable[i], at, word) != 0))
				i++;
			if (!listable[i]) {
				word = word < 31 ? word : 31;
				memcpy(culprit, at, word);
				culprit[word] = '\0';
				return false;
			}
			at += at[word - 1] == '\0' ? word - 1 : word;
		}
	}
	return true;
}

static bool has_capital(const char *name)
{
	for (; *name != '\0'; name++)
		if (*name >= 'A' && *name <= 'Z')
			return true;
	return false;
}

static void put(const struct read_sink *sink, const char *name)
{
	if (!has_capital(name))
		sink->key(sink->context, name, strlen(name), 0);
}

static int list_users(const struct read_sink *sink)
{
	setpwent();
	for (;;) {
		errno = 0;
		const struct passwd *entry = getpwent();
		if (!entry)
			break;
		put(sink, entry->pw_name);
	}
	int code = errno == ENOENT ? 0 : errno;
	endpwent();
	return code;
}

static int list_groups(const struct read_sink *sink)
{
	setgrent();
	for (;;) {
		errno = 0;
		const struct group *entry = getgrent();
		if (!entry)
			break;
		put(sink, entry->gr_name);
	}
	int code = errno == ENOENT ? 0 : errno;
	endgrent();
	return code;
}

enum rc read_accounts(const char *name, const struct read_sink *sink, struct why *why)
{
	bool users = strcmp(name, "passwd.byname") == 0;
	if (!users && strcmp(name, "group.byname") != 0)
		return why_set(why, RC_UNSUPPORTED, "unix:%s: only passwd.byname and group.byname can be listed", name);
	struct buf nsswitch = {0};
	char culprit[32] = "";
	enum rc rc = file_read(READ_NSSWITCH, NSSWITCH_MAX, &nsswitch, why);
	bool complete = rc != RC_OK || read_accounts_listable(buf_text(&nsswitch), users ? "passwd" : "group", culprit);
	buf_free(&nsswitch);
	if (rc != RC_OK && rc != RC_NOT_FOUND)
		return rc;
	if (!complete)
		return why_set(why, RC_UNSUPPORTED, "accounts come from \"%s\" too (" READ_NSSWITCH "), which may not list them "
		               "all: say what lists them: treat \"unix:%s\" { as = \"list\" command = \"getent %s | cut -d: -f1\" }",
		               culprit, name, users ? "passwd" : "group");
	int code = users ? list_users(sink) : list_groups(sink);
	return code == 0 ? RC_OK : why_set(why, RC_IO, "can't list the system's accounts: %s", strerror(code));
}
