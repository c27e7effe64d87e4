#include "stream/keys.h"
#include "stream/task_int.h"

#include <stdio.h>

int
flow_node_send_blank(struct flow_node *node, const struct flow_rec *rec, struct err *e)
{
	assert(rec->value.n < 0 && rec->old.n < 0);
	for (const struct flow_user *it = node->user, *end = it + node->nuser; it != end; it++)
		if ((it->node->plan->op == FLOW_TABLE_STEP || it->node->plan->wants_all)
			&& it->take(it->node, it->port, rec, e))
			return -1;
	return 0;
}

int
flow_node_time(struct flow_node *node, int64_t stream_ms, struct err *e)
{
	for (int i = 0; i < node->nwatch; i++)
		if (node->watch[i]->ops->time(node->watch[i], stream_ms, e))
			return -1;
	return 0;
}

int
flow_node_failed(struct flow_node *node, const struct flow_rec *rec, struct err *e)
{
	struct flow_env *env = node->task->env;
	return env->failed(env, node->index, rec, e);
}

int
flow_node_drop(struct flow_node *node, const struct flow_rec *rec, bool is_late, struct err *e)
{
	struct flow_env *env = node->task->env;
	env->dropped(env, node->index, rec, is_late ? FLOW_DROP_LATE : FLOW_DROP_NULL);
	for (int i = 0; is_late && i < node->nlate; i++)
		if (node->late[i].take(node->late[i].node, node->late[i].port, rec, e))
			return -1;
	return 0;
}

void
flow_node_drop_partly(struct flow_node *node, const struct flow_rec *rec)
{
	struct flow_env *env = node->task->env;
	env->dropped(env, node->index, rec, FLOW_DROP_PARTLY);
}

int
flow_node_store(struct flow_node *node, const char *name, enum store_order order,
	const struct flow_store *about, struct store **store, struct err *e)
{
	struct flow_task *task = node->task;
	bool is_global = node->plan->kind == FLOW_KIND_GLOBAL;
	*store = store_open(is_global ? task->globals : task->set, name, order, e);
	if (!*store)
		return -1;
	int number = 0;
	for (int i = 0; i < task->nstore; i++)
		number += task->store_of[i].node == node;
	size_t n = (size_t)task->nstore + 1;
	task->store = mem_realloc(task->store, sizeof *task->store * n);
	task->store_of = mem_realloc(task->store_of, sizeof *task->store_of * n);
	struct flow_store *out = &task->store[task->nstore];
	*out = *about;
	out->name = name;
	out->store = *store;
	task->store_of[task->nstore++] = (struct task_store){ node, number };
	return number;
}

struct str
flow_row(struct buf *row, const struct flow_key *key)
{
	if (!key->is_windowed)
		return key->bytes;
	buf_reset(row);
	keys_put(row, key);
	return buf_str(row);
}

int
flow_row_key_log(struct flow_node *node, struct str row, struct str *out, struct err *e)
{
	(void)e;
	const struct flow_window *window = node->plan->window;
	struct buf *scratch = flow_node_scratch(node);
	struct buf plain = BUF_INIT;
	struct flow_key key;
	*out = row;
	if (!window)
		return 0;
	bool is_key = keys_take(&row, window, &plain, &key);
	assert(is_key);
	keys_put_topic(scratch, &key, window);
	buf_release(&plain);
	*out = buf_str(scratch);
	return 0;
}

int
flow_row_key_restore(struct flow_node *node, struct str key, struct str *row, struct err *e)
{
	const struct flow_window *window = node->plan->window;
	struct flow_key plain;
	if (!keys_take_topic(key, window, &plain))
		return err_set(e, ERR_CORRUPT, "a key in the changelog of '%s' has no window",
			node->plan->name);
	*row = flow_row(flow_node_scratch(node), &plain);
	return 0;
}

int
flow_row_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e)
{
	(void)store;
	*out = (struct flow_change){ .value = entry->value, .headers = STR_NULL,
		.ts_ms = entry->ts_ms };
	return flow_row_key_log(node, entry->key, &out->key, e);
}

static struct store *
find_store(const struct flow_node *node, int number)
{
	const struct flow_task *task = node->task;
	int i = 0;
	while (i < task->nstore
		&& (task->store_of[i].node != node || task->store_of[i].store != number))
		i++;
	assert(i < task->nstore);
	return task->store[i].store;
}

int
flow_row_restore(struct flow_node *node, int store, const struct flow_change *change,
	struct err *e)
{
	struct store *rows = find_store(node, store);
	struct str row;
	if (flow_row_key_restore(node, change->key, &row, e))
		return -1;
	if (change->value.n < 0)
		store_remove(rows, row);
	else
		store_put(rows, row, change->value, change->ts_ms);
	return 0;
}

int
flow_entry_log(struct flow_node *node, int store, const struct store_entry *entry,
	struct flow_change *out, struct err *e)
{
	(void)node, (void)store, (void)e;
	*out = (struct flow_change){ .key = entry->key, .value = entry->value,
		.ts_ms = entry->ts_ms };
	return 0;
}

int64_t *
flow_node_number(struct flow_node *node, const char *name)
{
	struct flow_task *task = node->task;
	struct buf full = BUF_INIT;
	buf_printf(&full, "%s.%s", node->plan->name, name);
	struct task_number *number = NEW(struct task_number);
	number->name = mem_strndup(buf_str(&full));
	number->value = INT64_MIN;
	buf_release(&full);
	size_t n = (size_t)task->nnumber + 1;
	task->number = mem_realloc(task->number, sizeof(struct task_number *) * n);
	task->number[task->nnumber++] = number;
	return &number->value;
}

const struct flow_env *
flow_node_env(const struct flow_node *node)
{
	return node->task->env;
}

uint64_t
flow_node_logs(const struct flow_node *node)
{
	return store_set_is_plain(node->task->set) ? UINT64_MAX : node->task->nlog;
}

struct arena *
flow_node_arena(struct flow_node *node)
{
	return &node->task->arena;
}

struct buf *
flow_node_scratch(struct flow_node *node)
{
	buf_reset(&node->task->scratch);
	return &node->task->scratch;
}

int
flow_node_emit(struct flow_node *node, const struct flow_rec *rec, struct err *e)
{
	struct flow_env *env = node->task->env;
	struct flow_out out = { .topic = node->plan->topic, .node = node->index, .rec = rec,
		.partition = -1 };
	return env->emit(env, &out, e);
}

/* A slice that stays until the next input record.  What is in the input itself does: a copy
 * of it would be parsed once more. */
static struct str
kept(struct flow_task *task, struct str s)
{
	const struct str *input = &task->input;
	bool is_input = s.n > 0 && input->n > 0 && s.p >= input->p
		&& s.p + s.n <= input->p + input->n;
	return is_input ? s : arena_str(&task->arena, s);
}

static void
enqueue(struct flow_task *task, struct task_source *source, const struct flow_rec *rec)
{
	struct task_queued *queued = arena_alloc(&task->arena, sizeof *queued);
	queued->rec = *rec;
	queued->rec.key.bytes = kept(task, rec->key.bytes);
	queued->rec.value = kept(task, rec->value);
	queued->rec.old = STR_NULL;
	queued->rec.headers = kept(task, rec->headers);
	bool is_first = !source->head;
	if (is_first)
		source->tail = &source->head;
	*source->tail = queued;
	source->tail = &queued->next;
	if (is_first)
		task_ready_put(task, source);
}

int
flow_node_emit_internal(struct flow_node *node, const char *topic, const struct flow_rec *rec,
	int32_t partition, struct err *e)
{
	struct flow_task *task = node->task;
	if (!task->is_local) {
		struct flow_out out = { .topic = topic, .node = node->index, .is_internal = true,
			.rec = rec, .partition = partition };
		return task->env->emit(task->env, &out, e);
	}
	for (int i = 0; i < task->nsource; i++)
		if (task->source[i].topic == topic) {
			enqueue(task, &task->source[i], rec);
			return 0;
		}
	assert(!"an internal topic that nothing reads");
}
