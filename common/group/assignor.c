#include "group/assignor.h"

const struct assignor assignors[ASSIGNOR_N] = {
	{ "uniform", assignor_uniform },
	{ "range", assignor_range },
};

const struct assignor *
assignor_find(struct str name)
{
	for (int i = 0; i < ASSIGNOR_N; i++)
		if (str_eq(str_of(assignors[i].name), name))
			return &assignors[i];
	return NULL;
}

void
assignor_row_init(struct assignor_row *row, const int32_t *npartition, int32_t ntopic,
	struct arena *a)
{
	int32_t n = 0;
	row->ntopic = ntopic;
	row->base = arena_alloc(a, ((size_t)ntopic + 1) * sizeof *row->base);
	for (int32_t i = 0; i < ntopic; i++) {
		assert(npartition[i] >= 0);
		row->base[i] = n;
		n += npartition[i];
	}
	row->base[ntopic] = n;
	row->n = n;
	row->owner = arena_alloc(a, ((size_t)n + 1) * sizeof *row->owner);
	for (int32_t i = 0; i < n; i++)
		row->owner[i] = -1;
}

void
assignor_row_emit(const struct assignor_row *row, struct assignor_member *member,
	int32_t nmember, struct arena *a)
{
	for (int32_t i = 0; i < nmember; i++)
		member[i].n = 0;
	for (int32_t partition = 0; partition < row->n; partition++)
		if (row->owner[partition] >= 0)
			member[row->owner[partition]].n++;
	for (int32_t i = 0; i < nmember; i++) {
		member[i].v = arena_alloc(a, ((size_t)member[i].n + 1) * sizeof *member[i].v);
		member[i].n = 0;
	}
	for (int32_t topic = 0; topic < row->ntopic; topic++) {
		for (int32_t partition = row->base[topic]; partition < row->base[topic + 1]; partition++) {
			if (row->owner[partition] < 0)
				continue;
			struct assignor_member *owner = &member[row->owner[partition]];
			owner->v[owner->n++] = (struct assignor_partition){ topic,
				partition - row->base[topic] };
		}
	}
}
