/*
 * Records of internal topics that were taken.
 *
 * Repartition topics, and those of foreign-key joins, have retention.ms=-1: what no task
 * has taken yet must not go.  Nobody else deletes from them, so now and then the records
 * before the group's committed offsets are deleted, as Kafka Streams does
 * (repartition.purge.interval.ms).
 */
#include "kq-stream/worker.h"
#include "sys/clock.h"
#include "text/say.h"

#include "proto.h"

enum {
	PURGE_MS = 30000,
	PURGE_MIN = 1000,   /* fewer records are not worth a request */
	TIMEOUT_MS = 5000, /* processing waits */
};

static bool
is_due(const struct task_input *input)
{
	return input->from->is_internal && input->part
		&& input->part->committed - input->purged >= PURGE_MIN
		&& input->topic->part[input->task->number].leader >= 0;
}

static int
purge(struct worker *worker, struct task_input *input, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct delete_records_request q;
	struct delete_records_response r;
	int32_t number = input->task->number;
	int64_t to = input->part->committed;
	struct delete_records_request_partition part = { number, to };
	struct delete_records_request_topic topic = { .name = str_of(input->topic->name),
		.partitions = { &part, 1 } };
	wire_defaults(&delete_records_request_desc, &q);
	q.timeout_ms = TIMEOUT_MS;
	q.topics.v = &topic;
	q.topics.n = 1;
	int rc = cluster_call_upto(&worker->sink.cluster, input->topic->part[number].leader,
		API_DELETE_RECORDS, INT16_MAX, TIMEOUT_MS, &q, &r, &a, e);
	if (rc >= 0) {
		bool is_whole = r.topics.n == 1 && r.topics.v->partitions.n == 1;
		int16_t code = is_whole ? r.topics.v->partitions.v->error_code
			: KERR_UNKNOWN_SERVER_ERROR;
		rc = code ? cluster_peer_err(e, code, STR_NULL) : 0;
	}
	arena_release(&a);
	if (rc < 0)
		return -1;
	input->purged = to;
	return 0;
}

/* At the end other threads have ended, too, and wake this one: TIMEOUT_MS bounds the wait. */
static void
ignore_wakes(struct worker *worker)
{
	cluster_set_wake_fd(&worker->sink.cluster, -1);
	cluster_take_woken(&worker->sink.cluster);
}

void
worker_purge(struct worker *worker, bool is_last)
{
	int64_t now = clock_mono_ms();
	struct err e;
	if (!is_last && now < worker->purge_at_ms)
		return;
	worker->purge_at_ms = now + PURGE_MS;
	if (is_last)
		ignore_wakes(worker);
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		for (int k = 0; k < task->ninput; k++) {
			struct task_input *input = &task->input[k];
			if (!is_due(input) || purge(worker, input, &e) == 0)
				continue;
			if (worker->sink.cluster.is_woken)
				return; /* it is to stop, and then deletes the rest */
			if (!worker->has_purge_failed)
				say_error("records of topic '%s' that were taken cannot be deleted, and stay: %s",
					input->from->name, e.msg);
			worker->has_purge_failed = true;
			return; /* again when it is due */
		}
	}
}
