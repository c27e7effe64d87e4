/* kq-group delete, and delete-offsets. */
#include "kq-group/look_group.h"
#include "kq-group/topic_parts.h"
#include "kq-group/verbs.h"

#include "proto.h"
#include "tool/ask.h"
#include "text/units.h"

#include <stdio.h>

/* A group that could be removed, by name. */
static void
print_deleted(struct run *r, struct look_group *g)
{
	if (g->coordinator < 0 || look_group_describe(r, g, false) < 0)
		return;
	if (look_group_is_active(g)) {
		group_run_refused(r, KERR_NON_EMPTY_GROUP, STR_NULL, g->id);
		return;
	}
	put_text(g->id);
	putchar('\n');
	r->ndone++;
}

static void
delete_group(struct run *r, struct look_group *g)
{
	struct delete_groups_request q;
	struct delete_groups_response a;
	int64_t until_ms = look_group_deadline(r);
	int16_t code;
	if (g->coordinator < 0)
		return;
	wire_defaults(&delete_groups_request_desc, &q);
	q.groups_names.v = &g->id;
	q.groups_names.n = 1;
	do {
		if (run_call(r, g->coordinator, API_DELETE_GROUPS, &q, &a) < 0)
			return;
		code = a.results.n == 1 ? a.results.v[0].error_code : KERR_UNKNOWN_SERVER_ERROR;
	} while (look_group_again(r, g, code, until_ms));
	if (code)
		group_run_refused(r, code, STR_NULL, g->id);
	else
		r->ndone++;
}

int
verb_group_delete(int argc, char **argv)
{
	struct run r;
	int code = ask_check(group_options.is_sure, group_options.is_dry);
	if (!code && !group_options.is_sure && !group_options.is_dry)
		code = ask_delete(argc, argv, "group", "offsets");
	if (!code)
		code = group_run_open(&r);
	if (code)
		return code;
	r.is_removing = true;
	struct look_group *g = look_groups_named(&r, &argc, argv);
	for (int i = 0; i < argc; i++)
		(group_options.is_dry ? print_deleted : delete_group)(&r, &g[i]);
	return run_close(&r);
}

/* --- offsets --- */

/* The partitions of a topic that the group has offsets of. */
static void
fill_all(struct run *r, struct topic_parts *t, const struct rows *committed)
{
	t->part = arena_alloc(&r->arena, (size_t)committed->n * sizeof *t->part + 1);
	for (int32_t i = 0; i < committed->n; i++)
		if (str_eq(committed->v[i].topic, t->topic))
			t->part[t->npart++] = committed->v[i].partition;
}

static void
take_deleted(struct run *r, const struct look_group *g, const struct offset_delete_response *a)
{
	for (int32_t i = 0; i < a->topics.n; i++)
		for (int32_t k = 0; k < a->topics.v[i].partitions.n; k++)
			if (a->topics.v[i].partitions.v[k].error_code)
				group_run_part_refused(r, a->topics.v[i].partitions.v[k].error_code, g->id,
					a->topics.v[i].name, a->topics.v[i].partitions.v[k].partition_index);
			else
				r->ndone++;
}

static bool
is_listed(const struct offset_delete_request *q, struct str topic, int32_t partition)
{
	for (int32_t t = 0; t < q->topics.n; t++)
		for (int32_t k = 0; k < q->topics.v[t].partitions.n; k++)
			if (str_eq(q->topics.v[t].name, topic)
				&& q->topics.v[t].partitions.v[k].partition_index == partition)
				return true;
	return false;
}

/* Its partitions, but those that another target has named. */
static void
add_target(struct run *r, struct offset_delete_request *q, const struct topic_parts *t)
{
	struct offset_delete_request_topic *topic = &q->topics.v[q->topics.n++];
	topic->name = t->topic;
	topic->partitions.v = arena_alloc(&r->arena, (size_t)t->npart * sizeof *topic->partitions.v);
	for (int32_t k = 0; k < t->npart; k++)
		if (!is_listed(q, t->topic, t->part[k]))
			topic->partitions.v[topic->partitions.n++].partition_index = t->part[k];
	if (topic->partitions.n == 0)
		q->topics.n--;
}

/* Which offsets would go. */
static void
print_offsets(struct run *r, const struct offset_delete_request *q, const struct rows *committed)
{
	for (int32_t t = 0; t < q->topics.n; t++)
		for (int32_t k = 0; k < q->topics.v[t].partitions.n; k++)
			for (int32_t i = 0; i < committed->n; i++) {
				const struct row *row = &committed->v[i];
				if (!str_eq(row->topic, q->topics.v[t].name)
					|| row->partition != q->topics.v[t].partitions.v[k].partition_index)
					continue;
				put_text(row->topic);
				printf("\t%d\t%lld\n", row->partition, (long long)row->committed);
				r->ndone++;
			}
}

static void
delete_offsets(struct run *r, struct look_group *g, struct topic_parts *t, int n)
{
	struct offset_delete_request q;
	struct offset_delete_response a;
	struct rows committed;
	struct err e;
	int64_t until_ms = look_group_deadline(r);
	if (look_group_describe(r, g, false) < 0 || look_group_committed(r, g, &committed) < 0)
		return;
	wire_defaults(&offset_delete_request_desc, &q);
	q.group_id = g->id;
	q.topics.v = arena_alloc(&r->arena, (size_t)n * sizeof *q.topics.v);
	for (int i = 0; i < n; i++) {
		if (t[i].npart == 0)
			fill_all(r, &t[i], &committed);
		if (t[i].npart == 0) {
			err_set(&e, ERR_PEER, "group '%.*s' has no offsets of topic '%.*s'", STR_ARG(g->id),
				STR_ARG(t[i].topic));
			run_failed(r, &e);
			continue;
		}
		add_target(r, &q, &t[i]);
	}
	if (q.topics.n == 0)
		return;
	if (group_options.is_dry) {
		print_offsets(r, &q, &committed);
		return;
	}
	do {
		if (run_call(r, g->coordinator, API_OFFSET_DELETE, &q, &a) < 0)
			return;
	} while (look_group_again(r, g, a.error_code, until_ms));
	if (a.error_code)
		group_run_refused(r, a.error_code, STR_NULL, g->id);
	else
		take_deleted(r, g, &a);
}

int
verb_group_delete_offsets(int argc, char **argv)
{
	struct run r;
	struct err e;
	struct arena a = ARENA_INIT;
	struct topic_parts *t = arena_alloc(&a, (size_t)argc * sizeof *t);
	int code = ask_check(group_options.is_sure, group_options.is_dry), n = 1;
	for (int i = 1; !code && i < argc; i++)
		if (topic_parts_parse(&t[i - 1], argv[i], &a, &e) < 0)
			code = say_err(&e, false);
	if (!code && !group_options.is_sure && !group_options.is_dry)
		code = ask("Delete the offsets of group '%s' of %d topic%s?", argv[0], argc - 1,
			units_plural(argc - 1));
	if (!code)
		code = group_run_open(&r);
	if (!code) {
		r.is_removing = true;
		delete_offsets(&r, look_groups_named(&r, &n, argv), t, argc - 1);
		code = run_close(&r);
	}
	arena_release(&a);
	return code;
}
