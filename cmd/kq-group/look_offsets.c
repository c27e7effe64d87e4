/* The partitions of a group, and their offsets at the leaders. */
#include "kq-group/look_group.h"

#include "client/offsets.h"
#include "proto.h"

#include <stdlib.h>

/* ---- rows ---- */

int
look_group_rows(struct run *run, const struct look_group *group, struct rows *rows)
{
	struct rows committed;
	if (look_group_committed(run, group, &committed) < 0)
		return -1;
	int32_t n = committed.n;
	for (int32_t i = 0; i < group->nmember; i++)
		for (int32_t k = 0; k < group->member[i].nassigned; k++)
			n += group->member[i].assigned[k].n;
	rows->v = arena_alloc(&run->arena, (size_t)n * sizeof *rows->v + 1);
	rows->n = committed.n;
	if (committed.n > 0)
		memcpy(rows->v, committed.v, (size_t)committed.n * sizeof *committed.v);
	for (int32_t i = 0; i < group->nmember; i++) {
		const struct look_member *member = &group->member[i];
		for (int32_t k = 0; k < member->nassigned; k++)
			for (int32_t j = 0; j < member->assigned[k].n; j++) {
				struct row *row = &rows->v[rows->n++];
				*row = ROW_INIT(member->assigned[k].topic, member->assigned[k].v[j]);
				row->member = member;
			}
	}
	assert(rows->n == n);
	rows_merge(rows);
	return 0;
}

/* Does the topic or partition no longer exist? */
static bool
is_gone(const struct err *e)
{
	return e->kafka == KERR_UNKNOWN_TOPIC_OR_PARTITION;
}

/* Ask for offsets of n rows of topic t, and store them in the int64_t at offset place of
 * each row. */
static void
ask_topic(struct run *run, struct cluster_topic *t, struct row *v, int32_t n, int64_t when,
	size_t place)
{
	struct err e = { .class = ERR_NONE };
	int32_t npart = t->npart;
	int64_t *offset = arena_alloc(&run->arena, (size_t)npart * sizeof *offset + 1);
	bool *wants = arena_alloc(&run->arena, (size_t)npart + 1);
	for (int32_t i = 0; i < n; i++)
		if (v[i].partition >= 0 && v[i].partition < npart)
			wants[v[i].partition] = true;
	if (offsets_list(&run->cluster, t, npart, when, wants, offset, &e) < 0 && !is_gone(&e))
		run_failed(run, &e);
	for (int32_t i = 0; i < n; i++)
		if (v[i].partition >= 0 && v[i].partition < npart)
			memcpy((char *)&v[i] + place, &offset[v[i].partition], sizeof *offset);
}

static void
ask(struct run *run, struct rows *rows, int64_t when, size_t place)
{
	struct err e;
	for (int32_t i = 0, n; i < rows->n; i += n) {
		struct row *v = rows->v + i;
		for (n = 1; i + n < rows->n && str_eq(v[n].topic, v->topic);)
			n++;
		const char *name = arena_printf(&run->arena, "%.*s", STR_ARG(v->topic));
		struct cluster_topic *t = cluster_topic(&run->cluster, name, false, &e);
		if (t)
			ask_topic(run, t, v, n, when, place);
		else if (!is_gone(&e))
			run_failed(run, &e);
	}
}

void
look_ends(struct run *run, struct rows *rows, bool with_starts)
{
	if (with_starts)
		ask(run, rows, OFFSETS_EARLIEST, offsetof(struct row, start));
	ask(run, rows, OFFSETS_LATEST, offsetof(struct row, end));
}

void
look_times(struct run *run, struct rows *rows, int64_t time_ms)
{
	assert(time_ms >= 0);
	ask(run, rows, time_ms, offsetof(struct row, to));
}
