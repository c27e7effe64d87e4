#include "stream/store.h"

/* An entry; one that was removed stays, as a change, until store_clean. */
struct store_rec {
	struct str key, value;
	void *block;              /* of the value */
	int64_t ts_ms;
	bool is_dirty, is_gone;
	bool is_logged;           /* it was there at the last store_clean */
};

struct store {
	struct store *next;
	struct store_set *set;
	char *name;
	struct store_rec **rec;   /* ordered by key */
	size_t nrec, cap;
	struct store_rec **dirty; /* by first change */
	size_t ndirty, dirty_cap;
	int64_t count;
	size_t memory;
};

struct store_set {
	struct store *stores;
	size_t memory_max;
	bool is_failed;
	struct err err;
};

struct store_iter {
	struct store *store;
	struct buf last;          /* the key that was seen last, or the first bound */
	struct buf end;
	bool has_last, has_bound, has_end, is_back;
};

struct store_set *
store_set_new(const struct store_set_opts *o, struct err *e)
{
	(void)e;
	struct store_set *set = NEW(struct store_set);
	set->memory_max = o->dir ? 0 : o->memory_max;
	return set;
}

static void
rec_free(struct store_rec *rec)
{
	mem_free(rec->block);
	mem_free(rec);
}

static void
empty(struct store *store)
{
	for (size_t i = 0; i < store->nrec; i++)
		rec_free(store->rec[i]);
	store->nrec = store->ndirty = 0;
	store->count = 0;
	store->memory = 0;
}

void
store_set_free(struct store_set *set)
{
	while (set && set->stores) {
		struct store *store = set->stores;
		set->stores = store->next;
		empty(store);
		mem_free(store->rec);
		mem_free(store->dirty);
		mem_free(store->name);
		mem_free(store);
	}
	mem_free(set);
}

bool
store_set_is_failed(const struct store_set *set, struct err *e)
{
	if (set->is_failed)
		*e = set->err;
	return set->is_failed;
}

size_t
store_set_memory(const struct store_set *set)
{
	size_t n = 0;
	for (const struct store *store = set->stores; store; store = store->next)
		n += store->memory + (store->cap + store->dirty_cap) * sizeof(void *);
	return n;
}

struct store *
store_open(struct store_set *set, const char *name, enum store_order order, struct err *e)
{
	(void)order;
	(void)e;
	struct store *store = NEW(struct store);
	store->set = set;
	store->name = mem_strdup(name);
	store->next = set->stores;
	set->stores = store;
	return store;
}

/* ---- entries ---- */

/* The index of the first entry with key >= s, or > s if is_after. */
static size_t
find(const struct store *store, struct str key, bool is_after)
{
	size_t from = 0, to = store->nrec;
	while (from < to) {
		size_t i = (from + to) / 2;
		int rc = str_cmp(store->rec[i]->key, key);
		if (rc < 0 || (is_after && rc == 0))
			from = i + 1;
		else
			to = i;
	}
	return from;
}

static struct store_rec *
look_up(struct store *store, struct str key)
{
	size_t i = find(store, key, false);
	return i < store->nrec && str_eq(store->rec[i]->key, key) ? store->rec[i] : NULL;
}

static void
set_dirty(struct store *store, struct store_rec *rec)
{
	if (rec->is_dirty)
		return;
	rec->is_dirty = true;
	if (store->ndirty == store->dirty_cap) {
		store->dirty_cap = store->dirty_cap ? store->dirty_cap * 2 : 64;
		store->dirty = mem_realloc(store->dirty, store->dirty_cap * sizeof(void *));
	}
	store->dirty[store->ndirty++] = rec;
}

static struct store_rec *
add(struct store *store, struct str key)
{
	assert(key.n >= 0);
	size_t i = find(store, key, false);
	if (i < store->nrec && str_eq(store->rec[i]->key, key)) {
		if (store->rec[i]->is_gone)
			store->count++;
		return store->rec[i];
	}
	struct store_rec *rec = mem_alloc(sizeof *rec + (size_t)key.n);
	if (key.n)
		memcpy(rec + 1, key.p, (size_t)key.n);
	rec->key = (struct str){ (const uint8_t *)(rec + 1), key.n };
	rec->is_gone = true;
	if (store->nrec == store->cap) {
		store->cap = store->cap ? store->cap * 2 : 64;
		store->rec = mem_realloc(store->rec, store->cap * sizeof(void *));
	}
	memmove(store->rec + i + 1, store->rec + i, (store->nrec - i) * sizeof(void *));
	store->rec[i] = rec;
	store->nrec++;
	store->count++;
	store->memory += sizeof *rec + (size_t)key.n;
	return rec;
}

static void
set_value(struct store *store, struct store_rec *rec, struct str value)
{
	void *block = mem_alloc((size_t)value.n);
	if (value.n && value.p)
		memcpy(block, value.p, (size_t)value.n);
	if (rec->block)
		store->memory -= (size_t)rec->value.n;
	mem_free(rec->block);
	rec->block = block;
	rec->value = (struct str){ block, value.n };
	store->memory += (size_t)value.n;
	rec->is_gone = false;
}

static void
check_limit(struct store_set *set)
{
	if (set->memory_max && !set->is_failed && store_set_memory(set) > set->memory_max) {
		set->is_failed = true;
		err_set(&set->err, ERR_LIMIT, "the state is larger than the memory limit of %zu bytes",
			set->memory_max);
	}
}

bool
store_get(struct store *store, struct str key, struct store_entry *out)
{
	struct store_rec *rec = look_up(store, key);
	if (!rec || rec->is_gone)
		return false;
	*out = (struct store_entry){ rec->key, rec->value, rec->ts_ms };
	return true;
}

void
store_put(struct store *store, struct str key, struct str value, int64_t ts_ms)
{
	assert(value.n >= 0);
	struct store_rec *rec = add(store, key);
	set_value(store, rec, value);
	rec->ts_ms = ts_ms;
	set_dirty(store, rec);
	check_limit(store->set);
}

void
store_remove(struct store *store, struct str key)
{
	struct store_rec *rec = look_up(store, key);
	if (!rec || rec->is_gone)
		return;
	rec->is_gone = true;
	store->count--;
	set_dirty(store, rec);
}

void *
store_slot(struct store *store, struct str key, int32_t n, int64_t **ts_ms, bool *is_new)
{
	struct store_rec *rec = add(store, key);
	*is_new = rec->is_gone;
	if (rec->is_gone) {
		set_value(store, rec, (struct str){ NULL, n });
		rec->ts_ms = INT64_MIN;
	}
	assert(rec->value.n == n);
	set_dirty(store, rec);
	check_limit(store->set);
	*ts_ms = &rec->ts_ms;
	return rec->block;
}

void
store_prefetch(struct store *store, struct str key)
{
	(void)store;
	(void)key;
}

/* ---- scans ---- */

static struct store_iter *
iter_new(struct store *store, struct str from, struct str end, bool is_back)
{
	struct store_iter *it = NEW(struct store_iter);
	it->store = store;
	it->is_back = is_back;
	it->has_bound = from.n >= 0;
	it->has_end = end.n >= 0;
	buf_put_str(&it->last, from);
	buf_put_str(&it->end, end);
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
	return iter_new(store, to, from, true);
}

/* The entry after the last one, in the scan's direction; NULL: none. */
static struct store_rec *
step(struct store_iter *it)
{
	struct store *store = it->store;
	size_t i;
	if (it->is_back) {
		i = it->has_last || it->has_bound ? find(store, buf_str(&it->last), false)
						  : store->nrec;
		while (i > 0 && store->rec[i - 1]->is_gone)
			i--;
		return i > 0 ? store->rec[i - 1] : NULL;
	}
	i = it->has_last || it->has_bound ? find(store, buf_str(&it->last), it->has_last) : 0;
	while (i < store->nrec && store->rec[i]->is_gone)
		i++;
	return i < store->nrec ? store->rec[i] : NULL;
}

bool
store_iter_next(struct store_iter *it, struct store_entry *out)
{
	struct store_rec *rec = step(it);
	if (!rec)
		return false;
	if (it->has_end) {
		int rc = str_cmp(rec->key, buf_str(&it->end));
		if (it->is_back ? rc < 0 : rc >= 0)
			return false;
	}
	it->has_last = true;
	buf_reset(&it->last);
	buf_put_str(&it->last, rec->key);
	*out = (struct store_entry){ rec->key, rec->value, rec->ts_ms };
	return true;
}

void
store_iter_free(struct store_iter *it)
{
	buf_release(&it->last);
	buf_release(&it->end);
	mem_free(it);
}

bool
store_first(struct store *store, struct str from, struct store_entry *out)
{
	struct store_iter *it = store_scan(store, from, STR_NULL);
	bool is_found = store_iter_next(it, out);
	store_iter_free(it);
	return is_found;
}

int64_t
store_count(struct store *store)
{
	return store->count;
}

/* ---- changes ---- */

/* Free the entries that are gone and keep the others. */
static void
sweep(struct store *store)
{
	size_t n = 0;
	for (size_t i = 0; i < store->nrec; i++) {
		struct store_rec *rec = store->rec[i];
		if (rec->is_gone && !rec->is_dirty) {
			store->memory -= sizeof *rec + (size_t)rec->key.n + (size_t)rec->value.n;
			rec_free(rec);
		} else {
			store->rec[n++] = rec;
		}
	}
	store->nrec = n;
}

void
store_forget_before(struct store *store, struct str to)
{
	size_t n = 0, end = find(store, to, false);
	for (size_t i = 0; i < end; i++) {
		store->count -= !store->rec[i]->is_gone;
		store->rec[i]->is_gone = true;
	}
	for (size_t i = 0; i < store->ndirty; i++) {
		if (str_cmp(store->dirty[i]->key, to) < 0)
			store->dirty[i]->is_dirty = false;
		else
			store->dirty[n++] = store->dirty[i];
	}
	store->ndirty = n;
	if (end)
		sweep(store);
}

int
store_changes(struct store *store, store_change_fn *fn, void *arg, struct err *e)
{
	for (size_t i = 0; i < store->ndirty; i++) {
		const struct store_rec *rec = store->dirty[i];
		if (rec->is_gone && !rec->is_logged)
			continue;
		struct store_entry entry = { rec->key, rec->value, rec->ts_ms };
		if (rec->is_gone)
			entry.value = STR_NULL;
		if (fn(arg, &entry, e) < 0)
			return -1;
	}
	return 0;
}

void
store_clean(struct store *store)
{
	for (size_t i = 0; i < store->ndirty; i++) {
		store->dirty[i]->is_dirty = false;
		store->dirty[i]->is_logged = !store->dirty[i]->is_gone;
	}
	bool is_any = store->ndirty;
	store->ndirty = 0;
	if (is_any)
		sweep(store);
}

int
store_set_checkpoint(struct store_set *set, struct str text, struct err *e)
{
	(void)set;
	(void)text;
	return err_set(e, ERR_USAGE, "no checkpoints yet");
}

struct str
store_set_checkpoint_text(const struct store_set *set)
{
	(void)set;
	return STR_NULL;
}

int
store_set_reset(struct store_set *set, struct err *e)
{
	(void)e;
	for (struct store *store = set->stores; store; store = store->next)
		empty(store);
	return 0;
}
