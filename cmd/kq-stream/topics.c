#include "kq-stream/topics.h"

#include "client/offsets.h"
#include "kq-stream/admit.h"
#include "kq-stream/control.h"
#include "kq-stream/internal_topics.h"
#include "kq-stream/worker.h"
#include "sys/sig.h"
#include "text/say.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct topics_thread {
	struct worker worker;
	pthread_t id;
	int done_fd;             /* written when it has ended */
	int rc;
	struct err err;
};

/* ---- topics ---- */

/* An internal topic may not exist yet. */
static int
look_up_internal(struct layout_source *source, struct cluster *cl, struct err *e)
{
	struct cluster_topic *t = cluster_topic(cl, source->name, false, e);
	source->existing = t ? t->npart : 0;
	return t || e->kafka == KERR_UNKNOWN_TOPIC_OR_PARTITION ? 0 : -1;
}

/* The partitions of the topics that are read. */
static int
look_up(struct running *app, struct cluster *cl, struct err *e)
{
	for (int i = 0; i < app->layout.nsource; i++) {
		struct layout_source *source = &app->layout.source[i];
		if (source->is_internal) {
			if (look_up_internal(source, cl, e) < 0)
				return -1;
			continue;
		}
		struct cluster_topic *t = cluster_topic(cl, source->name, false, e);
		if (!t)
			return -1;
		source->npart = t->npart;
		source->id = (int64_t)(load_be64(t->id.bytes) ^ load_be64(t->id.bytes + 8));
		if (!app->plan->settings.until_end || source->part < 0)
			continue;
		source->stop = mem_alloc((size_t)t->npart * sizeof *source->stop);
		if (offsets_list(cl, t, t->npart, OFFSETS_STABLE, NULL, source->stop, e) < 0)
			return -1;
	}
	return layout_solve(&app->layout, e);
}

/* Add the changelogs of a sub-topology.  Its stores are known once a task has opened them:
 * here one in memory. */
static int
list_changelogs(struct running *app, struct program *program, int part, struct internal_topic **v,
	int *n, struct err *e)
{
	struct store_set_opts o = { .dir = NULL };
	struct flow_env env = { .emit = NULL };
	const struct flow_store *store;
	struct store_set *set = store_set_new(&o, e);
	struct flow_task *task = set
		? flow_task_new(program->topo, part, false, &env, set, NULL, e) : NULL;
	int nstore = task ? flow_task_stores(task, &store) : 0;
	for (int i = 0; i < nstore; i++) {
		struct buf name = BUF_INIT;
		if (!store[i].is_logged)
			continue;
		buf_printf(&name, "%s-%s-changelog", app->id, store[i].name);
		buf_putc(&name, 0);
		*v = mem_realloc(*v, (size_t)(*n + 1) * sizeof **v);
		(*v)[(*n)++] = (struct internal_topic){ (char *)name.p, internal_changelog_kind(&store[i]),
			app->layout.ntask[part], MAX(store[i].retention_ms, store[i].history_ms) };
	}
	flow_task_free(task);
	if (set)
		store_set_free(set);
	return task ? 0 : -1;
}

static int
make_internal(struct running *app, struct program *program, struct cluster *cl, struct err *e)
{
	struct internal_topic *v = NULL;
	int n = 0, rc = 0;
	for (int i = 0; i < app->layout.nsource; i++) {
		const struct layout_source *source = &app->layout.source[i];
		if (!source->is_internal)
			continue;
		v = mem_realloc(v, (size_t)(n + 1) * sizeof *v);
		v[n++] = (struct internal_topic){ mem_strdup(source->name), INTERNAL_REPARTITION,
			source->npart, 0 };
	}
	for (int part = 0; rc == 0 && part < app->layout.nsub; part++)
		rc = list_changelogs(app, program, part, &v, &n, e);
	if (rc == 0)
		rc = internal_topics_make(cl, app->id, v, n, e);
	for (int i = 0; i < n; i++)
		mem_free(v[i].name);
	mem_free(v);
	return rc;
}

static int
prepare(struct running *app, struct err *e)
{
	struct cluster cl;
	struct program *program = program_new(app->plan, NULL, e);
	if (!program)
		return -1;
	layout_init(&app->layout, program->topo, app->id);
	int rc = cluster_open(&cl, &app->cluster, e);
	if (rc == 0) {
		rc = cluster_find_nodes(&cl, e);
		app->cluster_id = mem_strdup(rc == 0 && cl.cluster_id ? cl.cluster_id : "");
		if (rc == 0)
			rc = look_up(app, &cl, e);
		if (rc == 0) {
			running_set_facts(app, program->fingerprint);
			rc = admit_check(app, &cl, e);
		}
		if (rc == 0)
			rc = make_internal(app, program, &cl, e);
		cluster_close(&cl);
	}
	program_free(program);
	return rc;
}

/* ---- threads ---- */

static void *
run_thread(void *arg)
{
	struct topics_thread *thread = arg;
	uint64_t one = 1;
	thread->rc = worker_run(&thread->worker, &thread->err);
	ssize_t n = write(thread->done_fd, &one, sizeof one);
	(void)n;
	return NULL;
}

/* Wait for a signal, the end of a thread, someone who asks to stop, or until the reader of
 * stdout is gone; returns whether it is. */
static bool
await_end(struct running *app, const struct topics_opts *o, int done_fd,
	struct progress *progress)
{
	struct output out = { .fd = STDOUT_FILENO };
	int reader = plan_prints(app->plan) && output_is_pipe(&out) ? out.fd : -1;
	struct pollfd fds[] = { { o->cluster.wake_fd, POLLIN, 0 }, { done_fd, POLLIN, 0 },
		{ reader, 0, 0 } };
	while (!sig_is_stopped && !fds[1].revents && !fds[2].revents) {
		poll(fds, ARRAY_LEN(fds), progress_timeout(progress));
		running_show(app, progress);
	}
	return fds[2].revents && !fds[1].revents;
}

static void
stop_all(struct running *app, struct topics_thread *thread, int n)
{
	atomic_store(&app->is_stopping, true);
	for (int i = 0; i < n; i++)
		worker_stop(&thread[i].worker);
}

/* Without it the application runs, too. */
static struct control *
open_control(struct running *app, struct topics_thread *thread, int stop_fd)
{
	struct err e;
	app->worker = mem_alloc((size_t)app->nthread * sizeof *app->worker);
	for (int i = 0; i < app->nthread; i++)
		app->worker[i] = &thread[i].worker;
	struct control *control = control_open(app, app->worker, app->nthread, stop_fd, &e);
	if (!control)
		say_error("kq-stream ps, query and stop will not see this process: %s", e.msg);
	return control;
}

/* Run the threads.  The first one that fails ends the others. */
static int
run_threads(struct running *app, const struct topics_opts *o, struct topics_thread *thread,
	bool *is_reader_gone, struct err *e)
{
	struct progress progress;
	int nstarted = 0, rc = 0, done_fd = eventfd(0, EFD_CLOEXEC);
	if (done_fd < 0)
		return err_sys(e, "cannot create an event descriptor");
	progress_init(&progress);
	if (plan_prints(app->plan) && isatty(STDOUT_FILENO))
		progress.is_on = false; /* results would stand between the lines */
	app->shows_progress = progress.is_on;
	for (; rc == 0 && nstarted < app->nthread; nstarted++) {
		thread[nstarted].done_fd = done_fd;
		if (pthread_create(&thread[nstarted].id, NULL, run_thread, &thread[nstarted]) != 0) {
			rc = err_set(e, ERR_LIMIT, "cannot create a thread");
			break;
		}
	}
	struct control *control = rc == 0 ? open_control(app, thread, done_fd) : NULL;
	*is_reader_gone = rc == 0 && await_end(app, o, done_fd, &progress);
	progress_end(&progress);
	stop_all(app, thread, nstarted);
	control_close(control);
	for (int i = 0; i < nstarted; i++) {
		pthread_join(thread[i].id, NULL);
		*is_reader_gone |= thread[i].worker.print.is_closed;
		if (thread[i].rc < 0 && rc == 0 && !thread[i].worker.print.is_closed) {
			*e = thread[i].err;
			rc = -1;
		}
	}
	close(done_fd);
	return rc;
}

static int
run_workers(struct running *app, const struct topics_opts *o, bool *is_reader_gone, struct err *e)
{
	struct topics_thread *thread = mem_alloc((size_t)app->nthread * sizeof *thread);
	int nopen = 0, rc = 0;
	while (rc == 0 && nopen < app->nthread) {
		rc = worker_open(&thread[nopen].worker, app, nopen + 1, e);
		nopen++;
	}
	if (rc == 0)
		rc = run_threads(app, o, thread, is_reader_gone, e);
	for (int i = 0; i < nopen; i++)
		worker_close(&thread[i].worker);
	mem_free(thread);
	return rc;
}

int
topics_run(const struct plan *plan, const struct topics_opts *o, struct topics_counts *counts,
	struct err *e)
{
	struct running app = { .plan = plan, .id = plan->settings.application, .cluster = o->cluster,
		.nthread = MAX(plan->settings.nthread, 1) };
	running_begin(&app);
	app.thread = mem_alloc((size_t)app.nthread * sizeof *app.thread);
	for (int i = 0; i < app.nthread; i++) {
		atomic_init(&app.thread[i].stream_ms, INT64_MIN);
		atomic_init(&app.thread[i].lag, -1);
	}
	app.cluster.wake_fd = 0; /* signals reach the threads by worker_stop */
	bool is_reader_gone = false;
	int rc = prepare(&app, e);
	for (int i = 0; rc == 0 && i < app.nthread; i++) {
		app.thread[i].is_busy = mem_alloc((size_t)app.layout.nsub * sizeof(atomic_bool));
		for (int part = 0; part < app.layout.nsub; part++)
			atomic_init(&app.thread[i].is_busy[part], true); /* until the thread knows */
	}
	if (rc == 0)
		rc = state_dir_open(&app.state, plan->settings.state_dir, app.id, e);
	if (rc == 0)
		rc = run_workers(&app, o, &is_reader_gone, e);
	*counts = (struct topics_counts){ .in = app.counts.in, .out = app.counts.out,
		.late = app.counts.late, .late_partly = app.counts.late_partly,
		.late_kept = app.counts.late_kept,
		.dropped = app.counts.dropped, .failed = app.counts.failed,
		.restored = app.counts.restored, .is_reader_gone = is_reader_gone };
	state_dir_close(&app.state);
	layout_release(&app.layout);
	running_end(&app);
	mem_free(app.worker);
	for (int i = 0; i < app.nthread; i++)
		mem_free(app.thread[i].is_busy);
	mem_free(app.thread);
	mem_free(app.cluster_id);
	return rc;
}
