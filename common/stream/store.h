/*
 * A task's state: an ordered map from key bytes to value bytes and a time.
 *
 * Operators choose the key bytes so that the order of memcmp is the order they need
 * (keys.h).  A value is never null; an absent key has none.
 *
 * A failure (the disk under the store is full) is kept: the store then behaves as if it
 * were empty, and the task asks store_set_is_failed after each record, before anything
 * is committed.  So operators need not check.
 *
 * Changes since the last store_clean are kept as a list of dirty keys, for the changelog:
 * a key that changed several times is listed once.
 *
 * With a folder, memory_max bytes of memory have what is dirty and what is used, and disk
 * the rest.  What is dirty never leaves memory: if there is too much of it, the set wants a
 * commit.  In the folder,
 *   state.mdb  is the last checkpoint.  One synced transaction of LMDB writes it; nothing
 *              else does.  So a process that dies, or a disk that is full, leaves either the
 *              last checkpoint as it was or the new one, with its text.
 *   spill.mdb  is what was evicted since; it is worth nothing to another process.
 *   lock       is locked while the set is open.
 * Before state.mdb is used, its pages and the sums of its entries are checked: a damaged
 * file is removed, the stores are empty, and store_set_notice says so.  (It is mapped: one
 * that is cut while it is in use ends the process.)
 *
 * Uses: base, sys; LMDB.  A set and its stores: one thread at a time.
 */
#ifndef KQ_STREAM_STORE_H
#define KQ_STREAM_STORE_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

enum store_order {
	STORE_HASH,     /* look-ups are fast; a scan sorts first */
	STORE_SEGMENTS, /* the first 8 bytes of a key name its segment; segments are ordered,
	                 * look-ups within one are hashed, and a scan of one sorts it first */
	STORE_TREE,     /* always ordered: scans are cheap, look-ups slower */
};

/* The stores of one task share a memory limit and a folder. */
struct store_set;

struct store_set_opts {
	const char *dir;     /* for what is beyond memory_max and for checkpoints; NULL: none,
	                      * and memory_max is a limit: beyond it the set fails */
	size_t memory_max;   /* bytes for all stores of the set; 0: no limit.  What LMDB maps is
	                      * the kernel's, and not counted */
	bool is_plain;       /* no changelog: changes are not kept, and there are no checkpoints */
	const char *identity; /* kept in dir: application, topology, cluster; another one there
	                      * is refused (ERR_USAGE) */
};

struct store;

/* What is at a key; the slices are valid until the next call for this store. */
struct store_entry {
	struct str key, value;
	int64_t ts_ms;
};

/* NULL: the folder cannot be used, is another application's (ERR_USAGE) or in use by
 * another process (ERR_LIMIT). */
struct store_set *store_set_new(const struct store_set_opts *o, struct err *e);
void store_set_free(struct store_set *set);

/* A sentence for the user, if what was in the folder could not be used and the stores are
 * therefore empty; NULL.  Valid until the set is freed. */
const char *store_set_notice(const struct store_set *set);

/* Has a store of the set failed?  *e is filled then. */
bool store_set_is_failed(const struct store_set *set, struct err *e);
size_t store_set_memory(const struct store_set *set); /* bytes in use */
bool store_set_is_plain(const struct store_set *set);

/* To be called between records, when no scan is open: makes room if the stores have more
 * than memory_max, and reads some more of a checkpoint that is not in memory yet.  What the
 * stores have returned is not valid after it. */
void store_set_trim(struct store_set *set);

/* Is the memory full of changes that are not in the changelog yet?  Commit soon. */
bool store_set_wants_commit(const struct store_set *set);

/* A new store.  If dir has one of this name from an earlier run, at a checkpoint, its
 * content is used.  The set owns the store. */
struct store *store_open(struct store_set *set, const char *name, enum store_order order,
	struct err *e);

bool store_get(struct store *store, struct str key, struct store_entry *out);
void store_put(struct store *store, struct str key, struct str value, int64_t ts_ms);
void store_remove(struct store *store, struct str key); /* absent: no effect */

/* The same, where ts_ms is the time of the change, for a changelog; otherwise it is that of
 * the entry. */
void store_remove_at(struct store *store, struct str key, int64_t ts_ms);

/*
 * The entry's value, to be changed in place, for values of a fixed size: n bytes, aligned
 * to 8.  Absent: zeroed bytes are put there with ts_ms INT64_MIN, and *is_new is set.  The
 * key counts as changed.  Valid until the next call for this store.
 */
void *store_slot(struct store *store, struct str key, int32_t n, int64_t **ts_ms, bool *is_new);

/* Load the cache lines of a key that is looked up soon: best for some 16 to 32 keys, then
 * their look-ups.  No effect for STORE_TREE. */
void store_prefetch(struct store *store, struct str key);

/* Entries with from <= key < to, in order (null: from the first, to the last).  The body
 * may change the store: entries added meanwhile may or may not be seen, removed ones not. */
struct store_iter;
struct store_iter *store_scan(struct store *store, struct str from, struct str to);
struct store_iter *store_scan_back(struct store *store, struct str from, struct str to);
bool store_iter_next(struct store_iter *it, struct store_entry *out);
void store_iter_free(struct store_iter *it);

/* The first entry with key >= from; false if there is none.  Cheap for STORE_TREE. */
bool store_first(struct store *store, struct str from, struct store_entry *out);

int64_t store_count(struct store *store); /* entries */

/* Remove all entries with key < to.  They do not count as changed, and changes of theirs
 * are not listed any more.  The memory of a whole segment is given back at once. */
void store_forget_before(struct store *store, struct str to);

/* ---- changelog and checkpoint ---- */

/* Call fn, which must not change the store, for each key that changed since the last
 * store_clean, in the order of first change; value is null for a removed one.  A key that
 * was put and removed since then, and was not there before, is not listed.  Stops at -1
 * from fn and returns it. */
typedef int store_change_fn(void *arg, const struct store_entry *entry, struct err *e);
int store_changes(struct store *store, store_change_fn *fn, void *arg, struct err *e);

/* The changes are in the changelog (or were read from it). */
void store_clean(struct store *store);

/* Write what changed in the stores since the last checkpoint to dir, with this text, in one
 * transaction.  To be called when nothing is dirty and no scan is open; the text has the
 * changelogs' offsets.  -1 (the disk is full): the last checkpoint is as it was, the stores
 * are, too, and a later call may succeed. */
int store_set_checkpoint(struct store_set *set, struct str text, struct err *e);

/* The text of the last checkpoint, valid until the set is freed; null: there is none, and
 * all stores are empty. */
struct str store_set_checkpoint_text(const struct store_set *set);

/* Empty all stores, in memory and on disk: they are to be restored from the changelogs. */
int store_set_reset(struct store_set *set, struct err *e);

#endif
