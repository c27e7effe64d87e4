/*
 * Where a store has no entries.  An operator that removes the first entry again and again
 * leaves removed ones behind: in memory until they are in the changelog, on disk until the
 * next checkpoint.  What store_first has found to be empty is not searched again.
 */
#include "stream/store_int.h"

/* No entry has a key with from <= key < to. */
struct store_gap {
	struct buf from, to;
	bool is_open; /* nor a larger one; `to` says nothing */
};

struct store_gaps {
	struct store_gap gap[2]; /* as many as the places from which a join takes entries */
	uint32_t n;              /* counts those that were added */
};

static bool
is_in(const struct store_gap *gap, struct str key)
{
	return str_cmp(key, buf_str(&gap->from)) >= 0
		&& (gap->is_open || str_cmp(key, buf_str(&gap->to)) < 0);
}

static void
set(struct buf *b, struct str key)
{
	buf_reset(b);
	buf_put_str(b, key);
}

bool
store_gaps_skip(const struct store *store, struct str *from)
{
	const struct store_gaps *gaps = store->gaps;
	for (uint32_t i = 0; gaps && i < MIN(gaps->n, ARRAY_LEN(gaps->gap)); i++)
		if (is_in(&gaps->gap[i], from->n < 0 ? STR("") : *from)) {
			if (gaps->gap[i].is_open)
				return false;
			*from = buf_str(&gaps->gap[i].to);
			return true;
		}
	return true;
}

void
store_gaps_note(struct store *store, struct str from, struct str to)
{
	if (!store->gaps)
		store->gaps = NEW(struct store_gaps);
	struct store_gaps *gaps = store->gaps;
	struct store_gap *gap = NULL;
	if (from.n < 0)
		from = STR("");
	for (uint32_t i = 0; i < MIN(gaps->n, ARRAY_LEN(gaps->gap)) && !gap; i++)
		if (is_in(&gaps->gap[i], from) || str_cmp(from, buf_str(&gaps->gap[i].from)) == 0)
			gap = &gaps->gap[i];
	if (!gap) {
		gap = &gaps->gap[gaps->n++ % ARRAY_LEN(gaps->gap)];
		set(&gap->from, from);
	}
	gap->is_open = to.n < 0;
	set(&gap->to, to.n < 0 ? STR("") : to);
}

void
store_gaps_add(struct store *store, struct str key)
{
	struct store_gaps *gaps = store->gaps;
	for (uint32_t i = 0; i < MIN(gaps->n, ARRAY_LEN(gaps->gap)); i++)
		if (is_in(&gaps->gap[i], key)) {
			gaps->gap[i].is_open = false;
			set(&gaps->gap[i].to, key);
		}
}

void
store_gaps_release(struct store *store)
{
	for (size_t i = 0; store->gaps && i < ARRAY_LEN(store->gaps->gap); i++) {
		buf_release(&store->gaps->gap[i].from);
		buf_release(&store->gaps->gap[i].to);
	}
	mem_free(store->gaps);
	store->gaps = NULL;
}
