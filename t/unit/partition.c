/* A partition without a broker: its log is in memory, its environment is here. */
#include "producer_help.h"

#include "kq-broker/partition.c"
#include "kq-broker/partition_read.c"

struct world {
	struct partition_env env;
	struct partition *part;
	struct loop loop;
	int nappend; /* calls of env.appended */
};

static void
on_appended(struct partition_env *env)
{
	CONTAINER_OF(env, struct world, env)->nappend++;
}

static void
begin(struct world *w, int64_t segment_bytes)
{
	struct err e;
	struct topic_config *config = NEW(struct topic_config);
	struct partition_state state = { .high_watermark = INT64_MAX, .leader_epoch = 5 };
	atomic_init(&config->refs, 1);
	config->producer_expiration_ms = INT64_MAX / 2;
	config->log = (struct partlog_config){ segment_bytes, INT64_MAX / 2, 10 << 20, 1000 };
	*w = (struct world){ .env = { .data_fd = -1, .appended = on_appended } };
	must(loop_init(&w->loop, &e));
	w->part = partition_new(&w->env, "t", &some_topic, 0, config, &state);
	topic_config_put(config);
}

static void
end(struct world *w)
{
	partition_put(w->part);
	loop_release(&w->loop);
}

static int16_t
put(struct world *w, struct batch batch, struct buf *bytes)
{
	struct append_from from = { .wall_ms = 5000, .is_coordinator = true };
	struct append_result result;
	partition_append(w->part, &from, bytes->p, NULL, &result);
	if (!result.error)
		check_int(result.base_offset + batch.count, w->part->log.next_offset);
	buf_release(bytes);
	return result.error;
}

static int16_t
put_plain(struct world *w, int n)
{
	struct buf bytes = BUF_INIT;
	return put(w, make_batch(&bytes, n, 10, 1000), &bytes);
}

static int16_t
put_txn(struct world *w, int64_t producer_id, int32_t sequence, int n)
{
	struct buf bytes = BUF_INIT;
	return put(w, make_producer_batch(&bytes, n, 10, 1000, producer_id, 0, sequence, true), &bytes);
}

static int16_t
put_marker(struct world *w, int64_t producer_id, bool is_commit)
{
	struct append_from from = { .wall_ms = 5000, .is_coordinator = true };
	struct control_marker marker = { producer_id, 0, 3, is_commit };
	struct append_result result;
	partition_append_marker(w->part, &from, &marker, NULL, &result);
	return result.error;
}

static void
advance(struct world *w, int64_t offset)
{
	pthread_mutex_lock(&w->part->lock);
	partition_advance(w->part, offset);
	pthread_mutex_unlock(&w->part->lock);
}

static struct partition_read
from_offset(int64_t offset)
{
	return (struct partition_read){ .offset = offset, .size_max = 1 << 20, .is_first_whole = true,
		.limit = PARTITION_HIGH_WATERMARK, .leader_epoch = -1, .last_epoch = -1 };
}

/* Read; returns the error, and *next the offset after what was read. */
static int16_t
get(struct world *w, const struct partition_read *what, int64_t *next,
	struct partition_read_result *result)
{
	struct err e;
	struct partlog_slice slice;
	must(partition_read(w->part, what, &slice, result, &e));
	*next = slice.size ? slice.next_offset : what->offset;
	partlog_slice_put(&slice);
	return result->error;
}

void
test_partition__a_read_ends_at_its_limit(void)
{
	struct world w;
	struct partition_read_result result;
	struct partition_read what = from_offset(0);
	int64_t next;
	begin(&w, 1 << 20);
	for (int i = 0; i < 3; i++)
		check_int(put_plain(&w, 1), KERR_NONE);
	check_int(w.nappend, 3);
	advance(&w, 1);
	check_int(get(&w, &what, &next, &result), KERR_NONE);
	check_int(next, 1);
	check_int(result.limit_offset, 1);
	check_int(result.high_watermark, 1);
	what.limit = PARTITION_LOG_END;
	check_int(get(&w, &what, &next, &result), KERR_NONE);
	check_int(next, 3);
	check_int(result.limit_offset, 3);
	what = from_offset(1);
	check_int(get(&w, &what, &next, &result), KERR_NONE);
	check_int(next, 1);
	what = from_offset(4);
	check_int(get(&w, &what, &next, &result), KERR_OFFSET_OUT_OF_RANGE);
	partition_recovered(w.part);
	check_int(w.part->high_watermark, 3);
	end(&w);
}

void
test_partition__a_reader_of_committed_records_stops_at_an_open_transaction(void)
{
	struct world w;
	struct buf aborted = BUF_INIT;
	struct partition_read_result result;
	struct partition_read what = from_offset(0);
	struct prodstate_txn txn;
	int64_t next;
	begin(&w, 1 << 20);
	what.limit = PARTITION_STABLE_OFFSET;
	what.aborted = &aborted;
	check_int(put_plain(&w, 2), KERR_NONE);
	check_int(put_txn(&w, 7, 0, 3), KERR_NONE);
	check_int(put_plain(&w, 1), KERR_NONE);
	check_int(get(&w, &what, &next, &result), KERR_NONE);
	check_int(next, 2);
	check_int(result.limit_offset, 2);
	check_int(result.stable_offset, 2);
	check_int(result.high_watermark, 6);
	check_int((int)aborted.n, 0);
	check_int(put_marker(&w, 7, false), KERR_NONE);
	check_int(get(&w, &what, &next, &result), KERR_NONE);
	check_int(next, 7);
	check_int((int)aborted.n, (int)sizeof txn);
	memcpy(&txn, aborted.p, sizeof txn);
	check_int(txn.producer_id, 7);
	check_int(txn.first_offset, 2);
	buf_release(&aborted);
	end(&w);
}

void
test_partition__a_reader_of_another_epoch_is_refused(void)
{
	struct world w;
	struct partition_read_result result;
	struct partition_read what = from_offset(0);
	int64_t next;
	begin(&w, 1 << 20);
	check_int(put_plain(&w, 1), KERR_NONE);
	what.leader_epoch = 4;
	check_int(get(&w, &what, &next, &result), KERR_FENCED_LEADER_EPOCH);
	what.leader_epoch = 6;
	check_int(get(&w, &what, &next, &result), KERR_UNKNOWN_LEADER_EPOCH);
	check_int(result.high_watermark, -1);
	what.leader_epoch = 5;
	check_int(get(&w, &what, &next, &result), KERR_NONE);
	check_int(next, 1);
	/* A follower has no place here, whatever it knows. */
	what.is_follower = true;
	check_int(get(&w, &what, &next, &result), KERR_NOT_LEADER_OR_FOLLOWER);
	end(&w);
}

void
test_partition__a_reader_of_another_past_is_shown_where_it_ends(void)
{
	struct world w;
	struct partition_read_result result;
	struct partition_read what = from_offset(2);
	int64_t next;
	begin(&w, 1 << 20);
	check_int(put_plain(&w, 1), KERR_NONE);
	w.part->leader_epoch = 8;
	check_int(put_plain(&w, 1), KERR_NONE);
	what.last_epoch = 5;
	check_int(get(&w, &what, &next, &result), KERR_NONE);
	check_int(result.diverging_epoch, 5);
	check_int(result.diverging_end_offset, 1);
	what.last_epoch = 8;
	check_int(get(&w, &what, &next, &result), KERR_NONE);
	check_int(result.diverging_end_offset, -1);
	end(&w);
}

void
test_partition__trimming_stops_at_the_high_watermark(void)
{
	struct world w;
	struct partition_read_result result;
	struct partition_read what = from_offset(0);
	int64_t next, start = -1;
	begin(&w, 200); /* a segment for each batch */
	for (int i = 0; i < 40; i++)
		check_int(put_plain(&w, 1), KERR_NONE);
	check_int(partition_trim(w.part, 41, &start), KERR_OFFSET_OUT_OF_RANGE);
	check_int(start, -1);
	check_int(partition_trim(w.part, 30, &start), KERR_NONE);
	check_int(start, 30);
	check_int(partition_log_start(w.part), 30);
	check_int(get(&w, &what, &next, &result), KERR_OFFSET_OUT_OF_RANGE);
	check_int(partition_trim(w.part, -1, &start), KERR_NONE);
	check_int(start, 40);
	end(&w);
}

/* ---- waiting ---- */

static int nwoken;

static void
on_wake(struct loop_task *task)
{
	(void)task;
	nwoken++;
}

void
test_partition__a_waiter_is_woken_once_by_what_it_waits_for(void)
{
	struct world w;
	begin(&w, 1 << 20);
	struct fetch_waker waker = { .loop = &w.loop, .task.fn = on_wake };
	struct fetch_wait wait = { .partition = w.part, .waker = &waker, .is_stable = true };
	check_int(put_plain(&w, 1), KERR_NONE);
	check(!partition_wait(w.part, &wait, 0)); /* it is at 1 already */
	check_int(put_txn(&w, 7, 0, 1), KERR_NONE);
	check(partition_wait(w.part, &wait, 1));
	check_int(put_txn(&w, 7, 1, 1), KERR_NONE); /* the stable offset stays */
	check(!waker.is_posted);
	check_int(put_marker(&w, 7, true), KERR_NONE);
	check(waker.is_posted);
	check_int(put_plain(&w, 1), KERR_NONE);
	loop_drain(&w.loop);
	check_int(nwoken, 1);
	end(&w);
}

void
test_partition__a_deleted_one_wakes_waiters_and_refuses_all(void)
{
	struct world w;
	struct partition_read_result result;
	struct partition_read what = from_offset(0);
	int64_t next, start;
	begin(&w, 1 << 20);
	struct fetch_waker waker = { .loop = &w.loop, .task.fn = on_wake };
	struct fetch_wait wait = { .partition = w.part, .waker = &waker };
	check(partition_wait(w.part, &wait, 0));
	partition_mark_deleted(w.part);
	check(waker.is_posted);
	check(!partition_wait(w.part, &wait, 0));
	check_int(put_plain(&w, 1), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	check_int(w.nappend, 0);
	check_int(get(&w, &what, &next, &result), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	check_int(partition_trim(w.part, -1, &start), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	loop_drain(&w.loop);
	end(&w);
}
