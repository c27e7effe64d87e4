/* A case's input through a local task, with restarts if they are wanted. */
#include "case.h"

/* A record of a changelog, kept. */
struct kept {
	struct kept *next;
	const char *store;
	bool keeps_all;       /* compaction may not remove older records of a key */
	struct flow_change change;
};

struct player {
	struct flow_env env;
	struct case_fns *fns;
	const struct case_opts *o;
	struct arena *arena;
	struct case_result *result;
	int out_max;
	int by;
	const json_t *input;
	struct topology *topo;
	struct store_set *set;
	struct flow_task *task;
	struct kept *log, **log_tail;
	uint64_t random;
};

/* ---- what a task calls ---- */

static int
on_emit(struct flow_env *env, const struct flow_out *from, struct err *e)
{
	(void)e;
	struct player *player = CONTAINER_OF(env, struct player, env);
	struct case_result *result = player->result;
	struct arena *arena = player->arena;
	if (result->nout == player->out_max) {
		int max = player->out_max ? 2 * player->out_max : 32;
		struct case_out *v = arena_alloc(arena, sizeof *v * (size_t)max);
		if (result->nout)
			memcpy(v, result->out, sizeof *v * (size_t)result->nout);
		result->out = v;
		player->out_max = max;
	}
	struct buf key = BUF_INIT;
	flow_key_put_json(&from->rec->key, FLOW_KEY_JSON, &key);
	struct str value = from->rec->value.n < 0 ? STR("null") : from->rec->value;
	result->out[result->nout++] = (struct case_out){
		.topic = from->topic, .key = arena_str(arena, buf_str(&key)),
		.value = arena_str(arena, value), .ts_ms = from->rec->ts_ms, .by = player->by,
	};
	buf_release(&key);
	return 0;
}

static int
on_failed(struct flow_env *env, int node, const struct flow_rec *rec, struct err *why)
{
	(void)env;
	(void)node;
	(void)rec;
	(void)why;
	return -1;
}

static void
on_dropped(struct flow_env *env, int node, const struct flow_rec *rec, bool is_late)
{
	(void)env;
	(void)node;
	(void)rec;
	(void)is_late;
}

static void
on_next(struct flow_env *env)
{
	flow_fns_next(CONTAINER_OF(env, struct player, env)->fns->set);
}

/* ---- records ---- */

static struct str
dump(struct player *player, const json_t *json)
{
	if (json_is_null(json))
		return STR_NULL;
	char *z = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	struct str out = arena_str(player->arena, str_of(z));
	free(z);
	return out;
}

static struct flow_rec
record_of(struct player *player, const json_t *rec)
{
	return (struct flow_rec){
		.key = { .bytes = dump(player, json_array_get(rec, 1)) },
		.value = dump(player, json_array_get(rec, 2)), .old = STR_NULL,
		.ts_ms = json_integer_value(json_array_get(rec, 3)),
	};
}

/* ---- restart ---- */

static uint32_t
draw(struct player *player, uint32_t n)
{
	player->random = player->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(player->random >> 33) % n;
}

static int
keep_change(void *arg, const struct flow_store *store, const struct flow_change *change,
	struct err *e)
{
	(void)e;
	struct player *player = arg;
	struct arena *arena = player->arena;
	struct kept *kept = arena_alloc(arena, sizeof *kept);
	kept->store = arena_printf(arena, "%s", store->name);
	kept->keeps_all = !store->is_compacted || store->history_ms;
	kept->change = *change;
	kept->change.key = arena_str(arena, change->key);
	kept->change.value = arena_str(arena, change->value);
	kept->change.headers = arena_str(arena, change->headers);
	*player->log_tail = kept;
	player->log_tail = &kept->next;
	return 0;
}

/* Only the last record of each key is left, as in a compacted topic. */
static void
compact(struct player *player)
{
	struct kept **link = &player->log;
	while (*link) {
		struct kept *later = (*link)->next;
		while (later && ((*link)->keeps_all || strcmp(later->store, (*link)->store)
				|| !str_eq(later->change.key, (*link)->change.key)))
			later = later->next;
		if (later)
			*link = (*link)->next;
		else
			link = &(*link)->next;
	}
	player->log_tail = link;
}

static int
open_task(struct player *player, struct err *e)
{
	struct store_set_opts o = { 0 };
	player->set = store_set_new(&o, e);
	if (!player->set)
		return -1;
	player->task = flow_task_new(player->topo, 0, true, &player->env, player->set, e);
	return player->task ? 0 : -1;
}

static void
close_task(struct player *player)
{
	flow_task_free(player->task);
	store_set_free(player->set);
	player->task = NULL;
	player->set = NULL;
}

static int
restore(struct player *player, struct err *e)
{
	const struct flow_store *stores;
	int n = flow_task_stores(player->task, &stores);
	for (struct kept *kept = player->log; kept; kept = kept->next)
		for (int i = 0; i < n; i++)
			if (!strcmp(stores[i].name, kept->store)
					&& flow_task_restore(player->task, &stores[i], &kept->change, e))
				return -1;
	for (int i = 0; i < n; i++)
		store_clean(stores[i].store);
	return 0;
}

/* Leave the task as a commit would find it, and go on in a fresh one. */
/* Global tables are read again from the first record on. */
static int
read_globals(struct player *player, struct err *e)
{
	const struct topology_node *nodes;
	int n = topology_nodes(player->topo, &nodes);
	for (int i = 0; i <= player->by; i++) {
		const json_t *rec = json_array_get(player->input, (size_t)i);
		const char *topic = json_string_value(json_array_get(rec, 0));
		for (int j = 0; j < n; j++) {
			if (nodes[j].kind != FLOW_KIND_GLOBAL || strcmp(nodes[j].topic, topic))
				continue;
			struct flow_rec in = record_of(player, rec);
			if (in.ts_ms >= 0 && flow_task_take(player->task, topic, &in, e))
				return -1;
		}
	}
	return 0;
}

static int
restart(struct player *player, struct err *e)
{
	const struct flow_number *from;
	if (flow_task_log(player->task, keep_change, player, e))
		return -1;
	if (draw(player, 2))
		compact(player);
	int n = flow_task_numbers(player->task, &from);
	struct flow_number *number = arena_alloc(player->arena, sizeof *number * (size_t)(n + 1));
	for (int i = 0; i < n; i++)
		number[i] = (struct flow_number){ arena_printf(player->arena, "%s", from[i].name),
			from[i].value };
	close_task(player);
	if (open_task(player, e))
		return -1;
	for (int i = 0; i < n; i++)
		flow_task_set_number(player->task, str_of(number[i].name), number[i].value);
	return read_globals(player, e) || restore(player, e) ? -1 : 0;
}

/* ---- input ---- */

struct partition {
	const char *topic;
	int64_t time_ms;
};

/* The record's time by the rule for invalid ones.  1: it counts; 0: leave it out; -1. */
static int
check_time(const char *rule, struct partition *partition, int64_t *ts_ms, struct err *e)
{
	if (*ts_ms < 0 && !strcmp(rule, "skip"))
		return 0;
	if (*ts_ms < 0 && !strcmp(rule, "partition_time"))
		*ts_ms = partition->time_ms;
	if (*ts_ms < 0)
		return err_set(e, ERR_CORRUPT, "a record has no valid timestamp");
	partition->time_ms = MAX(partition->time_ms, *ts_ms);
	return 1;
}

static struct partition *
partition_of(struct partition *v, int *n, const char *topic)
{
	for (int i = 0; i < *n; i++)
		if (!strcmp(v[i].topic, topic))
			return &v[i];
	v[*n] = (struct partition){ topic, -1 };
	return &v[(*n)++];
}

static int
take_all(struct player *player, const json_t *kase, struct err *e)
{
	const json_t *input = player->input, *rec;
	const char *rule = json_string_value(
		json_object_get(json_object_get(kase, "config"), "invalid_timestamp"));
	struct partition *partitions = arena_alloc(player->arena,
		sizeof *partitions * (json_array_size(input) + 1));
	int npartition = 0;
	size_t i;
	json_array_foreach(input, i, rec) {
		const char *topic = json_string_value(json_array_get(rec, 0));
		struct flow_rec in = record_of(player, rec);
		int nout = player->result->nout;
		player->by = (int)i;
		int rc = check_time(rule ? rule : "fail",
			partition_of(partitions, &npartition, topic), &in.ts_ms, e);
		if (rc < 0 || (rc && flow_task_take(player->task, topic, &in, e))) {
			player->result->nout = nout;
			return -1;
		}
		if (player->o->restarts && draw(player, 3) == 0 && restart(player, e))
			return -1;
	}
	return 0;
}

void
case_play(struct case_fns *fns, const json_t *kase, const struct case_opts *o,
	struct arena *arena, struct case_result *result)
{
	struct player player = {
		.env = { on_emit, on_failed, on_dropped, on_next, 0 },
		.fns = fns, .o = o, .arena = arena, .result = result, .by = -1,
		.input = json_object_get(kase, "input"),
		.topo = topology_new("app"), .random = o->seed,
	};
	player.log_tail = &player.log;
	*result = (struct case_result){ 0 };
	struct err *e = &result->why;
	if (case_translate(fns, json_object_get(kase, "topology"), player.topo, arena, e)) {
		result->is_unknown = e->class != ERR_USAGE;
		result->has_error = true;
	} else {
		result->has_error = open_task(&player, e) || take_all(&player, kase, e);
	}
	result->error_at = player.by;
	close_task(&player);
	topology_free(player.topo);
}
