/*
 * How far an input is, and what one that has no record now is waiting for: records that the
 * broker has, and, in a run to the end, records that other tasks are about to write.
 */
#include "kq-stream/task_run.h"
#include "sys/clock.h"

enum { FED_MS = 100 }; /* until what another task committed is seen here */

int64_t
task_run_position(const struct task_input *input)
{
	const struct task_run *task = input->task;
	bool has_first = task->merge.in[input - task->input].has_first;
	return has_first ? input->first.offset : input->reader->deliver;
}

static bool
has_ended(const struct task_input *input)
{
	return input->stop != INT64_MAX && input->reader
		&& task_run_position(input) >= input->stop;
}

/* Has the broker records that have not come yet, or has it not said whether it does?  What one
 * transaction of this application sent to several internal topics becomes readable topic by
 * topic, so there, records of an open transaction count: they are the next ones. */
static bool
is_behind(const struct task_input *input)
{
	const struct fetcher_part *reader = input->reader;
	return !reader || reader->end < 0
		|| reader->offset < (input->from->is_internal ? reader->high : reader->end);
}

/* With --until-end: does another task still write the topic, or did it a moment ago?  What it
 * committed is seen some time later. */
static bool
is_fed(struct task_input *input, int64_t now)
{
	const struct running *app = input->task->app;
	if (!app->plan->settings.until_end)
		return false;
	if (running_is_fed(app, input->from))
		input->fed_until_ms = now + FED_MS;
	return now < input->fed_until_ms;
}

void
task_run_look_behind(struct task_run *task)
{
	int64_t now = clock_mono_ms();
	for (int i = 0; i < task->ninput; i++) {
		struct task_input *input = &task->input[i];
		const struct fetcher_part *reader = input->reader;
		if (task->merge.in[i].has_first)
			continue;
		merge_set_behind(&task->merge, i, is_behind(input));
		task->merge.in[i].has_ended = reader && has_ended(input);
		if (is_fed(input, now))
			merge_set_fed(&task->merge, i);
	}
}

bool
task_run_is_fed(const struct task_run *task)
{
	int64_t now = clock_mono_ms();
	for (int i = 0; i < task->ninput; i++)
		if (!task->merge.in[i].has_first && now < task->input[i].fed_until_ms)
			return true;
	return false;
}

bool
task_run_is_busy(const struct task_run *task)
{
	if (task->state != TASK_RUNNING)
		return task->state != TASK_STANDBY;
	bool is_busy = task->is_dirty || task->merge.nfirst > 0;
	for (int i = 0; i < task->ninput; i++)
		is_busy |= !has_ended(&task->input[i]) && is_behind(&task->input[i]);
	return is_busy;
}
