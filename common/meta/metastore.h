/*
 * The metadata of a cluster: topics, configurations, ids.
 *
 * Keys are paths ("/topics/orders"), values are JSON text.  Every committed
 * transaction has a revision, one higher than the last; a key has the revision
 * of its last change, and a transaction is committed only if the keys it names
 * are still at the revisions it expects (compare and swap).
 *
 * Stores implement one table of functions (backend.h).  The local store, a log
 * in the data directory, serves one broker; a cluster needs another.
 *
 * Threads: one thread at a time calls; it may block on the disk or network.
 * Watches are called on that thread, within metastore_txn; they must not start
 * a transaction.
 *
 * Uses: base, sys, record (CRC).
 */
#ifndef KQ_META_METASTORE_H
#define KQ_META_METASTORE_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

/* The local store's log. */
#define METASTORE_FILE "kq-metadata.log"

enum { METASTORE_ANY = -1 }; /* an expected revision: any, or absent */

struct metastore_op {
	struct str key;
	struct str value; /* null: remove the key */
	int64_t expected; /* the key's revision; 0: absent; or METASTORE_ANY */
};

struct metastore_entry {
	struct str key, value; /* valid until the next transaction */
	int64_t revision;      /* of the last change */
};

typedef int metastore_list_fn(void *ctx, const struct metastore_entry *entry);

/* fn is called for each change below prefix, in order; entry->value is null if
 * the key was removed. */
struct metastore_watch {
	struct str prefix;
	void (*fn)(struct metastore_watch *watch, const struct metastore_entry *entry);
	struct metastore_watch *next; /* used by the store */
};

struct metastore;

/* Open the local store: dir_fd/kq-metadata.log, or only memory with dir_fd -1.
 * A torn last transaction is cut off: it was not acknowledged.  NULL: ERR_SYS;
 * ERR_LIMIT, the file is too large; ERR_CORRUPT, other bytes are bad, and the
 * file is unchanged. */
struct metastore *metastore_open_local(int dir_fd, struct err *e);

void metastore_close(struct metastore *meta); /* NULL: fine */

/* True: the key exists, and *entry is set. */
bool metastore_get(struct metastore *meta, struct str key,
	struct metastore_entry *entry);

/* Call fn for every key with the prefix, in order of the keys, until it returns
 * non-zero.  Returns that, or 0. */
int metastore_list(struct metastore *meta, struct str prefix,
	metastore_list_fn *fn, void *ctx);

/* Commit all the changes or none; they are durable when this returns 0, and the
 * watches have been called.  -1, nothing has changed: ERR_RETRY, a key was not
 * at its expected revision; ERR_SYS, the write failed, or the sync, after which
 * every later transaction fails, too. */
int metastore_txn(struct metastore *meta, const struct metastore_op *op, int nop,
	struct err *e);

/* Call watch->fn for later changes below its prefix.  *watch belongs to the
 * caller and must outlive the store. */
void metastore_watch(struct metastore *meta, struct metastore_watch *watch);

/* The revision of the last committed transaction; 0: none. */
int64_t metastore_revision(const struct metastore *meta);

#endif
