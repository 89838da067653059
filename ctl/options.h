/* options.h: the command line of rxfer, as main.c has understood it. */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include <stdbool.h>

/* What only `rxfer audit` takes, as it was written; NULL where nothing was. */
struct options_audit {
	const char *smtp;
	const char *from;
	const char *helo;
	const char *sample;
	const char *seed;
	const char *rate;
	const char *patience;
	bool all;
};

/* Plain data; the texts are argv's. */
struct options {
	const char *socket;      /* -s, or NULL */
	const char *config;      /* -c, or NULL */
	bool json;
	bool watch;
	bool master;
	bool replica;
	struct options_audit audit;
	bool finish;
	bool force;
	bool cancel;
	const char *word;        /* what stands after the command: a zone, a file; or NULL */
};

/* Where the daemons have their sockets and configurations unless told otherwise. */
#define OPTIONS_MASTER_SOCKET RUNSTATEDIR "/rxfer/master.sock"
#define OPTIONS_REPLICA_SOCKET RUNSTATEDIR "/rxfer/replica.sock"
#define OPTIONS_MASTER_CONF SYSCONFDIR "/rxfer/master.conf"
#define OPTIONS_REPLICA_CONF SYSCONFDIR "/rxfer/replica.conf"

/* A daemon that doesn't say anything for so long isn't well. */
#define OPTIONS_TIMEOUT_MS 10000

#endif
