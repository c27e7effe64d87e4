#include "kq-stream/local.h"

#include "kq-stream/csv.h"
#include "kq-stream/local_tables.h"
#include "kq-stream/local_topics.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/sig.h"
#include "text/say.h"
#include "text/units.h"
#include "tool/input.h"
#include "tool/output.h"
#include "tool/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RECORD_MAX = 128 << 20 };

/* U+FEFF, with which some programs begin a text. */
#define BYTE_ORDER_MARK STR("\xef\xbb\xbf")

struct local_task {
	struct flow_env env;
	struct program *program;
	const struct plan *plan;
	const struct plan_source *source;
	const struct plan_sink **sink; /* by number of the topology's node */
	struct csv_out *csv_out;       /* by number of the plan's sink */
	struct csv_in csv_in;
	struct buf line;
	struct flow_task *task;
	int source_index;
	struct input in;
	struct output out;
	struct local_topics topics;
	struct progress progress;
	int wake_fd;
	int reader_fd;           /* stdout, if somebody may stop reading it; or -1 */
	int64_t nline, nresult;
	int64_t nlate, nlate_partly, nlate_kept, nnull, nskipped;
	int64_t stream_ms;       /* highest time */
};

static struct local_task *
local_of(struct flow_env *env)
{
	return CONTAINER_OF(env, struct local_task, env);
}

/* ---- the task's callbacks ---- */

static int
print_csv(struct local_task *local, const struct plan_sink *sink, const struct flow_rec *rec,
	struct err *e)
{
	buf_reset(&local->line);
	if (program_print(local->program, sink, rec, &local->line, e) < 0)
		return -1;
	struct str json = buf_str(&local->line);
	json.n--; /* the line feed */
	return csv_out_put(&local->csv_out[sink - local->plan->sink], json, &local->out.buf, e);
}

/* The input is at fault, not the command line. */
static int
blame_line(const struct local_task *local, struct err *why)
{
	why->class = ERR_CORRUPT;
	return local->nline ? err_wrap(why, "line %lld", (long long)local->nline) : -1;
}

/* A record that cannot be read, written, or on which an expression failed. */
static int
refuse(struct local_task *local, struct err *why)
{
	if (local->plan->settings.errors != PLAN_SKIP)
		return blame_line(local, why);
	if (local->nskipped++ == 0) {
		blame_line(local, why);
		say_error("%s (skipped; further ones are only counted)", why->msg);
	}
	return 0;
}

/* A result in a format other than plain JSON. */
static int
print(struct local_task *local, const struct plan_sink *sink, const struct flow_rec *rec,
	struct err *e)
{
	size_t from = local->out.buf.n;
	int rc = sink->value_format == PLAN_CSV ? print_csv(local, sink, rec, e)
		: program_print(local->program, sink, rec, &local->out.buf, e);
	if (rc == 0)
		return 0;
	local->out.buf.n = from;
	return refuse(local, e);
}

static int
put(struct local_task *local, const struct plan_sink *sink, const struct flow_rec *rec,
	struct err *e)
{
	bool is_bad;
	if (local_topics_put(&local->topics, sink, rec, &is_bad, e) == 0)
		return 0;
	return is_bad ? refuse(local, e) : -1;
}

static int
on_emit(struct flow_env *env, const struct flow_out *out, struct err *e)
{
	struct local_task *local = local_of(env);
	const struct plan_sink *sink = local->sink[out->node];
	local->nresult++;
	if (!sink->is_stdout)
		return put(local, sink, out->rec, e);
	if (likely(sink->value_format == PLAN_JSON && !sink->is_table && out->rec->value.n >= 0)) {
		size_t n = (size_t)out->rec->value.n;
		uint8_t *p = buf_grow(&local->out.buf, n + 1);
		memcpy(p, out->rec->value.p, n);
		p[n] = '\n';
	} else if (print(local, sink, out->rec, e) < 0) {
		return -1;
	}
	return output_record_done(&local->out, e);
}

static int
on_failed(struct flow_env *env, int node, const struct flow_rec *rec, struct err *why)
{
	(void)rec;
	struct local_task *local = local_of(env);
	const struct topology_node *nodes;
	topology_nodes(local->program->topo, &nodes);
	const struct plan_node *planned = nodes[node].spec->tag;
	err_wrap(why, "%s", planned->where);
	return refuse(local, why);
}

static void
on_dropped(struct flow_env *env, int node, const struct flow_rec *rec, enum flow_drop why)
{
	(void)rec;
	struct local_task *local = local_of(env);
	const struct topology_node *nodes;
	topology_nodes(local->program->topo, &nodes);
	if (why == FLOW_DROP_NULL)
		local->nnull++;
	else if (why == FLOW_DROP_PARTLY)
		local->nlate_partly++;
	else if (nodes[node].spec->late_id)
		local->nlate_kept++;
	else
		local->nlate++;
}

static void
on_next(struct flow_env *env)
{
	program_next(local_of(env)->program);
}

/* ---- lines ---- */

static bool
is_blank(struct str line)
{
	int32_t i = 0;
	while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
		i++;
	return i == line.n;
}

static int
take_line(struct local_task *local, struct str line, struct err *e)
{
	struct flow_rec rec;
	struct program_raw raw = { .key = STR_NULL, .value = line, .ts_ms = local->env.now_ms };
	enum plan_format format = local->source->value_format;
	bool is_bytes = format == PLAN_BYTES || format == PLAN_TEXT;
	if (local->nline++ == 0 && !is_bytes && str_has_prefix(line, BYTE_ORDER_MARK)) {
		raw.value.p += BYTE_ORDER_MARK.n;
		raw.value.n -= BYTE_ORDER_MARK.n;
	}
	if (format == PLAN_CSV) {
		int rc = csv_in_line(&local->csv_in, raw.value, &raw.value, e);
		if (rc < 0)
			return local->csv_in.is_unusable ? blame_line(local, e) : refuse(local, e);
		if (rc == 0)
			return 0;
	} else if (line.n > 0 && line.p[line.n - 1] == '\r') {
		raw.value.n--;
	}
	if (format == PLAN_JSON && is_blank(raw.value))
		return 0; /* no record */
	if (program_take(local->program, local->source, &raw, &rec, e) < 0)
		return refuse(local, e);
	if (rec.ts_ms > local->stream_ms)
		local->stream_ms = rec.ts_ms;
	return flow_task_take_at(local->task, local->source_index, &rec, e);
}

/* All complete lines of the buffer. */
static int
take_piece(struct local_task *local, struct err *e)
{
	struct str line;
	int rc;
	local->env.now_ms = clock_ms();
	while (!sig_is_stopped && (rc = input_next(&local->in, &line, e)) != 0) {
		if (rc < 0)
			return err_wrap(e, "line %lld", (long long)local->nline + 1);
		if (take_line(local, line, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- the loop ---- */

static void
show_progress(struct local_task *local)
{
	char stream[UNITS_TEXT_SIZE];
	if (local->in.is_terminal || !progress_is_due(&local->progress))
		return;
	double seconds = progress_seconds(&local->progress);
	progress_print(&local->progress, "%lld records in, %.0f/s; %lld out; stream time %s",
		(long long)local->nline, (double)local->nline / seconds, (long long)local->nresult,
		local->stream_ms < 0 ? "-" : units_format_time(local->stream_ms, stream));
}

/* How long to wait for input, in ms; -1: forever. */
static int
wait_ms(struct local_task *local)
{
	int64_t tick_at = flow_task_tick_at(local->task);
	int64_t tick_ms = tick_at == INT64_MAX ? -1 : MAX(tick_at - clock_ms(), 0);
	int64_t show_ms = local->in.is_terminal ? -1 : progress_timeout(&local->progress);
	int64_t ms = tick_ms < 0 ? show_ms : show_ms < 0 ? tick_ms : MIN(tick_ms, show_ms);
	return (int)MIN(ms, INT32_MAX);
}

/* Wait until stdin is readable.  Returns 1; 0: a signal or a tick came first; -1, with
 * out.is_closed if the reader of stdout is gone. */
static int
wait_input(struct local_task *local, struct err *e)
{
	struct pollfd fds[] = { { local->in.fd, POLLIN, 0 }, { local->wake_fd, POLLIN, 0 },
		{ local->reader_fd, 0, 0 } };
	if (!local->in.is_pollable)
		return 1;
	int n = poll(fds, ARRAY_LEN(fds), 0);
	if (n == 0) {
		/* Nothing to do: let the results so far be seen. */
		if (output_flush(&local->out, e) < 0 || local_topics_flush(&local->topics, e) < 0)
			return -1;
		n = poll(fds, ARRAY_LEN(fds), wait_ms(local));
	}
	local->out.is_closed = fds[2].revents != 0;
	if (local->out.is_closed)
		return -1;
	if (n < 0 && errno != EINTR)
		return err_sys(e, "cannot wait for stdin");
	return n > 0 && fds[0].revents != 0 && !sig_is_stopped;
}

static int
tick(struct local_task *local, struct err *e)
{
	if (flow_task_tick_at(local->task) == INT64_MAX)
		return 0;
	local->env.now_ms = clock_ms();
	return flow_task_tick_at(local->task) > local->env.now_ms ? 0
		: flow_task_tick(local->task, e);
}

static int
run_loop(struct local_task *local, struct err *e)
{
	while (!sig_is_stopped) {
		int rc = wait_input(local, e);
		if (rc < 0 || tick(local, e) < 0)
			return -1;
		show_progress(local);
		if (rc == 0)
			continue;
		rc = input_fill(&local->in, e);
		if (rc < 0 || take_piece(local, e) < 0)
			return -1;
		if (rc == 0 && local->in.is_at_end)
			return 0;
	}
	return 0;
}

/* ---- start and end ---- */

static void
find_sinks(struct local_task *local)
{
	const struct topology_node *nodes;
	int n = topology_nodes(local->program->topo, &nodes);
	local->sink = mem_alloc((size_t)n * sizeof *local->sink);
	local->csv_out = mem_alloc((size_t)(local->plan->nsink + 1) * sizeof *local->csv_out);
	for (int i = 0; i < local->plan->nsink; i++)
		local->csv_out[i].separator = local->plan->sink[i].separator;
	for (int i = 0; i < n; i++) {
		const struct plan_node *node = nodes[i].spec->tag;
		if (node && node->sink >= 0)
			local->sink[i] = &local->plan->sink[node->sink];
	}
}

static void
tell_counts(const struct local_task *local)
{
	const struct { int64_t n; const char *what; } counts[] = {
		{ local->nlate, "came too late and %s dropped" },
		{ local->nlate_partly, "came too late for some of the windows, and %s counted in others" },
		{ local->nlate_kept, "came too late and %s sent on by 'late'" },
		{ local->nnull, "had no key, or no value, where one is needed and %s dropped" },
		{ local->nskipped, "could not be processed and %s skipped" },
	};
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		if (counts[i].n > 0) {
			struct buf b = BUF_INIT;
			buf_printf(&b, "%lld record%s ", (long long)counts[i].n, units_plural(counts[i].n));
			const char *what = counts[i].what, *verb = strstr(what, "%s");
			buf_printf(&b, "%.*s%s%s", (int)(verb - what), what, counts[i].n == 1 ? "was" : "were",
				verb + 2);
			say_error("%.*s", (int)b.n, (const char *)b.p);
			buf_release(&b);
		}
}

static int
run_task(struct local_task *local, struct err *e)
{
	local->source_index = flow_task_source(local->task, local->source->topic);
	assert(local->source_index >= 0);
	int rc = run_loop(local, e);
	if (rc == 0 && csv_in_end(&local->csv_in, e) < 0)
		rc = refuse(local, e);
	if (rc == 0)
		rc = flow_task_end(local->task, e);
	if (local->out.is_closed)
		rc = 0;
	if (rc == 0)
		rc = local_topics_flush(&local->topics, e);
	if (local->out.is_closed)
		return rc;
	struct err later;
	int flushed = output_flush(&local->out, rc < 0 ? &later : e);
	return rc < 0 || (flushed < 0 && !local->out.is_closed) ? -1 : 0;
}

static void
close_set(struct store_set *set, char *dir)
{
	struct err e;
	store_set_free(set);
	if (dir)
		fs_remove_dir(AT_FDCWD, dir, &e);
	mem_free(dir);
}

/* The stores; what is beyond the memory is in a folder of this process, *dir, or NULL. */
static struct store_set *
open_set(const struct plan *plan, char **dir, struct err *e)
{
	struct store_set_opts o = { .is_plain = true,
		.memory_max = (size_t)plan->settings.memory_max };
	*dir = NULL;
	if (o.memory_max) {
		const char *at = getenv("TMPDIR");
		struct buf b = BUF_INIT;
		buf_printf(&b, "%s/kq-stream-XXXXXX", at && *at ? at : "/tmp");
		*dir = mem_strndup(buf_str(&b));
		buf_release(&b);
		if (!mkdtemp(*dir)) {
			err_sys(e, "cannot create '%s' for what is beyond --memory", *dir);
			mem_free(*dir);
			return NULL;
		}
	}
	o.dir = *dir;
	struct store_set *set = store_set_new(&o, e);
	if (!set)
		close_set(NULL, *dir);
	return set;
}

static const struct plan_source *
find_stdin(const struct plan *plan)
{
	const struct plan_source *source = plan->source;
	while (!source->is_stdin)
		source++;
	return source;
}

int
local_run(struct program *program, const struct cluster_opts *cluster, struct err *e)
{
	struct local_task local = { .program = program, .plan = program->plan,
		.wake_fd = cluster->wake_fd,
		.source = find_stdin(program->plan), .stream_ms = -1,
		.env = { on_emit, on_failed, on_dropped, on_next, 0 } };
	assert(plan_is_local(program->plan));
	char *dir;
	struct store_set *set = open_set(program->plan, &dir, e);
	if (!set)
		return -1;
	find_sinks(&local);
	local.csv_in.separator = local.source->separator;
	local.in.delimiter = STR("\n");
	local.in.record_max = RECORD_MAX;
	input_begin(&local.in, STDIN_FILENO, "stdin");
	output_init(&local.out, STDOUT_FILENO, false);
	local.reader_fd = plan_prints(local.plan) && output_is_pipe(&local.out) ? local.out.fd : -1;
	progress_init(&local.progress);
	if (isatty(STDOUT_FILENO))
		local.progress.is_on = false; /* it would stand between the results */
	local.env.now_ms = clock_ms();
	local.task = flow_task_new(program->topo, 0, true, &local.env, set, NULL, e);
	int rc = local.task ? 0 : -1;
	if (rc == 0 && plan_needs_broker(program->plan))
		rc = local_topics_open(&local.topics, program, cluster, e);
	if (rc == 0)
		rc = local_tables_load(program, local.task, cluster, &local.nskipped, e);
	if (rc == 0)
		rc = run_task(&local, e);
	local_topics_close(&local.topics);
	progress_end(&local.progress);
	tell_counts(&local);
	flow_task_free(local.task);
	close_set(set, dir);
	input_release(&local.in);
	output_release(&local.out);
	for (int i = 0; i < program->plan->nsink; i++)
		csv_out_release(&local.csv_out[i]);
	csv_in_release(&local.csv_in);
	buf_release(&local.line);
	mem_free(local.csv_out);
	mem_free(local.sink);
	return rc;
}
