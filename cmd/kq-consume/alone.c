#include "kq-consume/alone.h"

#include "text/units.h"

/* Start to read the partitions from <= i < upto, at the offsets that start stands for. */
static int
add_parts(struct alone *alone, struct cluster_topic *t, const struct start *start, int32_t from,
	int32_t upto, struct err *e)
{
	size_t n = (size_t)upto;
	bool *wants = mem_alloc(n + 1), any = false;
	int64_t *begin = mem_alloc(2 * (n + 1) * sizeof *begin), *stop = begin + n;
	for (int32_t i = from; i < upto; i++) {
		wants[i] = alone->partition < 0 || i == alone->partition;
		any |= wants[i];
	}
	int rc = any ? start_resolve(start, alone->fetcher->cluster, t, upto, wants,
		alone->stops_at_end, begin, stop, e) : 0;
	for (int32_t i = from; rc == 0 && i < upto && i < t->npart; i++)
		if (wants[i])
			fetcher_add(alone->fetcher, t, i, begin[i], stop[i]);
	mem_free(begin);
	mem_free(wants);
	return rc;
}

static int
no_partition(const struct alone *alone, const struct cluster_topic *t, struct err *e)
{
	return err_set(e, ERR_USAGE, "topic '%s' has %d partition%s: there is no partition %lld",
		t->name, t->npart, units_plural(t->npart), (long long)alone->partition);
}

int
alone_add(struct alone *alone, const char *name, struct err *e)
{
	struct cluster_topic *t = reading_topics_add(&alone->topics, name, e);
	if (!t)
		return -1;
	if (alone->partition >= t->npart)
		return no_partition(alone, t, e);
	int32_t n = t->npart;
	alone->npart = mem_realloc(alone->npart, (size_t)alone->topics.n * sizeof *alone->npart);
	alone->npart[alone->topics.n - 1] = n;
	return add_parts(alone, t, alone->start, 0, n, e);
}

/* Where to start and stop in new partitions. */
static struct start
from_beginning(const struct alone *alone)
{
	struct start start = *alone->start;
	start.begin.kind = PLACE_BEGINNING;
	return start;
}

static bool
is_read(const struct alone *alone, const struct cluster_topic *t, int32_t index)
{
	LIST_EACH(l, &alone->fetcher->part) {
		struct fetcher_part *part = CONTAINER_OF(l, struct fetcher_part, link);
		if (part->topic == t && part->index == index)
			return true;
	}
	return false;
}

int
alone_refresh(struct alone *alone, struct err *e)
{
	if (reading_topics_report(&alone->topics, e) < 0)
		return -1;
	for (int i = 0; i < alone->topics.n; i++) {
		struct cluster_topic *t = alone->topics.one[i].topic;
		int32_t from = alone->npart[i], n = t->npart;
		alone->npart[i] = n;
		while (from < n && is_read(alone, t, from)) /* the metadata had fewer for a while */
			from++;
		if (from >= n || alone->stops_at_end)
			continue;
		struct start start = from_beginning(alone);
		if (add_parts(alone, t, &start, from, n, e) < 0)
			return -1;
	}
	return 0;
}

int
alone_restart(struct alone *alone, struct fetcher_part *part, struct err *e)
{
	struct cluster_topic *t = part->topic;
	int32_t index = part->index, n = index + 1;
	fetcher_remove(alone->fetcher, part);
	if (index < t->npart) {
		struct start start = from_beginning(alone);
		return add_parts(alone, t, &start, index, n, e);
	}
	return alone->partition >= 0 ? no_partition(alone, t, e) : 0;
}

void
alone_release(struct alone *alone)
{
	reading_topics_release(&alone->topics);
	mem_free(alone->npart);
}
