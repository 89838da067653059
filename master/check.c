/* check.c: see check.h. The sources are read by the very code that the daemon reads them with. */
#include "master/check.h"

#include "common/check_identity.h"
#include "common/mem.h"
#include "master/merge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOMAINS_SHOWN 20

struct trial {
	struct source *source;
	struct reading *reading;     /* NULL while and when it can't be read */
	char *error;
};

static void on_reading(void *context, struct source *source, struct reading **reading)
{
	struct trial *trial = context;
	(void)source;
	if (trial->reading)
		return;
	trial->reading = *reading;
	*reading = NULL;
}

static void on_changed(void *context, struct source *source)
{
	struct trial *trial = context;
	const char *error = source_status(source).error;
	if (!trial->reading && !trial->error && error[0] != '\0')
		trial->error = mem_strdup(error);
}

struct plan_trial {
	struct buf text;
	bool done;
	char *error;
};

static void on_trial_plan(void *context, struct source *source, const struct buf *text)
{
	struct plan_trial *trial = context;
	(void)source;
	buf_put(&trial->text, text->data, text->length);
	trial->done = true;
}

static void on_trial_reading(void *context, struct source *source, struct reading **reading)
{
	struct plan_trial *trial = context;
	(void)source;
	(void)reading;
	trial->done = true;
}

static void on_trial_changed(void *context, struct source *source)
{
	struct plan_trial *trial = context;
	const char *error = source_status(source).error;
	if (error[0] != '\0' && !trial->error)
		trial->error = mem_strdup(error);
}

/* It changed between two looks: the first one counts here. */
static void on_plan(void *context, struct source *source, const struct buf *text)
{
	struct trial *trial = context;
	(void)source;
	(void)text;
	if (!trial->reading && !trial->error)
		trial->error = mem_strdup("what Postfix accepts changes while it's looked at: try again");
}

static bool all_done(const struct trial *trials, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!trials[i].reading && !trials[i].error)
			return false;
	return true;
}

/* What a Postfix accepts is found out first: it makes the zone's other sources. Returns the exit status it's worth. */
static int check_postfix(struct loop *loop, struct master_conf *conf, size_t index)
{
	static const uint8_t key[RECORD_HASH_KEY_BYTES];
	const struct source_spec *spec = &master_conf_zone(conf, index)->sources[0];
	struct plan_trial trial = {0};
	const struct source_events events = {on_trial_reading, on_trial_changed, &trial, on_trial_plan};
	struct source *source = NULL;
	struct why why = {""};
	if (source_new(loop, spec, key, &events, &source, &why) != RC_OK)
		trial.error = mem_strdup(why.text);
	while (!trial.done && !trial.error)
		if (loop_turn(loop, -1, &why) != RC_OK)
			trial.error = mem_strdup(why.text);
	source_free(&source);
	if (trial.done && master_conf_plan(conf, index, &trial.text, &why) != RC_OK)
		trial.error = mem_strdup(why.text);
	const char *note;
	for (size_t i = 0; trial.done && (note = master_conf_note(conf, index, i)) != NULL; i++)
		printf("    note: %s\n", note);
	/* Its error is told with the other sources'. */
	int worth = trial.error ? 2 : 0;
	buf_free(&trial.text);
	free(trial.error);
	return worth;
}

static const char *kind_word(enum source_kind kind)
{
	return kind == SOURCE_ALIASES ? "aliases " : kind == SOURCE_COMMAND ? "command " :
	       kind == SOURCE_POSTFIX ? "Postfix in " : "";
}

/* What became of keys, how many they are, and the first of them. Returns 1, what a warning is worth. */
static int tell_keys(const char *what, uint64_t count, const struct keys_shown *shown)
{
	printf("        %s: %" PRIu64 " key%s:", what, count, count == 1 ? "" : "s");
	for (size_t i = 0; i < KEYS_SHOWN && i < count; i++)
		printf("%s %s", i > 0 ? "," : "", shown->text[i]);
	printf("%s\n", count > KEYS_SHOWN ? ", ..." : "");
	return 1;
}

/* Returns the exit status that this source is worth. */
static int tell_source(const struct source_spec *spec, const struct trial *trial)
{
	printf("    source \"%s\" (%s%s): ", spec->name, kind_word(spec->kind), spec->text);
	if (trial->error) {
		printf("can't be read: %s\n", trial->error);
		return 2;
	}
	struct source_status status = source_status(trial->source);
	const struct keys_tally *tally = &status.tally;
	printf("%" PRIu64 " keys, %" PRIu64 " recipients\n", tally->keys, reading_count(trial->reading, RECORD_RCPT));
	int worth = 0;
	if (tally->filtered > 0)
		tell_keys("left out by the zone's domains or exclude", tally->filtered, &tally->filtered_shown);
	if (tally->keys == 0 && spec->kind != SOURCE_POSTFIX)
		worth = printf("        warning: it lists nothing\n") > 0;
	if (tally->unqualified > 0)
		worth = tell_keys("warning: skipped, as there are no domains to qualify them with (write user@domain there, or "
		                  "give the source domains = { ... })", tally->unqualified, &tally->unqualified_shown);
	if (tally->invalid > 0)
		worth = tell_keys("warning: skipped, as they are no addresses", tally->invalid, &tally->invalid_shown);
	if (status.note[0] != '\0')
		worth = printf("        warning: %s\n", status.note) > 0;
	return worth;
}

struct total {
	uint64_t recipients;
	uint64_t domains;
	struct buf shown;
};

static void count_source(const struct trial *trials, size_t index, const struct merge_sets *before, struct total *total)
{
	const struct reading *reading = trials[index].reading;
	const struct fpset *set = reading_set(reading);
	for (size_t i = 0; i < set->count; i++) {
		struct record record;
		if (merge_wanted(before, &set->at[i]) || !reading_find(reading, &set->at[i], &record))
			continue;
		total->recipients += record.type == RECORD_RCPT;
		if (record.type != RECORD_DOMAIN)
			continue;
		total->domains++;
		if (total->domains <= DOMAINS_SHOWN)
			buf_printf(&total->shown, "%s%.*s", total->domains > 1 ? ", " : "", (int)record.key_length, record.key);
	}
}

/* All sources have been read. */
static int tell_total(const struct zone_spec *spec, const struct trial *trials)
{
	struct total total = {0};
	const struct fpset **sets = mem_zalloc((spec->source_count + 1) * sizeof *sets);
	uint64_t keys = 0;
	for (size_t i = 0; i < spec->source_count; i++) {
		struct merge_sets before = {sets, i};
		count_source(trials, i, &before, &total);
		sets[i] = reading_set(trials[i].reading);
		keys += source_status(trials[i].source).tally.keys;
	}
	int worth = 0;
	if (keys == 0 || total.recipients == 0) {
		printf("    error: no recipient is listed, and an empty zone is never published\n");
		worth = 2;
	} else {
		printf("    would be published: %" PRIu64 " recipients in %" PRIu64 " domains: %s%s\n", total.recipients,
		       total.domains, buf_text(&total.shown), total.domains > DOMAINS_SHOWN ? ", ..." : "");
	}
	buf_free(&total.shown);
	free(sets);
	return worth;
}

static int check_zone(struct loop *loop, struct master_conf *conf, size_t index)
{
	static const uint8_t key[RECORD_HASH_KEY_BYTES];
	const struct zone_spec *spec = master_conf_zone(conf, index);
	struct why why;
	int worth = 0;
	bool complete = true;

	printf("zone \"%s\":\n", spec->name);
	if (spec->source_count > 0 && spec->sources[0].kind == SOURCE_POSTFIX)
		worth = check_postfix(loop, conf, index);
	struct trial *trials = mem_zalloc(spec->source_count * sizeof *trials);
	for (size_t i = 0; i < spec->source_count; i++) {
		const struct source_events events = {on_reading, on_changed, &trials[i], on_plan};
		if (source_new(loop, &spec->sources[i], key, &events, &trials[i].source, &why) != RC_OK)
			trials[i].error = mem_strdup(why.text);
	}
	while (!all_done(trials, spec->source_count)) {
		if (loop_turn(loop, -1, &why) != RC_OK) {
			printf("    error: %s\n", why.text);
			complete = false;
			worth = 2;
			break;
		}
	}
	for (size_t i = 0; i < spec->source_count; i++) {
		if (!trials[i].reading && !trials[i].error)
			continue;
		int source_worth = tell_source(&spec->sources[i], &trials[i]);
		complete = complete && trials[i].reading;
		worth = source_worth > worth ? source_worth : worth;
	}
	int total_worth = 2;
	if (complete)
		total_worth = tell_total(spec, trials);
	else
		printf("    error: nothing is published before all sources can be read; what was published before stands\n");
	worth = total_worth > worth ? total_worth : worth;
	for (size_t i = 0; i < spec->source_count; i++) {
		source_free(&trials[i].source);
		reading_free(&trials[i].reading);
		free(trials[i].error);
	}
	free(trials);
	return worth;
}

int check_run(struct loop *loop, struct master_conf *conf)
{
	int worth = check_identity(master_conf_identity(conf));
	for (size_t i = 0; i < master_conf_zone_count(conf); i++) {
		int zone_worth = check_zone(loop, conf, i);
		worth = zone_worth > worth ? zone_worth : worth;
	}
	size_t replicas;
	(void)master_conf_replicas(conf, &replicas);
	if (replicas == 0) {
		printf("warning: no replica is configured: nobody may take these zones\n");
		worth = worth > 1 ? worth : 1;
	}
	printf("%s\n", worth == 0 ? "all is well" : worth == 1 ? "there are warnings" : "there are errors");
	return worth;
}
