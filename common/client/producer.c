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
	RECORD_OVERHEAD = 40, /* largest size of a record's varints; headers excluded */
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
producer_init(struct producer *producer, struct cluster *cl,
	const struct producer_opts *o)
{
	*producer = (struct producer){ .cluster = cl, .opts = *o, .id = -1, .epoch = -1,
		.coordinator = -1, .group_coordinator = -1 };
	list_init(&producer->open);
	list_init(&producer->ready);
}

static void
batch_free(struct producer_batch *batch)
{
	builder_release(&batch->builder);
	buf_release(&batch->packed);
	mem_free(batch);
}

static void
batch_recycle(struct producer *producer, struct producer_batch *batch)
{
	if (producer->nspare < (int)ARRAY_LEN(producer->spare))
		producer->spare[producer->nspare++] = batch;
	else
		batch_free(batch);
}

static struct producer_batch *
batch_new(struct producer *producer)
{
	if (producer->nspare > 0) /* the last one used: its bytes may still be cached */
		return producer->spare[--producer->nspare];
	struct producer_batch *batch = NEW(struct producer_batch);
	list_init(&batch->link);
	list_init(&batch->age);
	return batch;
}

static void
part_release(struct producer_part *part)
{
	while (!list_is_empty(&part->queue)) {
		struct producer_batch *batch = CONTAINER_OF(part->queue.next, struct producer_batch, link);
		list_unlink(&batch->link);
		batch_free(batch);
	}
	if (part->open)
		batch_free(part->open);
}

void
producer_release(struct producer *producer)
{
	assert(producer->nrequest == 0);
	for (int i = 0; i < producer->ntopic; i++) {
		for (int32_t k = 0; k < producer->topic[i]->npart; k++) {
			part_release(producer->topic[i]->part[k]);
			mem_free(producer->topic[i]->part[k]);
		}
		mem_free(producer->topic[i]->part);
		mem_free(producer->topic[i]);
	}
	while (producer->nspare > 0)
		batch_free(producer->spare[--producer->nspare]);
	producer_free_requests(producer);
	mem_free(producer->topic);
	mem_free(producer->group);
}

void
producer_mark_ready(struct producer_part *part)
{
	struct producer *producer = part->topic->producer;
	bool is_ready = part->nqueue > part->nsent && !part->is_draining
		&& !(producer->is_idempotent && part->nsent >= PRODUCER_WINDOW);
	producer->nchange++;
	if (!is_ready)
		list_unlink(&part->ready);
	else if (list_is_empty(&part->ready))
		list_append(&producer->ready, &part->ready);
}

/* Finish the partition's open batch and queue it. */
static void
close_batch(struct producer_part *part)
{
	struct producer_topic *t = part->topic;
	struct producer *producer = t->producer;
	struct producer_batch *batch = part->open;
	part->open = NULL;
	list_unlink(&batch->age);
	producer->open_used -= builder_size(&batch->builder);
	struct builder_producer number = producer_number_batch(part, batch);
	batch->bytes = builder_finish(&batch->builder, producer->opts.codec, &number, &batch->packed);
	batch->is_sent = false;
	producer->used += (size_t)batch->bytes.n;
	list_append(&part->queue, &batch->link);
	part->nqueue++;
	producer_mark_ready(part);
	if (t->sticky == part->index && t->nlive > 1)
		t->sticky = (t->sticky + 1) % t->nlive;
}

static void
open_batch(struct producer_part *part)
{
	struct producer *producer = part->topic->producer;
	struct producer_batch *batch = batch_new(producer);
	builder_reset(&batch->builder);
	producer->open_used += builder_size(&batch->builder);
	batch->part = part;
	batch->first = batch->last = producer->nput + 1;
	batch->refused = -1;
	batch->born_ms = clock_mono_ms();
	list_append(&producer->open, &batch->age);
	part->open = batch;
}

/* Remove a batch from the queue. */
static void
leave_queue(struct producer_batch *batch)
{
	struct producer_part *part = batch->part;
	list_unlink(&batch->link);
	part->nqueue--;
	if (batch->is_sent)
		part->nsent--;
	if (part->nsent == 0)
		part->is_draining = false;
	part->topic->producer->used -= (size_t)batch->bytes.n;
	producer_mark_ready(part);
}

void
producer_acked(struct producer_batch *batch)
{
	struct producer *producer = batch->part->topic->producer;
	producer->nacked += batch->builder.count;
	if (batch->part->failing_since_ms)
		cluster_say_accepted(producer->cluster, &producer->refusal);
	batch->part->failing_since_ms = 0;
	batch->part->is_in_txn = producer->is_in_txn;
	leave_queue(batch);
	batch_recycle(producer, batch);
}

void
producer_fail(struct producer *producer, int64_t number, const struct err *why)
{
	if (producer->is_failed && producer->failed_number <= number)
		return;
	producer->is_failed = true;
	producer->failed_number = number;
	producer->err = *why;
}

static void
fail(struct producer *producer, const struct producer_batch *batch, const struct err *why)
{
	struct err e = *why;
	int64_t number = batch->first;
	bool is_run = batch->last - batch->first == batch->builder.count - 1;
	if (batch->refused >= 0 && is_run)
		number += batch->refused;
	if (batch->builder.count == 1 || number > batch->first || (batch->refused == 0 && is_run))
		err_wrap(&e, "record %lld", (long long)number);
	else if (batch->refused >= 0)
		err_wrap(&e, "one of the records %lld to %lld, number %d of those for partition %d of '%s'",
			(long long)batch->first, (long long)batch->last, batch->refused + 1, batch->part->index,
			batch->part->topic->meta->name);
	else
		err_wrap(&e, "partition %d of '%s'", batch->part->index, batch->part->topic->meta->name);
	producer_fail(producer, number, &e);
}

void
producer_refused(struct producer_batch *batch, const struct err *why)
{
	struct producer_part *part = batch->part;
	struct producer *producer = part->topic->producer;
	int64_t now = clock_mono_ms();
	if (batch->is_sent)
		part->nsent--;
	batch->is_sent = false;
	part->is_draining = part->nsent > 0;
	if (!part->failing_since_ms) {
		part->failing_since_ms = now;
		part->first = part->last = *why;
	}
	/* The previous transaction (brokers report that also as NOT_ENOUGH_REPLICAS), or
	 * the previous batch, is not complete yet: retry soon, and keep the metadata. */
	bool is_busy = why->kafka == KERR_CONCURRENT_TRANSACTIONS
		|| (why->kafka == KERR_NOT_ENOUGH_REPLICAS && producer->is_in_txn && !part->is_in_txn);
	bool is_early = why->kafka == KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
	if (!is_early) {
		part->last = *why;
		int backoff_ms = producer->opts.retry_backoff_ms;
		if (is_busy)
			backoff_ms = MIN(backoff_ms, BUSY_BACKOFF_MS);
		part->retry_at_ms = now + MAX(backoff_ms, 1);
	}
	struct err e = *why;
	err_wrap(&e, "partition %d of '%s'", part->index, part->topic->meta->name);
	if (why->class == ERR_RETRY && why->kafka && !is_busy && !is_early
		&& !part->topic->meta->error)
		cluster_say_refused(producer->cluster, &producer->refusal, &e);
	if (why->class != ERR_RETRY) {
		fail(producer, batch, why);
	} else if (!producer->needs_refresh && !is_busy && !is_early) {
		producer->needs_refresh = true;
		producer->refresh_at_ms = now;
	}
	producer_mark_ready(part);
}

/* Is a request to the partition's leader under way? */
static bool
is_leader_busy(const struct producer *producer, const struct producer_part *part)
{
	const struct cluster_node *node = cluster_node(producer->cluster,
		part->topic->meta->part[part->index].leader);
	return node && node->conn && node->conn->nwaiting > 0;
}

/* Close open batches that are due, if they can be sent: while their partition has others
 * to send, they continue to be filled.  Returns when the next batch is due. */
static int64_t
close_due(struct producer *producer, int64_t now_ms)
{
	int linger_ms = producer->opts.linger_ms >= 0 ? producer->opts.linger_ms : PRODUCER_LINGER_MS;
	/* Otherwise a batch waits only while a request to its leader is under way. */
	bool all_wait = producer->opts.linger_ms >= 0 || producer->has_more;
	int64_t first = INT64_MAX;
	LIST_EACH(it, &producer->open) {
		struct producer_batch *batch = CONTAINER_OF(it, struct producer_batch, age);
		struct producer_part *part = batch->part;
		int64_t at = batch->born_ms + linger_ms;
		if (part->nqueue > part->nsent || part->is_draining
			|| part->nsent >= producer->opts.in_flight)
			continue;
		if (at > now_ms && all_wait)
			return at; /* the following ones are younger */
		if (at <= now_ms || !is_leader_busy(producer, part))
			close_batch(part);
		else
			first = MIN(first, at);
	}
	return first;
}

void
producer_drop_all(struct producer *producer)
{
	assert(producer->nrequest == 0);
	for (int i = 0; i < producer->ntopic; i++)
		for (int32_t k = 0; k < producer->topic[i]->npart; k++) {
			struct producer_part *part = producer->topic[i]->part[k];
			if (part->open) {
				list_unlink(&part->open->age);
				producer->open_used -= builder_size(&part->open->builder);
				batch_recycle(producer, part->open);
				part->open = NULL;
			}
			for (bool is_first = true; !list_is_empty(&part->queue); is_first = false) {
				struct producer_batch *batch
					= CONTAINER_OF(part->queue.next, struct producer_batch, link);
				if (is_first) /* it may have been sent before */
					part->sequence = batch->sequence;
				leave_queue(batch);
				batch_recycle(producer, batch);
			}
			part->failing_since_ms = part->retry_at_ms = 0;
		}
}

static void
close_all(struct producer *producer)
{
	LIST_EACH(it, &producer->open)
		close_batch(CONTAINER_OF(it, struct producer_batch, age)->part);
}

/* Refresh the metadata if that is due.  Returns when to do it again. */
static int64_t
refresh(struct producer *producer, int64_t now_ms)
{
	struct err e;
	if (producer->needs_refresh && producer->refresh_at_ms <= now_ms) {
		producer->needs_refresh = false;
		if (cluster_refresh(producer->cluster, &e) < 0) {
			producer->needs_refresh = true;
			producer->refresh_at_ms = clock_mono_ms() + producer->opts.retry_backoff_ms;
		}
	}
	int64_t at = cluster_keep_fresh(producer->cluster);
	return producer->needs_refresh ? MIN(producer->refresh_at_ms, at) : at;
}

/* The reason why a partition's batches were not delivered.  The first failure may be the
 * cause of the last one: for example, a broker whose disk is full stops leading. */
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

/* Fail if a partition has failed for delivery_timeout_ms.  Returns when the next one will. */
static int64_t
expire(struct producer *producer, int64_t now_ms)
{
	int64_t at = INT64_MAX;
	LIST_EACH(it, &producer->ready) {
		struct producer_part *part = CONTAINER_OF(it, struct producer_part, ready);
		if (!part->failing_since_ms)
			continue;
		int64_t end_ms = part->failing_since_ms + producer->opts.delivery_timeout_ms;
		at = MIN(at, end_ms);
		if (end_ms > now_ms)
			continue;
		struct err why = not_delivered(part);
		fail(producer, CONTAINER_OF(part->queue.next, struct producer_batch, link), &why);
	}
	return at;
}

/* Do what is due.  Returns the time of the next work, or now_ms if this step itself
 * created more. */
static int64_t
step(struct producer *producer, int64_t now_ms)
{
	int64_t nchange = producer->nchange;
	if (producer->is_failed)
		return INT64_MAX;
	int64_t at = close_due(producer, now_ms);
	at = MIN(at, refresh(producer, now_ms));
	producer_update_topics(producer);
	if (producer->is_idempotent)
		producer_renew_ids(producer, now_ms);
	at = MIN(at, producer_send(producer, now_ms));
	at = MIN(at, expire(producer, now_ms));
	return producer->is_failed || producer->nchange != nchange ? now_ms : at;
}

void
producer_hurry(struct producer *producer, int timeout_ms)
{
	producer->opts.delivery_timeout_ms = MIN(producer->opts.delivery_timeout_ms, timeout_ms);
}

short
producer_wait(struct producer *producer, int fd, short events, int timeout_ms)
{
	int64_t now_ms = clock_mono_ms(), at = step(producer, now_ms);
	if (timeout_ms >= 0)
		at = MIN(at, now_ms + timeout_ms);
	int left = at == INT64_MAX ? -1 : (int)MIN(MAX(at - clock_mono_ms(), 0), 1 << 30);
	short got = cluster_await(producer->cluster, fd, events, left);
	if (left != 0)
		step(producer, clock_mono_ms());
	return got;
}

/* Wait until less than memory_bytes are in use. */
static int
wait_for_memory(struct producer *producer, struct err *e)
{
	while (producer->used + producer->open_used > producer->opts.memory_bytes) {
		if (producer->is_failed) {
			*e = producer->err;
			return -1;
		}
		if (producer->used == 0)
			close_all(producer);
		producer_wait(producer, -1, 0, -1);
		if (producer->cluster->is_woken)
			return err_set(e, ERR_RETRY, "interrupted");
	}
	return 0;
}

static int
too_large(struct producer_topic *t, size_t size, struct err *e)
{
	err_set(e, ERR_LIMIT,
		"record %lld, of %zu bytes, is larger than the topic's max.message.bytes, %zu",
		(long long)t->producer->nput + 1, size, t->message_max);
	e->kafka = KERR_MESSAGE_TOO_LARGE;
	return -1;
}

int
producer_check_time(struct producer_topic *t, int64_t timestamp_ms, struct err *e)
{
	if (likely(timestamp_ms <= t->ahead_ms))
		return 0;
	int64_t now = clock_ms();
	t->ahead_ms = t->ahead_max_ms > INT64_MAX - now ? INT64_MAX : now + t->ahead_max_ms;
	if (timestamp_ms <= t->ahead_ms)
		return 0;
	return err_set(e, ERR_LIMIT, "the record's time, %lld ms, is ahead of the clock by more than "
		"the topic's message.timestamp.after.max.ms, %lld", (long long)timestamp_ms,
		(long long)t->ahead_max_ms);
}

int
producer_put(struct producer_topic *t, int32_t partition,
	int64_t timestamp_ms, struct str key, struct str value,
	struct str headers, int32_t nheader, struct err *e)
{
	struct producer *producer = t->producer;
	assert(!producer->opts.txn_id || producer->is_in_txn);
	if (unlikely(producer->is_failed)) {
		*e = producer->err;
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
		struct producer_batch *batch = part->open;
		if (likely(batch && builder_size(&batch->builder) + size <= t->batch_bytes)) {
			size_t before = builder_size(&batch->builder);
			builder_append(&batch->builder, timestamp_ms, key, value, headers, nheader);
			producer->open_used += builder_size(&batch->builder) - before;
			batch->last = ++producer->nput;
			return 0;
		}
		if (batch && batch->builder.count > 0) {
			close_batch(part);
			producer_send(producer, clock_mono_ms());
			continue; /* the sticky partition may have changed */
		}
		if (t->message_max && producer->opts.codec == CODEC_NONE
			&& BATCH_HEADER_SIZE + size - RECORD_OVERHEAD > t->message_max)
			return too_large(t, size - RECORD_OVERHEAD, e);
		if (!batch) {
			if (wait_for_memory(producer, e) < 0)
				return -1;
			open_batch(part);
			batch = part->open;
		}
		if (likely(builder_size(&batch->builder) + size <= t->batch_bytes))
			continue;
		/* Send it in a batch of its own, and let the broker decide. */
		builder_append(&batch->builder, timestamp_ms, key, value, headers, nheader);
		producer->open_used += builder_size(&batch->builder) - BATCH_HEADER_SIZE;
		producer->nput++;
		close_batch(part);
		return 0;
	}
}

int32_t
producer_put_lines(struct producer_topic *t, int32_t partition,
	int64_t timestamp_ms, struct str lines, uint8_t delimiter, int32_t nmax,
	size_t *used)
{
	struct producer *producer = t->producer;
	int32_t i = partition >= 0 ? partition : t->sticky;
	struct producer_batch *batch = i < t->nlive ? t->part[i]->open : NULL;
	*used = 0;
	if (producer->is_failed || !batch)
		return 0;
	size_t before = builder_size(&batch->builder);
	int32_t n = builder_append_lines(&batch->builder, timestamp_ms, lines, delimiter,
		t->batch_bytes, nmax, used);
	if (n)
		producer->open_used += builder_size(&batch->builder) - before;
	producer->nput += n;
	batch->last = n ? producer->nput : batch->last;
	return n;
}

int
producer_flush(struct producer *producer, struct err *e)
{
	close_all(producer);
	while (producer->is_failed ? producer->nrequest > 0 : producer->used > 0) {
		producer_wait(producer, -1, 0, -1);
		if (producer->cluster->is_woken)
			return err_set(e, ERR_RETRY, "interrupted");
	}
	if (!producer->is_failed)
		return 0;
	*e = producer->err;
	return -1;
}

int64_t
producer_next_unacked(const struct producer *producer)
{
	int64_t first = producer->nput + 1;
	for (int i = 0; i < producer->ntopic; i++)
		for (int32_t k = 0; k < producer->topic[i]->npart; k++) {
			const struct producer_part *part = producer->topic[i]->part[k];
			const struct producer_batch *batch = part->open;
			if (!list_is_empty(&part->queue))
				batch = CONTAINER_OF(part->queue.next, struct producer_batch, link);
			if (batch && batch->builder.count > 0)
				first = MIN(first, batch->first);
		}
	return first;
}
