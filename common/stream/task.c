#include "stream/ops.h"
#include "stream/task_int.h"

/* ---- building ---- */

static bool
is_in_task(const struct flow_task *task, const struct topology_node *plans, int n, int i)
{
	if (task->is_local || plans[i].part == task->part)
		return true;
	if (plans[i].kind == FLOW_KIND_GLOBAL)
		for (int j = 0; j < n; j++)
			for (int k = 0; k < plans[j].nfrom; k++)
				if (plans[j].from[k] == i && plans[j].part == task->part)
					return true;
	return false;
}

static void
add_node(struct flow_task *task, const struct topology_node *plans, int i)
{
	static const struct flow_node_ops passage = { .name = "passage",
		.size = sizeof(struct flow_node) };
	const struct topology_node *plan = &plans[i];
	const struct flow_node_ops *ops = &passage;
	if (!flow_is_passage(plan->op))
		ops = flow_ops(plan, plan->nfrom ? plans[plan->from[0]].kind : FLOW_KIND_NONE);
	struct flow_node *node = mem_alloc(ops->size);
	node->ops = ops;
	node->spec = plan->spec;
	node->plan = plan;
	node->task = task;
	node->index = i;
	node->tick_at_ms = INT64_MAX;
	task->node[i] = node;
}

static void
add_user(struct flow_user **v, int *n, struct flow_node *node, int port)
{
	if (!node->ops->take) {
		/* A step that passes records unchanged is left out: its users take its place. */
		for (int i = 0; i < node->plan->nuser; i++)
			add_user(v, n, node->task->node[node->plan->user[i].node],
				node->plan->user[i].port);
		return;
	}
	*v = mem_realloc(*v, sizeof **v * (size_t)(*n + 1));
	(*v)[(*n)++] = (struct flow_user){ node->ops->take, node, port };
}

/* One of a branch's streams; the branch sends by it. */
static void
add_out(struct flow_node *branch, struct flow_node *out)
{
	branch->user = mem_realloc(branch->user,
		sizeof *branch->user * (size_t)(branch->nuser + 1));
	branch->user[branch->nuser++] = (struct flow_user){ .node = out };
}

static void
add_watch(struct flow_node *watcher, struct flow_node *above)
{
	size_t nwatch = (size_t)above->nwatch + 1, nabove = (size_t)watcher->nabove + 1;
	above->watch = mem_realloc(above->watch, sizeof(struct flow_node *) * nwatch);
	above->watch[above->nwatch++] = watcher;
	watcher->above = mem_realloc(watcher->above, sizeof(struct flow_node *) * nabove);
	watcher->above[watcher->nabove++] = above;
}

/* Bring together a suppression until windows close and the aggregations in the task that
 * close them. */
static void
find_above(struct flow_task *task, struct flow_node *watcher)
{
	bool *is_above = mem_alloc(sizeof *is_above * (size_t)task->nnode);
	is_above[watcher->index] = true;
	for (int i = watcher->index; i >= 0; i--) { /* inputs come before their users */
		struct flow_node *node = is_above[i] ? task->node[i] : NULL;
		if (!node || !node->plan->window)
			continue;
		if (node->spec->window.type && node->plan->kind == FLOW_KIND_TABLE
				&& (node->plan->op == FLOW_AGGREGATE || node->plan->op == FLOW_COGROUP))
			add_watch(watcher, node);
		else
			for (int j = 0; j < node->plan->nfrom; j++)
				is_above[node->plan->from[j]] = true;
	}
	mem_free(is_above);
}

static void
connect(struct flow_task *task, struct flow_node *node)
{
	const struct topology_node *plan = node->plan;
	for (int i = 0; i < plan->nuser; i++)
		if (plan->op == FLOW_BRANCH)
			add_out(node, task->node[plan->user[i].node]);
		else
			add_user(&node->user, &node->nuser, task->node[plan->user[i].node],
				plan->user[i].port);
	if (plan->late >= 0)
		for (int i = 0; i < task->node[plan->late]->plan->nuser; i++) {
			const struct topology_user *user = &task->node[plan->late]->plan->user[i];
			add_user(&node->late, &node->nlate, task->node[user->node], user->port);
		}
	node->nfrom = plan->nfrom;
	for (int i = 0; i < plan->nfrom; i++)
		node->from[i] = task->node[plan->from[i]];
	if (plan->op == FLOW_SUPPRESS && plan->spec->suppress.until_window_closes)
		find_above(task, node);
}

static void
add_source(struct flow_task *task, struct flow_node *node)
{
	size_t n = (size_t)task->nsource + 1;
	task->source = mem_realloc(task->source, sizeof *task->source * n);
	for (int i = 0; i < task->nsource; i++)
		if (task->source[i].same < 0 && !strcmp(task->source[i].topic, node->plan->topic))
			task->source[i].same = task->nsource;
	task->source[task->nsource++] = (struct task_source){ .topic = node->plan->topic,
		.node = node, .same = -1 };
}

struct flow_task *
flow_task_new(struct topology *topo, int part, bool is_local, struct flow_env *env,
	struct store_set *set, struct store_set *globals, struct err *e)
{
	const struct topology_node *plans;
	struct flow_task *task = NEW(struct flow_task);
	*task = (struct flow_task){ .topo = topo, .part = part, .is_local = is_local, .env = env,
		.set = set, .globals = globals ? globals : set };
	task->nnode = topology_nodes(topo, &plans);
	task->node = mem_alloc(sizeof(struct flow_node *) * (size_t)task->nnode);
	for (int i = 0; i < task->nnode; i++)
		if (is_in_task(task, plans, task->nnode, i))
			add_node(task, plans, i);
	for (int i = 0; i < task->nnode; i++)
		if (task->node[i])
			connect(task, task->node[i]);
	for (int i = 0; i < task->nnode; i++) {
		struct flow_node *node = task->node[i];
		if (node && !plans[i].nfrom)
			add_source(task, node);
		if (node && node->ops->open && node->ops->open(node, e)) {
			flow_task_free(task);
			return NULL;
		}
	}
	return task;
}

static void
free_node(struct flow_node *node)
{
	if (node->ops->close)
		node->ops->close(node);
	mem_free(node->user);
	mem_free(node->late);
	mem_free(node->watch);
	mem_free(node->above);
	mem_free(node);
}

void
flow_task_free(struct flow_task *task)
{
	if (!task)
		return;
	for (int i = 0; i < task->nnode; i++)
		if (task->node[i])
			free_node(task->node[i]);
	for (int i = 0; i < task->nnumber; i++) {
		mem_free(task->number[i]->name);
		mem_free(task->number[i]);
	}
	mem_free(task->node);
	mem_free(task->source);
	mem_free(task->ready);
	mem_free(task->store);
	mem_free(task->store_of);
	mem_free(task->number);
	mem_free(task->number_out);
	arena_release(&task->arena);
	buf_release(&task->scratch);
	mem_free(task);
}

/* ---- records ---- */

static int
send_from(struct flow_node *node, const struct flow_rec *rec, struct err *e)
{
	if (node->ops->take)
		return node->ops->take(node, 0, rec, e);
	return flow_node_send(node, rec, e);
}

static int
run_queues(struct flow_task *task, struct err *e)
{
	while (task->nready) {
		struct task_source *source = task_ready_take(task);
		struct task_queued *queued = source->head;
		source->head = queued->next;
		if (source->head)
			task_ready_put(task, source);
		if (send_from(source->node, &queued->rec, e))
			return -1;
	}
	return 0;
}

/* What follows each thing that makes records. */
static int
settle(struct flow_task *task, struct err *e)
{
	if (run_queues(task, e))
		return -1;
	return store_set_is_failed(task->set, e) || store_set_is_failed(task->globals, e) ? -1 : 0;
}

static void
trim(struct flow_task *task)
{
	store_set_trim(task->set);
	if (task->globals != task->set)
		store_set_trim(task->globals);
}

static void
begin(struct flow_task *task)
{
	if (task->arena.used)
		arena_reset(&task->arena);
	task->input = STR_NULL;
	trim(task);
	task->env->next(task->env);
}

int
flow_task_source(const struct flow_task *task, const char *topic)
{
	for (int i = 0; i < task->nsource; i++)
		if (!strcmp(task->source[i].topic, topic))
			return i;
	return -1;
}

int
flow_task_take_at(struct flow_task *task, int source, const struct flow_rec *rec, struct err *e)
{
	assert(source >= 0 && source < task->nsource);
	begin(task);
	task->input = rec->value;
	for (int i = source; i >= 0; i = task->source[i].same)
		if (send_from(task->source[i].node, rec, e))
			return -1;
	return settle(task, e);
}

int
flow_task_take(struct flow_task *task, const char *topic, const struct flow_rec *rec,
	struct err *e)
{
	int source = flow_task_source(task, topic);
	return source < 0 ? 0 : flow_task_take_at(task, source, rec, e);
}

int
flow_task_tick(struct flow_task *task, struct err *e)
{
	begin(task);
	for (int i = 0; i < task->nnode; i++)
		if (task->node[i] && task->node[i]->tick_at_ms <= task->env->now_ms
				&& (task->node[i]->ops->tick(task->node[i], e) || run_queues(task, e)))
			return -1;
	return settle(task, e);
}

int64_t
flow_task_tick_at(const struct flow_task *task)
{
	int64_t at_ms = INT64_MAX;
	for (int i = 0; i < task->nnode; i++)
		if (task->node[i])
			at_ms = MIN(at_ms, task->node[i]->tick_at_ms);
	return at_ms;
}

int
flow_task_end(struct flow_task *task, struct err *e)
{
	begin(task);
	for (int i = 0; i < task->nnode; i++) {
		struct flow_node *node = task->node[i];
		int rc = node && node->ops->end ? FLOW_END_MORE : 0;
		while (rc == FLOW_END_MORE) {
			rc = node->ops->end(node, e);
			if (rc < 0 || settle(task, e))
				return -1;
			if (rc == FLOW_END_MORE)
				begin(task);
		}
	}
	return settle(task, e);
}

/* ---- changelogs ---- */

int
flow_task_stores(const struct flow_task *task, const struct flow_store **v)
{
	*v = task->store;
	return task->nstore;
}

void
flow_task_settle(struct flow_task *task)
{
	for (int i = 0; i < task->nnode; i++)
		if (task->node[i] && task->node[i]->ops->settle)
			task->node[i]->ops->settle(task->node[i]);
}

struct log_call {
	struct flow_task *task;
	int i; /* the store */
	flow_change_fn *fn;
	void *arg;
};

static int
log_entry(void *arg, const struct store_entry *entry, struct err *e)
{
	struct log_call *call = arg;
	struct flow_task *task = call->task;
	struct flow_node *node = task->store_of[call->i].node;
	int rc;
	do {
		struct flow_change change = { .value = STR_NULL, .ts_ms = entry->ts_ms };
		rc = node->ops->log(node, task->store_of[call->i].store, entry, &change, e);
		if (rc != FLOW_LOG_NOTHING
			&& (rc < 0 || call->fn(call->arg, &task->store[call->i], &change, e)))
			return -1;
	} while (rc == FLOW_LOG_MORE);
	return 0;
}

int
flow_task_log(struct flow_task *task, flow_change_fn *fn, void *arg, struct err *e)
{
	flow_task_settle(task);
	for (int i = 0; i < task->nstore; i++) {
		struct log_call call = { task, i, fn, arg };
		if (task->store[i].is_logged && store_changes(task->store[i].store, log_entry, &call, e))
			return -1;
	}
	for (int i = 0; i < task->nstore; i++)
		store_clean(task->store[i].store);
	task->nlog++;
	return 0;
}

int
flow_task_restore(struct flow_task *task, const struct flow_store *store,
	const struct flow_change *change, struct err *e)
{
	const struct task_store *of = &task->store_of[store - task->store];
	trim(task);
	assert(store >= task->store && store < task->store + task->nstore);
	return of->node->ops->restore(of->node, of->store, change, e);
}

/* ---- numbers ---- */

int
flow_task_numbers(struct flow_task *task, const struct flow_number **v)
{
	task->number_out = mem_realloc(task->number_out,
		sizeof *task->number_out * (size_t)(task->nnumber + 1));
	for (int i = 0; i < task->nnumber; i++)
		task->number_out[i] = (struct flow_number){ task->number[i]->name,
			task->number[i]->value };
	*v = task->number_out;
	return task->nnumber;
}

void
flow_task_set_number(struct flow_task *task, struct str name, int64_t value)
{
	for (int i = 0; i < task->nnumber; i++)
		if (str_eq(str_of(task->number[i]->name), name))
			task->number[i]->value = value;
}
