/*
 * What a store behind metastore.h must offer.  For the stores only.
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

/* The first member of every store. */
struct metastore {
	const struct metastore_backend *backend;
	struct metastore_watch *watches;
	int64_t revision; /* of the last committed transaction; 0: none */
};

/* Tell the watches whose prefix the key has. */
void metastore_tell(struct metastore *meta, const struct metastore_entry *entry);

#endif
