/* Which partitions a new task reads. */
#include "tap.h"

#include "kq-stream/task_run.c"
#include "kq-stream/task_behind.c"

/* ---- what a new task does not call ---- */

void
program_next(struct program *program)
{
	(void)program;
}

int
program_take(struct program *program, const struct plan_source *source,
	const struct program_raw *raw, struct flow_rec *rec, struct err *e)
{
	(void)program, (void)source, (void)raw, (void)rec, (void)e;
	return -1;
}

int
program_peek(struct program *program, const struct plan_source *source,
	const struct program_raw *raw, int64_t *ts_ms, struct err *e)
{
	(void)program, (void)source, (void)raw, (void)ts_ms, (void)e;
	return -1;
}

int
offset_note_read(struct str text, int64_t *time_ms, offset_note_fn *fn, void *arg, struct err *e)
{
	(void)text, (void)time_ms, (void)fn, (void)arg, (void)e;
	return -1;
}

int
running_read_note(const struct running *app, struct str text, int64_t *time_ms, struct err *e)
{
	(void)app, (void)text, (void)time_ms, (void)e;
	return -1;
}

bool
running_is_fed(const struct running *app, const struct layout_source *source)
{
	(void)app, (void)source;
	return false;
}

int
state_dir_task(const struct state_dir *state, const char *task, char **path, struct err *e)
{
	(void)state, (void)task, (void)path, (void)e;
	return -1;
}

/* ---- tests ---- */

void
test_task__reads_partitions_that_have_no_leader_now_without_waiting(void)
{
	struct err e;
	struct topology *topo = topology_new("app");
	const struct flow_spec spec = { .id = "a", .op = FLOW_STREAM, .topic = "a" };
	check_int(topology_add(topo, &spec, &e), 0);
	check_int(topology_finish(topo, &e), 0);
	struct layout_source source = { .topic = (char[]){ "a" }, .name = (char[]){ "a" }, .npart = 2 };
	struct plan plan = { .nsource = 0 };
	struct running app = { .plan = &plan, .layout = { .source = &source, .nsource = 1 } };
	struct program program = { .topo = topo };
	struct cluster_part parts[] = { { .leader = -1 }, { .leader = 0 } };
	struct cluster_topic topic = { .name = (char[]){ "a" }, .part = parts, .npart = 2 };
	struct cluster_topic *topics[] = { &topic };
	struct cluster cl = { .topic = topics, .ntopic = 1 };
	struct task_run *task = task_run_new(&app, &program, &cl, 0, 0);
	check_int(task->ninput, 1);
	check(task_run_input(task, &topic) == &task->input[0]);
	task_run_free(task);
	topology_free(topo);
}
