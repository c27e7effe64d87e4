/*
 * Looks into a batch that came from outside: is every record of it what a
 * reader will want?  One pass over the bytes, nothing is kept of them.
 *
 * Good records are as many as the header says, to the last byte; each is as
 * long as it says, with offset deltas 0, 1, 2, ...; lengths are -1 (null) or
 * more, headers have names; integers take no more bytes than clients in Java
 * read.  What passes record_iter reads whole, and no client stops at it.
 *
 * Uses: batch, codec.  Any thread.
 */
#ifndef KQ_RECORD_INSPECT_H
#define KQ_RECORD_INSPECT_H

#include "record/batch.h"

struct inspection {
	/* Of the records, by their deltas (in a LogAppendTime batch: nobody's). */
	int64_t min_timestamp, max_timestamp;
	int32_t nkeyless; /* records with a null key */
	int64_t plain_size; /* bytes looked at; set for a bad batch, too */
};

/* Inspect the batch b at p, all of whose bytes are there, and whose count is
 * above 0 and codec known (asserted).  A compressed one may open to plain_max
 * bytes, and each of its records to record_max.  Returns 0, or -1 with
 * ERR_CORRUPT or ERR_LIMIT; what the message says ends in no full stop. */
int batch_inspect(const struct batch *batch, const uint8_t *p, size_t plain_max,
	int32_t record_max, struct inspection *out, struct err *e);

/* What a rule may want to know of one record; index counts from 0. */
typedef void inspect_record(void *arg, int32_t index, int64_t timestamp_ms, bool is_keyless);

/* Hand on each record of a batch that batch_inspect found good, in order.  It
 * takes no more memory, but some more time.  0, or -1 as above. */
int batch_inspect_each(const struct batch *batch, const uint8_t *p, size_t plain_max,
	inspect_record *record, void *arg, struct err *e);

#endif
