#include "kq-broker/partition.h"

#include "wire/kerr.h"

int16_t
partition_check_leader(const struct partition *part, int32_t leader_epoch)
{
	if (part->is_deleted)
		return KERR_UNKNOWN_TOPIC_OR_PARTITION;
	int32_t own = part->leader_epoch;
	if (leader_epoch >= 0 && leader_epoch != own)
		return leader_epoch < own ? KERR_FENCED_LEADER_EPOCH : KERR_UNKNOWN_LEADER_EPOCH;
	return KERR_NONE;
}

/* A log that failed while it was in use can still be read. */
static int16_t
check_log(const struct partition *part)
{
	return part->log.is_failed && !part->log.is_recovered ? KERR_KAFKA_STORAGE_ERROR : KERR_NONE;
}

int16_t
partition_check_readable(const struct partition *part, int32_t leader_epoch)
{
	int16_t error = partition_check_leader(part, leader_epoch);
	return error ? error : check_log(part);
}

/* The reader's limit, and the offsets.  False: the log can't be opened. */
static bool
find_limit(struct partition *part, enum partition_limit limit,
	struct partition_read_result *result)
{
	result->high_watermark = result->stable_offset = part->high_watermark;
	/* A log that has not been used since a clean start is not opened for readers
	 * who do not need its last stable offset: 100,000 idle ones stay closed. */
	if (limit == PARTITION_STABLE_OFFSET || part->log.body)
		result->stable_offset = partition_stable_offset(part);
	if (result->stable_offset < 0)
		return false;
	result->log_start_offset = part->log.log_start_offset;
	result->limit_offset = limit == PARTITION_STABLE_OFFSET ? result->stable_offset
		: limit == PARTITION_LOG_END ? part->log.next_offset : part->high_watermark;
	return true;
}

/* Has the log taken another course since the reader's last epoch (KIP-595)? */
static bool
diverges(struct partition *part, const struct partition_read *what,
	struct partition_read_result *result)
{
	int32_t epoch;
	int64_t end_offset;
	if (what->last_epoch < 0)
		return false;
	partlog_epoch_end(&part->log, what->last_epoch, &epoch, &end_offset);
	if (end_offset < 0 || (epoch == what->last_epoch && end_offset >= what->offset))
		return false;
	result->diverging_epoch = epoch;
	result->diverging_end_offset = end_offset;
	return true;
}

static int
find_batches(struct partition *part, const struct partition_read *what, int64_t limit_offset,
	struct partlog_slice *slice, struct err *e)
{
	if (partlog_find(&part->log, what->offset, limit_offset, what->size_max, what->is_first_whole,
		slice, e) < 0)
		return -1;
	if (slice->size == 0 || !what->aborted
		|| partlog_aborted(&part->log, what->offset, slice->next_offset, what->aborted, e) == 0)
		return 0;
	partlog_slice_put(slice);
	return -1;
}

/* Under the lock. */
static int
read_locked(struct partition *part, const struct partition_read *what,
	struct partlog_slice *slice, struct partition_read_result *result, struct err *e)
{
	result->limit_offset = part->high_watermark;
	result->error = partition_check_leader(part, what->leader_epoch);
	if (!result->error && what->is_follower)
		result->error = KERR_NOT_LEADER_OR_FOLLOWER;
	if (!result->error)
		result->error = check_log(part);
	if (!result->error && !find_limit(part, what->limit, result))
		result->error = KERR_KAFKA_STORAGE_ERROR;
	if (result->error || diverges(part, what, result))
		return 0;
	if (what->offset < part->log.log_start_offset || what->offset > part->log.next_offset) {
		result->error = KERR_OFFSET_OUT_OF_RANGE;
		return 0;
	}
	if (!slice || what->offset >= result->limit_offset)
		return 0;
	if (find_batches(part, what, result->limit_offset, slice, e) == 0)
		return 0;
	result->error = e->class == ERR_LIMIT ? KERR_OFFSET_OUT_OF_RANGE : KERR_KAFKA_STORAGE_ERROR;
	return -1;
}

int
partition_read(struct partition *part, const struct partition_read *what,
	struct partlog_slice *slice, struct partition_read_result *result, struct err *e)
{
	*result = (struct partition_read_result){ .high_watermark = -1, .stable_offset = -1,
		.log_start_offset = -1, .diverging_epoch = -1, .diverging_end_offset = -1 };
	if (slice)
		*slice = (struct partlog_slice){ 0 };
	pthread_mutex_lock(&part->lock);
	int rc = read_locked(part, what, slice, result, e);
	pthread_mutex_unlock(&part->lock);
	return rc;
}
