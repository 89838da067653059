/* why.h: what a library function says when it fails: a code for the program, a sentence for people. */
#ifndef COMMON_WHY_H
#define COMMON_WHY_H

/* Every function that can fail returns one of these; RC_OK is the only success. */
enum rc {
	RC_OK = 0,
	RC_INVALID,      /* the input breaks a rule; the same input will fail again */
	RC_NOT_FOUND,    /* it isn't there */
	RC_IO,           /* the operating system said no */
	RC_LIMIT,        /* larger, longer or more than we allow */
	RC_DAMAGED,      /* a file of ours isn't what we wrote */
	RC_REFUSED,      /* understood, and not permitted */
	RC_UNSUPPORTED,  /* a version, a type or a feature that this build doesn't know */
	RC_AGAIN         /* not now: try later */
};

#define WHY_MAX 768

/* One sentence for a human, without a final full stop: it names the thing (file, line, offset) and the mend. */
struct why {
	char text[WHY_MAX];
};

/* Writes the sentence into *why (which may be NULL) and returns rc, so that a failure is one statement.
 * Control characters and bad UTF-8 that came from input are shown as '?'; too long a text ends in "...".
 * Arguments may point into why->text. */
enum rc why_set(struct why *why, enum rc rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts context in front of what is already there: "CONTEXT: TEXT". Returns rc. */
enum rc why_prepend(struct why *why, enum rc rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* In place: control characters and bytes that aren't UTF-8 become '?', so that the text is safe on a terminal, in a log
 * line and in JSON. why_set, why_prepend and the log do this by themselves. */
void why_clean(char *text);

#endif
