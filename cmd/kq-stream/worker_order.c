/*
 * Records of one sub-topology are taken in order of time across its partitions, where they
 * go to a repartition topic: who reads that takes them in the order in which they came there,
 * and a window closes by the newest of them.  Without this the partitions of a long input
 * would go through one after another, and most records would come too late.
 *
 * It holds within a thread: what other threads and processes write meanwhile comes between.
 * With --until-end, one thread of a process has all these tasks (may_read in worker.c).
 * Tasks wait for each other as the inputs of one task do (stream/merge.h).
 */
#include "kq-stream/worker.h"
#include "sys/clock.h"

enum {
	STALL_MS = 30000,   /* a task whose records do not come holds up the others so long */
};

/* The tasks of a sub-topology that this thread has, in order of worker->task. */
struct worker_order {
	struct task_run **task;
	int n;
	struct merge merge;
	int64_t until_ms;   /* to be asked again then; INT64_MAX: never */
};

void
worker_order_init(struct worker *worker)
{
	const struct layout *layout = &worker->app->layout;
	worker->order = mem_alloc((size_t)(layout->nsub + 1) * sizeof *worker->order);
	for (int i = 0; i < layout->nsub; i++)
		worker->order[i].until_ms = INT64_MAX;
}

static void
forget(struct worker_order *order)
{
	if (order->n > 0)
		merge_release(&order->merge);
	mem_free(order->task);
	*order = (struct worker_order){ .until_ms = INT64_MAX };
}

void
worker_order_release(struct worker *worker)
{
	for (int i = 0; worker->order && i < worker->app->layout.nsub; i++)
		forget(&worker->order[i]);
	mem_free(worker->order);
}

int64_t
worker_order_until(const struct worker *worker)
{
	int64_t until_ms = INT64_MAX;
	for (int i = 0; i < worker->app->layout.nsub; i++)
		until_ms = MIN(until_ms, worker->order[i].until_ms);
	return until_ms;
}

/* Does the task work for this thread, or will it soon? */
static bool
is_ours(const struct task_run *task, int part)
{
	return task->part == part && (task->state == TASK_RUNNING || task->state == TASK_RESTORING
		|| task->state == TASK_WAITING);
}

/* Find the tasks anew, if they are others than before. */
static void
find_tasks(struct worker *worker, struct worker_order *order, int part)
{
	int n = 0;
	bool is_same = true;
	for (int i = 0; i < worker->ntask; i++)
		if (is_ours(worker->task[i], part)) {
			is_same = is_same && n < order->n && order->task[n] == worker->task[i];
			n++;
		}
	if (is_same && n == order->n)
		return;
	forget(order);
	if (n == 0)
		return;
	order->task = mem_alloc((size_t)n * sizeof *order->task);
	for (int i = 0; i < worker->ntask; i++)
		if (is_ours(worker->task[i], part))
			order->task[order->n++] = worker->task[i];
	merge_init(&order->merge, n, worker->app->plan->settings.idle_ms, STALL_MS);
}

/* Tell merge what the task has. */
static void
look(struct worker_order *order, int i, int64_t now)
{
	struct merge *merge = &order->merge;
	struct task_run *task = order->task[i];
	int64_t time_ms;
	bool is_behind = true, has_ended = false;
	if (task->state == TASK_RUNNING && task_run_next(task, now, &time_ms, &is_behind, &has_ended)) {
		if (merge->in[i].has_first)
			merge_step(merge, i, time_ms);
		else
			merge_fill(merge, i, time_ms);
		return;
	}
	if (merge->in[i].has_first)
		merge_empty(merge, i);
	merge_set_behind(merge, i, is_behind);
	merge->in[i].has_ended = has_ended;
	if (task->state == TASK_RUNNING && task_run_is_fed(task))
		merge_set_fed(merge, i);
}

/* The lowest time of the other tasks' next records. */
static int64_t
limit_of(const struct merge *merge, int mine)
{
	int64_t limit_ms = INT64_MAX;
	for (int i = 0; i < merge->n; i++)
		if (i != mine && merge->in[i].has_first)
			limit_ms = MIN(limit_ms, merge->in[i].first_ms);
	return limit_ms;
}

static int
take(struct worker *worker, struct worker_order *order, int nmax, int64_t now, struct err *e)
{
	struct merge *merge = &order->merge;
	int ntaken = 0, i;
	while (ntaken < nmax && (i = merge_next(merge, now, &order->until_ms)) >= 0) {
		int n = task_run_upto(order->task[i], &worker->fetcher, nmax - ntaken,
			limit_of(merge, i), now, e);
		if (n < 0)
			return -1;
		ntaken += n;
		look(order, i, now);
	}
	return ntaken;
}

int
worker_take_in_order(struct worker *worker, int part, int nmax, struct err *e)
{
	struct worker_order *order = &worker->order[part];
	int64_t now = clock_mono_ms();
	find_tasks(worker, order, part);
	if (order->n == 0)
		return 0;
	for (int i = 0; i < order->n; i++) {
		struct task_run *task = order->task[i];
		if (order->n == 1)
			task->needs_time = false;
		else if (!task->needs_time)
			task_run_need_time(task);
		if (task->state == TASK_RUNNING)
			task_run_begin_some(task);
		look(order, i, now);
	}
	int n = take(worker, order, nmax, now, e);
	for (int i = 0; i < order->n; i++)
		task_run_end_some(order->task[i]);
	return n;
}
