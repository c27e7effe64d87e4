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
prodstate_init(struct prodstate *s, uint32_t seed)
{
	*s = (struct prodstate){ .by_id = { .seed = seed } };
	list_init(&s->idle);
	list_init(&s->open);
}

void
prodstate_clear(struct prodstate *s)
{
	uint32_t seed = s->by_id.seed;
	int64_t last_guard = s->last_guard;
	prodstate_release(s);
	prodstate_init(s, seed);
	s->last_guard = last_guard;
}

void
prodstate_release(struct prodstate *s)
{
	MAP_EACH(it, &s->by_id)
		mem_free(it->value);
	map_release(&s->by_id);
	mem_free(s->decided);
	s->decided = NULL;
	s->last = NULL;
}

/* --- the producers --- */

static struct str
key_of(const int64_t *id)
{
	return (struct str){ (const uint8_t *)id, sizeof *id };
}

struct prodstate_producer *
prodstate_find(struct prodstate *s, int64_t id)
{
	if (s->last && s->last->id == id)
		return s->last;
	struct prodstate_producer *p = map_get(&s->by_id, key_of(&id));
	if (p)
		s->last = p;
	return p;
}

int
prodstate_count(const struct prodstate *s)
{
	return s->nknown;
}

void
prodstate_each(const struct prodstate *s, prodstate_fn *fn, void *ctx)
{
	MAP_EACH(it, &s->by_id) {
		struct prodstate_producer *p = it->value;
		if (p->epoch >= 0)
			fn(ctx, p);
	}
}

static void
forget(struct prodstate *s, struct prodstate_producer *p)
{
	list_unlink(&p->link);
	map_remove(&s->by_id, key_of(&p->id));
	s->nknown -= p->epoch >= 0;
	if (s->last == p)
		s->last = NULL;
	mem_free(p);
}

static bool
is_full(const struct prodstate *s)
{
	return s->by_id.n >= PRODSTATE_PRODUCERS_MAX;
}

static struct prodstate_producer *
add(struct prodstate *s, int64_t id)
{
	if (is_full(s) && !list_is_empty(&s->idle))
		forget(s, CONTAINER_OF(s->idle.next, struct prodstate_producer, link));
	struct prodstate_producer *p = NEW(struct prodstate_producer);
	list_init(&p->link);
	p->id = id;
	p->timestamp = p->txn_first_offset = -1;
	p->epoch = -1;
	p->coordinator_epoch = -1;
	map_put(&s->by_id, key_of(&p->id), p);
	s->last = p;
	return p;
}

/* It did something: last in the queue of those to be forgotten. */
static void
touch(struct prodstate *s, struct prodstate_producer *p, int64_t now_ms)
{
	p->touched_ms = now_ms;
	if (p->txn_first_offset >= 0)
		return;
	list_unlink(&p->link);
	list_append(&s->idle, &p->link);
}

static void
set_epoch(struct prodstate *s, struct prodstate_producer *p, int16_t epoch)
{
	if (p->epoch == epoch)
		return;
	s->nknown += p->epoch < 0;
	p->epoch = epoch;
	p->nbatch = 0;
}

void
prodstate_expire(struct prodstate *s, int64_t now_ms, int64_t idle_ms)
{
	while (!list_is_empty(&s->idle)) {
		struct prodstate_producer *p = CONTAINER_OF(s->idle.next,
			struct prodstate_producer, link);
		if (likely(p->touched_ms > 0)) {
			if (likely(now_ms - p->touched_ms < idle_ms))
				return;
			forget(s, p);
			continue;
		}
		/* From a snapshot, or read again: counts from now on. */
		LIST_EACH(it, &s->idle) {
			struct prodstate_producer *old = CONTAINER_OF(it, struct prodstate_producer, link);
			if (old->touched_ms > 0)
				break;
			old->touched_ms = MAX(now_ms, 1);
		}
		return;
	}
}

/* --- sequence numbers: 0 follows upon INT32_MAX --- */

static int32_t
sequence_after(int32_t first, int32_t delta)
{
	int64_t v = (int64_t)first + delta;
	return (int32_t)(v > INT32_MAX ? v - INT32_MAX - 1 : v);
}

static int32_t
last_sequence(const struct batch *b)
{
	return b->base_sequence < 0 ? -1 : sequence_after(b->base_sequence, b->last_offset_delta);
}

static const struct prodstate_batch *
find_duplicate(const struct prodstate_producer *p, const struct batch *b)
{
	int32_t last = last_sequence(b);
	for (int i = 0; i < p->nbatch; i++)
		if (p->batch[i].last_sequence == last &&
			p->batch[i].offset_delta == b->last_offset_delta)
			return &p->batch[i];
	return NULL;
}

/* Kafka's ProducerAppendInfo.checkSequence. */
static bool
is_in_sequence(const struct prodstate_producer *p, const struct batch *b)
{
	/* One that waits to be verified must not be overtaken: it could never
	 * get in any more. */
	if (p->guard && b->base_sequence > p->guard_sequence)
		return false;
	if (p->epoch < 0)
		return true;
	if (p->epoch != b->producer_epoch)
		return b->base_sequence == 0;
	int32_t last = p->nbatch ? p->batch[p->nbatch - 1].last_sequence : -1;
	return b->base_sequence == sequence_after(last, 1);
}

/* --- judging --- */

/* The token that a verification of this producer goes by. */
static enum prodstate_verdict
begin_verification(struct prodstate *s, struct prodstate_producer *p, const struct batch *b,
	int64_t now_ms, int64_t *guard)
{
	if (!p && is_full(s) && list_is_empty(&s->idle))
		return PRODSTATE_FULL;
	if (!p)
		p = add(s, b->producer_id);
	if (p->guard == 0) {
		p->guard = ++s->last_guard;
		p->guard_sequence = b->base_sequence;
		p->guard_epoch = b->producer_epoch;
	} else if (p->guard_epoch < b->producer_epoch) {
		p->guard_sequence = b->base_sequence;
		p->guard_epoch = b->producer_epoch;
	} else if (p->guard_epoch == b->producer_epoch) {
		p->guard_sequence = MIN(p->guard_sequence, b->base_sequence);
	}
	touch(s, p, now_ms);
	*guard = p->guard;
	return PRODSTATE_VERIFY;
}

enum prodstate_verdict
prodstate_check(struct prodstate *s, const struct batch *b, bool is_coordinator, int64_t now_ms,
	int64_t *guard, struct prodstate_batch *seen)
{
	struct prodstate_producer *p = prodstate_find(s, b->producer_id);
	bool is_txn = b->attributes & BATCH_TRANSACTIONAL;
	bool is_open = p && p->txn_first_offset >= 0;
	if (p && b->producer_epoch < p->epoch)
		return PRODSTATE_OLD_EPOCH;
	if (!is_coordinator) {
		const struct prodstate_batch *d = p && p->epoch == b->producer_epoch
			? find_duplicate(p, b) : NULL;
		if (d) {
			*seen = *d;
			return PRODSTATE_DUPLICATE;
		}
		if (is_txn && !(is_open && p->epoch == b->producer_epoch)) {
			if (*guard == 0)
				return begin_verification(s, p, b, now_ms, guard);
			if (!p || p->guard != *guard)
				return PRODSTATE_NO_TXN;
		}
		if (p && !is_in_sequence(p, b))
			return PRODSTATE_OUT_OF_ORDER;
	}
	if (is_open && !is_txn)
		return PRODSTATE_NO_TXN;
	return !p && is_full(s) && list_is_empty(&s->idle) ? PRODSTATE_FULL : PRODSTATE_GOOD;
}

enum prodstate_verdict
prodstate_check_marker(struct prodstate *s, int64_t id, int16_t epoch, int32_t coordinator_epoch)
{
	struct prodstate_producer *p = prodstate_find(s, id);
	if (p && epoch < p->epoch)
		return PRODSTATE_OLD_EPOCH;
	if (p && coordinator_epoch < p->coordinator_epoch)
		return PRODSTATE_OLD_COORDINATOR;
	return PRODSTATE_GOOD;
}

/* --- taking note --- */

void
prodstate_append(struct prodstate *s, const struct batch *b, int64_t now_ms)
{
	struct prodstate_producer *p = prodstate_find(s, b->producer_id);
	if (!p)
		p = add(s, b->producer_id);
	set_epoch(s, p, b->producer_epoch);
	if (p->nbatch == PRODSTATE_BATCHES) {
		p->nbatch--;
		memmove(p->batch, p->batch + 1, (size_t)p->nbatch * sizeof *p->batch);
	}
	p->batch[p->nbatch++] = (struct prodstate_batch){ last_sequence(b),
		b->last_offset_delta, batch_last_offset(b), b->max_timestamp };
	p->timestamp = b->max_timestamp;
	if (b->attributes & BATCH_TRANSACTIONAL) {
		p->guard = 0;
		if (p->txn_first_offset < 0) {
			p->txn_first_offset = b->base_offset;
			list_unlink(&p->link);
			list_append(&s->open, &p->link);
		}
	}
	touch(s, p, now_ms);
}

/* Where the next transaction but p's that is open begins; else behind. */
static int64_t
stable_without(const struct prodstate *s, const struct prodstate_producer *p, int64_t behind)
{
	struct list *it = s->open.next;
	if (it == &p->link)
		it = it->next;
	return it == &s->open ? behind
		: CONTAINER_OF(it, struct prodstate_producer, link)->txn_first_offset;
}

bool
prodstate_end(struct prodstate *s, const struct batch *b, int32_t coordinator_epoch,
	int64_t now_ms, struct prodstate_txn *txn)
{
	struct prodstate_producer *p = prodstate_find(s, b->producer_id);
	int64_t last = batch_last_offset(b);
	if (!p)
		p = add(s, b->producer_id);
	bool was_open = p->txn_first_offset >= 0;
	if (was_open) {
		*txn = (struct prodstate_txn){ p->id, p->txn_first_offset, last,
			stable_without(s, p, last + 1) };
		if (s->ndecided == s->decided_cap) {
			s->decided_cap = s->decided_cap ? s->decided_cap * 2 : 4;
			s->decided = mem_realloc(s->decided,
				(size_t)s->decided_cap * sizeof *s->decided);
		}
		s->decided[s->ndecided++] = *txn;
		p->txn_first_offset = -1;
	}
	set_epoch(s, p, b->producer_epoch);
	p->coordinator_epoch = coordinator_epoch;
	p->timestamp = b->max_timestamp;
	p->guard = 0;
	touch(s, p, now_ms);
	return was_open;
}

void
prodstate_replicated(struct prodstate *s, int64_t high_watermark)
{
	int n = 0;
	for (int i = 0; i < s->ndecided; i++)
		if (s->decided[i].last_offset >= high_watermark)
			s->decided[n++] = s->decided[i];
	s->ndecided = n;
}

int64_t
prodstate_unstable(const struct prodstate *s)
{
	int64_t first = INT64_MAX;
	if (!list_is_empty(&s->open))
		first = CONTAINER_OF(s->open.next, struct prodstate_producer, link)->txn_first_offset;
	for (int i = 0; i < s->ndecided; i++)
		first = MIN(first, s->decided[i].first_offset);
	return first;
}

/* --- snapshots --- */

static void
encode_one(void *ctx, const struct prodstate_producer *p)
{
	struct buf *b = ctx;
	uint8_t *to = buf_grow(b, SNAPSHOT_ENTRY);
	struct prodstate_batch none = { -1, 0, -1, -1 };
	const struct prodstate_batch *last = p->nbatch ? &p->batch[p->nbatch - 1] : &none;
	store_be64(to, (uint64_t)p->id);
	store_be16(to + 8, (uint16_t)p->epoch);
	store_be32(to + 10, (uint32_t)last->last_sequence);
	store_be64(to + 14, (uint64_t)last->last_offset);
	store_be32(to + 22, (uint32_t)last->offset_delta);
	store_be64(to + 26, (uint64_t)p->timestamp);
	store_be32(to + 34, (uint32_t)p->coordinator_epoch);
	store_be64(to + 38, (uint64_t)p->txn_first_offset);
}

void
prodstate_encode(const struct prodstate *s, struct buf *b)
{
	size_t at = b->n;
	buf_grow(b, SNAPSHOT_HEAD);
	prodstate_each(s, encode_one, b);
	uint8_t *head = b->p + at;
	store_be16(head, SNAPSHOT_VERSION);
	store_be32(head + SNAPSHOT_CRC_FROM, (uint32_t)s->nknown);
	store_be32(head + 2, crc32c(head + SNAPSHOT_CRC_FROM, b->n - at - SNAPSHOT_CRC_FROM));
	assert(b->n - at == SNAPSHOT_HEAD + (size_t)s->nknown * SNAPSHOT_ENTRY);
}

static bool
decode_one(const uint8_t *p, struct prodstate_producer *to, int64_t end_offset)
{
	struct prodstate_batch last = { (int32_t)load_be32(p + 10), (int32_t)load_be32(p + 22),
		(int64_t)load_be64(p + 14), (int64_t)load_be64(p + 26) };
	*to = (struct prodstate_producer){ .id = (int64_t)load_be64(p),
		.epoch = (int16_t)load_be16(p + 8), .timestamp = last.timestamp, .coordinator_epoch = (int32_t)load_be32(p + 34),
		.txn_first_offset = (int64_t)load_be64(p + 38) };
	if (last.last_offset >= 0)
		to->batch[to->nbatch++] = last;
	return to->id >= 0 && to->epoch >= 0 && last.last_offset < end_offset &&
		to->txn_first_offset < end_offset && last.offset_delta >= 0 &&
		(last.last_offset < 0 || last.offset_delta <= last.last_offset);
}

/* Those with open transactions by their first offsets, then the others by age. */
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
take_all(struct prodstate *s, const struct prodstate_producer *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (prodstate_find(s, v[i].id))
			return -1;
		struct prodstate_producer *p = add(s, v[i].id);
		*p = v[i];
		list_init(&p->link);
		list_append(p->txn_first_offset >= 0 ? &s->open : &s->idle, &p->link);
		s->nknown++;
	}
	return 0;
}

int
prodstate_decode(struct prodstate *s, struct str bytes, int64_t end_offset, struct err *e)
{
	assert(s->by_id.n == 0);
	if (bytes.n < SNAPSHOT_HEAD || load_be16(bytes.p) != SNAPSHOT_VERSION)
		return err_set(e, ERR_CORRUPT, "no producer snapshot of version %d", SNAPSHOT_VERSION);
	if (load_be32(bytes.p + 2) != crc32c(bytes.p + SNAPSHOT_CRC_FROM,
			(size_t)bytes.n - SNAPSHOT_CRC_FROM))
		return err_set(e, ERR_CORRUPT, "a producer snapshot with the wrong CRC");
	uint32_t n = load_be32(bytes.p + SNAPSHOT_CRC_FROM);
	if ((uint64_t)n * SNAPSHOT_ENTRY != (uint64_t)bytes.n - SNAPSHOT_HEAD)
		return err_set(e, ERR_CORRUPT, "a producer snapshot of another length than it says");
	if (n == 0)
		return 0;
	struct prodstate_producer *v = mem_alloc(n * sizeof *v);
	int r = 0;
	for (uint32_t i = 0; i < n && r == 0; i++)
		if (!decode_one(bytes.p + SNAPSHOT_HEAD + i * (size_t)SNAPSHOT_ENTRY, &v[i], end_offset))
			r = -1;
	if (r == 0) {
		qsort(v, n, sizeof *v, by_age);
		r = take_all(s, v, n);
	}
	mem_free(v);
	if (r == 0)
		return 0;
	prodstate_clear(s);
	return err_set(e, ERR_CORRUPT, "a producer snapshot that can't be of this log");
}

/* --- markers --- */

bool
prodstate_marker(const uint8_t *p, const struct batch *b, bool *is_commit,
	int32_t *coordinator_epoch)
{
	struct record_iter it = RECORD_ITER_INIT;
	struct record r;
	struct err ignored;
	bool ok = record_iter_begin(&it, p, (size_t)b->size, &ignored) == 0 &&
		record_iter_next(&it, &r, &ignored) == 1 && r.key.n >= 4 && r.value.n >= 6 &&
		load_be16(r.key.p + 2) <= 1;
	if (ok) {
		*is_commit = load_be16(r.key.p + 2) == 1;
		*coordinator_epoch = (int32_t)load_be32(r.value.p + 2);
	}
	record_iter_release(&it);
	return ok;
}
