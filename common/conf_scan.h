/* conf_scan.h: the first look at a configuration's text, before libconfuse sees it. For conf.c only.
 *
 * What libconfuse 3.3 takes in silence is an error here, with the line where it began: see conf_scan.c. */
#ifndef COMMON_CONF_SCAN_H
#define COMMON_CONF_SCAN_H

#include "common/why.h"

#include <stddef.h>

#define CONF_SCAN_DEPTH_MAX 8           /* sections within sections */
#define CONF_SCAN_SECTIONS_MAX 10000    /* in the whole file */
#define CONF_SCAN_OPTIONS_MAX 200       /* in one section, sections with a title not counted */

struct conf_scan {
	char *text;              /* the same text, NUL-terminated, its comments turned into spaces: lines stay */
	int *section_lines;      /* the line where each section began, in the order in which they end */
	size_t sections;
};

/* RC_INVALID, RC_LIMIT: why->text begins with "NAME:LINE: ". The caller frees *out with conf_scan_free. */
enum rc conf_scan(const char *name, const char *text, size_t length, struct conf_scan *out, struct why *why);
void conf_scan_free(struct conf_scan *scan);

#endif
