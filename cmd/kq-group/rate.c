#include "kq-group/rate.h"

bool
rate_of(const struct rate *last, const struct row *row, int64_t now_ns, double *rate)
{
	const struct row *was = last->at_ns ? rows_find(&last->rows, row->topic, row->partition) : NULL;
	if (!was || was->committed < 0 || row->committed < 0 || now_ns <= last->at_ns)
		return false;
	*rate = (double)(row->committed - was->committed) * 1e9 / (double)(now_ns - last->at_ns);
	return true;
}

bool
rate_total(const struct rate *last, const struct rows *rows, int64_t now_ns, double *rate)
{
	bool is_known = false;
	double one;
	*rate = 0;
	for (int32_t i = 0; i < rows->n; i++)
		if (rate_of(last, &rows->v[i], now_ns, &one)) {
			*rate += one;
			is_known = true;
		}
	return is_known;
}

void
rate_keep(struct rate *last, const struct rows *rows, int64_t now_ns)
{
	arena_reset(&last->arena);
	last->at_ns = now_ns;
	last->rows.n = rows->n;
	last->rows.v = arena_alloc(&last->arena, (size_t)rows->n * sizeof *rows->v + 1);
	for (int32_t i = 0; i < rows->n; i++) {
		last->rows.v[i] = ROW_INIT(arena_str(&last->arena, rows->v[i].topic), rows->v[i].partition);
		last->rows.v[i].committed = rows->v[i].committed;
	}
}

void
rate_release(struct rate *last)
{
	arena_release(&last->arena);
	*last = (struct rate)RATE_INIT;
}
