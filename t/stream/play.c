/* A case's input through a local task, or one for each sub-topology; with restarts if they
 * are wanted. */
#include "case.h"
#include "stream/task_int.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A record of a changelog, kept. */
struct kept {
	struct kept *next;
	int64_t number;       /* from 1 */
	const char *store;
	bool keeps_all;       /* compaction may not remove older records of a key */
	struct flow_change change;
};

struct part {
	char *dir;            /* with checkpoints */
	int64_t nkept;
	struct store_set *set;
	struct flow_task *task;
	struct kept *log, **log_tail;
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
	int64_t *time_ms;     /* of each input record that was taken; -1: it was left out */
	struct topology *topo;
	struct part *part;
	int npart;
	struct task_source *queue; /* the internal topics of split tasks */
	int nqueue;
	struct flow_task order;    /* only its heap is used: as in a local task */
	uint64_t random;
};

/* ---- what a task calls ---- */

static struct task_source *
queue_of(struct player *player, const char *topic)
{
	for (int i = 0; i < player->nqueue; i++)
		if (!strcmp(player->queue[i].topic, topic))
			return &player->queue[i];
	struct task_source *queue = &player->queue[player->nqueue++];
	queue->topic = topic;
	return queue;
}

static void
put_internal(struct player *player, const struct flow_out *from)
{
	struct arena *arena = player->arena;
	struct task_source *queue = queue_of(player, from->topic);
	struct task_queued *queued = arena_alloc(arena, sizeof *queued);
	queued->rec = *from->rec;
	queued->rec.key = (struct flow_key){ .bytes = arena_str(arena, from->rec->key.bytes) };
	queued->rec.value = arena_str(arena, from->rec->value);
	queued->rec.headers = arena_str(arena, from->rec->headers);
	queued->rec.old = STR_NULL;
	bool is_empty = !queue->head;
	if (is_empty)
		queue->tail = &queue->head;
	*queue->tail = queued;
	queue->tail = &queued->next;
	if (is_empty)
		task_ready_put(&player->order, queue);
}

static int
on_emit(struct flow_env *env, const struct flow_out *from, struct err *e)
{
	(void)e;
	struct player *player = CONTAINER_OF(env, struct player, env);
	if (from->is_internal) {
		put_internal(player, from);
		return 0;
	}
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
		.topic = arena_printf(arena, "%s", from->topic), .key = arena_str(arena, buf_str(&key)),
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
on_dropped(struct flow_env *env, int node, const struct flow_rec *rec, enum flow_drop why)
{
	(void)env;
	(void)node;
	(void)rec;
	(void)why;
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

struct keeper {
	struct player *player;
	struct part *part;
};

static int
keep_change(void *arg, const struct flow_store *store, const struct flow_change *change,
	struct err *e)
{
	(void)e;
	struct keeper *keeper = arg;
	struct arena *arena = keeper->player->arena;
	struct kept *kept = arena_alloc(arena, sizeof *kept);
	kept->number = ++keeper->part->nkept;
	kept->store = arena_printf(arena, "%s", store->name);
	kept->keeps_all = !store->is_compacted || store->history_ms;
	kept->change = *change;
	kept->change.key = arena_str(arena, change->key);
	kept->change.value = arena_str(arena, change->value);
	kept->change.headers = arena_str(arena, change->headers);
	*keeper->part->log_tail = kept;
	keeper->part->log_tail = &kept->next;
	return 0;
}

/* Only the last record of each key is left, as in a compacted topic. */
static void
compact(struct part *part)
{
	struct kept **link = &part->log;
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
	part->log_tail = link;
}

static int
open_part(struct player *player, struct part *part, struct err *e)
{
	struct store_set_opts o = { .dir = part->dir, .identity = "case" };
	part->set = store_set_new(&o, e);
	if (!part->set)
		return -1;
	part->task = flow_task_new(player->topo, (int)(part - player->part), !player->o->is_split,
		&player->env, part->set, NULL, e);
	return part->task ? 0 : -1;
}

static void
close_part(struct part *part)
{
	flow_task_free(part->task);
	store_set_free(part->set);
	part->task = NULL;
	part->set = NULL;
}

/* Write a checkpoint; the number of the last record of the changelogs goes with it. */
static int
checkpoint(struct part *part, struct err *e)
{
	struct str text = { (const uint8_t *)&part->nkept, (int32_t)sizeof part->nkept };
	return store_set_checkpoint(part->set, text, e);
}

/* What is not in the checkpoint. */
static int
restore(struct part *part, struct err *e)
{
	const struct flow_store *stores;
	int n = flow_task_stores(part->task, &stores);
	struct str text = part->dir ? store_set_checkpoint_text(part->set) : STR_NULL;
	int64_t upto = 0;
	if (text.n == (int32_t)sizeof upto)
		memcpy(&upto, text.p, sizeof upto);
	for (struct kept *kept = part->log; kept; kept = kept->next)
		for (int i = 0; i < n && kept->number > upto; i++)
			if (!strcmp(stores[i].name, kept->store)
					&& flow_task_restore(part->task, &stores[i], &kept->change, e))
				return -1;
	for (int i = 0; i < n; i++)
		store_clean(stores[i].store);
	return 0;
}

/* Global tables are read again from the first record on. */
static int
read_globals(struct player *player, struct part *part, struct err *e)
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
			in.ts_ms = player->time_ms[i];
			if (in.ts_ms >= 0 && flow_task_take(part->task, topic, &in, e))
				return -1;
		}
	}
	return 0;
}

/* Leave a task as a commit would find it, and go on in a fresh one. */
static int
restart_part(struct player *player, struct part *part, struct err *e)
{
	const struct flow_number *from;
	struct keeper keeper = { player, part };
	if (flow_task_log(part->task, keep_change, &keeper, e))
		return -1;
	if (draw(player, 2))
		compact(part);
	if (part->dir && draw(player, 2) && checkpoint(part, e))
		return -1;
	int n = flow_task_numbers(part->task, &from);
	struct flow_number *number = arena_alloc(player->arena, sizeof *number * (size_t)(n + 1));
	for (int i = 0; i < n; i++)
		number[i] = (struct flow_number){ arena_printf(player->arena, "%s", from[i].name),
			from[i].value };
	close_part(part);
	if (open_part(player, part, e))
		return -1;
	for (int i = 0; i < n; i++)
		flow_task_set_number(part->task, str_of(number[i].name), number[i].value);
	return read_globals(player, part, e) || restore(part, e) ? -1 : 0;
}

static int
restart(struct player *player, struct err *e)
{
	for (int i = 0; i < player->npart; i++)
		if (restart_part(player, &player->part[i], e))
			return -1;
	return 0;
}

/* ---- input ---- */

static int
give(struct player *player, const char *topic, const struct flow_rec *rec, struct err *e)
{
	for (int i = 0; i < player->npart; i++)
		if (flow_task_take(player->part[i].task, topic, rec, e))
			return -1;
	return 0;
}

/* A record, and all that it causes in the internal topics. */
static int
take(struct player *player, const char *topic, const struct flow_rec *rec, struct err *e)
{
	if (give(player, topic, rec, e))
		return -1;
	while (player->order.nready) {
		struct task_source *queue = task_ready_take(&player->order);
		const struct flow_rec *next = &queue->head->rec;
		queue->head = queue->head->next;
		if (queue->head)
			task_ready_put(&player->order, queue);
		if (give(player, queue->topic, next, e))
			return -1;
	}
	return 0;
}

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
	player->time_ms = arena_alloc(player->arena,
		sizeof *player->time_ms * (json_array_size(input) + 1));
	json_array_foreach(input, i, rec) {
		const char *topic = json_string_value(json_array_get(rec, 0));
		struct flow_rec in = record_of(player, rec);
		int nout = player->result->nout;
		player->by = (int)i;
		int rc = check_time(rule ? rule : "fail",
			partition_of(partitions, &npartition, topic), &in.ts_ms, e);
		player->time_ms[i] = rc > 0 ? in.ts_ms : -1;
		if (rc < 0 || (rc && take(player, topic, &in, e))) {
			player->result->nout = nout;
			return -1;
		}
		if (player->o->restarts && draw(player, 3) == 0 && restart(player, e))
			return -1;
	}
	return 0;
}

/* A folder for checkpoints.  There are many, and none is to outlive the machine: in memory. */
static char *
make_dir(struct player *player)
{
	char *dir = arena_printf(player->arena, "/dev/shm/kq-case.XXXXXX");
	bool is_made = mkdtemp(dir) != NULL;
	assert(is_made);
	return dir;
}

static void
remove_dir(const char *dir)
{
	struct dirent *entry;
	DIR *open = opendir(dir);
	while (open && (entry = readdir(open)))
		unlinkat(dirfd(open), entry->d_name, 0);
	if (open)
		closedir(open);
	rmdir(dir);
}

static int
open_all(struct player *player, struct err *e)
{
	const struct topology_node *nodes;
	player->queue = arena_alloc(player->arena,
		sizeof *player->queue * (size_t)topology_nodes(player->topo, &nodes));
	player->npart = player->o->is_split ? topology_parts(player->topo) : 1;
	player->part = arena_alloc(player->arena, sizeof *player->part * (size_t)player->npart);
	for (int i = 0; i < player->npart; i++) {
		player->part[i].log_tail = &player->part[i].log;
		if (player->o->checkpoints)
			player->part[i].dir = make_dir(player);
		if (open_part(player, &player->part[i], e))
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
	*result = (struct case_result){ 0 };
	struct err *e = &result->why;
	if (case_translate(fns, json_object_get(kase, "topology"), player.topo, arena, e)) {
		result->is_unknown = e->class != ERR_USAGE;
		result->has_error = true;
	} else {
		result->has_error = open_all(&player, e) || take_all(&player, kase, e);
	}
	result->error_at = player.by;
	for (int i = 0; i < player.npart; i++) {
		close_part(&player.part[i]);
		if (player.part[i].dir)
			remove_dir(player.part[i].dir);
	}
	mem_free(player.order.ready);
	topology_free(player.topo);
}
