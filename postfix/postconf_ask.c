/* postconf_ask.c: runs postconf; see postconf.h.
 *
 * postconf itself waits until main.cf is about two seconds old, as all of Postfix's programs do, so that none sees one
 * that is half written: a plan takes that much longer then. */
#include "postfix/postconf.h"

#include "common/mem.h"
#include "postfix/postfix_run.h"

#include <stdlib.h>

static enum rc ask(const char *folder, const char *config, const char *const *arguments, struct buf *out,
                   struct why *why)
{
	char *postconf = NULL;
	enum rc rc = postfix_run_find(folder, "postconf", &postconf, why);
	if (rc != RC_OK)
		return rc;
	size_t count = 0;
	while (arguments[count])
		count++;
	const char **argv = mem_alloc((count + 4) * sizeof *argv);
	argv[0] = postconf;
	argv[1] = "-c";
	argv[2] = config;
	for (size_t i = 0; i <= count; i++)
		argv[3 + i] = arguments[i];
	rc = postfix_run(argv, NULL, out, why);
	free(argv);
	free(postconf);
	return rc;
}

enum rc postconf_ask(const char *folder, const char *config, const struct postconf_service *service,
                     struct postconf *out, struct why *why)
{
	size_t overrides = service ? service->override_count : 0;
	const char **arguments = mem_zalloc((2 * overrides + 2) * sizeof *arguments);
	struct buf text = {0};
	arguments[0] = "-x";
	for (size_t i = 0; i < overrides; i++) {
		arguments[1 + 2 * i] = "-o";
		arguments[2 + 2 * i] = mem_sprintf("%s=%s", service->overrides[i].name, service->overrides[i].value);
	}
	enum rc rc = ask(folder, config, arguments, &text, why);
	if (rc == RC_OK)
		rc = postconf_parse(text.data, text.length, out, why);
	for (size_t i = 0; i < overrides; i++)
		free((void *)(uintptr_t)arguments[2 + 2 * i]);
	free(arguments);
	buf_free(&text);
	return rc;
}

enum rc postconf_ask_raw(const char *folder, const char *config, struct postconf *out, struct why *why)
{
	static const char *const nothing[] = {NULL};
	struct buf text = {0};
	enum rc rc = ask(folder, config, nothing, &text, why);
	if (rc == RC_OK)
		rc = postconf_parse(text.data, text.length, out, why);
	buf_free(&text);
	return rc;
}

enum rc postconf_ask_services(const char *folder, const char *config, struct postconf_services *out, struct why *why)
{
	static const char *const list[] = {"-M", NULL}, *const overrides[] = {"-P", NULL};
	struct buf services = {0}, pairs = {0};
	enum rc rc = ask(folder, config, list, &services, why);
	if (rc == RC_OK)
		rc = ask(folder, config, overrides, &pairs, why);
	if (rc == RC_OK)
		rc = postconf_parse_services(services.data, services.length, pairs.data, pairs.length, out, why);
	buf_free(&services);
	buf_free(&pairs);
	return rc;
}

enum rc postconf_ask_types(const char *folder, const char *config, struct buf *out, struct why *why)
{
	static const char *const types[] = {"-m", NULL};
	return ask(folder, config, types, out, why);
}
