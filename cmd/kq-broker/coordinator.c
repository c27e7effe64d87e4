#include "kq-broker/coordinator.h"

#include "kq-broker/api.h"
#include "kq-broker/broker.h"
#include "kq-broker/catalog.h"
#include "kq-broker/markers.h"

#include "proto.h"
#include "sys/syncer.h"
#include "text/say.h"
#include "wire/kerr.h"

#include <errno.h>
#include <stdio.h>

/* --- whose turn it is --- */

bool
coordinator_enter(struct coordinator *c)
{
	if (pthread_mutex_trylock(&c->lock) != 0)
		return false;
	if (!c->is_loaded || atomic_load(&c->nposted) > 0) {
		pthread_mutex_unlock(&c->lock);
		return false;
	}
	loop_update_time(&c->loop);
	return true;
}

void
coordinator_soon(struct coordinator *c, struct loop_task *t)
{
	list_init(&t->link);
	list_append(&c->soon, &t->link);
}

static void
settle(struct loop *l)
{
	struct coordinator *c = CONTAINER_OF(l, struct coordinator, loop);
	while (!list_is_empty(&c->soon)) {
		struct loop_task *t = CONTAINER_OF(c->soon.next, struct loop_task, link);
		list_unlink(&t->link);
		t->fn(t);
	}
}

void
coordinator_leave(struct coordinator *c)
{
	settle(&c->loop);
	pthread_mutex_unlock(&c->lock);
}

void
coordinator_post(struct coordinator *c, struct loop_task *t)
{
	atomic_fetch_add(&c->nposted, 1);
	loop_post(&c->loop, t);
}

/* --- partitions --- */

struct partition *
coordinator_partition(struct coordinator *c, enum coordinator_kind kind, int32_t index)
{
	struct coordinator_topic *t = &c->topic[kind];
	assert(index >= 0 && index < t->npartition);
	if (!t->partition[index])
		t->partition[index] = topics_partition(&c->broker->topics, str_of(t->name), NULL,
			index, NULL);
	return t->partition[index];
}

int16_t
coordinator_make_topic(struct broker *b, enum coordinator_kind kind)
{
	struct coordinator_topic *t = &b->coordinator.topic[kind];
	struct catalog_error e;
	if (atomic_load(&t->is_there))
		return KERR_NONE;
	struct config_set *set = config_set_copy(NULL);
	char size[24];
	snprintf(size, sizeof size, "%lld", (long long)config_int(NULL, b->settings->values,
		kind == COORD_GROUPS ? CONFIG_OFFSETS_TOPIC_SEGMENT_BYTES
		: CONFIG_TRANSACTION_STATE_LOG_SEGMENT_BYTES));
	config_set_put(set, CONFIG_CLEANUP_POLICY, "compact");
	config_set_put(set, CONFIG_COMPRESSION_TYPE, "producer");
	config_set_put(set, CONFIG_SEGMENT_BYTES, size);
	int r = catalog_create(b, str_of(t->name), t->npartition, set, false, &e);
	config_set_free(set);
	if (r < 0) {
		log_bounded(LOG_ERROR, "cannot create %s: %s", t->name, e.message);
		return KERR_COORDINATOR_NOT_AVAILABLE;
	}
	atomic_store(&t->is_there, true);
	return KERR_NONE;
}

/* --- timers --- */

static void
on_groups_timer(struct loop_timer *t)
{
	struct coordinator *c = CONTAINER_OF(t, struct coordinator, groups_timer);
	groups_tick(c->groups, coordinator_now(c));
	coordinator_set_timers(c);
}

static void
on_txns_timer(struct loop_timer *t)
{
	struct coordinator *c = CONTAINER_OF(t, struct coordinator, txns_timer);
	txns_tick(c->txns, coordinator_now(c));
	coordinator_set_timers(c);
}

static void
set_timer(struct coordinator *c, struct loop_timer *t, int64_t at_ms)
{
	if (at_ms == INT64_MAX)
		loop_timer_clear(&c->loop, t);
	else
		loop_timer_set(&c->loop, t, at_ms);
}

void
coordinator_set_timers(struct coordinator *c)
{
	if (!c->is_cut) {
		set_timer(c, &c->groups_timer, groups_next_tick(c->groups));
		set_timer(c, &c->txns_timer, txns_next_tick(c->txns));
	}
	arena_reset(&c->scratch);
}

/* --- answers --- */

/* Send the answer, unless there is a partition to wait for. */
static void
send_or_hold(struct coordinator *c, struct coord_request *q)
{
	while (q->next <= q->last) {
		q->ack.partition = c->topic[q->kind].partition[q->next++];
		if (!q->ack.partition)
			continue; /* nothing was ever appended */
		if (partition_wait_committed(q->ack.partition, c->syncer, &q->ack)) {
			list_append(&c->held, &q->link);
			return;
		}
		if (q->ack.error) {
			request_close(q->rq); /* it must not be taken for done */
			return;
		}
	}
	request_send(q->rq);
}

static void
on_held(struct loop_task *t)
{
	struct coord_request *q = CONTAINER_OF(t, struct coord_request, ack.task);
	list_unlink(&q->link);
	if (q->ack.error)
		request_close(q->rq);
	else
		send_or_hold(&q->rq->broker->coordinator, q);
}

void
coordinator_respond(struct coordinator *c, enum coordinator_kind kind,
	struct coord_call *call, const void *response)
{
	struct coord_request *q = CONTAINER_OF(call, struct coord_request, call);
	request_encode(q->rq, response);
	q->kind = kind;
	q->next = call->partition == COORD_ALL_PARTITIONS ? 0 : call->partition;
	q->last = call->partition == COORD_ALL_PARTITIONS ? c->topic[kind].npartition - 1
		: call->partition;
	q->ack.loop = &c->loop;
	q->ack.task.fn = on_held;
	if (call->partition == -1)
		request_send(q->rq);
	else
		send_or_hold(c, q);
}

/* --- requests --- */

/* A transaction may commit offsets only as part of it.  True: go on. */
static bool check_offsets(struct coordinator *c, struct coord_request *q);

static void
hand_in(struct coordinator *c, struct coord_request *q)
{
	int16_t key = q->call.api_key;
	if (groups_handles(key))
		groups_handle(c->groups, &q->call, coordinator_now(c));
	else
		txns_handle(c->txns, &q->call, coordinator_now(c));
	coordinator_set_timers(c);
}

static void
on_written(struct loop_task *t)
{
	struct end_part *p = CONTAINER_OF(t, struct end_part, ack.task);
	struct end_wait *w = p->wait;
	struct coord_request *q = w->request;
	/* A topic that was deleted has nothing to be waited for. */
	w->has_failed |= p->ack.error == KERR_KAFKA_STORAGE_ERROR;
	partition_put(p->ack.partition);
	p->ack.partition = NULL;
	if (--w->nleft > 0)
		return;
	list_unlink(&w->link);
	if (w->has_failed)
		request_close(q->rq);
	else
		hand_in(&q->rq->broker->coordinator, q);
}

static void
wait_for_part(struct coordinator *c, struct end_wait *w, struct end_part *p,
	const struct coord_partition *at)
{
	p->ack = (struct ack_wait){ .loop = &c->loop, .task.fn = on_written };
	p->ack.partition = topics_partition(&c->broker->topics, at->topic, NULL, at->index, NULL);
	p->wait = w;
	if (!p->ack.partition)
		return;
	if (partition_wait_committed(p->ack.partition, c->syncer, &p->ack)) {
		w->nleft++;
		return;
	}
	w->has_failed |= p->ack.error == KERR_KAFKA_STORAGE_ERROR;
	partition_put(p->ack.partition);
	p->ack.partition = NULL;
}

/* Before a commit, all that was written for it has to be on disk.  True: go on. */
static bool
check_written(struct coordinator *c, struct coord_request *q)
{
	const struct end_txn_request *r = q->call.body;
	struct coord_producer producer = { r->producer_id, r->producer_epoch };
	struct coord_partition *v;
	int n = !r->committed ? 0
		: txns_touched(c->txns, r->transactional_id, &producer, q->call.arena, &v);
	if (n == 0)
		return true;
	struct end_wait *w = REQUEST_ARRAY(q->rq, struct end_wait, 1);
	w->part = REQUEST_ARRAY(q->rq, struct end_part, n);
	w->npart = n;
	w->request = q;
	list_init(&w->link);
	for (int i = 0; i < n; i++)
		wait_for_part(c, w, &w->part[i], &v[i]);
	if (w->nleft > 0)
		list_append(&c->ends, &w->link);
	else if (w->has_failed)
		request_close(q->rq);
	return w->nleft == 0 && !w->has_failed;
}

static void
handle(struct coordinator *c, struct coord_request *q)
{
	if (q->call.api_key == API_TXN_OFFSET_COMMIT && !check_offsets(c, q))
		return;
	if (q->call.api_key == API_END_TXN && !check_written(c, q))
		return;
	hand_in(c, q);
}

/* What is not there is reported before what is wrong with the transaction.  0: the
 * topic is there, with *npartition partitions. */
static int16_t
topic_fault(const struct coord_request *q,
	const struct txn_offset_commit_request_topic *t,
	int32_t *npartition)
{
	bool by_id = q->call.api_version >= 6;
	struct topics *topics = &q->rq->broker->topics;
	topics_read_begin(topics);
	const struct topic *topic = by_id ? topics_find_id(topics, &t->topic_id)
		: topics_find(topics, t->name);
	*npartition = topic ? topic->npartition : 0;
	topics_read_end(topics);
	return topic ? KERR_NONE : by_id ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
}

static void
refuse_offsets(struct coordinator *c, struct coord_request *q, int16_t error)
{
	const struct txn_offset_commit_request *r = q->call.body;
	struct txn_offset_commit_response a;
	wire_defaults(&txn_offset_commit_response_desc, &a);
	a.topics.n = r->topics.n;
	a.topics.v = arena_alloc(q->call.arena, (size_t)r->topics.n * sizeof *a.topics.v);
	for (int32_t i = 0; i < a.topics.n; i++) {
		struct txn_offset_commit_response_topic *t = &a.topics.v[i];
		t->name = r->topics.v[i].name;
		t->topic_id = r->topics.v[i].topic_id;
		int32_t npartition;
		int16_t topic_error = topic_fault(q, &r->topics.v[i], &npartition);
		t->partitions.n = r->topics.v[i].partitions.n;
		t->partitions.v = arena_alloc(q->call.arena,
			(size_t)t->partitions.n * sizeof *t->partitions.v);
		for (int32_t k = 0; k < t->partitions.n; k++) {
			int32_t index = r->topics.v[i].partitions.v[k].partition_index;
			t->partitions.v[k].partition_index = index;
			t->partitions.v[k].error_code = topic_error ? topic_error
				: index < 0 || index >= npartition ? KERR_UNKNOWN_TOPIC_OR_PARTITION
				: error;
		}
	}
	coordinator_respond(c, COORD_GROUPS, &q->call, &a);
}

static void
on_offsets_added(struct loop_task *t)
{
	struct coord_request *q = CONTAINER_OF(t, struct coord_request, ack.task);
	struct coordinator *c = &q->rq->broker->coordinator;
	list_unlink(&q->link);
	if (q->ack.error)
		request_close(q->rq);
	else
		handle(c, q); /* looks again: the transaction may be over */
}

static bool
check_offsets(struct coordinator *c, struct coord_request *q)
{
	const struct txn_offset_commit_request *r = q->call.body;
	struct coord_producer producer = { r->producer_id, r->producer_epoch };
	struct coord_partition part = { str_of(c->topic[COORD_GROUPS].name),
		coord_partition_of(r->group_id, c->topic[COORD_GROUPS].npartition) };
	int32_t partition = -1;
	bool must_wait = false;
	int16_t error = txns_check_write(c->txns, r->transactional_id, &producer, &part, 1,
		q->call.api_version >= 5, coordinator_now(c), &partition, &must_wait);
	coordinator_set_timers(c);
	if (error == KERR_TRANSACTION_ABORTABLE && q->call.api_version < 4)
		error = KERR_INVALID_TXN_STATE;
	if (error) {
		refuse_offsets(c, q, error);
		return false;
	}
	if (!must_wait)
		return true;
	q->ack.partition = coordinator_partition(c, COORD_TXNS, partition);
	q->ack.loop = &c->loop;
	q->ack.task.fn = on_offsets_added;
	if (!q->ack.partition || !partition_wait_committed(q->ack.partition, c->syncer, &q->ack))
		return true;
	list_append(&c->held, &q->link);
	return false;
}

/* A request to add offsets to a transaction writes to the groups' topic, and may
 * be the first one to need that topic. */
static bool
needs_groups(const struct request *rq)
{
	return rq->api->key == API_ADD_OFFSETS_TO_TXN;
}

static bool
has_topics(const struct request *rq, enum coordinator_kind kind)
{
	struct coordinator *c = &rq->broker->coordinator;
	return atomic_load(&c->topic[kind].is_there)
		&& (!needs_groups(rq) || atomic_load(&c->topic[COORD_GROUPS].is_there));
}

static void
make_topics(const struct request *rq, enum coordinator_kind kind)
{
	coordinator_make_topic(rq->broker, kind);
	if (needs_groups(rq))
		coordinator_make_topic(rq->broker, COORD_GROUPS);
}

void
coordinator_take(struct request *rq, enum coordinator_kind kind)
{
	struct coordinator *c = &rq->broker->coordinator;
	if (rq->place == ON_CONTROL)
		make_topics(rq, kind); /* or the machine says no */
	if (rq->place != ON_COORDINATOR) {
		bool must_make = rq->place == ON_REACTOR && !has_topics(rq, kind);
		request_to(rq, must_make ? ON_CONTROL : ON_COORDINATOR);
		return;
	}
	if (c->is_cut) {
		request_close(rq);
		return;
	}
	struct coord_request *q = REQUEST_ARRAY(rq, struct coord_request, 1);
	list_init(&q->link);
	q->rq = rq;
	q->call = (struct coord_call){ .api_key = rq->api->key,
		.api_version = rq->header.api_version, .body = rq->body,
		.client_id = rq->header.client_id.n < 0 ? STR("") : rq->header.client_id,
		.client_host = str_of(rq->client_host), .partition = -1, .arena = &rq->arena };
	handle(c, q);
}

/* --- what the control thread tells --- */

static void
on_topics(struct loop_task *t)
{
	struct coordinator *c = CONTAINER_OF(t, struct coordinator, topics_task);
	atomic_store(&c->is_noted, false);
	if (!c->is_cut)
		groups_topics_changed(c->groups, coordinator_now(c));
	coordinator_set_timers(c);
}

void
coordinator_note_topics(struct coordinator *c)
{
	if (!c->is_started || atomic_exchange(&c->is_noted, true))
		return;
	c->topics_task.fn = on_topics;
	loop_post(&c->loop, &c->topics_task);
}

struct deleted_note {
	struct loop_task task;
	struct coordinator *coordinator;
	char *topic;
};

static void
on_deleted(struct loop_task *t)
{
	struct deleted_note *n = CONTAINER_OF(t, struct deleted_note, task);
	struct coordinator *c = n->coordinator;
	if (!c->is_cut)
		groups_topic_deleted(c->groups, str_of(n->topic), coordinator_now(c));
	coordinator_set_timers(c);
	mem_free(n->topic);
	mem_free(n);
}

void
coordinator_note_deleted(struct coordinator *c, struct str topic)
{
	struct deleted_note *n = NEW(struct deleted_note);
	n->task.fn = on_deleted;
	n->coordinator = c;
	n->topic = mem_strndup(topic);
	loop_post(&c->loop, &n->task);
}

/* --- beginning and end --- */

static struct groups_config
groups_settings(const struct broker *b, int32_t npartition)
{
	const struct config_set *v = b->settings->values;
	const char *migration = config_value(NULL, v, CONFIG_GROUP_CONSUMER_MIGRATION_POLICY);
	bool both = strcmp(migration, "bidirectional") == 0;
	return (struct groups_config){
		.npartition = npartition,
		.ngroup_max = (int32_t)config_int(NULL, v, CONFIG_MAX_GROUPS),
		.state_size_max = config_int(NULL, v, CONFIG_GROUP_STATE_BYTES_MAX),
		.member_max = (int32_t)config_int(NULL, v, CONFIG_GROUP_MAX_SIZE),
		.session_min_ms = (int32_t)config_int(NULL, v, CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS),
		.session_max_ms = (int32_t)config_int(NULL, v, CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS),
		.initial_delay_ms = (int32_t)config_int(NULL, v,
			CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS),
		.offset_metadata_max = (int32_t)config_int(NULL, v, CONFIG_OFFSET_METADATA_MAX_BYTES),
		.offsets_retention_ms = config_int(NULL, v, CONFIG_OFFSETS_RETENTION_MINUTES) * 60000,
		.expiry_interval_ms = config_int(NULL, v, CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS),
		.has_consumer_protocol = b->has_consumer_protocol,
		.consumer_session_ms = (int32_t)config_int(NULL, v, CONFIG_CONSUMER_SESSION_TIMEOUT_MS),
		.consumer_heartbeat_ms = (int32_t)config_int(NULL, v,
			CONFIG_CONSUMER_HEARTBEAT_INTERVAL_MS),
		.consumer_member_max = (int32_t)config_int(NULL, v, CONFIG_GROUP_CONSUMER_MAX_SIZE),
		.can_upgrade = both || strcmp(migration, "upgrade") == 0,
		.can_downgrade = both || strcmp(migration, "downgrade") == 0,
	};
}

static struct txns_config
txns_settings(const struct broker *b, int32_t npartition)
{
	const struct config_set *v = b->settings->values;
	return (struct txns_config){
		.npartition = npartition,
		.ntxn_max = (int32_t)config_int(NULL, v, CONFIG_MAX_TRANSACTIONAL_IDS),
		.timeout_max_ms = (int32_t)config_int(NULL, v, CONFIG_TRANSACTION_MAX_TIMEOUT_MS),
		.id_expiration_ms = config_int(NULL, v, CONFIG_TRANSACTIONAL_ID_EXPIRATION_MS),
		.abort_interval_ms = config_int(NULL, v,
			CONFIG_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS),
		.expiry_interval_ms = config_int(NULL, v,
			CONFIG_TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS),
		.coordinator_epoch = b->leader_epoch,
	};
}

/* As many partitions as the topic has, or will have. */
static void
init_topic(struct coordinator *c, struct coordinator_topic *t, const char *name, int64_t npartition)
{
	struct topic *topic = topics_find(&c->broker->topics, str_of(name));
	t->name = name;
	t->npartition = topic ? topic->npartition : (int32_t)npartition;
	t->partition = mem_alloc((size_t)t->npartition * sizeof *t->partition);
	atomic_init(&t->is_there, topic != NULL);
}

int
coordinator_init(struct coordinator *c, struct broker *b, struct err *e)
{
	const struct config_set *v = b->settings->values;
	c->broker = b;
	list_init(&c->held);
	list_init(&c->ends);
	list_init(&c->commits);
	list_init(&c->markers);
	list_init(&c->checks);
	list_init(&c->soon);
	c->groups_timer.fn = on_groups_timer;
	c->txns_timer.fn = on_txns_timer;
	if (loop_init(&c->loop, e) < 0)
		return -1;
	pthread_mutex_init(&c->lock, NULL);
	c->loop.guard = &c->lock;
	c->loop.settle = settle;
	c->syncer = syncer_new(&c->loop, b->use_uring);
	syncer_limit(c->syncer, (int)b->descriptors.sync_max);
	init_topic(c, &c->topic[COORD_GROUPS], "__consumer_offsets",
		config_int(NULL, v, CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS));
	init_topic(c, &c->topic[COORD_TXNS], "__transaction_state",
		config_int(NULL, v, CONFIG_TRANSACTION_STATE_LOG_NUM_PARTITIONS));
	coordinator_env_init(c);
	struct groups_config gc = groups_settings(b, c->topic[COORD_GROUPS].npartition);
	struct txns_config tc = txns_settings(b, c->topic[COORD_TXNS].npartition);
	c->groups = groups_new(&gc, &c->groups_env);
	c->txns = txns_new(&tc, &c->txns_env);
	return 0;
}

static void *
run(void *arg)
{
	struct coordinator *c = arg;
	pthread_mutex_lock(&c->lock);
	loop_update_time(&c->loop);
	coordinator_load(c); /* requests wait in the loop's queue meanwhile */
	loop_update_time(&c->loop);
	coordinator_set_timers(c);
	c->is_loaded = !c->is_cut;
	coordinator_leave(c);
	loop_run(&c->loop);
	return NULL;
}

int
coordinator_start(struct coordinator *c, struct err *e)
{
	errno = pthread_create(&c->thread, NULL, run, c);
	if (errno)
		return err_sys(e, "cannot start a thread");
	c->is_started = true;
	return 0;
}

static void
on_stop(struct loop_task *t)
{
	struct coordinator *c = CONTAINER_OF(t, struct coordinator, stop_task);
	if (!c->is_cut) {
		groups_stop(c->groups);
		txns_stop(c->txns);
	}
	coordinator_set_timers(c);
}

void
coordinator_quiesce(struct coordinator *c)
{
	if (!c->is_started)
		return;
	atomic_store(&c->is_stopping, true);
	c->stop_task.fn = on_stop;
	loop_post(&c->loop, &c->stop_task);
}

void
coordinator_stop(struct coordinator *c)
{
	if (!c->is_started)
		return;
	loop_stop(&c->loop);
	pthread_join(c->thread, NULL);
	c->is_started = false;
	syncer_drain(c->syncer);
}

static void
drop_end(struct end_wait *w)
{
	list_unlink(&w->link);
	for (int i = 0; i < w->npart; i++)
		if (w->part[i].ack.partition) {
			partition_cancel_ack(&w->part[i].ack);
			partition_put(w->part[i].ack.partition);
		}
	request_close(w->request->rq);
}

void
coordinator_release(struct coordinator *c)
{
	if (!c->broker)
		return;
	LIST_EACH(it, &c->ends)
		drop_end(CONTAINER_OF(it, struct end_wait, link));
	LIST_EACH(it, &c->held) {
		struct coord_request *q = CONTAINER_OF(it, struct coord_request, link);
		list_unlink(&q->link);
		partition_cancel_ack(&q->ack);
		request_close(q->rq);
	}
	LIST_EACH(it, &c->checks) {
		struct txn_check *k = CONTAINER_OF(it, struct txn_check, link);
		if (k->ack.partition)
			partition_cancel_ack(&k->ack);
	}
	LIST_EACH(it, &c->commits) {
		struct commit_wait *w = CONTAINER_OF(it, struct commit_wait, link);
		partition_cancel_ack(&w->ack);
		mem_free(w);
	}
	markers_release(c);
	groups_free(c->groups);
	txns_free(c->txns);
	for (int kind = 0; kind < COORD_N; kind++) {
		for (int32_t i = 0; i < c->topic[kind].npartition; i++)
			partition_put(c->topic[kind].partition[i]);
		mem_free(c->topic[kind].partition);
	}
	arena_release(&c->scratch);
	builder_release(&c->builder);
	buf_release(&c->packed);
	if (c->syncer)
		syncer_free(c->syncer);
	if (c->loop.epoll_fd < 0)
		return;
	loop_release(&c->loop);
	pthread_mutex_destroy(&c->lock);
}
