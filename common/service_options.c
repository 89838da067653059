/* service_options.c: see service_options.h. */
#include "config.h"

#include "common/service_options.h"

#include "common/mem.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPTION_CHECK = 256, OPTION_DEBUG, OPTION_VERSION, OPTION_HELP, OPTION_HELPER };

static void usage(FILE *out, const struct service_program *program)
{
	fprintf(out, "usage: %s [-c FILE] [-t | --check] [--debug]\n"
	        "  -c FILE      the configuration, default %s\n"
	        "  -t           check the configuration and stop\n"
	        "%s"
	        "  --debug      log more\n"
	        "  --version, --help\n", program->name, program->conf_path, program->check_help);
	for (const struct service_helper *helper = program->helpers; helper->name != NULL; helper++)
		fprintf(out, "  --%s %s\n               %s\n", helper->name, helper->argument, helper->help);
}

/* getopt's table: ours, then the helpers'. The caller frees it. */
static struct option *long_options(const struct service_program *program)
{
	static const struct option ours[] = {
		{"check", no_argument, NULL, OPTION_CHECK},
		{"debug", no_argument, NULL, OPTION_DEBUG},
		{"version", no_argument, NULL, OPTION_VERSION},
		{"help", no_argument, NULL, OPTION_HELP},
	};
	size_t count = sizeof ours / sizeof *ours;
	size_t helpers = 0;
	while (program->helpers[helpers].name != NULL)
		helpers++;
	struct option *all = mem_zalloc((count + helpers + 1) * sizeof *all);
	for (size_t i = 0; i < count; i++)
		all[i] = ours[i];
	for (size_t i = 0; i < helpers; i++)
		all[count + i] = (struct option){program->helpers[i].name, required_argument, NULL, OPTION_HELPER + (int)i};
	return all;
}

static void take(struct service_options *options, int option, const struct service_program *program)
{
	switch (option) {
	case 'c':
		options->conf_path = optarg;
		break;
	case 't':
		options->action = SERVICE_TEST;
		break;
	case OPTION_CHECK:
		options->action = SERVICE_CHECK;
		break;
	case OPTION_DEBUG:
		options->debug = true;
		break;
	case OPTION_VERSION:
		printf("%s " PACKAGE_VERSION "\n", program->name);
		options->status = EXIT_SUCCESS;
		break;
	case OPTION_HELP:
		usage(stdout, program);
		options->status = EXIT_SUCCESS;
		break;
	case '?':
		usage(stderr, program);
		options->status = 2;
		break;
	default: {
		const struct service_helper *helper = &program->helpers[option - OPTION_HELPER];
		options->status = helper->run ? helper->run(optarg) : helper->run_with(options->conf_path, optarg);
	}
	}
}

struct service_options service_options(int argc, char **argv, const struct service_program *program)
{
	struct service_options options = {.conf_path = program->conf_path, .action = SERVICE_RUN, .status = -1};
	struct option *longs = long_options(program);
	int option;
	while (options.status < 0 && (option = getopt_long(argc, argv, "c:t", longs, NULL)) != -1)
		take(&options, option, program);
	free(longs);
	if (options.status < 0 && optind < argc) {
		fprintf(stderr, "%s: \"%s\": there is nothing to say but options\n", program->name, argv[optind]);
		usage(stderr, program);
		options.status = 2;
	}
	return options;
}
