/*
 * A record's value with its headers as one value of a store, for records that wait or whose
 * headers go into a changelog:
 *	number of headers (unsigned varint) | if there are any: their size (varint), bytes | value
 *
 * Uses: flow.
 */
#ifndef KQ_STREAM_HELD_H
#define KQ_STREAM_HELD_H

#include "stream/flow.h"

struct held {
	struct str value;   /* never null */
	struct str headers;
	int32_t nheader;
};

void held_put(struct buf *b, const struct held *held);
struct held held_get(struct str stored); /* that held_put wrote */

#endif
