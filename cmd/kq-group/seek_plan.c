#include "kq-group/seek_plan.h"

#include "proto.h"
#include "tool/ask.h"

#include <stdio.h>

enum {
	OFFSET_COMMIT_UPTO = 9, /* from 10 on topics have ids, not names */
};

int
seek_plan_begin(struct run *run, struct look_group *group, struct rows *committed)
{
	struct err e;
	if (look_group_describe(run, group, true) < 0)
		return -1;
	if (look_group_is_active(group)) {
		err_set(&e, ERR_PEER, "group '%.*s' is in use (%.*s, members: %d): stop its members "
			"before you change its offsets", STR_ARG(group->id), STR_ARG(group->state),
			group->nmember);
		run_failed(run, &e);
		return -1;
	}
	return look_group_committed(run, group, committed);
}

static void
say_clamped(const struct row *row, int64_t was)
{
	say_error("topic '%.*s', partition %d: offset %lld is %s; using %lld",
		STR_ARG(row->topic), row->partition, (long long)was,
		was > row->to ? "after the end" : "before the beginning", (long long)row->to);
}

void
seek_plan_resolve(struct run *run, struct seek_plan *plan, const struct place *place)
{
	struct err e;
	look_ends(run, &plan->rows, true);
	if (place && place->kind == PLACE_TIME)
		look_times(run, &plan->rows, place->n);
	for (int32_t i = 0; i < plan->rows.n; i++) {
		struct row *row = &plan->rows.v[i];
		if (row->start < 0 || row->end < 0) {
			err_set(&e, ERR_PEER, "topic '%.*s' has no partition %d, or it cannot be read",
				STR_ARG(row->topic), row->partition);
			run_failed(run, &e);
			row->to = -1;
			continue;
		}
		if (place && row_move(row, place, &e) < 0) {
			run_failed(run, &e);
			row->to = -1;
			continue;
		}
		int64_t was = row_clamp(row);
		if (was >= 0)
			say_clamped(row, was);
	}
}

void
seek_plan_print(struct run *run, const struct seek_plan *plan, bool with_group)
{
	for (int32_t i = 0; i < plan->rows.n; i++) {
		const struct row *row = &plan->rows.v[i];
		if (row->to < 0)
			continue;
		if (group_options.is_json) {
			json_t *object = json_object();
			json_set_bytes(object, "group", plan->group->id);
			json_set_bytes(object, "topic", row->topic);
			json_object_set_new(object, "partition", json_integer(row->partition));
			json_object_set_new(object, "from", json_known(row->committed));
			json_object_set_new(object, "to", json_integer(row->to));
			json_print(object);
			continue;
		}
		if (with_group) {
			put_text(plan->group->id);
			putchar('\t');
		}
		put_text(row->topic);
		printf("\t%d\t%s\t%lld\n", row->partition, put_known(&run->arena, row->committed),
			(long long)row->to);
	}
}

/* ---- execution ---- */

static struct offset_commit_request
request_of(struct run *run, const struct seek_plan *plan)
{
	struct offset_commit_request q;
	wire_defaults(&offset_commit_request_desc, &q);
	q.group_id = plan->group->id;
	q.member_id = STR("");
	q.topics.v = arena_alloc(&run->arena, (size_t)plan->rows.n * sizeof *q.topics.v + 1);
	struct offset_commit_request_partition *part = arena_alloc(&run->arena,
		(size_t)plan->rows.n * sizeof *part + 1);
	for (int32_t i = 0; i < plan->rows.n; i++) {
		const struct row *row = &plan->rows.v[i];
		if (row->to < 0)
			continue;
		struct offset_commit_request_topic *t
			= q.topics.n > 0 ? &q.topics.v[q.topics.n - 1] : NULL;
		if (!t || !str_eq(t->name, row->topic)) {
			t = &q.topics.v[q.topics.n++];
			t->name = row->topic;
			t->partitions.v = part;
		}
		t->partitions.n++;
		part->partition_index = row->partition;
		part->committed_offset = row->to;
		/* The epoch of another cluster, or of a record that was not read, would mislead a
		 * consumer. */
		part->committed_leader_epoch = -1;
		part->committed_metadata = row->metadata.n > 0 ? row->metadata : STR("");
		part++;
	}
	return q;
}

/* The first error code; a coordinator that is moving returns the same for all. */
static int16_t
code_of(const struct offset_commit_response *answer)
{
	for (int32_t i = 0; i < answer->topics.n; i++)
		for (int32_t k = 0; k < answer->topics.v[i].partitions.n; k++)
			if (answer->topics.v[i].partitions.v[k].error_code)
				return answer->topics.v[i].partitions.v[k].error_code;
	return KERR_NONE;
}

void
seek_plan_execute(struct run *run, struct seek_plan *plan)
{
	struct offset_commit_request q = request_of(run, plan);
	struct offset_commit_response answer;
	int64_t until_ms = look_group_deadline(run);
	if (q.topics.n == 0)
		return;
	do {
		if (run_call_upto(run, plan->group->coordinator, API_OFFSET_COMMIT, OFFSET_COMMIT_UPTO,
				&q, &answer) < 0)
			return;
	} while (look_group_must_retry(run, plan->group, code_of(&answer), until_ms));
	for (int32_t i = 0; i < answer.topics.n; i++)
		for (int32_t k = 0; k < answer.topics.v[i].partitions.n; k++)
			if (answer.topics.v[i].partitions.v[k].error_code)
				group_run_part_refused(run, answer.topics.v[i].partitions.v[k].error_code,
					plan->group->id,
					answer.topics.v[i].name, answer.topics.v[i].partitions.v[k].partition_index);
			else
				run->ndone++;
}

int
seek_plan_check_options(struct err *e)
{
	return group_options.is_sure && group_options.is_dry
		? err_set(e, ERR_USAGE, "only one of --yes and --dry-run") : 0;
}

bool
seek_plan_is_wanted(struct run *run, int *code)
{
	*code = 0;
	fflush(stdout); /* the plan comes before the messages about it */
	if (run->nfailed) {
		say_error("nothing was changed");
		return false;
	}
	if (group_options.is_dry || (!group_options.is_sure && !ask_has_terminal())) {
		say_error("nothing was changed; --yes applies the plan");
		return false;
	}
	if (!group_options.is_sure)
		*code = ask("Set these offsets?");
	return *code == 0;
}
