/* conf.c: libconfuse's parse, copied into a tree of our own.
 *
 * A file is read in three steps: conf_scan (strict grammar, line numbers), libconfuse (names, sections, lists, types),
 * and a copy that checks what must be given and fills in defaults. libconfuse's tree is gone when conf_parse returns.
 * All its options are declared as strings: its own numbers read 010 as 8, and trust an errno that nobody cleared.
 * Its lexer is global, and its error function has no context, so there is one parse at a time, known to `current`. */
#include "common/conf.h"

#include "common/buf.h"
#include "common/conf_scan.h"
#include "common/file.h"
#include "common/mem.h"

#include <assert.h>
#include <confuse.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (1024u * 1024u)

struct value {
	bool given;
	int64_t integer;
	size_t count;                /* of items or sections */
	char **items;                /* a string is a list of one */
	struct conf **sections;
};

struct conf {
	const struct conf_option *options;
	char *file;
	const char *name;            /* "" for the root */
	char *title;
	int line;
	struct value *values;        /* one for each option */
};

struct parse {
	const char *name;
	struct conf_scan scan;
	size_t sections_ended;
	const struct conf_option **options;    /* a libconfuse option's def.number is its index here */
	size_t count;
	size_t capacity;
	bool failed;                           /* the first sentence is the one that counts */
	struct why *why;
};

static struct parse *current;

static void describe(char *out, size_t size, const char *name, const char *title)
{
	if (name[0] == '\0')
		out[0] = '\0';
	else if (title != NULL && title[0] != '\0')
		snprintf(out, size, "%s \"%s\": ", name, title);
	else
		snprintf(out, size, "%s: ", name);
}

static void note_error(cfg_t *cfg, const char *format, va_list arguments)
{
	char sentence[WHY_MAX];
	char section[256];

	if (current->failed)
		return;
	current->failed = true;
	vsnprintf(sentence, sizeof sentence, format, arguments);
	describe(section, sizeof section, strcmp(cfg->name, "root") == 0 ? "" : cfg->name, cfg->title);
	why_set(current->why, RC_INVALID, "%s:%d: %s%s", current->name, cfg->line, section, sentence);
}

static bool integer_parse(const char *text, int64_t *out)
{
	size_t digits = text[0] == '-';

	if (text[digits] == '\0' || strspn(text + digits, "0123456789") != strlen(text + digits))
		return false;
	errno = 0;
	*out = strtoll(text, NULL, 10);
	return errno == 0;
}

/* libconfuse asks for each value of a string or list, at the line where it stands. */
static int check_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct conf_option *option = current->options[opt->def.number];
	int64_t number;

	if (option->kind == CONF_INTEGER &&
	    (!integer_parse(value, &number) || number < option->minimum || number > option->maximum)) {
		cfg_error(cfg, "\"%s\" must be a number from %" PRId64 " to %" PRId64 ", not \"%s\"", option->name,
		          option->minimum, option->maximum, value);
		return -1;
	}
	if ((option->flags & CONF_PATH) != 0 && value[0] != '/') {
		cfg_error(cfg, "\"%s\" must be a whole path, beginning with '/', not \"%s\"", option->name, value);
		return -1;
	}
	*(const char **)result = value;
	return 0;
}

/* libconfuse calls this at each section's end. By then its line is that of the end: put the beginning's there. */
static int note_section(cfg_t *cfg, cfg_opt_t *opt)
{
	(void)cfg;
	assert(current->sections_ended < current->scan.sections);
	cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1)->line = current->scan.section_lines[current->sections_ended++];
	return 0;
}

static size_t option_count(const struct conf_option *options)
{
	size_t count = 0;

	while (options[count].name != NULL)
		count++;
	return count;
}

static cfg_opt_t *options_new(struct parse *parse, const struct conf_option *options)
{
	size_t count = option_count(options);
	cfg_opt_t *out = mem_zalloc((count + 1) * sizeof *out);

	for (size_t i = 0; i < count; i++) {
		if (parse->count == parse->capacity) {
			parse->capacity = parse->capacity * 2 + 32;
			parse->options = mem_realloc(parse->options, parse->capacity, sizeof *parse->options);
		}
		out[i].name = options[i].name;
		out[i].flags = CFGF_NODEFAULT;
		out[i].def.number = (long)parse->count;
		parse->options[parse->count++] = &options[i];
		if (options[i].kind == CONF_SECTION) {
			out[i].type = CFGT_SEC;
			out[i].subopts = options_new(parse, options[i].section);
			out[i].validcb = note_section;
			if ((options[i].flags & CONF_TITLED) != 0)
				out[i].flags |= CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
		} else {
			out[i].type = CFGT_STR;
			out[i].parsecb = check_value;
			if (options[i].kind == CONF_LIST)
				out[i].flags |= CFGF_LIST;
		}
	}
	return out;
}

static void options_free(cfg_opt_t *options)
{
	for (size_t i = 0; options[i].name != NULL; i++)
		if (options[i].type == CFGT_SEC)
			options_free(options[i].subopts);
	free(options);
}

static void value_put(struct value *value, const char *item)
{
	value->items = mem_realloc(value->items, value->count + 1, sizeof *value->items);
	value->items[value->count++] = mem_strdup(item);
}

static enum rc section_copy(cfg_t *cfg, const struct conf_option *options, struct parse *parse, struct conf **out);

static enum rc value_copy(cfg_opt_t *opt, const struct conf_option *option, struct parse *parse, struct value *value)
{
	unsigned count = cfg_opt_size(opt);

	/* An empty list has no values, but libconfuse marks it as changed. */
	value->given = count > 0 || (opt->flags & CFGF_MODIFIED) != 0;
	if (option->kind == CONF_SECTION) {
		value->sections = mem_zalloc((count + 1) * sizeof(struct conf *));
		for (unsigned i = 0; i < count; i++) {
			enum rc rc = section_copy(cfg_opt_getnsec(opt, i), option->section, parse, &value->sections[i]);
			if (rc != RC_OK)
				return rc;
			value->sections[i]->name = option->name;
			value->count++;
		}
		return RC_OK;
	}
	for (unsigned i = 0; i < count; i++)
		value_put(value, cfg_opt_getnstr(opt, i));
	if (!value->given && option->fallback != NULL)
		value_put(value, option->fallback);
	if (option->kind == CONF_INTEGER && value->count > 0) {
		bool parsed = integer_parse(value->items[0], &value->integer);
		assert(parsed);
		(void)parsed;
	}
	return RC_OK;
}

static enum rc section_copy(cfg_t *cfg, const struct conf_option *options, struct parse *parse, struct conf **out)
{
	size_t count = option_count(options);
	struct conf *conf = mem_zalloc(sizeof *conf);
	bool root = strcmp(cfg->name, "root") == 0;
	char section[256];

	conf->options = options;
	conf->file = mem_strdup(parse->name);
	conf->name = "";
	conf->title = mem_strdup(cfg->title != NULL ? cfg->title : "");
	conf->line = root ? 1 : cfg->line;
	conf->values = mem_zalloc((count + 1) * sizeof *conf->values);
	for (size_t i = 0; i < count; i++) {
		enum rc rc = value_copy(cfg_getopt(cfg, options[i].name), &options[i], parse, &conf->values[i]);
		if (rc == RC_OK && (options[i].flags & CONF_REQUIRED) != 0 && conf->values[i].count == 0) {
			describe(section, sizeof section, root ? "" : cfg->name, cfg->title);
			rc = why_set(parse->why, RC_INVALID, "%s:%d: %s%s \"%s\" is missing", parse->name, conf->line, section,
			             options[i].kind == CONF_SECTION ? "a section" : "the option", options[i].name);
		}
		if (rc != RC_OK) {
			conf_free(&conf);
			return rc;
		}
	}
	*out = conf;
	return RC_OK;
}

enum rc conf_parse(const char *name, const char *text, size_t length, const struct conf_option *options,
                   struct conf **out, struct why *why)
{
	struct parse parse = { .name = name, .why = why };
	cfg_opt_t *declared = NULL;
	cfg_t *cfg = NULL;
	enum rc rc;

	if (length > FILE_BYTES_MAX)
		return why_set(why, RC_LIMIT, "%s:1: longer than %u bytes", name, FILE_BYTES_MAX);
	rc = conf_scan(name, text, length, &parse.scan, why);
	if (rc != RC_OK)
		return rc;
	declared = options_new(&parse, options);
	current = &parse;
	cfg = cfg_init(declared, CFGF_NONE);
	if (cfg == NULL) {
		rc = why_set(why, RC_INVALID, "%s:1: out of memory", name);
		goto end;
	}
	cfg_set_error_function(cfg, note_error);
	if (cfg_parse_buf(cfg, parse.scan.text) != CFG_SUCCESS) {
		rc = parse.failed ? RC_INVALID : why_set(why, RC_INVALID, "%s:%d: this isn't understood", name, cfg->line);
		goto end;
	}
	rc = section_copy(cfg, options, &parse, out);
end:
	if (cfg != NULL)
		cfg_free(cfg);
	current = NULL;
	options_free(declared);
	free(parse.options);
	conf_scan_free(&parse.scan);
	return rc;
}

enum rc conf_load(const char *path, const struct conf_option *options, struct conf **out, struct why *why)
{
	struct buf text = { 0 };
	enum rc rc = file_read(path, FILE_BYTES_MAX, &text, why);

	if (rc == RC_OK)
		rc = conf_parse(path, buf_text(&text), text.length, options, out, why);
	buf_free(&text);
	return rc;
}

void conf_free(struct conf **conf)
{
	struct conf *old = *conf;

	if (old == NULL)
		return;
	*conf = NULL;
	for (size_t i = 0; old->options[i].name != NULL; i++) {
		struct value *value = &old->values[i];
		for (size_t item = 0; item < value->count; item++) {
			if (value->sections != NULL)
				conf_free(&value->sections[item]);
			else
				free(value->items[item]);
		}
		free(value->items);
		free(value->sections);
	}
	free(old->values);
	free(old->title);
	free(old->file);
	free(old);
}

/* `kinds`: a bit for each kind that the question fits. */
static const struct value *find(const struct conf *conf, const char *name, unsigned kinds)
{
	size_t i = 0;

	while (conf->options[i].name != NULL && strcmp(conf->options[i].name, name) != 0)
		i++;
	assert(conf->options[i].name != NULL && "no such option in the table");
	assert((kinds & 1u << conf->options[i].kind) != 0 && "the option is of another kind");
	(void)kinds;
	return &conf->values[i];
}

const char *conf_string(const struct conf *conf, const char *name)
{
	const struct value *value = find(conf, name, 1u << CONF_STRING);

	return value->count > 0 ? value->items[0] : NULL;
}

int64_t conf_integer(const struct conf *conf, const char *name)
{
	return find(conf, name, 1u << CONF_INTEGER)->integer;
}

bool conf_given(const struct conf *conf, const char *name)
{
	return find(conf, name, ~0u)->given;
}

size_t conf_count(const struct conf *conf, const char *name)
{
	return find(conf, name, 1u << CONF_LIST | 1u << CONF_SECTION)->count;
}

const char *conf_item(const struct conf *conf, const char *name, size_t index)
{
	const struct value *value = find(conf, name, 1u << CONF_LIST);

	assert(index < value->count);
	return value->items[index];
}

const struct conf *conf_section(const struct conf *conf, const char *name, size_t index)
{
	const struct value *value = find(conf, name, 1u << CONF_SECTION);

	assert(index < value->count);
	return value->sections[index];
}

const char *conf_title(const struct conf *conf)
{
	return conf->title;
}

int conf_line(const struct conf *conf)
{
	return conf->line;
}

enum rc conf_fail(const struct conf *conf, struct why *why, const char *format, ...)
{
	char sentence[WHY_MAX];
	char section[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	describe(section, sizeof section, conf->name, conf->title);
	return why_set(why, RC_INVALID, "%s:%d: %s%s", conf->file, conf->line, section, sentence);
}
