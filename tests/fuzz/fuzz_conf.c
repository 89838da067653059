/* Any bytes as a master's configuration: refused with one line that begins with the place, or a tree to walk. */
#include "common/conf.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct conf_option source_options[] = {
	{ .name = "map", .kind = CONF_STRING },
	{ .name = "command", .kind = CONF_STRING },
	{ .name = "interval", .kind = CONF_INTEGER, .fallback = "60", .minimum = 10, .maximum = 86400 },
	{ .name = "domains", .kind = CONF_LIST },
	{ 0 }
};

static const struct conf_option zone_options[] = {
	{ .name = "source", .kind = CONF_SECTION, .flags = CONF_TITLED | CONF_REQUIRED, .section = source_options },
	{ .name = "domains", .kind = CONF_LIST },
	{ .name = "refresh", .kind = CONF_INTEGER, .fallback = "60", .minimum = 5, .maximum = 86400 },
	{ .name = "smtputf8", .kind = CONF_STRING, .fallback = "yes" },
	{ 0 }
};

static const struct conf_option options[] = {
	{ .name = "identity", .kind = CONF_STRING, .flags = CONF_PATH },
	{ .name = "listen", .kind = CONF_LIST, .fallback = "tcp://*:7353" },
	{ .name = "zone", .kind = CONF_SECTION, .flags = CONF_TITLED, .section = zone_options },
	{ 0 }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *conf = NULL;
	struct why why = { "" };

	if (conf_parse("fuzz", (const char *)data, size, options, &conf, &why) != RC_OK) {
		if (strncmp(why.text, "fuzz:", 5) != 0 || conf != NULL)
			abort();
		return 0;
	}
	for (size_t i = 0; i < conf_count(conf, "zone"); i++) {
		const struct conf *zone = conf_section(conf, "zone", i);
		if (conf_title(zone)[0] == '\0' || conf_line(zone) < 1 || conf_count(zone, "source") == 0 ||
		    conf_integer(zone, "refresh") < 5)
			abort();
	}
	conf_free(&conf);
	return 0;
}
