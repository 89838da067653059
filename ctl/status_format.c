/* status_format.c: a daemon's status as text for eyes: one line of health, then tables, and under each row that isn't
 * well the reason and what to do about it. */
#include "ctl/status_format.h"

#include "ctl/table.h"
#include "ctl/text.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

static const char *text_of(const json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));

	return text != NULL ? text : "";
}

static int64_t number_of(const json_t *object, const char *field)
{
	return json_integer_value(json_object_get(object, field));      /* 0 when it is something else */
}

/* ---- cells ---- */

static void cell_text(struct table *table, const json_t *object, const char *field)
{
	const char *text = text_of(object, field);

	table_cell(table, text[0] != '\0' ? text : "-");
}

static void cell_number(struct table *table, const json_t *object, const char *field)
{
	struct buf text = { 0 };

	if (json_is_integer(json_object_get(object, field)))
		text_put_number(&text, number_of(object, field));
	else
		buf_put(&text, "-", 1);
	table_cell(table, buf_text(&text));
	buf_free(&text);
}

static void cell_age(struct table *table, const json_t *object, const char *field, int64_t now)
{
	struct buf text = { 0 };

	text_put_age(&text, now, number_of(object, field));
	table_cell(table, buf_text(&text));
	buf_free(&text);
}

/* "a/b" of two names */
static void cell_pair(struct table *table, const char *first, const char *separator, const char *second)
{
	struct buf text = { 0 };

	buf_printf(&text, "%s%s%s", first, separator, second);
	table_cell(table, buf_text(&text));
	buf_free(&text);
}

/* "BEFORE1,204AFTERNAME", and nothing for 0. */
static void note_number(struct table *table, int64_t number, const char *before, const char *after, const char *name)
{
	struct buf text = { 0 };

	if (number > 0) {
		buf_printf(&text, "%s", before);
		text_put_number(&text, number);
		table_note(table, "%s%s%s", buf_text(&text), after, name);
	}
	buf_free(&text);
}

static void note_field(struct table *table, const json_t *object, const char *field)
{
	const char *text = text_of(object, field);

	if (text[0] != '\0')
		table_note(table, "%s", text);
}

/* The sentence that goes with a word, when there is one. */
struct advice {
	const char *word;
	const char *sentence;
};

static void note_advice(struct table *table, const char *word, const struct advice *advice, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(advice[i].word, word) == 0)
			table_note(table, "%s", advice[i].sentence);
}

/* ---- the master ---- */

static void put_published_zones(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	static const struct table_column columns[] = {
		{ .heading = "ZONE" }, { .heading = "HEALTH", .painted = true }, { .heading = "SERIAL", .right = true },
		{ .heading = "RECIPIENTS", .right = true }, { .heading = "DOMAINS", .right = true }, { .heading = "CHANGED" },
	};
	struct table *table = table_new(columns, COUNT(columns), terminal);
	size_t index;
	json_t *zone;

	json_array_foreach(json_object_get(status, "zones"), index, zone) {
		cell_text(table, zone, "name");
		cell_text(table, zone, "health");
		cell_number(table, zone, "serial");
		cell_number(table, zone, "recipients");
		cell_number(table, zone, "domains");
		cell_age(table, zone, "changed", number_of(status, "now"));
		note_field(table, zone, "reason");
		note_number(table, number_of(zone, "held_deletions"), "Deletions held back: ",
		            "; if they are meant, let them go: rxfer approve ", text_of(zone, "name"));
	}
	table_finish(&table, out);
}

static void put_sources(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	static const struct table_column columns[] = {
		{ .heading = "SOURCE" }, { .heading = "STATE", .painted = true }, { .heading = "RECORDS", .right = true },
		{ .heading = "SKIPPED", .right = true }, { .heading = "READ" }, { .heading = "FROM" },
	};
	static const struct advice advice[] = {
		{ "failed", "What it gave when it was last read stands. It is tried again by itself, and at once with "
		            "rxfer refresh." },
	};
	struct table *table = table_new(columns, COUNT(columns), terminal);
	size_t index, inner;
	json_t *zone, *source;

	json_array_foreach(json_object_get(status, "zones"), index, zone) {
		json_array_foreach(json_object_get(zone, "sources"), inner, source) {
			cell_pair(table, text_of(zone, "name"), "/", text_of(source, "name"));
			cell_text(table, source, "state");
			cell_number(table, source, "records");
			cell_number(table, source, "skipped");
			cell_age(table, source, "read", number_of(status, "now"));
			cell_text(table, source, "kind");
			note_field(table, source, "error");
			note_advice(table, text_of(source, "state"), advice, COUNT(advice));
			note_field(table, source, "note");
			if (text_of(source, "note")[0] == '\0')
				note_number(table, number_of(source, "skipped"), "Keys that can't be published: ",
				            "; rxfer check says which and why", "");
		}
	}
	table_finish(&table, out);
}

static void put_served_zone(struct table *table, const json_t *zone)
{
	if (zone == NULL) {
		for (int i = 0; i < 4; i++)
			table_cell(table, "-");
		return;
	}
	cell_text(table, zone, "name");
	cell_number(table, zone, "served");
	cell_number(table, zone, "lag");
	cell_text(table, zone, "health");
	note_field(table, zone, "reason");
}

static void put_replicas(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	static const struct table_column columns[] = {
		{ .heading = "REPLICA" }, { .heading = "STATE", .painted = true }, { .heading = "LAST CONTACT" },
		{ .heading = "SOFTWARE" }, { .heading = "ZONE" }, { .heading = "SERVED", .right = true },
		{ .heading = "LAG", .right = true }, { .heading = "HEALTH", .painted = true },
	};
	static const struct advice advice[] = {
		{ "never", "It hasn't connected since this master was started: is rxfer-replica running there, can it reach "
		           "this host's port, and is the key in master.conf its own?" },
		{ "lost", "It isn't connected now. It goes on with the list that it has, and catches up by itself." },
	};
	static const struct advice keys[] = {
		{ "missing", "It doesn't have the next key yet." },
		{ "unable", "Its rxfer is too old to be told the next key: write it into replica.conf there." },
	};
	struct table *table = table_new(columns, COUNT(columns), terminal);
	size_t index;
	json_t *replica;

	json_array_foreach(json_object_get(status, "replicas"), index, replica) {
		const json_t *zones = json_object_get(replica, "zones");
		size_t count = json_array_size(zones);

		cell_text(table, replica, "name");
		cell_text(table, replica, "state");
		cell_age(table, replica, "last_contact", number_of(status, "now"));
		cell_text(table, replica, "software");
		put_served_zone(table, json_array_get(zones, 0));
		for (size_t i = 1; i < count; i++) {
			for (int empty = 0; empty < 4; empty++)
				table_cell(table, "");
			put_served_zone(table, json_array_get(zones, i));
		}
		note_advice(table, text_of(replica, "state"), advice, COUNT(advice));
		note_advice(table, text_of(replica, "next_key"), keys, COUNT(keys));
	}
	table_finish(&table, out);
}

/* ---- the replica ---- */

static void put_masters(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	static const struct table_column columns[] = {
		{ .heading = "MASTER" }, { .heading = "STATE", .painted = true }, { .heading = "SINCE" },
		{ .heading = "CONNECT" },
	};
	static const struct advice advice[] = {
		{ "wrong-key", "Another key answers there than those in keys = { ... } of replica.conf. Compare them with what "
		               "rxfer key prints on the master." },
		{ "refused", "The master doesn't know this replica's key. Put the key into master.conf there (rxfer key prints "
		             "it here), and reload the master." },
		{ "version", "Master and replica speak no common version of the protocol: update the older one." },
		{ "unreachable", "Nobody answers there: is rxfer-master running, and does the network let the port through?" },
	};
	struct table *table = table_new(columns, COUNT(columns), terminal);
	size_t index;
	json_t *master;

	json_array_foreach(json_object_get(status, "masters"), index, master) {
		cell_text(table, master, "name");
		cell_text(table, master, "state");
		cell_age(table, master, "since", number_of(status, "now"));
		cell_text(table, master, "connect");
		note_field(table, master, "error");
		note_advice(table, text_of(master, "state"), advice, COUNT(advice));
		if (text_of(master, "next_key")[0] != '\0')
			table_note(table, "It has announced its next key, which is kept here: nothing is to be done.");
		note_field(table, master, "keys_error");
	}
	table_finish(&table, out);
}

static void put_taken_zones(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	static const struct table_column columns[] = {
		{ .heading = "ZONE" }, { .heading = "HEALTH", .painted = true }, { .heading = "FRESHNESS", .painted = true },
		{ .heading = "STATE" }, { .heading = "SERIAL", .right = true }, { .heading = "RECIPIENTS", .right = true },
		{ .heading = "DOMAINS", .right = true }, { .heading = "ANNOUNCED" }, { .heading = "MASTER" },
	};
	static const struct advice advice[] = {
		{ "empty", "There is no complete list. Until one has come a table isn't made, and Postfix defers mail; a table "
		           "that is there stays as it is." },
	};
	struct table *table = table_new(columns, COUNT(columns), terminal);
	size_t index;
	json_t *zone;

	json_array_foreach(json_object_get(status, "zones"), index, zone) {
		cell_text(table, zone, "name");
		cell_text(table, zone, "health");
		cell_text(table, zone, "freshness");
		cell_text(table, zone, "state");
		cell_number(table, zone, "serial");
		cell_number(table, zone, "recipients");
		cell_number(table, zone, "domains");
		cell_age(table, zone, "announced", number_of(status, "now"));
		cell_text(table, zone, "master");
		note_field(table, zone, "reason");
		if (strstr(text_of(zone, "reason"), text_of(zone, "error")) == NULL)
			note_field(table, zone, "error");
		note_advice(table, text_of(zone, "freshness"), advice, COUNT(advice));
		note_number(table, number_of(zone, "refused_records"), "Records of domains that this replica doesn't take: ",
		            "; if it should, add these to domains in replica.conf, in zone ", text_of(zone, "name"));
	}
	table_finish(&table, out);
}

static void put_tables(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	static const struct table_column columns[] = {
		{ .heading = "TABLE" }, { .heading = "STATE", .painted = true }, { .heading = "HOLDS" },
		{ .heading = "RECORDS", .right = true }, { .heading = "WRITTEN" }, { .heading = "FILE" },
	};
	static const struct advice advice[] = {
		{ "absent", "It isn't written before the first complete list has come." },
		{ "failed", "Postfix goes on with the file as it was." },
	};
	struct table *table = table_new(columns, COUNT(columns), terminal);
	struct buf lines = { 0 };
	size_t index;
	json_t *one;

	json_array_foreach(json_object_get(status, "tables"), index, one) {
		cell_text(table, one, "name");
		cell_text(table, one, "state");
		cell_text(table, one, "holds");
		cell_number(table, one, "records");
		cell_age(table, one, "written", number_of(status, "now"));
		cell_pair(table, text_of(one, "type"), ":", text_of(one, "path"));
		note_field(table, one, "error");
		note_advice(table, text_of(one, "state"), advice, COUNT(advice));
		const char *line = text_of(one, "main_cf");
		if (line[0] != '\0' && index < TABLE_ROWS_MAX) {
			buf_put(&lines, "    ", 4);
			text_put(&lines, line, strlen(line));
			buf_put_u8(&lines, '\n');
		}
	}
	table_finish(&table, out);
	if (lines.length > 0)
		buf_printf(out, "\nIn Postfix's main.cf:\n%s", buf_text(&lines));
	buf_free(&lines);
}

/* "warning" when anything is, "ok" else; "-" before the first look. */
static const char *postfix_state(const json_t *postfix)
{
	size_t index;
	json_t *finding;

	json_array_foreach(json_object_get(postfix, "findings"), index, finding)
		if (strcmp(text_of(finding, "severity"), "warning") == 0)
			return "warning";
	if (text_of(postfix, "error")[0] != '\0')
		return "warning";
	return number_of(postfix, "looked_at") > 0 ? "ok" : "-";
}

/* The lines that mend stand by themselves, whole, so that they can be copied. */
static void put_postfix(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	static const struct table_column columns[] = {
		{ .heading = "POSTFIX" }, { .heading = "STATE", .painted = true }, { .heading = "LOOKED AT" },
	};
	const json_t *postfix = json_object_get(status, "postfix");
	struct buf lines = { 0 };
	size_t index;
	json_t *finding;

	if (postfix == NULL)
		return;
	struct table *table = table_new(columns, COUNT(columns), terminal);
	cell_text(table, postfix, "config_directory");
	table_cell(table, postfix_state(postfix));
	cell_age(table, postfix, "looked_at", number_of(status, "now"));
	note_field(table, postfix, "error");
	json_array_foreach(json_object_get(postfix, "findings"), index, finding) {
		const char *mend = text_of(finding, "mend");
		bool hint = strcmp(text_of(finding, "severity"), "hint") == 0;
		if (index >= TABLE_ROWS_MAX)
			break;
		if (text_of(finding, "sentence")[0] != '\0')
			table_note(table, "%s%s", hint ? "Hint: " : "", text_of(finding, "sentence"));
		if (mend[0] == '\0')
			continue;
		buf_put(&lines, "    ", 4);
		text_put(&lines, mend, strlen(mend));
		buf_put_u8(&lines, '\n');
	}
	table_finish(&table, out);
	if (lines.length > 0)
		buf_printf(out, "\nTo mend Postfix, as root, and then reload it (postfix reload):\n%s", buf_text(&lines));
	buf_free(&lines);
}

/* ---- both ---- */

/* A sentence after an empty line; frees it. */
static void put_sentence(struct buf *sentence, const struct terminal *terminal, struct buf *out)
{
	buf_put_u8(out, '\n');
	text_put_wrapped(out, buf_text(sentence), 4, terminal->columns);
	buf_put_u8(out, '\n');
	buf_free(sentence);
}

/* A master's, in the place of a configured one: on a line of its own, whole, to be copied. */
static void put_new_keys(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	size_t index;
	json_t *master;

	json_array_foreach(json_object_get(status, "masters"), index, master) {
		const char *name = text_of(master, "name");
		const char *key = text_of(master, "new_key");
		struct buf text = { 0 };
		if (key[0] == '\0')
			continue;
		buf_printf(&text, "Master ");
		text_put(&text, name, strlen(name));
		buf_printf(&text, " has a new key, which the former one announced. It's believed in the place of that one; when "
		           "convenient, write it into replica.conf:");
		put_sentence(&text, terminal, out);
		buf_printf(out, "    keys = { \"");
		text_put(out, key, strlen(key));
		buf_printf(out, "\" }\n");
	}
}

static void put_next_key(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	const json_t *next = json_object_get(status, "next_key");
	const char *key = text_of(next, "key");
	int64_t kept = number_of(next, "kept"), replicas = number_of(next, "replicas");
	struct buf text = { 0 };

	if (key[0] != '\0') {
		buf_printf(&text, "Next key, announced ");
		text_put_age(&text, number_of(status, "now"), number_of(next, "announced"));
		buf_printf(&text, ", kept by ");
		text_put_number(&text, kept);
		buf_printf(&text, " of ");
		text_put_number(&text, replicas);
		buf_printf(&text, " replica%s; %s: rxfer rotate-key --finish", replicas == 1 ? "" : "s",
		           kept < replicas ? "when all have it" : "to switch to it");
		put_sentence(&text, terminal, out);
		buf_printf(out, "    ");
		text_put(out, key, strlen(key));
		buf_printf(out, "\n");
	}
	const char *error = text_of(next, "error");
	if (error[0] != '\0') {
		text_put(&text, error, strlen(error));
		put_sentence(&text, terminal, out);
	}
}

/* The key is on a line of its own, whole, to be copied. */
static void put_refused_keys(const json_t *refused, int64_t now, const struct terminal *terminal, struct buf *out)
{
	static const char advice[] = "If that is a replica of yours, put this line into master.conf and reload. What rxfer "
	                             "key prints there is the same, but for the beginning (A here) and the last nine "
	                             "characters.";
	const char *key = text_of(refused, "last_key");
	const char *address = text_of(refused, "last_address");
	struct buf text = { 0 };

	buf_printf(&text, "Refused keys: ");
	text_put_number(&text, number_of(refused, "keys"));
	buf_printf(&text, ", the last from ");
	text_put(&text, address, strlen(address));
	buf_printf(&text, ", ");
	text_put_age(&text, now, number_of(refused, "last_time"));
	buf_put_u8(&text, ':');
	put_sentence(&text, terminal, out);
	buf_printf(out, "    key = \"");
	text_put(out, key, strlen(key));
	buf_printf(out, "\"\n    ");
	text_put_wrapped(out, advice, 4, terminal->columns);
	buf_put_u8(out, '\n');
}

static void put_refused(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	const json_t *refused = json_object_get(status, "refused");
	const char *last = text_of(refused, "last");
	struct buf text = { 0 };

	if (number_of(refused, "keys") > 0)
		put_refused_keys(refused, number_of(status, "now"), terminal, out);
	if (number_of(refused, "handshakes") > 0) {
		buf_printf(&text, "Broken handshakes: ");
		text_put_number(&text, number_of(refused, "handshakes"));
		buf_printf(&text, " (a replica with another key for this master, or something else than a replica)");
		put_sentence(&text, terminal, out);
	}
	if (number_of(refused, "messages") > 0) {
		buf_printf(&text, "Refused messages: ");
		text_put_number(&text, number_of(refused, "messages"));
		buf_printf(&text, "%s", last[0] != '\0' ? "; the last: " : " (the log says why)");
		text_put(&text, last, strlen(last));
		put_sentence(&text, terminal, out);
	}
}

static void put_health(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	static const char *const words[] = {
		[VERDICT_OK] = "OK", [VERDICT_WARNING] = "WARNING", [VERDICT_CRITICAL] = "CRITICAL",
		[VERDICT_UNKNOWN] = "UNKNOWN",
	};
	const char *word = words[status_format_verdict(status)];
	const char *program = text_of(status, "program");
	const char *summary = text_of(status, "summary");
	struct buf line = { 0 };

	text_put(out, program[0] != '\0' ? program : "rxfer", strlen(program[0] != '\0' ? program : "rxfer"));
	buf_put_u8(out, ' ');
	text_put_painted(out, word, text_paint(word), terminal->colour);
	if (summary[0] != '\0')
		buf_put(out, ": ", 2);
	text_put(&line, summary, strlen(summary));
	/* What stands before it takes columns too: the summary is broken a little earlier than need be. */
	text_put_wrapped(out, buf_text(&line), 4, terminal->columns - strlen("rxfer-replica CRITICAL: "));
	buf_put_u8(out, '\n');
	buf_free(&line);
}

enum verdict status_format_verdict(const json_t *status)
{
	const char *health = text_of(status, "health");

	return strcmp(health, "ok") == 0 ? VERDICT_OK : strcmp(health, "warning") == 0 ? VERDICT_WARNING
	       : strcmp(health, "critical") == 0 ? VERDICT_CRITICAL : VERDICT_UNKNOWN;
}

void status_format(const json_t *status, const struct terminal *terminal, struct buf *out)
{
	put_health(status, terminal, out);
	if (json_object_get(status, "replicas") != NULL) {
		put_published_zones(status, terminal, out);
		put_sources(status, terminal, out);
		put_replicas(status, terminal, out);
		put_next_key(status, terminal, out);
	} else {
		put_masters(status, terminal, out);
		put_taken_zones(status, terminal, out);
		put_tables(status, terminal, out);
		put_postfix(status, terminal, out);
		put_new_keys(status, terminal, out);
	}
	put_refused(status, terminal, out);
}
