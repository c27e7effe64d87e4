#include "kq-broker/partition.h"

#include "kq-broker/descriptors.h"

#include "log/prodstate.h"
#include "text/say.h"
#include "wire/kerr.h"

#include <stdio.h>

/* With acks=1 or durability "os" no request asks for a sync.  A limit on the
 * unsynced bytes of all partitions together bounds what a stop has to write and
 * what a start after a crash has to read.  Above it, an append starts a sync of
 * its partition, if its share is worth one.  Not more often: while a sync writes,
 * ext4 holds up appends to the file. */
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
partition_new(struct partition_env *env, const char *topic, const struct uuid *id, int32_t index,
	struct topic_config *config, const struct partition_state *state)
{
	struct partition *part = NEW(struct partition);
	atomic_init(&part->refs, 1);
	part->index = index;
	part->env = env;
	part->topic = mem_strdup(topic);
	part->topic_id = *id;
	part->leader_epoch = state->leader_epoch;
	pthread_mutex_init(&part->lock, NULL);
	atomic_fetch_add(&config->refs, 1);
	part->config = config;
	list_init(&part->acks);
	list_init(&part->fetchers);
	list_init(&part->stable_fetchers);
	char name[300];
	snprintf(name, sizeof name, "%s-%d", topic, index);
	partlog_init(&part->log, env->data_fd, name, id, &config->log, &state->log);
	part->high_watermark = MAX(MIN(state->high_watermark, part->log.next_offset),
		part->log.log_start_offset);
	return part;
}

struct partition *
partition_get(struct partition *part)
{
	atomic_fetch_add_explicit(&part->refs, 1, memory_order_relaxed);
	return part;
}

static void
note_unsynced(struct partition *part, int64_t size)
{
	if (part->log.root_fd < 0)
		return;
	part->unsynced_size += size;
	atomic_fetch_add_explicit(&part->env->unsynced_size, size, memory_order_relaxed);
}

static void
forget_unsynced(struct partition *part)
{
	atomic_fetch_sub_explicit(&part->env->unsynced_size, part->unsynced_size,
		memory_order_relaxed);
	part->unsynced_size = 0;
}

static bool
is_too_much_unsynced(const struct partition *part)
{
	return part->unsynced_size >= UNSYNCED_SHARE
		&& atomic_load_explicit(&part->env->unsynced_size, memory_order_relaxed) > UNSYNCED_MAX;
}

void
partition_put(struct partition *part)
{
	if (!part || atomic_fetch_sub(&part->refs, 1) != 1)
		return;
	assert(list_is_empty(&part->acks) && list_is_empty(&part->fetchers));
	assert(list_is_empty(&part->stable_fetchers));
	forget_unsynced(part);
	partlog_release(&part->log);
	topic_config_put(part->config);
	pthread_mutex_destroy(&part->lock);
	mem_free(part->topic);
	mem_free(part);
}

/* ---- waiting ---- */

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
partition_stable_offset(struct partition *part)
{
	struct err e;
	int64_t offset;
	if (partlog_stable_offset(&part->log, part->high_watermark, &offset, &e) == 0)
		return offset;
	log_bounded(LOG_ERROR, "opening %s-%d failed: %s", part->topic, part->index, e.msg);
	return -1;
}

void
partition_advance(struct partition *part, int64_t offset)
{
	assert(offset <= part->log.next_offset);
	part->high_watermark = offset;
	wake(&part->fetchers);
	int64_t stable = partition_stable_offset(part);
	if (stable != part->stable_offset)
		wake(&part->stable_fetchers);
	part->stable_offset = stable;
}

void
partition_recovered(struct partition *part)
{
	pthread_mutex_lock(&part->lock);
	partition_advance(part, part->log.next_offset);
	pthread_mutex_unlock(&part->lock);
}

/* The first offset that is not committed. */
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
partition_cancel_ack(struct ack_wait *wait)
{
	pthread_mutex_lock(&wait->partition->lock);
	bool was_in = !list_is_empty(&wait->link);
	list_unlink(&wait->link);
	pthread_mutex_unlock(&wait->partition->lock);
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
partition_wait(struct partition *part, struct fetch_wait *wait, int64_t seen)
{
	list_init(&wait->link);
	pthread_mutex_lock(&part->lock);
	int64_t now = wait->is_stable ? partition_stable_offset(part) : part->high_watermark;
	bool same = !part->is_deleted && now == seen;
	if (same && wait->is_stable)
		part->stable_offset = seen;
	if (same)
		list_append(wait->is_stable ? &part->stable_fetchers : &part->fetchers, &wait->link);
	pthread_mutex_unlock(&part->lock);
	return same;
}

/* ---- syncing ---- */

/* One sync of a partition runs at a time; the next one covers all that was
 * appended meanwhile. */

struct partition_sync {
	struct sync_job job;
	struct sync_turn turn;
	struct partlog_sync range;
	struct partition *partition;
	struct syncer *syncer;
};

_Static_assert((int)PARTLOG_SYNC_FD_MAX <= (int)SYNC_JOB_FILES_MAX, "a range fits in a job");

static void begin_sync(struct partition *part, struct syncer *syncer);

/* Under the lock: end the waits that a sync decided. */
static void
end_waits(struct partition *part)
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
	end_waits(part);
	if (!list_is_empty(&part->acks))
		begin_sync(part, sync->syncer);
	pthread_mutex_unlock(&part->lock);
	int failure = sync->range.result ? sync->range.result : sync->range.not_opened;
	if (failure)
		part->env->disk_failed(part->env, part, failure);
	end_sync(sync);
}

/* Submit a sync of all that was appended; descriptors are reserved for it.  Under
 * the lock.  False: there is nothing to sync; the caller ends it. */
static bool
run_sync(struct partition_sync *sync)
{
	struct partition *part = sync->partition;
	int rc = partlog_sync_begin(&part->log, &sync->range);
	if (rc < 0) {
		log_bounded(LOG_WARN, "out of descriptors; syncs wait: " RAISE_FILE_LIMIT);
		syncer_postpone(sync->syncer, &sync->turn);
		return true;
	}
	if (rc == 0) {
		syncer_give_back(sync->syncer, SYNC_JOB_FILES_MAX);
		part->is_syncing = false;
		end_waits(part);
		return false;
	}
	forget_unsynced(part);
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
		end_sync(sync); /* the caller has a reference of its own */
}

/* ---- appending ---- */

static int16_t
refuse(struct append_result *result, int16_t error, const char *message)
{
	result->error = error;
	result->message = message;
	return error;
}

static void
refuse_producer(struct append_result *result, enum prodstate_verdict verdict)
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
		/* Retriable for producers. */
		[PRODSTATE_FULL] = { KERR_THROTTLING_QUOTA_EXCEEDED,
			"too many transactions are open in this partition" },
	};
	refuse(result, refusals[verdict].error, refusals[verdict].message);
}

/* Judge the batch by its producer's state.  True: append it.  False: result says
 * why not; for a duplicate it is that of the first append, and *end_offset is the
 * end of that. */
static bool
check_producer(struct partition *part, const struct append_from *from, const struct batch *batch,
	struct append_result *result, int64_t *end_offset)
{
	struct err e;
	struct prodstate_batch seen;
	int64_t ticket = from->ticket;
	struct prodstate *producers = partlog_producers(&part->log, &e);
	if (!producers) {
		log_bounded(LOG_ERROR, "opening %s-%d failed: %s", part->topic, part->index, e.msg);
		refuse(result, KERR_KAFKA_STORAGE_ERROR, "the partition's log could not be opened");
		return false;
	}
	prodstate_expire(producers, from->wall_ms, part->config->producer_expiration_ms);
	enum prodstate_verdict verdict = prodstate_check(producers, batch, from->is_coordinator,
		from->wall_ms, &ticket, &seen);
	switch (verdict) {
	case PRODSTATE_GOOD:
		return true;
	case PRODSTATE_DUPLICATE:
		if (part->env->accepts_duplicates)
			return true;
		result->base_offset = seen.last_offset - seen.offset_delta;
		result->log_append_ms = seen.timestamp;
		result->log_start_offset = part->log.log_start_offset;
		*end_offset = seen.last_offset + 1;
		return false;
	case PRODSTATE_VERIFY:
		result->ticket = ticket;
		return false;
	default:
		refuse_producer(result, verdict);
		return false;
	}
}

/* Queue the ack until all before the end offset is committed.  That of a repeated
 * batch may be below those of acks queued earlier: keep the order. */
static void
wait_for(struct partition *part, struct ack_wait *ack, int64_t end_offset, struct syncer *syncer,
	struct append_result *result)
{
	if (committed_offset(part) >= end_offset)
		return;
	struct list *behind = part->acks.prev;
	while (behind != &part->acks
		&& CONTAINER_OF(behind, struct ack_wait, link)->end_offset > end_offset)
		behind = behind->prev;
	ack->end_offset = end_offset;
	list_init(&ack->link);
	list_append(behind->next, &ack->link);
	result->must_wait = true;
	begin_sync(part, syncer);
}

/* Under the lock, after a good append. */
static void
after_append(struct partition *part, struct syncer *syncer, struct ack_wait *ack,
	int64_t base_offset, int64_t size, struct append_result *result)
{
	result->base_offset = base_offset;
	result->log_start_offset = part->log.log_start_offset;
	note_unsynced(part, size);
	/* This is the only in-sync replica. */
	partition_advance(part, part->log.next_offset);
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

/* May anything be appended?  Under the lock. */
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
append_locked(struct partition *part, const struct append_from *from, uint8_t *bytes,
	struct batch *batch, struct ack_wait *ack, struct append_result *result)
{
	struct err e;
	int64_t now_ms = from->wall_ms, end_offset = -1;
	if (check_state(part, result) != KERR_NONE)
		return;
	/* Records of a transaction count once it is committed, and the coordinator
	 * waits for the disk before that (coordinator.h).  But a test of duplicates
	 * needs answers that are late enough for a kill to come first. */
	if (!from->is_coordinator && (batch->attributes & BATCH_TRANSACTIONAL)
		&& !part->env->accepts_duplicates)
		ack = NULL;
	if (batch->producer_id >= 0 && !check_producer(part, from, batch, result, &end_offset)) {
		if (end_offset >= 0 && ack)
			wait_for(part, ack, end_offset, from->syncer, result);
		return;
	}
	if (part->config->is_log_append_time) {
		batch_set_log_append_time(bytes, now_ms);
		batch_parse(batch, bytes);
		result->log_append_ms = now_ms;
	}
	if (partlog_append(&part->log, bytes, batch, part->leader_epoch, now_ms, &e) < 0)
		disk_refused(part, result, &e);
	else
		after_append(part, from->syncer, ack, batch->base_offset, batch->size, result);
}

void
partition_append(struct partition *part, const struct append_from *from, uint8_t *bytes,
	struct ack_wait *ack, struct append_result *result)
{
	*result = (struct append_result){ .base_offset = -1, .log_append_ms = -1,
		.log_start_offset = -1 };
	struct batch batch;
	bool is_batch = batch_parse(&batch, bytes);
	assert(is_batch);
	pthread_mutex_lock(&part->lock);
	append_locked(part, from, bytes, &batch, ack, result);
	pthread_mutex_unlock(&part->lock);
	if (result->error == KERR_NONE)
		part->env->appended(part->env);
}

static void
append_marker_locked(struct partition *part, const struct append_from *from,
	const struct control_marker *marker, struct ack_wait *ack, struct append_result *result)
{
	struct err e;
	if (check_state(part, result) != KERR_NONE)
		return;
	struct prodstate *producers = partlog_producers(&part->log, &e);
	if (!producers) {
		disk_refused(part, result, &e);
		return;
	}
	enum prodstate_verdict verdict = prodstate_check_marker(producers, marker->producer_id,
		marker->producer_epoch, marker->coordinator_epoch);
	if (verdict != PRODSTATE_GOOD) {
		refuse_producer(result, verdict);
		return;
	}
	int64_t offset = part->log.next_offset;
	if (partlog_append_marker(&part->log, marker, part->leader_epoch, from->wall_ms, &e) < 0)
		disk_refused(part, result, &e);
	else
		after_append(part, from->syncer, ack, offset, BATCH_HEADER_SIZE, result);
}

void
partition_append_marker(struct partition *part, const struct append_from *from,
	const struct control_marker *marker, struct ack_wait *ack, struct append_result *result)
{
	*result = (struct append_result){ .base_offset = -1, .log_append_ms = -1,
		.log_start_offset = -1 };
	pthread_mutex_lock(&part->lock);
	append_marker_locked(part, from, marker, ack, result);
	pthread_mutex_unlock(&part->lock);
	if (result->error == KERR_NONE)
		part->env->appended(part->env);
}

bool
partition_wait_committed(struct partition *part, struct syncer *syncer, struct ack_wait *wait)
{
	bool must_wait = false;
	list_init(&wait->link);
	pthread_mutex_lock(&part->lock);
	wait->end_offset = part->log.next_offset;
	wait->error = part->is_deleted ? KERR_UNKNOWN_TOPIC_OR_PARTITION
		: part->log.is_failed ? KERR_KAFKA_STORAGE_ERROR : KERR_NONE;
	if (!wait->error && committed_offset(part) < wait->end_offset) {
		must_wait = true;
		list_append(&part->acks, &wait->link);
		begin_sync(part, syncer);
	}
	pthread_mutex_unlock(&part->lock);
	return must_wait;
}

bool
partition_is_committed(struct partition *part)
{
	pthread_mutex_lock(&part->lock);
	bool is = committed_offset(part) >= part->log.next_offset;
	pthread_mutex_unlock(&part->lock);
	return is;
}

/* ---- trimming ---- */

/* One round, under the lock.  *more: call again with the same offset. */
static int16_t
trim_some(struct partition *part, int64_t offset, struct partlog_trimmed *trimmed, bool *more)
{
	struct err e;
	*more = false;
	if (part->is_deleted)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (offset < 0 || offset > part->high_watermark)
		return KERR_OFFSET_OUT_OF_RANGE;
	int rc = partlog_trim(&part->log, offset, trimmed, &e);
	*more = rc > 0;
	if (rc >= 0)
		return KERR_NONE;
	log_bounded(LOG_ERROR, "trimming %s-%d failed: %s", part->topic, part->index, e.msg);
	return KERR_KAFKA_STORAGE_ERROR;
}

int16_t
partition_trim(struct partition *part, int64_t offset, int64_t *log_start_offset)
{
	int16_t error;
	bool more;
	do {
		struct partlog_trimmed trimmed = { .n = 0 };
		pthread_mutex_lock(&part->lock);
		if (offset == -1)
			offset = part->high_watermark;
		error = trim_some(part, offset, &trimmed, &more);
		if (error == KERR_NONE)
			*log_start_offset = part->log.log_start_offset;
		pthread_mutex_unlock(&part->lock);
		partlog_trimmed_release(&trimmed);
	} while (more);
	return error;
}

/* ---- the rest ---- */

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
