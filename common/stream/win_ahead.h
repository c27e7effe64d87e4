/*
 * Records on their way into states of a fixed size.
 *
 * Among very many keys, a state is not in the processor's cache.  So a record's numbers wait
 * here for some records more, while the memory of its state is loaded.  The order of records
 * is kept, and nobody sees the difference: the owner flushes before the store is looked at,
 * and before a record takes another way into it.
 *
 * Uses: store, flow.h.
 */
#ifndef KQ_STREAM_WIN_AHEAD_H
#define KQ_STREAM_WIN_AHEAD_H

#include "stream/flow.h"
#include "stream/store.h"

struct win_ahead {
	struct store *store;
	struct flow_agg *agg;     /* NULL: records cannot wait */
	uint8_t *place;           /* for the records that wait */
	size_t place_size;
	uint32_t first, n;        /* those that wait, modulo the number of places */
};

/* An aggregate that adds in one step only (agg->read is NULL) makes no record wait. */
void win_ahead_init(struct win_ahead *ahead, struct store *store, struct flow_agg *agg);
void win_ahead_release(struct win_ahead *ahead);

/* Can a record with such a key of the store wait? */
bool win_ahead_can(const struct win_ahead *ahead, struct str key);

/* Let a record wait, whose numbers agg->read has given; they and the key are copied. */
void win_ahead_put(struct win_ahead *ahead, struct str key, const double *v, int64_t ts_ms);

/* Let the store have all that waits. */
void win_ahead_flush(struct win_ahead *ahead);

#endif
