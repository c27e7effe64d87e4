/*
 * The interface between metastore.h and its stores; for these files only.
 *
 * Uses: base, metastore.h.
 */
#ifndef KQ_META_BACKEND_H
#define KQ_META_BACKEND_H

#include "meta/metastore.h"

struct metastore_backend {
	void (*close)(struct metastore *meta);
	bool (*get)(struct metastore *meta, struct str key, struct metastore_entry *entry);
	int (*list)(struct metastore *meta, struct str prefix, metastore_list_fn *fn, void *ctx);
	int (*txn)(struct metastore *meta, const struct metastore_op *op, int nop, struct err *e);
};

/* The base of every store: its first member. */
struct metastore {
	const struct metastore_backend *backend;
	struct metastore_watch *watches; /* linked by next */
	int64_t revision; /* of the last committed transaction; 0: none */
};

/* Call the watches that have a prefix of the key. */
void metastore_notify(struct metastore *meta, const struct metastore_entry *entry);

#endif
