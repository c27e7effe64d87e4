/* Commits, and going back to the last one. */
#include "kq-stream/offset_note.h"
#include "kq-stream/worker.h"
#include "sys/clock.h"
#include "text/say.h"

#include <stdlib.h>

enum {
	IDLE_COMMIT_MS = 1000,   /* interval of commits of offsets that moved without records */
	RETRY_MS = 100,
};

static bool
is_exact(const struct worker *worker)
{
	return worker->app->plan->settings.guarantee == PLAN_EXACTLY_ONCE;
}

/* ---- what is to be committed ---- */

static bool
is_ours(const struct task_input *input)
{
	return input->part && input->reader && member_is_current(input->part)
		&& (input->part->state == MEMBER_HELD || input->part->state == MEMBER_REVOKED);
}

/* Have positions moved, even if only over markers of transactions? */
static bool
has_moved(const struct task_run *task)
{
	for (int i = 0; i < task->ninput; i++)
		if (is_ours(&task->input[i])
			&& task_run_position(&task->input[i]) != task->input[i].part->committed)
			return true;
	return false;
}

static bool
is_due(const struct task_run *task, bool is_idle)
{
	return task->state == TASK_RUNNING && (task->is_dirty || (is_idle && has_moved(task)));
}

/* List what is noted with the task's offsets, in worker->noted. */
static int
list_numbers(struct worker *worker, struct task_run *task)
{
	const struct running *app = worker->app;
	const struct flow_number *v;
	int n = flow_task_numbers(task->flow, &v);
	int nfact = app->fact[0].number.value ? app->nfact : 0;
	worker->noted = mem_realloc(worker->noted,
		(size_t)(n + nfact + 1) * sizeof *worker->noted);
	for (int i = 0; i < n; i++)
		worker->noted[i] = v[i];
	for (int i = 0; i < nfact; i++)
		worker->noted[n + i] = app->fact[i].number;
	return n + nfact;
}

/* Add the offsets of the task's inputs. */
static int
add_offsets(struct worker *worker, struct task_run *task, struct err *e)
{
	int n = list_numbers(worker, task);
	for (int i = 0; i < task->ninput; i++) {
		struct task_input *input = &task->input[i];
		if (!is_ours(input))
			continue;
		buf_reset(&input->next_note);
		offset_note_put(&input->next_note, input->time_ms, worker->noted, n);
		if (input->next_note.n > OFFSET_NOTE_MAX)
			return err_set(e, ERR_LIMIT, "task %s has %d numbers to keep with its offsets, which "
				"are more than the %d bytes that brokers take: split the topology", task->name, n,
				OFFSET_NOTE_MAX);
		size_t size = (size_t)(worker->noffset + 1) * sizeof *worker->offset;
		worker->offset = mem_realloc(worker->offset, size);
		worker->offset[worker->noffset++] = (struct producer_offset){ input->topic->name,
			task->number,
			task_run_position(input), input->reader->epoch, input->topic->id,
			buf_str(&input->next_note) };
	}
	return 0;
}

static int
by_topic(const void *a, const void *b)
{
	const struct producer_offset *x = a, *y = b;
	int rc = strcmp(x->topic, y->topic);
	return rc ? rc : (x->partition > y->partition) - (x->partition < y->partition);
}

static int
log_change(void *arg, const struct flow_store *store, const struct flow_change *change,
	struct err *e)
{
	struct task_run *task = arg;
	struct worker *worker = task->owner;
	struct task_log *log = task->log;
	while (log->store != store)
		log++;
	if (log->sink < 0)
		log->sink = txn_sink_topic(&worker->sink, log->topic, e);
	if (log->sink < 0)
		return -1;
	log->was_written = true;
	return txn_sink_put(&worker->sink, log->sink, task->number, change->ts_ms, change->key,
		change->value, change->headers, change->nheader, e);
}

/* The changelogs and offsets of all tasks. */
static int
collect(struct worker *worker, bool is_idle, struct err *e)
{
	worker->noffset = 0;
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		if (!is_due(task, is_idle))
			continue;
		if (task->nlog > 0 && flow_task_log(task->flow, log_change, task, e) < 0)
			return -1;
		if (add_offsets(worker, task, e) < 0)
			return -1;
	}
	if (worker->noffset > 1)
		qsort(worker->offset, (size_t)worker->noffset, sizeof *worker->offset, by_topic);
	return 0;
}

/* ---- what is committed ---- */

static void
note_log(struct worker *worker, struct task_log *log)
{
	if (!log->was_written)
		return;
	log->was_written = false;
	log->offset = worker->sink.topic[log->sink].topic->part[log->task->number]->end_offset;
}

static void
note_committed(struct worker *worker, bool is_idle)
{
	int64_t now = clock_mono_ms();
	struct err e;
	atomic_fetch_add(&worker->app->nchange, 1);
	running_note_rate(worker->app, now);
	worker->refused_since_ms = 0;
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		if (!is_due(task, is_idle))
			continue;
		for (int k = 0; k < task->ninput; k++) {
			struct task_input *input = &task->input[k];
			if (!is_ours(input))
				continue;
			struct buf old = input->note;
			input->note = input->next_note;
			input->next_note = old;
			if (is_exact(worker)) {
				member_note_stored(input->part, task_run_position(input), input->reader->epoch);
				continue;
			}
			member_move(input->part, task_run_position(input), input->reader->epoch);
			member_annotate(input->part, buf_str(&input->note));
		}
		for (int k = 0; k < task->nlog; k++)
			note_log(worker, &task->log[k]);
		task->is_dirty = false;
		task_run_keep_counts(task);
		if (now >= task->checkpoint_at_ms && task_run_checkpoint(task, &e) < 0)
			say_error("%s", e.msg);
	}
}

/* ---- going back ---- */

/* Has it done nothing that could be lost? */
static bool
is_idle_task(const struct task_run *task)
{
	return task->state == TASK_WAITING || task->state == TASK_STANDBY;
}

/* All tasks go back to what is committed. */
static void
rewind_all(struct worker *worker)
{
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		task_run_discard_counts(task);
		if (is_idle_task(task))
			continue;
		restore_cancel(&worker->restorer, task);
		task_run_close(task, false);
		for (int k = 0; k < task->ninput; k++) {
			struct task_input *input = &task->input[k];
			struct fetcher_part *old = input->reader;
			if (!old)
				continue;
			task_run_detach(input, &worker->fetcher);
			old = fetcher_rewind(&worker->fetcher, old, input->part->position);
			input->part->owner = old;
			old->is_held = true; /* until the task is restored */
			task_run_attach(input, &worker->fetcher, old);
		}
	}
	buf_reset(&worker->print.buf);
	worker->is_begun = false;
}

/* The coordinator refused our generation; a heartbeat will tell the member why. */
static int
on_fenced(struct worker *worker)
{
	int64_t now = clock_mono_ms();
	if (!worker->refused_since_ms)
		worker->refused_since_ms = now;
	if (now - worker->refused_since_ms > worker->sink_opts.producer.delivery_timeout_ms)
		return -1;
	member_heartbeat_now(&worker->reader.member);
	rewind_all(worker);
	return 0;
}

/* The transaction failed with rc and *e.  Returns 0 if it can be done again, or -1. */
static int
undo(struct worker *worker, int rc, struct err *e)
{
	bool is_failed = rc == TXN_SINK_FAILED;
	rc = txn_sink_abort(&worker->sink, rc, e);
	worker->is_begun = false;
	if (rc != TXN_SINK_FENCED)
		return -1;
	if (is_failed)
		say_error("%s; what was done since the last commit is done again", e->msg);
	return on_fenced(worker);
}

int
worker_recover(struct worker *worker, struct err *e)
{
	bool is_of_txn = is_exact(worker) && worker->is_begun && worker->sink.producer.is_failed;
	return is_of_txn ? undo(worker, TXN_SINK_FAILED, e) : -1;
}

int
worker_discard(struct worker *worker, struct err *e)
{
	if (is_exact(worker)) {
		err_set(e, ERR_RETRY, "the transaction is discarded");
		if (worker->is_begun
			&& txn_sink_abort(&worker->sink, TXN_SINK_FENCED, e) == TXN_SINK_FAILED)
			return -1;
		rewind_all(worker);
	}
	worker->is_begun = false;
	return 0;
}

/* It is not known whether the transaction was committed: the answer was lost.  The tasks
 * are opened again where the group's committed offsets are. */
static int
find_out(struct worker *worker, struct err *e)
{
	struct member *m = &worker->reader.member;
	if (txn_sink_reopen(&worker->sink, e) < 0)
		return -1;
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		if (is_idle_task(task))
			continue;
		restore_cancel(&worker->restorer, task);
		task_run_close(task, false);
		for (int k = 0; k < task->ninput; k++) {
			struct task_input *input = &task->input[k];
			struct fetcher_part *reader = input->reader;
			if (!reader)
				continue;
			task_run_detach(input, &worker->fetcher);
			reader->owner = NULL;
			if (input->part->state != MEMBER_HELD)
				continue; /* group_reader_drop removes the reader */
			fetcher_remove(&worker->fetcher, reader);
			member_ask_again(m, input->part);
		}
	}
	return 0;
}

/* ---- commits ---- */

static int
commit_exactly(struct worker *worker, bool is_idle, struct err *e)
{
	struct member *m = &worker->reader.member;
	mem_free(worker->member_id);
	worker->member_id = mem_strdup(m->member_id); /* it may change while brokers are waited for */
	worker->group = (struct producer_group){ m->opts.group, worker->member_id, m->opts.instance,
		m->generation };
	int rc = TXN_SINK_DONE;
	if (!worker->is_begun)
		rc = txn_sink_begin(&worker->sink, e);
	worker->is_begun = true;
	if (rc == TXN_SINK_DONE && m->nlost > 0) /* what their tasks did cannot be committed */
		rc = TXN_SINK_FENCED;
	if (rc == TXN_SINK_DONE)
		rc = collect(worker, is_idle, e);
	if (rc == TXN_SINK_DONE)
		rc = worker_flush_print(worker, e);
	if (rc == TXN_SINK_DONE)
		rc = txn_sink_offsets(&worker->sink, &worker->group, worker->offset, worker->noffset, e);
	if (rc == TXN_SINK_DONE)
		rc = txn_sink_commit(&worker->sink, e);
	worker->is_begun = false;
	if (rc != TXN_SINK_DONE && worker->sink.is_unknown) {
		say_error("%s; looking up whether the last commit took effect", e->msg);
		return find_out(worker, e);
	}
	if (rc != TXN_SINK_DONE)
		return undo(worker, rc, e);
	note_committed(worker, is_idle);
	return 0;
}

static int
commit_at_least(struct worker *worker, bool is_idle, struct err *e)
{
	if (collect(worker, is_idle, e) < 0 || worker_flush_print(worker, e) < 0
		|| txn_sink_flush(&worker->sink, e) < 0)
		return -1;
	worker->is_begun = false;
	note_committed(worker, is_idle);
	member_commit(&worker->reader.member);
	return 0;
}

int
worker_commit(struct worker *worker, struct err *e)
{
	int64_t now = clock_mono_ms();
	bool is_idle = now >= worker->idle_commit_at_ms;
	bool has_any = worker->is_begun || worker->print.buf.n > 0;
	for (int i = 0; i < worker->ntask && !has_any; i++)
		has_any = is_due(worker->task[i], is_idle);
	worker->commit_at_ms = now + worker->app->plan->settings.commit_ms;
	if (!has_any)
		return 0;
	if (!member_has_place(&worker->reader.member)) { /* it is joining: soon */
		worker->commit_at_ms = now + RETRY_MS;
		return 0;
	}
	worker->idle_commit_at_ms = now + IDLE_COMMIT_MS;
	worker_keep(worker, false);
	int rc = is_exact(worker) ? commit_exactly(worker, is_idle, e)
		: commit_at_least(worker, is_idle, e);
	/* From its end: if a commit takes long, there is still time for records between two. */
	worker->commit_at_ms = clock_mono_ms() + worker->app->plan->settings.commit_ms;
	if (rc == 0)
		worker_purge(worker, false);
	return rc;
}
