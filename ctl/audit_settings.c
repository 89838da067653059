/* audit_settings.c: the options of `rxfer audit`, understood. What goes into SMTP commands is checked here: no line
 * end, no bracket gets through. */
#include "ctl/audit_settings.h"

#include "ctl/smtp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define NAME_MAX_BYTES 320

static enum rc take_number(const char *text, const char *option, uint64_t least, uint64_t most, uint64_t *out,
                           struct why *why)
{
	char *end;

	if (text == NULL)
		return RC_OK;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < least || number > most)
		return why_set(why, RC_INVALID, "--%s: \"%s\" isn't a number from %llu to %llu", option, text,
		               (unsigned long long)least, (unsigned long long)most);
	*out = number;
	return RC_OK;
}

/* Printable ASCII without spaces and brackets. */
static enum rc check_word(const char *text, const char *option, struct why *why)
{
	for (const char *at = text; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~' || *at == '<' || *at == '>' || at - text >= NAME_MAX_BYTES)
			return why_set(why, RC_INVALID, "--%s: \"%s\" can't be said in SMTP", option, text);
	return RC_OK;
}

static uint64_t draw_seed(void)
{
	uint32_t seed;

	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		seed = (uint32_t)time(NULL);
	return seed;
}

enum rc audit_settings_take(const struct options *options, struct audit_settings *out, struct why *why)
{
	const struct options_audit *given = &options->audit;
	struct audit_settings settings = { .from = given->from != NULL ? given->from : "", .helo = given->helo };
	uint64_t sample = AUDIT_SETTINGS_SAMPLE, seed = draw_seed();
	uint64_t rate = AUDIT_SETTINGS_RATE, patience = AUDIT_SETTINGS_PATIENCE;
	enum rc rc = take_number(given->sample, "sample", 1, UINT32_MAX, &sample, why);

	if (rc == RC_OK)
		rc = take_number(given->seed, "seed", 0, UINT64_MAX, &seed, why);
	if (rc == RC_OK)
		rc = take_number(given->rate, "rate", 0, 1000, &rate, why);
	if (rc == RC_OK)
		rc = take_number(given->patience, "patience", 1, 3600, &patience, why);
	if (rc == RC_OK)
		rc = check_word(settings.from, "from", why);
	if (rc == RC_OK && settings.helo != NULL)
		rc = settings.helo[0] == '\0' ? why_set(why, RC_INVALID, "--helo: a name is wanted")
		                              : check_word(settings.helo, "helo", why);
	if (rc == RC_OK && given->all && given->sample != NULL)
		rc = why_set(why, RC_INVALID, "--all or --sample, not both");
	if (rc == RC_OK)
		rc = smtp_parse_target(given->smtp != NULL ? given->smtp : "127.0.0.1:25", &settings.host, &settings.port, why);
	if (rc != RC_OK)
		return rc;
	settings.sample = given->all ? SIZE_MAX : (size_t)sample;
	settings.seed = seed;
	settings.rate = (int)rate;
	settings.patience_ms = (int)patience * 1000;
	*out = settings;
	return RC_OK;
}

void audit_settings_free(struct audit_settings *settings)
{
	free(settings->host);
	free(settings->port);
}
