/* explain.c: `rxfer explain`: the daemon's answer, from the verdict down to the line of the map. */
#include "ctl/explain.h"

#include "ctl/daemon.h"
#include "ctl/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 100
#define KEY_COLUMNS_MAX 60       /* a longer key pushes what follows it aside */

static const char *text_of(const json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));

	return text != NULL ? text : "";
}

static int64_t number_of(const json_t *object, const char *field)
{
	return json_integer_value(json_object_get(object, field));      /* 0 when it is something else */
}

/* ---- lines ---- */

/* Collected uncleaned; put_line cleans it, breaks it and empties it. */
static void put_line(struct buf *line, size_t indent, struct buf *out)
{
	struct buf clean = { 0 };

	text_put(&clean, buf_text(line), line->length);
	buf_printf(out, "%*s", (int)indent, "");
	text_put_wrapped(out, buf_text(&clean), indent + 2, WIDTH);
	buf_put_u8(out, '\n');
	buf_clear(line);
	buf_free(&clean);
}

static const char *verdict_words(const json_t *object)
{
	static const struct {
		const char *name;
		const char *words;
	} verdicts[] = {
		{ "accept", "accepted" }, { "refuse", "refused" }, { "defer", "deferred" }, { "foreign", "not relayed" },
	};

	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
		if (strcmp(verdicts[i].name, text_of(object, "verdict")) == 0)
			return verdicts[i].words;
	return "no verdict";
}

static void put_verdict(const json_t *object, struct buf *line)
{
	const char *sentence = text_of(object, "sentence");

	buf_printf(line, "%s%s%s", verdict_words(object), sentence[0] != '\0' ? ": " : "", sentence);
}

/* ---- a zone ---- */

static void put_zone_line(const json_t *zone, struct buf *out)
{
	const json_t *domain = json_object_get(zone, "domain");
	const char *freshness = text_of(zone, "freshness"), *class = text_of(domain, "class");
	struct buf line = { 0 };

	buf_printf(&line, "zone %s", text_of(zone, "zone"));
	if (number_of(zone, "serial") > 0) {
		buf_printf(&line, ", serial ");
		text_put_number(&line, number_of(zone, "serial"));
	}
	if (freshness[0] != '\0')
		buf_printf(&line, ", %s", freshness);
	if (number_of(zone, "serial") == 0) {
		buf_printf(&line, "%s", freshness[0] != '\0' ? "" : ", nothing is published yet");
	} else if (json_is_true(json_object_get(domain, "listed"))) {
		buf_printf(&line, "; %s is ", text_of(domain, "key"));
		buf_printf(&line, class[0] != '\0' ? "a %s domain, since serial " : "in it since serial ", class);
		text_put_number(&line, number_of(domain, "since"));
	} else {
		buf_printf(&line, "; %s isn't in it", text_of(domain, "key"));
	}
	put_line(&line, 2, out);
	buf_free(&line);
}

/* A source that a Postfix's plan makes is called by its parameter and its map: then the map needn't be said twice. */
static void put_source(const char *source, const char *map, struct buf *line)
{
	size_t length = strlen(source), tail = strlen(map);

	if (tail > 0 && length > tail + 1 && source[length - tail - 1] == ' ' && strcmp(source + length - tail, map) == 0)
		buf_printf(line, " (%.*s)", (int)(length - tail - 1), source);
	else
		buf_printf(line, " (source %s)", source);
}

static void put_place(const json_t *place, struct buf *out)
{
	const char *file = text_of(place, "file"), *map = text_of(place, "map"), *state = text_of(place, "state");
	const char *sentence = text_of(place, "sentence"), *key = text_of(place, "key");
	int64_t number = number_of(place, "line");
	struct buf line = { 0 };

	if (file[0] != '\0' && number > 0)
		buf_printf(&line, "%s:%lld: ", file, (long long)number);
	else if (file[0] != '\0' || map[0] != '\0')
		buf_printf(&line, "%s: ", file[0] != '\0' ? file : map);
	else if (number > 0)
		buf_printf(&line, "line %lld of its output: ", (long long)number);
	if (strcmp(state, "gone") == 0)
		buf_printf(&line, "no longer there");
	else if (strcmp(state, "unreadable") == 0)
		buf_printf(&line, "can't be read");
	else if (key[0] != '\0')
		buf_printf(&line, "\"%s\"", key);
	else
		buf_printf(&line, "there");
	put_source(text_of(place, "source"), map, &line);
	buf_printf(&line, "%s%s", sentence[0] != '\0' ? ": " : "", sentence);
	put_line(&line, 6, out);
	buf_free(&line);
}

static size_t key_columns(const json_t *lookups)
{
	size_t columns = 0, index;
	json_t *lookup;

	json_array_foreach(lookups, index, lookup) {
		struct buf clean = { 0 };
		text_put(&clean, text_of(lookup, "key"), strlen(text_of(lookup, "key")));
		size_t width = text_width(buf_text(&clean));
		columns = width > columns ? width : columns;
		buf_free(&clean);
	}
	return columns < KEY_COLUMNS_MAX ? columns : KEY_COLUMNS_MAX;
}

static void put_lookup(const json_t *lookup, size_t columns, struct buf *out)
{
	struct buf key = { 0 };
	struct buf line = { 0 };
	size_t index;
	json_t *place;

	text_put(&key, text_of(lookup, "key"), strlen(text_of(lookup, "key")));
	size_t width = text_width(buf_text(&key));
	buf_printf(out, "    %s%*s", buf_text(&key), (int)(width < columns ? columns - width : 0) + 2, "");
	if (json_is_true(json_object_get(lookup, "found"))) {
		buf_printf(out, "since serial ");
		text_put_number(out, number_of(lookup, "since"));
		buf_put_u8(out, '\n');
	} else {
		buf_printf(out, "not there\n");
	}
	if (text_of(lookup, "held")[0] != '\0') {
		buf_printf(&line, "held: %s", text_of(lookup, "held"));
		put_line(&line, 6, out);
	}
	json_array_foreach(json_object_get(lookup, "places"), index, place)
		put_place(place, out);
	buf_free(&key);
	buf_free(&line);
}

static const char *has_words(const json_t *object, const char *yes, const char *no)
{
	const json_t *has = json_object_get(object, "has");

	return json_is_true(has) ? yes : json_is_false(has) ? no : "not known";
}

static void put_tables(const json_t *zone, struct buf *out)
{
	struct buf line = { 0 };
	size_t index;
	json_t *table;

	json_array_foreach(json_object_get(zone, "tables"), index, table) {
		const char *error = text_of(table, "error");
		buf_printf(&line, "table %s (%s:%s): %s", text_of(table, "table"), text_of(table, "type"), text_of(table, "path"),
		           has_words(table, "there", "not there"));
		if (strcmp(text_of(table, "state"), "ok") != 0 || error[0] != '\0')
			buf_printf(&line, "; %s%s%s", text_of(table, "state"), error[0] != '\0' ? ": " : "", error);
		put_line(&line, 4, out);
	}
	buf_free(&line);
}

static void put_replicas(const json_t *zone, struct buf *out)
{
	struct buf line = { 0 };
	size_t index;
	json_t *replica;

	json_array_foreach(json_object_get(zone, "replicas"), index, replica) {
		buf_printf(&line, "%s%s (", index == 0 ? "at the backups: " : ", ", text_of(replica, "replica"));
		if (number_of(replica, "serial") > 0) {
			buf_printf(&line, "serial ");
			text_put_number(&line, number_of(replica, "serial"));
			buf_printf(&line, ", ");
		}
		buf_printf(&line, "%s)", has_words(replica, "so too", "not yet"));
	}
	if (line.length > 0)
		put_line(&line, 4, out);
	buf_free(&line);
}

static void put_zone(const json_t *zone, bool alone, struct buf *out)
{
	const json_t *lookups = json_object_get(zone, "lookups");
	const char *unpublished = text_of(zone, "not_published");
	size_t columns = key_columns(lookups), index;
	struct buf line = { 0 };
	json_t *lookup;

	put_zone_line(zone, out);
	if (!alone) {
		put_verdict(zone, &line);
		put_line(&line, 4, out);
	}
	json_array_foreach(lookups, index, lookup)
		put_lookup(lookup, columns, out);
	if (unpublished[0] != '\0') {
		buf_printf(&line, "not published: %s", unpublished);
		put_line(&line, 4, out);
	}
	put_tables(zone, out);
	put_replicas(zone, out);
	buf_free(&line);
}

void explain_format(const json_t *answer, struct buf *out)
{
	const json_t *zones = json_object_get(answer, "zones");
	struct buf line = { 0 };
	size_t index;
	json_t *zone;

	buf_printf(&line, "%s: ", text_of(answer, "address"));
	put_verdict(answer, &line);
	put_line(&line, 0, out);
	json_array_foreach(zones, index, zone)
		put_zone(zone, json_array_size(zones) == 1, out);
	buf_free(&line);
}

int explain_status(const json_t *answer)
{
	const char *verdict = text_of(answer, "verdict");

	if (strcmp(verdict, "accept") == 0)
		return 0;
	return strcmp(verdict, "refuse") == 0 || strcmp(verdict, "foreign") == 0 ? 1 : 2;
}

/* ---- asking ---- */

static json_t *ask(const struct options *options, struct why *why)
{
	struct buf text = { 0 };
	json_error_t error;
	json_t *answer = NULL;

	if (daemon_ask(options, "explain", EXPLAIN_TIMEOUT_MS, &text, why) == RC_OK) {
		answer = json_loadb((const char *)text.data, text.length, 0, &error);
		if (answer == NULL)
			why_set(why, RC_INVALID, "the answer isn't JSON: %s; is that an rxfer daemon?", error.text);
	}
	buf_free(&text);
	return answer;
}

int explain_main(const struct options *options)
{
	struct buf out = { 0 };
	struct why why;
	json_t *answer = ask(options, &why);

	if (answer == NULL) {
		fprintf(stderr, "rxfer explain: %s\n", why.text);
		return 2;
	}
	int status = explain_status(answer);
	if (options->json) {
		char *text = json_dumps(answer, JSON_INDENT(2));
		buf_printf(&out, "%s\n", text != NULL ? text : "");
		free(text);
	} else {
		explain_format(answer, &out);
	}
	if (fwrite(out.data, 1, out.length, stdout) != out.length || fflush(stdout) != 0) {
		perror("rxfer explain: standard output");
		status = 2;
	}
	json_decref(answer);
	buf_free(&out);
	return status;
}
