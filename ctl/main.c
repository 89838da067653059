/* main.c: the command `rxfer`: a table of what it can do, and the command line. */
#include "config.h"

#include "ctl/audit.h"
#include "ctl/check.h"
#include "ctl/explain.h"
#include "ctl/keygen.h"
#include "ctl/list.h"
#include "ctl/order.h"
#include "ctl/rotate.h"
#include "ctl/status.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The exit status without a command that exists: it may have been meant to be status, which then can't tell. */
#define NO_COMMAND 3

enum word_need { NO_WORD, MAY_HAVE_WORD, NEEDS_WORD };

struct command {
	const char *name;
	const char *arguments;
	const char *help;
	const char *allowed;           /* short forms of the options that it takes */
	enum word_need word;
	int misuse;                    /* exit status after a wrong command line */
	int (*run)(const struct options *options);
};

static const struct command commands[] = {
	{ "status", "[--json | --watch]", "health of the daemons here: zones, replicas, tables", "sjwMR", NO_WORD, 3,
	  status_main },
	{ "list", "[ZONE] [--json]", "the records of a zone, sorted", "sjMR", MAY_HAVE_WORD, 2, list_main },
	{ "explain", "ADDRESS [--json]", "is it valid, and by what", "sjMR", NEEDS_WORD, 2, explain_main },
	{ "refresh", "[ZONE]", "read the sources, or ask the master, now", "sMR", MAY_HAVE_WORD, 2, order_refresh_main },
	{ "retransfer", "[ZONE]", "fetch the whole zone anew from the master", "sR", MAY_HAVE_WORD, 2,
	  order_retransfer_main },
	{ "approve", "[ZONE]", "let deletions go that the master holds back", "sM", MAY_HAVE_WORD, 2, order_approve_main },
	{ "check", "[-c FILE]", "try a configuration, change nothing", "cMR", NO_WORD, 2, check_main },
	{ "audit", "[ZONE] [options]", "compare a zone with what an smtpd answers to RCPT", "sjMRSFHnarep",
	  MAY_HAVE_WORD, 2, audit_main },
	{ "rotate-key", "[--finish | --cancel]", "announce the master's next key, then switch to it", "cDfC", NO_WORD, 2,
	  rotate_main },
	{ "keygen", "FILE", "make an identity, print its public key", "", NEEDS_WORD, 2, keygen_main },
	{ "key", "FILE", "print the public key of an identity", "", NEEDS_WORD, 2, keygen_key_main },
};

static void print_help(FILE *out)
{
	fprintf(out, "rxfer: valid recipients, from the primary MX to its backups\n\nusage: rxfer COMMAND [options]\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(out, "  %-10s %-21s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
	fprintf(out, "\n  -s SOCKET             the daemon's control socket (default: those in %s/rxfer)\n"
	        "  --master, --replica   which daemon is meant, when both are here\n"
	        "  --json                for programs\n"
	        "  --watch               again every second, until Ctrl-C\n"
	        "  --version, --help\n\nof audit:\n"
	        "  --smtp HOST:PORT      the smtpd to ask (127.0.0.1:25)\n"
	        "  --sample N, --all     how many of the recipients (1000), and as many made-up neighbours\n"
	        "  --seed N              repeats the choice of an earlier audit\n"
	        "  --rate N              addresses a second (100; 0: as fast as it goes)\n"
	        "  --patience SECONDS    how long to wait for an smtpd that is slow or puts us off (120)\n"
	        "  --from ADDRESS        for MAIL FROM (the null sender)\n"
	        "  --helo NAME           for EHLO (our address)\n"
	        "\nof rotate-key:\n"
	        "  --finish              switch to the key that was announced, when all replicas have it\n"
	        "  --finish --force      even if not all have it\n"
	        "  --cancel              take it back\n"
	        "\nMore in rxfer(1).\n", RUNSTATEDIR);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* What the options were. */
struct line {
	char used[32];                 /* the short forms of those that were there */
	bool wrong;                    /* one isn't known, or lacks its argument: getopt has complained */
	bool help;
	bool version;
};

/* Where an option of audit that has an argument goes; NULL: it is none. */
static const char **audit_text(struct options *options, int option)
{
	switch (option) {
	case 'S':
		return &options->audit.smtp;
	case 'F':
		return &options->audit.from;
	case 'H':
		return &options->audit.helo;
	case 'n':
		return &options->audit.sample;
	case 'e':
		return &options->audit.seed;
	case 'r':
		return &options->audit.rate;
	case 'p':
		return &options->audit.patience;
	default:
		return NULL;
	}
}

static void take(struct options *options, struct line *line, int option)
{
	const char **text = audit_text(options, option);

	switch (option) {
	case 's':
		options->socket = optarg;
		break;
	case 'c':
		options->config = optarg;
		break;
	case 'j':
		options->json = true;
		break;
	case 'w':
		options->watch = true;
		break;
	case 'M':
		options->master = true;
		break;
	case 'R':
		options->replica = true;
		break;
	case 'D':
		options->finish = true;
		break;
	case 'f':
		options->force = true;
		break;
	case 'C':
		options->cancel = true;
		break;
	case 'h':
		line->help = true;
		break;
	case 'V':
		line->version = true;
		break;
	case 'a':
		options->audit.all = true;
		break;
	default:
		if (text == NULL) {
			line->wrong = true;
			return;
		}
		*text = optarg;
	}
	if (strchr(line->used, option) == NULL)
		line->used[strlen(line->used)] = (char)option;
}

/* Options may stand before and behind the command. All are read, also after a wrong one: only then is it known which
 * command was meant, and what a misuse of that one is worth. */
static void read_options(int argc, char **argv, struct options *options, struct line *line)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' }, { "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' }, { "watch", no_argument, NULL, 'w' },
		{ "master", no_argument, NULL, 'M' }, { "replica", no_argument, NULL, 'R' },
		{ "smtp", required_argument, NULL, 'S' }, { "from", required_argument, NULL, 'F' },
		{ "helo", required_argument, NULL, 'H' }, { "sample", required_argument, NULL, 'n' },
		{ "all", no_argument, NULL, 'a' }, { "seed", required_argument, NULL, 'e' },
		{ "rate", required_argument, NULL, 'r' }, { "patience", required_argument, NULL, 'p' },
		{ "finish", no_argument, NULL, 'D' }, { "force", no_argument, NULL, 'f' },
		{ "cancel", no_argument, NULL, 'C' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 }
	};
	int option;

	while ((option = getopt_long(argc, argv, "s:c:h", longs, NULL)) != -1)
		take(options, line, option);
}

/* The first thing that is wrong with the command line, or NULL. */
static const char *find_misuse(const struct command *command, const struct options *options, const char *used,
                               int words)
{
	if (strspn(used, command->allowed) != strlen(used))
		return "this command doesn't take one of these options";
	if (command->word == NEEDS_WORD && words == 0)
		return "a word is missing";
	if (words > (command->word == NO_WORD ? 0 : 1))
		return "too many words";
	if (options->master && options->replica)
		return "--master or --replica, not both";
	if (options->json && options->watch)
		return "--watch is for eyes: leave --json out";
	return NULL;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct line line = { 0 };

	read_options(argc, argv, &options, &line);
	const struct command *command = optind < argc ? find(argv[optind]) : NULL;
	if (line.wrong) {
		fprintf(stderr, "Try: rxfer --help\n");
		return command != NULL ? command->misuse : NO_COMMAND;
	}
	if (line.help || line.version) {
		if (line.help)
			print_help(stdout);
		else
			printf("rxfer %s\n", PACKAGE_VERSION);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	if (optind == argc) {
		print_help(stderr);
		return NO_COMMAND;
	}
	if (command == NULL) {
		fprintf(stderr, "rxfer: there is no command \"%s\". Try: rxfer --help\n", argv[optind]);
		return NO_COMMAND;
	}
	int words = argc - optind - 1;
	const char *misuse = find_misuse(command, &options, line.used, words);
	if (misuse != NULL) {
		fprintf(stderr, "rxfer %s: %s; usage: rxfer %s %s\n", command->name, misuse, command->name, command->arguments);
		return command->misuse;
	}
	options.word = words > 0 ? argv[optind + 1] : NULL;
	return command->run(&options);
}
