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
topic_config_put(struct topic_config *config)
{
	if (config && atomic_fetch_sub(&config->refs, 1) == 1)
		mem_free(config);
}

struct partition *
partition_new(struct broker *broker, const char *topic, const struct uuid *id,
	int32_t index, struct topic_config *config,
	const struct partlog_state *state, int64_t high_watermark)
{
	struct partition *part = NEW(struct partition);
	atomic_init(&part->refs, 1);
	part->index = index;
	part->broker = broker;
	part->topic = mem_strdup(topic);
	part->topic_id = *id;
	pthread_mutex_init(&part->lock, NULL);
	atomic_fetch_add(&config->refs, 1);
	part->config = config;
	list_init(&part->acks);
	list_init(&part->fetchers);
	list_init(&part->stable_fetchers);
	char name[300];
	snprintf(name, sizeof name, "%s-%d", topic, index);
	partlog_init(&part->log, broker->dir.fd, name, id, &config->log, state);
	part->high_watermark = MAX(MIN(high_watermark, part->log.next_offset),
		part->log.log_start_offset);
	return part;
}

struct partition *
partition_get(struct partition *part)
{
	atomic_fetch_add_explicit(&part->refs, 1, memory_order_relaxed);
	return part;
}

void
partition_put(struct partition *part)
{
	if (!part || atomic_fetch_sub(&part->refs, 1) != 1)
		return;
	assert(list_is_empty(&part->acks) && list_is_empty(&part->fetchers));
	assert(list_is_empty(&part->stable_fetchers));
	atomic_fetch_sub_explicit(&part->broker->unsynced_size, part->unsynced_size, memory_order_relaxed);
	partlog_release(&part->log);
	topic_config_put(part->config);
	pthread_mutex_destroy(&part->lock);
	mem_free(part->topic);
	mem_free(part);
}

/* --- waiting --- */

static void
wake(struct list *fetchers)
{
	while (!list_is_empty(fetchers)) {
		struct fetch_wait *wait = CONTAINER_OF(fetchers->next, struct fetch_wait, link);
		list_unlink(&wait->link);
		if (!atomic_exchange(&wait->waker->is_posted, true))
			loop_post(wait->waker->loop, &wait->waker->task);
	}
}

int64_t
partition_read_limit(struct partition *part, bool is_stable)
{
	struct err e;
	int64_t offset = part->high_watermark;
	if (!is_stable || partlog_stable_offset(&part->log, part->high_watermark, &offset, &e) == 0)
		return offset;
	log_bounded(LOG_ERROR, "opening %s-%d failed: %s", part->topic, part->index, e.msg);
	return -1;
}

/* The high watermark is where the log ends, now. */
static void
move_high_watermark(struct partition *part)
{
	part->high_watermark = part->log.next_offset;
	wake(&part->fetchers);
	int64_t stable = partition_read_limit(part, true);
	if (stable != part->stable_offset)
		wake(&part->stable_fetchers);
	part->stable_offset = stable;
}

/* All before it is committed. */
static int64_t
committed_offset(const struct partition *part)
{
	return part->config->is_durable && part->log.root_fd >= 0
		? MIN(part->high_watermark, part->log.synced_offset)
		: part->high_watermark;
}

static void
finish_ack(struct ack_wait *wait, int16_t error)
{
	list_unlink(&wait->link);
	wait->error = error;
	loop_post(wait->loop, &wait->task);
}

static void
release_acks(struct partition *part)
{
	int64_t committed = committed_offset(part);
	while (!list_is_empty(&part->acks)) {
		struct ack_wait *wait = CONTAINER_OF(part->acks.next, struct ack_wait, link);
		if (wait->end_offset > committed)
			break;
		finish_ack(wait, KERR_NONE);
	}
}

static void
fail_acks(struct partition *part, int16_t error)
{
	while (!list_is_empty(&part->acks))
		finish_ack(CONTAINER_OF(part->acks.next, struct ack_wait, link), error);
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
partition_cancel_fetch(struct fetch_wait *wait)
{
	pthread_mutex_lock(&wait->partition->lock);
	list_unlink(&wait->link);
	pthread_mutex_unlock(&wait->partition->lock);
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

static void begin_sync(struct partition *part, struct syncer *syncer);

/* Under the lock: the answers that a sync has made ready. */
static void
settle_acks(struct partition *part)
{
	if (part->log.is_failed)
		fail_acks(part, KERR_KAFKA_STORAGE_ERROR);
	else
		release_acks(part);
}

static void
end_sync(struct partition_sync *sync)
{
	partition_put(sync->partition);
	mem_free(sync);
}

static void
sync_is_done(struct sync_job *job)
{
	struct partition_sync *sync = CONTAINER_OF(job, struct partition_sync, job);
	struct partition *part = sync->partition;
	sync->range.result = job->result;
	pthread_mutex_lock(&part->lock);
	partlog_sync_end(&part->log, &sync->range);
	syncer_give_back(sync->syncer, job->nfd);
	part->is_syncing = false;
	settle_acks(part);
	if (!list_is_empty(&part->acks))
		begin_sync(part, sync->syncer);
	pthread_mutex_unlock(&part->lock);
	int failure = sync->range.result ? sync->range.result : sync->range.not_opened;
	if (failure)
		broker_disk_failed(part->broker, part->topic, part->index, failure);
	end_sync(sync);
}

/* Open what is to be synced and have it synced; files are reserved for it.  Under
 * the lock.  False: nothing is to be done, s has to end. */
static bool
run_sync(struct partition_sync *sync)
{
	struct partition *part = sync->partition;
	int r = partlog_sync_begin(&part->log, &sync->range);
	if (r < 0) {
		log_bounded(LOG_WARN, "out of descriptors; syncs wait: " RAISE_FILE_LIMIT);
		syncer_postpone(sync->syncer, &sync->turn);
		return true;
	}
	if (r == 0) {
		syncer_give_back(sync->syncer, SYNC_JOB_FILES_MAX);
		part->is_syncing = false;
		settle_acks(part);
		return false;
	}
	atomic_fetch_sub_explicit(&part->broker->unsynced_size, part->unsynced_size, memory_order_relaxed);
	part->unsynced_size = 0;
	sync->job.done = sync_is_done;
	sync->job.nfd = partlog_sync_fds(&sync->range, sync->job.fd);
	syncer_give_back(sync->syncer, SYNC_JOB_FILES_MAX - sync->job.nfd);
	syncer_submit(sync->syncer, &sync->job);
	return true;
}

static void
on_turn(struct sync_turn *turn)
{
	struct partition_sync *sync = CONTAINER_OF(turn, struct partition_sync, turn);
	struct partition *part = sync->partition;
	pthread_mutex_lock(&part->lock);
	bool goes_on = run_sync(sync);
	pthread_mutex_unlock(&part->lock);
	if (!goes_on)
		end_sync(sync);
}

/* Under the lock. */
static void
begin_sync(struct partition *part, struct syncer *syncer)
{
	if (part->is_syncing)
		return;
	struct partition_sync *sync = NEW(struct partition_sync);
	part->is_syncing = true;
	sync->partition = partition_get(part);
	sync->syncer = syncer;
	sync->turn.fn = on_turn;
	if (syncer_reserve(syncer, &sync->turn) && !run_sync(sync))
		end_sync(sync); /* whoever has the lock has a reference, too */
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
check_producer(struct partition *part, const struct append_from *from, const struct batch *batch,
	struct append_result *result, int64_t *end_offset)
{
	struct err e;
	struct prodstate_batch seen;
	int64_t guard = from->guard;
	struct prodstate *producers = partlog_producers(&part->log, &e);
	if (!producers) {
		log_bounded(LOG_ERROR, "opening %s-%d failed: %s", part->topic, part->index, e.msg);
		refuse(result, KERR_KAFKA_STORAGE_ERROR, "the partition's log could not be opened");
		return false;
	}
	prodstate_expire(producers, from->wall_ms, part->config->producer_expiration_ms);
	enum prodstate_verdict v = prodstate_check(producers, batch, from->is_coordinator, from->wall_ms,
		&guard, &seen);
	switch (v) {
	case PRODSTATE_GOOD:
		return true;
	case PRODSTATE_DUPLICATE:
		if (part->broker->fault == FAULT_ACCEPT_DUPLICATES)
			return true;
		result->base_offset = seen.last_offset - seen.offset_delta;
		result->log_append_ms = seen.timestamp;
		result->log_start_offset = part->log.log_start_offset;
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
wait_for(struct partition *part, struct ack_wait *ack, int64_t end_offset, struct syncer *syncer,
	struct append_result *result)
{
	if (committed_offset(part) >= end_offset)
		return;
	struct list *behind = part->acks.prev;
	while (behind != &part->acks &&
		CONTAINER_OF(behind, struct ack_wait, link)->end_offset > end_offset)
		behind = behind->prev;
	ack->end_offset = end_offset;
	list_init(&ack->link);
	list_append(behind->next, &ack->link);
	result->must_wait = true;
	begin_sync(part, syncer);
}

static void
note_unsynced(struct partition *part, size_t size)
{
	if (part->log.root_fd < 0)
		return;
	part->unsynced_size += (int64_t)size;
	atomic_fetch_add_explicit(&part->broker->unsynced_size, (int64_t)size, memory_order_relaxed);
}

static bool
is_too_much_unsynced(const struct partition *part)
{
	return part->unsynced_size >= UNSYNCED_SHARE
		&& atomic_load_explicit(&part->broker->unsynced_size, memory_order_relaxed) > UNSYNCED_MAX;
}

/* Under the lock, after a good append. */
static void
after_append(struct partition *part, struct syncer *syncer, struct ack_wait *ack, int64_t base_offset,
	size_t size, struct append_result *result)
{
	result->base_offset = base_offset;
	result->log_start_offset = part->log.log_start_offset;
	note_unsynced(part, size);
	/* The only in-sync replica is this one. */
	move_high_watermark(part);
	if (ack)
		wait_for(part, ack, part->log.next_offset, syncer, result);
	else if (is_too_much_unsynced(part))
		begin_sync(part, syncer);
}

static void
disk_refused(struct partition *part, struct append_result *result, const struct err *e)
{
	refuse(result, KERR_KAFKA_STORAGE_ERROR, "the broker could not write to its disk");
	log_bounded(LOG_ERROR, "append to %s-%d failed: %s", part->topic, part->index, e->msg);
}

/* Is the partition one to append to?  Under the lock. */
static int16_t
check_state(const struct partition *part, struct append_result *result)
{
	if (part->is_deleted)
		return refuse(result, KERR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
	if (part->log.is_failed)
		return refuse(result, KERR_KAFKA_STORAGE_ERROR,
			"the partition's log has failed; see the broker's log");
	return KERR_NONE;
}

static void
append_locked(struct partition *part, const struct append_from *from, uint8_t *b,
	struct batch *batch, struct ack_wait *ack, struct append_result *result)
{
	struct err e;
	int64_t now_ms = from->wall_ms, end_offset = -1;
	if (check_state(part, result) != KERR_NONE)
		return;
	/* What is written in a transaction counts when that has been committed:
	 * the coordinator waits for the disk before it does (coordinator.h).  But
	 * for duplicates there have to be answers that a kill comes before. */
	if (!from->is_coordinator && (batch->attributes & BATCH_TRANSACTIONAL)
		&& part->broker->fault != FAULT_ACCEPT_DUPLICATES)
		ack = NULL;
	if (batch->producer_id >= 0 && !check_producer(part, from, batch, result, &end_offset)) {
		if (end_offset >= 0 && ack)
			wait_for(part, ack, end_offset, from->syncer, result);
		return;
	}
	if (part->config->is_log_append_time) {
		batch_set_log_append_time(b, now_ms);
		batch_parse(batch, b);
		result->log_append_ms = now_ms;
	}
	if (partlog_append(&part->log, b, batch, part->broker->leader_epoch, now_ms, &e) < 0)
		disk_refused(part, result, &e);
	else
		after_append(part, from->syncer, ack, batch->base_offset, (size_t)batch->size, result);
}

void
partition_append(struct partition *part, const struct append_from *from, uint8_t *b,
	struct ack_wait *ack, struct append_result *result)
{
	*result = (struct append_result){ .base_offset = -1, .log_append_ms = -1,
		.log_start_offset = -1 };
	struct batch batch;
	bool is_batch = batch_parse(&batch, b);
	assert(is_batch);
	pthread_mutex_lock(&part->lock);
	append_locked(part, from, b, &batch, ack, result);
	pthread_mutex_unlock(&part->lock);
	if (result->error == KERR_NONE)
		checkpoints_appended(&part->broker->checkpoints);
}

static void
append_marker_locked(struct partition *part, const struct append_from *from,
	const struct partlog_marker *marker, struct ack_wait *ack, struct append_result *result)
{
	struct err e;
	if (check_state(part, result) != KERR_NONE)
		return;
	struct prodstate *producers = partlog_producers(&part->log, &e);
	if (!producers) {
		disk_refused(part, result, &e);
		return;
	}
	enum prodstate_verdict v = prodstate_check_marker(producers, marker->producer_id, marker->producer_epoch,
		marker->coordinator_epoch);
	if (v != PRODSTATE_GOOD) {
		refuse_producer(result, v);
		return;
	}
	int64_t offset = part->log.next_offset;
	if (partlog_append_marker(&part->log, marker, part->broker->leader_epoch, from->wall_ms, &e) < 0)
		disk_refused(part, result, &e);
	else
		after_append(part, from->syncer, ack, offset, BATCH_HEADER_SIZE, result);
}

void
partition_append_marker(struct partition *part, const struct append_from *from,
	int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch,
	bool is_commit, struct ack_wait *ack, struct append_result *result)
{
	*result = (struct append_result){ .base_offset = -1, .log_append_ms = -1,
		.log_start_offset = -1 };
	struct partlog_marker marker = { producer_id, producer_epoch, coordinator_epoch, is_commit };
	pthread_mutex_lock(&part->lock);
	append_marker_locked(part, from, &marker, ack, result);
	pthread_mutex_unlock(&part->lock);
	if (result->error == KERR_NONE)
		checkpoints_appended(&part->broker->checkpoints);
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
partition_mark_deleted(struct partition *part)
{
	pthread_mutex_lock(&part->lock);
	part->is_deleted = true;
	wake(&part->fetchers);
	wake(&part->stable_fetchers);
	fail_acks(part, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	pthread_mutex_unlock(&part->lock);
}

struct topic_config *
partition_config(struct partition *part)
{
	pthread_mutex_lock(&part->lock);
	struct topic_config *config = part->config;
	atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&part->lock);
	return config;
}

int64_t
partition_log_start(struct partition *part)
{
	pthread_mutex_lock(&part->lock);
	int64_t offset = part->log.log_start_offset;
	pthread_mutex_unlock(&part->lock);
	return offset;
}

void
partition_set_config(struct partition *part, struct topic_config *config)
{
	atomic_fetch_add(&config->refs, 1);
	pthread_mutex_lock(&part->lock);
	struct topic_config *old = part->config;
	part->config = config;
	part->log.config = &config->log;
	release_acks(part); /* durability may have become "os" */
	pthread_mutex_unlock(&part->lock);
	topic_config_put(old);
}
