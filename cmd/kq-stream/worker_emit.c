/* What tasks send, and what becomes of records that they cannot process. */
#include "kq-stream/worker.h"

#include "base/murmur2.h"
#include "record/builder.h"
#include "text/say.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { PRINT_MAX = 64 << 10 };

static int
begin(struct worker *worker, struct err *e)
{
	if (worker->is_begun)
		return 0;
	worker->is_begun = true;
	return txn_sink_begin(&worker->sink, e);
}

/* ---- stdout ---- */

int
worker_flush_print(struct worker *worker, struct err *e)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the threads */
	int rc = 0;
	if (worker->print.n == 0)
		return 0;
	pthread_mutex_lock(&lock);
	for (size_t at = 0; rc == 0 && at < worker->print.n;) {
		ssize_t n = write(STDOUT_FILENO, worker->print.p + at, worker->print.n - at);
		if (n < 0)
			rc = err_sys(e, "cannot write to stdout");
		else
			at += (size_t)n;
	}
	pthread_mutex_unlock(&lock);
	buf_reset(&worker->print);
	return rc;
}

/* ---- topics ---- */

/* The topic that a node writes to. */
static int
find_target(struct worker *worker, const struct flow_out *out, struct worker_target *target,
	struct err *e)
{
	struct buf name = BUF_INIT;
	target->sink = out->is_internal ? NULL : program_sink(worker->program, out->node);
	if (target->sink && target->sink->is_stdout) {
		target->topic = 0;
		return 0;
	}
	if (out->is_internal)
		buf_printf(&name, "%s-", worker->app->id);
	buf_puts(&name, out->topic);
	buf_putc(&name, 0);
	target->topic = txn_sink_topic(&worker->sink, (const char *)name.p, e);
	buf_release(&name);
	return target->topic < 0 ? -1 : 0;
}

static int
put(struct worker *worker, struct worker_target *target, int32_t partition, int64_t ts_ms,
	struct str key, struct str value, const struct flow_rec *rec, struct err *e)
{
	if (unlikely(!worker->is_begun) && begin(worker, e) < 0)
		return -1;
	return txn_sink_put(&worker->sink, target->topic, partition, ts_ms, key, value, rec->headers,
		rec->nheader, e);
}

static int
emit(struct flow_env *env, const struct flow_out *out, struct err *e)
{
	struct task_run *task = CONTAINER_OF(env, struct task_run, env);
	struct worker *worker = task->owner;
	struct worker_target *target = &worker->target[out->node];
	const struct flow_rec *rec = out->rec;
	struct str key, value, part;
	if (unlikely(target->topic < 0) && find_target(worker, out, target, e) < 0)
		return -1;
	task->counts.out++;
	task->counts.internal_out += out->is_internal;
	if (!target->sink)
		return put(worker, target, out->partition, rec->ts_ms, rec->key.bytes, rec->value, rec, e);
	if (target->sink->is_stdout) {
		if (program_print(worker->program, target->sink, rec, &worker->print, e) < 0)
			return -1;
		return worker->print.n < PRINT_MAX ? 0 : worker_flush_print(worker, e);
	}
	if (program_put(worker->program, target->sink, rec, &key, &value, &part, e) < 0)
		return -1;
	int32_t partition = out->partition;
	if (partition < 0 && part.n >= 0 && part.p != key.p)
		partition = partition_for_key(part, worker->sink.topic[target->topic].topic->nlive);
	return put(worker, target, partition, rec->ts_ms, key, value, rec, e);
}

/* ---- failures ---- */

static void
report_once(struct worker *worker, const struct task_run *task, const struct err *why)
{
	if (atomic_exchange(&worker->app->has_reported, true) || !task->current)
		return;
	say_error("offset %lld of partition %d of '%s' is left out: %s (further ones are only counted)",
		(long long)task->current->first.offset, task->number, task->current->from->name, why->msg);
}

/* Write the source record, as it came, to the dead-letter topic.  The headers are those of
 * Kafka Streams (KIP-1034). */
static int
bury(struct worker *worker, struct task_run *task, const struct err *why, struct err *e)
{
	struct buf headers = BUF_INIT;
	const struct record *in = &task->current->first;
	char number[24];
	const char *topic = worker->app->plan->settings.dead_letter;
	if (worker->dead_letters < 0)
		worker->dead_letters = txn_sink_topic(&worker->sink, topic, e);
	if (worker->dead_letters < 0 || begin(worker, e) < 0)
		return -1;
	buf_put_str(&headers, in->headers);
	builder_put_header(&headers, STR("__streams.errors.exception"), STR("kq-stream"));
	builder_put_header(&headers, STR("__streams.errors.message"), str_of(why->msg));
	builder_put_header(&headers, STR("__streams.errors.stacktrace"), STR(""));
	builder_put_header(&headers, STR("__streams.errors.topic"), str_of(task->current->from->name));
	snprintf(number, sizeof number, "%d", task->number);
	builder_put_header(&headers, STR("__streams.errors.partition"), str_of(number));
	snprintf(number, sizeof number, "%lld", (long long)in->offset);
	builder_put_header(&headers, STR("__streams.errors.offset"), str_of(number));
	int rc = txn_sink_put(&worker->sink, worker->dead_letters, -1, in->timestamp_ms, in->key,
		in->value, buf_str(&headers), in->nheader + 6, e);
	buf_release(&headers);
	return rc;
}

static int
failed(struct flow_env *env, int node, const struct flow_rec *rec, struct err *why)
{
	struct task_run *task = CONTAINER_OF(env, struct task_run, env);
	struct worker *worker = task->owner;
	struct err e;
	(void)node, (void)rec;
	task->counts.failed++;
	switch (worker->app->plan->settings.errors) {
	case PLAN_FAIL:
		return -1;
	case PLAN_DEAD_LETTER:
		if (task->current && bury(worker, task, why, &e) < 0) {
			*why = e;
			return -1;
		}
		report_once(worker, task, why);
		return 0;
	case PLAN_SKIP:
		report_once(worker, task, why);
		return 0;
	}
	return -1;
}

static void
dropped(struct flow_env *env, int node, const struct flow_rec *rec, bool is_late)
{
	struct task_run *task = CONTAINER_OF(env, struct task_run, env);
	(void)node, (void)rec;
	if (is_late)
		task->counts.late++;
	else
		task->counts.dropped++;
}

static void
next(struct flow_env *env)
{
	program_next(CONTAINER_OF(env, struct task_run, env)->program);
}

void
worker_set_env(struct worker *worker, struct task_run *task)
{
	task->owner = worker;
	task->env = (struct flow_env){ .emit = emit, .failed = failed, .dropped = dropped,
		.next = next, .partition = task->number };
}
