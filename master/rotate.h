/* rotate.h: rxfer-master --rotate-key WORD: what `rxfer rotate-key` starts to do with the identities' files what only
 * their owner may, and then tells the daemon of. */
#ifndef MASTER_ROTATE_H
#define MASTER_ROTATE_H

/* word: "announce", "finish", "force" (finish, though not every replica has the key), "cancel". The paths come from the
 * configuration alone, never from the daemon, which has fewer rights. Prints what there is to say; the exit status. */
int rotate_main(const char *conf_path, const char *word);

#endif
