/* check_identity.h: the part of a daemon's --check that both have: who we are, and as whom we are looking. */
#ifndef COMMON_CHECK_IDENTITY_H
#define COMMON_CHECK_IDENTITY_H

/* Prints the public line of the identity at path, or what is wrong with it; and that a check by root sees more than the
 * daemon will. Returns the exit status that it is worth: 0 well, 2 the daemon wouldn't start. */
int check_identity(const char *path);

#endif
