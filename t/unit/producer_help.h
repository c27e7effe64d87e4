/* Batches of producers, and a log's producers as text to compare. */
#ifndef KQ_T_PRODUCER_HELP_H
#define KQ_T_PRODUCER_HELP_H

#include "log_help.h"

#include "log/prodstate.h"

/* As make_batch; with a sequence of -1 as from a coordinator. */
static inline struct batch
make_producer_batch(struct buf *b, int n, int size, int64_t t, int64_t id, int16_t epoch,
	int32_t sequence, bool is_txn)
{
	struct batch batch = make_batch(b, n, size, t);
	batch.attributes = is_txn ? BATCH_TRANSACTIONAL : 0;
	batch.producer_id = id;
	batch.producer_epoch = epoch;
	batch.base_sequence = sequence;
	batch_put_header(b->p, &batch);
	check(batch_parse(&batch, b->p));
	return batch;
}

static inline int
compare_producers(const void *a, const void *b)
{
	const struct prodstate_producer *x = *(struct prodstate_producer *const *)a;
	const struct prodstate_producer *y = *(struct prodstate_producer *const *)b;
	return (x->id > y->id) - (x->id < y->id);
}

struct producer_list {
	const struct prodstate_producer *v[1000];
	int n;
};

static inline void
list_producer(void *ctx, const struct prodstate_producer *producer)
{
	struct producer_list *list = ctx;
	check(list->n < 1000);
	list->v[list->n++] = producer;
}

/* What a snapshot holds of the producers, a line each, by id. */
static inline void
print_producers(const struct prodstate *s, struct buf *b)
{
	struct producer_list list = { .n = 0 };
	prodstate_each(s, list_producer, &list);
	if (list.n)
		qsort(list.v, (size_t)list.n, sizeof *list.v, compare_producers);
	buf_reset(b);
	for (int i = 0; i < list.n; i++) {
		const struct prodstate_producer *producer = list.v[i];
		const struct prodstate_batch *last = producer->nbatch
			? &producer->batch[producer->nbatch - 1] : NULL;
		buf_printf(b, "%lld epoch %d last %d..%lld+%d at %lld coordinator %d txn %lld\n",
			(long long)producer->id, producer->epoch, last ? last->last_sequence : -1,
			(long long)(last ? last->last_offset : -1), last ? last->offset_delta : 0,
			(long long)producer->timestamp, producer->coordinator_epoch,
			(long long)producer->txn_first_offset);
	}
	buf_putc(b, 0);
}

/* The aborted transactions of the whole log, a line each. */
static inline void
print_aborted(struct partlog *l, struct buf *b)
{
	struct err e;
	struct buf txns = BUF_INIT;
	struct prodstate_txn txn;
	must(partlog_aborted(l, 0, INT64_MAX, &txns, &e));
	buf_reset(b);
	for (size_t i = 0; i < txns.n; i += sizeof txn) {
		memcpy(&txn, txns.p + i, sizeof txn);
		buf_printf(b, "%lld: %lld..%lld stable %lld\n", (long long)txn.producer_id,
			(long long)txn.first_offset, (long long)txn.last_offset, (long long)txn.stable_offset);
	}
	buf_putc(b, 0);
	buf_release(&txns);
}

#endif
