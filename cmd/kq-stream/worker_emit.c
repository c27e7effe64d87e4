/* What tasks send, and what becomes of records that they cannot process. */
#include "kq-stream/worker.h"

#include "base/murmur2.h"
#include "proto.h"
#include "record/builder.h"
#include "text/say.h"

#include <pthread.h>
#include <stdio.h>

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
	if (worker->print.buf.n == 0)
		return 0;
	pthread_mutex_lock(&lock);
	int rc = output_flush(&worker->print, e);
	pthread_mutex_unlock(&lock);
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

/* Send the record.  Returns 0; or -1: *is_bad tells whether the record is at fault. */
static int
send(struct worker *worker, const struct flow_out *out, bool *is_bad, struct err *e)
{
	struct worker_target *target = &worker->target[out->node];
	const struct flow_rec *rec = out->rec;
	struct str key = rec->key.bytes, value = rec->value, part;
	int32_t partition = out->partition;
	if (unlikely(target->topic < 0) && find_target(worker, out, target, e) < 0)
		return -1;
	if (target->sink && target->sink->is_stdout) {
		*is_bad = program_print(worker->program, target->sink, rec, &worker->print.buf, e) < 0;
		if (*is_bad)
			return -1;
		return worker->print.buf.n < PRINT_MAX ? 0 : worker_flush_print(worker, e);
	}
	if (target->sink) {
		*is_bad = program_put(worker->program, target->sink, rec, &key, &value, &part, e) < 0;
		if (*is_bad)
			return -1;
		if (partition < 0 && part.n >= 0 && part.p != key.p)
			partition = partition_for_key(part,
				worker->sink.topic[target->topic].topic->nlive);
	}
	struct producer_topic *topic = worker->sink.topic[target->topic].topic;
	*is_bad = producer_check_time(topic, rec->ts_ms, e) < 0;
	if (!*is_bad) {
		if (put(worker, target, partition, rec->ts_ms, key, value, rec, e) == 0)
			return 0;
		*is_bad = e->kafka == KERR_MESSAGE_TOO_LARGE;
	}
	return err_wrap(e, "topic '%s'", topic->meta->name);
}

/* ---- failures ---- */

static void
report_once(struct worker *worker, const struct task_run *task, const struct err *why)
{
	if (atomic_exchange(&worker->app->has_reported, true))
		return;
	if (task->current)
		say_error("offset %lld of partition %d of '%s' is left out: %s (further ones are only "
			"counted)", (long long)task->current->first.offset, task->number,
			task->current->from->name, why->msg);
	else
		say_error("task %s: a result is left out: %s (further ones are only counted)", task->name,
			why->msg);
}

static void
put_number(struct buf *headers, const char *name, long long n)
{
	char text[24];
	snprintf(text, sizeof text, "%lld", n);
	builder_put_header(headers, str_of(name), str_of(text));
}

/* Write the source record, as it came, to the dead-letter topic; where a clock or the end of
 * the input is the cause, the record that failed.  The headers are those of Kafka Streams
 * (KIP-1034). */
static int
bury(struct worker *worker, struct task_run *task, const struct flow_rec *rec,
	const struct err *why, struct err *e)
{
	struct buf headers = BUF_INIT;
	const struct record *in = task->current ? &task->current->first : &(struct record){
		.timestamp_ms = rec->ts_ms, .key = rec->key.bytes, .value = rec->value,
		.headers = rec->headers, .nheader = rec->nheader };
	const char *topic = worker->app->plan->settings.dead_letter;
	if (worker->dead_letters < 0)
		worker->dead_letters = txn_sink_topic(&worker->sink, topic, e);
	if (worker->dead_letters < 0 || begin(worker, e) < 0)
		return err_wrap(e, "dead-letter topic '%s'", topic);
	buf_put_str(&headers, in->headers);
	builder_put_header(&headers, STR("__streams.errors.exception"), STR("kq-stream"));
	builder_put_header(&headers, STR("__streams.errors.message"), str_of(why->msg));
	builder_put_header(&headers, STR("__streams.errors.stacktrace"), STR(""));
	if (task->current) {
		builder_put_header(&headers, STR("__streams.errors.topic"),
			str_of(task->current->from->name));
		put_number(&headers, "__streams.errors.partition", task->number);
		put_number(&headers, "__streams.errors.offset", in->offset);
	}
	int rc = txn_sink_put(&worker->sink, worker->dead_letters, -1, in->timestamp_ms, in->key,
		in->value, buf_str(&headers), in->nheader + (task->current ? 6 : 3), e);
	buf_release(&headers);
	return rc < 0 ? err_wrap(e, "dead-letter topic '%s'", topic) : 0;
}

/* The record is at fault, or what an expression makes of it. */
static int
refuse(struct task_run *task, const struct flow_rec *rec, struct err *why)
{
	struct worker *worker = task->owner;
	enum plan_errors choice = worker->app->plan->settings.errors;
	struct err e;
	task->counts.failed++;
	why->class = ERR_CORRUPT; /* not the command line */
	if (choice == PLAN_FAIL)
		return -1;
	if (choice == PLAN_DEAD_LETTER && bury(worker, task, rec, why, &e) < 0) {
		*why = e;
		return -1;
	}
	report_once(worker, task, why);
	return 0;
}

static int
failed(struct flow_env *env, int node, const struct flow_rec *rec, struct err *why)
{
	struct task_run *task = CONTAINER_OF(env, struct task_run, env);
	const struct topology_node *nodes;
	topology_nodes(task->program->topo, &nodes);
	if (node >= 0) {
		const struct plan_node *planned = nodes[node].spec->tag;
		err_wrap(why, "%s", planned->where);
	}
	return refuse(task, rec, why);
}

static int
emit(struct flow_env *env, const struct flow_out *out, struct err *e)
{
	struct task_run *task = CONTAINER_OF(env, struct task_run, env);
	struct worker *worker = task->owner;
	bool is_bad = false;
	if (send(worker, out, &is_bad, e) < 0)
		return is_bad ? refuse(task, out->rec, e) : -1;
	task->counts.out++;
	task->counts.internal_out += out->is_internal;
	return 0;
}

static void
dropped(struct flow_env *env, int node, const struct flow_rec *rec, enum flow_drop why)
{
	struct task_run *task = CONTAINER_OF(env, struct task_run, env);
	const struct topology_node *nodes;
	topology_nodes(task->program->topo, &nodes);
	(void)rec;
	if (why == FLOW_DROP_NULL)
		task->counts.dropped++;
	else if (why == FLOW_DROP_PARTLY)
		task->counts.late_partly++;
	else if (nodes[node].spec->late_id)
		task->counts.late_kept++;
	else
		task->counts.late++;
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
