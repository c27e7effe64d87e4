#include "kq-stream/worker.h"

#include "client/gap.h"
#include "client/offsets.h"
#include "sys/clock.h"
#include "sys/sig.h"
#include "text/say.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	TXN_TIMEOUT_MS = 10000,      /* and the interval of commits, twice */
	TXN_TIMEOUT_MAX_MS = 900000, /* brokers take no more by default */
	OUTAGE_MS = 120000,          /* longest outage of a broker */
	STORE_WAIT_MS = 5000,
	LEAVE_WAIT_MS = 3000,
	RETRY_MS = 100,
	LOOK_MS = 10,
	GONE_LOOK_MS = 500,
	SLICE = 2000,                /* records of a task, before others are looked after */
	IDLE_WAIT_MS = 30000,        /* of a Fetch, while nothing comes */
	END_WAIT_MS = 20,            /* the same with --until-end: other calls wait behind it */
	PARTITION_BYTES = 1 << 20,
	FETCH_BYTES = 8 << 20,
};

/* ---- opening ---- */

/* The begin of partitions without a committed offset, and the end with --until-end. */
static int
place(void *arg, struct cluster_topic *t, int32_t n, const bool *wants, bool is_new,
	int64_t *begin, int64_t *stop, struct err *e)
{
	struct worker *worker = arg;
	const struct layout_source *source = layout_find(&worker->app->layout, t->name);
	(void)is_new;
	for (int32_t i = 0; source->stop && i < n; i++)
		if (wants[i])
			stop[i] = i < source->npart ? source->stop[i] : 0; /* new: not to be read */
	return offsets_list(&worker->cluster, t, n, OFFSETS_EARLIEST, wants, begin, e);
}

static struct task_run *
find_task(struct worker *worker, int part, int number)
{
	for (int i = 0; i < worker->ntask; i++)
		if (worker->task[i]->part == part && worker->task[i]->number == number)
			return worker->task[i];
	return NULL;
}

static struct task_run *
task_of(struct worker *worker, const struct member_part *part)
{
	const struct layout_source *source = layout_find(&worker->app->layout, part->topic->name);
	assert(source);
	return find_task(worker, source->part, part->index);
}

static bool
may_begin(void *arg, const struct member_part *part)
{
	const struct task_run *task = task_of(arg, part);
	return task && task->state == TASK_RUNNING;
}

static bool
is_even(const struct running *app)
{
	for (int part = 0; part < app->layout.nsub; part++)
		if (!layout_is_even(&app->layout, part))
			return false;
	return true;
}

static int
set_protocol(const struct running *app, struct member_opts *o, struct err *e)
{
	const struct plan_settings *settings = &app->plan->settings;
	o->protocol = *settings->protocol == 'a' ? MEMBER_AUTO
		: strcmp(settings->protocol, "classic") == 0 ? MEMBER_CLASSIC : MEMBER_CONSUMER;
	o->assignors = "range";
	if (!is_even(app)) {
		if (o->protocol == MEMBER_CONSUMER)
			return err_set(e, ERR_USAGE, "topics that are merged have unequal numbers of "
				"partitions: that needs the classic protocol");
		o->protocol = MEMBER_CLASSIC;
		o->assignors = "numbers";
	}
	if (settings->session_ms) {
		o->session_timeout_ms = (int)settings->session_ms;
		o->heartbeat_ms = MIN(o->heartbeat_ms, o->session_timeout_ms / 3);
	}
	return 0;
}

/* With --instance: each thread is a member, with an id made as Kafka Streams makes it. */
static char *
instance_id(const struct worker *worker)
{
	const char *instance = worker->app->plan->settings.instance;
	struct buf b = BUF_INIT;
	if (!instance)
		return NULL;
	buf_printf(&b, "%s-%d", instance, worker->number);
	buf_putc(&b, 0);
	return (char *)b.p;
}

/* With --until-end, what is read of a long past goes into repartition topics by one thread,
 * which takes all partitions in order of time: threads are not in step, and windows behind
 * the topics would take most of it as late.  Other threads have the tasks behind these. */
static bool
may_read(const struct worker *worker, const struct layout_source *source)
{
	const struct layout *layout = &worker->app->layout;
	bool has_last = false; /* a foreign-key join is a circle: all of it may write */
	for (int part = 0; part < layout->nsub; part++)
		has_last |= !layout_writes(layout, part);
	return worker->number == 1 || !worker->app->plan->settings.until_end || !has_last
		|| !is_even(worker->app) || !layout_writes(layout, source->part);
}

static int
open_reader(struct worker *worker, struct err *e)
{
	struct running *app = worker->app;
	struct group_reader_opts *o = &worker->reader_opts;
	*o = (struct group_reader_opts){ .place = place, .may_begin = may_begin, .arg = worker };
	member_opts_init(&o->member);
	o->has_stop = app->plan->settings.until_end;
	o->member.group = app->id;
	o->member.instance = worker->instance = instance_id(worker);
	if (set_protocol(app, &o->member, e) < 0)
		return -1;
	o->member.retry_timeout_ms = OUTAGE_MS;
	struct cluster_topic **topic = mem_alloc((size_t)app->layout.nsource * sizeof *topic);
	int n = 0, rc = 0;
	for (int i = 0; rc == 0 && i < app->layout.nsource; i++) {
		const struct layout_source *source = &app->layout.source[i];
		if (source->part < 0 || !may_read(worker, source))
			continue;
		topic[n] = cluster_topic(&worker->cluster, source->name, false, e);
		rc = topic[n++] ? 0 : -1;
	}
	if (rc == 0)
		rc = group_reader_init(&worker->reader, &worker->fetcher, o, topic, n, e);
	mem_free(topic);
	return rc;
}

/* While the thread waits for a broker, whichever it is: stay in the group.  A commit that is on
 * its way goes on in the group's new generation, as long as all partitions are ours. */
static void
meanwhile(void *arg)
{
	struct worker *worker = arg;
	struct member *m = &worker->reader.member;
	int64_t now = clock_mono_ms();
	if (worker->is_beating || !m->cluster || now < worker->beat_at_ms)
		return;
	worker->is_beating = true;
	cluster_wait(&worker->cluster, -1, 0, 0);
	member_beat(m);
	if (member_has_place(m) && m->nlost == 0)
		worker->group.generation = m->generation;
	worker->beat_at_ms = now + CONN_MEANWHILE_MS / 2;
	worker->is_beating = false;
}

static struct cluster_opts
cluster_opts(struct worker *worker)
{
	struct cluster_opts co = worker->app->cluster;
	co.meanwhile = meanwhile;
	co.meanwhile_arg = worker;
	return co;
}

static int
open_sink(struct worker *worker, struct err *e)
{
	struct running *app = worker->app;
	struct txn_sink_opts *o = &worker->sink_opts;
	o->cluster = cluster_opts(worker);
	o->cluster.is_quiet = true;
	o->wake_fd = worker->wake_fd;
	producer_opts_init(&o->producer);
	o->producer.delivery_timeout_ms = OUTAGE_MS;
	o->producer.txn_timeout_ms = (int)MIN(TXN_TIMEOUT_MS + 2 * app->plan->settings.commit_ms,
		TXN_TIMEOUT_MAX_MS);
	if (app->plan->settings.guarantee == PLAN_EXACTLY_ONCE) {
		struct buf b = BUF_INIT;
		buf_printf(&b, "%s-%s-%d", app->id, app->state.process_id, worker->number);
		buf_putc(&b, 0);
		o->producer.txn_id = worker->txn_id = (char *)b.p;
	}
	return txn_sink_open(&worker->sink, o, e);
}

/* By it members of one process know each other (worker_standby.c).  As Kafka Streams names
 * its threads. */
static char *
client_id(const struct worker *worker)
{
	struct buf b = BUF_INIT;
	buf_printf(&b, "%s-%s-StreamThread-%d", worker->app->id, worker->app->state.process_id,
		worker->number);
	buf_putc(&b, 0);
	return (char *)b.p;
}

int
worker_open(struct worker *worker, struct running *app, int number, struct err *e)
{
	*worker = (struct worker){ .app = app, .number = number, .dead_letters = -1,
		.print = { .fd = STDOUT_FILENO } };
	pthread_mutex_init(&worker->ask_lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&worker->ask_done, &attr);
	pthread_condattr_destroy(&attr);
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->ask_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake_fd < 0 || worker->ask_fd < 0)
		return err_sys(e, "cannot create an event descriptor");
	worker->program = program_new(app->plan, NULL, e);
	if (!worker->program)
		return -1;
	const struct topology_node *v;
	int n = topology_nodes(worker->program->topo, &v);
	worker_order_init(worker);
	worker->target = mem_alloc(((size_t)n + 1) * sizeof *worker->target);
	for (int i = 0; i < n; i++)
		worker->target[i].topic = -1;
	struct cluster_opts co = cluster_opts(worker);
	co.client_id = worker->client_id = client_id(worker);
	if (open_sink(worker, e) < 0 || cluster_open(&worker->cluster, &co, e) < 0)
		return -1;
	worker->is_open = true;
	struct fetcher_opts fo;
	fetcher_opts_init(&fo);
	fo.is_committed = true;
	fo.fetch_bytes = FETCH_BYTES;
	fo.partition_bytes = PARTITION_BYTES;
	fo.held_max = SIZE_MAX;
	fo.idle_wait_ms = IDLE_WAIT_MS;
	if (app->plan->settings.until_end)
		fo.max_wait_ms = fo.idle_wait_ms = END_WAIT_MS;
	fo.retry_timeout_ms = OUTAGE_MS;
	fetcher_init(&worker->fetcher, &worker->cluster, &fo);
	worker->restorer.opts = cluster_opts(worker);
	return open_reader(worker, e);
}

void
worker_close(struct worker *worker)
{
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		restore_cancel(&worker->restorer, task);
		for (int k = 0; k < task->ninput; k++)
			task_run_detach(&task->input[k], &worker->fetcher);
		task_run_free(task);
	}
	restore_close(&worker->restorer);
	txn_sink_close(&worker->sink);
	if (worker->is_open) {
		cluster_close(&worker->cluster);
		if (worker->reader.fetcher)
			group_reader_release(&worker->reader);
		fetcher_release(&worker->fetcher);
	}
	if (worker->wake_fd >= 0)
		close(worker->wake_fd);
	if (worker->ask_fd >= 0)
		close(worker->ask_fd);
	pthread_mutex_destroy(&worker->ask_lock);
	pthread_cond_destroy(&worker->ask_done);
	program_free(worker->program);
	worker_order_release(worker);
	mem_free(worker->target);
	mem_free(worker->task);
	mem_free(worker->txn_id);
	mem_free(worker->client_id);
	mem_free(worker->member_id);
	mem_free(worker->instance);
	mem_free(worker->offset);
	mem_free(worker->noted);
	for (int i = 0; i < worker->nkeep; i++)
		mem_free(worker->keep[i].topic);
	mem_free(worker->keep);
	output_release(&worker->print);
}

void
worker_stop(struct worker *worker)
{
	uint64_t one = 1;
	ssize_t n = write(worker->wake_fd, &one, sizeof one);
	(void)n; /* fails only when it is full, thus readable */
}

/* ---- tasks ---- */

/* The task of an assigned partition, created if it is new. */
static struct task_run *
need_task(struct worker *worker, const struct member_part *part)
{
	const struct layout_source *source = layout_find(&worker->app->layout, part->topic->name);
	struct task_run *task = task_of(worker, part);
	if (task)
		return task;
	task = task_run_new(worker->app, worker->program, &worker->cluster, source->part, part->index);
	worker_set_env(worker, task);
	worker->task = mem_realloc(worker->task, (size_t)(worker->ntask + 1) * sizeof *worker->task);
	return worker->task[worker->ntask++] = task;
}

/* Connect assigned partitions with their tasks. */
static void
link_parts(struct worker *worker)
{
	struct member *m = &worker->reader.member;
	for (int i = 0; i < m->npart; i++) {
		struct member_part *part = m->part[i];
		if (part->state != MEMBER_GAINED && part->state != MEMBER_HELD)
			continue;
		struct task_input *input = task_run_input(need_task(worker, part), part->topic);
		input->part = part;
		part->is_in_use = true;
		if (part->owner && input->reader != part->owner)
			task_run_attach(input, &worker->fetcher, part->owner);
	}
}

/* Are all of its partitions assigned to us, with their committed offsets? */
static bool
has_all_parts(const struct task_run *task)
{
	for (int i = 0; i < task->ninput; i++) {
		const struct member_part *part = task->input[i].part;
		if (!part || (part->state != MEMBER_GAINED && part->state != MEMBER_HELD))
			return false;
	}
	return true;
}

/* Keep the notes of the committed offsets. */
static void
take_notes(struct task_run *task)
{
	for (int i = 0; i < task->ninput; i++) {
		struct task_input *input = &task->input[i];
		if (input->part->state != MEMBER_GAINED)
			continue;
		buf_reset(&input->note);
		if (input->part->committed_text)
			buf_puts(&input->note, input->part->committed_text);
	}
}

static int
open_task(struct worker *worker, struct task_run *task, struct err *e)
{
	if (task->state == TASK_STANDBY) {
		take_notes(task);
		return task_run_take_over(task, e) < 0 ? -1
			: restore_take_over(&worker->restorer, task, e);
	}
	take_notes(task);
	if (task_run_open(task, e) < 0) {
		task->until_ms = clock_mono_ms() + RETRY_MS;
		return e->class == ERR_LIMIT ? 0 : -1; /* another process is closing it */
	}
	return restore_begin(&worker->restorer, task, e);
}

static int
open_tasks(struct worker *worker, struct err *e)
{
	int64_t now = clock_mono_ms();
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		bool is_closed = task->state == TASK_WAITING || task->state == TASK_STANDBY;
		if (!is_closed || !has_all_parts(task)
			|| (task->state == TASK_WAITING && task->until_ms > now && task->until_ms != INT64_MAX))
			continue;
		if (open_task(worker, task, e) < 0)
			return -1;
	}
	return 0;
}

/* Let the partitions of running tasks be read, also after rewind_all (worker_commit.c). */
static void
release_inputs(struct worker *worker)
{
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		for (int k = 0; task->state == TASK_RUNNING && k < task->ninput; k++)
			if (task->input[k].reader && task->input[k].nqueue == 0)
				task->input[k].reader->is_held = false;
	}
}

/* Remove tasks whose partitions have not come back, once the assignment is known. */
static void
remove_tasks(struct worker *worker)
{
	struct member *m = &worker->reader.member;
	if (m->stage != MEMBER_IN || m->wants_rejoin || member_must_give_back(m))
		return;
	for (int i = worker->ntask - 1; i >= 0; i--) {
		struct task_run *task = worker->task[i];
		bool has_part = task->state == TASK_STANDBY;
		for (int k = 0; k < task->ninput; k++)
			has_part |= task->input[k].part != NULL;
		if (has_part)
			continue;
		task_run_free(task);
		worker->task[i] = worker->task[--worker->ntask];
	}
}

/* ---- giving back ---- */

/* Close the task, since another process may have it meanwhile; its other partitions, if it
 * keeps some, are read again from what is committed. */
static void
give_back_task(struct worker *worker, struct task_run *task, bool is_lost)
{
	restore_cancel(&worker->restorer, task);
	bool is_whole = task->state == TASK_RUNNING && !task->is_dirty && !is_lost;
	for (int i = 0; i < task->ninput; i++) {
		struct task_input *input = &task->input[i];
		struct fetcher_part *reader = input->reader;
		if (!reader)
			continue;
		task_run_detach(input, &worker->fetcher);
		reader->owner = NULL;
		if (input->part && input->part->state == MEMBER_HELD)
			input->part->owner = fetcher_rewind(&worker->fetcher, reader, input->part->position);
	}
	task_run_close(task, is_whole);
}

/* A topic of which we have no partition any more may have been deleted: its metadata is
 * looked at soon.  (Not in each rebalance: the request may wait behind a Fetch.) */
static void
note_missing(struct worker *worker)
{
	const struct member *m = &worker->reader.member;
	for (int i = 0; i < m->ntopic; i++) {
		bool has_any = false;
		for (int k = 0; k < m->npart; k++)
			has_any |= m->part[k]->topic == m->topic[i];
		worker->must_look |= !has_any;
	}
}

/* Give back revoked and lost partitions, and close their tasks. */
static int
give_back(struct worker *worker, struct err *e)
{
	struct member *m = &worker->reader.member;
	if (!member_must_give_back(m))
		return 0;
	if (m->nlost == 0 && worker_commit(worker, e) < 0)
		return -1;
	if (worker->is_begun && worker_discard(worker, e) < 0)
		return -1;
	if (worker->app->plan->settings.guarantee == PLAN_AT_LEAST_ONCE && m->nlost == 0)
		member_flush(m, STORE_WAIT_MS);
	for (int i = 0; i < m->npart; i++) {
		struct member_part *part = m->part[i];
		if (part->state != MEMBER_REVOKED && part->state != MEMBER_LOST)
			continue;
		struct task_run *task = task_of(worker, part);
		struct task_input *input = task ? task_run_input(task, part->topic) : NULL;
		if (!input || !input->part)
			continue;
		give_back_task(worker, task, part->state == MEMBER_LOST);
	}
	for (int i = 0; i < m->npart; i++) {
		struct member_part *part = m->part[i];
		struct task_run *task = task_of(worker, part);
		if (task && (part->state == MEMBER_REVOKED || part->state == MEMBER_LOST))
			task_run_input(task, part->topic)->part = NULL;
	}
	group_reader_drop(&worker->reader);
	note_missing(worker);
	return 0;
}

/* ---- records ---- */

static int
take_event(struct worker *worker, struct fetched *chunk, struct err *e)
{
	char text[GAP_TEXT_SIZE];
	if (gap_skip(&worker->fetcher, chunk->part, OFFSETS_EARLIEST, text, e) < 0)
		return -1;
	say_error("%s", text);
	return 0;
}

/* Hand what was fetched to the tasks. */
static int
distribute(struct worker *worker, struct err *e)
{
	struct fetched *chunk;
	while ((chunk = fetcher_take(&worker->fetcher))) {
		struct task_input *input = chunk->part->owner;
		int rc = 0;
		if (input && !chunk->is_out_of_range && !chunk->is_new_topic) {
			if (task_run_feed(input, &worker->fetcher, chunk, e) < 0)
				return -1;
			continue;
		}
		if (chunk->is_out_of_range) /* of a new topic worker_check_sources tells */
			rc = take_event(worker, chunk, e);
		fetcher_give_back(&worker->fetcher, chunk);
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* Process what is at hand, a slice of each task.  Returns whether there may be more at
 * once: 1 or 0; or -1. */
static int
process(struct worker *worker, struct err *e)
{
	int64_t wall_ms = clock_ms();
	int has_more = 0;
	worker_tell_busy(worker);
	if (!member_has_place(&worker->reader.member))
		return 0;
	for (int part = 0; part < worker->app->layout.nsub; part++) {
		int n = 0;
		if (layout_writes(&worker->app->layout, part))
			n = worker_take_in_order(worker, part, SLICE, e);
		if (n < 0)
			return -1;
		has_more |= n == SLICE;
	}
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		int n = 0;
		if (task->state != TASK_RUNNING)
			continue;
		if (!layout_writes(&worker->app->layout, task->part))
			n = task_run_some(task, &worker->fetcher, SLICE, e);
		if (n < 0 || task_run_tick(task, wall_ms, e) < 0)
			return -1;
		has_more |= n == SLICE;
	}
	return has_more;
}

/* ---- waiting ---- */

static int
time_left(struct worker *worker)
{
	int64_t now = clock_mono_ms(), wall_ms = clock_ms();
	int64_t left = member_timeout(&worker->reader.member), until_ms = worker_order_until(worker);
	if (until_ms != INT64_MAX)
		left = MIN(left, MAX(until_ms - now, 0));
	if (worker->app->plan->settings.until_end) /* other threads do not wake this one */
		left = MIN(left, LOOK_MS);
	if (worker->cluster.is_incomplete) /* for worker_check_sources */
		left = MIN(left, GONE_LOOK_MS);
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		if (task->is_dirty || worker->is_begun)
			left = MIN(left, worker->commit_at_ms - now);
		if (task->until_ms != INT64_MAX)
			left = MIN(left, MAX(task->until_ms - now, 0));
		if (task->state == TASK_RUNNING && flow_task_tick_at(task->flow) != INT64_MAX)
			left = MIN(left, flow_task_tick_at(task->flow) - wall_ms);
	}
	return (int)MAX(left, 0);
}

static int
wait(struct worker *worker, bool has_more)
{
	struct pollfd fds[2 * CLUSTER_FDS_MAX + 2];
	int n = cluster_fds(&worker->sink.cluster, fds, CLUSTER_FDS_MAX);
	fds[n++] = (struct pollfd){ worker->wake_fd, POLLIN, 0 };
	fds[n++] = (struct pollfd){ worker->ask_fd, POLLIN, 0 };
	if (worker->restorer.is_open)
		n += cluster_fds(&worker->restorer.cluster, fds + n, CLUSTER_FDS_MAX);
	int wait_ms = has_more ? 0 : time_left(worker);
	struct err ignored;
	bool must_look = worker->must_look;
	worker->must_look = false;
	if (!fetcher_is_done(&worker->fetcher)) {
		worker->fetcher.needs_refresh |= must_look;
		return fetcher_wait_fds(&worker->fetcher, fds, n, wait_ms);
	}
	if (must_look)
		cluster_refresh(&worker->cluster, &ignored);
	cluster_keep_fresh(&worker->cluster);
	return cluster_wait_fds(&worker->cluster, fds, n, wait_ms);
}

/* ---- the loop ---- */

static int
check(struct worker *worker, struct err *e)
{
	const struct member *m = &worker->reader.member;
	if (m->is_failed)
		*e = m->err;
	else if (worker->fetcher.is_failed && !fetcher_has_ready(&worker->fetcher))
		*e = worker->fetcher.err;
	else if (worker->sink.producer.is_failed && !worker->sink.o->producer.txn_id)
		*e = worker->sink.producer.err;
	else
		return worker_check_sources(worker, e);
	return -1;
}

/* Say how far the tasks are, for the line of progress. */
static void
tell_progress(struct worker *worker)
{
	struct running_thread *mine = &worker->app->thread[worker->number - 1];
	int64_t time_ms = INT64_MIN, sum = 0;
	for (int i = 0; i < worker->ntask; i++) {
		if (worker->task[i]->state == TASK_STANDBY)
			continue;
		int64_t lag = task_run_lag(worker->task[i]);
		sum = lag < 0 || sum < 0 ? -1 : sum + lag;
		time_ms = MAX(time_ms, task_run_time(worker->task[i]));
	}
	atomic_store_explicit(&mine->stream_ms, time_ms, memory_order_relaxed);
	atomic_store_explicit(&mine->lag, sum, memory_order_relaxed);
}

/* Has a task more changes in memory than it should? */
static bool
wants_commit(const struct worker *worker)
{
	for (int i = 0; i < worker->ntask; i++) {
		const struct store_set *set = worker->task[i]->set;
		if (set && store_set_wants_commit(set))
			return true;
	}
	return false;
}

static int
loop(struct worker *worker, struct err *e)
{
	while (!atomic_load(&worker->app->is_stopping)) {
		member_work(&worker->reader.member);
		if (check(worker, e) < 0 || give_back(worker, e) < 0)
			return -1;
		link_parts(worker);
		remove_tasks(worker);
		if (open_tasks(worker, e) < 0 || restore_work(&worker->restorer, e) < 0)
			return -1;
		if (worker_standby(worker, e) < 0)
			return -1;
		release_inputs(worker);
		if (group_reader_begin_gained(&worker->reader, e) < 0)
			return -1;
		link_parts(worker);
		if (distribute(worker, e) < 0)
			return -1;
		int has_more = process(worker, e);
		if (has_more < 0 && (has_more = worker_recover(worker, e)) < 0)
			return -1;
		bool is_due = clock_mono_ms() >= worker->commit_at_ms || wants_commit(worker);
		if (is_due && worker_commit(worker, e) < 0)
			return -1;
		if (worker->nkeep > 0 && clock_mono_ms() >= worker->keep_at_ms)
			worker_keep(worker, false); /* a source is silent */
		producer_wait(&worker->sink.producer, -1, 0, 0);
		if (worker->app->shows_progress)
			tell_progress(worker);
		if (unlikely(atomic_load_explicit(&worker->ask, memory_order_relaxed)))
			worker_answer(worker);
		int rc = has_more ? 0 : worker_end(worker, e);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
		wait(worker, has_more);
	}
	return 0;
}

/* Commit what was done, or discard it after a failure, and leave the group. */
static int
finish(struct worker *worker, int rc, struct err *e)
{
	struct member *m = &worker->reader.member;
	struct err why;
	txn_sink_hurry(&worker->sink);
	if (rc == 0 && !m->is_failed) {
		rc = worker_commit(worker, e);
		if (rc == 0)
			worker_keep(worker, true);
	} else if (worker->is_begun && worker->sink.o->producer.txn_id) {
		txn_sink_abort(&worker->sink, TXN_SINK_FAILED, &why);
	}
	for (int i = 0; rc < 0 && worker->sink.o->producer.txn_id && i < worker->ntask; i++)
		task_run_discard_counts(worker->task[i]);
	if (rc == 0 && worker->app->plan->settings.guarantee == PLAN_AT_LEAST_ONCE)
		member_flush(m, STORE_WAIT_MS);
	if (rc == 0 && !m->is_failed)
		worker_purge(worker, true);
	if (!m->is_failed)
		member_leave(m, LEAVE_WAIT_MS);
	return rc;
}

int
worker_run(struct worker *worker, struct err *e)
{
	int rc = loop(worker, e);
	worker_answer_no_more(worker);
	return finish(worker, rc, e);
}
