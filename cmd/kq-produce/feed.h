/*
 * From input to producer: splits keys from values, puts the records, stops
 * when told, serves the producer while it waits for input, begins and commits
 * transactions.
 *
 * Uses: client/producer, input, progress.
 */
#ifndef KQ_PRODUCE_FEED_H
#define KQ_PRODUCE_FEED_H

#include "client/producer.h"
#include "kq-produce/input.h"
#include "kq-produce/json_record.h"
#include "kq-produce/progress.h"
#include "tool/keyed.h"

#include <signal.h>

struct feed {
	struct producer_topic *topic;
	int32_t partition;        /* -1: by key */
	struct keyed keyed;       /* how a text is a record, unless ... */
	struct json_record *json; /* ... it is JSON; or NULL */
	struct buf headers;       /* of every record, encoded */
	int32_t nheader;
	int64_t left;             /* records still wanted */
	bool is_txn;              /* put them in transactions ... */
	int64_t txn_records;      /* ... of so many; INT64_MAX: any number */
	int txn_ms;               /* ... of so long; 0: any time */
	int64_t txn_left;         /* records this one may still take */
	bool is_unknown;          /* whether a commit, which failed, was done */
	const volatile sig_atomic_t *is_stopped;
	struct progress *progress;
};

/* Put all of the input's records.  Returns 0 at its end, or when stopped or
 * none is left to be wanted; -1 on failure. */
int feed_input(struct feed *feed, struct input *in, struct err *e);

/* Commit the open transaction, if there is one. */
int feed_commit(struct feed *feed, struct err *e);

#endif
