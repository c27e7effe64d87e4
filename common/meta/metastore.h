/*
 * Where the facts about a cluster live: topics, configs, ids.
 *
 * Keys are paths ("/topics/orders"), values are JSON text.  Every committed
 * transaction has a revision, one higher than the last; a key remembers the
 * revision of its last change, and a transaction goes through only if the
 * keys it names are still at the revisions it expects (compare and swap).
 *
 * One interface, a table of functions: the local store, a log in the data
 * directory, serves one broker; a cluster's store takes its place.
 *
 * Threads: one thread at a time calls; it may block on the disk or network.
 * Watchers are called on that thread, within metastore_txn; they start no
 * transaction themselves.
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

enum { METASTORE_ANY = -1 }; /* as expected revision: whatever it is */

struct metastore_op {
	struct str key;
	struct str value; /* null: remove the key */
	int64_t expected; /* revision of the key; 0: absent; METASTORE_ANY */
};

struct metastore_entry {
	struct str key, value; /* valid until the next transaction */
	int64_t revision;      /* of the last change */
};

typedef int metastore_list_fn(void *ctx, const struct metastore_entry *entry);

/* Told of each change, in order; entry->value is null when it was removed. */
struct metastore_watch {
	struct str prefix;
	void (*fn)(struct metastore_watch *watch, const struct metastore_entry *entry);
	struct metastore_watch *next; /* the store's */
};

struct metastore;

/* The local store: dir_fd/kq-metadata.log, or memory alone with dir_fd -1.
 * NULL on failure; a torn last transaction is dropped (it was not
 * acknowledged), anything else that is wrong is ERR_CORRUPT. */
struct metastore *metastore_open_local(int dir_fd, struct err *e);

void metastore_close(struct metastore *meta); /* NULL: fine */

/* True and *entry when the key is there. */
bool metastore_get(struct metastore *meta, struct str key,
	struct metastore_entry *entry);

/* Call fn for every key with the prefix, in order of the keys, until it
 * returns non-zero, which is returned; else 0. */
int metastore_list(struct metastore *meta, struct str prefix,
	metastore_list_fn *fn, void *ctx);

/* Commit all the changes or none; they are durable when this returns 0.
 * Returns the failure otherwise: ERR_RETRY when a key was not at its expected
 * revision.  A failed write leaves the store as it was; a failed sync makes
 * every later transaction fail. */
int metastore_txn(struct metastore *meta, const struct metastore_op *op, int nop,
	struct err *e);

/* Be told of later changes below a prefix; *w is the caller's and stays. */
void metastore_watch(struct metastore *meta, struct metastore_watch *watch);

int64_t metastore_revision(const struct metastore *meta);

#endif
