/*
 * What the changelog of a buffer has of a record that waits (suppress, stream-table join
 * with grace): Kafka's bytes.
 *	time 8 | offset 8 | topic length 4, topic | partition 4 |
 *	number of headers 4 | (length 4, name | length 4, value)* |
 *	prior value | old value | new value | place 8
 * A value is its length 4 and its bytes, length -1: null; old value -2: the same as prior.
 * Where the record came from is not known here: no topic, offset and partition -1.
 *
 * Sources: BufferValue.java, ProcessorRecordContext.java.
 *
 * Uses: base, record.
 */
#ifndef KQ_STREAM_BUFFERED_H
#define KQ_STREAM_BUFFERED_H

#include "base/err.h"
#include "base/mem.h"

struct buffered {
	struct str prior, old, value;
	struct str headers; /* nheader of them, as in a batch */
	int32_t nheader;
	int64_t ts_ms;
	int64_t place;      /* in the queue; of a join: 0 */
};

void buffered_put(struct buf *b, const struct buffered *in);

/* Read bytes that buffered_put or Kafka wrote.  The slices of *out point into them, those
 * of the headers into *headers, whose content is replaced.  -1 (ERR_CORRUPT). */
int buffered_get(struct str bytes, struct buffered *out, struct buf *headers, struct err *e);

#endif
