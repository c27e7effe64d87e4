#include "kq-broker/coordinator_int.h"

#include "kq-broker/dynamic.h"
#include "kq-broker/producer_ids.h"

#include "sys/rand.h"
#include "sys/syncer.h"
#include "text/say.h"
#include "wire/kerr.h"

/* ---- appending ---- */

static int16_t
append(struct coordinator *coord, enum coordinator_kind kind, int32_t partition,
	const struct coord_record *v, int n, const struct coord_producer *producer, int64_t wall_ms)
{
	struct partition *part = coordinator_partition(coord, kind, partition);
	assert(n > 0);
	assert(!producer || kind == COORD_GROUPS); /* only offsets are part of transactions */
	/* What a partition began when it was loaded may go on after the loading of the
	 * next one was interrupted. */
	if (!part || coord->load_aborted)
		return KERR_COORDINATOR_NOT_AVAILABLE;
	builder_reset(&coord->builder);
	for (int i = 0; i < n; i++)
		builder_append(&coord->builder, wall_ms, v[i].key, v[i].value, STR(""), 0);
	struct builder_producer owner = BUILDER_NO_PRODUCER;
	if (producer)
		owner = (struct builder_producer){ .id = producer->id, .epoch = producer->epoch,
			.base_sequence = -1, .is_transactional = true };
	struct str batch = builder_finish(&coord->builder, CODEC_NONE, &owner, &coord->packed);
	struct append_from from = { .syncer = coord->syncer, .wall_ms = coord->loop.wall_ms,
		.is_coordinator = true };
	struct append_result result;
	partition_append(part, &from, (uint8_t *)(uintptr_t)batch.p, NULL, &result);
	assert(!result.must_wait && !result.ticket); /* no ack was given; not verified */
	if (result.error == KERR_NONE)
		return KERR_NONE;
	log_bounded(LOG_ERROR, "cannot append to %s-%d: %s", part->topic, part->index,
		result.message ? result.message : kerr_info(result.error)->name);
	return producer && result.error != KERR_KAFKA_STORAGE_ERROR ? result.error
		: KERR_COORDINATOR_NOT_AVAILABLE;
}

static int16_t
groups_append(struct coord_env *env, int32_t partition, const struct coord_record *v, int n,
	const struct coord_producer *producer, int64_t wall_ms)
{
	return append(CONTAINER_OF(env, struct coordinator, groups_env), COORD_GROUPS, partition,
		v, n, producer, wall_ms);
}

static int16_t
txns_append(struct coord_env *env, int32_t partition, const struct coord_record *v, int n,
	const struct coord_producer *producer, int64_t wall_ms)
{
	return append(CONTAINER_OF(env, struct coordinator, txns_env), COORD_TXNS, partition, v, n,
		producer, wall_ms);
}

/* ---- responses ---- */

static void
groups_respond(struct coord_env *env, struct coord_call *call, const void *response)
{
	coordinator_respond(CONTAINER_OF(env, struct coordinator, groups_env), COORD_GROUPS, call,
		response);
}

static void
txns_respond(struct coord_env *env, struct coord_call *call, const void *response)
{
	coordinator_respond(CONTAINER_OF(env, struct coordinator, txns_env), COORD_TXNS, call,
		response);
}

/* ---- topics ---- */

static bool
find_topic(struct coordinator *coord, struct str name, const struct uuid *id, struct coord_topic *t,
	struct str *name_out)
{
	struct topics *topics = coord->deps.topics;
	topics_read_begin(topics);
	struct topic *topic = name.n >= 0 ? topics_find(topics, name) : topics_find_id(topics, id);
	if (topic) {
		*t = (struct coord_topic){ topic->id, topic->npartition };
		if (name_out)
			*name_out = arena_str(&coord->scratch, str_of(topic->name));
	}
	topics_read_end(topics);
	return topic != NULL;
}

static bool
groups_topic(struct coord_env *env, struct str name, const struct uuid *id,
	struct coord_topic *t, struct str *name_out)
{
	return find_topic(CONTAINER_OF(env, struct coordinator, groups_env), name, id, t, name_out);
}

static bool
txns_topic(struct coord_env *env, struct str name, const struct uuid *id,
	struct coord_topic *t, struct str *name_out)
{
	return find_topic(CONTAINER_OF(env, struct coordinator, txns_env), name, id, t, name_out);
}

/* Calls fn for a copy of the table, without the lock: fn may look up topics. */
static void
groups_each_topic(struct coord_env *env, void (*fn)(void *ctx, struct str name,
	const struct coord_topic *t), void *ctx)
{
	struct coordinator *coord = CONTAINER_OF(env, struct coordinator, groups_env);
	struct topics *topics = coord->deps.topics;
	struct arena a = ARENA_INIT;
	int n;
	topics_read_begin(topics);
	struct topic **sorted = topics_sorted(topics, &a, &n);
	struct str *name = arena_alloc(&a, (size_t)n * sizeof *name + 1);
	struct coord_topic *v = arena_alloc(&a, (size_t)n * sizeof *v + 1);
	for (int i = 0; i < n; i++) {
		name[i] = arena_str(&a, str_of(sorted[i]->name));
		v[i] = (struct coord_topic){ sorted[i]->id, sorted[i]->npartition };
	}
	topics_read_end(topics);
	for (int i = 0; i < n; i++)
		fn(ctx, name[i], &v[i]);
	arena_release(&a);
}

/* ---- producer ids, markers, settings ---- */

static uint64_t
random_bits(struct coord_env *env)
{
	(void)env;
	uint64_t v;
	rand_bytes(&v, sizeof v);
	return v;
}

static int64_t
txns_producer_id(struct coord_env *env)
{
	return producer_ids_take(CONTAINER_OF(env, struct coordinator, txns_env)->deps.producer_ids);
}

/* A transaction that waits until its Prepare is on disk. */
struct commit_wait {
	struct list link;
	struct ack_wait ack;
	struct coordinator *coordinator;
	uint64_t ticket;
};

static void
on_committed(struct loop_task *task)
{
	struct commit_wait *wait = CONTAINER_OF(task, struct commit_wait, ack.task);
	struct coordinator *coord = wait->coordinator;
	list_unlink(&wait->link);
	/* An error means that the disk failed: the broker is stopping. */
	if (!wait->ack.error)
		txns_committed(coord->txns, wait->ticket, coordinator_now(coord));
	mem_free(wait);
	coordinator_end_call(coord);
}

static void
txns_when_committed(struct coord_env *env, int32_t partition, uint64_t ticket)
{
	struct coordinator *coord = CONTAINER_OF(env, struct coordinator, txns_env);
	struct commit_wait *wait = NEW(struct commit_wait);
	wait->coordinator = coord;
	wait->ticket = ticket;
	wait->ack.loop = &coord->loop;
	wait->ack.task.fn = on_committed;
	wait->ack.partition = coordinator_partition(coord, COORD_TXNS, partition);
	list_init(&wait->link);
	list_append(&coord->commits, &wait->link);
	if (!wait->ack.partition
		|| !partition_wait_committed(wait->ack.partition, coord->syncer, &wait->ack))
		coordinator_defer(coord, &wait->ack.task);
}

static void
defer_markers(struct markers *markers, struct loop_task *task)
{
	coordinator_defer(CONTAINER_OF(markers, struct coordinator, markers), task);
}

/* A transaction's offsets take effect, or are dropped, once its marker is in their
 * log. */
static void
on_marker(struct markers *markers, const struct marker_part *part)
{
	struct coordinator *coord = CONTAINER_OF(markers, struct coordinator, markers);
	if (strcmp(part->topic, coord->topic[COORD_GROUPS].name) == 0) {
		groups_marker(coord->groups, part->index, &part->job->producer, part->job->is_commit);
		coordinator_end_call(coord);
	}
}

static void
on_markers(struct marker_job *job)
{
	struct coordinator *coord = CONTAINER_OF(job->markers, struct coordinator, markers);
	txns_markers_written(coord->txns, job->ticket, coordinator_now(coord));
	coordinator_end_call(coord);
	coordinator_txn_ended(coord, job->producer.id);
}

static void
txns_write_markers(struct coord_env *env, uint64_t ticket, const struct coord_producer *producer,
	int32_t coordinator_epoch, bool is_commit, const struct coord_partition *v, int n)
{
	struct coordinator *coord = CONTAINER_OF(env, struct coordinator, txns_env);
	markers_write(&coord->markers, producer, coordinator_epoch, is_commit, true, v, n,
		on_markers)->ticket = ticket;
}

static void
groups_times(struct coord_env *env, struct str group, int32_t *session_ms, int32_t *heartbeat_ms)
{
	struct coordinator *coord = CONTAINER_OF(env, struct coordinator, groups_env);
	struct dynamic *dynamic = coord->deps.dynamic;
	dynamic_read_begin(dynamic);
	const struct config_set *set = dynamic_group(dynamic, group);
	if (set) {
		*session_ms = (int32_t)config_int(set, dynamic->values,
			CONFIG_CONSUMER_SESSION_TIMEOUT_MS);
		*heartbeat_ms = (int32_t)config_int(set, dynamic->values,
			CONFIG_CONSUMER_HEARTBEAT_INTERVAL_MS);
	}
	dynamic_read_end(dynamic);
}

void
coordinator_env_init(struct coordinator *coord)
{
	coord->groups_env = (struct coord_env){ .append = groups_append, .respond = groups_respond,
		.topic = groups_topic, .each_topic = groups_each_topic, .random = random_bits,
		.group_times = groups_times };
	coord->txns_env = (struct coord_env){ .append = txns_append, .respond = txns_respond,
		.topic = txns_topic, .random = random_bits,
		.producer_id = txns_producer_id, .when_committed = txns_when_committed,
		.write_markers = txns_write_markers };
	coord->markers = (struct markers){
		.loop = &coord->loop,
		.syncer = coord->syncer,
		.topics = coord->deps.topics,
		.commits_aborted = coord->deps.commits_aborted,
		.tears_commits = coord->deps.tears_commits,
		.defer = defer_markers,
		.appended = on_marker,
	};
	list_init(&coord->markers.jobs);
}

void
coordinator_env_release(struct coordinator *coord)
{
	LIST_EACH(it, &coord->commits) {
		struct commit_wait *wait = CONTAINER_OF(it, struct commit_wait, link);
		partition_cancel_ack(&wait->ack);
		mem_free(wait);
	}
	markers_release(&coord->markers);
}
