/* hash_proof.h: whether a Berkeley hash file is whole, found out in one pass over it, without the library. */
#ifndef MASTER_HASH_PROOF_H
#define MASTER_HASH_PROOF_H

#include <stdbool.h>
#include <stdint.h>

/* True: every bucket's pages are there and nothing else is, every item is well formed, every key is in its bucket;
 * *keys is their number. False: that isn't so, or the file has something that this doesn't understand, or can't be read:
 * then the library's own verification has the word. */
bool hash_proof(int fd, uint64_t size, uint64_t *keys);

#endif
