/*
 * --until-end.  Tasks end level by level: what those of a lower level send when they end
 * (the last windows) must be taken by those above before these end.
 *
 * All input is taken when the group's committed offsets are, for each source, those where
 * it ended at the start, and for each internal topic those where it ends now.  When all
 * threads have found that, and none has committed anything since the first found it,
 * nothing is on its way, and the tasks of the next level end.
 *
 * Committed offsets are the group's, so the tasks of other processes count, too; only what
 * these send when they end is not waited for.
 */
#include "client/offsets.h"
#include "kq-stream/worker.h"
#include "sys/clock.h"

enum {
	/* Tasks that no thread has for so long are another process's: longer than the session of
	 * a process that was killed. */
	OTHERS_MS = 60000,
};

/* Is there nothing to do or to commit? */
static bool
is_quiet(const struct worker *worker)
{
	const struct member *m = &worker->reader.member;
	if (!member_is_stable(m) || worker->is_begun || worker->print.buf.n > 0)
		return false;
	for (int i = 0; i < worker->ntask; i++) {
		const struct task_run *task = worker->task[i];
		if (task->state == TASK_STANDBY)
			continue;
		if (task->state != TASK_RUNNING || task->is_dirty)
			return false;
		for (int k = 0; k < task->ninput; k++) {
			const struct task_input *input = &task->input[k];
			if (!input->reader || task->merge.in[k].has_first
				|| task_run_position(input) != input->part->committed)
				return false;
		}
	}
	return true;
}

/* Where the partitions of the source end; with wants, all. */
static int
find_ends(struct worker *worker, const struct layout_source *source, int64_t *end, struct err *e)
{
	if (source->stop) {
		memcpy(end, source->stop, (size_t)source->npart * sizeof *end);
		return 0;
	}
	struct cluster_topic *t = cluster_topic(&worker->cluster, source->name, false, e);
	return t ? offsets_list(&worker->cluster, t, source->npart, OFFSETS_LATEST, NULL, end, e) : -1;
}

static void
set_committed(void *arg, int32_t partition, int64_t offset, struct str note)
{
	int64_t *committed = arg;
	(void)note;
	committed[partition] = offset;
}

/* Are all partitions of the source taken?  1, 0, or -1. */
static int
is_taken(struct worker *worker, const struct layout_source *source, struct err *e)
{
	int64_t *end = mem_alloc(2 * (size_t)source->npart * sizeof *end);
	int64_t *committed = end + source->npart;
	int rc = find_ends(worker, source, end, e);
	for (int32_t i = 0; i < source->npart; i++)
		committed[i] = -1;
	if (rc == 0)
		rc = worker_committed(worker, source, set_committed, committed, e);
	bool all = true;
	for (int32_t i = 0; i < source->npart; i++)
		all = all && committed[i] >= end[i];
	mem_free(end);
	if (rc < 0 && e->class == ERR_RETRY)
		return 0;
	return rc < 0 ? -1 : all;
}

/* The sources first: once they are taken, nothing new comes into the internal topics that is
 * not from there. */
static int
all_is_taken(struct worker *worker, struct err *e)
{
	const struct layout *layout = &worker->app->layout;
	int rc = 1;
	for (int i = 0; rc == 1 && i < layout->nsource; i++)
		if (!layout->source[i].is_internal && layout->source[i].part >= 0)
			rc = is_taken(worker, &layout->source[i], e);
	for (int i = 0; rc == 1 && i < layout->nsource; i++)
		if (layout->source[i].is_internal)
			rc = is_taken(worker, &layout->source[i], e);
	return rc;
}

/* Do the threads have all tasks?  A task may be on its way from one to another; after some
 * time it is taken to be another process's. */
static bool
has_all_tasks(struct worker *worker)
{
	struct running *app = worker->app;
	int n = 0, want = 0;
	for (int i = 0; i < app->nthread; i++)
		n += atomic_load(&app->thread[i].ntask);
	for (int i = 0; i < app->layout.nsub; i++)
		want += app->layout.ntask[i];
	if (n >= want) {
		worker->others_since_ms = 0;
		return true;
	}
	if (!worker->others_since_ms)
		worker->others_since_ms = clock_mono_ms();
	return clock_mono_ms() - worker->others_since_ms >= OTHERS_MS;
}

/* Are all threads idle since the same change? */
static bool
all_are_idle(struct running *app)
{
	int64_t now = atomic_load(&app->nchange);
	for (int i = 0; i < app->nthread; i++)
		if (atomic_load(&app->thread[i].idle_at) != now + 1)
			return false;
	return atomic_load(&app->nchange) == now;
}

/* Let the tasks of the level end, and commit. */
static int
end_level(struct worker *worker, int level, struct err *e)
{
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		if (task->state == TASK_RUNNING && worker->app->layout.level[task->part] == level
			&& task_run_end(task, e) < 0)
			return -1;
	}
	worker->nlevel_ended = level + 1;
	if (worker_commit(worker, e) < 0)
		return -1;
	atomic_fetch_add(&worker->app->nchange, 1); /* all are to look again */
	atomic_fetch_add(&worker->app->nended, 1);
	return 0;
}

void
worker_tell_busy(struct worker *worker)
{
	struct running *app = worker->app;
	struct running_thread *mine = &app->thread[worker->number - 1];
	for (int part = 0; app->plan->settings.until_end && part < app->layout.nsub; part++) {
		bool is_busy = false;
		for (int i = 0; i < worker->ntask; i++)
			is_busy |= worker->task[i]->part == part && task_run_is_busy(worker->task[i]);
		atomic_store(&mine->is_busy[part], is_busy);
	}
}

int
worker_end(struct worker *worker, struct err *e)
{
	struct running *app = worker->app;
	struct running_thread *mine = &app->thread[worker->number - 1];
	if (!app->plan->settings.until_end)
		return 0;
	int64_t change = atomic_load(&app->nchange);
	worker->idle_commit_at_ms = 0; /* offsets that moved over markers are committed at once */
	int rc = is_quiet(worker) ? all_is_taken(worker, e) : 0;
	if (rc < 0)
		return -1;
	atomic_store(&mine->ntask, rc ? worker_ntask(worker) : 0);
	atomic_store(&mine->idle_at, rc ? change + 1 : 0);
	int level = worker->nlevel_ended;
	if (!rc || atomic_load(&app->nended) < level * app->nthread || !all_are_idle(app)
		|| !has_all_tasks(worker))
		return 0;
	if (level == app->layout.nlevel)
		return 1;
	return end_level(worker, level, e) < 0 ? -1 : 0;
}
