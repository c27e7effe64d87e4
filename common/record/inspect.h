/*
 * Checks the records of a batch that a client sent, in one pass, keeping nothing.
 *
 * Records are good if their number is the header's and no byte is left over; each
 * has the length that it states and the offset delta 0, 1, 2, ...; lengths are -1
 * (null) or more, headers have names, and integers take no more bytes than Java
 * clients read.  Then record_iter and all clients can read the whole batch.
 *
 * Uses: batch, codec.  Any thread.
 */
#ifndef KQ_RECORD_INSPECT_H
#define KQ_RECORD_INSPECT_H

#include "record/batch.h"

struct inspection {
	/* Of the records, by their deltas, which readers of a LogAppendTime batch
	 * ignore. */
	int64_t min_timestamp, max_timestamp;
	int32_t nkeyless; /* records with a null key */
	int64_t plain_size; /* bytes read; set for a bad batch, too */
};

/* Inspect the batch at p, all of whose bytes are there, and whose count is above
 * 0 and codec known (asserted).  A compressed one may decompress to plain_max
 * bytes, and each of its records to record_max.  -1: ERR_CORRUPT, or ERR_LIMIT
 * for one of these bounds; only out->plain_size is set then. */
int batch_inspect(const struct batch *batch, const uint8_t *p, size_t plain_max,
	int32_t record_max, struct inspection *out, struct err *e);

/* Called for a record; index counts from 0. */
typedef void inspect_record(void *arg, int32_t index, int64_t timestamp_ms, bool is_keyless);

/* Call record for each record of a batch that batch_inspect found good, in order.
 * Slower than batch_inspect, with as little memory.  -1: as above. */
int batch_inspect_each(const struct batch *batch, const uint8_t *p, size_t plain_max,
	inspect_record *record, void *arg, struct err *e);

#endif
