/* daemon.c: which daemon a command is for. A host can be a primary for one zone and a backup for another, so both may
 * run here: then `status` shows both, and a command that changes something wants to be told which. */
#include "ctl/daemon.h"

#include "common/control.h"

#include <errno.h>
#include <unistd.h>

/* What can't be looked at is taken for there, so that the question says what is wrong with it. */
static bool is_there(const char *path)
{
	return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

int daemon_sockets(const struct options *options, const char *sockets[DAEMON_SOCKETS_MAX], struct why *why)
{
	int count = 0;

	if (options->socket != NULL) {
		sockets[0] = options->socket;
		return 1;
	}
	if (options->master || (!options->replica && is_there(OPTIONS_MASTER_SOCKET)))
		sockets[count++] = OPTIONS_MASTER_SOCKET;
	if (options->replica || (!options->master && is_there(OPTIONS_REPLICA_SOCKET)))
		sockets[count++] = OPTIONS_REPLICA_SOCKET;
	if (count == 0)
		why_set(why, RC_NOT_FOUND, "no daemon runs here: there is neither %s nor %s; start one with "
		        "systemctl start rxfer-master or rxfer-replica, or name its socket with -s", OPTIONS_MASTER_SOCKET,
		        OPTIONS_REPLICA_SOCKET);
	return count;
}

enum rc daemon_socket(const struct options *options, const char **out, struct why *why)
{
	const char *sockets[DAEMON_SOCKETS_MAX];
	int count = daemon_sockets(options, sockets, why);

	if (count == 0)
		return RC_NOT_FOUND;
	if (count > 1)
		return why_set(why, RC_INVALID, "a master and a replica run here: say which one with --master or --replica");
	*out = sockets[0];
	return RC_OK;
}

enum rc daemon_ask(const struct options *options, const char *command, int timeout_ms, struct buf *out,
                   struct why *why)
{
	const char *socket = NULL;
	const char *words[] = { command, options->word };
	enum rc rc = daemon_socket(options, &socket, why);

	if (rc != RC_OK)
		return rc;
	return control_ask(socket, words, options->word != NULL ? 2 : 1, timeout_ms, out, why);
}
