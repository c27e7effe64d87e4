#include "kq-broker/coordinator_int.h"

#include "coord/internal.h"
#include "kq-broker/catalog.h"

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
	bool is_idle = coord->load_aborted;
	set_timer(coord, &coord->groups_timer, is_idle ? INT64_MAX : groups_next_tick(coord->groups));
	set_timer(coord, &coord->txns_timer, is_idle ? INT64_MAX : txns_next_tick(coord->txns));
	arena_reset(&coord->scratch);
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

bool
coordinator_is_ready(const struct coordinator *coord)
{
	return !coord->load_aborted;
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

void
coordinator_free(struct coordinator *coord)
{
	if (!coord)
		return;
	assert(!coord->is_started);
	coordinator_drop_requests(coord);
	coordinator_drop_checks(coord);
	coordinator_env_release(coord);
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
