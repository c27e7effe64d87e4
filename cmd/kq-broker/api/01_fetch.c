/*
 * Fetch: record batches of some partitions, after a wait if there are too few.
 *
 * All partitions are read again whenever one of them advances, until the
 * batches reach min_bytes, there is an error, or max_wait_ms has passed.
 *
 * By version: 5 log_start_offset.  7 sessions (KIP-227).  9 current_leader_epoch.
 * 11 preferred_read_replica: not set.  12 last_fetched_epoch, diverging_epoch
 * (KIP-595).  13 topics by id, UNKNOWN_TOPIC_ID.  15 replica_state.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/descriptors.h"
#include "kq-broker/fetch_session.h"
#include "kq-broker/partition.h"
#include "kq-broker/reactor.h"

#include "log/partlog.h"
#include "log/prodstate.h"
#include "log/segfile.h"
#include "proto.h"
#include "sys/fs.h"
#include "text/say.h"
#include "wire/kerr.h"

struct fetch_part {
	struct fetch_wait wait;
	struct partition *partition; /* a reference, or NULL */
	struct fetch_response_partition *answer;
	int64_t offset, seen_limit;
	int32_t aborted_cap;         /* of the answer's array */
	int32_t size_max, leader_epoch, last_epoch;
	int16_t missing_error;       /* the answer's error without a partition */
};

enum { STARVED_MS = 100 }; /* before another try, when no descriptor was free */

enum session_use { SESSION_NONE, SESSION_NEW, SESSION_OLD };

struct fetch_state {
	struct request *rq;
	enum session_use session;
	bool by_id; /* topics are named by id */
	struct fetch_session_part *asked; /* one for each part */
	int nasked;
	struct fetch_response response;
	struct fetch_part *part;
	int npart;
	struct partlog_slice *slice;
	int nslice;
	int64_t size, size_min, size_max, due_ms;
	bool is_starved; /* some were not read because no descriptor was free */
	bool has_error, is_due, is_cancelled, is_waiting, is_read_committed, is_follower;
	struct fetch_waker waker;
	struct loop_timer timer;
};

/* ---- reading ---- */

static void
drop_slices(struct fetch_state *state)
{
	for (int i = 0; i < state->nslice; i++)
		partlog_slice_put(&state->slice[i]);
	state->nslice = 0;
	state->size = 0;
}

/* List the producers whose records a reader of committed ones must skip.  The
 * array is kept for the next try, which mostly finds as many. */
static void
list_aborted(struct fetch_state *state, struct fetch_part *part, const struct buf *aborted)
{
	struct fetch_response_partition *answer = part->answer;
	int32_t n = (int32_t)(aborted->n / sizeof(struct prodstate_txn));
	if (n > part->aborted_cap) {
		part->aborted_cap = MAX(n, 2 * part->aborted_cap);
		answer->aborted_transactions.v = REQUEST_ARRAY(state->rq,
			struct fetch_response_aborted_transaction, part->aborted_cap);
	}
	for (int32_t i = 0; i < n; i++) {
		struct prodstate_txn txn;
		memcpy(&txn, aborted->p + (size_t)i * sizeof txn, sizeof txn);
		answer->aborted_transactions.v[i].producer_id = txn.producer_id;
		answer->aborted_transactions.v[i].first_offset = txn.first_offset;
	}
	answer->aborted_transactions.n = n;
}

/* Does the answer hold as many segment files open as it may? */
static bool
is_full(const struct fetch_state *state)
{
	return state->nslice > 0 && (state->nslice >= state->rq->broker->descriptors.slice_max
		|| segfile_is_crowded());
}

/* Reading failed: the error code that the client gets. */
static int16_t
note_failure(struct fetch_state *state, const struct fetch_part *part, int16_t error,
	const struct err *e)
{
	if (fs_is_out_of_files(e->sys)) {
		log_bounded(LOG_WARN, "out of descriptors; fetches wait: " RAISE_FILE_LIMIT);
		state->is_starved = true;
		return KERR_NONE;
	}
	log_bounded(LOG_ERROR, "fetch from %s-%d at %lld failed: %s", part->partition->topic,
		part->partition->index, (long long)part->offset, e->msg);
	return error;
}

/* Read the part's partition; its slice, if there is one, becomes the answer's next. */
static int16_t
read_part(struct fetch_state *state, struct fetch_part *part, struct buf *aborted)
{
	struct fetch_response_partition *answer = part->answer;
	struct partlog_slice *slice = &state->slice[state->nslice];
	struct partition_read what = {
		.offset = part->offset,
		.size_max = MIN(state->size_max - state->size, MAX(part->size_max, 0)),
		.limit = state->is_read_committed ? PARTITION_STABLE_OFFSET : PARTITION_HIGH_WATERMARK,
		.is_first_whole = state->size == 0,
		.is_follower = state->is_follower,
		.leader_epoch = part->leader_epoch,
		.last_epoch = part->last_epoch,
		.aborted = state->is_read_committed ? aborted : NULL,
	};
	struct partition_read_result result;
	struct err e;
	bool has_room = state->size < state->size_max && !is_full(state);
	buf_reset(aborted);
	if (partition_read(part->partition, &what, has_room ? slice : NULL, &result, &e) < 0)
		result.error = note_failure(state, part, result.error, &e);
	part->seen_limit = result.limit_offset;
	answer->high_watermark = result.high_watermark;
	answer->last_stable_offset = result.stable_offset;
	answer->log_start_offset = result.log_start_offset;
	answer->diverging_epoch.epoch = result.diverging_epoch;
	answer->diverging_epoch.end_offset = result.diverging_end_offset;
	if (has_room && slice->size) {
		answer->records = (struct str){ NULL, (int32_t)slice->size };
		state->size += slice->size;
		state->nslice++;
		if (what.aborted)
			list_aborted(state, part, aborted);
	}
	return state->by_id && result.error == KERR_UNKNOWN_TOPIC_OR_PARTITION
		? KERR_UNKNOWN_TOPIC_ID : result.error;
}

static void
fill_answer(struct fetch_state *state, struct fetch_part *part, struct buf *aborted)
{
	struct fetch_response_partition *answer = part->answer;
	struct fetch_response_partition before = *answer;
	wire_defaults(&fetch_response_partition_desc, answer);
	answer->partition_index = before.partition_index;
	answer->records = STR("");
	answer->aborted_transactions = before.aborted_transactions;
	answer->aborted_transactions.n = state->is_read_committed || !part->partition ? 0 : -1;
	answer->high_watermark = -1;
	int16_t error = part->partition ? read_part(state, part, aborted) : part->missing_error;
	answer->error_code = error;
	if (error) /* the offsets of an error are -1 */
		answer->high_watermark = answer->last_stable_offset = answer->log_start_offset = -1;
	if (error || answer->diverging_epoch.end_offset >= 0)
		state->has_error = true;
}

/* Read all partitions.  True: the answer is complete, or will not get better. */
static bool
read_all(struct fetch_state *state)
{
	struct buf aborted = BUF_INIT;
	drop_slices(state);
	state->has_error = state->is_starved = false;
	for (int i = 0; i < state->npart; i++)
		fill_answer(state, &state->part[i], &aborted);
	buf_release(&aborted);
	return state->has_error || state->is_due || state->size >= state->size_min || is_full(state);
}

/* ---- waiting ---- */

static void
stop_waiting(struct fetch_state *state)
{
	if (!state->is_waiting)
		return;
	for (int i = 0; i < state->npart; i++)
		if (state->part[i].partition)
			partition_cancel_fetch(&state->part[i].wait);
	state->is_waiting = false;
}

/* False: a partition advanced meanwhile. */
static bool
begin_waiting(struct fetch_state *state)
{
	state->is_waiting = true;
	/* Before any is queued: when one has advanced, all are cancelled. */
	for (int i = 0; i < state->npart; i++) {
		struct fetch_part *part = &state->part[i];
		list_init(&part->wait.link);
		part->wait.partition = part->partition;
		part->wait.waker = &state->waker;
		part->wait.is_stable = state->is_read_committed;
	}
	for (int i = 0; i < state->npart; i++) {
		struct fetch_part *part = &state->part[i];
		if (part->partition && !partition_wait(part->partition, &part->wait,
			part->seen_limit)) {
			stop_waiting(state);
			return false;
		}
	}
	return true;
}

static void
release_parts(struct fetch_state *state)
{
	loop_timer_clear(state->rq->loop, &state->timer);
	for (int i = 0; i < state->npart; i++)
		partition_put(state->part[i].partition);
}

static void respond(struct fetch_state *state);

/* Answer, or wait until a partition advances. */
static void
try_answer(struct fetch_state *state)
{
	do {
		if (atomic_load(&state->waker.is_posted))
			return; /* the task is posted and will read again */
		if (read_all(state)) {
			release_parts(state);
			respond(state);
			return;
		}
		if (state->is_starved)
			loop_timer_set(state->rq->loop, &state->timer,
				MIN(state->due_ms, state->rq->loop->now_ms + STARVED_MS));
	} while (!begin_waiting(state));
}

static void
on_wake(struct loop_task *task)
{
	struct fetch_state *state = CONTAINER_OF(task, struct fetch_state, waker.task);
	atomic_store(&state->waker.is_posted, false);
	stop_waiting(state);
	if (atomic_load(&state->waker.is_posted))
		return; /* posted again before the waits were cancelled: that run continues */
	if (state->is_cancelled) {
		release_parts(state);
		drop_slices(state);
		request_drop(state->rq);
		return;
	}
	try_answer(state);
}

static void
on_deadline(struct loop_timer *timer)
{
	struct fetch_state *state = CONTAINER_OF(timer, struct fetch_state, timer);
	state->is_due = true;
	stop_waiting(state);
	try_answer(state);
}

static void
cancel(struct request *rq)
{
	struct fetch_state *state = rq->state;
	state->is_cancelled = true;
	stop_waiting(state);
	loop_timer_clear(rq->loop, &state->timer);
	if (atomic_load(&state->waker.is_posted))
		return; /* on_wake ends it */
	release_parts(state);
	drop_slices(state);
	request_drop(rq);
}

/* ---- the request ---- */

static void
prepare_part(struct fetch_state *state, const struct fetch_session_part *asked,
	struct fetch_response_partition *answer)
{
	struct fetch_part *part = &state->part[state->npart++];
	bool is_topic = false;
	part->answer = answer;
	answer->partition_index = asked->index;
	part->offset = asked->offset;
	part->size_max = asked->size_max;
	part->leader_epoch = asked->leader_epoch;
	part->last_epoch = asked->last_epoch;
	part->partition = topics_partition(&state->rq->broker->topics,
		state->by_id ? STR_NULL : asked->topic, &asked->topic_id, asked->index, &is_topic);
	part->missing_error = state->by_id && !is_topic ? KERR_UNKNOWN_TOPIC_ID
		: KERR_UNKNOWN_TOPIC_OR_PARTITION;
}

/* The partitions that the request itself names, in the form that a session has. */
static void
list_asked(struct fetch_state *state, const struct fetch_request *q)
{
	for (int32_t i = 0; i < q->topics.n; i++)
		state->nasked += q->topics.v[i].partitions.n;
	state->asked = REQUEST_ARRAY(state->rq, struct fetch_session_part, state->nasked);
	struct fetch_session_part *to = state->asked;
	for (int32_t i = 0; i < q->topics.n; i++) {
		const struct fetch_request_topic *t = &q->topics.v[i];
		/* Copied, as the request may wait for longer than its input lives. */
		struct str topic = arena_str(&state->rq->arena, t->topic);
		for (int32_t k = 0; k < t->partitions.n; k++) {
			const struct fetch_request_partition *asked = &t->partitions.v[k];
			*to++ = (struct fetch_session_part){ .topic = topic, .topic_id = t->topic_id,
				.index = asked->partition, .size_max = asked->partition_max_bytes,
				.leader_epoch = asked->current_leader_epoch,
				.last_epoch = asked->last_fetched_epoch, .offset = asked->fetch_offset };
		}
	}
}

static bool
is_same_topic(const struct fetch_state *state, const struct fetch_session_part *a,
	const struct fetch_session_part *b)
{
	return state->by_id ? uuid_eq(&a->topic_id, &b->topic_id) : str_eq(a->topic, b->topic);
}

/* Make the parts, and an answer for each; neighbours of the same topic share an entry. */
static void
prepare(struct fetch_state *state)
{
	struct request *rq = state->rq;
	int n = state->nasked, ntopic = 0;
	state->part = REQUEST_ARRAY(rq, struct fetch_part, n);
	state->slice = REQUEST_ARRAY(rq, struct partlog_slice, n);
	struct fetch_response_partition *answer =
		REQUEST_ARRAY(rq, struct fetch_response_partition, n);
	for (int i = 0; i < n; i++)
		ntopic += i == 0 || !is_same_topic(state, &state->asked[i], &state->asked[i - 1]);
	state->response.responses.v = REQUEST_ARRAY(rq,
		struct fetch_response_topic, ntopic);
	struct fetch_response_topic *t = state->response.responses.v - 1;
	for (int i = 0; i < n; i++) {
		if (i == 0 || !is_same_topic(state, &state->asked[i], &state->asked[i - 1])) {
			wire_defaults(&fetch_response_topic_desc, ++t);
			t->topic = state->asked[i].topic;
			t->topic_id = state->asked[i].topic_id;
			t->partitions.v = answer + i;
		}
		t->partitions.n++;
		prepare_part(state, &state->asked[i], answer + i);
	}
	state->response.responses.n = ntopic;
}

/* ---- sessions ---- */

/* False: the response has an error. */
static bool
begin_session(struct fetch_state *state, const struct fetch_request *q)
{
	struct request *rq = state->rq;
	bool is_over = false;
	if (q->session_epoch <= 0) {
		if (q->session_id != 0)
			fetch_session_end(&rq->broker->fetch_sessions, q->session_id);
		state->session = q->session_epoch == 0 && rq->header.api_version >= 7 ? SESSION_NEW
			: SESSION_NONE;
		list_asked(state, q);
		return true;
	}
	state->response.error_code = fetch_session_next(&rq->broker->fetch_sessions, q, state->by_id,
		rq->loop->now_ms, &rq->arena, &state->asked, &state->nasked, &is_over);
	state->session = is_over ? SESSION_NONE : SESSION_OLD;
	if (state->response.error_code)
		return false;
	if (!is_over)
		state->response.session_id = q->session_id;
	return true;
}

/* Note in the session's parts what the answer says of each. */
static void
note_answers(struct fetch_state *state)
{
	for (int i = 0; i < state->npart; i++) {
		const struct fetch_response_partition *answer = state->part[i].answer;
		state->asked[i].high_watermark = answer->error_code ? -1 : answer->high_watermark;
		state->asked[i].log_start_offset = answer->log_start_offset;
		state->asked[i].has_records = answer->records.n > 0;
		state->asked[i].is_listed = answer->error_code || answer->diverging_epoch.end_offset >= 0;
	}
}

/* Drop the partitions about which nothing is new. */
static void
drop_unchanged(struct fetch_state *state)
{
	struct fetch_response_topic *t = state->response.responses.v;
	const struct fetch_session_part *asked = state->asked;
	int32_t ntopic = 0;
	for (int32_t i = 0; i < state->response.responses.n; i++) {
		int32_t n = 0;
		for (int32_t k = 0; k < t[i].partitions.n; k++)
			if (asked++->is_listed)
				t[i].partitions.v[n++] = t[i].partitions.v[k];
		t[i].partitions.n = n;
		if (n)
			t[ntopic++] = t[i];
	}
	state->response.responses.n = ntopic;
}

static void
respond(struct fetch_state *state)
{
	struct request *rq = state->rq;
	struct fetch_sessions *sessions = &rq->broker->fetch_sessions;
	if (state->session != SESSION_NONE)
		note_answers(state);
	if (state->session == SESSION_NEW)
		state->response.session_id = fetch_session_new(sessions, state->asked, state->nasked,
			state->by_id, rq->loop->now_ms);
	if (state->session == SESSION_OLD) {
		state->response.error_code = fetch_session_answer(sessions, rq->body, state->asked,
			state->nasked);
		if (state->response.error_code) {
			drop_slices(state);
			state->response.responses.n = 0;
		} else {
			drop_unchanged(state);
		}
	}
	request_respond_slices(rq, &state->response, state->slice, state->nslice);
}

void
api_fetch(struct request *rq)
{
	struct fetch_request *q = rq->body;
	struct fetch_state *state = REQUEST_ARRAY(rq, struct fetch_state, 1);
	state->rq = rq;
	rq->state = state;
	wire_defaults(&fetch_response_desc, &state->response);
	state->by_id = rq->header.api_version >= 13;
	if (!begin_session(state, q)) {
		request_respond(rq, &state->response);
		return;
	}
	state->size_min = q->min_bytes;
	state->size_max = MIN(MAX(q->max_bytes, 0), rq->broker->fetch_size_max);
	state->is_read_committed = q->isolation_level == 1;
	state->is_follower = q->replica_id >= 0 || q->replica_state.replica_id >= 0;
	state->is_due = q->max_wait_ms <= 0;
	state->waker.loop = rq->loop;
	state->waker.task.fn = on_wake;
	state->timer.fn = on_deadline;
	prepare(state);
	if (state->npart == 0)
		state->is_due = true;
	state->due_ms = rq->loop->now_ms + q->max_wait_ms;
	if (!state->is_due)
		loop_timer_set(rq->loop, &state->timer, state->due_ms);
	rq->cancel = cancel;
	try_answer(state);
}
