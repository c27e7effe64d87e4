/*
 * An LMDB file of a store set: transactions, and how keys and values are written there.
 *
 * Uses: store_int.h, LMDB.  One thread at a time.
 */
#ifndef KQ_STREAM_STORE_DB_H
#define KQ_STREAM_STORE_DB_H

#include "stream/store_int.h"

#include <lmdb.h>

struct store_db {
	char *path;
	MDB_env *env;     /* NULL: not open */
	MDB_dbi dbi;
	MDB_txn *read;    /* NULL: none is open */
	size_t map_size;
	bool is_scratch;  /* never synced */
	bool is_nameless; /* the file's name is removed once it is open */
};

/* Open the file, and create it if necessary. */
int store_db_open(struct store_db *db, struct err *e);
void store_db_close(struct store_db *db);
/* Close it, and remove the file. */
int store_db_drop(struct store_db *db, struct err *e);

/* A read transaction; NULL: it failed. */
MDB_txn *store_db_read(struct store_db *db, struct err *e);

/* Call fn in a write transaction, again with a larger map if it was full.  fn returns a
 * status of LMDB.  Open read transactions end.  A failure changes nothing. */
typedef int store_db_fn(struct store_db *db, MDB_txn *txn, void *arg);
int store_db_write(struct store_db *db, store_db_fn *fn, void *arg, struct err *e);

int store_db_err(const struct store_db *db, int rc, const char *what, struct err *e);

enum {
	DB_COLLISION = -2, /* beside LMDB's statuses: two cut keys with one hash */
	FLAG_GONE = 1,
	FLAG_CUT = 2,
};

static inline MDB_val
db_val(struct str s)
{
	return (MDB_val){ (size_t)MAX(s.n, 0), (void *)(uintptr_t)s.p };
}

static inline struct str
db_str(MDB_val v)
{
	return (struct str){ v.mv_data, (int32_t)v.mv_size };
}

/* An entry's key in the file: its first bytes and the hash, or all of it. */
void store_db_key(struct buf *b, const struct store *store, struct str key);
/* The first key in the file that an entry >= key may have; null: the first of all. */
void store_db_from(struct buf *b, const struct store *store, struct str key);
/* A key after all entries < key; null: after all. */
void store_db_to(struct buf *b, const struct store *store, struct str key);
/* b is empty or a fact's key. */
void store_db_fact(struct buf *b, const char *name, const char *of);

/* What is in the file, and back; the parts point into data, a cut key is put into b. */
void store_db_data(struct buf *b, struct str db_key, const struct store_on_disk *entry);
void store_db_parse(struct str db_key, struct str data, struct store_on_disk *out, struct buf *b);
bool store_db_is_cut(struct str data);

/* Put the data, unless another key's entry is there. */
int store_db_put(struct store_db *db, MDB_txn *txn, struct str db_key, struct str data);
/* Remove the store's entries with key < low. */
int store_db_purge(struct store_db *db, MDB_txn *txn, const struct store *store,
	struct str low);

#endif
