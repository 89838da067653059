/* look.h: the helper process that looks at this host's Postfix: `rxfer-replica --postfix DIR`. */
#ifndef REPLICA_LOOK_H
#define REPLICA_LOOK_H

/* DIR is the folder of main.cf; the question (question.h) comes by standard input, the findings (findings.h) go to
 * standard output. Returns the exit status: 0 the findings are whole; 1 there are none: the last line of standard
 * error says why. */
int look_main(const char *config);

#endif
