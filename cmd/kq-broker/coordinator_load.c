#include "kq-broker/coordinator_int.h"

#include "kq-broker/datadir.h"

#include "record/batch.h"
#include "record/control.h"
#include "sys/fs.h"
#include "text/say.h"
#include "text/units.h"

#include <unistd.h>

enum {
	LOAD_BYTES = 1 << 20,        /* read at a time */
	BATCH_BYTES_MAX = 256 << 20, /* of a batch, decompressed */
};

struct loading {
	struct coordinator *coordinator;
	enum coordinator_kind kind;
	int32_t partition;
	struct buf bytes;
	struct record_iter records;
	int64_t nrecord;
};

/* The control record that ends a transaction. */
static void
replay_marker(struct loading *loading, const struct record *rec,
	const struct coord_producer *producer)
{
	enum control_type type = control_type(rec->key);
	if (loading->kind == COORD_GROUPS && type != CONTROL_UNKNOWN)
		groups_marker(loading->coordinator->groups, loading->partition, producer,
			type == CONTROL_COMMIT);
}

static int
replay_batch(struct loading *loading, const uint8_t *p, const struct batch *batch, struct err *e)
{
	struct coord_producer producer = { batch->producer_id, batch->producer_epoch };
	struct record rec;
	int got;
	if (record_iter_begin(&loading->records, p, BATCH_BYTES_MAX, e) < 0)
		return -1;
	while ((got = record_iter_next(&loading->records, &rec, e)) > 0) {
		struct coord_record body = { rec.key, rec.value };
		loading->nrecord++;
		if (batch->attributes & BATCH_CONTROL)
			replay_marker(loading, &rec, &producer);
		else if (rec.key.n < 0)
			continue; /* not written by a coordinator */
		else if (loading->kind == COORD_GROUPS)
			groups_replay(loading->coordinator->groups, loading->partition, &body,
				batch->attributes & BATCH_TRANSACTIONAL ? &producer : NULL, rec.timestamp_ms);
		else
			txns_replay(loading->coordinator->txns, loading->partition, &body);
	}
	return got;
}

static int
replay_bytes(struct loading *loading, const uint8_t *p, size_t n, struct err *e)
{
	while (n >= BATCH_HEADER_SIZE) {
		struct batch batch;
		if (!batch_parse(&batch, p) || (size_t)batch.size > n)
			return err_set(e, ERR_CORRUPT, "a record batch is malformed");
		if (!batch_crc_is_good(&batch, p))
			return err_set(e, ERR_CORRUPT, "the batch at offset %lld has a wrong CRC",
				(long long)batch.base_offset);
		if (replay_batch(loading, p, &batch, e) < 0)
			return -1;
		p += batch.size;
		n -= (size_t)batch.size;
	}
	return 0;
}

static int
read_slice(struct loading *loading, const struct partlog_slice *slice, struct err *e)
{
	buf_reset(&loading->bytes);
	uint8_t *to = buf_grow(&loading->bytes, (size_t)slice->size);
	for (int64_t at = 0; at < slice->size;) {
		ssize_t n = pread(partlog_slice_fd(slice), to + at, (size_t)(slice->size - at),
			slice->position + at);
		if (n <= 0)
			return n < 0 ? err_sys(e, "cannot read")
				: err_set(e, ERR_CORRUPT, "a segment ends too early");
		at += n;
	}
	return replay_bytes(loading, to, (size_t)slice->size, e);
}

static int
load_log(struct loading *loading, struct partition *part, struct err *e)
{
	struct partition_read what = { .size_max = LOAD_BYTES, .limit = PARTITION_LOG_END,
		.is_first_whole = true, .leader_epoch = -1, .last_epoch = -1 };
	pthread_mutex_lock(&part->lock);
	int64_t end = part->log.next_offset;
	/* Opened here, so that *e says why if that fails. */
	int rc = part->log.log_start_offset < end ? partlog_open(&part->log, e) : 0;
	what.offset = part->log.log_start_offset;
	pthread_mutex_unlock(&part->lock);
	while (rc == 0 && what.offset < end && !loading->coordinator->load_aborted) {
		struct partlog_slice slice;
		struct partition_read_result result;
		loading->coordinator->load_aborted = atomic_load(&loading->coordinator->is_stopping);
		rc = partition_read(part, &what, &slice, &result, e);
		if (rc == 0)
			rc = slice.size ? read_slice(loading, &slice, e)
				: err_set(e, ERR_CORRUPT, "the log ends too early");
		assert(rc < 0 || slice.next_offset > what.offset);
		what.offset = slice.next_offset;
		partlog_slice_put(&slice);
	}
	return rc;
}

/* Half a state is worse than none: groups would lack offsets that they committed,
 * and ended transactions would end again.  No response leaves before its log is
 * synced, which a failed log never is, so no client sees the half state. */
static void
refuse_partition(struct partition *part, const struct err *e)
{
	log_line(LOG_ERROR, "partition %s-%d is not served, nor are its groups or transactions: %s",
		part->topic, part->index, e->msg);
	pthread_mutex_lock(&part->lock);
	partlog_fail(&part->log, e);
	pthread_mutex_unlock(&part->lock);
}

static void
load_partition(struct coordinator *coord, enum coordinator_kind kind, int32_t i)
{
	struct partition *part = coordinator_partition(coord, kind, i);
	struct loading loading = { .coordinator = coord, .kind = kind, .partition = i,
		.records = RECORD_ITER_INIT };
	struct err e;
	bool is_read = !part || load_log(&loading, part, &e) == 0;
	if (!is_read)
		refuse_partition(part, &e);
	if (!coord->load_aborted && kind == COORD_GROUPS)
		groups_loaded(coord->groups, i, coordinator_now(coord));
	else if (!coord->load_aborted && is_read) /* otherwise an end may be an old one */
		txns_loaded(coord->txns, i, coordinator_now(coord));
	if (loading.nrecord)
		log_line(LOG_DEBUG, "%s-%d: %lld record%s", coord->topic[kind].name, i,
			(long long)loading.nrecord, units_plural(loading.nrecord));
	record_iter_release(&loading.records);
	buf_release(&loading.bytes);
	coordinator_end_call(coord);
}

/* After a power loss: see coordinator.h. */
static void
abort_open(struct coordinator *coord)
{
	log_line(LOG_INFO, "the machine had crashed: aborting the transactions that were open");
	if (txns_abort_ongoing(coord->txns, coordinator_now(coord)))
		datadir_forget_power_loss(coord->deps.dir);
	coordinator_end_call(coord);
}

void
coordinator_load(struct coordinator *coord)
{
	for (int kind = 0; kind < COORD_N; kind++)
		for (int32_t i = 0; atomic_load(&coord->topic[kind].is_there) && !coord->load_aborted
			&& i < coord->topic[kind].npartition; i++)
			load_partition(coord, (enum coordinator_kind)kind, i);
	if (!coord->load_aborted && datadir_has_power_loss(coord->deps.dir))
		abort_open(coord);
}
