#include "client/last.h"

/* A partition: the records from offset low to the end are counted, or being counted. */
struct last_walk {
	int64_t low, step;
	int64_t seen;  /* number of records counted */
	int64_t skip;  /* second pass: number of records before the wanted ones */
	bool is_done;
};

struct last_search {
	const struct last *last;
	struct last_walk *walk;
	struct fetcher fetcher;
	struct fetch_iter iter;
};

/* First pass (begin NULL): count the records.  Second pass: find the first record after
 * those to be skipped. */
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

/* Stop reading the partitions that are done.  Returns true if none is left. */
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

/* Read the fetcher's partitions to their stops. */
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

/* Go a step back in every partition with too few records.  Returns how many there are. */
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

/* Start the second pass where more records than wanted were counted. */
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
	/* Requests for partitions that are done.  If we were woken, do not wait for their
	 * responses. */
	while (search.fetcher.nrequest > 0 && !cl->is_woken)
		cluster_wait(cl, -1, 0, -1);
	if (search.fetcher.nrequest > 0)
		cluster_disconnect(cl);
	fetch_iter_release(&search.iter);
	fetcher_release(&search.fetcher);
	mem_free(search.walk);
	return rc;
}
