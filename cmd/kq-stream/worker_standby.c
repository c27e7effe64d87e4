/*
 * --standby: tasks in TASK_STANDBY, whose stores follow the changelogs of other processes'
 * tasks.  Which, standby.h says; the assignment that it needs comes from the coordinator.
 */
#include "client/assign.h"
#include "kq-stream/standby.h"
#include "kq-stream/worker.h"
#include "sys/clock.h"
#include "text/say.h"

#include "proto.h"

enum {
	LOOK_MS = 3000,
	TIMEOUT_MS = 5000, /* processing waits */
	ANSWER_MAX = 64 << 20,
};

/* ---- the group's assignment ---- */

/* A member as the coordinator tells it. */
struct peer {
	struct str id, client;
	struct assign_owned *owned;
	int nowned;
};

struct peers {
	struct arena arena;
	struct peer *v;
	int n;               /* 0: not known now */
};

static void
take_consumer(struct peers *peers, const struct consumer_group_describe_response_group *group)
{
	peers->v = arena_alloc(&peers->arena, (size_t)(group->members.n + 1) * sizeof *peers->v);
	for (int32_t i = 0; i < group->members.n; i++) {
		const struct consumer_group_describe_response_member *from = &group->members.v[i];
		struct peer *to = &peers->v[peers->n++];
		int32_t n = 0;
		*to = (struct peer){ .id = from->member_id, .client = from->client_id };
		for (int32_t k = 0; k < from->target_assignment.topic_partitions.n; k++)
			n += from->target_assignment.topic_partitions.v[k].partitions.n;
		to->owned = arena_alloc(&peers->arena, (size_t)(n + 1) * sizeof *to->owned);
		for (int32_t k = 0; k < from->target_assignment.topic_partitions.n; k++) {
			const struct consumer_group_describe_response_topic *topic
				= &from->target_assignment.topic_partitions.v[k];
			for (int32_t j = 0; j < topic->partitions.n; j++)
				to->owned[to->nowned++] = (struct assign_owned){ topic->topic_name,
					topic->partitions.v[j] };
		}
	}
}

static int
ask_consumer(struct worker *worker, struct peers *peers, struct str *group, struct err *e)
{
	struct consumer_group_describe_request q;
	struct consumer_group_describe_response r;
	wire_defaults(&consumer_group_describe_request_desc, &q);
	q.group_ids.v = group;
	q.group_ids.n = 1;
	if (cluster_call_upto(&worker->sink.cluster, worker->reader.member.coordinator,
			API_CONSUMER_GROUP_DESCRIBE, INT16_MAX, TIMEOUT_MS, &q, &r, &peers->arena, e) < 0)
		return -1;
	if (r.groups.n == 1 && !r.groups.v[0].error_code)
		take_consumer(peers, &r.groups.v[0]);
	return 0;
}

static int
ask_classic(struct worker *worker, struct peers *peers, struct str *group, struct err *e)
{
	struct describe_groups_request q;
	struct describe_groups_response r;
	wire_defaults(&describe_groups_request_desc, &q);
	q.groups.v = group;
	q.groups.n = 1;
	if (cluster_call_upto(&worker->sink.cluster, worker->reader.member.coordinator,
			API_DESCRIBE_GROUPS, INT16_MAX, TIMEOUT_MS, &q, &r, &peers->arena, e) < 0)
		return -1;
	if (r.groups.n != 1 || r.groups.v[0].error_code
		|| !str_eq(r.groups.v[0].group_state, STR("Stable")))
		return 0;
	int32_t n = r.groups.v[0].members.n;
	peers->v = arena_alloc(&peers->arena, (size_t)(n + 1) * sizeof *peers->v);
	for (int32_t i = 0; i < n; i++) {
		const struct describe_groups_response_member *from = &r.groups.v[0].members.v[i];
		struct peer *to = &peers->v[i];
		*to = (struct peer){ .id = from->member_id, .client = from->client_id };
		to->nowned = assign_read_assignment(from->member_assignment, &peers->arena, &to->owned, e);
		if (to->nowned < 0)
			return -1;
	}
	peers->n = n;
	return 0;
}

static int
ask(struct worker *worker, struct peers *peers, struct err *e)
{
	struct str group = str_of(worker->app->id);
	return worker->reader.member.protocol == MEMBER_CLASSIC
		? ask_classic(worker, peers, &group, e) : ask_consumer(worker, peers, &group, e);
}

/* ---- places ---- */

/* The client ID without what follows the process (worker_open). */
static struct str
process_of(struct str client)
{
	static const char mark[] = "-StreamThread-";
	int32_t n = (int32_t)sizeof mark - 1;
	for (int32_t i = 0; i + n <= client.n; i++)
		if (memcmp(client.p + i, mark, (size_t)n) == 0)
			return (struct str){ client.p, i };
	return client;
}

/* The members by their processes; the owners are filled for each sub-topology. */
static struct standby_group
group_of(struct peers *peers)
{
	struct standby_group group = { .nmember = peers->n };
	group.process = arena_alloc(&peers->arena, (size_t)peers->n * sizeof *group.process);
	for (int i = 0; i < peers->n; i++) {
		int first = 0;
		while (!str_eq(process_of(peers->v[first].client), process_of(peers->v[i].client)))
			first++;
		group.process[i] = first;
	}
	return group;
}

static void
set_owners(struct worker *worker, struct peers *peers, struct standby_group *group, int part)
{
	const struct layout *layout = &worker->app->layout;
	group->ntask = layout->ntask[part];
	group->owner = arena_alloc(&peers->arena, ((size_t)group->ntask + 1) * sizeof *group->owner);
	for (int i = 0; i < group->ntask; i++)
		group->owner[i] = -1;
	for (int i = 0; i < peers->n; i++)
		for (int k = 0; k < peers->v[i].nowned; k++) {
			const struct assign_owned *owned = &peers->v[i].owned[k];
			struct buf name = BUF_INIT;
			buf_put_str(&name, owned->topic);
			buf_putc(&name, 0);
			const struct layout_source *source = layout_find(layout, (const char *)name.p);
			if (source && source->part == part && owned->partition >= 0
				&& owned->partition < group->ntask)
				group->owner[owned->partition] = i;
			buf_release(&name);
		}
}

/* ---- copies ---- */

static void
end_copy(struct worker *worker, int i)
{
	struct task_run *task = worker->task[i];
	restore_cancel(&worker->restorer, task);
	task_run_free(task); /* with a checkpoint */
	worker->task[i] = worker->task[--worker->ntask];
}

static int
begin_copy(struct worker *worker, int part, int number, struct err *e)
{
	struct task_run *task = task_run_new(worker->app, worker->program, &worker->cluster, part,
		number);
	worker_set_env(worker, task);
	if (task_run_open(task, e) < 0) {
		if (e->class == ERR_LIMIT && !worker->has_no_copy) {
			say_error("no warm copy of task %s is kept: another process of this application has "
				"its folder in %s; give each process its own --state-dir", task->name,
				worker->app->state.path);
			worker->has_no_copy = true;
		}
		task_run_free(task);
		return e->class == ERR_LIMIT ? 0 : -1;
	}
	if (restore_follow(&worker->restorer, task, e) < 0) {
		task_run_free(task);
		return -1;
	}
	worker->task = mem_realloc(worker->task, (size_t)(worker->ntask + 1) * sizeof *worker->task);
	worker->task[worker->ntask++] = task;
	return 0;
}

static int
find(const struct worker *worker, int part, int number)
{
	for (int i = 0; i < worker->ntask; i++)
		if (worker->task[i]->part == part && worker->task[i]->number == number)
			return i;
	return -1;
}

/* Begin, keep or end the copies of a sub-topology. */
static int
place_part(struct worker *worker, const struct standby_group *group, int me, int part,
	struct err *e)
{
	int *member = mem_alloc((size_t)group->nmember * sizeof *member), rc = 0;
	for (int number = 0; rc == 0 && number < group->ntask; number++) {
		int n = standby_place(group, number, worker->app->plan->settings.nstandby, member);
		bool is_wanted = false;
		for (int i = 0; i < n; i++)
			is_wanted |= member[i] == me;
		int at = find(worker, part, number);
		if (at < 0 && is_wanted)
			rc = begin_copy(worker, part, number, e);
		else if (at >= 0 && worker->task[at]->state == TASK_STANDBY && !is_wanted
			&& group->owner[number] != me) /* else it is ours soon */
			end_copy(worker, at);
	}
	mem_free(member);
	return rc;
}

static int
place_all(struct worker *worker, struct peers *peers, struct err *e)
{
	struct standby_group group = group_of(peers);
	int me = 0, rc = 0;
	while (me < peers->n && !str_eq(peers->v[me].id, str_of(worker->reader.member.member_id)))
		me++;
	for (int part = 0; rc == 0 && me < peers->n && part < worker->app->layout.nsub; part++) {
		if (!task_run_has_stores(worker->program->topo, part))
			continue;
		set_owners(worker, peers, &group, part);
		rc = place_part(worker, &group, me, part, e);
	}
	return rc;
}

/* ---- now and then ---- */

static void
take_note(void *arg, int32_t partition, int64_t offset, struct str note)
{
	struct worker *worker = arg;
	(void)offset;
	for (int i = 0; i < worker->ntask && note.n > 0; i++)
		if (worker->task[i]->state == TASK_STANDBY && worker->task[i]->number == partition
			&& worker->task[i]->part == worker->noted_part)
			task_run_take_note(worker->task[i], note);
}

/* The numbers of the last commits: by them stores forget. */
static int
take_notes(struct worker *worker, struct err *e)
{
	const struct layout *layout = &worker->app->layout;
	for (int i = 0; i < layout->nsource; i++) {
		int part = worker->noted_part = layout->source[i].part;
		if (part >= 0 && task_run_has_stores(worker->program->topo, part)
			&& worker_committed(worker, &layout->source[i], take_note, worker, e) < 0)
			return -1;
	}
	return 0;
}

static void
save_copies(struct worker *worker)
{
	struct err e;
	int64_t now = clock_mono_ms();
	for (int i = 0; i < worker->ntask; i++) {
		struct task_run *task = worker->task[i];
		if (task->state != TASK_STANDBY || now < task->checkpoint_at_ms)
			continue;
		task_run_keep_positions(task);
		if (task_run_checkpoint(task, &e) < 0)
			say_error("%s", e.msg);
	}
}

int
worker_standby(struct worker *worker, struct err *e)
{
	const struct member *m = &worker->reader.member;
	int64_t now = clock_mono_ms();
	struct peers peers = { .arena = { .size_max = ANSWER_MAX } };
	if (worker->app->plan->settings.nstandby == 0 || !member_is_stable(m)
		|| (now < worker->standby_at_ms && m->generation == worker->standby_generation))
		return 0;
	worker->standby_at_ms = now + LOOK_MS;
	worker->standby_generation = m->generation;
	int rc = ask(worker, &peers, e);
	if (rc == 0 && peers.n > 0)
		rc = place_all(worker, &peers, e);
	if (rc == 0)
		rc = take_notes(worker, e);
	arena_release(&peers.arena);
	if (rc < 0 && e->class != ERR_RETRY)
		return -1;
	save_copies(worker);
	return 0;
}

int
worker_ntask(const struct worker *worker)
{
	int n = 0;
	for (int i = 0; i < worker->ntask; i++)
		n += worker->task[i]->state != TASK_STANDBY;
	return n;
}
