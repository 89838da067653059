/* postmap.c: see postmap.h. */
#include "postfix/postmap.h"

#include "postfix/postfix_run.h"

#include <stdlib.h>

enum rc postmap_ask(const char *folder, const char *config, const char *map, const struct buf *keys, struct buf *out,
                    struct why *why)
{
	struct buf answers = {0};
	char *postmap = NULL;
	enum rc rc = postfix_run_find(folder, "postmap", &postmap, why);
	if (rc != RC_OK)
		return rc;
	const char *const argv[] = {postmap, "-c", config, "-q", "-", map, NULL};
	int status = 0;
	rc = postfix_run_status(argv, keys, &answers, &status, why);
	/* Status 1 and no word: no key was found. */
	if (rc == RC_OK && status != 0 && (status != 1 || why->text[0] != '\0'))
		rc = why_set(why, RC_IO, "%s", why->text[0] ? why->text : "postmap failed without a word");
	if (rc == RC_OK)
		buf_put(out, answers.data, answers.length);
	buf_free(&answers);
	free(postmap);
	return rc;
}

enum rc postmap_list(const char *folder, const char *config, const char *map, struct buf *out, struct why *why)
{
	char *postmap = NULL;
	enum rc rc = postfix_run_find(folder, "postmap", &postmap, why);
	if (rc != RC_OK)
		return rc;
	const char *const argv[] = {postmap, "-c", config, "-s", map, NULL};
	rc = postfix_run(argv, NULL, out, why);
	free(postmap);
	return rc;
}
