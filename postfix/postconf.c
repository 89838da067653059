/* postconf.c: the parsers; see postconf.h. What runs postconf is in postconf_ask.c.
 *
 * `-o` overrides in master.cf count for that one service. So smtpd is asked for by `postconf -x -o name=value ...`, which
 * expands $name as that smtpd does, also where a parameter that isn't overridden refers to one that is. */
#include "postfix/postconf.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static char *trimmed(const char *text, size_t length)
{
	while (length > 0 && is_space(text[0])) {
		text++;
		length--;
	}
	while (length > 0 && (is_space(text[length - 1]) || text[length - 1] == '\r'))
		length--;
	return mem_strndup(text, length);
}

static bool take_line(const char **at, const char *end, const char **line, size_t *length)
{
	if (*at >= end)
		return false;
	const char *stop = memchr(*at, '\n', (size_t)(end - *at));
	*line = *at;
	*length = (size_t)((stop ? stop : end) - *at);
	*at = stop ? stop + 1 : end;
	return true;
}

static bool parse_pair(const char *line, size_t length, struct postconf_pair *out)
{
	const char *equals = memchr(line, '=', length);
	if (!equals)
		return false;
	char *name = trimmed(line, (size_t)(equals - line));
	if (name[0] == '\0') {
		free(name);
		return false;
	}
	*out = (struct postconf_pair){name, trimmed(equals + 1, length - (size_t)(equals + 1 - line))};
	return true;
}

static void free_pairs(struct postconf_pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(pairs[i].name);
		free(pairs[i].value);
	}
	free(pairs);
}

static int compare(const void *left, const void *right)
{
	const struct postconf_pair *a = left, *b = right;
	return strcmp(a->name, b->name);
}

enum rc postconf_parse(const void *text, size_t length, struct postconf *out, struct why *why)
{
	struct postconf conf = {0};
	const char *at = text, *end = at + length, *line;
	size_t line_length;
	while (take_line(&at, end, &line, &line_length)) {
		struct postconf_pair pair;
		if (line_length == 0)
			continue;
		if (!parse_pair(line, line_length, &pair)) {
			postconf_free(&conf);
			return why_set(why, RC_INVALID, "postconf says \"%.*s\", and not name = value",
			               (int)(line_length < 100 ? line_length : 100), line);
		}
		conf.at = mem_realloc(conf.at, conf.count + 1, sizeof *conf.at);
		conf.at[conf.count++] = pair;
	}
	if (conf.count > 1)
		qsort(conf.at, conf.count, sizeof *conf.at, compare);
	*out = conf;
	return RC_OK;
}

void postconf_free(struct postconf *conf)
{
	free_pairs(conf->at, conf->count);
	*conf = (struct postconf){0};
}

const char *postconf_get(const struct postconf *conf, const char *name)
{
	const struct postconf_pair wanted = {(char *)(uintptr_t)name, NULL};
	const struct postconf_pair *found = conf->count == 0 ? NULL :
		bsearch(&wanted, conf->at, conf->count, sizeof *conf->at, compare);
	return found ? found->value : "";
}

bool postconf_is_yes(const struct postconf *conf, const char *name)
{
	return strcmp(postconf_get(conf, name), "yes") == 0;
}

/* ---- master.cf ---- */

static char *take_field(const char **at, const char *end)
{
	while (*at < end && is_space(**at))
		++*at;
	const char *begin = *at;
	while (*at < end && !is_space(**at))
		++*at;
	return mem_strndup(begin, (size_t)(*at - begin));
}

/* name type private unprivileged chroot wakeup processes command arguments */
static bool parse_service(const char *line, size_t length, struct postconf_service *out)
{
	const char *at = line, *end = line + length;
	struct postconf_service service = {.name = take_field(&at, end), .type = take_field(&at, end)};
	for (int i = 0; i < 5; i++)
		free(take_field(&at, end));
	service.command = take_field(&at, end);
	if (service.command[0] != '\0') {
		*out = service;
		return true;
	}
	free(service.name);
	free(service.type);
	free(service.command);
	return false;
}

/* NAME/TYPE/parameter = value; the name of a socket may have slashes itself. */
static bool add_override(struct postconf_services *services, const char *line, size_t length)
{
	struct postconf_pair pair;
	if (!parse_pair(line, length, &pair))
		return false;
	bool found = false;
	char *parameter = strrchr(pair.name, '/');
	for (size_t i = 0; parameter && i < services->count && !found; i++) {
		struct postconf_service *service = &services->at[i];
		size_t name = strlen(service->name), type = strlen(service->type);
		if (strlen(pair.name) < name + type + 2 || strncmp(pair.name, service->name, name) != 0 ||
		    pair.name[name] != '/' || strncmp(pair.name + name + 1, service->type, type) != 0 ||
		    pair.name + name + 1 + type != parameter)
			continue;
		service->overrides = mem_realloc(service->overrides, service->override_count + 1, sizeof pair);
		service->overrides[service->override_count++] =
			(struct postconf_pair){mem_strdup(parameter + 1), mem_strdup(pair.value)};
		found = true;
	}
	free(pair.name);
	free(pair.value);
	return found;
}

enum rc postconf_parse_services(const void *services, size_t services_length, const void *overrides,
                                size_t overrides_length, struct postconf_services *out, struct why *why)
{
	struct postconf_services found = {0};
	const char *at = services, *end = at + services_length, *line;
	size_t length;
	bool fine = true;
	while (fine && take_line(&at, end, &line, &length)) {
		struct postconf_service service = {0};
		if (length == 0)
			continue;
		fine = parse_service(line, length, &service);
		if (!fine)
			break;
		found.at = mem_realloc(found.at, found.count + 1, sizeof *found.at);
		found.at[found.count++] = service;
	}
	if (fine) {
		at = overrides;
		end = at + overrides_length;
		while (fine && take_line(&at, end, &line, &length))
			fine = length == 0 || add_override(&found, line, length);
	}
	if (!fine) {
		postconf_services_free(&found);
		return why_set(why, RC_INVALID, "postconf says of master.cf \"%.*s\", which isn't understood",
		               (int)(length < 100 ? length : 100), line);
	}
	*out = found;
	return RC_OK;
}

void postconf_services_free(struct postconf_services *services)
{
	for (size_t i = 0; i < services->count; i++) {
		struct postconf_service *service = &services->at[i];
		free(service->name);
		free(service->type);
		free(service->command);
		free_pairs(service->overrides, service->override_count);
	}
	free(services->at);
	*services = (struct postconf_services){0};
}

/* ---- Which smtpd ---- */

static bool is_smtpd(const struct postconf_service *service)
{
	const char *slash = strrchr(service->command, '/');
	return strcmp(slash ? slash + 1 : service->command, "smtpd") == 0;
}

static const char *port_of(const struct postconf_service *service)
{
	const char *colon = strrchr(service->name, ':');
	return colon ? colon + 1 : service->name;
}

static bool is_port_25(const struct postconf_service *service)
{
	const char *port = port_of(service);
	return strcmp(service->type, "inet") == 0 && (strcmp(port, "smtp") == 0 || strcmp(port, "25") == 0);
}

static bool is_submission(const struct postconf_service *service)
{
	static const char *const ports[] = {"submission", "587", "submissions", "smtps", "465", NULL};
	for (const char *const *port = ports; *port; port++)
		if (strcmp(port_of(service), *port) == 0)
			return true;
	return false;
}

static bool same_overrides(const struct postconf_service *a, const struct postconf_service *b)
{
	if (a->override_count != b->override_count)
		return false;
	for (size_t i = 0; i < a->override_count; i++)
		if (strcmp(a->overrides[i].name, b->overrides[i].name) != 0 ||
		    strcmp(a->overrides[i].value, b->overrides[i].value) != 0)
			return false;
	return true;
}

static const struct postconf_service *best(const struct postconf_services *services)
{
	const struct postconf_service *pass = NULL, *other = NULL;
	for (size_t i = 0; i < services->count; i++) {
		const struct postconf_service *service = &services->at[i];
		if (!is_smtpd(service))
			continue;
		if (is_port_25(service))
			return service;
		if (strcmp(service->type, "pass") == 0)
			pass = pass ? pass : service;
		else if (strcmp(service->type, "inet") == 0 && !is_submission(service))
			other = other ? other : service;
	}
	return pass ? pass : other;
}

const struct postconf_service *postconf_smtpd(const struct postconf_services *services, const char *wanted,
                                              size_t *rivals)
{
	const struct postconf_service *chosen = NULL;
	*rivals = 0;
	for (size_t i = 0; wanted && i < services->count && !chosen; i++)
		if (is_smtpd(&services->at[i]) && strcmp(services->at[i].name, wanted) == 0)
			chosen = &services->at[i];
	if (wanted)
		return chosen;
	chosen = best(services);
	for (size_t i = 0; chosen && i < services->count; i++)
		*rivals += &services->at[i] != chosen && is_smtpd(&services->at[i]) && is_port_25(&services->at[i]) &&
		           !same_overrides(&services->at[i], chosen);
	return chosen;
}

const struct postconf_service *postconf_service_of(const struct postconf_services *services, const char *command)
{
	for (size_t i = 0; i < services->count; i++)
		if (strcmp(services->at[i].command, command) == 0)
			return &services->at[i];
	return NULL;
}
