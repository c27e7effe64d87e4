/*
 * Key bytes of stores and of topics.
 *
 * In stores, the order of memcmp is the order of what was put: times rise, and a key's
 * bytes come before those of a longer key that begins with them.  A NUL byte within a key
 * becomes 00 ff, and 00 00 ends it.
 *
 * Uses: flow.
 */
#ifndef KQ_STREAM_KEYS_H
#define KQ_STREAM_KEYS_H

#include "stream/flow.h"

void keys_put_bytes(struct buf *b, struct str bytes);   /* with its end */
void keys_put_time(struct buf *b, int64_t ms);          /* 8 bytes, also negative ones in order */
struct str keys_take_bytes(struct str *from, struct buf *plain); /* null: malformed */
int64_t keys_take_time(struct str *from);               /* from has 8 bytes */

/* What a windowed key is in a topic: bytes | start 8 (tumbling, hopping, sliding), or
 * bytes | end 8 | start 8 (sessions), big-endian.  Source: Kafka's WindowKeySchema.java and
 * SessionKeySchema.java. */
void keys_put_windowed(struct buf *b, const struct flow_key *key, bool is_session);

#endif
