/* order.c: `rxfer refresh`, `rxfer retransfer`, `rxfer approve`: the words go to the daemon, its sentences come back. */
#include "ctl/order.h"

#include "common/buf.h"
#include "ctl/daemon.h"
#include "ctl/text.h"

#include <stdio.h>
#include <string.h>

static int order(const struct options *options, const char *command)
{
	struct buf answer = { 0 };
	struct buf clean = { 0 };
	struct why why;
	int status = 0;

	if (daemon_ask(options, command, OPTIONS_TIMEOUT_MS, &answer, &why) == RC_OK) {
		for (char *line = strtok((char *)buf_text(&answer), "\n"); line != NULL; line = strtok(NULL, "\n")) {
			text_put(&clean, line, strlen(line));
			buf_put_u8(&clean, '\n');
		}
		fputs(buf_text(&clean), stdout);
	} else {
		fprintf(stderr, "rxfer %s: %s\n", command, why.text);
		status = 1;
	}
	buf_free(&answer);
	buf_free(&clean);
	return status;
}

int order_refresh_main(const struct options *options)
{
	return order(options, "refresh");
}

/* Only a replica can fetch anything. */
int order_retransfer_main(const struct options *options)
{
	struct options of_replica = *options;

	of_replica.replica = true;
	return order(&of_replica, "retransfer");
}

/* Only a master holds anything back. */
int order_approve_main(const struct options *options)
{
	struct options of_master = *options;

	of_master.master = true;
	return order(&of_master, "approve");
}
