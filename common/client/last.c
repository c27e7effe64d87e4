#include "client/last.h"

/* One partition: the records from low up to the end are counted, or being so. */
struct last_walk {
	int64_t low, step;
	int64_t seen;
	int64_t skip;  /* in the second pass: records still before the wanted ones */
	bool is_done;
};

struct last_search {
	const struct last *last;
	struct last_walk *walk;
	struct fetcher fetcher;
	struct fetch_iter iter;
};

/* Count what has come.  In the second pass, that is with begin: find the record
 * behind those to be skipped. */
static int
take(struct last_search *search, struct fetched *chunk, int64_t *begin, struct err *e)
{
	struct last_walk *walk = &search->walk[chunk->part->index];
	struct record rec;
	int rc;
	if (chunk->is_out_of_range || chunk->is_new_topic)
		return err_set(e, ERR_RETRY, "partition %d of '%s' changed while its last records "
			"were searched", chunk->part->index, search->last->topic->name);
	fetch_iter_begin(&search->iter, &search->fetcher, chunk);
	while ((rc = fetch_iter_next(&search->iter, &rec, e)) > 0) {
		if (!begin) {
			walk->seen++;
		} else if (walk->skip-- == 0) {
			begin[chunk->part->index] = rec.offset;
			walk->is_done = true;
			return 0;
		}
	}
	return rc;
}

/* Stop reading what is found; true when nothing is left. */
static bool
drop_done(struct last_search *search)
{
	LIST_EACH(it, &search->fetcher.part) {
		struct fetcher_part *part = CONTAINER_OF(it, struct fetcher_part, link);
		if (search->walk[part->index].is_done)
			fetcher_remove(&search->fetcher, part);
	}
	return search->fetcher.npart == 0 || fetcher_is_done(&search->fetcher);
}

/* Read the partitions that the fetcher has, up to their stops. */
static int
read_all(struct last_search *search, int64_t *begin, struct err *e)
{
	struct fetcher *f = &search->fetcher;
	struct fetched *chunk;
	int rc = 0;
	while (rc == 0 && !drop_done(search)) {
		fetcher_wait(f, -1, 0, -1);
		while (rc == 0 && (chunk = fetcher_take(f))) {
			if (!search->walk[chunk->part->index].is_done)
				rc = take(search, chunk, begin, e);
			fetcher_give_back(f, chunk);
		}
		if (rc == 0 && f->is_failed) {
			*e = f->err;
			rc = -1;
		}
		if (rc == 0 && f->cluster->is_woken)
			rc = err_set(e, ERR_RETRY, "interrupted");
	}
	LIST_EACH(it, &f->part)
		fetcher_remove(f, CONTAINER_OF(it, struct fetcher_part, link));
	return rc;
}

/* The next step back of every partition that lacks records.  Returns how many do. */
static int
step_back(struct last_search *search)
{
	const struct last *last = search->last;
	int n = 0;
	for (int32_t i = 0; i < last->npart; i++) {
		struct last_walk *walk = &search->walk[i];
		if (walk->is_done || walk->seen >= last->count || walk->low <= last->first[i])
			continue;
		int64_t stop = walk->low;
		walk->step = MAX(last->count - walk->seen, 2 * walk->step);
		walk->low = stop - last->first[i] > walk->step ? stop - walk->step : last->first[i];
		fetcher_add(&search->fetcher, last->topic, i, walk->low, stop);
		n++;
	}
	return n;
}

/* Where there are more than wanted, the first ones are to be skipped. */
static int
list_skips(struct last_search *search, int64_t *begin)
{
	const struct last *last = search->last;
	int n = 0;
	for (int32_t i = 0; i < last->npart; i++) {
		struct last_walk *walk = &search->walk[i];
		if (walk->is_done)
			continue;
		begin[i] = walk->low;
		walk->skip = walk->seen - last->count;
		walk->is_done = walk->skip <= 0;
		if (walk->is_done)
			continue;
		fetcher_add(&search->fetcher, last->topic, i, walk->low, last->end[i]);
		n++;
	}
	return n;
}

int
last_find(struct cluster *cl, const struct last *last, int64_t *begin, struct err *e)
{
	struct last_search search = { .last = last, .iter = FETCH_ITER_INIT };
	struct fetcher_opts o;
	fetcher_opts_init(&o);
	o.is_committed = last->is_committed;
	fetcher_init(&search.fetcher, cl, &o);
	search.walk = mem_alloc(((size_t)last->npart + 1) * sizeof *search.walk);
	for (int32_t i = 0; i < last->npart; i++) {
		search.walk[i].low = last->end[i];
		search.walk[i].is_done = (last->wants && !last->wants[i]) || i >= last->topic->npart;
	}
	int rc = 0;
	while (rc == 0 && step_back(&search) > 0)
		rc = read_all(&search, NULL, e);
	if (rc == 0 && list_skips(&search, begin) > 0)
		rc = read_all(&search, begin, e);
	/* Requests for partitions that were found early.  When we are to end, they may
	 * be answered late or never. */
	while (search.fetcher.nrequest > 0 && !cl->is_woken)
		cluster_wait(cl, -1, 0, -1);
	if (search.fetcher.nrequest > 0)
		cluster_disconnect(cl);
	fetch_iter_release(&search.iter);
	fetcher_release(&search.fetcher);
	mem_free(search.walk);
	return rc;
}
