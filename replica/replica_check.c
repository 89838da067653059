/* replica_check.c: see replica_check.h. Nothing is opened that a running daemon has locked. */
#include "replica/replica_check.h"

#include "common/check_identity.h"
#include "common/mem.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int worst(int a, int b)
{
	return a > b ? a : b;
}

/* Can a file be made in the folder, or the folder itself, as far as one can tell by looking? */
static int check_folder(const char *what, const char *folder)
{
	char *path = mem_strdup(folder);
	struct stat st;
	int worth = 0;
	while (stat(path, &st) != 0 && errno == ENOENT && strcmp(path, "/") != 0) {
		char *parent = mem_strdup(path);
		(void)strcpy(path, dirname(parent));      /* never longer than what it was */
		free(parent);
	}
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		printf("error: %s: %s isn't a folder\n", what, path);
		worth = 2;
	} else if (access(path, W_OK | X_OK) != 0) {
		printf("warning: %s: %s: %s (for the user who runs this check)\n", what, path, strerror(errno));
		worth = 1;
	}
	free(path);
	return worth;
}

static int check_zone(const struct replica_zone *zone)
{
	bool any = zone->session.domain_count == 1 && strcmp(zone->session.domains[0], "*") == 0;
	printf("zone \"%s\" from master \"%s\": ", zone->session.name, zone->master);
	for (size_t i = 0; i < zone->session.domain_count; i++)
		printf("%s%s", i > 0 ? ", " : "", zone->session.domains[i]);
	printf("\n");
	if (any)
		printf("warning: zone \"%s\": \"*\": its master decides for which domains this host relays mail\n",
		       zone->session.name);
	return any;
}

static int check_table(const struct replica_conf *conf, const struct replica_table *table)
{
	char *path = mem_strdup(table->spec.path);
	char *line = table_main_cf(&table->spec);
	char *file = mem_sprintf("%s%s", table->spec.path, table->spec.type->extension);
	struct stat st;
	int worth = check_folder(table->spec.name, dirname(path));
	bool there = lstat(file, &st) == 0;
	char *stamp = mem_sprintf("%s/%s.stamp", conf->stamps_folder, table->spec.name);
	printf("table \"%s\", for main.cf:\n    %s\n", table->spec.name, line);
	if (there && !S_ISREG(st.st_mode)) {
		printf("error: table \"%s\": %s isn't a regular file\n", table->spec.name, file);
		worth = 2;
	} else if (there && access(stamp, F_OK) != 0 && errno == ENOENT) {
		printf("warning: table \"%s\": %s was made by somebody else, and will be replaced\n", table->spec.name, file);
		worth = worst(worth, 1);
	}
	free(stamp);
	free(file);
	free(line);
	free(path);
	return worth;
}

int replica_check_run(const struct replica_conf *conf)
{
	int worth = worst(check_identity(conf->identity), check_folder("state", conf->state));
	char *control = mem_strdup(conf->control);
	worth = worst(worth, check_folder("control", dirname(control)));
	free(control);
	for (size_t i = 0; i < conf->zone_count; i++)
		worth = worst(worth, check_zone(&conf->zones[i]));
	for (size_t i = 0; i < conf->table_count; i++)
		worth = worst(worth, check_table(conf, &conf->tables[i]));
	worth = worst(worth, replica_check_postfix(conf));
	if (conf->table_count == 0) {
		printf("warning: no table is configured: Postfix gets nothing from these zones\n");
		worth = worst(worth, 1);
	}
	printf("%s\n", worth == 0 ? "all is well" : worth == 1 ? "there are warnings" : "there are errors");
	return worth;
}
