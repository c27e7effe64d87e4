#include "stream/store_int.h"

#include "sys/rand.h"

/* ---- segments ---- */

uint64_t
store_seg_id(const struct store *store, struct str key)
{
	if (store->order != STORE_SEGMENTS)
		return 0;
	if (key.n >= 8)
		return load_be64(key.p);
	uint8_t p[8] = { 0 };
	if (key.n > 0)
		memcpy(p, key.p, (size_t)key.n);
	return load_be64(p);
}

/* The index of the first segment with an id >= id. */
size_t
store_seg_index(const struct store *store, uint64_t id)
{
	size_t from = 0, to = store->nseg;
	while (from < to) {
		size_t i = (from + to) / 2;
		if (store->seg[i]->id < id)
			from = i + 1;
		else
			to = i;
	}
	return from;
}

static struct store_seg *
find_seg(struct store *store, uint64_t id)
{
	if (likely(store->last && store->last->id == id))
		return store->last;
	size_t i = store_seg_index(store, id);
	if (i == store->nseg || store->seg[i]->id != id)
		return NULL;
	return store->last = store->seg[i];
}

static struct store_seg *
add_seg(struct store *store, uint64_t id)
{
	struct store_pool *pool = &store->set->pool;
	size_t i = store_seg_index(store, id);
	if (store->nseg == store->seg_cap) {
		size_t cap = store->seg_cap ? store->seg_cap * 2 : 4;
		store->seg = mem_realloc(store->seg, cap * sizeof(void *));
		pool->used += (cap - store->seg_cap) * sizeof(void *);
		store->seg_cap = cap;
	}
	struct store_seg *seg = store_pool_get(pool, sizeof *seg);
	*seg = (struct store_seg){ .id = id, .region.pool = pool, .hash.pool = pool };
	seg->region.is_pinned = store->nscan > 0 && store->order != STORE_TREE;
	memmove(store->seg + i + 1, store->seg + i, (store->nseg - i) * sizeof(void *));
	store->seg[i] = seg;
	store->nseg++;
	return store->last = seg;
}

static void
free_seg(struct store *store, struct store_seg *seg)
{
	store_region_release(&seg->region);
	store_hash_release(&seg->hash);
	store_pool_put(&store->set->pool, seg, sizeof *seg);
}

/* While a scan is open, it may have pointers to the records. */
static void
free_seg_later(struct store *store, struct store_seg *seg)
{
	for (struct store_chunk *chunk = seg->region.first; chunk; chunk = chunk->next) {
		CHUNK_EACH(rec, chunk) {
			if (!(rec->flags & REC_OUT)) {
				rec->flags = REC_OUT;
				rec->next = NULL;
			}
		}
	}
	seg->next = store->limbo;
	store->limbo = seg;
}

static void
drop_seg(struct store *store, struct store_seg *seg)
{
	size_t i = store_seg_index(store, seg->id);
	assert(store->seg[i] == seg);
	memmove(store->seg + i, store->seg + i + 1, (store->nseg - i - 1) * sizeof(void *));
	store->nseg--;
	store->last = NULL;
	if (store->nscan)
		free_seg_later(store, seg);
	else
		free_seg(store, seg);
}

/* Segments that are empty go, once no scan is open. */
static void
drop_empty(struct store *store, struct store_seg *seg)
{
	if (store->order == STORE_SEGMENTS && !seg->hash.n && !store->nscan)
		drop_seg(store, seg);
}

void
store_pin(struct store *store)
{
	store->nscan++;
	store->set->nscan++;
	for (size_t i = 0; store->order != STORE_TREE && i < store->nseg; i++)
		store->seg[i]->region.is_pinned = true;
}

void
store_unpin(struct store *store)
{
	store->set->nscan--;
	if (--store->nscan)
		return;
	for (size_t i = store->nseg; i-- > 0;) {
		store_region_unpin(&store->seg[i]->region);
		drop_empty(store, store->seg[i]);
	}
	while (store->limbo) {
		struct store_seg *seg = store->limbo;
		store->limbo = seg->next;
		free_seg(store, seg);
	}
}

/* ---- sets ---- */

struct store_set *
store_set_new(const struct store_set_opts *o, struct err *e)
{
	struct store_set *set = NEW(struct store_set);
	set->memory_max = o->memory_max;
	set->is_plain = o->is_plain;
	set->pool.chunk_max = STORE_BLOCK;
	while (o->memory_max && set->pool.chunk_max > MAX(o->memory_max / 64, (size_t)4096))
		set->pool.chunk_max /= 2;
	set->trim_at = o->memory_max;
	rand_bytes(&set->seed, sizeof set->seed);
	if (!o->dir || (set->disk = store_disk_open(set, o, e)))
		return set;
	store_set_free(set);
	return NULL;
}

void
store_empty(struct store *store)
{
	assert(!store->nscan);
	while (store->nseg)
		drop_seg(store, store->seg[store->nseg - 1]);
	store_tree_release(&store->tree);
	store->set->pool.used -= store->change_cap * sizeof(void *);
	mem_free(store->change);
	store->change = NULL;
	store->nchange = store->nclean = store->nhole = store->change_cap = 0;
	store->count = 0;
	store->is_whole = true;
	store->is_cold = false;
	store->has_filter = true;
	store_filter_release(store);
	buf_reset(&store->warm);
	buf_reset(&store->base_low);
	buf_reset(&store->spill_low);
	store_gaps_release(store);
	if (store->order != STORE_SEGMENTS)
		add_seg(store, 0);
}

static void
store_free(struct store *store)
{
	store_empty(store);
	while (store->nseg)
		drop_seg(store, store->seg[0]);
	mem_free(store->seg);
	mem_free(store->name);
	buf_release(&store->warm);
	buf_release(&store->base_low);
	buf_release(&store->spill_low);
	mem_free(store);
}

void
store_set_free(struct store_set *set)
{
	while (set && set->stores) {
		struct store *store = set->stores;
		set->stores = store->next;
		store_free(store);
	}
	if (set) {
		buf_release(&set->scratch);
		store_disk_close(set->disk);
	}
	mem_free(set);
}

const char *
store_set_notice(const struct store_set *set)
{
	return set->disk ? store_disk_notice(set->disk) : NULL;
}

void
store_fail(struct store_set *set, const struct err *e)
{
	if (!set->is_failed)
		set->err = *e;
	set->is_failed = true;
}

bool
store_set_is_failed(const struct store_set *set, struct err *e)
{
	if (set->is_failed)
		*e = set->err;
	return set->is_failed;
}

bool
store_set_is_plain(const struct store_set *set)
{
	return set->is_plain;
}

size_t
store_set_memory(const struct store_set *set)
{
	return store_pool_memory(&set->pool);
}

struct store *
store_open(struct store_set *set, const char *name, enum store_order order, struct err *e)
{
	struct store *store = NEW(struct store);
	store->set = set;
	store->name = mem_strdup(name);
	store->order = order;
	store->tree.pool = &set->pool;
	store_empty(store);
	store->next = set->stores;
	set->stores = store;
	/* A store that fails to open is freed with the set, as the others. */
	return set->disk && store_disk_add(store, e) < 0 ? NULL : store;
}

/* ---- the index ---- */

struct store_rec *
store_look_up(struct store *store, struct str key, struct store_place *place)
{
	if (store->order == STORE_TREE) {
		place->seg = store->seg[0];
		return store_tree_find(&store->tree, key);
	}
	place->hash = store_hash_of(store->set->seed, key);
	place->seg = find_seg(store, store_seg_id(store, key));
	return place->seg ? store_hash_find(&place->seg->hash, key, place->hash) : NULL;
}

static void
index_add(struct store *store, struct store_rec *rec, const struct store_place *place)
{
	if (store->order == STORE_TREE)
		store_tree_add(&store->tree, rec);
	else
		store_hash_add(&place->seg->hash, rec, place->hash, store->set->seed);
}

struct store_place
store_place_of(struct store *store, const struct store_rec *rec)
{
	struct store_place place = { .hash = 0 };
	if (store->order != STORE_TREE)
		place.hash = store_hash_of(store->set->seed, rec_key(rec));
	place.seg = find_seg(store, store_seg_id(store, rec_key(rec)));
	assert(place.seg);
	return place;
}

/* ---- changes ---- */

/* Take the NULLs out. */
static void
squeeze(struct store *store)
{
	size_t n = 0, nclean = 0;
	for (size_t i = 0; i < store->nchange; i++) {
		if (i == store->nclean)
			nclean = n;
		if (store->change[i]) {
			store->change[n++] = store->change[i];
			store->change[n - 1]->change = (uint32_t)n;
		}
	}
	store->nclean = store->nclean == store->nchange ? n : nclean;
	store->nchange = n;
	store->nhole = 0;
}

static void
unlist(struct store *store, struct store_rec *rec)
{
	if (!rec->change)
		return;
	assert(store->change[rec->change - 1] == rec);
	store->change[rec->change - 1] = NULL;
	store->nhole++;
	rec->change = 0;
}

/* The record changes now: it is the last one of the dirty ones, if it is not one yet. */
static void
touch(struct store *store, struct store_rec *rec)
{
	rec->flags |= REC_STALE | REC_USED;
	if (store->set->is_plain || store_is_dirty(store, rec))
		return;
	unlist(store, rec);
	if (store->nchange == store->change_cap && store->nhole > store->nchange / 2)
		squeeze(store);
	if (store->nchange == store->change_cap) {
		size_t cap = store->change_cap ? store->change_cap * 2 : 64;
		assert(cap <= UINT32_MAX);
		store->change = mem_realloc(store->change, cap * sizeof(void *));
		store->set->pool.used += (cap - store->change_cap) * sizeof(void *);
		store->change_cap = cap;
	}
	store->change[store->nchange++] = rec;
	rec->change = (uint32_t)store->nchange;
}

void
store_unlink(struct store *store, struct store_rec *rec)
{
	struct store_place place = store_place_of(store, rec);
	unlist(store, rec);
	if (store->order == STORE_TREE)
		store_tree_remove(&store->tree, rec);
	else
		store_hash_remove(&place.seg->hash, rec, place.hash);
	store_region_put(&place.seg->region, rec, NULL);
	drop_empty(store, place.seg);
}

void
store_relink(struct store *store, const struct store_place *place, struct store_rec *old,
	struct store_rec *rec)
{
	rec->ts_ms = old->ts_ms;
	rec->flags = old->flags;
	rec->change = old->change;
	if (rec->change)
		store->change[rec->change - 1] = rec;
	if (store->order == STORE_TREE)
		store_tree_replace(&store->tree, old, rec);
	else
		store_hash_replace(&place->seg->hash, old, rec, place->hash);
	store_region_put(&place->seg->region, old, rec);
}

int
store_changes(struct store *store, store_change_fn *fn, void *arg, struct err *e)
{
	for (size_t i = store->nclean; i < store->nchange; i++) {
		if (i + AHEAD < store->nchange && store->change[i + AHEAD])
			__builtin_prefetch(store->change[i + AHEAD]);
		struct store_rec *rec = store->change[i];
		if (!rec || (rec->flags & (REC_GONE | REC_LOGGED)) == REC_GONE)
			continue;
		struct store_entry entry = rec_entry(rec);
		if (rec->flags & REC_GONE)
			entry.value = STR_NULL;
		if (fn(arg, &entry, e) < 0)
			return -1;
	}
	return 0;
}

/* With a folder, what is clean stays listed until the next checkpoint. */
void
store_clean(struct store *store)
{
	if (store->set->is_plain)
		return;
	for (size_t i = store->nclean; i < store->nchange; i++) {
		if (i + AHEAD < store->nchange && store->change[i + AHEAD])
			__builtin_prefetch(store->change[i + AHEAD], 1);
		struct store_rec *rec = store->change[i];
		if (!rec)
			continue;
		rec->flags |= REC_LOGGED;
		if (rec->flags & REC_GONE)
			rec->flags &= ~(uint32_t)REC_LOGGED & 127;
		if ((rec->flags & (REC_GONE | REC_ON_DISK)) == REC_GONE)
			store_unlink(store, rec);
		else if (!store->set->disk)
			rec->change = 0;
	}
	if (!store->set->disk)
		store->nchange = store->nhole = 0;
	store->nclean = store->nchange;
	store->set->wants_commit = false;
	store->set->trim_at = store->set->memory_max;
}

/* ---- entries ---- */

static bool
is_usable(struct store *store, struct str key)
{
	struct err e;
	assert(key.n >= 0);
	if (unlikely(key.n > REC_KEY_MAX)) {
		err_set(&e, ERR_LIMIT, "store %s: a key has %d bytes, at most %d", store->name,
			key.n, REC_KEY_MAX);
		store_fail(store->set, &e);
	}
	return likely(!store->set->is_failed);
}

static void
check_limit(struct store_set *set)
{
	struct err e;
	if (likely(!set->memory_max || set->disk || set->pool.used <= set->memory_max))
		return;
	err_set(&e, ERR_LIMIT, "the state needs more than its limit of %zu bytes of memory",
		set->memory_max);
	store_fail(set, &e);
}

static void
copy(uint8_t *p, struct str bytes)
{
	if (bytes.n > 0)
		memmove(p, bytes.p, (size_t)bytes.n);
}

/* A record for the key; it is not in the index yet, and its value is not set. */
static struct store_rec *
rec_new(struct store *store, struct store_place *place, struct str key, size_t value_n)
{
	if (!place->seg)
		place->seg = add_seg(store, store_seg_id(store, key));
	store->has_short |= key.n < 8;
	struct store_rec *rec = store_region_get(&place->seg->region, (size_t)key.n, value_n);
	copy(rec->key, key);
	return rec;
}

struct store_rec *
store_load(struct store *store, struct store_place *place, const struct store_on_disk *entry)
{
	struct store_rec *rec = rec_new(store, place, entry->key, (size_t)entry->value.n);
	copy(rec_value(rec), entry->value);
	rec->ts_ms = entry->ts_ms;
	rec->flags = REC_ON_DISK | REC_LOGGED;
	index_add(store, rec, place);
	return rec;
}

/* The entry's record, from memory or disk; one that is gone counts, too. */
static struct store_rec *
fetch(struct store *store, struct str key, struct store_place *place)
{
	struct store_on_disk found;
	struct store_rec *rec = store_look_up(store, key, place);
	if (likely(rec || store->is_whole) || !store_disk_find(store, key, &found))
		return rec;
	return store_load(store, place, &found);
}

bool
store_get(struct store *store, struct str key, struct store_entry *out)
{
	struct store_place place;
	if (!is_usable(store, key))
		return false;
	struct store_rec *rec = fetch(store, key, &place);
	if (!rec || rec->flags & REC_GONE)
		return false;
	rec->flags |= REC_USED;
	*out = rec_entry(rec);
	return true;
}

/* Set the value of the key's record `old`, or of a new one if it is NULL.  A value with no
 * bytes is left as it is.  The arguments may point into the old record, which goes last. */
static struct store_rec *
set_value(struct store *store, struct store_place *place, struct store_rec *old, struct str key,
	struct str value)
{
	size_t n = (size_t)value.n;
	struct store_rec *rec = old;
	bool is_new = !old || old->flags & REC_GONE;
	if (!old || rec_size(old) != rec_size_of((size_t)key.n, n))
		rec = rec_new(store, place, key, n);
	rec->value_n = (uint32_t)n;
	if (value.p)
		copy(rec_value(rec), value);
	if (!old)
		index_add(store, rec, place);
	else if (rec != old)
		store_relink(store, place, old, rec);
	if ((rec->flags & (REC_GONE | REC_LOGGED)) == REC_GONE)
		unlist(store, rec); /* it begins anew */
	if (unlikely(is_new && store->gaps))
		store_gaps_add(store, rec_key(rec));
	store->count += is_new;
	rec->flags &= ~(uint32_t)REC_GONE & 127;
	touch(store, rec);
	check_limit(store->set);
	return rec;
}

void
store_put(struct store *store, struct str key, struct str value, int64_t ts_ms)
{
	struct store_place place;
	assert(value.n >= 0);
	if (!is_usable(store, key))
		return;
	struct store_rec *old = store_look_up(store, key, &place);
	struct store_on_disk found;
	bool is_on_disk = !old && !store->is_whole && store_disk_find(store, key, &found);
	struct store_rec *rec = set_value(store, &place, old, key, value);
	rec->ts_ms = ts_ms;
	if (is_on_disk) {
		rec->flags |= REC_ON_DISK | REC_LOGGED;
		store->count--; /* it was there already */
	}
}

void *
store_slot(struct store *store, struct str key, int32_t n, int64_t **ts_ms, bool *is_new)
{
	struct store_place place;
	struct store_set *set = store->set;
	*is_new = true;
	if (!is_usable(store, key)) {
		buf_reset(&set->scratch);
		*ts_ms = (int64_t *)(void *)buf_grow(&set->scratch, (size_t)n + 8);
		**ts_ms = INT64_MIN;
		return memset(*ts_ms + 1, 0, (size_t)n);
	}
	struct store_rec *rec = fetch(store, key, &place);
	*is_new = !rec || rec->flags & REC_GONE;
	if (*is_new) {
		rec = set_value(store, &place, rec, key, (struct str){ NULL, n });
		rec->ts_ms = INT64_MIN;
		memset(rec_value(rec), 0, (size_t)n);
	} else {
		touch(store, rec);
	}
	assert(rec->value_n == (uint32_t)n);
	*ts_ms = &rec->ts_ms;
	return rec_value(rec);
}

/* A removed entry stays as a change if the changelog has it; its value goes.  NULL: it
 * does not stay, or was not there. */
static struct store_rec *
remove_entry(struct store *store, struct str key)
{
	struct store_place place;
	if (!is_usable(store, key))
		return NULL;
	struct store_rec *rec = fetch(store, key, &place);
	if (!rec || rec->flags & REC_GONE)
		return NULL;
	store->count--;
	if (!(rec->flags & (REC_ON_DISK | REC_LOGGED))) {
		store_unlink(store, rec);
		return NULL;
	}
	if (rec_size(rec) != rec_size_of(rec->key_n, 0)) {
		struct store_rec *small = rec_new(store, &place, rec_key(rec), 0);
		store_relink(store, &place, rec, small);
		rec = small;
	}
	rec->value_n = 0;
	rec->flags |= REC_GONE;
	touch(store, rec);
	return rec;
}

void
store_remove(struct store *store, struct str key)
{
	remove_entry(store, key);
}

void
store_remove_at(struct store *store, struct str key, int64_t ts_ms)
{
	struct store_rec *rec = remove_entry(store, key);
	if (rec)
		rec->ts_ms = ts_ms;
}

/* The slot's cache line now, the record's once the slot is there: with a later call. */
void
store_prefetch(struct store *store, struct str key)
{
	if (store->order == STORE_TREE || key.n < 0)
		return;
	uint64_t id = store_seg_id(store, key), hash = store_hash_of(store->set->seed, key);
	struct store_seg *seg = find_seg(store, id);
	if (seg)
		store_hash_prefetch(&seg->hash, hash);
	uint32_t i = store->nahead++ % AHEAD;
	if (store->nahead > AHEAD && (seg = find_seg(store, store->ahead[i].seg)))
		store_hash_prefetch_rec(&seg->hash, store->ahead[i].hash);
	store->ahead[i].seg = id;
	store->ahead[i].hash = hash;
}

int64_t
store_count(struct store *store)
{
	return store->set->is_failed ? 0 : store->count;
}

/* ---- forgetting ---- */

static void
forget_rec(struct store *store, struct store_rec *rec)
{
	store->count -= !(rec->flags & REC_GONE);
	store_unlink(store, rec);
}

/* All records of a segment; their changes, too. */
static void
forget_seg(struct store *store, struct store_seg *seg)
{
	for (struct store_chunk *chunk = seg->region.first; chunk; chunk = chunk->next) {
		CHUNK_EACH(rec, chunk) {
			if (rec->flags & REC_OUT)
				continue;
			store->count -= !(rec->flags & REC_GONE);
			unlist(store, rec);
		}
	}
	drop_seg(store, seg);
}

static void
forget_in_seg(struct store *store, struct store_seg *seg, struct str to)
{
	size_t n = (size_t)seg->hash.n;
	struct store_rec **v = mem_alloc(n * sizeof(void *));
	store_hash_list(&seg->hash, v);
	for (size_t i = 0; i < n; i++)
		if (str_cmp(rec_key(v[i]), to) < 0)
			forget_rec(store, v[i]);
	mem_free(v);
}

static void
raise_low(struct buf *low, struct str to)
{
	if (str_cmp(buf_str(low), to) >= 0)
		return;
	buf_reset(low);
	buf_put_str(low, to);
}

/* Entries on disk are hidden from now on, and removed when the file is written next. */
static void
forget_on_disk(struct store *store, struct str to)
{
	struct store_on_disk entry;
	struct store_place place;
	if (!store->is_whole) {
		struct store_cursor *cursor = store_cursor_open(store, STR_NULL, to, false);
		while (store_cursor_next(cursor, &entry))
			store->count -= !store_look_up(store, entry.key, &place);
		store_cursor_close(cursor);
	}
	raise_low(&store->base_low, to);
	raise_low(&store->spill_low, to);
}

void
store_forget_before(struct store *store, struct str to)
{
	if (!is_usable(store, to))
		return;
	if (store->set->disk)
		forget_on_disk(store, to);
	if (store->order == STORE_TREE) {
		struct store_at at;
		struct store_rec *rec;
		while ((rec = store_tree_seek(&store->tree, STR_NULL, false, &at))
			&& str_cmp(rec_key(rec), to) < 0)
			forget_rec(store, rec);
		return;
	}
	uint64_t id = store_seg_id(store, to);
	while (store->order == STORE_SEGMENTS && store->nseg && store->seg[0]->id < id)
		forget_seg(store, store->seg[0]);
	struct store_seg *seg = find_seg(store, id);
	if (seg && (store->order == STORE_HASH || to.n != 8 || store->has_short))
		forget_in_seg(store, seg, to);
}

/* ---- checkpoints ---- */

bool
store_set_wants_commit(const struct store_set *set)
{
	return set->wants_commit;
}

int
store_set_checkpoint(struct store_set *set, struct str text, struct err *e)
{
	assert(set->disk);
	assert(!set->is_plain);
	assert(!set->nscan);
	if (store_set_is_failed(set, e))
		return -1;
	return store_disk_checkpoint(set, text, e);
}

struct str
store_set_checkpoint_text(const struct store_set *set)
{
	return set->disk ? store_disk_text(set->disk) : STR_NULL;
}

int
store_set_reset(struct store_set *set, struct err *e)
{
	for (struct store *store = set->stores; store; store = store->next)
		store_empty(store);
	return set->disk ? store_disk_reset(set->disk, e) : 0;
}
