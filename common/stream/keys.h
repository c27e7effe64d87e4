/*
 * Key bytes of stores and of topics.
 *
 * In stores, the order of memcmp is the order of what was put: times rise, and a key's
 * bytes come before those of a longer key that begins with them.  A NUL byte within a key
 * becomes 00 ff, and 00 00 ends it.
 *
 * Uses: topology.
 */
#ifndef KQ_STREAM_KEYS_H
#define KQ_STREAM_KEYS_H

#include "stream/topology.h"

enum { KEYS_TIME_SIZE = 8 };

void keys_put_bytes(struct buf *b, struct str bytes);   /* with its end */
void keys_put_time(struct buf *b, int64_t ms);          /* 8 bytes, also negative ones in order */

/* Take them off the front of *from.  The bytes are those in *from or, if NULs had to be put
 * back, in *plain, whose content is replaced; null: malformed. */
struct str keys_take_bytes(struct str *from, struct buf *plain);
int64_t keys_take_time(struct str *from);               /* from has 8 bytes */

/* A key with the window that it may have: ordered by bytes, then start, then end.  window is
 * that of the place's keys; NULL: they are plain. */
void keys_put(struct buf *b, const struct flow_key *key);
bool keys_take(struct str *from, const struct flow_window *window, struct buf *plain,
	struct flow_key *key);

/* What a windowed key is in a topic: bytes | start 8 (tumbling, hopping, sliding), or
 * bytes | end 8 | start 8 (sessions), big-endian.  Source: Kafka's WindowKeySchema.java and
 * SessionKeySchema.java. */
void keys_put_windowed(struct buf *b, const struct flow_key *key, bool is_session);

/* A key as it is in a topic, and back; window is that of the place's keys (NULL: they are
 * plain) and gives the end that the bytes lack.  False: too short. */
void keys_put_topic(struct buf *b, const struct flow_key *key,
	const struct flow_window *window);
bool keys_take_topic(struct str bytes, const struct flow_window *window, struct flow_key *key);

#endif
