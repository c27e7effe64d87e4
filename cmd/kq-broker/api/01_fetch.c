/*
 * Fetch: read record batches, waiting for them when there are too few.
 *
 * The request is looked at again whenever a partition in it moves, until the
 * bytes reach min_bytes, something is wrong, or max_wait_ms is over.
 */
#include "kq-broker/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/descriptors.h"
#include "kq-broker/fetch_session.h"
#include "kq-broker/partition.h"
#include "kq-broker/reactor.h"

#include "log/partlog.h"
#include "log/prodstate.h"
#include "proto.h"
#include "sys/fs.h"
#include "text/say.h"
#include "wire/kerr.h"

struct fetch_part {
	struct fetch_wait wait;
	struct partition *partition; /* a reference, or NULL */
	struct fetch_response_partition_data *answer;
	int64_t offset, seen_limit;
	int32_t aborted_cap;         /* of the answer's array */
	int32_t size_max, leader_epoch, last_epoch;
	int16_t missing_error;       /* without a partition */
};

enum { STARVED_MS = 100 }; /* a client without an answer asks again after that */

enum session_use { SESSION_NONE, SESSION_NEW, SESSION_OLD };

struct fetch_state {
	struct request *rq;
	enum session_use session;
	bool by_id; /* topics go by their ids, not by names */
	struct fetch_session_part *asked; /* as many as parts */
	int nasked;
	struct fetch_response response;
	struct fetch_part *part;
	int npart;
	struct partlog_slice *slice;
	int nslice;
	int64_t size, size_min, size_max, due_ms;
	bool is_starved; /* there were no descriptors to read some of it */
	bool has_error, is_due, is_cancelled, is_waiting, is_read_committed, is_follower;
	struct fetch_waker waker;
	struct loop_timer timer;
};

/* --- looking --- */

static void
drop_slices(struct fetch_state *s)
{
	for (int i = 0; i < s->nslice; i++)
		partlog_slice_put(&s->slice[i]);
	s->nslice = 0;
	s->size = 0;
}

/* Has the log taken another way since the reader's last epoch (KIP-595)? */
static bool
diverges(struct fetch_part *f)
{
	if (f->last_epoch < 0)
		return false;
	int32_t epoch;
	int64_t end;
	partlog_epoch_end(&f->partition->log, f->last_epoch, &epoch, &end);
	if (end < 0 || (epoch == f->last_epoch && end >= f->offset))
		return false;
	f->answer->diverging_epoch.epoch = epoch;
	f->answer->diverging_epoch.end_offset = end;
	return true;
}

/* Whose records a reader of committed ones is to leave out.  The array is kept
 * for the next look, which mostly finds as many. */
static int
gather_aborted(struct fetch_state *s, struct fetch_part *f, const struct partlog_slice *slice,
	struct err *e)
{
	struct fetch_response_partition_data *a = f->answer;
	struct buf txns = BUF_INIT;
	int r = partlog_aborted(&f->partition->log, f->offset, slice->next_offset, &txns, e);
	int32_t n = (int32_t)(txns.n / sizeof(struct prodstate_txn));
	if (n > f->aborted_cap) {
		f->aborted_cap = MAX(n, 2 * f->aborted_cap);
		a->aborted_transactions.v = REQUEST_ARRAY(s->rq,
			struct fetch_response_aborted_transaction, f->aborted_cap);
	}
	for (int32_t i = 0; i < n; i++) {
		struct prodstate_txn t;
		memcpy(&t, txns.p + (size_t)i * sizeof t, sizeof t);
		a->aborted_transactions.v[i].producer_id = t.producer_id;
		a->aborted_transactions.v[i].first_offset = t.first_offset;
	}
	a->aborted_transactions.n = n;
	buf_release(&txns);
	return r;
}

/* The last stable offset; of a log that nobody has used since a clean start,
 * only for those who care: 100,000 idle ones stay unopened. */
static int64_t
stable_offset(struct fetch_state *s, struct partition *p)
{
	return partition_read_limit(p, s->is_read_committed || p->log.body);
}

static int
find(struct fetch_state *s, struct fetch_part *f, int64_t limit, struct err *e)
{
	struct partlog *log = &f->partition->log;
	struct partlog_slice *slice = &s->slice[s->nslice];
	int64_t room = MIN(s->size_max - s->size, MAX(f->size_max, 0));
	if (partlog_find(log, f->offset, limit, room, s->size == 0, slice, e) < 0)
		return -1;
	if (slice->size == 0)
		return 0;
	if (s->is_read_committed && gather_aborted(s, f, slice, e) < 0) {
		partlog_slice_put(slice);
		return -1;
	}
	f->answer->records = (struct str){ NULL, (int32_t)slice->size };
	s->size += slice->size;
	s->nslice++;
	return 0;
}

/* Does the answer hold as many segment files open as it may? */
static bool
is_full(const struct fetch_state *s)
{
	return s->nslice > 0 && (s->nslice >= s->rq->broker->descriptors.slice_max
		|| segfile_is_crowded());
}

/* Under the partition's lock. */
static int16_t
look_locked(struct fetch_state *s, struct fetch_part *f)
{
	struct partition *p = f->partition;
	int32_t epoch = p->broker->leader_epoch;
	struct err e;
	f->seen_limit = p->high_watermark;
	if (p->is_deleted)
		return s->rq->header.api_version >= 13 ? KERR_UNKNOWN_TOPIC_ID
			: KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (f->leader_epoch >= 0 && f->leader_epoch != epoch)
		return f->leader_epoch < epoch ? KERR_FENCED_LEADER_EPOCH
			: KERR_UNKNOWN_LEADER_EPOCH;
	if (s->is_follower) /* no partition has one */
		return KERR_NOT_LEADER_OR_FOLLOWER;
	if (p->log.is_failed && !p->log.is_recovered)
		return KERR_KAFKA_STORAGE_ERROR;
	f->answer->high_watermark = p->high_watermark;
	f->answer->last_stable_offset = stable_offset(s, p);
	if (f->answer->last_stable_offset < 0)
		return KERR_KAFKA_STORAGE_ERROR;
	if (s->is_read_committed)
		f->seen_limit = f->answer->last_stable_offset;
	f->answer->log_start_offset = p->log.log_start_offset;
	if (diverges(f))
		return KERR_NONE;
	if (f->offset < p->log.log_start_offset || f->offset > p->log.next_offset)
		return KERR_OFFSET_OUT_OF_RANGE;
	if (f->offset >= f->seen_limit || s->size >= s->size_max || is_full(s))
		return KERR_NONE;
	if (find(s, f, f->seen_limit, &e) < 0) {
		if (fs_is_out_of_files(e.sys)) {
			log_bounded(LOG_WARN, "out of descriptors; fetches wait: " RAISE_FILE_LIMIT);
			s->is_starved = true;
			return KERR_NONE;
		}
		log_bounded(LOG_ERROR, "fetch from %s-%d at %lld failed: %s", p->topic, p->index,
			(long long)f->offset, e.msg);
		return e.class == ERR_LIMIT ? KERR_OFFSET_OUT_OF_RANGE : KERR_KAFKA_STORAGE_ERROR;
	}
	return KERR_NONE;
}

static void
look_at(struct fetch_state *s, struct fetch_part *f)
{
	struct fetch_response_partition_data *a = f->answer;
	struct fetch_response_partition_data before = *a;
	wire_defaults(&fetch_response_partition_data_desc, a);
	a->partition_index = before.partition_index;
	a->records = STR("");
	a->aborted_transactions = before.aborted_transactions;
	a->aborted_transactions.n = s->is_read_committed || !f->partition ? 0 : -1;
	a->high_watermark = -1;
	int16_t error = f->missing_error;
	if (f->partition) {
		pthread_mutex_lock(&f->partition->lock);
		error = look_locked(s, f);
		pthread_mutex_unlock(&f->partition->lock);
	}
	a->error_code = error;
	if (error) /* no offsets come with one */
		a->high_watermark = a->last_stable_offset = a->log_start_offset = -1;
	if (error || a->diverging_epoch.end_offset >= 0)
		s->has_error = true;
}

/* --- waiting --- */

static void
stop_waiting(struct fetch_state *s)
{
	if (!s->is_waiting)
		return;
	for (int i = 0; i < s->npart; i++)
		if (s->part[i].partition)
			partition_cancel_fetch(&s->part[i].wait);
	s->is_waiting = false;
}

/* False: a partition moved meanwhile. */
static bool
begin_waiting(struct fetch_state *s)
{
	s->is_waiting = true;
	/* All first: those behind one that moved are cancelled, too. */
	for (int i = 0; i < s->npart; i++) {
		struct fetch_part *f = &s->part[i];
		list_init(&f->wait.link);
		f->wait.partition = f->partition;
		f->wait.waker = &s->waker;
		f->wait.is_stable = s->is_read_committed;
	}
	for (int i = 0; i < s->npart; i++) {
		struct fetch_part *f = &s->part[i];
		if (f->partition && !partition_wait(f->partition, &f->wait, f->seen_limit)) {
			stop_waiting(s);
			return false;
		}
	}
	return true;
}

static void
let_go(struct fetch_state *s)
{
	loop_timer_clear(&s->rq->reactor->loop, &s->timer);
	for (int i = 0; i < s->npart; i++)
		partition_put(s->part[i].partition);
}

static void respond(struct fetch_state *s);

static void
look(struct fetch_state *s)
{
	do {
		if (atomic_load(&s->waker.is_posted))
			return; /* the task is on its way and looks again */
		drop_slices(s);
		s->has_error = s->is_starved = false;
		for (int i = 0; i < s->npart; i++)
			look_at(s, &s->part[i]);
		if (s->has_error || s->is_due || s->size >= s->size_min || is_full(s)) {
			let_go(s);
			respond(s);
			return;
		}
		if (s->is_starved)
			loop_timer_set(&s->rq->reactor->loop, &s->timer,
				MIN(s->due_ms, s->rq->reactor->loop.now_ms + STARVED_MS));
	} while (!begin_waiting(s));
}

static void
on_wake(struct loop_task *t)
{
	struct fetch_state *s = CONTAINER_OF(t, struct fetch_state, waker.task);
	atomic_store(&s->waker.is_posted, false);
	stop_waiting(s);
	if (atomic_load(&s->waker.is_posted))
		return; /* posted again before the waits were off: that run goes on */
	if (s->is_cancelled) {
		let_go(s);
		drop_slices(s);
		request_drop(s->rq);
		return;
	}
	look(s);
}

static void
on_deadline(struct loop_timer *t)
{
	struct fetch_state *s = CONTAINER_OF(t, struct fetch_state, timer);
	s->is_due = true;
	stop_waiting(s);
	look(s);
}

static void
cancel(struct request *rq)
{
	struct fetch_state *s = rq->state;
	s->is_cancelled = true;
	stop_waiting(s);
	loop_timer_clear(&rq->reactor->loop, &s->timer);
	if (atomic_load(&s->waker.is_posted))
		return; /* on_wake ends it */
	let_go(s);
	drop_slices(s);
	request_drop(rq);
}

/* --- the request --- */

static void
prepare_part(struct fetch_state *s, const struct fetch_session_part *q,
	struct fetch_response_partition_data *answer)
{
	struct fetch_part *f = &s->part[s->npart++];
	bool is_topic = false;
	f->answer = answer;
	answer->partition_index = q->index;
	f->offset = q->offset;
	f->size_max = q->size_max;
	f->leader_epoch = q->leader_epoch;
	f->last_epoch = q->last_epoch;
	f->partition = topics_partition(&s->rq->broker->topics,
		s->by_id ? STR_NULL : q->topic, &q->topic_id, q->index, &is_topic);
	f->missing_error = s->by_id && !is_topic ? KERR_UNKNOWN_TOPIC_ID
		: KERR_UNKNOWN_TOPIC_OR_PARTITION;
}

/* What a request says itself, as a session would have it. */
static void
list_asked(struct fetch_state *s, const struct fetch_request *q)
{
	for (int32_t i = 0; i < q->topics.n; i++)
		s->nasked += q->topics.v[i].partitions.n;
	s->asked = REQUEST_ARRAY(s->rq, struct fetch_session_part, s->nasked);
	struct fetch_session_part *to = s->asked;
	for (int32_t i = 0; i < q->topics.n; i++) {
		const struct fetch_request_fetch_topic *t = &q->topics.v[i];
		struct str topic = arena_str(&s->rq->arena, t->topic); /* it may wait */
		for (int32_t k = 0; k < t->partitions.n; k++) {
			const struct fetch_request_fetch_partition *p = &t->partitions.v[k];
			*to++ = (struct fetch_session_part){ .topic = topic, .topic_id = t->topic_id,
				.index = p->partition, .size_max = p->partition_max_bytes,
				.leader_epoch = p->current_leader_epoch,
				.last_epoch = p->last_fetched_epoch, .offset = p->fetch_offset };
		}
	}
}

static bool
is_same_topic(const struct fetch_state *s, const struct fetch_session_part *a,
	const struct fetch_session_part *b)
{
	return s->by_id ? uuid_eq(&a->topic_id, &b->topic_id) : str_eq(a->topic, b->topic);
}

/* The parts, and an answer for each: neighbours of one topic are answered as one. */
static void
prepare(struct fetch_state *s)
{
	struct request *rq = s->rq;
	int n = s->nasked, ntopic = 0;
	s->part = REQUEST_ARRAY(rq, struct fetch_part, n);
	s->slice = REQUEST_ARRAY(rq, struct partlog_slice, n);
	struct fetch_response_partition_data *answer =
		REQUEST_ARRAY(rq, struct fetch_response_partition_data, n);
	for (int i = 0; i < n; i++)
		ntopic += i == 0 || !is_same_topic(s, &s->asked[i], &s->asked[i - 1]);
	s->response.responses.v = REQUEST_ARRAY(rq,
		struct fetch_response_fetchable_topic_response, ntopic);
	struct fetch_response_fetchable_topic_response *t = s->response.responses.v - 1;
	for (int i = 0; i < n; i++) {
		if (i == 0 || !is_same_topic(s, &s->asked[i], &s->asked[i - 1])) {
			wire_defaults(&fetch_response_fetchable_topic_response_desc, ++t);
			t->topic = s->asked[i].topic;
			t->topic_id = s->asked[i].topic_id;
			t->partitions.v = answer + i;
		}
		t->partitions.n++;
		prepare_part(s, &s->asked[i], answer + i);
	}
	s->response.responses.n = ntopic;
}

/* --- sessions --- */

/* False: the response has an error. */
static bool
begin_session(struct fetch_state *s, const struct fetch_request *q)
{
	struct request *rq = s->rq;
	bool is_over = false;
	if (q->session_epoch <= 0) {
		if (q->session_id != 0)
			fetch_session_end(q->session_id);
		s->session = q->session_epoch == 0 && rq->header.api_version >= 7 ? SESSION_NEW
			: SESSION_NONE;
		list_asked(s, q);
		return true;
	}
	s->response.error_code = fetch_session_next(q, s->by_id, rq->reactor->loop.now_ms,
		&rq->arena, &s->asked, &s->nasked, &is_over);
	s->session = is_over ? SESSION_NONE : SESSION_OLD;
	if (s->response.error_code)
		return false;
	if (!is_over)
		s->response.session_id = q->session_id;
	return true;
}

/* What the client gets to know of each partition. */
static void
note_answers(struct fetch_state *s)
{
	for (int i = 0; i < s->npart; i++) {
		const struct fetch_response_partition_data *a = s->part[i].answer;
		s->asked[i].high_watermark = a->error_code ? -1 : a->high_watermark;
		s->asked[i].log_start_offset = a->log_start_offset;
		s->asked[i].has_records = a->records.n > 0;
		s->asked[i].must_tell = a->error_code || a->diverging_epoch.end_offset >= 0;
	}
}

/* Leave out partitions of which there is nothing new. */
static void
leave_out_the_known(struct fetch_state *s)
{
	struct fetch_response_fetchable_topic_response *t = s->response.responses.v;
	const struct fetch_session_part *asked = s->asked;
	int32_t ntopic = 0;
	for (int32_t i = 0; i < s->response.responses.n; i++) {
		int32_t n = 0;
		for (int32_t k = 0; k < t[i].partitions.n; k++)
			if (asked++->must_tell)
				t[i].partitions.v[n++] = t[i].partitions.v[k];
		t[i].partitions.n = n;
		if (n)
			t[ntopic++] = t[i];
	}
	s->response.responses.n = ntopic;
}

static void
respond(struct fetch_state *s)
{
	struct request *rq = s->rq;
	if (s->session != SESSION_NONE)
		note_answers(s);
	if (s->session == SESSION_NEW)
		s->response.session_id = fetch_session_new(s->asked, s->nasked, s->by_id,
			(int)config_int(NULL, rq->broker->settings->values,
				CONFIG_MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS),
			rq->reactor->loop.now_ms);
	if (s->session == SESSION_OLD) {
		s->response.error_code = fetch_session_answer(rq->body, s->asked, s->nasked);
		if (s->response.error_code) {
			drop_slices(s);
			s->response.responses.n = 0;
		} else {
			leave_out_the_known(s);
		}
	}
	request_respond_slices(rq, &s->response, s->slice, s->nslice);
}

void
api_fetch(struct request *rq)
{
	struct fetch_request *q = rq->body;
	struct fetch_state *s = REQUEST_ARRAY(rq, struct fetch_state, 1);
	s->rq = rq;
	rq->state = s;
	wire_defaults(&fetch_response_desc, &s->response);
	s->by_id = rq->header.api_version >= 13;
	if (!begin_session(s, q)) {
		request_respond(rq, &s->response);
		return;
	}
	s->size_min = q->min_bytes;
	s->size_max = MIN(MAX(q->max_bytes, 0), rq->broker->fetch_size_max);
	s->is_read_committed = q->isolation_level == 1;
	s->is_follower = q->replica_id >= 0 || q->replica_state.replica_id >= 0;
	s->is_due = q->max_wait_ms <= 0;
	s->waker.loop = &rq->reactor->loop;
	s->waker.task.fn = on_wake;
	s->timer.fn = on_deadline;
	prepare(s);
	if (s->npart == 0)
		s->is_due = true;
	s->due_ms = rq->reactor->loop.now_ms + q->max_wait_ms;
	if (!s->is_due)
		loop_timer_set(&rq->reactor->loop, &s->timer, s->due_ms);
	rq->cancel = cancel;
	look(s);
}
