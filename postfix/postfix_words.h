/* postfix_words.h: the two small grammars of main.cf's values: lists of words, and maps (type:name). Pure. */
#ifndef POSTFIX_WORDS_H
#define POSTFIX_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The next word of a list separated by commas and white space; what stands in braces stays together, with its braces.
 * *at moves on. false: there is none left. Postfix's mystrtokq(). */
bool postfix_word_next(const char **at, const char **word, size_t *length);
/* Likewise, as a string of the caller's own; a word in braces loses them and the white space inside. NULL: none left. */
char *postfix_word_take(const char **at);
bool postfix_words_have(const char *list, const char *wanted);      /* as a word of its own */

/* What smtpd would find in a map. */
enum postfix_map_kind {
	POSTFIX_MAP_LISTED,      /* its keys can be listed: index, texthash, inline, accounts, a pipe that begins with one */
	POSTFIX_MAP_EVERYTHING,  /* has an answer to every question: static, randmap */
	POSTFIX_MAP_UNLISTED     /* can be asked about one key, not for all */
};

/* A map that isn't made of others side by side. */
struct postfix_map {
	enum postfix_map_kind kind;
	char *text;              /* TYPE:NAME, without proxy:, and with an absolute path where it's a file's */
	const char *type;        /* its length is type_length, within text */
	size_t type_length;
	const char *name;        /* behind the colon */
	bool exact;              /* keys of a text behind proxy: aren't folded, the questions are: one with capitals never hits */
};
bool postfix_map_is(const struct postfix_map *map, const char *type);

/* The members of a list of maps in order: unionmaps are taken apart, proxy: is taken away. `queue` is the folder that
 * relative paths begin at: Postfix's daemons run in it. `visit` owns nothing. false as soon as `visit` says so. */
typedef bool postfix_map_visit(void *context, const struct postfix_map *map);
bool postfix_maps_each(const char *list, const char *queue, postfix_map_visit *visit, void *context);

/* The same, but unionmaps stay whole, as main.cf has them: text, with what stands before it, is for postfix_maps_each. Their
 * answers join those of their members. Each is as much as the least of these: all listed, or listed and with answers to
 * everything, or not listed. */
bool postfix_maps_whole(const char *list, const char *queue, postfix_map_visit *visit, void *context);

/* The maps whose keys are those of pipemap:{...} at most: its first one, taken apart. */
bool postfix_map_first(const struct postfix_map *map, const char *queue, postfix_map_visit *visit, void *context);

#endif
