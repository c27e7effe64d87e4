/*
 * From input to producer: splits keys from values, puts the records, stops
 * when told, serves the producer while it waits for input.
 *
 * Uses: client/producer, input, progress.
 */
#ifndef KQ_PRODUCE_FEED_H
#define KQ_PRODUCE_FEED_H

#include "client/producer.h"
#include "kq-produce/input.h"
#include "kq-produce/progress.h"

#include <signal.h>

struct feed {
	struct producer_topic *topic;
	int32_t partition;        /* -1: by key */
	struct str key_delimiter; /* null: no keys */
	bool empty_is_null;
	struct buf headers;       /* of every record, encoded */
	int32_t nheader;
	int64_t left;             /* records still wanted */
	const volatile sig_atomic_t *is_stopped;
	struct progress *progress;
};

/* Put all of the input's records.  Returns 0 at its end, or when stopped or
 * none is left to be wanted; -1 on failure. */
int feed_input(struct feed *f, struct input *in, struct err *e);

#endif
