#include "kq-broker/partition.h"

#include "kq-broker/broker.h"
#include "kq-broker/descriptors.h"

#include "log/prodstate.h"
#include "text/say.h"
#include "wire/kerr.h"

#include <stdio.h>

/* With acks=1 or durability "os" nobody asks for syncs.  So many bytes in all
 * partitions together, unsynced, bound what a stop has to write and a start after
 * a crash has to read; past that, whoever appends has its own share synced if it is
 * large enough to be worth it.  Not more often: while a sync writes, ext4 holds up
 * appends to the file. */
enum {
	UNSYNCED_MAX = 1 << 30,
	UNSYNCED_SHARE = 4 << 20,
};

void
topic_config_put(struct topic_config *c)
{
	if (c && atomic_fetch_sub(&c->refs, 1) == 1)
		mem_free(c);
}

struct partition *
partition_new(struct broker *b, const char *topic, const struct uuid *id,
	int32_t index, struct topic_config *config,
	const struct partlog_state *state, int64_t high_watermark)
{
	struct partition *p = NEW(struct partition);
	atomic_init(&p->refs, 1);
	p->index = index;
	p->broker = b;
	p->topic = mem_strdup(topic);
	p->topic_id = *id;
	pthread_mutex_init(&p->lock, NULL);
	atomic_fetch_add(&config->refs, 1);
	p->config = config;
	list_init(&p->acks);
	list_init(&p->fetchers);
	list_init(&p->stable_fetchers);
	char name[300];
	snprintf(name, sizeof name, "%s-%d", topic, index);
	partlog_init(&p->log, b->data_fd, name, id, &config->log, state);
	p->high_watermark = MAX(MIN(high_watermark, p->log.next_offset),
		p->log.log_start_offset);
	return p;
}

struct partition *
partition_get(struct partition *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void
partition_put(struct partition *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	assert(list_is_empty(&p->acks) && list_is_empty(&p->fetchers));
	assert(list_is_empty(&p->stable_fetchers));
	atomic_fetch_sub_explicit(&p->broker->unsynced_size, p->unsynced_size, memory_order_relaxed);
	partlog_release(&p->log);
	topic_config_put(p->config);
	pthread_mutex_destroy(&p->lock);
	mem_free(p->topic);
	mem_free(p);
}

/* --- waiting --- */

static void
wake(struct list *fetchers)
{
	while (!list_is_empty(fetchers)) {
		struct fetch_wait *w = CONTAINER_OF(fetchers->next, struct fetch_wait, link);
		list_unlink(&w->link);
		if (!atomic_exchange(&w->waker->is_posted, true))
			loop_post(w->waker->loop, &w->waker->task);
	}
}

int64_t
partition_read_limit(struct partition *p, bool is_stable)
{
	struct err e;
	int64_t offset = p->high_watermark;
	if (!is_stable || partlog_stable_offset(&p->log, p->high_watermark, &offset, &e) == 0)
		return offset;
	log_bounded(LOG_ERROR, "opening %s-%d failed: %s", p->topic, p->index, e.msg);
	return -1;
}

/* The high watermark is where the log ends, now. */
static void
move_high_watermark(struct partition *p)
{
	p->high_watermark = p->log.next_offset;
	wake(&p->fetchers);
	int64_t stable = partition_read_limit(p, true);
	if (stable != p->stable_offset)
		wake(&p->stable_fetchers);
	p->stable_offset = stable;
}

/* All before it is committed. */
static int64_t
committed_offset(const struct partition *p)
{
	return p->config->is_durable && p->log.root_fd >= 0
		? MIN(p->high_watermark, p->log.synced_offset)
		: p->high_watermark;
}

static void
finish_ack(struct ack_wait *w, int16_t error)
{
	list_unlink(&w->link);
	w->error = error;
	loop_post(w->loop, &w->task);
}

static void
release_acks(struct partition *p)
{
	int64_t committed = committed_offset(p);
	while (!list_is_empty(&p->acks)) {
		struct ack_wait *w = CONTAINER_OF(p->acks.next, struct ack_wait, link);
		if (w->end_offset > committed)
			break;
		finish_ack(w, KERR_NONE);
	}
}

static void
fail_acks(struct partition *p, int16_t error)
{
	while (!list_is_empty(&p->acks))
		finish_ack(CONTAINER_OF(p->acks.next, struct ack_wait, link), error);
}

bool
partition_cancel_ack(struct ack_wait *w)
{
	pthread_mutex_lock(&w->partition->lock);
	bool was_in = !list_is_empty(&w->link);
	list_unlink(&w->link);
	pthread_mutex_unlock(&w->partition->lock);
	return was_in;
}

void
partition_cancel_fetch(struct fetch_wait *w)
{
	pthread_mutex_lock(&w->partition->lock);
	list_unlink(&w->link);
	pthread_mutex_unlock(&w->partition->lock);
}

bool
partition_wait(struct partition *p, struct fetch_wait *w, int64_t seen)
{
	list_init(&w->link);
	pthread_mutex_lock(&p->lock);
	bool same = !p->is_deleted && partition_read_limit(p, w->is_stable) == seen;
	if (same && w->is_stable)
		p->stable_offset = seen;
	if (same)
		list_append(w->is_stable ? &p->stable_fetchers : &p->fetchers, &w->link);
	pthread_mutex_unlock(&p->lock);
	return same;
}

/* --- syncing: one sync under way, the next shares what arrives meanwhile --- */

struct partition_sync {
	struct sync_job job;
	struct sync_turn turn;
	struct partlog_sync range;
	struct partition *partition;
	struct syncer *syncer;
};

_Static_assert((int)PARTLOG_SYNC_FD_MAX <= (int)SYNC_JOB_FILES_MAX, "a range fits in a job");

static void begin_sync(struct partition *p, struct syncer *y);

/* Under the lock: the answers that a sync has made ready. */
static void
settle_acks(struct partition *p)
{
	if (p->log.is_failed)
		fail_acks(p, KERR_KAFKA_STORAGE_ERROR);
	else
		release_acks(p);
}

static void
end_sync(struct partition_sync *s)
{
	partition_put(s->partition);
	mem_free(s);
}

static void
sync_is_done(struct sync_job *job)
{
	struct partition_sync *s = CONTAINER_OF(job, struct partition_sync, job);
	struct partition *p = s->partition;
	s->range.result = job->result;
	pthread_mutex_lock(&p->lock);
	partlog_sync_end(&p->log, &s->range);
	syncer_give_back(s->syncer, job->nfd);
	p->is_syncing = false;
	settle_acks(p);
	if (!list_is_empty(&p->acks))
		begin_sync(p, s->syncer);
	pthread_mutex_unlock(&p->lock);
	int failure = s->range.result ? s->range.result : s->range.not_opened;
	if (failure)
		broker_disk_failed(p->broker, p->topic, p->index, failure);
	end_sync(s);
}

/* Open what is to be synced and have it synced; files are reserved for it.  Under
 * the lock.  False: nothing is to be done, s has to end. */
static bool
run_sync(struct partition_sync *s)
{
	struct partition *p = s->partition;
	int r = partlog_sync_begin(&p->log, &s->range);
	if (r < 0) {
		log_bounded(LOG_WARN, "out of descriptors; syncs wait: " RAISE_FILE_LIMIT);
		syncer_postpone(s->syncer, &s->turn);
		return true;
	}
	if (r == 0) {
		syncer_give_back(s->syncer, SYNC_JOB_FILES_MAX);
		p->is_syncing = false;
		settle_acks(p);
		return false;
	}
	atomic_fetch_sub_explicit(&p->broker->unsynced_size, p->unsynced_size, memory_order_relaxed);
	p->unsynced_size = 0;
	s->job.done = sync_is_done;
	s->job.nfd = partlog_sync_fds(&s->range, s->job.fd);
	syncer_give_back(s->syncer, SYNC_JOB_FILES_MAX - s->job.nfd);
	syncer_submit(s->syncer, &s->job);
	return true;
}

static void
on_turn(struct sync_turn *turn)
{
	struct partition_sync *s = CONTAINER_OF(turn, struct partition_sync, turn);
	struct partition *p = s->partition;
	pthread_mutex_lock(&p->lock);
	bool goes_on = run_sync(s);
	pthread_mutex_unlock(&p->lock);
	if (!goes_on)
		end_sync(s);
}

/* Under the lock. */
static void
begin_sync(struct partition *p, struct syncer *y)
{
	if (p->is_syncing)
		return;
	struct partition_sync *s = NEW(struct partition_sync);
	p->is_syncing = true;
	s->partition = partition_get(p);
	s->syncer = y;
	s->turn.fn = on_turn;
	if (syncer_reserve(y, &s->turn) && !run_sync(s))
		end_sync(s); /* whoever has the lock has a reference, too */
}

/* --- appending --- */

static int16_t
refuse(struct append_result *result, int16_t error, const char *message)
{
	result->error = error;
	result->message = message;
	return error;
}

static void
refuse_producer(struct append_result *result, enum prodstate_verdict v)
{
	static const struct {
		int16_t error;
		const char *message;
	} refusals[] = {
		[PRODSTATE_OLD_EPOCH] = { KERR_INVALID_PRODUCER_EPOCH,
			"a producer of the same id has written with a newer epoch" },
		[PRODSTATE_OUT_OF_ORDER] = { KERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
			"the sequence number does not follow the last one" },
		[PRODSTATE_NO_TXN] = { KERR_INVALID_TXN_STATE,
			"the producer's transaction here does not allow for this batch" },
		[PRODSTATE_OLD_COORDINATOR] = { KERR_TRANSACTION_COORDINATOR_FENCED,
			"a newer coordinator has ended transactions here" },
		/* One that a producer tries again after. */
		[PRODSTATE_FULL] = { KERR_THROTTLING_QUOTA_EXCEEDED,
			"too many transactions are open in this partition" },
	};
	refuse(result, refusals[v].error, refusals[v].message);
}

/* What the producer's state says.  True: go on; else the result says why not,
 * or is that of the same batch before, with *end_offset. */
static bool
check_producer(struct partition *p, const struct append_from *from, const struct batch *b,
	struct append_result *result, int64_t *end_offset)
{
	struct err e;
	struct prodstate_batch seen;
	int64_t guard = from->guard;
	struct prodstate *s = partlog_producers(&p->log, &e);
	if (!s) {
		log_bounded(LOG_ERROR, "opening %s-%d failed: %s", p->topic, p->index, e.msg);
		refuse(result, KERR_KAFKA_STORAGE_ERROR, "the partition's log could not be opened");
		return false;
	}
	prodstate_expire(s, from->wall_ms, p->config->producer_expiration_ms);
	enum prodstate_verdict v = prodstate_check(s, b, from->is_coordinator, from->wall_ms,
		&guard, &seen);
	switch (v) {
	case PRODSTATE_GOOD:
		return true;
	case PRODSTATE_DUPLICATE:
		if (p->broker->fault == FAULT_ACCEPT_DUPLICATES)
			return true;
		result->base_offset = seen.last_offset - seen.offset_delta;
		result->log_append_ms = seen.timestamp;
		result->log_start_offset = p->log.log_start_offset;
		*end_offset = seen.last_offset + 1;
		return false;
	case PRODSTATE_VERIFY:
		result->guard = guard;
		return false;
	default:
		refuse_producer(result, v);
		return false;
	}
}

/* The answer waits until all before the end offset is committed.  One that was
 * sent again may wait for less than those who came between. */
static void
wait_for(struct partition *p, struct ack_wait *ack, int64_t end_offset, struct syncer *y,
	struct append_result *result)
{
	if (committed_offset(p) >= end_offset)
		return;
	struct list *behind = p->acks.prev;
	while (behind != &p->acks &&
		CONTAINER_OF(behind, struct ack_wait, link)->end_offset > end_offset)
		behind = behind->prev;
	ack->end_offset = end_offset;
	list_init(&ack->link);
	list_append(behind->next, &ack->link);
	result->must_wait = true;
	begin_sync(p, y);
}

static void
note_unsynced(struct partition *p, size_t size)
{
	if (p->log.root_fd < 0)
		return;
	p->unsynced_size += (int64_t)size;
	atomic_fetch_add_explicit(&p->broker->unsynced_size, (int64_t)size, memory_order_relaxed);
}

static bool
is_too_much_unsynced(const struct partition *p)
{
	return p->unsynced_size >= UNSYNCED_SHARE
		&& atomic_load_explicit(&p->broker->unsynced_size, memory_order_relaxed) > UNSYNCED_MAX;
}

/* Under the lock, after a good append. */
static void
after_append(struct partition *p, struct syncer *y, struct ack_wait *ack, int64_t base_offset,
	size_t size, struct append_result *result)
{
	result->base_offset = base_offset;
	result->log_start_offset = p->log.log_start_offset;
	note_unsynced(p, size);
	/* The only in-sync replica is this one. */
	move_high_watermark(p);
	if (ack)
		wait_for(p, ack, p->log.next_offset, y, result);
	else if (is_too_much_unsynced(p))
		begin_sync(p, y);
}

static void
disk_refused(struct partition *p, struct append_result *result, const struct err *e)
{
	refuse(result, KERR_KAFKA_STORAGE_ERROR, "the broker could not write to its disk");
	log_bounded(LOG_ERROR, "append to %s-%d failed: %s", p->topic, p->index, e->msg);
}

/* Is the partition one to append to?  Under the lock. */
static int16_t
check_state(const struct partition *p, struct append_result *result)
{
	if (p->is_deleted)
		return refuse(result, KERR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
	if (p->log.is_failed)
		return refuse(result, KERR_KAFKA_STORAGE_ERROR,
			"the partition's log has failed; see the broker's log");
	return KERR_NONE;
}

static void
append_locked(struct partition *p, const struct append_from *from, uint8_t *b,
	struct batch *batch, struct ack_wait *ack, struct append_result *result)
{
	struct err e;
	int64_t now_ms = from->wall_ms, end_offset = -1;
	if (check_state(p, result) != KERR_NONE)
		return;
	/* What is written in a transaction counts when that has been committed:
	 * the coordinator waits for the disk before it does (coordinator.h).  But
	 * for duplicates there have to be answers that a kill comes before. */
	if (!from->is_coordinator && (batch->attributes & BATCH_TRANSACTIONAL)
		&& p->broker->fault != FAULT_ACCEPT_DUPLICATES)
		ack = NULL;
	if (batch->producer_id >= 0 && !check_producer(p, from, batch, result, &end_offset)) {
		if (end_offset >= 0 && ack)
			wait_for(p, ack, end_offset, from->syncer, result);
		return;
	}
	if (p->config->is_log_append_time) {
		batch_set_log_append_time(b, now_ms);
		batch_parse(batch, b);
		result->log_append_ms = now_ms;
	}
	if (partlog_append(&p->log, b, batch, p->broker->leader_epoch, now_ms, &e) < 0)
		disk_refused(p, result, &e);
	else
		after_append(p, from->syncer, ack, batch->base_offset, (size_t)batch->size, result);
}

void
partition_append(struct partition *p, const struct append_from *from, uint8_t *b,
	struct ack_wait *ack, struct append_result *result)
{
	*result = (struct append_result){ .base_offset = -1, .log_append_ms = -1,
		.log_start_offset = -1 };
	struct batch batch;
	bool is_batch = batch_parse(&batch, b);
	assert(is_batch);
	pthread_mutex_lock(&p->lock);
	append_locked(p, from, b, &batch, ack, result);
	pthread_mutex_unlock(&p->lock);
	if (result->error == KERR_NONE)
		broker_note_append(p->broker);
}

static void
append_marker_locked(struct partition *p, const struct append_from *from,
	const struct partlog_marker *m, struct ack_wait *ack, struct append_result *result)
{
	struct err e;
	if (check_state(p, result) != KERR_NONE)
		return;
	struct prodstate *s = partlog_producers(&p->log, &e);
	if (!s) {
		disk_refused(p, result, &e);
		return;
	}
	enum prodstate_verdict v = prodstate_check_marker(s, m->producer_id, m->producer_epoch,
		m->coordinator_epoch);
	if (v != PRODSTATE_GOOD) {
		refuse_producer(result, v);
		return;
	}
	int64_t offset = p->log.next_offset;
	if (partlog_append_marker(&p->log, m, p->broker->leader_epoch, from->wall_ms, &e) < 0)
		disk_refused(p, result, &e);
	else
		after_append(p, from->syncer, ack, offset, BATCH_HEADER_SIZE, result);
}

void
partition_append_marker(struct partition *p, const struct append_from *from,
	int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch,
	bool is_commit, struct ack_wait *ack, struct append_result *result)
{
	*result = (struct append_result){ .base_offset = -1, .log_append_ms = -1,
		.log_start_offset = -1 };
	struct partlog_marker m = { producer_id, producer_epoch, coordinator_epoch, is_commit };
	pthread_mutex_lock(&p->lock);
	append_marker_locked(p, from, &m, ack, result);
	pthread_mutex_unlock(&p->lock);
	if (result->error == KERR_NONE)
		broker_note_append(p->broker);
}

bool
partition_wait_committed(struct partition *p, struct syncer *y, struct ack_wait *w)
{
	bool must_wait = false;
	list_init(&w->link);
	pthread_mutex_lock(&p->lock);
	w->end_offset = p->log.next_offset;
	w->error = p->is_deleted ? KERR_UNKNOWN_TOPIC_OR_PARTITION
		: p->log.is_failed ? KERR_KAFKA_STORAGE_ERROR : KERR_NONE;
	if (!w->error && committed_offset(p) < w->end_offset) {
		must_wait = true;
		list_append(&p->acks, &w->link);
		begin_sync(p, y);
	}
	pthread_mutex_unlock(&p->lock);
	return must_wait;
}

bool
partition_is_committed(struct partition *p)
{
	pthread_mutex_lock(&p->lock);
	bool is = committed_offset(p) >= p->log.next_offset;
	pthread_mutex_unlock(&p->lock);
	return is;
}

void
partition_mark_deleted(struct partition *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_deleted = true;
	wake(&p->fetchers);
	wake(&p->stable_fetchers);
	fail_acks(p, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	pthread_mutex_unlock(&p->lock);
}

struct topic_config *
partition_config(struct partition *p)
{
	pthread_mutex_lock(&p->lock);
	struct topic_config *c = p->config;
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&p->lock);
	return c;
}

int64_t
partition_log_start(struct partition *p)
{
	pthread_mutex_lock(&p->lock);
	int64_t offset = p->log.log_start_offset;
	pthread_mutex_unlock(&p->lock);
	return offset;
}

void
partition_set_config(struct partition *p, struct topic_config *config)
{
	atomic_fetch_add(&config->refs, 1);
	pthread_mutex_lock(&p->lock);
	struct topic_config *old = p->config;
	p->config = config;
	p->log.config = &config->log;
	release_acks(p); /* durability may have become "os" */
	pthread_mutex_unlock(&p->lock);
	topic_config_put(old);
}
