/*
 * Scans.  A tree is walked, by the last key again if it has changed.  Of a hashed segment a
 * scan takes a sorted list of pointers when it comes there; meanwhile the store is pinned.
 */
#include "stream/store_int.h"

struct store_iter {
	struct store *store;
	bool is_back;
	bool has_from, has_to;
	struct buf from, to;
	bool has_last;
	struct buf last;          /* STORE_TREE: the key that was seen last */

	struct store_at at;       /* STORE_TREE: the next record, if `is_at` and unchanged */
	bool is_at;

	struct store_sort *v;     /* else: the segment's records, in the scan's direction */
	size_t n, i;
	uint64_t seg;             /* the next segment to come */
	bool is_end;              /* there is none */

	struct store_cursor *cursor; /* NULL: memory has all */
	struct store_on_disk disk;   /* the next entry on disk, if there is one */
	bool has_disk;
};

/* ---- memory, hashed ---- */

static bool
is_inside(const struct store_iter *it, struct str key)
{
	return (!it->has_from || str_cmp(key, buf_str(&it->from)) >= 0)
		&& (!it->has_to || str_cmp(key, buf_str(&it->to)) < 0);
}

static void
list_seg(struct store_iter *it, const struct store_seg *seg)
{
	mem_free(it->v);
	it->v = mem_alloc((size_t)seg->hash.n * sizeof *it->v);
	it->n = it->i = 0;
	for (struct store_chunk *chunk = seg->region.first; chunk; chunk = chunk->next) {
		CHUNK_EACH(rec, chunk) {
			if (rec->flags & (REC_OUT | REC_GONE) || !is_inside(it, rec_key(rec)))
				continue;
			it->v[it->n++].rec = rec;
		}
	}
	assert(it->n <= (size_t)seg->hash.n);
	store_sort_heads(it->v, it->n);
	for (size_t i = 0, j = it->n; it->is_back && i + 1 < j; i++) {
		struct store_sort swap = it->v[i];
		it->v[i] = it->v[--j];
		it->v[j] = swap;
	}
}

/* Take the next segment that has records within the bounds; false: there is none. */
static bool
next_seg(struct store_iter *it)
{
	const struct store *store = it->store;
	if (it->is_end)
		return false;
	size_t i = store_seg_index(store, it->seg);
	if (it->is_back && (i == store->nseg || store->seg[i]->id > it->seg))
		i--; /* SIZE_MAX: none */
	if (i >= store->nseg) {
		it->is_end = true;
		return false;
	}
	const struct store_seg *seg = store->seg[i];
	list_seg(it, seg);
	it->is_end = seg->id == (it->is_back ? 0 : UINT64_MAX);
	it->seg = it->is_back ? seg->id - 1 : seg->id + 1;
	return true;
}

static struct store_rec *
peek_hash(struct store_iter *it)
{
	do {
		for (; it->i < it->n; it->i++) {
			struct store_rec *rec = it->v[it->i].rec;
			while (rec && rec->flags & REC_OUT)
				rec = rec->next;
			it->v[it->i].rec = rec;
			if (rec && !(rec->flags & REC_GONE))
				return rec;
		}
	} while (next_seg(it));
	return NULL;
}

/* ---- memory, a tree ---- */

static struct store_rec *
seek_tree(struct store_iter *it)
{
	const struct store_tree *tree = &it->store->tree;
	struct str last = it->has_last ? buf_str(&it->last) : STR_NULL;
	if (it->is_back) {
		if (!it->has_last && it->has_to)
			last = buf_str(&it->to);
		return store_tree_seek_back(tree, last, &it->at);
	}
	if (!it->has_last && it->has_from)
		return store_tree_seek(tree, buf_str(&it->from), false, &it->at);
	return store_tree_seek(tree, last, it->has_last, &it->at);
}

static struct store_rec *
peek_tree(struct store_iter *it)
{
	struct store_rec *rec;
	if (it->is_at && it->at.version == it->store->tree.version)
		rec = store_at_rec(&it->at);
	else
		rec = seek_tree(it);
	it->is_at = true;
	while (rec && rec->flags & REC_GONE)
		rec = it->is_back ? store_tree_prev(&it->at) : store_tree_next(&it->at);
	return rec && is_inside(it, rec_key(rec)) ? rec : NULL;
}

/* ---- both ---- */

static struct store_rec *
peek(struct store_iter *it)
{
	return it->store->order == STORE_TREE ? peek_tree(it) : peek_hash(it);
}

static void
step(struct store_iter *it)
{
	if (it->store->order != STORE_TREE) {
		/* In the order of keys, entries are anywhere in memory. */
		if (++it->i + AHEAD < it->n) {
			const uint8_t *p = (const uint8_t *)it->v[it->i + AHEAD].rec;
			__builtin_prefetch(p);
			__builtin_prefetch(p + 55);
		}
	} else if (it->is_back)
		store_tree_prev(&it->at);
	else
		store_tree_next(&it->at);
}

static struct store_iter *
iter_new(struct store *store, struct str from, struct str to, bool is_back)
{
	struct store_iter *it = NEW(struct store_iter);
	it->store = store;
	it->is_back = is_back;
	it->has_from = from.n >= 0;
	it->has_to = to.n >= 0;
	buf_put_str(&it->from, from);
	buf_put_str(&it->to, to);
	if (is_back)
		it->seg = it->has_to ? store_seg_id(store, to) : UINT64_MAX;
	else
		it->seg = store_seg_id(store, from);
	store_pin(store);
	if (!store->is_whole)
		it->cursor = store_cursor_open(store, from, to, is_back);
	return it;
}

struct store_iter *
store_scan(struct store *store, struct str from, struct str to)
{
	return iter_new(store, from, to, false);
}

struct store_iter *
store_scan_back(struct store *store, struct str from, struct str to)
{
	return iter_new(store, from, to, true);
}

/* Is the next entry on disk before the record?  One with the same key is left out: memory
 * has it as it is now. */
static bool
is_disk_next(struct store_iter *it, const struct store_rec *rec)
{
	for (;;) {
		if (!it->has_disk)
			it->has_disk = store_cursor_next(it->cursor, &it->disk);
		if (!it->has_disk || !rec)
			return it->has_disk;
		int rc = str_cmp(it->disk.key, rec_key(rec));
		if (rc != 0)
			return it->is_back ? rc > 0 : rc < 0;
		it->has_disk = false;
	}
}

/* The next entry; a record of memory that the scan has not listed, because it was added
 * since, is looked up. */
static bool
next_entry(struct store_iter *it, struct store_entry *out)
{
	struct store_rec *rec = peek(it);
	while (it->cursor && is_disk_next(it, rec)) {
		struct store_place place;
		struct store_rec *late = store_look_up(it->store, it->disk.key, &place);
		it->has_disk = false;
		if (late && late->flags & REC_GONE)
			continue;
		*out = late ? rec_entry(late) : (struct store_entry){ it->disk.key,
			it->disk.value, it->disk.ts_ms };
		return true;
	}
	if (!rec)
		return false;
	rec->flags |= REC_USED;
	*out = rec_entry(rec);
	step(it);
	return true;
}

bool
store_iter_next(struct store_iter *it, struct store_entry *out)
{
	if (it->store->set->is_failed || !next_entry(it, out))
		return false;
	if (it->store->order == STORE_TREE) {
		it->has_last = true;
		buf_reset(&it->last);
		buf_put_str(&it->last, out->key);
	}
	return true;
}

void
store_iter_free(struct store_iter *it)
{
	if (!it)
		return;
	store_unpin(it->store);
	store_cursor_close(it->cursor);
	mem_free(it->v);
	buf_release(&it->from);
	buf_release(&it->to);
	buf_release(&it->last);
	mem_free(it);
}

/* The first entry of a tree that is all in memory. */
static bool
first_in_tree(struct store *store, struct str from, struct str start, struct store_entry *out)
{
	struct store_at at;
	struct store_rec *rec = store_tree_seek(&store->tree, start, false, &at);
	int ngone = 0;
	for (; rec && rec->flags & REC_GONE; ngone++)
		rec = store_tree_next(&at);
	if (store->set->is_failed)
		return false;
	if (ngone)
		store_gaps_note(store, from, rec ? rec_key(rec) : STR_NULL);
	if (rec)
		*out = rec_entry(rec);
	return rec;
}

bool
store_first(struct store *store, struct str from, struct store_entry *out)
{
	struct str start = from;
	if (!store_gaps_skip(store, &start))
		return false;
	if (store->order == STORE_TREE && store->is_whole)
		return first_in_tree(store, from, start, out);
	/* What the scan returned goes with it: look the entry up, by a copy of its key. */
	struct buf *b = &store->set->scratch;
	struct store_iter *it = store_scan(store, start, STR_NULL);
	bool is_found = store_iter_next(it, out);
	buf_reset(b);
	if (is_found)
		buf_put_str(b, out->key);
	store_iter_free(it);
	if (!store->set->is_failed)
		store_gaps_note(store, from, is_found ? buf_str(b) : STR_NULL);
	return is_found && store_get(store, buf_str(b), out);
}
