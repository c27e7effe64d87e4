#include "client/producer.h"

#include "base/murmur2.h"
#include "client/producer_int.h"
#include "sys/clock.h"
#include "text/units.h"

#include "proto.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	DELIVERY_TIMEOUT_MS = 30000,
	REQUEST_TIMEOUT_MS = 30000,
	RETRY_BACKOFF_MS = 100,
	IN_FLIGHT = 5,
	BATCH_BYTES = 1000000,
	REQUEST_BYTES = 1 << 20,
	MEMORY_BYTES = 16 << 20,
	TXN_TIMEOUT_MS = 60000,
	BUSY_BACKOFF_MS = 5,
	RECORD_OVERHEAD = 40, /* varints of a record, at most; headers excluded */
};

void
producer_opts_init(struct producer_opts *o)
{
	*o = (struct producer_opts){
		.acks = -1,
		.linger_ms = -1,
		.delivery_timeout_ms = DELIVERY_TIMEOUT_MS,
		.request_timeout_ms = REQUEST_TIMEOUT_MS,
		.retry_backoff_ms = RETRY_BACKOFF_MS,
		.in_flight = IN_FLIGHT,
		.batch_bytes = BATCH_BYTES,
		.request_bytes = REQUEST_BYTES,
		.memory_bytes = MEMORY_BYTES,
		.codec = CODEC_NONE,
		.idempotence = PRODUCER_IF_POSSIBLE,
		.txn_timeout_ms = TXN_TIMEOUT_MS,
	};
}

void
producer_init(struct producer *p, struct cluster *cl,
	const struct producer_opts *o)
{
	*p = (struct producer){ .cluster = cl, .opts = *o, .id = -1, .epoch = -1,
		.coordinator = -1 };
	list_init(&p->open);
	list_init(&p->ready);
}

static void
batch_free(struct producer_batch *b)
{
	builder_release(&b->builder);
	buf_release(&b->packed);
	mem_free(b);
}

static void
batch_recycle(struct producer *p, struct producer_batch *b)
{
	if (p->nspare < (int)ARRAY_LEN(p->spare))
		p->spare[p->nspare++] = b;
	else
		batch_free(b);
}

static struct producer_batch *
batch_new(struct producer *p)
{
	if (p->nspare > 0) /* the last one used: its bytes may still be cached */
		return p->spare[--p->nspare];
	struct producer_batch *b = NEW(struct producer_batch);
	list_init(&b->link);
	list_init(&b->age);
	return b;
}

static void
part_release(struct producer_part *part)
{
	while (!list_is_empty(&part->queue)) {
		struct producer_batch *b = CONTAINER_OF(part->queue.next, struct producer_batch, link);
		list_unlink(&b->link);
		batch_free(b);
	}
	if (part->open)
		batch_free(part->open);
}

void
producer_release(struct producer *p)
{
	assert(p->nrequest == 0);
	for (int i = 0; i < p->ntopic; i++) {
		for (int32_t k = 0; k < p->topic[i]->npart; k++) {
			part_release(p->topic[i]->part[k]);
			mem_free(p->topic[i]->part[k]);
		}
		mem_free(p->topic[i]->part);
		mem_free(p->topic[i]);
	}
	while (p->nspare > 0)
		batch_free(p->spare[--p->nspare]);
	producer_free_requests(p);
	mem_free(p->topic);
}

void
producer_mark_ready(struct producer_part *part)
{
	struct producer *p = part->topic->producer;
	bool is_ready = part->nqueue > part->nsent && !part->is_draining
		&& !(p->is_idempotent && part->nsent >= PRODUCER_WINDOW);
	p->nchange++;
	if (!is_ready)
		list_unlink(&part->ready);
	else if (list_is_empty(&part->ready))
		list_append(&p->ready, &part->ready);
}

/* Finish the partition's open batch and queue it. */
static void
close_batch(struct producer_part *part)
{
	struct producer_topic *t = part->topic;
	struct producer *p = t->producer;
	struct producer_batch *b = part->open;
	part->open = NULL;
	list_unlink(&b->age);
	p->open_used -= builder_size(&b->builder);
	struct builder_producer number = producer_number_batch(part, b);
	b->bytes = builder_finish(&b->builder, p->opts.codec, &number, &b->packed);
	b->is_sent = false;
	p->used += (size_t)b->bytes.n;
	list_append(&part->queue, &b->link);
	part->nqueue++;
	producer_mark_ready(part);
	if (t->sticky == part->index && t->nlive > 1)
		t->sticky = (t->sticky + 1) % t->nlive;
}

static void
open_batch(struct producer_part *part)
{
	struct producer *p = part->topic->producer;
	struct producer_batch *b = batch_new(p);
	builder_reset(&b->builder);
	p->open_used += builder_size(&b->builder);
	b->part = part;
	b->first = b->last = p->nput + 1;
	b->refused = -1;
	b->born_ms = clock_mono_ms();
	list_append(&p->open, &b->age);
	part->open = b;
}

/* The batch is out of the queue, one way or the other. */
static void
leave_queue(struct producer_batch *b)
{
	struct producer_part *part = b->part;
	list_unlink(&b->link);
	part->nqueue--;
	if (b->is_sent)
		part->nsent--;
	if (part->nsent == 0)
		part->is_draining = false;
	part->topic->producer->used -= (size_t)b->bytes.n;
	producer_mark_ready(part);
}

void
producer_acked(struct producer_batch *b)
{
	struct producer *p = b->part->topic->producer;
	p->nacked += b->builder.count;
	if (b->part->failing_since_ms)
		cluster_say_accepted(p->cluster, &p->refusal);
	b->part->failing_since_ms = 0;
	b->part->is_in_txn = p->is_in_txn;
	leave_queue(b);
	batch_recycle(p, b);
}

void
producer_fail(struct producer *p, int64_t number, const struct err *why)
{
	if (p->is_failed && p->failed_number <= number)
		return;
	p->is_failed = true;
	p->failed_number = number;
	p->err = *why;
}

static void
fail(struct producer *p, const struct producer_batch *b, const struct err *why)
{
	struct err e = *why;
	int64_t number = b->first;
	bool is_run = b->last - b->first == b->builder.count - 1;
	if (b->refused >= 0 && is_run)
		number += b->refused;
	if (b->builder.count == 1 || number > b->first || (b->refused == 0 && is_run))
		err_wrap(&e, "record %lld", (long long)number);
	else if (b->refused >= 0)
		err_wrap(&e, "one of the records %lld to %lld, number %d of those for partition %d of '%s'",
			(long long)b->first, (long long)b->last, b->refused + 1, b->part->index,
			b->part->topic->meta->name);
	else
		err_wrap(&e, "partition %d of '%s'", b->part->index, b->part->topic->meta->name);
	producer_fail(p, number, &e);
}

void
producer_refused(struct producer_batch *b, const struct err *why)
{
	struct producer_part *part = b->part;
	struct producer *p = part->topic->producer;
	int64_t now = clock_mono_ms();
	if (b->is_sent)
		part->nsent--;
	b->is_sent = false;
	part->is_draining = part->nsent > 0;
	if (!part->failing_since_ms) {
		part->failing_since_ms = now;
		part->first = part->last = *why;
	}
	/* The transaction before (which brokers also say with NOT_ENOUGH_REPLICAS),
	 * or the batch before, is not through yet: that is quick, and no matter of
	 * who leads. */
	bool is_busy = why->kafka == KERR_CONCURRENT_TRANSACTIONS
		|| (why->kafka == KERR_NOT_ENOUGH_REPLICAS && p->is_in_txn && !part->is_in_txn);
	bool is_early = why->kafka == KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
	if (!is_early) {
		part->last = *why;
		part->retry_at_ms = now + MAX(is_busy ? MIN(BUSY_BACKOFF_MS, p->opts.retry_backoff_ms)
			: p->opts.retry_backoff_ms, 1);
	}
	struct err e = *why;
	err_wrap(&e, "partition %d of '%s'", part->index, part->topic->meta->name);
	if (why->class == ERR_RETRY && why->kafka && !is_busy && !is_early
		&& !part->topic->meta->error)
		cluster_say_refused(p->cluster, &p->refusal, &e);
	if (why->class != ERR_RETRY) {
		fail(p, b, why);
	} else if (!p->needs_refresh && !is_busy && !is_early) {
		p->needs_refresh = true;
		p->refresh_at_ms = now;
	}
	producer_mark_ready(part);
}

/* Is a request under way to the partition's leader? */
static bool
is_leader_busy(const struct producer *p, const struct producer_part *part)
{
	const struct cluster_node *n = cluster_node(p->cluster,
		part->topic->meta->part[part->index].leader);
	return n && n->conn && n->conn->nwaiting > 0;
}

/* Close open batches whose time has come, if they could be sent: as long as
 * their partition has others to send they may as well be filled on.  Returns
 * when the next one's time comes. */
static int64_t
close_due(struct producer *p, int64_t now_ms)
{
	int linger_ms = p->opts.linger_ms >= 0 ? p->opts.linger_ms : PRODUCER_LINGER_MS;
	/* Else a batch waits only while it grows at no cost: behind a request. */
	bool all_wait = p->opts.linger_ms >= 0 || p->has_more;
	int64_t first = INT64_MAX;
	LIST_EACH(l, &p->open) {
		struct producer_batch *b = CONTAINER_OF(l, struct producer_batch, age);
		struct producer_part *part = b->part;
		int64_t at = b->born_ms + linger_ms;
		if (part->nqueue > part->nsent || part->is_draining || part->nsent >= p->opts.in_flight)
			continue;
		if (at > now_ms && all_wait)
			return at; /* those that follow are younger */
		if (at <= now_ms || !is_leader_busy(p, part))
			close_batch(part);
		else
			first = MIN(first, at);
	}
	return first;
}

/* Also those that were sent, and came back refused. */
void
producer_drop_all(struct producer *p)
{
	assert(p->nrequest == 0);
	for (int i = 0; i < p->ntopic; i++)
		for (int32_t k = 0; k < p->topic[i]->npart; k++) {
			struct producer_part *part = p->topic[i]->part[k];
			if (part->open) {
				list_unlink(&part->open->age);
				p->open_used -= builder_size(&part->open->builder);
				batch_recycle(p, part->open);
				part->open = NULL;
			}
			for (bool is_first = true; !list_is_empty(&part->queue); is_first = false) {
				struct producer_batch *b = CONTAINER_OF(part->queue.next, struct producer_batch, link);
				if (is_first)
					part->sequence = b->sequence;
				leave_queue(b);
				batch_recycle(p, b);
			}
			part->failing_since_ms = part->retry_at_ms = 0;
		}
}

static void
close_all(struct producer *p)
{
	LIST_EACH(l, &p->open)
		close_batch(CONTAINER_OF(l, struct producer_batch, age)->part);
}

/* Ask for metadata, if that is due.  Returns when to ask again. */
static int64_t
refresh(struct producer *p, int64_t now_ms)
{
	struct err e;
	if (p->needs_refresh && p->refresh_at_ms <= now_ms) {
		p->needs_refresh = false;
		if (cluster_refresh(p->cluster, &e) < 0) {
			p->needs_refresh = true;
			p->refresh_at_ms = clock_mono_ms() + p->opts.retry_backoff_ms;
		}
	}
	int64_t at = cluster_keep_fresh(p->cluster);
	return p->needs_refresh ? MIN(p->refresh_at_ms, at) : at;
}

/* What kept it from being delivered.  What came first may be the cause of what came
 * last: a broker whose disk is full stops leading, for one. */
static struct err
not_delivered(const struct producer_part *part)
{
	struct err why = part->last;
	if (part->topic->meta->gone_since_ms)
		err_set(&why, ERR_RETRY, "topic '%s' was deleted", part->topic->meta->name);
	else if (strcmp(part->first.msg, why.msg) != 0 && part->first.kafka)
		err_set(&why, ERR_RETRY, "%.150s; then %.150s", part->first.msg, part->last.msg);
	err_wrap(&why, "not delivered within %d ms", part->topic->producer->opts.delivery_timeout_ms);
	why.class = ERR_RETRY;
	why.kafka = part->first.kafka;
	return why;
}

/* Give up on what has failed for too long.  Returns when the next one will have. */
static int64_t
expire(struct producer *p, int64_t now_ms)
{
	int64_t at = INT64_MAX;
	LIST_EACH(l, &p->ready) {
		struct producer_part *part = CONTAINER_OF(l, struct producer_part, ready);
		if (!part->failing_since_ms)
			continue;
		int64_t end_ms = part->failing_since_ms + p->opts.delivery_timeout_ms;
		at = MIN(at, end_ms);
		if (end_ms > now_ms)
			continue;
		struct err why = not_delivered(part);
		fail(p, CONTAINER_OF(part->queue.next, struct producer_batch, link), &why);
	}
	return at;
}

/* Do what is due.  Returns until when there is nothing more to do, unless an
 * answer comes.  What was done, or came meanwhile, can make more due, and the
 * caller shall see it: then that is at once. */
static int64_t
step(struct producer *p, int64_t now_ms)
{
	int64_t nchange = p->nchange;
	if (p->is_failed)
		return INT64_MAX;
	int64_t at = close_due(p, now_ms);
	at = MIN(at, refresh(p, now_ms));
	producer_update_topics(p);
	if (p->is_idempotent)
		producer_renew_ids(p, now_ms);
	at = MIN(at, producer_send(p, now_ms));
	at = MIN(at, expire(p, now_ms));
	return p->is_failed || p->nchange != nchange ? now_ms : at;
}

void
producer_hurry(struct producer *p, int timeout_ms)
{
	p->opts.delivery_timeout_ms = MIN(p->opts.delivery_timeout_ms, timeout_ms);
}

short
producer_wait(struct producer *p, int fd, short events, int timeout_ms)
{
	int64_t now_ms = clock_mono_ms(), at = step(p, now_ms);
	if (timeout_ms >= 0)
		at = MIN(at, now_ms + timeout_ms);
	int left = at == INT64_MAX ? -1 : (int)MIN(MAX(at - clock_mono_ms(), 0), 1 << 30);
	short got = cluster_wait(p->cluster, fd, events, left);
	if (left != 0)
		step(p, clock_mono_ms());
	return got;
}

/* Wait until there is room for more. */
static int
make_room(struct producer *p, struct err *e)
{
	while (p->used + p->open_used > p->opts.memory_bytes) {
		if (p->is_failed) {
			*e = p->err;
			return -1;
		}
		if (p->used == 0)
			close_all(p);
		producer_wait(p, -1, 0, -1);
		if (p->cluster->is_woken)
			return err_set(e, ERR_RETRY, "interrupted");
	}
	return 0;
}

static int
too_large(struct producer_topic *t, size_t size, struct err *e)
{
	return err_set(e, ERR_LIMIT,
		"record %lld, of %zu bytes, is larger than the topic's max.message.bytes, %zu",
		(long long)t->producer->nput + 1, size, t->message_max);
}

int
producer_put(struct producer_topic *t, int32_t partition,
	int64_t timestamp_ms, struct str key, struct str value,
	struct str headers, int32_t nheader, struct err *e)
{
	struct producer *p = t->producer;
	assert(!p->opts.txn_id || p->is_in_txn);
	if (unlikely(p->is_failed)) {
		*e = p->err;
		return -1;
	}
	size_t size = RECORD_OVERHEAD + (size_t)MAX(key.n, 0)
		+ (size_t)MAX(value.n, 0) + (size_t)MAX(headers.n, 0);
	for (;;) {
		int32_t i = partition >= 0 ? partition
			: key.n >= 0 ? partition_for_key(key, t->nlive) : t->sticky;
		if (unlikely(i >= t->nlive))
			return err_set(e, ERR_USAGE, "topic '%s' has %d partition%s: there is no "
				"partition %d", t->meta->name, t->nlive, units_plural(t->nlive), i);
		struct producer_part *part = t->part[i];
		struct producer_batch *b = part->open;
		if (likely(b && builder_size(&b->builder) + size <= t->batch_bytes)) {
			size_t before = builder_size(&b->builder);
			builder_append(&b->builder, timestamp_ms, key, value, headers, nheader);
			p->open_used += builder_size(&b->builder) - before;
			b->last = ++p->nput;
			return 0;
		}
		if (b && b->builder.count > 0) {
			close_batch(part);
			producer_send(p, clock_mono_ms());
			continue; /* the sticky partition has changed */
		}
		if (t->message_max && p->opts.codec == CODEC_NONE
			&& BATCH_HEADER_SIZE + size - RECORD_OVERHEAD > t->message_max)
			return too_large(t, size - RECORD_OVERHEAD, e);
		if (!b) {
			if (make_room(p, e) < 0)
				return -1;
			open_batch(part);
			b = part->open;
		}
		if (likely(builder_size(&b->builder) + size <= t->batch_bytes))
			continue;
		/* A batch of its own; what the broker says is then final. */
		builder_append(&b->builder, timestamp_ms, key, value, headers, nheader);
		p->open_used += builder_size(&b->builder) - BATCH_HEADER_SIZE;
		p->nput++;
		close_batch(part);
		return 0;
	}
}

int32_t
producer_put_lines(struct producer_topic *t, int32_t partition,
	int64_t timestamp_ms, struct str lines, uint8_t delimiter, int32_t nmax,
	size_t *used)
{
	struct producer *p = t->producer;
	int32_t i = partition >= 0 ? partition : t->sticky;
	struct producer_batch *b = i < t->nlive ? t->part[i]->open : NULL;
	*used = 0;
	if (p->is_failed || !b)
		return 0;
	size_t before = builder_size(&b->builder);
	int32_t n = builder_append_lines(&b->builder, timestamp_ms, lines, delimiter,
		t->batch_bytes, nmax, used);
	if (n)
		p->open_used += builder_size(&b->builder) - before;
	p->nput += n;
	b->last = n ? p->nput : b->last;
	return n;
}

int
producer_flush(struct producer *p, struct err *e)
{
	close_all(p);
	while (p->is_failed ? p->nrequest > 0 : p->used > 0) {
		producer_wait(p, -1, 0, -1);
		if (p->cluster->is_woken)
			return err_set(e, ERR_RETRY, "interrupted");
	}
	if (!p->is_failed)
		return 0;
	*e = p->err;
	return -1;
}

int64_t
producer_next_unacked(const struct producer *p)
{
	int64_t first = p->nput + 1;
	for (int i = 0; i < p->ntopic; i++)
		for (int32_t k = 0; k < p->topic[i]->npart; k++) {
			const struct producer_part *part = p->topic[i]->part[k];
			const struct producer_batch *b = part->open;
			if (!list_is_empty(&part->queue))
				b = CONTAINER_OF(part->queue.next, struct producer_batch, link);
			if (b && b->builder.count > 0)
				first = MIN(first, b->first);
		}
	return first;
}
