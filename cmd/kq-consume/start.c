#include "kq-consume/start.h"

#include "client/last.h"

enum { KINDS = PLACE_BEGINNING | PLACE_END | PLACE_OFFSET | PLACE_LAST | PLACE_TIME };

int
start_parse(struct start *start, const char *text, int64_t now_ms, struct err *e)
{
	if (strncmp(text, "e@", 2) != 0)
		return place_parse(&start->begin, text, KINDS, now_ms, e);
	start->has_stop_time = true;
	return place_parse_time(text + 2, now_ms, &start->stop_time_ms, e);
}

static int
check_range(struct cluster_topic *t, int32_t i, int64_t n, int64_t first,
	int64_t end, struct err *e)
{
	if (n >= first && n <= end)
		return 0;
	return err_set(e, ERR_USAGE,
		"offset %lld is not in partition %d of '%s', which has %lld to %lld",
		(long long)n, i, t->name, (long long)first, (long long)end);
}

static int
pick(const struct start *start, struct cluster_topic *t, int32_t i, int64_t first,
	int64_t end, int64_t at_time, int64_t *begin, struct err *e)
{
	switch (start->begin.kind) {
	default:
	case PLACE_BEGINNING:
		*begin = first;
		return 0;
	case PLACE_END:
		*begin = end;
		return 0;
	case PLACE_OFFSET:
		*begin = start->begin.n;
		return check_range(t, i, start->begin.n, first, end, e);
	case PLACE_LAST: /* already set by find_last */
		return 0;
	case PLACE_TIME:
		*begin = at_time < 0 ? end : at_time;
		return 0;
	}
	return 0;
}

static int
find_last(const struct start *start, struct cluster *cluster, struct cluster_topic *t,
	int32_t npart, const bool *wants, const int64_t *first, const int64_t *end,
	int64_t *begin, struct err *e)
{
	struct last last = { t, npart, wants, start->is_committed, start->begin.n, first, end };
	return last_find(cluster, &last, begin, e);
}

int
start_resolve(const struct start *start, struct cluster *cluster,
	struct cluster_topic *t, int32_t npart, const bool *wants, bool stops_at_end,
	int64_t *begin, int64_t *stop, struct err *e)
{
	size_t n = (size_t)npart;
	int64_t *first = mem_alloc(4 * n * sizeof *first), *end = first + n;
	int64_t *at_time = end + n, *at_stop = at_time + n;
	int rc = offsets_list(cluster, t, npart, OFFSETS_EARLIEST, wants, first, e);
	if (rc == 0)
		rc = offsets_list(cluster, t, npart, start->is_committed ? OFFSETS_STABLE : OFFSETS_LATEST,
			wants, end, e);
	if (rc == 0 && start->begin.kind == PLACE_TIME)
		rc = offsets_list(cluster, t, npart, start->begin.n, wants, at_time, e);
	if (rc == 0 && start->has_stop_time)
		rc = offsets_list(cluster, t, npart, start->stop_time_ms, wants, at_stop, e);
	if (rc == 0 && start->begin.kind == PLACE_LAST)
		rc = find_last(start, cluster, t, npart, wants, first, end, begin, e);
	for (int32_t i = 0; rc == 0 && i < (int32_t)n; i++) {
		if (wants && !wants[i])
			continue;
		rc = pick(start, t, i, first[i], end[i], at_time[i], &begin[i], e);
		stop[i] = stops_at_end ? end[i] : INT64_MAX;
		if (start->has_stop_time)
			stop[i] = MIN(stop[i], at_stop[i] >= 0 ? at_stop[i] : end[i]);
	}
	mem_free(first);
	return rc;
}
