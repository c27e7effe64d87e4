#include "kq-stream/task_run.h"

#include "kq-stream/offset_note.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "text/say.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	QUEUE_MAX = 2,             /* chunks of an input behind the one at work */
	STALL_MS = 30000,          /* a broker that has records and does not send them */
	CHECKPOINT_MS = 60000,
	AGAIN_MS = 1000,           /* a checkpoint could not be written yet */
	BAD_MAX = 500,             /* bytes of a source's name in messages */
};

#define CHECKPOINT_TIME "@"    /* no name of a store */

/* ---- opening ---- */

static const struct plan_source *
find_plan(const struct plan *plan, const struct layout_source *from)
{
	for (int i = 0; i < plan->nsource; i++)
		if (!from->is_internal && strcmp(plan->source[i].topic, from->topic) == 0)
			return &plan->source[i];
	return NULL;
}

static void
add_input(struct task_run *task, const struct layout_source *from, struct cluster_topic *t)
{
	task->input[task->ninput++] = (struct task_input){
		.task = task,
		.from = from,
		.plan = find_plan(task->app->plan, from),
		.source = -1,
		.topic = t,
		.iter = FETCH_ITER_INIT,
		.stop = from->stop && task->number < from->npart ? from->stop[task->number] : INT64_MAX,
		.time_ms = INT64_MIN,
	};
	list_init(&task->input[task->ninput - 1].queue);
}

bool
task_run_has_stores(const struct topology *topo, int part)
{
	const struct topology_node *v;
	int n = topology_nodes(topo, &v);
	for (int i = 0; i < n; i++)
		if (v[i].part == part && v[i].store[0])
			return true;
	return false;
}

/* Does the sub-topology look into a global table? */
static bool
has_globals(const struct topology *topo, int part)
{
	const struct topology_node *v;
	int n = topology_nodes(topo, &v);
	for (int i = 0; i < n; i++)
		for (int k = 0; v[i].part == part && k < v[i].nfrom; k++)
			if (v[v[i].from[k]].kind == FLOW_KIND_GLOBAL)
				return true;
	return false;
}

struct task_run *
task_run_new(struct running *app, struct program *program, const struct cluster *cl, int part,
	int number)
{
	struct task_run *task = NEW(struct task_run);
	task->app = app;
	task->program = program;
	task->part = part;
	task->number = number;
	task->lock_fd = -1;
	task->until_ms = INT64_MAX;
	task->has_stores = task_run_has_stores(program->topo, part);
	task->has_globals = has_globals(program->topo, part);
	snprintf(task->name, sizeof task->name, "%d_%d", part, number);
	task->input = mem_alloc((size_t)app->layout.nsource * sizeof *task->input);
	for (int i = 0; i < app->layout.nsource; i++) {
		struct layout_source *from = &app->layout.source[i];
		struct cluster_topic *t = from->part == part ? cluster_known_topic(cl, from->name) : NULL;
		if (t && number < t->npart)
			add_input(task, from, t);
	}
	assert(task->ninput > 0);
	merge_init(&task->merge, task->ninput, app->plan->settings.idle_ms, STALL_MS);
	return task;
}

static void
put_stores(const struct topology *topo, int part, struct buf *b)
{
	const struct topology_node *v;
	int n = topology_nodes(topo, &v);
	for (int i = 0; i < n; i++)
		for (size_t k = 0; v[i].part == part && k < ARRAY_LEN(v[i].store) && v[i].store[k]; k++)
			buf_printf(b, " %s", v[i].store[k]);
}

/* Lock the task's folder, if what it keeps needs one. */
static int
take_folder(struct task_run *task, struct err *e)
{
	struct running *app = task->app;
	bool must_spill = task->has_globals && app->plan->settings.memory_max;
	if ((!task->has_stores && !must_spill) || !app->state.path || task->lock_fd >= 0)
		return 0;
	task->lock_fd = state_dir_task(&app->state, task->name, &task->dir, e);
	return task->lock_fd < 0 ? -1 : 0;
}

static struct store_set *
open_set(struct task_run *task, size_t memory_max, struct err *e)
{
	struct running *app = task->app;
	struct store_set_opts o = { .dir = NULL };
	if (!task->has_stores || !task->dir)
		return store_set_new(&o, e);
	struct buf identity = BUF_INIT;
	buf_printf(&identity, "cluster %s, application %s, task %s, topology %016llx, stores",
		app->cluster_id, app->id, task->name, (unsigned long long)task->program->fingerprint);
	put_stores(task->program->topo, task->part, &identity);
	buf_putc(&identity, 0);
	o.dir = task->dir;
	o.identity = (const char *)identity.p;
	o.memory_max = memory_max;
	struct store_set *set = store_set_new(&o, e);
	buf_release(&identity);
	if (set && store_set_notice(set))
		say_error("task %s: %s", task->name, store_set_notice(set));
	return set;
}

/* The rows of global tables.  Each start reads them from the beginning of their topics: a
 * checkpoint would have rows that are not there any more. */
static struct store_set *
open_globals(struct task_run *task, size_t memory_max, struct err *e)
{
	struct store_set_opts o = { .is_plain = true };
	struct buf dir = BUF_INIT;
	if (task->dir && memory_max) {
		buf_printf(&dir, "%s-globals", task->dir);
		buf_putc(&dir, 0);
		o.dir = (const char *)dir.p;
		o.memory_max = memory_max;
	}
	struct store_set *set = store_set_new(&o, e);
	buf_release(&dir);
	return set;
}

static int
open_sets(struct task_run *task, struct err *e)
{
	size_t memory_max = (size_t)task->app->plan->settings.memory_max
		/ (size_t)task->app->nthread;
	if (take_folder(task, e) < 0)
		return -1;
	if (task->has_stores && task->has_globals)
		memory_max /= 2;
	task->set = open_set(task, memory_max, e);
	if (task->set && task->has_globals)
		task->globals = open_globals(task, memory_max, e);
	return !task->set || (task->has_globals && !task->globals) ? -1 : 0;
}

/* What the checkpoint's text has behind a name: lines "STORE OFFSET", where the store has all
 * before it, and "@ TIME", when the checkpoint was written (wall clock, ms).  -1: none. */
static int64_t
checkpoint_number(struct str text, const char *of)
{
	struct str name = str_of(of);
	for (int32_t at = 0; at < text.n;) {
		const uint8_t *end = memchr(text.p + at, '\n', (size_t)(text.n - at));
		int32_t n = end ? (int32_t)(end - text.p) - at : text.n - at;
		if (n > name.n && memcmp(text.p + at, name.p, (size_t)name.n) == 0
			&& text.p[at + name.n] == ' ')
			return strtoll((const char *)text.p + at + name.n, NULL, 10);
		at += n + 1;
	}
	return -1;
}

/* Does the task look into the global table of the source? */
static bool
looks_into(const struct task_run *task, const struct layout_source *from)
{
	return from->part < 0 && flow_task_source(task->flow, from->topic) >= 0;
}

/* The partitions of all global tables that the task looks into. */
static int
count_globals(const struct task_run *task)
{
	int n = 0;
	for (int i = 0; i < task->app->layout.nsource; i++)
		if (looks_into(task, &task->app->layout.source[i]))
			n += task->app->layout.source[i].npart;
	return n;
}

static void
add_globals(struct task_run *task)
{
	for (int i = 0; i < task->app->layout.nsource; i++) {
		const struct layout_source *from = &task->app->layout.source[i];
		for (int32_t k = 0; looks_into(task, from) && k < from->npart; k++)
			task->log[task->nlog++] = (struct task_log){ .task = task, .partition = k,
				.source = flow_task_source(task->flow, from->topic), .sink = -1, .offset = -1,
				.plan = find_plan(task->app->plan, from), .topic = mem_strdup(from->name) };
	}
}

static void
open_logs(struct task_run *task)
{
	const struct flow_store *v;
	int n = flow_task_stores(task->flow, &v);
	struct str text = store_set_checkpoint_text(task->set);
	task->checkpoint_ms = text.n > 0 ? checkpoint_number(text, CHECKPOINT_TIME) : -1;
	int nmore = count_globals(task);
	task->log = mem_alloc((size_t)(n + nmore + 1) * sizeof *task->log);
	for (int i = 0; i < n; i++) {
		if (!v[i].is_logged)
			continue;
		struct buf topic = BUF_INIT;
		buf_printf(&topic, "%s-%s-changelog", task->app->id, v[i].name);
		buf_putc(&topic, 0);
		task->log[task->nlog++] = (struct task_log){ .task = task, .store = &v[i],
			.topic = (char *)topic.p, .sink = -1, .partition = task->number,
			.offset = text.n > 0 ? checkpoint_number(text, v[i].name) : -1 };
	}
	add_globals(task);
}

/* The same number comes with each partition; the highest is the newest. */
static void
take_number(void *arg, struct str name, int64_t value)
{
	struct task_run *task = arg;
	const struct flow_number *v;
	int n = flow_task_numbers(task->flow, &v);
	for (int i = 0; i < n; i++)
		if (str_eq(str_of(v[i].name), name) && value > v[i].value)
			flow_task_set_number(task->flow, name, value);
}

/* ERR_USAGE: the notes are of another topology, or of topics that are no more. */
static int
check_notes(struct task_run *task, struct err *e)
{
	for (int i = 0; i < task->ninput; i++) {
		struct task_input *input = &task->input[i];
		input->time_ms = INT64_MIN;
		if (input->note.n == 0
			|| running_read_note(task->app, buf_str(&input->note), &input->time_ms, e) == 0)
			continue;
		return e->class == ERR_CORRUPT
			? err_wrap(e, "partition %d of '%s'", task->number, input->from->name) : -1;
	}
	return 0;
}

/* Restoring depends on the numbers, so they come first. */
static int
read_notes(struct task_run *task, struct err *e)
{
	int rc = check_notes(task, e);
	for (int i = 0; rc == 0 && i < task->ninput; i++)
		task_run_take_note(task, buf_str(&task->input[i].note));
	return rc;
}

int
task_run_open(struct task_run *task, struct err *e)
{
	assert(task->state == TASK_WAITING);
	if (check_notes(task, e) < 0) /* its sentence says more than that of the state's folder */
		return -1;
	task->env.partition = task->number;
	if (open_sets(task, e) == 0)
		task->flow = flow_task_new(task->program->topo, task->part, false, &task->env, task->set,
			task->globals, e);
	if (!task->flow) {
		task_run_close(task, false);
		return -1;
	}
	for (int i = 0; i < task->ninput; i++)
		task->input[i].source = flow_task_source(task->flow, task->input[i].from->topic);
	if (read_notes(task, e) < 0) {
		task_run_close(task, false);
		return -1;
	}
	open_logs(task);
	task->until_ms = INT64_MAX;
	task->state = TASK_RESTORING;
	return 0;
}

int
task_run_take_over(struct task_run *task, struct err *e)
{
	assert(task->state == TASK_STANDBY);
	task_run_keep_positions(task);
	task->state = TASK_RESTORING;
	return read_notes(task, e);
}

void
task_run_take_note(struct task_run *task, struct str note)
{
	int64_t time_ms;
	struct err ignored;
	offset_note_read(note, &time_ms, take_number, task, &ignored);
}

void
task_run_keep_positions(struct task_run *task)
{
	for (int i = 0; task->state == TASK_STANDBY && i < task->nlog; i++)
		if (task->log[i].store && task->log[i].reader)
			task->log[i].offset = task->log[i].reader->deliver;
}

void
task_run_begin(struct task_run *task)
{
	task->is_dirty = false;
	task->state = TASK_RUNNING;
	task->checkpoint_at_ms = clock_mono_ms() + CHECKPOINT_MS;
}

/* ---- closing ---- */

int
task_run_checkpoint(struct task_run *task, struct err *e)
{
	struct buf text = BUF_INIT;
	assert(!task->is_dirty);
	task->checkpoint_at_ms = clock_mono_ms() + CHECKPOINT_MS;
	if (!task->dir || !task->has_stores)
		return 0;
	buf_printf(&text, CHECKPOINT_TIME " %lld\n", (long long)clock_ms());
	for (int i = 0; i < task->nlog; i++) {
		if (!task->log[i].store)
			continue; /* read from its beginning by each start */
		if (task->log[i].offset < 0) { /* a later commit will tell it, or the copy's reader */
			task->checkpoint_at_ms = clock_mono_ms() + AGAIN_MS;
			buf_release(&text);
			return 0;
		}
		buf_printf(&text, "%s %lld\n", task->log[i].store->name, (long long)task->log[i].offset);
	}
	int rc = store_set_checkpoint(task->set, buf_str(&text), e);
	buf_release(&text);
	return rc < 0 ? err_wrap(e, "state of task %s", task->name) : 0;
}

static void
close_logs(struct task_run *task)
{
	for (int i = 0; i < task->nlog; i++)
		mem_free(task->log[i].topic);
	mem_free(task->log);
	task->log = NULL;
	task->nlog = task->nrestoring = 0;
}

void
task_run_close(struct task_run *task, bool keeps)
{
	struct err e;
	bool is_whole = task->state == TASK_RUNNING || task->state == TASK_STANDBY;
	if (keeps && is_whole && !task->is_dirty && task_run_checkpoint(task, &e) < 0)
		say_error("%s; the next start restores more from the changelog", e.msg);
	close_logs(task);
	flow_task_free(task->flow);
	if (task->set)
		store_set_free(task->set);
	if (task->globals)
		store_set_free(task->globals);
	task->flow = NULL;
	task->set = task->globals = NULL;
	task->is_dirty = false;
	fs_close(task->lock_fd);
	task->lock_fd = -1;
	mem_free(task->dir);
	task->dir = NULL;
	task->state = TASK_WAITING;
}

void
task_run_free(struct task_run *task)
{
	if (!task)
		return;
	task_run_close(task, true);
	for (int i = 0; i < task->ninput; i++) {
		assert(!task->input[i].reader);
		fetch_iter_release(&task->input[i].iter);
		buf_release(&task->input[i].note);
		buf_release(&task->input[i].next_note);
	}
	merge_release(&task->merge);
	mem_free(task->input);
	mem_free(task);
}

/* ---- inputs ---- */

struct task_input *
task_run_input(struct task_run *task, const struct cluster_topic *t)
{
	for (int i = 0; i < task->ninput; i++)
		if (task->input[i].topic == t)
			return &task->input[i];
	return NULL;
}

static int
index_of(const struct task_input *input)
{
	return (int)(input - input->task->input);
}

static bool
has_first(const struct task_input *input)
{
	return input->task->merge.in[index_of(input)].has_first;
}

static void
drop_fetched(struct task_input *input, struct fetcher *f)
{
	if (has_first(input))
		merge_empty(&input->task->merge, index_of(input));
	program_next(input->task->program);
	if (input->chunk)
		fetcher_give_back(f, input->chunk);
	input->chunk = NULL;
	LIST_EACH(it, &input->queue) {
		list_unlink(it);
		fetcher_give_back(f, CONTAINER_OF(it, struct fetched, link));
	}
	input->nqueue = 0;
}

void
task_run_attach(struct task_input *input, struct fetcher *f, struct fetcher_part *reader)
{
	drop_fetched(input, f);
	input->reader = reader;
	reader->owner = input;
	merge_set_behind(&input->task->merge, index_of(input), true);
}

void
task_run_detach(struct task_input *input, struct fetcher *f)
{
	drop_fetched(input, f);
	input->reader = NULL;
}

/* The time by which the first record is merged.  One that cannot be read has its own; it
 * is reported when it is taken. */
static int64_t
first_time(struct task_input *input)
{
	const struct record *in = &input->first;
	struct program_raw raw = { in->key, in->value, in->headers, in->nheader, in->timestamp_ms };
	int64_t ts_ms;
	struct err ignored;
	if (!input->plan || !input->plan->time.text
			|| (input->task->ninput == 1 && !input->task->needs_time))
		return in->timestamp_ms;
	return program_peek(input->task->program, input->plan, &raw, &ts_ms, &ignored) < 0
		? in->timestamp_ms : ts_ms;
}

/* Find the next first record.  Returns 0, or -1. */
static int
advance(struct task_input *input, struct fetcher *f, struct err *e)
{
	struct merge *merge = &input->task->merge;
	int i = index_of(input);
	for (;;) {
		int rc = input->chunk ? fetch_iter_next(&input->iter, &input->first, e) : 0;
		if (likely(rc > 0)) {
			if (merge->in[i].has_first)
				merge_step(merge, i, first_time(input));
			else
				merge_fill(merge, i, first_time(input));
			return 0;
		}
		if (rc < 0)
			return -1;
		if (input->chunk)
			fetcher_give_back(f, input->chunk);
		input->chunk = NULL;
		if (list_is_empty(&input->queue))
			break;
		struct list *next = input->queue.next;
		list_unlink(next);
		input->nqueue--;
		input->reader->is_held = false;
		input->chunk = CONTAINER_OF(next, struct fetched, link);
		fetch_iter_begin(&input->iter, f, input->chunk);
	}
	if (merge->in[i].has_first)
		merge_empty(merge, i);
	return 0;
}

int
task_run_feed(struct task_input *input, struct fetcher *f, struct fetched *chunk, struct err *e)
{
	list_append(&input->queue, &chunk->link);
	input->nqueue++;
	input->reader->is_held = input->nqueue >= QUEUE_MAX;
	return has_first(input) ? 0 : advance(input, f, e);
}

/* Of a copy: behind the changelogs, as the last answers told them. */
static int64_t
lag_of_copy(const struct task_run *task)
{
	int64_t lag = 0;
	for (int i = 0; i < task->nlog; i++) {
		const struct fetcher_part *reader = task->log[i].reader;
		if (!reader || reader->end < 0)
			return -1;
		lag += MAX(reader->end - reader->deliver, 0);
	}
	return lag;
}

int64_t
task_run_lag(const struct task_run *task)
{
	int64_t lag = 0;
	if (task->state == TASK_STANDBY)
		return lag_of_copy(task);
	for (int i = 0; i < task->ninput; i++) {
		const struct fetcher_part *reader = task->input[i].reader;
		if (!reader || reader->end < 0)
			return -1;
		lag += MAX(reader->end - task_run_position(&task->input[i]), 0);
	}
	return lag;
}

int64_t
task_run_time(const struct task_run *task)
{
	int64_t time_ms = INT64_MIN;
	for (int i = 0; i < task->ninput; i++)
		time_ms = MAX(time_ms, task->input[i].time_ms);
	return time_ms;
}

/* ---- processing ---- */

static void
tell_one(_Atomic int64_t *all, int64_t count, int64_t *told)
{
	if (count != *told)
		running_count(all, count - *told);
	*told = count;
}

/* Add the task's counts to those of the application. */
static void
tell_counts(struct task_run *task)
{
	struct running_counts *all = &task->app->counts;
	tell_one(&all->in, task->counts.in - task->counts.internal_in, &task->told.in);
	tell_one(&all->out, task->counts.out - task->counts.internal_out, &task->told.out);
	tell_one(&all->late, task->counts.late, &task->told.late);
	tell_one(&all->late_partly, task->counts.late_partly, &task->told.late_partly);
	tell_one(&all->late_kept, task->counts.late_kept, &task->told.late_kept);
	tell_one(&all->dropped, task->counts.dropped, &task->told.dropped);
	tell_one(&all->failed, task->counts.failed, &task->told.failed);
}

void
task_run_keep_counts(struct task_run *task)
{
	task->kept = task->counts;
}

void
task_run_discard_counts(struct task_run *task)
{
	task->counts = task->kept;
	tell_counts(task);
}

/* The record cannot be read.  Returns 0: it is skipped, or -1. */
static int
refuse(struct task_input *input, struct err *why, struct err *e)
{
	struct task_run *task = input->task;
	struct flow_rec rec = { .key = { .bytes = input->first.key }, .value = input->first.value,
		.ts_ms = input->first.timestamp_ms };
	if (task->env.failed(&task->env, -1, &rec, why) == 0)
		return 0;
	*e = *why;
	return -1;
}

/* Take the first record of the input.  Returns 0, or -1. */
static int
take_first(struct task_input *input, struct err *e)
{
	struct task_run *task = input->task;
	const struct record *in = &input->first;
	struct flow_rec rec;
	task->current = input;
	task->is_dirty = true;
	task->counts.in++;
	if (input->plan) {
		struct program_raw raw = { in->key, in->value, in->headers, in->nheader,
			in->timestamp_ms };
		struct err why;
		if (unlikely(program_take(task->program, input->plan, &raw, &rec, &why) < 0))
			return refuse(input, &why, e);
	} else {
		task->counts.internal_in++;
		rec = (struct flow_rec){ .key = { .bytes = in->key }, .value = in->value,
			.old = STR_NULL, .ts_ms = in->timestamp_ms, .headers = in->headers,
			.nheader = in->nheader };
	}
	input->time_ms = MAX(input->time_ms, rec.ts_ms);
	return flow_task_take_at(task->flow, input->source, &rec, e);
}

void
task_run_need_time(struct task_run *task)
{
	task->needs_time = true;
	for (int i = 0; i < task->ninput; i++)
		if (task->merge.in[i].has_first)
			merge_step(&task->merge, i, first_time(&task->input[i]));
}

bool
task_run_next(struct task_run *task, int64_t now, int64_t *time_ms, bool *is_behind,
	bool *has_ended)
{
	assert(task->state == TASK_RUNNING);
	int i = merge_next(&task->merge, now, &task->until_ms);
	if (i >= 0) {
		*time_ms = task->merge.in[i].first_ms;
		return true;
	}
	*is_behind = task->merge.nfirst > 0; /* it waits for another one */
	*has_ended = !*is_behind;
	for (i = 0; i < task->ninput; i++) {
		*is_behind |= task->merge.in[i].is_behind;
		*has_ended &= task->merge.in[i].has_ended;
	}
	return false;
}

void
task_run_begin_some(struct task_run *task)
{
	task->env.now_ms = clock_ms();
	task_run_look_behind(task);
}

void
task_run_end_some(struct task_run *task)
{
	task->current = NULL;
	tell_counts(task);
}

int
task_run_upto(struct task_run *task, struct fetcher *f, int nmax, int64_t limit_ms, int64_t now,
	struct err *e)
{
	int n = 0;
	assert(task->state == TASK_RUNNING);
	while (n < nmax) {
		int i = task->ninput == 1 ? task->merge.nfirst - 1
			: merge_next(&task->merge, now, &task->until_ms);
		if (i < 0 || task->merge.in[i].first_ms > limit_ms)
			break;
		struct task_input *input = &task->input[i];
		if (take_first(input, e) < 0)
			return err_wrap(e, "task %s, offset %lld of partition %d of '%.*s'", task->name,
				(long long)input->first.offset, task->number, BAD_MAX, input->from->name);
		n++;
		if (advance(input, f, e) < 0)
			return -1;
		if (unlikely(!has_first(input)))
			task_run_look_behind(task);
	}
	return n;
}

int
task_run_some(struct task_run *task, struct fetcher *f, int nmax, struct err *e)
{
	task_run_begin_some(task);
	int n = task_run_upto(task, f, nmax, INT64_MAX, clock_mono_ms(), e);
	task_run_end_some(task);
	return n;
}

int
task_run_tick(struct task_run *task, int64_t wall_ms, struct err *e)
{
	if (flow_task_tick_at(task->flow) > wall_ms)
		return 0;
	task->env.now_ms = wall_ms;
	task->is_dirty = true;
	int rc = flow_task_tick(task->flow, e);
	tell_counts(task);
	return rc < 0 ? err_wrap(e, "task %s", task->name) : 0;
}

int
task_run_end(struct task_run *task, struct err *e)
{
	task->env.now_ms = clock_ms();
	task->is_dirty = true;
	int rc = flow_task_end(task->flow, e);
	tell_counts(task);
	return rc < 0 ? err_wrap(e, "task %s", task->name) : 0;
}
