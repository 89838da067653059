/* check.c: `rxfer check`. What would be published, and what can't be read, only the daemon's own code can say; so the
 * check is the daemon's, and this finds the right one. */
#include "ctl/check.h"

#include "common/buf.h"
#include "common/conf_scan.h"
#include "common/file.h"
#include "ctl/become.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1024u * 1024u)
#define CANT_CHECK 2      /* 1 would be the daemons' "there are warnings" */

static size_t word_length(const char *text)
{
	return strcspn(text, " \t\r\n={},\"'");
}

enum check_kind check_kind(const char *text)
{
	bool master = false, replica = false;
	int depth = 0;

	for (const char *at = text; *at != '\0'; ) {
		size_t length = word_length(at);
		if (*at == '"' || *at == '\'') {
			char quote = *at++;
			while (*at != '\0' && *at != quote)
				at += *at == '\\' && at[1] != '\0' ? 2 : 1;
			at += *at != '\0';
			continue;
		}
		if (length == 0) {
			depth += *at == '{' ? 1 : *at == '}' ? -1 : 0;
			at++;
			continue;
		}
		if (depth == 0) {
			char word[16];
			snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), at);
			master = master || strcmp(word, "listen") == 0 || strcmp(word, "replica") == 0;
			replica = replica || strcmp(word, "master") == 0 || strcmp(word, "table") == 0;
		}
		at += length;
	}
	return master == replica ? CHECK_UNCLEAR : master ? CHECK_MASTER : CHECK_REPLICA;
}

/* RC_OK: *kind is set, to CHECK_UNCLEAR too. */
static enum rc read_kind(const char *path, enum check_kind *kind, struct why *why)
{
	struct buf text = { 0 };
	struct conf_scan scan;
	enum rc rc = file_read(path, FILE_BYTES_MAX, &text, why);

	if (rc == RC_OK)
		rc = conf_scan(path, buf_text(&text), text.length, &scan, why);
	if (rc == RC_OK) {
		*kind = check_kind(scan.text);
		conf_scan_free(&scan);
	}
	buf_free(&text);
	return rc;
}

static enum rc choose(const struct options *options, const char **path, enum check_kind *kind, struct why *why)
{
	bool master = access(OPTIONS_MASTER_CONF, F_OK) == 0;
	bool replica = access(OPTIONS_REPLICA_CONF, F_OK) == 0;

	*kind = options->master ? CHECK_MASTER : options->replica ? CHECK_REPLICA : CHECK_UNCLEAR;
	*path = options->config;
	if (options->config == NULL) {
		if (*kind == CHECK_UNCLEAR && master == replica)
			return why_set(why, RC_INVALID, "%s: name the one to check with -c FILE", master
			               ? OPTIONS_MASTER_CONF " and " OPTIONS_REPLICA_CONF " are both there"
			               : "neither " OPTIONS_MASTER_CONF " nor " OPTIONS_REPLICA_CONF " is there");
		if (*kind == CHECK_UNCLEAR)
			*kind = master ? CHECK_MASTER : CHECK_REPLICA;
		*path = *kind == CHECK_MASTER ? OPTIONS_MASTER_CONF : OPTIONS_REPLICA_CONF;
		return RC_OK;
	}
	if (*kind != CHECK_UNCLEAR)
		return RC_OK;
	enum rc rc = read_kind(options->config, kind, why);
	if (rc == RC_OK && *kind == CHECK_UNCLEAR)
		return why_set(why, RC_INVALID, "%s: can't tell whether this is for a master or a replica: say --master or "
		               "--replica", options->config);
	return rc;
}

int check_main(const struct options *options)
{
	const char *path;
	enum check_kind kind;
	struct why why;

	if (choose(options, &path, &kind, &why) != RC_OK) {
		fprintf(stderr, "rxfer check: %s\n", why.text);
		return CANT_CHECK;
	}
	const char *program = kind == CHECK_MASTER ? "rxfer-master" : "rxfer-replica";
	char *arguments[] = { (char *)program, (char *)"--check", (char *)"-c", (char *)path, NULL };
	become_daemon("check", arguments);
	return CANT_CHECK;
}
