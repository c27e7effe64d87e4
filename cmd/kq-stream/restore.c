#include "kq-stream/restore.h"

#include "client/gap.h"
#include "client/offsets.h"
#include "kq-stream/topic_setting.h"
#include "sys/clock.h"
#include "text/say.h"
#include "text/units.h"

enum {
	PARTITION_BYTES = 4 << 20,
	FETCH_BYTES = 16 << 20,
	DELETE_RETENTION_MS = 86400000, /* brokers' default */
};

/* What take_chunk returns besides 0 and -1: local state does not fit its changelog. */
enum { REBUILD = 1 };

static int
open_restorer(struct restorer *restorer, struct err *e)
{
	struct fetcher_opts o;
	if (restorer->is_open)
		return 0;
	struct cluster_opts co = restorer->opts;
	co.is_quiet = true;
	co.wake_fd = 0;
	if (cluster_open(&restorer->cluster, &co, e) < 0)
		return -1;
	fetcher_opts_init(&o);
	o.is_committed = true;
	o.fetch_bytes = FETCH_BYTES;
	o.partition_bytes = PARTITION_BYTES;
	o.retry_timeout_ms = co.retry_timeout_ms ? co.retry_timeout_ms : o.retry_timeout_ms;
	fetcher_init(&restorer->fetcher, &restorer->cluster, &o);
	restorer->iter = (struct fetch_iter)FETCH_ITER_INIT;
	restorer->is_open = true;
	return 0;
}

static int
ask(struct restorer *restorer, struct cluster_topic *t, int number, int64_t which,
	int64_t *offset, struct err *e)
{
	size_t n = (size_t)number + 1;
	bool *wants = mem_alloc(n);
	int64_t *v = mem_alloc(n * sizeof *v);
	wants[number] = true;
	int rc = offsets_list(&restorer->cluster, t, number + 1, which, wants, v, e);
	*offset = v[number];
	mem_free(wants);
	mem_free(v);
	return rc;
}

/* Can the state that ends at the log's offset be brought up to date?  ERR_CORRUPT: no, rows that
 * were deleted meanwhile would live on: the changelog was cut, or records between are gone, or
 * the state is older than deletions are kept in a compacted topic. */
static int
check_local(struct restorer *restorer, const struct task_log *log, int64_t begin, struct err *e)
{
	const struct task_run *task = log->task;
	const char *topic = log->topic;
	char age[UNITS_TEXT_SIZE], keep[UNITS_TEXT_SIZE];
	if (log->offset > log->end)
		return err_set(e, ERR_CORRUPT, "the local state of task %s has offset %lld of '%s', which "
			"ends at %lld", task->name, (long long)log->offset, topic, (long long)log->end);
	if (log->offset < 0 || log->offset == log->end || !log->store || !log->store->is_compacted)
		return 0;
	if (log->offset < begin && log->store->retention_ms == 0)
		return err_set(e, ERR_CORRUPT, "the local state of task %s has offset %lld of '%s', which "
			"begins at %lld", task->name, (long long)log->offset, topic, (long long)begin);
	int64_t age_ms = clock_ms() - task->checkpoint_ms;
	int64_t keep_ms = topic_setting_number(&restorer->cluster, topic, "delete.retention.ms",
		DELETE_RETENTION_MS);
	if (age_ms <= keep_ms)
		return 0;
	return err_set(e, ERR_CORRUPT, "the local state of task %s is %s old, and '%s' keeps deletions "
		"for %s", task->name, units_format_duration(age_ms, age), topic,
		units_format_duration(keep_ms, keep));
}

static int
begin_log(struct restorer *restorer, struct task_log *log, struct err *e)
{
	struct task_run *task = log->task;
	int64_t begin;
	struct cluster_topic *t = cluster_topic(&restorer->cluster, log->topic, false, e);
	if (!t)
		return -1;
	if (log->store && log->partition >= t->npart)
		return err_set(e, ERR_USAGE, "topic '%s' has %d partitions, and there is a task %s: "
			"partitions were added to a topic that is read with state; 'kq-stream reset %s' "
			"removes the internal topics and the state, and the application begins again",
			t->name, t->npart, task->name, task->app->id);
	if (ask(restorer, t, log->partition, OFFSETS_EARLIEST, &begin, e) < 0
		|| ask(restorer, t, log->partition, OFFSETS_LATEST, &log->end, e) < 0)
		return -1;
	if (check_local(restorer, log, begin, e) < 0)
		return -1;
	log->offset = MAX(log->offset, begin);
	bool is_copy = task->state == TASK_STANDBY;
	log->is_restoring = !is_copy && log->offset < log->end;
	if (!log->is_restoring && log->store && !is_copy)
		return 0;
	log->reader = fetcher_add(&restorer->fetcher, t, log->partition, log->offset, INT64_MAX);
	log->reader->owner = log;
	task->nrestoring += log->is_restoring;
	return 0;
}

static int
begin_all(struct restorer *restorer, struct task_run *task, struct err *e)
{
	for (int i = 0; i < task->nlog; i++)
		if (begin_log(restorer, &task->log[i], e) < 0) {
			restore_cancel(restorer, task);
			return -1;
		}
	return 0;
}

/* What is restored is in the changelogs; so is what is made of it. */
static void
clean(struct task_run *task)
{
	const struct flow_store *v;
	int n = flow_task_stores(task->flow, &v);
	for (int i = 0; i < n; i++)
		store_clean(v[i].store);
}

/* Exactly once, state and offsets are committed together: state of inputs that have no
 * offsets any more is that of other topics, or of records that would be taken twice. */
static int
check_offsets(const struct task_run *task, struct err *e)
{
	const struct flow_store *v;
	bool has_rows = false;
	int n = flow_task_stores(task->flow, &v);
	for (int i = 0; i < n; i++)
		has_rows |= v[i].is_logged && store_count(v[i].store) > 0;
	for (int i = 0; i < task->ninput; i++)
		if (!task->input[i].part || task->input[i].part->committed >= 0)
			return 0;
	if (!has_rows || task->app->plan->settings.guarantee != PLAN_EXACTLY_ONCE)
		return 0;
	return err_set(e, ERR_USAGE, "task %s has state, but the group has no offsets of partition %d "
		"of '%.100s': the topic was deleted and created again, it is not the one that the "
		"application read before, or the offsets have expired; 'kq-stream reset %s' begins again",
		task->name, task->number, task->input[0].from->name, task->app->id);
}

static int
complete(struct task_run *task, struct err *e)
{
	clean(task);
	if (check_offsets(task, e) < 0)
		return -1;
	task_run_begin(task);
	return 0;
}

/* Local state does not fit, by *e: it is left behind. */
static int
forget_local(struct task_run *task, struct err *e)
{
	say_error("%s; the state is rebuilt from the changelogs", e->msg);
	if (store_set_reset(task->set, e) < 0)
		return -1;
	for (int i = 0; i < task->nlog; i++)
		task->log[i].offset = -1;
	return 0;
}

/* As begin_all; local state that does not fit is left behind. */
static int
begin_anew(struct restorer *restorer, struct task_run *task, struct err *e)
{
	int rc = task->nlog > 0 ? open_restorer(restorer, e) : 0;
	if (rc == 0)
		rc = begin_all(restorer, task, e);
	if (rc == 0 || e->class != ERR_CORRUPT)
		return rc;
	return forget_local(task, e) < 0 ? -1 : begin_all(restorer, task, e);
}

int
restore_begin(struct restorer *restorer, struct task_run *task, struct err *e)
{
	assert(task->state == TASK_RESTORING);
	int rc = begin_anew(restorer, task, e);
	return rc == 0 && task->nrestoring == 0 ? complete(task, e) : rc;
}

int
restore_follow(struct restorer *restorer, struct task_run *task, struct err *e)
{
	assert(task->state == TASK_RESTORING);
	task->state = TASK_STANDBY;
	task->checkpoint_at_ms = clock_mono_ms();
	return begin_anew(restorer, task, e);
}

/* What was read does not fit, by *e, while it is brought up to date: the owner opens the task
 * again, without it. */
static int
rebuild(struct restorer *restorer, struct task_log *log, struct err *e)
{
	struct task_run *task = log->task;
	restore_cancel(restorer, task);
	if (!log->store)
		say_error("%s; the global table is read again", e->msg);
	else if (forget_local(task, e) < 0)
		return -1;
	task_run_close(task, false);
	return 0;
}

/* What the copy's store has not, up to where the changelog ends now. */
static int
take_over_log(struct restorer *restorer, struct task_log *log, struct err *e)
{
	struct cluster_topic *t = cluster_topic(&restorer->cluster, log->topic, false, e);
	if (!t || ask(restorer, t, log->partition, OFFSETS_LATEST, &log->end, e) < 0)
		return -1;
	if (log->store && log->reader->deliver > log->end)
		return err_set(e, ERR_CORRUPT, "the copy of task %s has offset %lld of '%s', which ends at "
			"%lld", log->task->name, (long long)log->reader->deliver, log->topic,
			(long long)log->end);
	log->is_restoring = log->reader->deliver < log->end;
	log->task->nrestoring += log->is_restoring;
	if (log->is_restoring || !log->store)
		return 0;
	fetcher_remove(&restorer->fetcher, log->reader);
	log->reader = NULL;
	return 0;
}

int
restore_take_over(struct restorer *restorer, struct task_run *task, struct err *e)
{
	assert(task->state == TASK_RESTORING);
	for (int i = 0; i < task->nlog; i++)
		if (take_over_log(restorer, &task->log[i], e) < 0)
			return e->class == ERR_CORRUPT ? rebuild(restorer, &task->log[i], e) : -1;
	return task->nrestoring == 0 ? complete(task, e) : 0;
}

/* A record of a global table.  One that cannot be read fails the task, or is left out: each
 * start reads it again, so it is no dead letter. */
static int
take_row(struct task_log *log, const struct record *in, struct err *e)
{
	struct task_run *task = log->task;
	struct program_raw raw = { in->key, in->value, in->headers, in->nheader, in->timestamp_ms };
	struct flow_rec rec;
	if (program_take(task->program, log->plan, &raw, &rec, e) == 0)
		return flow_task_take_at(task->flow, log->source, &rec, e);
	if (task->app->plan->settings.errors == PLAN_FAIL)
		return -1;
	task->counts.failed++;
	if (!atomic_exchange(&task->app->has_reported, true))
		say_error("offset %lld of partition %d of '%s' is left out: %s (further ones are only "
			"counted)", (long long)in->offset, log->partition, log->topic, e->msg);
	return 0;
}

/* Of a changelog: another version or another topology wrote it, or a foreign program. */
static int
blame_entry(const struct task_log *log, int64_t offset, struct err *e)
{
	struct err why = *e;
	const char *id = log->task->app->id;
	if (log->store && e->class == ERR_CORRUPT)
		err_set(e, ERR_CORRUPT, "%.150s: this topology did not write it; 'kq-stream reset %.50s' "
			"begins again, or give the application another ID", why.msg, id);
	return err_wrap(e, "offset %lld of partition %d of '%.100s'", (long long)offset,
		log->partition, log->topic);
}

static int
restore_chunk(struct restorer *restorer, struct task_log *log, struct fetched *chunk,
	struct err *e)
{
	struct task_run *task = log->task;
	struct record rec;
	int64_t n = 0;
	int rc;
	fetch_iter_begin(&restorer->iter, &restorer->fetcher, chunk);
	while ((rc = fetch_iter_next(&restorer->iter, &rec, e)) > 0) {
		struct flow_change change = { .key = rec.key, .value = rec.value, .headers = rec.headers,
			.nheader = rec.nheader, .ts_ms = rec.timestamp_ms };
		if ((log->store ? flow_task_restore(task->flow, log->store, &change, e)
				: take_row(log, &rec, e)) < 0) {
			task->is_dirty = true; /* no checkpoint: it would be behind this record */
			return blame_entry(log, rec.offset, e);
		}
		n++;
	}
	task->is_dirty |= rc < 0;
	if (task->state == TASK_RESTORING && log->store)
		running_count(&task->app->counts.restored, n);
	if (log->store)
		clean(task);
	return rc < 0 || store_set_is_failed(task->set, e) ? -1 : 0;
}

/* The next offset is before the first one, or past the end.  Old records of windows may go:
 * stores have forgotten such windows, too. */
static int
take_gap(struct restorer *restorer, struct fetched *chunk, struct err *e)
{
	struct task_log *log = chunk->part->owner;
	char text[GAP_TEXT_SIZE];
	int64_t at = chunk->part->deliver, end;
	if (ask(restorer, chunk->part->topic, log->partition, OFFSETS_LATEST, &end, e) < 0)
		return -1;
	if (log->store && log->store->retention_ms > 0 && at <= end)
		return gap_skip(&restorer->fetcher, chunk->part, OFFSETS_EARLIEST, text, e);
	err_set(e, ERR_CORRUPT, "offset %lld of partition %d of '%s', which task %s has read up to, "
		"is not there any more", (long long)at, log->partition, log->topic, log->task->name);
	if (log->task->state != TASK_RUNNING)
		return REBUILD;
	e->class = ERR_PEER; /* of a global table: its rows were deleted before they were read */
	return err_wrap(e, "start again, to read the table from its beginning");
}

static int
take_chunk(struct restorer *restorer, struct fetched *chunk, struct err *e)
{
	struct task_log *log = chunk->part->owner;
	if (chunk->is_out_of_range)
		return take_gap(restorer, chunk, e);
	if (chunk->is_new_topic)
		return err_set(e, ERR_PEER, "topic '%s' was deleted and created again while task %s was "
			"restored from it", log->topic, log->task->name);
	return restore_chunk(restorer, log, chunk, e);
}

/* Is the store restored?  Then its partition is read no more. */
static void
end_log(struct restorer *restorer, struct task_log *log)
{
	if (!log->is_restoring || log->reader->deliver < log->end)
		return;
	log->offset = log->reader->deliver;
	log->is_restoring = false;
	log->task->nrestoring--;
	if (!log->store)
		return; /* it is followed */
	fetcher_remove(&restorer->fetcher, log->reader);
	log->reader = NULL;
}

int
restore_work(struct restorer *restorer, struct err *e)
{
	struct fetched *chunk;
	if (!restorer->is_open)
		return 0;
	if (restorer->fetcher.npart == 0) { /* nobody would see that a connection has ended */
		restore_close(restorer);
		return 0;
	}
	fetcher_wait(&restorer->fetcher, -1, 0, 0);
	while ((chunk = fetcher_take(&restorer->fetcher))) {
		struct task_log *log = chunk->part->owner;
		int rc = take_chunk(restorer, chunk, e);
		fetcher_give_back(&restorer->fetcher, chunk);
		if (rc < 0 || (rc == REBUILD && rebuild(restorer, log, e) < 0))
			return -1;
		if (rc == REBUILD)
			continue;
		end_log(restorer, log);
		if (log->task->state == TASK_RESTORING && log->task->nrestoring == 0
			&& complete(log->task, e) < 0)
			return -1;
	}
	if (restorer->fetcher.is_failed) {
		*e = restorer->fetcher.err;
		return -1;
	}
	return 0;
}

void
restore_cancel(struct restorer *restorer, struct task_run *task)
{
	for (int i = 0; i < task->nlog; i++) {
		struct task_log *log = &task->log[i];
		if (!log->reader)
			continue;
		log->offset = log->reader->deliver;
		fetcher_remove(&restorer->fetcher, log->reader);
		log->reader = NULL;
	}
	task->nrestoring = 0;
}

void
restore_close(struct restorer *restorer)
{
	if (!restorer->is_open)
		return;
	cluster_close(&restorer->cluster);
	fetcher_release(&restorer->fetcher);
	fetch_iter_release(&restorer->iter);
	restorer->is_open = false;
}
