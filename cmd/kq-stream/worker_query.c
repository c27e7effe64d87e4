/* Stores and their rows, for kq-stream query. */
#include "kq-stream/worker_ask.h"

#include "stream/fn_expr.h"
#include "stream/look.h"
#include "text/jsonput.h"
#include "text/put.h"
#include "text/units.h"

#include <stdio.h>

enum {
	PAGE_BYTES = 4 << 20,    /* of an answer */
	PAGE_ENTRIES = 50000,    /* entries of a store that are looked at for one answer */
};

/* ---- stores ---- */

static const struct plan_node *
planned(const struct topology_node *node)
{
	return node->spec->tag;
}

static const char *
kind_of(const struct topology_node *node)
{
	static const char *const windows[] = { "", "tumbling windows", "hopping windows",
		"sliding windows", "sessions", "an unlimited window" };
	return node->kind == FLOW_KIND_GLOBAL ? "global table" : node->window
		? windows[node->window->type] : node->spec->history_ms ? "versioned table" : "table";
}

static void
put_member(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, "\"%s\":", name);
	json_put_string(str_of(text), b);
	buf_putc(b, ',');
}

void
worker_tell_stores(struct worker *worker, struct worker_ask *ask)
{
	for (int i = 0; i < worker->ntask; i++) {
		const struct task_run *task = worker->task[i];
		const struct flow_store *v;
		bool is_ours = task->flow && task->state != TASK_STANDBY;
		int n = is_ours ? flow_task_stores(task->flow, &v) : 0;
		for (int k = 0; k < n; k++) {
			const struct topology_node *node = flow_look_node(task->flow, k);
			if (!node)
				continue;
			buf_putc(&ask->out, '{');
			put_member(&ask->out, "store", v[k].name);
			put_member(&ask->out, "step", planned(node)->where);
			put_member(&ask->out, "id", node->spec->id);
			put_member(&ask->out, "node", node->name);
			put_member(&ask->out, "kind", kind_of(node));
			put_member(&ask->out, "key", plan_format_names[planned(node)->key_format]);
			put_member(&ask->out, "task", task->name);
			buf_printf(&ask->out, "\"ntask\":%d,\"is_global\":%s,\"is_windowed\":%s,"
				"\"rows\":%lld},", worker->app->layout.ntask[task->part],
				node->kind == FLOW_KIND_GLOBAL ? "true" : "false", node->window ? "true" : "false",
				(long long)store_count(v[k].store));
		}
	}
}

/* ---- keys ---- */

static enum flow_key_format
key_format(const struct topology_node *node)
{
	static const enum flow_key_format formats[PLAN_NFORMAT] = { [PLAN_JSON] = FLOW_KEY_JSON,
		[PLAN_TEXT] = FLOW_KEY_TEXT, [PLAN_BYTES] = FLOW_KEY_BYTES };
	return formats[planned(node)->key_format];
}

/* The bytes of a key that the user wrote.  Where keys are JSON, it is JSON, or else a
 * string. */
static void
parse_key(const char *text, enum flow_key_format format, struct buf *out)
{
	struct expr_in in = { .v[0] = str_of(text) };
	struct str made;
	struct err ignored;
	if (format != FLOW_KEY_JSON) {
		buf_puts(out, text);
		return;
	}
	struct expr_set *set = expr_set_new(NULL);
	struct expr *same = expr_add(set, STR("."), &ignored);
	assert(same);
	if (expr_set_check(set, in.v[0], &ignored) == 0 && expr_value(same, &in, &made, &ignored) == 1)
		buf_put_str(out, made);
	else
		json_put_string(in.v[0], out);
	expr_set_free(set);
}

/* ---- rows ---- */

struct rows_call {
	const struct worker_query *query;
	enum flow_key_format format;
	struct buf *out;
	int64_t n;
};

/* White space within JSON may be a line feed. */
static void
put_value(struct buf *b, struct str json)
{
	size_t from = b->n;
	buf_put_str(b, json);
	for (size_t i = from; i < b->n; i++)
		if (b->p[i] == '\n' || b->p[i] == '\t' || b->p[i] == '\r')
			b->p[i] = ' ';
}

static void
put_time(struct buf *b, int64_t ms)
{
	char text[UNITS_TEXT_SIZE];
	buf_printf(b, "\t%s", ms == INT64_MAX ? "-" : units_format_time(ms, text));
}

static void
put_text_row(struct rows_call *call, const struct flow_key *key, struct str value)
{
	struct flow_key plain = { .bytes = key->bytes, .inner = key->inner };
	struct buf *b = call->out;
	if (call->format == FLOW_KEY_TEXT && !key->inner)
		put_escaped(key->bytes, b);
	else
		flow_key_put_json(&plain, call->format, b);
	if (key->is_windowed) {
		put_time(b, key->start_ms);
		put_time(b, key->end_ms);
	}
	buf_putc(b, '\t');
	put_value(b, value);
}

static void
put_json_row(struct rows_call *call, const struct flow_key *key, struct str value, int64_t ts_ms)
{
	struct flow_key plain = { .bytes = key->bytes, .inner = key->inner };
	struct buf *b = call->out;
	buf_puts(b, "{\"key\":");
	flow_key_put_json(&plain, call->format, b);
	if (key->is_windowed)
		buf_printf(b, ",\"start\":%lld,\"end\":%lld", (long long)key->start_ms,
			(long long)key->end_ms);
	if (ts_ms >= 0)
		buf_printf(b, ",\"timestamp\":%lld", (long long)ts_ms);
	buf_puts(b, ",\"value\":");
	put_value(b, value);
	buf_putc(b, '}');
}

static int
on_row(void *arg, const struct flow_key *key, struct str value, int64_t ts_ms)
{
	struct rows_call *call = arg;
	buf_putc(call->out, ' ');
	if (call->query->is_json)
		put_json_row(call, key, value, ts_ms);
	else
		put_text_row(call, key, value);
	buf_putc(call->out, '\n');
	call->n++;
	return call->n >= call->query->limit || call->out->n >= PAGE_BYTES;
}

static void
tell_rows(struct task_run *task, int store, const struct worker_query *query,
	struct worker_ask *ask)
{
	const struct topology_node *node = flow_look_node(task->flow, store);
	struct rows_call call = { .query = query, .format = key_format(node), .out = &ask->out };
	struct flow_look look = FLOW_LOOK_ALL;
	struct buf from = BUF_INIT, to = BUF_INIT, cursor = BUF_INIT;
	const char *first = query->key ? query->key : query->from;
	const char *last = query->key ? query->key : query->to;
	look.start_ms = query->start_ms;
	look.end_ms = query->end_ms;
	if (first) {
		parse_key(first, call.format, &from);
		look.from = from.n ? buf_str(&from) : STR("");
	}
	if (last) {
		parse_key(last, call.format, &to);
		look.to = to.n ? buf_str(&to) : STR("");
	}
	buf_put_str(&cursor, query->cursor);
	bool has_more = flow_look(task->flow, store, &look, &cursor, PAGE_ENTRIES, on_row, &call);
	buf_printf(&ask->out, "{\"rows\":%lld", (long long)call.n);
	if (has_more) {
		buf_puts(&ask->out, ",\"cursor\":\"");
		json_put_base64(buf_str(&cursor), &ask->out);
		buf_putc(&ask->out, '"');
	}
	buf_puts(&ask->out, "}\n");
	buf_release(&from);
	buf_release(&to);
	buf_release(&cursor);
}

static int
find_store(const struct task_run *task, const char *name)
{
	const struct flow_store *v;
	int n = flow_task_stores(task->flow, &v);
	for (int i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0 && flow_look_node(task->flow, i))
			return i;
	return -1;
}

void
worker_tell_rows(struct worker *worker, struct worker_ask *ask)
{
	const struct worker_query *query = ask->arg;
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		if (strcmp(task->name, query->task) != 0 || task->state == TASK_STANDBY)
			continue;
		ask->is_found = true;
		if (task->flow)
			flow_task_settle(task->flow);
		int store = task->state == TASK_RUNNING ? find_store(task, query->store) : 0;
		if (task->state != TASK_RUNNING)
			snprintf(ask->error, sizeof ask->error, "task %s is not running yet: its state is "
				"being restored, or it is moving to another process", task->name);
		else if (store < 0)
			snprintf(ask->error, sizeof ask->error, "task %s has no store '%.200s'", task->name,
				query->store);
		else
			tell_rows(task, store, query, ask);
		return;
	}
}
