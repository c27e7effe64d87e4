/* Which internal topic of a local task is read next. */
#include "stream/task_int.h"

static int64_t
time_of(const struct task_source *source)
{
	return source->head->rec.ts_ms;
}

void
task_ready_put(struct flow_task *task, struct task_source *source)
{
	if (task->nready == task->ready_max) {
		task->ready_max = task->ready_max ? 2 * task->ready_max : 8;
		task->ready = mem_realloc(task->ready,
			sizeof(struct task_source *) * (size_t)task->ready_max);
	}
	int i = task->nready++;
	while (i > 0) {
		int parent = (i - 1) / 2;
		if (time_of(source) >= time_of(task->ready[parent]))
			break;
		task->ready[i] = task->ready[parent];
		i = parent;
	}
	task->ready[i] = source;
}

struct task_source *
task_ready_take(struct flow_task *task)
{
	assert(task->nready > 0);
	struct task_source *first = task->ready[0], *last = task->ready[--task->nready];
	int n = task->nready, i = 0;
	while (i < n / 2) {
		int child = 2 * i + 1;
		if (child + 1 < n && time_of(task->ready[child]) > time_of(task->ready[child + 1]))
			child++;
		if (time_of(last) <= time_of(task->ready[child]))
			break;
		task->ready[i] = task->ready[child];
		i = child;
	}
	task->ready[i] = last;
	return first;
}
