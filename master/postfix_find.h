/* postfix_find.h: the helper process that looks at a Postfix: `rxfer-master --postfix DIR`. */
#ifndef MASTER_POSTFIX_FIND_H
#define MASTER_POSTFIX_FIND_H

/* Between the words of the argument: a byte that no path, map or command has. */
#define POSTFIX_FIND_SEPARATOR "\037"

/* Prints the plan (postfix_plan.h). The argument is the folder of main.cf, and words, each followed by what it needs:
 *   service NAME        the smtpd's name in master.cf
 *   commands FOLDER     where postconf and postmap are
 *   list MAP COMMAND    what lists a map that can't be listed
 *   catch-all MAP       take it for an answer to everything
 *   ignore MAP          take it for empty
 * Returns the exit status: 0 the plan is whole (it may have problems), 1 there is none: the last line of standard error
 * says why. */
int postfix_find_main(const char *argument);

#endif
