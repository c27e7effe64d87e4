/*
 * From input to producer: split keys from values, put the records, begin and commit
 * transactions, and serve the producer while waiting for input.
 *
 * Uses: client/producer, json_record, tool/{input,keyed,progress}.
 */
#ifndef KQ_PRODUCE_FEED_H
#define KQ_PRODUCE_FEED_H

#include "client/producer.h"
#include "kq-produce/json_record.h"
#include "tool/input.h"
#include "tool/keyed.h"
#include "tool/progress.h"

#include <signal.h>

struct feed {
	struct producer_topic *topic;
	int32_t partition;        /* -1: by key */
	struct keyed keyed;       /* delimiter and null, if json is NULL */
	struct json_record *json; /* input is JSON; or NULL */
	struct buf headers;       /* encoded headers, added to every record */
	int32_t nheader;
	int64_t left;             /* number of records still to put */
	bool is_txn;              /* use transactions */
	int64_t txn_records;      /* largest number of records in one; INT64_MAX: any */
	int txn_ms;               /* longest time of one; 0: any */
	int64_t txn_left;         /* records that the open one may still take */
	bool is_unknown;          /* it is unknown whether a failed commit took effect */
	const volatile sig_atomic_t *is_stopped;
	struct progress *progress;
};

/* Put all records of the input.  Returns 0 at its end, when a signal stops the program, or
 * when left is 0; -1 on failure. */
int feed_input(struct feed *feed, struct input *in, struct err *e);

/* Commit the open transaction, if any.  Returns 0, or -1. */
int feed_commit(struct feed *feed, struct err *e);

#endif
