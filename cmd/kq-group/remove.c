/* kq-group delete, and delete-offsets. */
#include "kq-group/look_group.h"
#include "kq-group/topic_parts.h"
#include "kq-group/verbs.h"

#include "proto.h"
#include "tool/ask.h"
#include "text/units.h"

#include <stdio.h>

/* Print the name of a group that would be deleted. */
static void
print_deleted(struct run *run, struct look_group *group)
{
	if (group->coordinator < 0 || look_group_describe(run, group, false) < 0)
		return;
	if (look_group_is_active(group)) {
		group_run_refused(run, KERR_NON_EMPTY_GROUP, STR_NULL, group->id);
		return;
	}
	put_text(group->id);
	putchar('\n');
	run->ndone++;
}

static void
delete_group(struct run *run, struct look_group *group)
{
	struct delete_groups_request q;
	struct delete_groups_response answer;
	int64_t until_ms = look_group_deadline(run);
	int16_t code;
	if (group->coordinator < 0)
		return;
	wire_defaults(&delete_groups_request_desc, &q);
	q.groups_names.v = &group->id;
	q.groups_names.n = 1;
	do {
		if (run_call(run, group->coordinator, API_DELETE_GROUPS, &q, &answer) < 0)
			return;
		code = answer.results.n == 1 ? answer.results.v[0].error_code : KERR_UNKNOWN_SERVER_ERROR;
	} while (look_group_must_retry(run, group, code, until_ms));
	if (code)
		group_run_refused(run, code, STR_NULL, group->id);
	else
		run->ndone++;
}

int
verb_group_delete(int argc, char **argv)
{
	struct run run;
	int code = ask_check(group_options.is_sure, group_options.is_dry);
	if (!code && !group_options.is_sure && !group_options.is_dry)
		code = ask_delete(argc, argv, "group", "offsets");
	if (!code)
		code = group_run_open(&run);
	if (code)
		return code;
	run.is_removing = true;
	struct look_group *group = look_groups_named(&run, &argc, argv);
	for (int i = 0; i < argc; i++)
		(group_options.is_dry ? print_deleted : delete_group)(&run, &group[i]);
	return run_close(&run);
}

/* ---- offsets ---- */

/* Fill in the partitions of the topic for which the group has offsets. */
static void
fill_all(struct run *run, struct topic_parts *parts, const struct rows *committed)
{
	parts->part = arena_alloc(&run->arena, (size_t)committed->n * sizeof *parts->part + 1);
	for (int32_t i = 0; i < committed->n; i++)
		if (str_eq(committed->v[i].topic, parts->topic))
			parts->part[parts->npart++] = committed->v[i].partition;
}

static void
take_deleted(struct run *run, const struct look_group *group,
	const struct offset_delete_response *answer)
{
	for (int32_t i = 0; i < answer->topics.n; i++)
		for (int32_t k = 0; k < answer->topics.v[i].partitions.n; k++)
			if (answer->topics.v[i].partitions.v[k].error_code)
				group_run_part_refused(run, answer->topics.v[i].partitions.v[k].error_code,
					group->id,
					answer->topics.v[i].name, answer->topics.v[i].partitions.v[k].partition_index);
			else
				run->ndone++;
}

static bool
is_listed(const struct offset_delete_request *q, struct str topic, int32_t partition)
{
	for (int32_t i = 0; i < q->topics.n; i++)
		for (int32_t k = 0; k < q->topics.v[i].partitions.n; k++)
			if (str_eq(q->topics.v[i].name, topic)
				&& q->topics.v[i].partitions.v[k].partition_index == partition)
				return true;
	return false;
}

/* Add the partitions that are not in the request yet. */
static void
add_parts(struct run *run, struct offset_delete_request *q, const struct topic_parts *parts)
{
	struct offset_delete_request_topic *topic = &q->topics.v[q->topics.n++];
	topic->name = parts->topic;
	topic->partitions.v = arena_alloc(&run->arena,
		(size_t)parts->npart * sizeof *topic->partitions.v);
	for (int32_t k = 0; k < parts->npart; k++)
		if (!is_listed(q, parts->topic, parts->part[k]))
			topic->partitions.v[topic->partitions.n++].partition_index = parts->part[k];
	if (topic->partitions.n == 0)
		q->topics.n--;
}

/* Print the offsets that would be deleted. */
static void
print_offsets(struct run *run, const struct offset_delete_request *q, const struct rows *committed)
{
	for (int32_t i = 0; i < q->topics.n; i++)
		for (int32_t k = 0; k < q->topics.v[i].partitions.n; k++)
			for (int32_t j = 0; j < committed->n; j++) {
				const struct row *row = &committed->v[j];
				if (!str_eq(row->topic, q->topics.v[i].name)
					|| row->partition != q->topics.v[i].partitions.v[k].partition_index)
					continue;
				put_text(row->topic);
				printf("\t%d\t%lld\n", row->partition, (long long)row->committed);
				run->ndone++;
			}
}

static void
delete_offsets(struct run *run, struct look_group *group, struct topic_parts *parts, int n)
{
	struct offset_delete_request q;
	struct offset_delete_response answer;
	struct rows committed;
	struct err e;
	int64_t until_ms = look_group_deadline(run);
	if (look_group_describe(run, group, false) < 0
		|| look_group_committed(run, group, &committed) < 0)
		return;
	wire_defaults(&offset_delete_request_desc, &q);
	q.group_id = group->id;
	q.topics.v = arena_alloc(&run->arena, (size_t)n * sizeof *q.topics.v);
	for (int i = 0; i < n; i++) {
		if (parts[i].npart == 0)
			fill_all(run, &parts[i], &committed);
		if (parts[i].npart == 0) {
			err_set(&e, ERR_PEER, "group '%.*s' has no offsets of topic '%.*s'", STR_ARG(group->id),
				STR_ARG(parts[i].topic));
			run_failed(run, &e);
			continue;
		}
		add_parts(run, &q, &parts[i]);
	}
	if (q.topics.n == 0)
		return;
	if (group_options.is_dry) {
		print_offsets(run, &q, &committed);
		return;
	}
	do {
		if (run_call(run, group->coordinator, API_OFFSET_DELETE, &q, &answer) < 0)
			return;
	} while (look_group_must_retry(run, group, answer.error_code, until_ms));
	if (answer.error_code)
		group_run_refused(run, answer.error_code, STR_NULL, group->id);
	else
		take_deleted(run, group, &answer);
}

int
verb_group_delete_offsets(int argc, char **argv)
{
	struct run run;
	struct err e;
	struct arena a = ARENA_INIT;
	struct topic_parts *parts = arena_alloc(&a, (size_t)argc * sizeof *parts);
	int code = ask_check(group_options.is_sure, group_options.is_dry), n = 1;
	for (int i = 1; !code && i < argc; i++)
		if (topic_parts_parse(&parts[i - 1], argv[i], &a, &e) < 0)
			code = say_err(&e, false);
	if (!code && !group_options.is_sure && !group_options.is_dry)
		code = ask("Delete the offsets of group '%s' of %d topic%s?", argv[0], argc - 1,
			units_plural(argc - 1));
	if (!code)
		code = group_run_open(&run);
	if (!code) {
		run.is_removing = true;
		delete_offsets(&run, look_groups_named(&run, &n, argv), parts, argc - 1);
		code = run_close(&run);
	}
	arena_release(&a);
	return code;
}
