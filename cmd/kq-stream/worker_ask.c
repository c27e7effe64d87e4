#include "kq-stream/worker_ask.h"

#include "sys/clock.h"
#include "sys/sig.h"
#include "text/jsonput.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

/* ---- asking ---- */

void
worker_post(struct worker *worker, struct worker_ask *ask)
{
	uint64_t one = 1;
	assert(!atomic_load(&worker->ask));
	pthread_mutex_lock(&worker->ask_lock);
	if (!worker->is_over)
		atomic_store(&worker->ask, ask);
	pthread_mutex_unlock(&worker->ask_lock);
	ssize_t n = write(worker->ask_fd, &one, sizeof one);
	(void)n; /* fails only when it is full, thus readable */
}

/* Wait until the answer is there, for at most ms.  Under the lock.  The condition has the
 * monotonic clock (worker_open). */
static void
wait_done(struct worker *worker, const struct worker_ask *ask, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (!ask->is_answered && !worker->is_over
		&& pthread_cond_timedwait(&worker->ask_done, &worker->ask_lock, &until) != ETIMEDOUT)
		;
}

bool
worker_await(struct worker *worker, struct worker_ask *ask, int64_t deadline_ms)
{
	int64_t left = deadline_ms - clock_mono_ms();
	struct worker_ask *mine = ask;
	pthread_mutex_lock(&worker->ask_lock);
	wait_done(worker, ask, MAX(left, 0));
	/* Take it back; if that fails, the thread has begun to answer. */
	if (!ask->is_answered && !worker->is_over
		&& !atomic_compare_exchange_strong(&worker->ask, &mine, NULL))
		while (!ask->is_answered)
			pthread_cond_wait(&worker->ask_done, &worker->ask_lock);
	bool is_answered = ask->is_answered;
	pthread_mutex_unlock(&worker->ask_lock);
	return is_answered;
}

/* ---- answering ---- */

void
worker_answer(struct worker *worker)
{
	sig_drain(worker->ask_fd);
	struct worker_ask *ask = atomic_exchange(&worker->ask, NULL);
	if (!ask)
		return;
	ask->fn(worker, ask);
	pthread_mutex_lock(&worker->ask_lock);
	ask->is_answered = true;
	pthread_cond_signal(&worker->ask_done);
	pthread_mutex_unlock(&worker->ask_lock);
}

void
worker_answer_no_more(struct worker *worker)
{
	pthread_mutex_lock(&worker->ask_lock);
	worker->is_over = true;
	atomic_store(&worker->ask, NULL);
	pthread_cond_signal(&worker->ask_done);
	pthread_mutex_unlock(&worker->ask_lock);
}

/* ---- tasks ---- */

static void
put_number(struct buf *b, const char *name, int64_t n, bool is_known)
{
	if (is_known)
		buf_printf(b, "\"%s\":%lld,", name, (long long)n);
	else
		buf_printf(b, "\"%s\":null,", name);
}

/* Records of changelogs that are still to be read. */
static int64_t
to_restore(const struct task_run *task)
{
	int64_t n = 0;
	for (int i = 0; i < task->nlog; i++) {
		const struct task_log *log = &task->log[i];
		if (log->is_restoring && log->reader)
			n += MAX(log->end - log->reader->deliver, 0);
	}
	return n;
}

static void
put_inputs(const struct task_run *task, struct buf *b)
{
	buf_puts(b, "\"inputs\":[");
	for (int i = 0; i < task->ninput; i++) {
		const struct task_input *input = &task->input[i];
		const struct fetcher_part *reader = input->reader;
		buf_puts(b, i ? ",{\"topic\":" : "{\"topic\":");
		json_put_string(str_of(input->from->name), b);
		buf_putc(b, ',');
		put_number(b, "partition", task->number, true);
		put_number(b, "offset", reader ? task_run_position(input) : 0, reader);
		put_number(b, "end", reader ? reader->end : 0, reader && reader->end >= 0);
		put_number(b, "stream_time_ms", input->time_ms, input->time_ms != INT64_MIN);
		b->p[b->n - 1] = '}';
	}
	buf_puts(b, "],");
}

static int64_t
count_rows(const struct task_run *task)
{
	const struct flow_store *v;
	int64_t rows = 0;
	int n = task->flow ? flow_task_stores(task->flow, &v) : 0;
	for (int i = 0; i < n; i++)
		rows += v[i].is_logged ? store_count(v[i].store) : 0; /* without indexes */
	return rows;
}

static int64_t
memory_of(const struct task_run *task)
{
	size_t n = task->set ? store_set_memory(task->set) : 0;
	return (int64_t)(n + (task->globals ? store_set_memory(task->globals) : 0));
}

static void
put_task(const struct worker *worker, const struct task_run *task, struct buf *b)
{
	static const char *const states[] = { [TASK_WAITING] = "waiting",
		[TASK_RESTORING] = "restoring", [TASK_RUNNING] = "running",
		[TASK_STANDBY] = "following" };
	int64_t lag = task_run_lag(task), time_ms = task_run_time(task);
	buf_printf(b, "{\"task\":\"%s\",\"partition\":%d,\"thread\":%d,\"role\":\"%s\","
		"\"state\":\"%s\",", task->name, task->number, worker->number,
		task->state == TASK_STANDBY ? "standby" : "active", states[task->state]);
	put_inputs(task, b);
	put_number(b, "lag", lag, lag >= 0);
	put_number(b, "stream_time_ms", time_ms, time_ms != INT64_MIN);
	if (task->state == TASK_RESTORING)
		put_number(b, "to_restore", to_restore(task), true);
	put_number(b, "rows", count_rows(task), true);
	put_number(b, "state_bytes", memory_of(task), true);
	put_number(b, "in", task->counts.in, true);
	put_number(b, "out", task->counts.out, true);
	put_number(b, "late", task->counts.late, true);
	put_number(b, "dropped", task->counts.dropped, true);
	put_number(b, "failed", task->counts.failed, true);
	b->p[b->n - 1] = '}';
	buf_putc(b, ',');
}

void
worker_tell_tasks(struct worker *worker, struct worker_ask *ask)
{
	ask->is_found = member_has_place(&worker->reader.member);
	for (int i = 0; i < worker->ntask; i++)
		put_task(worker, worker->task[i], &ask->out);
}
