#include "log/prodstate.h"

#include "record/crc32c.h"

#include <stdlib.h>

enum {
	SNAPSHOT_VERSION = 1,
	SNAPSHOT_HEAD = 10,     /* version, CRC, count */
	SNAPSHOT_CRC_FROM = 6,
	SNAPSHOT_ENTRY = 46,
};

void
prodstate_init(struct prodstate *producers, uint32_t seed)
{
	*producers = (struct prodstate){ .by_id = { .seed = seed } };
	list_init(&producers->idle);
	list_init(&producers->open);
}

void
prodstate_clear(struct prodstate *producers)
{
	uint32_t seed = producers->by_id.seed;
	int64_t last_ticket = producers->last_ticket;
	prodstate_release(producers);
	prodstate_init(producers, seed);
	producers->last_ticket = last_ticket;
}

void
prodstate_release(struct prodstate *producers)
{
	MAP_EACH(it, &producers->by_id)
		mem_free(it->value);
	map_release(&producers->by_id);
	mem_free(producers->decided);
	producers->decided = NULL;
	producers->last = NULL;
}

/* ---- the producers ---- */

static struct prodstate_producer *
producer_of(struct list *link)
{
	return CONTAINER_OF(link, struct prodstate_producer, link);
}

static struct str
key_of(const int64_t *id)
{
	return (struct str){ (const uint8_t *)id, sizeof *id };
}

struct prodstate_producer *
prodstate_find(struct prodstate *producers, int64_t id)
{
	if (producers->last && producers->last->id == id)
		return producers->last;
	struct prodstate_producer *producer = map_get(&producers->by_id, key_of(&id));
	if (producer)
		producers->last = producer;
	return producer;
}

int
prodstate_count(const struct prodstate *producers)
{
	return producers->nknown;
}

void
prodstate_each(const struct prodstate *producers, prodstate_fn *fn, void *ctx)
{
	MAP_EACH(it, &producers->by_id) {
		struct prodstate_producer *producer = it->value;
		if (producer->epoch >= 0)
			fn(ctx, producer);
	}
}

static void
forget(struct prodstate *producers, struct prodstate_producer *producer)
{
	list_unlink(&producer->link);
	map_remove(&producers->by_id, key_of(&producer->id));
	producers->nknown -= producer->epoch >= 0;
	if (producers->last == producer)
		producers->last = NULL;
	mem_free(producer);
}

static bool
is_full(const struct prodstate *producers)
{
	return producers->by_id.n >= PRODSTATE_PRODUCERS_MAX;
}

/* Can one more be kept, if necessary in place of an idle one? */
static bool
has_room(const struct prodstate *producers)
{
	return !is_full(producers) || !list_is_empty(&producers->idle);
}

static struct prodstate_producer *
add(struct prodstate *producers, int64_t id)
{
	if (is_full(producers) && !list_is_empty(&producers->idle))
		forget(producers, producer_of(producers->idle.next));
	struct prodstate_producer *producer = NEW(struct prodstate_producer);
	list_init(&producer->link);
	producer->id = id;
	producer->timestamp = producer->txn_first_offset = -1;
	producer->epoch = -1;
	producer->coordinator_epoch = -1;
	map_put(&producers->by_id, key_of(&producer->id), producer);
	producers->last = producer;
	return producer;
}

/* The producer was active: move it to the end of the idle ones. */
static void
touch(struct prodstate *producers, struct prodstate_producer *producer, int64_t now_ms)
{
	producer->touched_ms = now_ms;
	if (producer->txn_first_offset >= 0)
		return;
	list_unlink(&producer->link);
	list_append(&producers->idle, &producer->link);
}

static void
set_epoch(struct prodstate *producers, struct prodstate_producer *producer, int16_t epoch)
{
	if (producer->epoch == epoch)
		return;
	producers->nknown += producer->epoch < 0;
	producer->epoch = epoch;
	producer->nbatch = 0;
}

void
prodstate_expire(struct prodstate *producers, int64_t now_ms, int64_t idle_ms)
{
	while (!list_is_empty(&producers->idle)) {
		struct prodstate_producer *producer = producer_of(producers->idle.next);
		if (likely(producer->touched_ms > 0)) {
			if (likely(now_ms - producer->touched_ms < idle_ms))
				return;
			forget(producers, producer);
			continue;
		}
		/* Loaded with the log: its idle time starts now. */
		LIST_EACH(it, &producers->idle) {
			struct prodstate_producer *old = producer_of(it);
			if (old->touched_ms > 0)
				break;
			old->touched_ms = MAX(now_ms, 1);
		}
		return;
	}
}

/* ---- sequence numbers: 0 follows INT32_MAX ---- */

static int32_t
sequence_after(int32_t first, int32_t delta)
{
	int64_t v = (int64_t)first + delta;
	return (int32_t)(v > INT32_MAX ? v - INT32_MAX - 1 : v);
}

static int32_t
last_sequence(const struct batch *batch)
{
	return batch->base_sequence < 0 ? -1
		: sequence_after(batch->base_sequence, batch->last_offset_delta);
}

static const struct prodstate_batch *
find_duplicate(const struct prodstate_producer *producer, const struct batch *batch)
{
	int32_t last = last_sequence(batch);
	for (int i = 0; i < producer->nbatch; i++)
		if (producer->batch[i].last_sequence == last
			&& producer->batch[i].offset_delta == batch->last_offset_delta)
			return &producer->batch[i];
	return NULL;
}

/* Kafka's ProducerAppendInfo.checkSequence. */
static bool
is_in_sequence(const struct prodstate_producer *producer, const struct batch *batch)
{
	/* No batch may overtake one that waits for its verification, which could
	 * then never be appended. */
	if (producer->ticket && batch->base_sequence > producer->ticket_sequence)
		return false;
	if (producer->epoch < 0)
		return true;
	if (producer->epoch != batch->producer_epoch)
		return batch->base_sequence == 0;
	int32_t last = producer->nbatch ? producer->batch[producer->nbatch - 1].last_sequence : -1;
	return batch->base_sequence == sequence_after(last, 1);
}

/* ---- checks ---- */

/* Issue the ticket of a verification, or join the one in progress. */
static enum prodstate_verdict
begin_verification(struct prodstate *producers, struct prodstate_producer *producer,
	const struct batch *batch, int64_t now_ms, int64_t *ticket)
{
	if (!producer && !has_room(producers))
		return PRODSTATE_FULL;
	if (!producer)
		producer = add(producers, batch->producer_id);
	if (producer->ticket == 0) {
		producer->ticket = ++producers->last_ticket;
		producer->ticket_sequence = batch->base_sequence;
		producer->ticket_epoch = batch->producer_epoch;
	} else if (producer->ticket_epoch < batch->producer_epoch) {
		producer->ticket_sequence = batch->base_sequence;
		producer->ticket_epoch = batch->producer_epoch;
	} else if (producer->ticket_epoch == batch->producer_epoch) {
		producer->ticket_sequence = MIN(producer->ticket_sequence, batch->base_sequence);
	}
	touch(producers, producer, now_ms);
	*ticket = producer->ticket;
	return PRODSTATE_VERIFY;
}

enum prodstate_verdict
prodstate_check(struct prodstate *producers, const struct batch *batch, bool is_coordinator,
	int64_t now_ms, int64_t *ticket, struct prodstate_batch *seen)
{
	struct prodstate_producer *producer = prodstate_find(producers, batch->producer_id);
	bool is_txn = batch->attributes & BATCH_TRANSACTIONAL;
	bool is_open = producer && producer->txn_first_offset >= 0;
	if (producer && batch->producer_epoch < producer->epoch)
		return PRODSTATE_OLD_EPOCH;
	if (!is_coordinator) {
		const struct prodstate_batch *same = producer
			&& producer->epoch == batch->producer_epoch
			? find_duplicate(producer, batch) : NULL;
		if (same) {
			*seen = *same;
			return PRODSTATE_DUPLICATE;
		}
		if (is_txn && !(is_open && producer->epoch == batch->producer_epoch)) {
			if (*ticket == 0)
				return begin_verification(producers, producer, batch, now_ms,
					ticket);
			if (!producer || producer->ticket != *ticket)
				return PRODSTATE_NO_TXN;
		}
		if (producer && !is_in_sequence(producer, batch))
			return PRODSTATE_OUT_OF_ORDER;
	}
	if (is_open && !is_txn)
		return PRODSTATE_NO_TXN;
	return !producer && !has_room(producers) ? PRODSTATE_FULL : PRODSTATE_GOOD;
}

enum prodstate_verdict
prodstate_check_marker(struct prodstate *producers, int64_t id, int16_t epoch,
	int32_t coordinator_epoch)
{
	struct prodstate_producer *producer = prodstate_find(producers, id);
	if (producer && epoch < producer->epoch)
		return PRODSTATE_OLD_EPOCH;
	if (producer && coordinator_epoch < producer->coordinator_epoch)
		return PRODSTATE_OLD_COORDINATOR;
	return PRODSTATE_GOOD;
}

/* ---- updates ---- */

void
prodstate_append(struct prodstate *producers, const struct batch *batch, int64_t now_ms)
{
	struct prodstate_producer *producer = prodstate_find(producers, batch->producer_id);
	if (!producer)
		producer = add(producers, batch->producer_id);
	set_epoch(producers, producer, batch->producer_epoch);
	assert(producer->id >= 0 && producer->nbatch <= PRODSTATE_BATCHES);
	if (producer->nbatch == PRODSTATE_BATCHES) {
		producer->nbatch--;
		memmove(producer->batch, producer->batch + 1,
			(size_t)producer->nbatch * sizeof *producer->batch);
	}
	producer->batch[producer->nbatch++] = (struct prodstate_batch){ last_sequence(batch),
		batch->last_offset_delta, batch_last_offset(batch), batch->max_timestamp };
	producer->timestamp = batch->max_timestamp;
	if (batch->attributes & BATCH_TRANSACTIONAL) {
		producer->ticket = 0;
		if (producer->txn_first_offset < 0) {
			producer->txn_first_offset = batch->base_offset;
			list_unlink(&producer->link);
			list_append(&producers->open, &producer->link);
		}
	}
	touch(producers, producer, now_ms);
}

/* The first offset of the oldest open transaction but the producer's; limit if
 * there is none. */
static int64_t
stable_without(const struct prodstate *producers, const struct prodstate_producer *producer,
	int64_t limit)
{
	struct list *it = producers->open.next;
	if (it == &producer->link)
		it = it->next;
	return it == &producers->open ? limit
		: producer_of(it)->txn_first_offset;
}

bool
prodstate_end(struct prodstate *producers, const struct batch *batch, int32_t coordinator_epoch,
	int64_t now_ms, struct prodstate_txn *txn)
{
	struct prodstate_producer *producer = prodstate_find(producers, batch->producer_id);
	int64_t last = batch_last_offset(batch);
	if (!producer)
		producer = add(producers, batch->producer_id);
	bool was_open = producer->txn_first_offset >= 0;
	if (was_open) {
		*txn = (struct prodstate_txn){ producer->id, producer->txn_first_offset, last,
			stable_without(producers, producer, last + 1) };
		if (producers->ndecided == producers->decided_cap) {
			int cap = producers->decided_cap;
			producers->decided_cap = cap ? cap * 2 : 4;
			producers->decided = mem_realloc(producers->decided,
				(size_t)producers->decided_cap * sizeof *producers->decided);
		}
		producers->decided[producers->ndecided++] = *txn;
		producer->txn_first_offset = -1;
	}
	set_epoch(producers, producer, batch->producer_epoch);
	producer->coordinator_epoch = coordinator_epoch;
	producer->timestamp = batch->max_timestamp;
	producer->ticket = 0;
	touch(producers, producer, now_ms);
	return was_open;
}

void
prodstate_replicated(struct prodstate *producers, int64_t high_watermark)
{
	int n = 0;
	for (int i = 0; i < producers->ndecided; i++)
		if (producers->decided[i].last_offset >= high_watermark)
			producers->decided[n++] = producers->decided[i];
	producers->ndecided = n;
}

int64_t
prodstate_unstable(const struct prodstate *producers)
{
	int64_t first = INT64_MAX;
	if (!list_is_empty(&producers->open))
		first = producer_of(producers->open.next)->txn_first_offset;
	for (int i = 0; i < producers->ndecided; i++)
		first = MIN(first, producers->decided[i].first_offset);
	return first;
}

/* ---- snapshots ---- */

static void
encode_one(void *ctx, const struct prodstate_producer *producer)
{
	struct buf *b = ctx;
	uint8_t *to = buf_grow(b, SNAPSHOT_ENTRY);
	struct prodstate_batch none = { -1, 0, -1, -1 };
	const struct prodstate_batch *last = producer->nbatch
		? &producer->batch[producer->nbatch - 1] : &none;
	store_be64(to, (uint64_t)producer->id);
	store_be16(to + 8, (uint16_t)producer->epoch);
	store_be32(to + 10, (uint32_t)last->last_sequence);
	store_be64(to + 14, (uint64_t)last->last_offset);
	store_be32(to + 22, (uint32_t)last->offset_delta);
	store_be64(to + 26, (uint64_t)producer->timestamp);
	store_be32(to + 34, (uint32_t)producer->coordinator_epoch);
	store_be64(to + 38, (uint64_t)producer->txn_first_offset);
}

void
prodstate_encode(const struct prodstate *producers, struct buf *b)
{
	size_t at = b->n;
	buf_grow(b, SNAPSHOT_HEAD);
	prodstate_each(producers, encode_one, b);
	uint8_t *head = b->p + at;
	store_be16(head, SNAPSHOT_VERSION);
	store_be32(head + SNAPSHOT_CRC_FROM, (uint32_t)producers->nknown);
	store_be32(head + 2, crc32c(head + SNAPSHOT_CRC_FROM, b->n - at - SNAPSHOT_CRC_FROM));
	assert(b->n - at == SNAPSHOT_HEAD + (size_t)producers->nknown * SNAPSHOT_ENTRY);
}

static bool
decode_one(const uint8_t *p, struct prodstate_producer *producer, int64_t end_offset)
{
	struct prodstate_batch last = { (int32_t)load_be32(p + 10), (int32_t)load_be32(p + 22),
		(int64_t)load_be64(p + 14), (int64_t)load_be64(p + 26) };
	*producer = (struct prodstate_producer){ .id = (int64_t)load_be64(p),
		.epoch = (int16_t)load_be16(p + 8), .timestamp = last.timestamp,
		.coordinator_epoch = (int32_t)load_be32(p + 34),
		.txn_first_offset = (int64_t)load_be64(p + 38) };
	if (last.last_offset >= 0)
		producer->batch[producer->nbatch++] = last;
	return producer->id >= 0 && producer->epoch >= 0 && last.last_offset < end_offset
		&& producer->txn_first_offset < end_offset && last.offset_delta >= 0
		&& (last.last_offset < 0 || last.offset_delta <= last.last_offset);
}

/* Producers with open transactions by their first offsets, then the others by
 * age. */
static int
by_age(const void *a, const void *b)
{
	const struct prodstate_producer *x = a, *y = b;
	bool x_open = x->txn_first_offset >= 0, y_open = y->txn_first_offset >= 0;
	if (x_open != y_open)
		return y_open - x_open;
	if (x_open)
		return (x->txn_first_offset > y->txn_first_offset) -
			(x->txn_first_offset < y->txn_first_offset);
	return (x->timestamp > y->timestamp) - (x->timestamp < y->timestamp);
}

static int
take_all(struct prodstate *producers, const struct prodstate_producer *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (prodstate_find(producers, v[i].id))
			return -1;
		struct prodstate_producer *producer = add(producers, v[i].id);
		*producer = v[i];
		list_init(&producer->link);
		list_append(producer->txn_first_offset >= 0 ? &producers->open : &producers->idle,
			&producer->link);
		producers->nknown++;
	}
	return 0;
}

int
prodstate_decode(struct prodstate *producers, struct str bytes, int64_t end_offset, struct err *e)
{
	assert(producers->by_id.n == 0 && producers->nknown == 0);
	if (bytes.n < SNAPSHOT_HEAD || load_be16(bytes.p) != SNAPSHOT_VERSION)
		return err_set(e, ERR_CORRUPT, "no producer snapshot of version %d",
			SNAPSHOT_VERSION);
	if (load_be32(bytes.p + 2) != crc32c(bytes.p + SNAPSHOT_CRC_FROM,
			(size_t)bytes.n - SNAPSHOT_CRC_FROM))
		return err_set(e, ERR_CORRUPT, "a producer snapshot with the wrong CRC");
	uint32_t n = load_be32(bytes.p + SNAPSHOT_CRC_FROM);
	if ((uint64_t)n * SNAPSHOT_ENTRY != (uint64_t)bytes.n - SNAPSHOT_HEAD)
		return err_set(e, ERR_CORRUPT,
			"a producer snapshot of another length than it says");
	if (n == 0)
		return 0;
	struct prodstate_producer *v = mem_alloc(n * sizeof *v);
	int rc = 0;
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = decode_one(bytes.p + SNAPSHOT_HEAD + i * (size_t)SNAPSHOT_ENTRY, &v[i],
			end_offset) ? 0 : -1;
	if (rc == 0) {
		qsort(v, n, sizeof *v, by_age);
		rc = take_all(producers, v, n);
	}
	mem_free(v);
	if (rc == 0)
		return 0;
	prodstate_clear(producers);
	return err_set(e, ERR_CORRUPT, "a producer snapshot that can't be of this log");
}
