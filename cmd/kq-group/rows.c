#include "kq-group/rows.h"

#include <stdlib.h>

static int
by_place(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = str_cmp(x->topic, y->topic);
	return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* Take over what the other knows. */
static void
take(struct row *to, const struct row *from)
{
	if (from->committed >= 0) {
		to->committed = from->committed;
		to->leader_epoch = from->leader_epoch;
		to->metadata = from->metadata;
	}
	if (from->member)
		to->member = from->member;
	if (from->start >= 0)
		to->start = from->start;
	if (from->end >= 0)
		to->end = from->end;
}

void
rows_merge(struct rows *rows)
{
	int32_t n = 0;
	if (rows->n > 0)
		qsort(rows->v, (size_t)rows->n, sizeof *rows->v, by_place);
	for (int32_t i = 0; i < rows->n; i++)
		if (n > 0 && by_place(&rows->v[n - 1], &rows->v[i]) == 0)
			take(&rows->v[n - 1], &rows->v[i]);
		else
			rows->v[n++] = rows->v[i];
	rows->n = n;
}

struct row *
rows_find(const struct rows *rows, struct str topic, int32_t partition)
{
	struct row key = ROW_INIT(topic, partition);
	if (rows->n == 0)
		return NULL;
	return bsearch(&key, rows->v, (size_t)rows->n, sizeof key, by_place);
}

int64_t
rows_lag(const struct rows *rows)
{
	int64_t sum = -1;
	for (int32_t i = 0; i < rows->n; i++)
		if (row_has_lag(&rows->v[i]))
			sum = MAX(sum, 0) + MAX(row_lag(&rows->v[i]), 0);
	return sum;
}
