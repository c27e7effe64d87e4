#include "kq-broker/markers.h"

#include "kq-broker/coordinator_int.h"

#include "kq-broker/broker.h"

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

/* No part is under way. */
static void
end_round(struct marker_job *job)
{
	struct loop *loop = &job->coordinator->loop;
	for (int i = 0; i < job->npart; i++)
		if (!job->part[i].is_done) {
			loop_timer_set(loop, &job->timer, loop->now_ms + MARKER_RETRY_MS);
			return;
		}
	job->done(job);
	free_job(job);
}

/* What came of one part. */
static void
note_part(struct marker_part *part, int16_t error)
{
	struct marker_job *job = part->job;
	part->error = error;
	part->is_done = true;
	if (!error || !job->must_retry)
		return;
	if (error == KERR_UNKNOWN_TOPIC_OR_PARTITION)
		return; /* gone: there is nothing to be marked */
	if (error == KERR_TRANSACTION_COORDINATOR_FENCED || error == KERR_INVALID_PRODUCER_EPOCH) {
		/* Somebody wrote there who came later: it is marked already. */
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

/* A transaction's offsets count, or not, as soon as its end is in their log. */
static void
tell_groups(struct marker_job *job, const struct marker_part *part)
{
	struct coordinator *coord = job->coordinator;
	if (strcmp(part->topic, coord->topic[COORD_GROUPS].name) == 0) {
		groups_marker(coord->groups, part->index, &job->producer, job->is_commit);
		coordinator_end_call(coord);
	}
}

static bool
counts(const struct marker_job *job, const struct marker_part *part)
{
	switch (job->coordinator->broker->fault) {
	case FAULT_COMMIT_ABORTED: return true;
	case FAULT_TEAR_COMMITS: return job->is_commit && part == job->part;
	default: return job->is_commit;
	}
}

static void
write_part(struct marker_job *job, struct marker_part *part)
{
	struct coordinator *coord = job->coordinator;
	struct partition *target = topics_partition(&coord->broker->topics, str_of(part->topic), NULL,
		part->index, NULL);
	if (!target) {
		note_part(part, KERR_UNKNOWN_TOPIC_OR_PARTITION);
		return;
	}
	struct append_from from = { .syncer = coord->syncer, .wall_ms = coord->loop.wall_ms,
		.is_coordinator = true };
	struct partlog_marker marker = {
		.producer_id = job->producer.id,
		.producer_epoch = job->producer.epoch,
		.coordinator_epoch = job->coordinator_epoch,
		.is_commit = counts(job, part),
	};
	struct append_result result;
	part->ack.partition = part->partition = target;
	part->ack.loop = &coord->loop;
	part->ack.task.fn = on_ack;
	partition_append_marker(target, &from, &marker, &part->ack, &result);
	if (result.error == KERR_NONE)
		tell_groups(job, part);
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
markers_write(struct coordinator *coord, const struct coord_producer *producer,
	int32_t coordinator_epoch, bool is_commit, bool must_retry,
	const struct coord_partition *v, int n, marker_done_fn *done)
{
	struct marker_job *job = NEW(struct marker_job);
	list_init(&job->link);
	list_append(&coord->markers, &job->link);
	job->coordinator = coord;
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
	coordinator_defer(coord, &job->task);
	return job;
}

void
markers_release(struct coordinator *coord)
{
	LIST_EACH(it, &coord->markers) {
		struct marker_job *job = CONTAINER_OF(it, struct marker_job, link);
		for (int i = 0; i < job->npart; i++)
			if (job->part[i].partition)
				partition_cancel_ack(&job->part[i].ack);
		free_job(job);
	}
}
