/*
 * What the files of the store share.
 *
 * An entry is a record: a header, the key, the value, in one block of memory.  Records are
 * in chunks of a region, in the order in which they were put there; an index (hash tables
 * or a tree) has pointers to them.
 *
 *      region: chunk -> chunk -> chunk            ts 8 | value_n 4 | key_n, flags 4 |
 *              | rec rec rec | rec rec | ...      change 4 | key | pad | value | pad
 *
 * Uses: store.h, LMDB (store_disk.c, store_check.c).  One thread at a time.
 */
#ifndef KQ_STREAM_STORE_INT_H
#define KQ_STREAM_STORE_INT_H

#include "stream/store.h"

enum {
	REC_GONE = 1,    /* removed: kept as a change, or because it hides one on disk */
	REC_LOGGED = 2,  /* it was there at the last store_clean */
	REC_STALE = 4,   /* what is on disk, if anything, differs */
	REC_ON_DISK = 8, /* its key is on disk */
	REC_USED = 16,   /* since eviction looked at it last */
	REC_OUT = 32,    /* no entry any more: free, or replaced by the record at `next` */
	REC_VICTIM = 64, /* chosen by eviction */
};

#define REC_KEY_MAX ((1 << 25) - 1)

struct store_rec {
	union {
		int64_t ts_ms;
		struct store_rec *next; /* REC_OUT */
	};
	uint32_t value_n;
	uint32_t key_n : 25, flags : 7;
	uint32_t change;     /* index + 1 in the store's list of changes; 0: unchanged */
	uint8_t key[];
};

static inline size_t
rec_value_at(size_t key_n)
{
	return (offsetof(struct store_rec, key) + key_n + 7) & ~(size_t)7;
}

static inline size_t
rec_size_of(size_t key_n, size_t value_n)
{
	return (rec_value_at(key_n) + value_n + 7) & ~(size_t)7;
}

static inline size_t
rec_size(const struct store_rec *rec)
{
	return rec_size_of(rec->key_n, rec->value_n);
}

static inline uint8_t *
rec_value(struct store_rec *rec)
{
	return (uint8_t *)rec + rec_value_at(rec->key_n);
}

static inline struct str
rec_key(const struct store_rec *rec)
{
	return (struct str){ rec->key, (int32_t)rec->key_n };
}

static inline struct store_entry
rec_entry(struct store_rec *rec)
{
	return (struct store_entry){ rec_key(rec), { rec_value(rec), (int32_t)rec->value_n },
		rec->ts_ms };
}

static inline bool
rec_has_key(const struct store_rec *rec, struct str key)
{
	return (int32_t)rec->key_n == key.n
		&& (key.n == 0 || memcmp(rec->key, key.p, (size_t)key.n) == 0);
}

/* 8 bytes of the key from `skip` on, zeroes after its end: the order of these numbers is
 * the order of the keys, but equal ones say nothing. */
static inline uint64_t
rec_head(const struct store_rec *rec, size_t skip)
{
	if (skip + 8 <= rec->key_n)
		return load_be64(rec->key + skip);
	uint64_t head = 0;
	for (size_t i = skip; i < rec->key_n; i++)
		head |= (uint64_t)rec->key[i] << (56 - 8 * (i - skip));
	return head;
}

/* ---- memory (store_mem.c) ---- */

/* Memory of all stores of a set.  Blocks of STORE_BLOCK bytes are cut from huge pages;
 * others are from the heap. */
#define STORE_BLOCK ((size_t)512 << 10)

struct store_pool {
	struct store_free_block *free;
	size_t nfree;    /* blocks */
	size_t used;     /* bytes, of both kinds, without free blocks */
	size_t chunk_max;
	bool is_sparse;  /* a region has many dead records */
};

void *store_pool_get(struct store_pool *pool, size_t n); /* zeroed only if it is new */
void store_pool_put(struct store_pool *pool, void *p, size_t n);
static inline size_t
store_pool_memory(const struct store_pool *pool)
{
	return pool->used + pool->nfree * STORE_BLOCK;
}

struct store_chunk {
	struct store_chunk *next, *prev;
	size_t n, cap;   /* bytes of records */
	uint8_t p[];
};

#define REC_SMALL_MAX 1024 /* larger ones have a chunk of their own, freed with them */

struct store_region {
	struct store_pool *pool;
	struct store_chunk *first, *last;
	struct store_chunk *open;  /* the one that is filled */
	struct store_chunk *limbo; /* large ones, freed when no scan may see them */
	struct store_rec **free;   /* by size / 8; NULL: none */
	size_t size, dead;         /* bytes of all chunks; of records that are out */
	bool is_pinned;            /* a scan is open: records that are out stay as they are */
};

struct store_rec *store_region_get(struct store_region *region, size_t key_n, size_t value_n);
/* next: the record that has its place now, or NULL. */
void store_region_put(struct store_region *region, struct store_rec *rec, struct store_rec *next);
void store_region_release(struct store_region *region);
void store_region_unpin(struct store_region *region);
void store_region_drop_chunk(struct store_region *region, struct store_chunk *chunk);
/* Records that are out are not used again before their chunk is dropped. */
void store_region_forget_free(struct store_region *region);

/* The records of a chunk, also those that are out. */
#define CHUNK_EACH(rec, chunk) \
	for (struct store_rec *rec = (void *)(chunk)->p, *rec##_next; \
	     (uint8_t *)rec < (chunk)->p + (chunk)->n \
	     && (rec##_next = (void *)((uint8_t *)rec + rec_size(rec)), true); \
	     rec = rec##_next)

/* ---- hash tables (store_hash.c) ---- */

/* Extendible hashing: the first bits of a hash choose a table of at most STORE_BLOCK
 * bytes; a full one is split, so that growth never stops for long. */
struct store_hash {
	struct store_pool *pool;
	struct store_table **table; /* 1 << bits of them, some of them equal */
	int bits;
	int64_t n;
};

uint64_t store_hash_of(uint64_t seed, struct str key);
struct store_rec *store_hash_find(const struct store_hash *hash, struct str key, uint64_t at);
void store_hash_add(struct store_hash *hash, struct store_rec *rec, uint64_t at, uint64_t seed);
void store_hash_replace(struct store_hash *hash, struct store_rec *old, struct store_rec *rec,
	uint64_t at);
void store_hash_remove(struct store_hash *hash, struct store_rec *rec, uint64_t at);
void store_hash_release(struct store_hash *hash);
void store_hash_prefetch(const struct store_hash *hash, uint64_t at);
void store_hash_prefetch_rec(const struct store_hash *hash, uint64_t at);
/* All records, in no order; v has room for hash->n. */
void store_hash_list(const struct store_hash *hash, struct store_rec **v);

/* ---- places without entries (store_gap.c) ---- */

/* Move *from to the end of a gap in which it is.  false: there is nothing from there on. */
bool store_gaps_skip(const struct store *store, struct str *from);

/* There is no entry from `from` (null: the first) to before `to` (null: the end).  `from` is
 * what the caller asked for, before it was moved: so gaps grow together. */
void store_gaps_note(struct store *store, struct str from, struct str to);

void store_gaps_add(struct store *store, struct str key); /* an entry; with gaps only */
void store_gaps_release(struct store *store);

/* ---- trees (store_tree.c) ---- */

struct store_tree {
	struct store_pool *pool;
	struct store_node *root;
	int64_t n;
	uint64_t version; /* changes with each change of the tree */
};

struct store_at { /* a place in a tree */
	struct store_node *leaf;
	int i;
	uint64_t version;
};

struct store_rec *store_tree_find(const struct store_tree *tree, struct str key);
void store_tree_add(struct store_tree *tree, struct store_rec *rec); /* it is not there yet */
void store_tree_replace(struct store_tree *tree, struct store_rec *old, struct store_rec *rec);
void store_tree_remove(struct store_tree *tree, struct store_rec *rec);
void store_tree_release(struct store_tree *tree);
/* The first record with key >= s (> s: is_after; null: the first); NULL: none. */
struct store_rec *store_tree_seek(const struct store_tree *tree, struct str key, bool is_after,
	struct store_at *at);
/* The last record with key < s (null: the last). */
struct store_rec *store_tree_seek_back(const struct store_tree *tree, struct str key,
	struct store_at *at);
struct store_rec *store_tree_next(struct store_at *at); /* the tree has not changed */
struct store_rec *store_tree_prev(struct store_at *at);
struct store_rec *store_at_rec(const struct store_at *at); /* NULL: the end */

/* ---- the store (store.c) ---- */

/* The records of a segment, or of the whole store for the other orders. */
struct store_seg {
	uint64_t id;
	struct store_region region;
	struct store_hash hash;
	struct store_seg *next; /* in limbo */
};

#define AHEAD 8 /* keys between the prefetch of a slot and that of its record */

struct store {
	struct store *next;
	struct store_set *set;
	char *name;
	enum store_order order;
	uint16_t id;               /* on disk */
	struct store_seg **seg;    /* by id */
	size_t nseg, seg_cap;
	struct store_seg *last;    /* the one that was used last */
	struct store_seg *limbo;   /* dropped while a scan was open */
	struct store_tree tree;

	/* Changed records, NULL where one was taken out: first nclean that are in the
	 * changelog but not in the checkpoint, then the dirty ones. */
	struct store_rec **change;
	size_t nchange, nclean, change_cap, nhole;

	int64_t count;
	int nscan;
	bool has_short;            /* keys of less than 8 bytes: before the one that they name */
	bool is_whole;             /* memory has all entries: no need to look on disk */
	bool has_filter;           /* it has all keys that are on disk and not in memory */
	struct store_filter *filter;
	bool is_cold;              /* it becomes whole bit by bit: all keys < warm are there */
	struct buf warm;
	struct buf base_low, spill_low; /* smaller keys on disk are forgotten; empty: none */
	struct store_gaps *gaps;   /* NULL: none is known */

	struct { uint64_t seg, hash; } ahead[AHEAD]; /* of keys to come */
	uint32_t nahead;
};

struct store_set {
	struct store *stores;
	struct store_pool pool;
	size_t memory_max, trim_at;
	uint64_t seed;
	bool is_plain, is_failed, wants_commit;
	bool is_cold;              /* a store may be */
	int nscan;
	struct err err;
	struct buf scratch;        /* a key; a slot of a set that has failed */
	struct store_disk *disk;   /* NULL: no folder */
};

void store_fail(struct store_set *set, const struct err *e);

static inline bool
store_is_dirty(const struct store *store, const struct store_rec *rec)
{
	return rec->change > store->nclean;
}

/* Where a key is in memory. */
struct store_place {
	struct store_seg *seg;
	uint64_t hash;
};

struct store_rec *store_look_up(struct store *store, struct str key, struct store_place *place);
/* Put an entry of the disk into memory, which has not its key; place is from store_look_up. */
struct store_on_disk;
struct store_rec *store_load(struct store *store, struct store_place *place,
	const struct store_on_disk *entry);
void store_unlink(struct store *store, struct store_rec *rec); /* out of index and changes */
/* Let rec, of the same key, have the place, flags and change of old, which is freed. */
void store_relink(struct store *store, const struct store_place *place, struct store_rec *old,
	struct store_rec *rec);
struct store_place store_place_of(struct store *store, const struct store_rec *rec);
void store_empty(struct store *store); /* memory only */

/* A scan is open.  Records of a hashed store that go stay readable, marked REC_OUT. */
void store_pin(struct store *store);
void store_unpin(struct store *store);

/* The index of the first segment with an id >= id; the id of a key's segment. */
size_t store_seg_index(const struct store *store, uint64_t id);
uint64_t store_seg_id(const struct store *store, struct str key);

/* ---- the folder (store_disk.c, store_check.c, store_spill.c) ----
 *
 * state.mdb is the last checkpoint: written by one transaction, synced, and otherwise only
 * read.  spill.mdb has what memory had no room for since then, and which keys of state.mdb
 * are gone; it is worth nothing to the next process, which removes it.  So what a restart
 * finds is a checkpoint, whenever the process dies.
 *
 * Keys of both: 00 name, for facts; 01 | store's id 2 | the entry's key.  A key of
 * DISK_KEY_MAX bytes or more is cut there and followed by 8 bytes of hash, as LMDB has a
 * limit: such keys are not in order among those of the same beginning.
 * Values: sum 4 | flags 1 | ts 8 | (if it is cut: size 4, rest of the key) | value.
 */
#define DISK_KEY_MAX 400

struct store_on_disk {
	struct str key, value;
	int64_t ts_ms;
	bool is_gone;
};

struct store_disk *store_disk_open(struct store_set *set, const struct store_set_opts *o,
	struct err *e);
void store_disk_close(struct store_disk *disk);
const char *store_disk_notice(const struct store_disk *disk);
struct str store_disk_text(const struct store_disk *disk);
int store_disk_add(struct store *store, struct err *e); /* what the checkpoint has of it */
bool store_disk_find(struct store *store, struct str key, struct store_on_disk *out);
/* Write records to spill.mdb; those that are gone hide what state.mdb has. */
int store_disk_spill(struct store *store, struct store_rec **v, size_t n, struct err *e);
int store_disk_checkpoint(struct store_set *set, struct str text, struct err *e);
int store_disk_reset(struct store_disk *disk, struct err *e);

/* Entries on disk with from <= key < to, without those that are gone or forgotten. */
struct store_cursor *store_cursor_open(struct store *store, struct str from, struct str to,
	bool is_back);
bool store_cursor_next(struct store_cursor *cursor, struct store_on_disk *out);
void store_cursor_close(struct store_cursor *cursor);

/* Is the file one that LMDB can use without harm, with entries whose sums are right?
 * ERR_CORRUPT: no. */
int store_check_file(int fd, struct err *e);
uint32_t store_sum(struct str key, struct str data);

/* ---- order (store_sort.c) ---- */

struct store_sort {
	uint64_t head;         /* of the key; set by the sort */
	struct store_rec *rec;
};

void store_sort(struct store_rec **v, size_t n); /* by key */
void store_sort_heads(struct store_sort *v, size_t n);

/* ---- which keys may be on disk (store_filter.c) ---- */

bool store_filter_may_have(const struct store *store, struct str key);
void store_filter_add(struct store *store, struct str key);
void store_filter_release(struct store *store);

#endif
