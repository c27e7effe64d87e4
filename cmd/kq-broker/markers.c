#include "kq-broker/markers.h"

#include "sys/syncer.h"
#include "text/say.h"
#include "wire/kerr.h"

enum { MARKER_RETRY_MS = 100 };

static void
free_job(struct marker_job *job)
{
	list_unlink(&job->link);
	for (int i = 0; i < job->npart; i++) {
		partition_put(job->part[i].partition);
		mem_free(job->part[i].topic);
	}
	mem_free(job->part);
	mem_free(job);
}

/* No part waits for its ack any more. */
static void
end_round(struct marker_job *job)
{
	struct loop *loop = job->markers->loop;
	for (int i = 0; i < job->npart; i++)
		if (!job->part[i].is_done) {
			loop_timer_set(loop, &job->timer, loop->now_ms + MARKER_RETRY_MS);
			return;
		}
	job->done(job);
	free_job(job);
}

/* Note the result of a part, and whether to retry it. */
static void
note_part(struct marker_part *part, int16_t error)
{
	struct marker_job *job = part->job;
	part->error = error;
	part->is_done = true;
	if (!error || !job->must_retry)
		return;
	if (error == KERR_UNKNOWN_TOPIC_OR_PARTITION)
		return; /* there is nothing to mark */
	if (error == KERR_TRANSACTION_COORDINATOR_FENCED || error == KERR_INVALID_PRODUCER_EPOCH) {
		/* A newer producer or coordinator wrote there: it is marked already. */
		log_bounded(LOG_WARN, "the end of producer %lld's transaction was not written to %s-%d: %s",
			(long long)job->producer.id, part->topic, part->index, kerr_info(error)->name);
		return;
	}
	part->is_done = false;
}

static void
on_ack(struct loop_task *task)
{
	struct marker_part *part = CONTAINER_OF(task, struct marker_part, ack.task);
	struct marker_job *job = part->job;
	partition_put(part->partition);
	part->partition = NULL;
	note_part(part, part->ack.error);
	if (--job->nleft == 0)
		end_round(job);
}

/* Is the marker a commit? */
static bool
is_commit(const struct marker_job *job, const struct marker_part *part)
{
	if (job->markers->commits_aborted)
		return true;
	return job->is_commit && (!job->markers->tears_commits || part == job->part);
}

static void
write_part(struct marker_job *job, struct marker_part *part)
{
	struct markers *markers = job->markers;
	struct partition *target = topics_partition(markers->topics, str_of(part->topic), NULL,
		part->index, NULL);
	if (!target) {
		note_part(part, KERR_UNKNOWN_TOPIC_OR_PARTITION);
		return;
	}
	struct append_from from = { .syncer = markers->syncer, .wall_ms = markers->loop->wall_ms,
		.is_coordinator = true };
	struct control_marker marker = {
		.producer_id = job->producer.id,
		.producer_epoch = job->producer.epoch,
		.coordinator_epoch = job->coordinator_epoch,
		.is_commit = is_commit(job, part),
	};
	struct append_result result;
	part->ack.partition = part->partition = target;
	part->ack.loop = markers->loop;
	part->ack.task.fn = on_ack;
	partition_append_marker(target, &from, &marker, &part->ack, &result);
	if (result.error == KERR_NONE)
		markers->appended(markers, part);
	if (result.must_wait) {
		job->nleft++;
		return;
	}
	partition_put(target);
	part->partition = NULL;
	note_part(part, result.error);
}

static void
write_round(struct marker_job *job)
{
	for (int i = 0; i < job->npart; i++)
		if (!job->part[i].is_done)
			write_part(job, &job->part[i]);
	if (job->nleft == 0)
		end_round(job);
}

static void
first_round(struct loop_task *task)
{
	write_round(CONTAINER_OF(task, struct marker_job, task));
}

static void
next_round(struct loop_timer *timer)
{
	write_round(CONTAINER_OF(timer, struct marker_job, timer));
}

struct marker_job *
markers_write(struct markers *markers, const struct coord_producer *producer,
	int32_t coordinator_epoch, bool is_commit, bool must_retry,
	const struct coord_partition *v, int n, marker_done_fn *done)
{
	struct marker_job *job = NEW(struct marker_job);
	list_init(&job->link);
	list_append(&markers->jobs, &job->link);
	job->markers = markers;
	job->producer = *producer;
	job->coordinator_epoch = coordinator_epoch;
	job->is_commit = is_commit;
	job->must_retry = must_retry;
	job->done = done;
	job->npart = n;
	job->part = mem_alloc((size_t)n * sizeof *job->part);
	for (int i = 0; i < n; i++) {
		job->part[i].job = job;
		job->part[i].topic = mem_strndup(v[i].topic);
		job->part[i].index = v[i].index;
	}
	job->timer.fn = next_round;
	job->task.fn = first_round;
	markers->defer(markers, &job->task);
	return job;
}

void
markers_release(struct markers *markers)
{
	LIST_EACH(it, &markers->jobs) {
		struct marker_job *job = CONTAINER_OF(it, struct marker_job, link);
		for (int i = 0; i < job->npart; i++)
			if (job->part[i].partition)
				partition_cancel_ack(&job->part[i].ack);
		free_job(job);
	}
}
