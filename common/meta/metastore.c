#include "meta/metastore.h"

#include "meta/backend.h"

void
metastore_close(struct metastore *meta)
{
	if (meta)
		meta->backend->close(meta);
}

bool
metastore_get(struct metastore *meta, struct str key, struct metastore_entry *entry)
{
	return meta->backend->get(meta, key, entry);
}

int
metastore_list(struct metastore *meta, struct str prefix, metastore_list_fn *fn,
	void *ctx)
{
	return meta->backend->list(meta, prefix, fn, ctx);
}

int
metastore_txn(struct metastore *meta, const struct metastore_op *op, int nop,
	struct err *e)
{
	assert(nop > 0);
	return meta->backend->txn(meta, op, nop, e);
}

void
metastore_watch(struct metastore *meta, struct metastore_watch *watch)
{
	watch->next = meta->watches;
	meta->watches = watch;
}

void
metastore_notify(struct metastore *meta, const struct metastore_entry *entry)
{
	for (struct metastore_watch *watch = meta->watches; watch; watch = watch->next)
		if (str_has_prefix(entry->key, watch->prefix))
			watch->fn(watch, entry);
}

int64_t
metastore_revision(const struct metastore *meta)
{
	return meta->revision;
}
