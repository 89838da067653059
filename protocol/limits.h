/* limits.h: the bounds that are checked before anything is allocated for what the network says. */
#ifndef PROTOCOL_LIMITS_H
#define PROTOCOL_LIMITS_H

#define PROTOCOL_VERSION 2u                    /* the newest; HELLO carries a range */
#define PROTOCOL_VERSION_MIN 1u
#define PROTOCOL_VERSION_KEYS 2u               /* has KEYS and KEPT */
#define PROTOCOL_PORT 7353
#define MESSAGE_BYTES_MAX (1024u * 1024u)      /* ZMQ_MAXMSGSIZE: a larger frame closes the connection */
#define CHUNK_BYTES_MAX (256u * 1024u)         /* data of one CHUNK */
#define FETCHES_IN_FLIGHT 4u                   /* what a replica asks for before the first chunk has come */
#define SNAPSHOT_BYTES_MIN 8u                  /* its count alone: an empty zone */
#define SNAPSHOT_BYTES_MAX (64ull << 30)       /* a whole transfer's stream */
#define SOFTWARE_MAX 64                        /* the text naming program and version */
#define REASON_MAX 200                         /* sentences in ACK and ERROR */
#define IXFR_BURST 16u                         /* changesets for one IXFR; the replica asks again for more */

#endif
