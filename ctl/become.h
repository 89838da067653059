/* become.h: a daemon's own program run in the place of this one, for what only it can do. */
#ifndef CTL_BECOME_H
#define CTL_BECOME_H

/* arguments[0]: "rxfer-master" or "rxfer-replica"; NULL at the end. Returns only on failure, which it has printed.
 * command: of rxfer, for that sentence. */
void become_daemon(const char *command, char *const *arguments);

#endif
