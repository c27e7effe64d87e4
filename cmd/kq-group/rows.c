#include "kq-group/rows.h"

#include <stdlib.h>

static int
by_place(const void *a, const void *b)
{
	const struct row *left = a, *right = b;
	int order = str_cmp(left->topic, right->topic);
	return order ? order
		: (left->partition > right->partition) - (left->partition < right->partition);
}

/* Copy what is known in the other row. */
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

static int64_t
shifted(int64_t offset, int64_t by)
{
	int64_t sum;
	if (__builtin_add_overflow(offset, by, &sum))
		return by < 0 ? 0 : INT64_MAX;
	return MAX(sum, 0);
}

int
row_move(struct row *row, const struct place *place, struct err *e)
{
	assert(row->start >= 0);
	assert(row->end >= 0);
	switch (place->kind) {
	case PLACE_BEGINNING:
		row->to = row->start;
		break;
	case PLACE_END:
		row->to = row->end;
		break;
	case PLACE_CURRENT:
		row->to = row->committed >= 0 ? row->committed : row->end;
		break;
	case PLACE_OFFSET:
		row->to = place->n;
		break;
	case PLACE_TIME:
		row->to = row->to >= 0 ? row->to : row->end;
		break;
	case PLACE_SHIFT:
		if (row->committed < 0)
			return err_set(e, ERR_PEER, "topic '%.*s', partition %d: nothing is committed, "
				"so +N and -N do not apply", STR_ARG(row->topic), row->partition);
		row->to = shifted(row->committed, place->n);
		break;
	default:
		assert(!"a place that is none of ROW_PLACES");
	}
	return 0;
}

int64_t
row_clamp(struct row *row)
{
	int64_t was = row->to;
	assert(was >= 0);
	row->to = MIN(MAX(was, row->start), row->end);
	return row->to == was ? -1 : was;
}
