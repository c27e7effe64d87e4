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
assignor_row_init(struct assignor_row *r, const int32_t *npartition, int32_t ntopic,
	struct arena *a)
{
	int32_t n = 0;
	r->ntopic = ntopic;
	r->base = arena_alloc(a, ((size_t)ntopic + 1) * sizeof *r->base);
	for (int32_t i = 0; i < ntopic; i++) {
		assert(npartition[i] >= 0);
		r->base[i] = n;
		n += npartition[i];
	}
	r->base[ntopic] = n;
	r->n = n;
	r->owner = arena_alloc(a, ((size_t)n + 1) * sizeof *r->owner);
	for (int32_t i = 0; i < n; i++)
		r->owner[i] = -1;
}

void
assignor_row_emit(const struct assignor_row *r, struct assignor_member *m,
	int32_t nmember, struct arena *a)
{
	for (int32_t i = 0; i < nmember; i++)
		m[i].n = 0;
	for (int32_t p = 0; p < r->n; p++)
		if (r->owner[p] >= 0)
			m[r->owner[p]].n++;
	for (int32_t i = 0; i < nmember; i++) {
		m[i].v = arena_alloc(a, ((size_t)m[i].n + 1) * sizeof *m[i].v);
		m[i].n = 0;
	}
	for (int32_t t = 0; t < r->ntopic; t++) {
		for (int32_t p = r->base[t]; p < r->base[t + 1]; p++) {
			if (r->owner[p] < 0)
				continue;
			struct assignor_member *o = &m[r->owner[p]];
			o->v[o->n++] = (struct assignor_partition){ t, p - r->base[t] };
		}
	}
}
