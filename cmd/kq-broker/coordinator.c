#include "kq-broker/coordinator_int.h"

#include "coord/internal.h"
#include "kq-broker/catalog.h"

#include "proto.h"
#include "sys/syncer.h"
#include "text/say.h"
#include "wire/kerr.h"

#include <errno.h>
#include <stdio.h>

/* ---- the lock ---- */

bool
coordinator_enter(struct coordinator *coord)
{
	if (pthread_mutex_trylock(&coord->lock) != 0)
		return false;
	if (!coord->is_loaded || atomic_load(&coord->nposted) > 0) {
		pthread_mutex_unlock(&coord->lock);
		return false;
	}
	loop_update_time(&coord->loop);
	return true;
}

void
coordinator_defer(struct coordinator *coord, struct loop_task *task)
{
	list_init(&task->link);
	list_append(&coord->deferred, &task->link);
}

static void
run_deferred(struct loop *loop)
{
	struct coordinator *coord = CONTAINER_OF(loop, struct coordinator, loop);
	while (!list_is_empty(&coord->deferred)) {
		struct loop_task *task = CONTAINER_OF(coord->deferred.next, struct loop_task, link);
		list_unlink(&task->link);
		task->fn(task);
	}
}

void
coordinator_leave(struct coordinator *coord)
{
	run_deferred(&coord->loop);
	pthread_mutex_unlock(&coord->lock);
}

void
coordinator_post(struct coordinator *coord, struct loop_task *task)
{
	atomic_fetch_add(&coord->nposted, 1);
	loop_post(&coord->loop, task);
}

void
coordinator_unpost(struct coordinator *coord)
{
	int was = atomic_fetch_sub(&coord->nposted, 1);
	assert(was > 0);
}

/* ---- partitions ---- */

struct partition *
coordinator_partition(struct coordinator *coord, enum coordinator_kind kind, int32_t index)
{
	struct coordinator_topic *topic = &coord->topic[kind];
	assert(index >= 0 && index < topic->npartition);
	if (!topic->partition[index])
		topic->partition[index] = topics_partition(coord->deps.topics, str_of(topic->name),
			NULL, index, NULL);
	return topic->partition[index];
}

bool
coordinator_has_topic(const struct coordinator *coord, enum coordinator_kind kind)
{
	return atomic_load(&coord->topic[kind].is_there);
}

int16_t
coordinator_make_topic(struct coordinator *coord, enum coordinator_kind kind)
{
	struct coordinator_topic *topic = &coord->topic[kind];
	struct catalog_error error;
	if (atomic_load(&topic->is_there))
		return KERR_NONE;
	struct config_set *set = config_set_copy(NULL);
	char size[24];
	snprintf(size, sizeof size, "%lld", (long long)config_int(NULL, coord->deps.settings,
		kind == COORD_GROUPS ? CONFIG_OFFSETS_TOPIC_SEGMENT_BYTES
		: CONFIG_TRANSACTION_STATE_LOG_SEGMENT_BYTES));
	config_set_put(set, CONFIG_CLEANUP_POLICY, "compact");
	config_set_put(set, CONFIG_COMPRESSION_TYPE, "producer");
	config_set_put(set, CONFIG_SEGMENT_BYTES, size);
	int rc = catalog_create(coord->deps.catalog, str_of(topic->name), topic->npartition, set,
		false, &error);
	config_set_free(set);
	if (rc < 0) {
		log_bounded(LOG_ERROR, "cannot create %s: %s", topic->name, error.message);
		return KERR_COORDINATOR_NOT_AVAILABLE;
	}
	return KERR_NONE;
}

/* ---- timers ---- */

static void
on_groups_timer(struct loop_timer *timer)
{
	struct coordinator *coord = CONTAINER_OF(timer, struct coordinator, groups_timer);
	groups_tick(coord->groups, coordinator_now(coord));
	coordinator_end_call(coord);
}

static void
on_txns_timer(struct loop_timer *timer)
{
	struct coordinator *coord = CONTAINER_OF(timer, struct coordinator, txns_timer);
	txns_tick(coord->txns, coordinator_now(coord));
	coordinator_end_call(coord);
}

static void
set_timer(struct coordinator *coord, struct loop_timer *timer, int64_t at_ms)
{
	if (at_ms == INT64_MAX)
		loop_timer_clear(&coord->loop, timer);
	else
		loop_timer_set(&coord->loop, timer, at_ms);
}

void
coordinator_end_call(struct coordinator *coord)
{
	if (!coord->load_aborted) {
		set_timer(coord, &coord->groups_timer, groups_next_tick(coord->groups));
		set_timer(coord, &coord->txns_timer, txns_next_tick(coord->txns));
	}
	arena_reset(&coord->scratch);
}

/* ---- responses ---- */

/* Send the response, unless a partition must be waited for. */
static void
send_or_hold(struct coordinator *coord, struct coord_request *req)
{
	assert(req->last < coord->topic[req->kind].npartition);
	while (req->next <= req->last) {
		req->ack.partition = coord->topic[req->kind].partition[req->next++];
		if (!req->ack.partition)
			continue; /* nothing was ever appended */
		if (partition_wait_committed(req->ack.partition, coord->syncer, &req->ack)) {
			list_append(&coord->held, &req->link);
			return;
		}
		if (req->ack.error) {
			request_close(req->rq); /* no response: the outcome is unknown */
			return;
		}
	}
	request_send(req->rq);
}

static void
on_held(struct loop_task *task)
{
	struct coord_request *req = CONTAINER_OF(task, struct coord_request, ack.task);
	list_unlink(&req->link);
	if (req->ack.error)
		request_close(req->rq);
	else
		send_or_hold(req->coordinator, req);
}

void
coordinator_respond(struct coordinator *coord, enum coordinator_kind kind,
	struct coord_call *call, const void *response)
{
	struct coord_request *req = CONTAINER_OF(call, struct coord_request, call);
	request_encode(req->rq, response);
	req->kind = kind;
	req->next = call->partition == COORD_ALL_PARTITIONS ? 0 : call->partition;
	req->last = call->partition == COORD_ALL_PARTITIONS ? coord->topic[kind].npartition - 1
		: call->partition;
	req->ack.loop = &coord->loop;
	req->ack.task.fn = on_held;
	if (call->partition == -1) /* nothing was appended */
		request_send(req->rq);
	else
		send_or_hold(coord, req);
}

/* ---- requests ---- */

/* Offsets of a transaction are written as one of its partitions: check that, as
 * for any write.  False: the request was answered, or waits. */
static bool check_offsets(struct coordinator *coord, struct coord_request *req);

static void
hand_in(struct coordinator *coord, struct coord_request *req)
{
	int16_t key = req->call.api_key;
	if (groups_handles(key))
		groups_handle(coord->groups, &req->call, coordinator_now(coord));
	else
		txns_handle(coord->txns, &req->call, coordinator_now(coord));
	coordinator_end_call(coord);
}

static void
on_written(struct loop_task *task)
{
	struct end_part *part = CONTAINER_OF(task, struct end_part, ack.task);
	struct end_wait *wait = part->wait;
	struct coord_request *req = wait->request;
	/* Another error means that the topic was deleted: nothing to wait for. */
	wait->has_failed |= part->ack.error == KERR_KAFKA_STORAGE_ERROR;
	partition_put(part->ack.partition);
	part->ack.partition = NULL;
	if (--wait->nleft > 0)
		return;
	list_unlink(&wait->link);
	if (wait->has_failed)
		request_close(req->rq);
	else
		hand_in(req->coordinator, req);
}

static void
wait_for_part(struct coordinator *coord, struct end_wait *wait, struct end_part *part,
	const struct coord_partition *at)
{
	part->ack = (struct ack_wait){ .loop = &coord->loop, .task.fn = on_written };
	part->ack.partition = topics_partition(coord->deps.topics, at->topic, NULL, at->index,
		NULL);
	part->wait = wait;
	if (!part->ack.partition)
		return;
	if (partition_wait_committed(part->ack.partition, coord->syncer, &part->ack)) {
		wait->nleft++;
		return;
	}
	wait->has_failed |= part->ack.error == KERR_KAFKA_STORAGE_ERROR;
	partition_put(part->ack.partition);
	part->ack.partition = NULL;
}

/* Before a commit, everything written in the transaction must be on disk.  False:
 * the request waits, or was closed. */
static bool
check_written(struct coordinator *coord, struct coord_request *req)
{
	const struct end_txn_request *q = req->call.body;
	struct coord_producer producer = { q->producer_id, q->producer_epoch };
	struct coord_partition *v;
	int n = !q->committed ? 0
		: txns_touched(coord->txns, q->transactional_id, &producer, req->call.arena, &v);
	if (n == 0)
		return true;
	struct end_wait *wait = REQUEST_ARRAY(req->rq, struct end_wait, 1);
	wait->part = REQUEST_ARRAY(req->rq, struct end_part, n);
	wait->npart = n;
	wait->request = req;
	list_init(&wait->link);
	for (int i = 0; i < n; i++)
		wait_for_part(coord, wait, &wait->part[i], &v[i]);
	if (wait->nleft > 0)
		list_append(&coord->ends, &wait->link);
	else if (wait->has_failed)
		request_close(req->rq);
	return wait->nleft == 0 && !wait->has_failed;
}

static void
handle(struct coordinator *coord, struct coord_request *req)
{
	if (req->call.api_key == API_TXN_OFFSET_COMMIT && !check_offsets(coord, req))
		return;
	if (req->call.api_key == API_END_TXN && !check_written(coord, req))
		return;
	hand_in(coord, req);
}

/* A missing topic is reported before an error of the transaction.  0: the topic
 * exists, with *npartition partitions. */
static int16_t
topic_fault(const struct coord_request *req,
	const struct txn_offset_commit_request_topic *t,
	int32_t *npartition)
{
	bool by_id = req->call.api_version >= 6;
	struct topics *topics = req->coordinator->deps.topics;
	topics_read_begin(topics);
	const struct topic *topic = by_id ? topics_find_id(topics, &t->topic_id)
		: topics_find(topics, t->name);
	*npartition = topic ? topic->npartition : 0;
	topics_read_end(topics);
	return topic ? KERR_NONE : by_id ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
}

static void
refuse_offsets(struct coordinator *coord, struct coord_request *req, int16_t error)
{
	const struct txn_offset_commit_request *q = req->call.body;
	struct txn_offset_commit_response r;
	wire_defaults(&txn_offset_commit_response_desc, &r);
	r.topics.n = q->topics.n;
	r.topics.v = arena_alloc(req->call.arena, (size_t)q->topics.n * sizeof *r.topics.v);
	for (int32_t i = 0; i < r.topics.n; i++) {
		struct txn_offset_commit_response_topic *t = &r.topics.v[i];
		t->name = q->topics.v[i].name;
		t->topic_id = q->topics.v[i].topic_id;
		int32_t npartition;
		int16_t topic_error = topic_fault(req, &q->topics.v[i], &npartition);
		t->partitions.n = q->topics.v[i].partitions.n;
		t->partitions.v = arena_alloc(req->call.arena,
			(size_t)t->partitions.n * sizeof *t->partitions.v);
		for (int32_t k = 0; k < t->partitions.n; k++) {
			int32_t index = q->topics.v[i].partitions.v[k].partition_index;
			t->partitions.v[k].partition_index = index;
			t->partitions.v[k].error_code = topic_error ? topic_error
				: index < 0 || index >= npartition ? KERR_UNKNOWN_TOPIC_OR_PARTITION
				: error;
		}
	}
	coordinator_respond(coord, COORD_GROUPS, &req->call, &r);
}

static void
on_offsets_added(struct loop_task *task)
{
	struct coord_request *req = CONTAINER_OF(task, struct coord_request, ack.task);
	struct coordinator *coord = req->coordinator;
	list_unlink(&req->link);
	if (req->ack.error)
		request_close(req->rq);
	else
		handle(coord, req); /* checks again: the transaction may have ended */
}

static bool
check_offsets(struct coordinator *coord, struct coord_request *req)
{
	const struct txn_offset_commit_request *q = req->call.body;
	struct coord_producer producer = { q->producer_id, q->producer_epoch };
	struct coord_partition part = { str_of(coord->topic[COORD_GROUPS].name),
		coord_partition_of(q->group_id, coord->topic[COORD_GROUPS].npartition) };
	int32_t partition = -1;
	bool must_wait = false;
	int16_t error = txns_check_write(coord->txns, q->transactional_id, &producer, &part, 1,
		req->call.api_version >= 5, coordinator_now(coord), &partition, &must_wait);
	coordinator_end_call(coord);
	if (error == KERR_TRANSACTION_ABORTABLE && req->call.api_version < 4)
		error = KERR_INVALID_TXN_STATE;
	if (error) {
		refuse_offsets(coord, req, error);
		return false;
	}
	if (!must_wait)
		return true;
	req->ack.partition = coordinator_partition(coord, COORD_TXNS, partition);
	req->ack.loop = &coord->loop;
	req->ack.task.fn = on_offsets_added;
	if (!req->ack.partition
		|| !partition_wait_committed(req->ack.partition, coord->syncer, &req->ack))
		return true;
	list_append(&coord->held, &req->link);
	return false;
}

bool
coordinator_is_ready(const struct coordinator *coord)
{
	return !coord->load_aborted;
}

void
coordinator_handle(struct coordinator *coord, struct request *rq)
{
	assert(coordinator_is_ready(coord));
	struct coord_request *req = REQUEST_ARRAY(rq, struct coord_request, 1);
	list_init(&req->link);
	req->coordinator = coord;
	req->rq = rq;
	req->call = (struct coord_call){ .api_key = rq->header.api_key,
		.api_version = rq->header.api_version, .body = rq->body,
		.client_id = rq->header.client_id.n < 0 ? STR("") : rq->header.client_id,
		.client_host = str_of(rq->client_host), .partition = -1, .arena = &rq->arena };
	handle(coord, req);
}

/* ---- changes of topics ---- */

static void
on_topics(struct loop_task *task)
{
	struct coordinator *coord = CONTAINER_OF(task, struct coordinator, topics_task);
	atomic_store(&coord->is_topics_task_posted, false);
	if (!coord->load_aborted)
		groups_topics_changed(coord->groups, coordinator_now(coord));
	coordinator_end_call(coord);
}

/* Control thread. */
static void
topics_changed(struct topics_listener *listener, struct str topic)
{
	struct coordinator *coord = CONTAINER_OF(listener, struct coordinator, listener);
	for (int kind = 0; kind < COORD_N; kind++)
		if (str_eq(topic, str_of(coord->topic[kind].name)))
			atomic_store(&coord->topic[kind].is_there, true);
	if (!atomic_exchange(&coord->is_topics_task_posted, true))
		loop_post(&coord->loop, &coord->topics_task);
}

struct deletion {
	struct loop_task task;
	struct coordinator *coordinator;
	char *topic;
};

static void
on_deletion(struct loop_task *task)
{
	struct deletion *deletion = CONTAINER_OF(task, struct deletion, task);
	struct coordinator *coord = deletion->coordinator;
	if (!coord->load_aborted)
		groups_topic_deleted(coord->groups, str_of(deletion->topic), coordinator_now(coord));
	coordinator_end_call(coord);
	mem_free(deletion->topic);
	mem_free(deletion);
}

/* Control thread. */
static void
topic_deleted(struct topics_listener *listener, struct str topic)
{
	struct coordinator *coord = CONTAINER_OF(listener, struct coordinator, listener);
	struct deletion *deletion = NEW(struct deletion);
	deletion->task.fn = on_deletion;
	deletion->coordinator = coord;
	deletion->topic = mem_strndup(topic);
	loop_post(&coord->loop, &deletion->task);
}

/* ---- beginning and end ---- */

static struct groups_config
groups_settings(const struct coordinator *coord)
{
	const struct config_set *v = coord->deps.settings;
	const char *migration = config_value(NULL, v, CONFIG_GROUP_CONSUMER_MIGRATION_POLICY);
	bool both = strcmp(migration, "bidirectional") == 0;
	return (struct groups_config){
		.npartition = coord->topic[COORD_GROUPS].npartition,
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
		.has_consumer_protocol = strstr(config_value(NULL, v,
			CONFIG_GROUP_COORDINATOR_REBALANCE_PROTOCOLS), "consumer"),
		.consumer_session_ms = (int32_t)config_int(NULL, v, CONFIG_CONSUMER_SESSION_TIMEOUT_MS),
		.consumer_heartbeat_ms = (int32_t)config_int(NULL, v,
			CONFIG_CONSUMER_HEARTBEAT_INTERVAL_MS),
		.consumer_member_max = (int32_t)config_int(NULL, v, CONFIG_GROUP_CONSUMER_MAX_SIZE),
		.can_upgrade = both || strcmp(migration, "upgrade") == 0,
		.can_downgrade = both || strcmp(migration, "downgrade") == 0,
	};
}

static struct txns_config
txns_settings(const struct coordinator *coord)
{
	const struct config_set *v = coord->deps.settings;
	return (struct txns_config){
		.npartition = coord->topic[COORD_TXNS].npartition,
		.ntxn_max = (int32_t)config_int(NULL, v, CONFIG_MAX_TRANSACTIONAL_IDS),
		.timeout_max_ms = (int32_t)config_int(NULL, v, CONFIG_TRANSACTION_MAX_TIMEOUT_MS),
		.id_expiration_ms = config_int(NULL, v, CONFIG_TRANSACTIONAL_ID_EXPIRATION_MS),
		.abort_interval_ms = config_int(NULL, v,
			CONFIG_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS),
		.expiry_interval_ms = config_int(NULL, v,
			CONFIG_TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS),
		.coordinator_epoch = coord->deps.epoch,
	};
}

/* The number of partitions is what the topic has, or what it will be created with. */
static void
init_topic(struct coordinator *coord, enum coordinator_kind kind, const char *name,
	enum config_id npartition)
{
	struct coordinator_topic *topic = &coord->topic[kind];
	const struct topic *t = topics_find(coord->deps.topics, str_of(name));
	topic->name = name;
	topic->npartition = t ? t->npartition
		: (int32_t)config_int(NULL, coord->deps.settings, npartition);
	assert(topic->npartition > 0);
	topic->partition = mem_alloc((size_t)topic->npartition * sizeof *topic->partition);
	atomic_init(&topic->is_there, t != NULL);
}

static void
on_stop(struct loop_task *task)
{
	struct coordinator *coord = CONTAINER_OF(task, struct coordinator, stop_task);
	if (!coord->load_aborted) {
		groups_stop(coord->groups);
		txns_stop(coord->txns);
	}
	coordinator_end_call(coord);
}

struct coordinator *
coordinator_new(const struct coordinator_deps *deps, struct err *e)
{
	struct coordinator *coord = NEW(struct coordinator);
	if (loop_init(&coord->loop, e) < 0) {
		mem_free(coord);
		return NULL;
	}
	coord->deps = *deps;
	list_init(&coord->held);
	list_init(&coord->ends);
	list_init(&coord->commits);
	list_init(&coord->checks);
	list_init(&coord->deferred);
	coord->groups_timer.fn = on_groups_timer;
	coord->txns_timer.fn = on_txns_timer;
	coord->topics_task.fn = on_topics;
	coord->stop_task.fn = on_stop;
	coord->listener = (struct topics_listener){ .changed = topics_changed,
		.deleted = topic_deleted };
	pthread_mutex_init(&coord->lock, NULL);
	coord->loop.lock = &coord->lock;
	coord->loop.before_wait = run_deferred;
	coord->syncer = syncer_new(&coord->loop, deps->use_uring);
	syncer_limit(coord->syncer, deps->sync_files_max);
	init_topic(coord, COORD_GROUPS, INTERNAL_OFFSETS, CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS);
	init_topic(coord, COORD_TXNS, INTERNAL_TXNS,
		CONFIG_TRANSACTION_STATE_LOG_NUM_PARTITIONS);
	coordinator_env_init(coord);
	struct groups_config gc = groups_settings(coord);
	struct txns_config tc = txns_settings(coord);
	coord->groups = groups_new(&gc, &coord->groups_env);
	coord->txns = txns_new(&tc, &coord->txns_env);
	topics_listen(deps->topics, &coord->listener);
	return coord;
}

int32_t
coordinator_epoch(const struct coordinator *coord)
{
	return coord->deps.epoch;
}

struct markers *
coordinator_markers(struct coordinator *coord)
{
	return &coord->markers;
}

static void *
run(void *arg)
{
	struct coordinator *coord = arg;
	pthread_mutex_lock(&coord->lock);
	loop_update_time(&coord->loop);
	coordinator_load(coord); /* requests wait in the loop's queue meanwhile */
	loop_update_time(&coord->loop);
	coordinator_end_call(coord);
	coord->is_loaded = !coord->load_aborted;
	coordinator_leave(coord);
	loop_run(&coord->loop);
	return NULL;
}

int
coordinator_start(struct coordinator *coord, struct err *e)
{
	errno = pthread_create(&coord->thread, NULL, run, coord);
	if (errno)
		return err_sys(e, "cannot start a thread");
	coord->is_started = true;
	return 0;
}

void
coordinator_quiesce(struct coordinator *coord)
{
	if (!coord->is_started)
		return;
	atomic_store(&coord->is_stopping, true);
	loop_post(&coord->loop, &coord->stop_task);
}

void
coordinator_stop(struct coordinator *coord)
{
	if (!coord->is_started)
		return;
	loop_stop(&coord->loop);
	pthread_join(coord->thread, NULL);
	coord->is_started = false;
	syncer_drain(coord->syncer);
}

static void
drop_end(struct end_wait *wait)
{
	list_unlink(&wait->link);
	for (int i = 0; i < wait->npart; i++)
		if (wait->part[i].ack.partition) {
			partition_cancel_ack(&wait->part[i].ack);
			partition_put(wait->part[i].ack.partition);
		}
	request_close(wait->request->rq);
}

void
coordinator_free(struct coordinator *coord)
{
	if (!coord)
		return;
	assert(!coord->is_started);
	LIST_EACH(it, &coord->ends)
		drop_end(CONTAINER_OF(it, struct end_wait, link));
	LIST_EACH(it, &coord->held) {
		struct coord_request *req = CONTAINER_OF(it, struct coord_request, link);
		list_unlink(&req->link);
		partition_cancel_ack(&req->ack);
		request_close(req->rq);
	}
	LIST_EACH(it, &coord->checks) {
		struct txn_check *check = CONTAINER_OF(it, struct txn_check, link);
		if (check->ack.partition)
			partition_cancel_ack(&check->ack);
	}
	LIST_EACH(it, &coord->commits) {
		struct commit_wait *wait = CONTAINER_OF(it, struct commit_wait, link);
		partition_cancel_ack(&wait->ack);
		mem_free(wait);
	}
	markers_release(&coord->markers);
	groups_free(coord->groups);
	txns_free(coord->txns);
	for (int kind = 0; kind < COORD_N; kind++) {
		for (int32_t i = 0; i < coord->topic[kind].npartition; i++)
			partition_put(coord->topic[kind].partition[i]);
		mem_free(coord->topic[kind].partition);
	}
	arena_release(&coord->scratch);
	builder_release(&coord->builder);
	buf_release(&coord->packed);
	syncer_free(coord->syncer);
	loop_release(&coord->loop);
	pthread_mutex_destroy(&coord->lock);
	mem_free(coord);
}
