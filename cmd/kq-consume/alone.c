#include "kq-consume/alone.h"

#include "text/units.h"

/* Read partitions from..upto of the topic that are wanted, from where s says. */
static int
add_parts(struct alone *a, struct cluster_topic *t, const struct start *s, int32_t from,
	int32_t upto, struct err *e)
{
	size_t n = (size_t)upto;
	bool *wants = mem_alloc(n + 1), any = false;
	int64_t *begin = mem_alloc(2 * (n + 1) * sizeof *begin), *stop = begin + n;
	for (int32_t i = from; i < upto; i++) {
		wants[i] = a->partition < 0 || i == a->partition;
		any |= wants[i];
	}
	int got = any ? start_resolve(s, a->fetcher->cluster, t, upto, wants, a->stops_at_end,
		begin, stop, e) : 0;
	for (int32_t i = from; got == 0 && i < upto && i < t->npart; i++)
		if (wants[i])
			fetcher_add(a->fetcher, t, i, begin[i], stop[i]);
	mem_free(begin);
	mem_free(wants);
	return got;
}

static int
no_partition(const struct alone *a, const struct cluster_topic *t, struct err *e)
{
	return err_set(e, ERR_USAGE, "topic '%s' has %d partition%s: there is no partition %lld", t->name,
		t->npart, units_plural(t->npart), (long long)a->partition);
}

int
alone_add(struct alone *a, const char *name, struct err *e)
{
	struct cluster_topic *t = reading_topics_add(&a->topics, name, e);
	if (!t)
		return -1;
	if (a->partition >= t->npart)
		return no_partition(a, t, e);
	int32_t n = t->npart;
	a->npart = mem_realloc(a->npart, (size_t)a->topics.n * sizeof *a->npart);
	a->npart[a->topics.n - 1] = n;
	return add_parts(a, t, a->start, 0, n, e);
}

/* Where what is new begins and ends. */
static struct start
from_beginning(const struct alone *a)
{
	struct start s = *a->start;
	s.begin.kind = PLACE_BEGINNING;
	return s;
}

static bool
is_read(const struct alone *a, const struct cluster_topic *t, int32_t index)
{
	LIST_EACH(l, &a->fetcher->part) {
		struct fetcher_part *part = CONTAINER_OF(l, struct fetcher_part, link);
		if (part->topic == t && part->index == index)
			return true;
	}
	return false;
}

int
alone_look(struct alone *a, struct err *e)
{
	if (reading_topics_report(&a->topics, e) < 0)
		return -1;
	for (int i = 0; i < a->topics.n; i++) {
		struct cluster_topic *t = a->topics.one[i].topic;
		int32_t from = a->npart[i], n = t->npart;
		a->npart[i] = n;
		while (from < n && is_read(a, t, from)) /* it had less for a while */
			from++;
		if (from >= n || a->stops_at_end)
			continue;
		struct start s = from_beginning(a);
		if (add_parts(a, t, &s, from, n, e) < 0)
			return -1;
	}
	return 0;
}

int
alone_take_new(struct alone *a, struct fetcher_part *part, struct err *e)
{
	struct cluster_topic *t = part->topic;
	int32_t index = part->index, n = index + 1;
	fetcher_remove(a->fetcher, part);
	if (index < t->npart) {
		struct start s = from_beginning(a);
		return add_parts(a, t, &s, index, n, e);
	}
	return a->partition >= 0 ? no_partition(a, t, e) : 0;
}

void
alone_release(struct alone *a)
{
	reading_topics_release(&a->topics);
	mem_free(a->npart);
}
