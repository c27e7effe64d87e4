#include "client/last.h"

/* One partition: the records from low up to the end are counted, or being so. */
struct last_walk {
	int64_t low, step;
	int64_t seen;
	int64_t skip;  /* in the second pass: records still before the wanted ones */
	bool is_done;
};

struct last_search {
	const struct last *l;
	struct last_walk *walk;
	struct fetcher fetcher;
	struct fetch_iter iter;
};

/* Count what has come.  In the second pass, that is with begin: find the record
 * behind those to be skipped. */
static int
take(struct last_search *s, struct fetched *ch, int64_t *begin, struct err *e)
{
	struct last_walk *w = &s->walk[ch->part->index];
	struct record r;
	int got;
	if (ch->is_out_of_range || ch->is_new_topic)
		return err_set(e, ERR_RETRY, "partition %d of '%s' changed while its last records "
			"were searched", ch->part->index, s->l->topic->name);
	fetch_iter_begin(&s->iter, &s->fetcher, ch);
	while ((got = fetch_iter_next(&s->iter, &r, e)) > 0) {
		if (!begin) {
			w->seen++;
		} else if (w->skip-- == 0) {
			begin[ch->part->index] = r.offset;
			w->is_done = true;
			return 0;
		}
	}
	return got;
}

/* Stop reading what is found; true when nothing is left. */
static bool
drop_done(struct last_search *s)
{
	LIST_EACH(l, &s->fetcher.part) {
		struct fetcher_part *part = CONTAINER_OF(l, struct fetcher_part, link);
		if (s->walk[part->index].is_done)
			fetcher_remove(&s->fetcher, part);
	}
	return s->fetcher.npart == 0 || fetcher_is_done(&s->fetcher);
}

/* Read the partitions that the fetcher has, up to their stops. */
static int
read_all(struct last_search *s, int64_t *begin, struct err *e)
{
	struct fetcher *f = &s->fetcher;
	struct fetched *ch;
	int got = 0;
	while (got == 0 && !drop_done(s)) {
		fetcher_wait(f, -1, 0, -1);
		while (got == 0 && (ch = fetcher_take(f))) {
			if (!s->walk[ch->part->index].is_done)
				got = take(s, ch, begin, e);
			fetcher_give_back(f, ch);
		}
		if (got == 0 && f->is_failed) {
			*e = f->err;
			got = -1;
		}
		if (got == 0 && f->cluster->is_woken)
			got = err_set(e, ERR_RETRY, "interrupted");
	}
	LIST_EACH(l, &f->part)
		fetcher_remove(f, CONTAINER_OF(l, struct fetcher_part, link));
	return got;
}

/* The next step back of every partition that lacks records.  Returns how many do. */
static int
step_back(struct last_search *s)
{
	const struct last *l = s->l;
	int n = 0;
	for (int32_t i = 0; i < l->npart; i++) {
		struct last_walk *w = &s->walk[i];
		if (w->is_done || w->seen >= l->count || w->low <= l->first[i])
			continue;
		int64_t stop = w->low;
		w->step = MAX(l->count - w->seen, 2 * w->step);
		w->low = stop - l->first[i] > w->step ? stop - w->step : l->first[i];
		fetcher_add(&s->fetcher, l->topic, i, w->low, stop);
		n++;
	}
	return n;
}

/* Where there are more than wanted, the first ones are to be skipped. */
static int
list_skips(struct last_search *s, int64_t *begin)
{
	const struct last *l = s->l;
	int n = 0;
	for (int32_t i = 0; i < l->npart; i++) {
		struct last_walk *w = &s->walk[i];
		if (w->is_done)
			continue;
		begin[i] = w->low;
		w->skip = w->seen - l->count;
		w->is_done = w->skip <= 0;
		if (w->is_done)
			continue;
		fetcher_add(&s->fetcher, l->topic, i, w->low, l->end[i]);
		n++;
	}
	return n;
}

int
last_find(struct cluster *cl, const struct last *l, int64_t *begin, struct err *e)
{
	struct last_search s = { .l = l, .iter = FETCH_ITER_INIT };
	struct fetcher_opts o;
	fetcher_opts_init(&o);
	o.is_committed = l->is_committed;
	fetcher_init(&s.fetcher, cl, &o);
	s.walk = mem_alloc(((size_t)l->npart + 1) * sizeof *s.walk);
	for (int32_t i = 0; i < l->npart; i++) {
		s.walk[i].low = l->end[i];
		s.walk[i].is_done = (l->wants && !l->wants[i]) || i >= l->topic->npart;
	}
	int got = 0;
	while (got == 0 && step_back(&s) > 0)
		got = read_all(&s, NULL, e);
	if (got == 0 && list_skips(&s, begin) > 0)
		got = read_all(&s, begin, e);
	/* Requests for partitions that were found early.  When we are to end, they may
	 * be answered late or never. */
	while (s.fetcher.nrequest > 0 && !cl->is_woken)
		cluster_wait(cl, -1, 0, -1);
	if (s.fetcher.nrequest > 0)
		cluster_disconnect(cl);
	fetch_iter_release(&s.iter);
	fetcher_release(&s.fetcher);
	mem_free(s.walk);
	return got;
}
