#include "meta/metastore.h"

#include "meta/backend.h"

void
metastore_close(struct metastore *m)
{
	if (m)
		m->backend->close(m);
}

bool
metastore_get(struct metastore *m, struct str key, struct metastore_entry *entry)
{
	return m->backend->get(m, key, entry);
}

int
metastore_list(struct metastore *m, struct str prefix, metastore_list_fn *fn,
	void *ctx)
{
	return m->backend->list(m, prefix, fn, ctx);
}

int
metastore_txn(struct metastore *m, const struct metastore_op *op, int nop,
	struct err *e)
{
	assert(nop > 0);
	return m->backend->txn(m, op, nop, e);
}

void
metastore_watch(struct metastore *m, struct metastore_watch *w)
{
	w->next = m->watches;
	m->watches = w;
}

void
metastore_tell(struct metastore *m, const struct metastore_entry *entry)
{
	for (struct metastore_watch *w = m->watches; w; w = w->next)
		if (str_has_prefix(entry->key, w->prefix))
			w->fn(w, entry);
}

int64_t
metastore_revision(const struct metastore *m)
{
	return m->revision;
}
