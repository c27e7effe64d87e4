/*
 * Which input of a task has the next record: the one whose first record has the lowest
 * timestamp.  Only the first record of a queue counts; nothing within a queue is sorted.
 * Of equal timestamps, that of the queue that was filled first wins.
 *
 *	merge_init(&merge, ninput, idle_ms, stall_ms);
 *	merge_fill(&merge, i, timestamp_ms);       input i, which was empty, has a first record
 *	while ((i = merge_next(&merge, now_ms, &until_ms)) >= 0) {
 *		... take the first record of input i ...
 *		merge_step(&merge, i, timestamp_ms);   of the record behind it, or merge_empty
 *	}
 *	... wait for records, at most until until_ms ...
 *
 * While an input is empty and others are not, waiting keeps records in order.  As in Kafka
 * Streams (max.task.idle.ms), the task waits
 *
 *	idle_ms -1     never,
 *	idle_ms >= 0   while the broker is known to hold records of that input that have not
 *	               come yet (or has not said whether it does), and for idle_ms more.  Once
 *	               that time has passed, the input does not hold the task up again until
 *	               it has had a record.
 *
 * An input whose records do not come for stall_ms, though the broker has some, does not
 * hold the others up any longer, either: its broker may be down.
 *
 * Source: PartitionGroup.readyToProcess of Kafka Streams, KIP-353, KIP-695.
 *
 * Uses: base.  No clock: times are the caller's.  One thread at a time.
 */
#ifndef KQ_STREAM_MERGE_H
#define KQ_STREAM_MERGE_H

#include "base/base.h"

struct merge_input {
	bool has_first;
	bool is_behind;        /* the broker has more, or has not said yet */
	bool has_ended;        /* no more records come */
	int64_t first_ms;      /* timestamp of the first record */
	int64_t filled;        /* order in which the queues were filled */
	int64_t until_ms;      /* it holds the task up until then; 0: not asked yet */
	int64_t stalled_ms;    /* when it was first waited for while is_behind; 0: was not */
};

struct merge {
	struct merge_input *in;
	int n;
	int nfirst;            /* inputs with a first record */
	int64_t idle_ms, stall_ms;
	int64_t nfilled;
};

/* All inputs are empty, and behind.  stall_ms 0: no limit. */
void merge_init(struct merge *merge, int n, int64_t idle_ms, int64_t stall_ms);
void merge_release(struct merge *merge);

/* The input has a first record, and had none. */
void merge_fill(struct merge *merge, int i, int64_t timestamp_ms);

/* The first record of the input was taken; the next one is first. */
static inline void
merge_step(struct merge *merge, int i, int64_t timestamp_ms)
{
	assert(merge->in[i].has_first);
	merge->in[i].first_ms = timestamp_ms;
}

/* The first record of the input was taken, and there is no other. */
void merge_empty(struct merge *merge, int i);

/* What the broker's last answer said: it holds records behind those that have come. */
static inline void
merge_set_behind(struct merge *merge, int i, bool is_behind)
{
	merge->in[i].is_behind = is_behind;
}

/* The input's records are being made: it is waited for without a limit, until the caller no
 * longer says so. */
static inline void
merge_set_fed(struct merge *merge, int i)
{
	merge->in[i].is_behind = true;
	merge->in[i].stalled_ms = 0;
}

/* No more records come after those that the input has. */
static inline void
merge_set_ended(struct merge *merge, int i)
{
	merge->in[i].has_ended = true;
}

/* The input to take a record from.  -1: none now; *until_ms is when to ask again though no
 * record has come: INT64_MAX: never.  now_ms is above 0. */
int merge_next(struct merge *merge, int64_t now_ms, int64_t *until_ms);

#endif
