/*
 * What memory has no room for, and checkpoints.
 *
 * Eviction walks through the chunks from the oldest on.  Records that were not used since
 * it came by last, and are not dirty, are victims; they go to spill.mdb unless the disk has
 * them as they are.  Of a chunk with many victims and dead records, the others move to the
 * end, and the chunk is freed.
 */
#include "stream/store_disk.h"

#include <stdlib.h>

/* ---- writing records ---- */

struct write {
	struct store *store;
	struct store_rec **v;
	size_t n;
	struct buf key, data;
};

static void
encode(struct write *write, struct store_rec *rec)
{
	struct store_entry entry = rec_entry(rec);
	struct store_on_disk out = { entry.key, entry.value, entry.ts_ms, rec->flags & REC_GONE };
	if (out.is_gone)
		out.value = STR("");
	store_db_key(&write->key, write->store, out.key);
	store_db_data(&write->data, buf_str(&write->key), &out);
}

static int
write_spill(struct store_db *db, MDB_txn *txn, void *arg)
{
	struct write *write = arg;
	int rc = store_db_purge(db, txn, write->store, buf_str(&write->store->spill_low));
	for (size_t i = 0; i < write->n && !rc; i++) {
		encode(write, write->v[i]);
		rc = store_db_put(db, txn, buf_str(&write->key), buf_str(&write->data));
	}
	return rc;
}

/* LMDB keeps the pages of a transaction on the heap: short ones need little memory.  Should
 * a later one fail, then memory still has what the earlier ones wrote. */
int
store_disk_spill(struct store *store, struct store_rec **v, size_t n, struct err *e)
{
	enum { BATCH = 4096 };
	struct store_db *db = &store->set->disk->spill;
	struct write write = { store, v, 0, BUF_INIT, BUF_INIT };
	int rc = db->env ? 0 : store_db_open(db, e);
	for (size_t i = 0; rc == 0 && i < n; i += write.n) {
		write.v = v + i;
		write.n = MIN(n - i, (size_t)BATCH);
		rc = store_db_write(db, write_spill, &write, e);
		if (rc == 0)
			buf_reset(&store->spill_low);
	}
	buf_release(&write.key);
	buf_release(&write.data);
	return rc;
}

/* ---- checkpoints ---- */

/* Bring the store's entries of spill.mdb over, as they are written there. */
static int
copy_spill(struct store_db *db, MDB_txn *txn, struct write *write)
{
	struct store_db *from = &write->store->set->disk->spill;
	struct str low = buf_str(&write->store->spill_low);
	struct buf range = BUF_INIT;
	struct err e;
	MDB_cursor *cursor;
	MDB_txn *read = store_db_read(from, &e);
	if (!read)
		return MDB_CORRUPTED;
	int rc = mdb_cursor_open(read, from->dbi, &cursor);
	if (rc)
		return rc;
	store_db_from(&range, write->store, STR_NULL);
	MDB_val key = db_val(buf_str(&range)), data;
	rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
	while (rc == 0 && str_has_prefix(db_str(key), buf_str(&range))) {
		struct store_on_disk entry;
		store_db_parse(db_str(key), db_str(data), &entry, &write->data);
		if (str_cmp(entry.key, low) >= 0)
			rc = entry.is_gone ? mdb_del(txn, db->dbi, &key, NULL)
					   : store_db_put(db, txn, db_str(key), db_str(data));
		if (rc == 0 || rc == MDB_NOTFOUND)
			rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	buf_release(&range);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
write_changes(struct store_db *db, MDB_txn *txn, struct write *write)
{
	int rc = 0;
	for (size_t i = 0; i < write->n && !rc; i++) {
		if (i + AHEAD < write->n)
			__builtin_prefetch(write->v[i + AHEAD]);
		encode(write, write->v[i]);
		MDB_val key = db_val(buf_str(&write->key));
		if (!(write->v[i]->flags & REC_GONE))
			rc = store_db_put(db, txn, buf_str(&write->key), buf_str(&write->data));
		else if ((rc = mdb_del(txn, db->dbi, &key, NULL)) == MDB_NOTFOUND)
			rc = 0;
	}
	return rc;
}

static int
write_store(struct store_db *db, MDB_txn *txn, struct write *write)
{
	struct store *store = write->store;
	uint8_t fact[10];
	store_be16(fact, store->id);
	store_be64(fact + 2, (uint64_t)store->count);
	int rc = store_disk_write_fact(db, txn, "store ", store->name,
		(struct str){ fact, sizeof fact });
	if (!rc)
		rc = store_db_purge(db, txn, store, buf_str(&store->base_low));
	if (!rc && store->set->disk->spill.env)
		rc = copy_spill(db, txn, write);
	return rc ? rc : write_changes(db, txn, write);
}

struct store_point {
	struct store_set *set;
	struct str text;
	struct write *write; /* one for each store */
	size_t n;
};

static int
write_checkpoint(struct store_db *db, MDB_txn *txn, void *arg)
{
	struct store_point *point = arg;
	struct store_set *set = point->set;
	uint8_t ids[2];
	store_be16(ids, set->disk->next_id);
	const struct { const char *name; struct str fact; } facts[] = {
		{ "format", STR("1") },
		{ "identity", buf_str(&set->disk->identity) },
		{ "seed", { (const uint8_t *)&set->seed, sizeof set->seed } },
		{ "ids", { ids, sizeof ids } },
		{ "text", point->text },
	};
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(facts) && !rc; i++)
		rc = store_disk_write_fact(db, txn, facts[i].name, NULL, facts[i].fact);
	for (size_t i = 0; i < point->n && !rc; i++)
		rc = write_store(db, txn, &point->write[i]);
	return rc;
}

static void
list_changes(struct write *write, struct store *store)
{
	assert(store->nclean == store->nchange); /* nothing is dirty */
	write->store = store;
	write->v = mem_alloc(store->nchange * sizeof(void *));
	for (size_t i = 0; i < store->nchange; i++)
		if (store->change[i])
			write->v[write->n++] = store->change[i];
	store_sort(write->v, write->n);
}

/* The disk has all now. */
static void
forget_changes(struct write *write)
{
	struct store *store = write->store;
	for (size_t i = 0; i < write->n; i++) {
		if (i + AHEAD < write->n)
			__builtin_prefetch(write->v[i + AHEAD], 1);
		struct store_rec *rec = write->v[i];
		rec->flags |= REC_ON_DISK;
		rec->flags &= ~(uint32_t)REC_STALE & 127;
		rec->change = 0;
		if (rec->flags & REC_GONE)
			store_unlink(store, rec);
	}
	store->nchange = store->nclean = store->nhole = 0;
	buf_reset(&store->base_low);
	buf_reset(&store->spill_low);
}

int
store_disk_checkpoint(struct store_set *set, struct str text, struct err *e)
{
	struct store_disk *disk = set->disk;
	struct store_point point = { .set = set, .text = text };
	for (struct store *store = set->stores; store; store = store->next)
		point.n++;
	point.write = mem_alloc(point.n * sizeof *point.write);
	size_t i = 0;
	for (struct store *store = set->stores; store; store = store->next)
		list_changes(&point.write[i++], store);
	int rc = disk->base.env ? 0 : store_db_open(&disk->base, e);
	if (rc == 0)
		rc = store_db_write(&disk->base, write_checkpoint, &point, e);
	for (i = 0; i < point.n; i++) {
		struct write *write = &point.write[i];
		if (rc == 0)
			forget_changes(write);
		mem_free(write->v);
		buf_release(&write->key);
		buf_release(&write->data);
	}
	mem_free(point.write);
	if (rc < 0)
		return -1;
	buf_reset(&disk->text);
	buf_put_str(&disk->text, text);
	disk->has_text = true;
	return store_db_drop(&disk->spill, e);
}

/* ---- eviction ---- */

struct evict {
	struct store *store;
	bool is_spilling;            /* else only dead records are cleared away */
	size_t wanted, freed;        /* bytes */
	struct store_rec **victim;
	size_t nvictim, victim_cap;
	struct store_chunk **chunk;  /* to be emptied */
	struct store_seg **seg;      /* theirs */
	size_t nchunk, chunk_cap;
};

static bool
is_large(const struct store_chunk *chunk)
{
	return rec_size((const void *)chunk->p) > REC_SMALL_MAX;
}

static void
add_victims(struct evict *evict, struct store_chunk *chunk)
{
	CHUNK_EACH(rec, chunk) {
		if (!(rec->flags & REC_VICTIM) || rec->flags & REC_OUT)
			continue;
		if (evict->nvictim == evict->victim_cap) {
			evict->victim_cap = evict->victim_cap ? evict->victim_cap * 2 : 1024;
			evict->victim = mem_realloc(evict->victim,
				evict->victim_cap * sizeof(void *));
		}
		evict->victim[evict->nvictim++] = rec;
	}
}

static void
look_at_chunk(struct evict *evict, struct store_seg *seg, struct store_chunk *chunk)
{
	size_t gain = 0;
	CHUNK_EACH(rec, chunk) {
		bool is_victim = evict->is_spilling
			&& !(rec->flags & (REC_OUT | REC_USED)) && !store_is_dirty(evict->store, rec);
		if (rec->flags & REC_OUT || is_victim)
			gain += rec_size(rec);
		if (rec->flags & REC_OUT)
			continue;
		rec->flags &= ~(uint32_t)(REC_VICTIM | (evict->is_spilling ? REC_USED : 0)) & 127;
		rec->flags |= is_victim ? REC_VICTIM : 0;
	}
	if (gain < chunk->n / (evict->is_spilling ? 2 : 4) || gain == 0)
		return;
	if (evict->is_spilling)
		add_victims(evict, chunk);
	evict->freed += gain;
	if (is_large(chunk))
		return;
	if (evict->nchunk == evict->chunk_cap) {
		evict->chunk_cap = evict->chunk_cap ? evict->chunk_cap * 2 : 64;
		evict->chunk = mem_realloc(evict->chunk, evict->chunk_cap * sizeof(void *));
		evict->seg = mem_realloc(evict->seg, evict->chunk_cap * sizeof(void *));
	}
	evict->chunk[evict->nchunk] = chunk;
	evict->seg[evict->nchunk++] = seg;
}

/* Those that the disk does not have, or has otherwise, are written. */
static int
write_victims(struct evict *evict, struct err *e)
{
	struct store_rec **v = mem_alloc(evict->nvictim * sizeof(void *));
	size_t n = 0;
	for (size_t i = 0; i < evict->nvictim; i++)
		if (evict->victim[i]->flags & REC_STALE)
			v[n++] = evict->victim[i];
	store_sort(v, n);
	int rc = n ? store_disk_spill(evict->store, v, n, e) : 0;
	mem_free(v);
	return rc;
}

/* Move what is left in a chunk, and free it. */
static void
empty_chunk(struct evict *evict, struct store_seg *seg, struct store_chunk *chunk)
{
	if (seg->region.open == chunk)
		seg->region.open = NULL;
	CHUNK_EACH(rec, chunk) {
		if (rec->flags & REC_OUT)
			continue;
		struct store_place place = store_place_of(evict->store, rec);
		struct store_rec *copy = store_region_get(&seg->region, rec->key_n, rec->value_n);
		memcpy(copy->key, rec->key, rec->key_n);
		memcpy(rec_value(copy), rec_value(rec), rec->value_n);
		store_relink(evict->store, &place, rec, copy);
	}
	seg->region.dead -= chunk->n;
	store_region_drop_chunk(&seg->region, chunk);
}

static void
carry_out(struct evict *evict)
{
	struct store *store = evict->store;
	if (!evict->nvictim && !evict->nchunk)
		return;
	store_pin(store); /* keeps segments and records where they are */
	for (size_t i = 0; i < store->nseg; i++) {
		store_region_forget_free(&store->seg[i]->region);
		store->seg[i]->region.is_pinned = true;
	}
	if (evict->nvictim)
		store->is_whole = store->is_cold = false;
	for (size_t i = 0; i < evict->nvictim; i++) {
		if (store->has_filter)
			store_filter_add(store, rec_key(evict->victim[i]));
		store_unlink(store, evict->victim[i]);
	}
	for (size_t i = 0; i < evict->nchunk; i++)
		if (evict->seg[i]->region.open == evict->chunk[i])
			evict->seg[i]->region.open = NULL;
	for (size_t i = 0; i < evict->nchunk; i++)
		empty_chunk(evict, evict->seg[i], evict->chunk[i]);
	store_unpin(store);
}

/* Free about `wanted` bytes of the store, as far as possible.  Returns the bytes, or -1. */
static int64_t
evict_from(struct store *store, size_t wanted, bool is_spilling, struct err *e)
{
	struct evict evict = { .store = store, .is_spilling = is_spilling, .wanted = wanted };
	for (size_t i = 0; i < store->nseg && evict.freed < wanted; i++) {
		struct store_seg *seg = store->seg[i];
		struct store_chunk *next, *chunk = seg->region.first;
		for (; chunk && evict.freed < wanted; chunk = next) {
			next = chunk->next;
			look_at_chunk(&evict, seg, chunk);
		}
	}
	int rc = evict.nvictim ? write_victims(&evict, e) : 0;
	if (rc == 0)
		carry_out(&evict);
	mem_free(evict.victim);
	mem_free(evict.chunk);
	mem_free(evict.seg);
	return rc < 0 ? -1 : (int64_t)evict.freed;
}

static size_t
memory_of(const struct store *store)
{
	size_t n = 0;
	for (size_t i = 0; i < store->nseg; i++)
		n += store->seg[i]->region.size;
	return n;
}

static struct store *
largest(struct store_set *set)
{
	struct store *largest = set->stores;
	for (struct store *store = set->stores; store; store = store->next)
		if (memory_of(store) > memory_of(largest))
			largest = store;
	return largest;
}

static bool
has_dirty(const struct store_set *set)
{
	for (const struct store *store = set->stores; store; store = store->next)
		if (store->nchange > store->nclean)
			return true;
	return false;
}

/* From the largest store; or, if all of that is dirty, from the others.  Returns the bytes, or
 * -1. */
static int64_t
evict_some(struct store_set *set, size_t wanted, struct err *e)
{
	struct store *first = largest(set);
	int64_t freed = evict_from(first, wanted, true, e);
	for (struct store *store = set->stores; store && freed == 0; store = store->next)
		if (store != first)
			freed = evict_from(store, wanted, true, e);
	return freed;
}

/* Make memory three quarters of the limit.  A second round takes what was used before. */
static int
make_room(struct store_set *set, struct err *e)
{
	size_t target = set->memory_max / 4 * 3;
	for (int round = 0, idle = 0; set->pool.used > target && idle < 3 && round < 64; round++) {
		int64_t freed = evict_some(set, set->pool.used - target, e);
		if (freed < 0)
			return -1;
		idle = freed ? 0 : idle + 1;
	}
	set->trim_at = MAX(set->memory_max, set->pool.used + set->pool.used / 16);
	set->wants_commit = set->pool.used > set->memory_max && has_dirty(set);
	return 0;
}

/* ---- after a restart ---- */

/* Put some more of the checkpoint's entries into memory; once it has all of them, nothing
 * needs to be looked up on disk. */
static void
warm_up(struct store *store)
{
	enum { BATCH = 128 };
	struct store_on_disk entry;
	struct store_place place;
	bool is_end = true;
	struct store_cursor *cursor = store_cursor_open(store, buf_str(&store->warm), STR_NULL, false);
	for (int i = 0; store_cursor_next(cursor, &entry); i++) {
		if (i == BATCH) {
			buf_reset(&store->warm);
			buf_put_str(&store->warm, entry.key);
			is_end = false;
			break;
		}
		if (!store_look_up(store, entry.key, &place))
			store_load(store, &place, &entry);
	}
	store_cursor_close(cursor);
	if (is_end)
		store->is_whole = store->has_filter = true;
	store->is_cold = !is_end;
}

/* As long as half of the memory is free; eviction would take the same entries again. */
static void
warm_up_all(struct store_set *set)
{
	set->is_cold = false;
	for (struct store *store = set->stores; store; store = store->next) {
		if (store->is_cold && set->memory_max && set->pool.used > set->memory_max / 2)
			store->is_cold = false;
		if (store->is_cold)
			warm_up(store);
		set->is_cold |= store->is_cold;
	}
}

void
store_set_trim(struct store_set *set)
{
	struct err e;
	bool is_full = set->disk && set->memory_max && set->pool.used > set->trim_at;
	if (likely(!is_full && !set->pool.is_sparse && !set->is_cold))
		return;
	if (set->nscan || set->is_failed)
		return;
	if (set->is_cold)
		warm_up_all(set);
	if (set->pool.is_sparse)
		for (struct store *store = set->stores; store; store = store->next)
			evict_from(store, SIZE_MAX, false, &e);
	set->pool.is_sparse = false;
	if (is_full && make_room(set, &e) < 0)
		store_fail(set, &e);
}
