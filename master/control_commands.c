/* control_commands.c: see control_commands.h. */
#include "master/control_commands.h"

#include "common/control_list.h"
#include "master/explain.h"
#include "master/rollover_status.h"

#include <inttypes.h>
#include <string.h>

static struct zone *find_zone(const struct status_facts *facts, struct control_request *request)
{
	const char *name = control_word(request, 1);
	if (!name && facts->zone_count == 1)
		return facts->zones[0];
	if (!name) {
		control_refuse(request, "there are %zu zones: name one", facts->zone_count);
		return NULL;
	}
	for (size_t i = 0; i < facts->zone_count; i++)
		if (strcmp(zone_spec(facts->zones[i])->name, name) == 0)
			return facts->zones[i];
	control_refuse(request, "there is no zone \"%s\" here", name);
	return NULL;
}

static void list(const struct status_facts *facts, struct control_request *request)
{
	struct zone *zone = find_zone(facts, request);
	if (!zone)
		return;
	if (!zone_published(zone)) {
		control_refuse(request, "zone \"%s\": nothing is published yet (see rxfer status)", zone_spec(zone)->name);
		return;
	}
	control_list(request, zone_spec(zone)->name, zone_db(zone));
}

static void status(const struct status_facts *facts, struct control_request *request)
{
	struct buf out = {0};
	status_json(facts, &out);
	control_reply(request, buf_text(&out), out.length);
	buf_free(&out);
}

static void refresh(const struct status_facts *facts, struct control_request *request)
{
	struct zone *zone = find_zone(facts, request);
	if (!zone)
		return;
	zone_refresh(zone);
	struct buf out = {0};
	buf_printf(&out, "zone \"%s\": %zu source%s being read", zone_spec(zone)->name, zone_source_count(zone),
	           zone_source_count(zone) == 1 ? " is" : "s are");
	control_reply(request, buf_text(&out), out.length);
	buf_free(&out);
}

static void approve(const struct status_facts *facts, struct control_request *request)
{
	struct why why;
	uint64_t count = 0;
	struct zone *zone = find_zone(facts, request);
	if (!zone)
		return;
	if (zone_approve(zone, &count, &why) != RC_OK) {
		control_refuse(request, "%s", why.text);
		return;
	}
	struct buf out = {0};
	buf_printf(&out, "zone \"%s\": %" PRIu64 " deletion%s approved", zone_spec(zone)->name, count, count == 1 ? "" : "s");
	control_reply(request, buf_text(&out), out.length);
	buf_free(&out);
}

static void explain(const struct status_facts *facts, struct control_request *request)
{
	explain_request(facts->explain, facts, request);
}

static const struct command {
	const char *name;
	size_t words_max;
	void (*run)(const struct status_facts *facts, struct control_request *request);
} commands[] = {
	{"status", 1, status}, {"list", 2, list}, {"refresh", 2, refresh}, {"approve", 2, approve}, {"explain", 3, explain},
	{"rotate-key", 3, rollover_status_request},
};

void control_commands_handle(void *context, struct control_request *request)
{
	const char *word = control_word(request, 0);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (!word || strcmp(commands[i].name, word) != 0)
			continue;
		if (control_words(request) > commands[i].words_max)
			control_refuse(request, "%s: too many words", word);
		else
			commands[i].run(context, request);
		return;
	}
	control_refuse(request, "rxfer-master doesn't know the command \"%s\"", word ? word : "");
}
