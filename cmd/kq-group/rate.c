#include "kq-group/rate.h"

bool
rate_of(const struct rate *r, const struct row *row, int64_t now_ns, double *rate)
{
	const struct row *was = r->at_ns ? rows_find(&r->rows, row->topic, row->partition) : NULL;
	if (!was || was->committed < 0 || row->committed < 0 || now_ns <= r->at_ns)
		return false;
	*rate = (double)(row->committed - was->committed) * 1e9 / (double)(now_ns - r->at_ns);
	return true;
}

bool
rate_total(const struct rate *r, const struct rows *rows, int64_t now_ns, double *rate)
{
	bool is_known = false;
	double one;
	*rate = 0;
	for (int32_t i = 0; i < rows->n; i++)
		if (rate_of(r, &rows->v[i], now_ns, &one)) {
			*rate += one;
			is_known = true;
		}
	return is_known;
}

void
rate_keep(struct rate *r, const struct rows *rows, int64_t now_ns)
{
	arena_reset(&r->arena);
	r->at_ns = now_ns;
	r->rows.n = rows->n;
	r->rows.v = arena_alloc(&r->arena, (size_t)rows->n * sizeof *rows->v + 1);
	for (int32_t i = 0; i < rows->n; i++) {
		r->rows.v[i] = ROW_INIT(arena_str(&r->arena, rows->v[i].topic), rows->v[i].partition);
		r->rows.v[i].committed = rows->v[i].committed;
	}
}

void
rate_release(struct rate *r)
{
	arena_release(&r->arena);
	*r = (struct rate)RATE_INIT;
}
