/*
 * Walking through a store's entries on disk: those of spill.mdb and of state.mdb together,
 * the former first where both have a key.  Cut keys of the same beginning are read as a
 * group and sorted.
 */
#include "stream/store_disk.h"

#include <stdlib.h>

struct cursor_side {
	struct store_db *db;
	const struct buf *low;  /* smaller keys are forgotten */
	MDB_cursor *cursor;     /* NULL: nothing, or nothing more */
	MDB_val key, data;      /* where the cursor is */
	bool is_ready;          /* that is the next one to be read */
	struct store_on_disk entry;
	bool has_entry;
	struct store_on_disk *group;
	size_t n, i;
	struct arena arena;     /* keys of the group */
	struct buf b;
};

struct store_cursor {
	struct store *store;
	bool is_back, has_from, has_to;
	struct buf from, to;
	struct buf out;             /* the key that was returned last */
	struct cursor_side side[2]; /* spill.mdb, state.mdb */
};

static void
fail(struct store_cursor *cursor, struct cursor_side *side, int rc)
{
	struct err e;
	store_db_err(side->db, rc, "read", &e);
	store_fail(cursor->store->set, &e);
}

static void
end(struct cursor_side *side)
{
	if (side->cursor)
		mdb_cursor_close(side->cursor);
	side->cursor = NULL;
}

/* Is the cursor at an entry of the store? */
static bool
is_at_entry(struct store_cursor *cursor, struct cursor_side *side, int rc)
{
	if (rc == 0) {
		store_db_from(&side->b, cursor->store, STR_NULL);
		if (str_has_prefix(db_str(side->key), buf_str(&side->b)))
			return true;
	} else if (rc != MDB_NOTFOUND) {
		fail(cursor, side, rc);
	}
	end(side);
	return false;
}

static bool
raw_next(struct store_cursor *cursor, struct cursor_side *side)
{
	if (!side->cursor)
		return false;
	if (side->is_ready) {
		side->is_ready = false;
		return true;
	}
	return is_at_entry(cursor, side, mdb_cursor_get(side->cursor, &side->key, &side->data,
		cursor->is_back ? MDB_PREV : MDB_NEXT));
}

static void
seek(struct store_cursor *cursor, struct cursor_side *side)
{
	struct store *store = cursor->store;
	struct str from = cursor->has_from ? buf_str(&cursor->from) : STR_NULL;
	struct str to = cursor->has_to ? buf_str(&cursor->to) : STR_NULL;
	if (str_cmp(from, buf_str(side->low)) < 0)
		from = buf_str(side->low);
	if (cursor->is_back)
		store_db_to(&side->b, store, to);
	else
		store_db_from(&side->b, store, from);
	side->key = db_val(buf_str(&side->b));
	int rc = mdb_cursor_get(side->cursor, &side->key, &side->data, MDB_SET_RANGE);
	if (cursor->is_back)
		rc = mdb_cursor_get(side->cursor, &side->key, &side->data,
			rc == 0 ? MDB_PREV : MDB_LAST);
	side->is_ready = is_at_entry(cursor, side, rc);
}

static int
compare(const void *x, const void *y)
{
	const struct store_on_disk *left = x, *right = y;
	return str_cmp(left->key, right->key);
}

/* Read all cut keys that begin as the one under the cursor. */
static void
read_group(struct store_cursor *cursor, struct cursor_side *side)
{
	struct str first = db_str(side->key);
	struct buf v = BUF_INIT;
	arena_reset(&side->arena);
	first = arena_str(&side->arena, (struct str){ first.p, first.n - 8 });
	do {
		if (!str_has_prefix(db_str(side->key), first)) {
			side->is_ready = true;
			break;
		}
		struct store_on_disk entry;
		store_db_parse(db_str(side->key), db_str(side->data), &entry, &side->b);
		entry.key = arena_str(&side->arena, entry.key);
		buf_put(&v, &entry, sizeof entry);
	} while (raw_next(cursor, side));
	mem_free(side->group);
	side->group = (void *)v.p;
	side->n = v.n / sizeof *side->group;
	side->i = 0;
	qsort(side->group, side->n, sizeof *side->group, compare);
}

static bool
next_entry(struct store_cursor *cursor, struct cursor_side *side)
{
	if (side->i == side->n) {
		if (!raw_next(cursor, side))
			return false;
		if (!store_db_is_cut(db_str(side->data))) {
			store_db_parse(db_str(side->key), db_str(side->data), &side->entry, &side->b);
			return true;
		}
		read_group(cursor, side);
	}
	side->i++;
	side->entry = side->group[cursor->is_back ? side->n - side->i : side->i - 1];
	return true;
}

/* Is the key within the bounds?  Beyond the far one, the side ends. */
static bool
is_inside(struct store_cursor *cursor, struct cursor_side *side)
{
	struct str key = side->entry.key;
	bool is_low = str_cmp(key, buf_str(side->low)) < 0
		|| (cursor->has_from && str_cmp(key, buf_str(&cursor->from)) < 0);
	bool is_high = cursor->has_to && str_cmp(key, buf_str(&cursor->to)) >= 0;
	if (cursor->is_back ? is_low : is_high) {
		end(side);
		side->i = side->n;
	}
	return !is_low && !is_high;
}

static void
advance(struct store_cursor *cursor, struct cursor_side *side)
{
	do
		side->has_entry = next_entry(cursor, side);
	while (side->has_entry && !is_inside(cursor, side));
}

static void
open_side(struct store_cursor *cursor, struct cursor_side *side)
{
	struct err e;
	if (!side->db->env)
		return;
	MDB_txn *txn = store_db_read(side->db, &e);
	if (!txn) {
		store_fail(cursor->store->set, &e);
		return;
	}
	int rc = mdb_cursor_open(txn, side->db->dbi, &side->cursor);
	if (rc) {
		side->cursor = NULL;
		fail(cursor, side, rc);
		return;
	}
	seek(cursor, side);
	advance(cursor, side);
}

struct store_cursor *
store_cursor_open(struct store *store, struct str from, struct str to, bool is_back)
{
	struct store_cursor *cursor = NEW(struct store_cursor);
	struct store_disk *disk = store->set->disk;
	cursor->store = store;
	cursor->is_back = is_back;
	cursor->has_from = from.n >= 0;
	cursor->has_to = to.n >= 0;
	buf_put_str(&cursor->from, from);
	buf_put_str(&cursor->to, to);
	cursor->side[0].db = &disk->spill;
	cursor->side[0].low = &store->spill_low;
	cursor->side[1].db = &disk->base;
	cursor->side[1].low = &store->base_low;
	for (int i = 0; i < 2; i++)
		open_side(cursor, &cursor->side[i]);
	return cursor;
}

/* The side whose entry is next; NULL: both are at the end. */
static struct cursor_side *
choose(struct store_cursor *cursor)
{
	struct cursor_side *spill = &cursor->side[0], *base = &cursor->side[1];
	if (!spill->has_entry || !base->has_entry)
		return spill->has_entry ? spill : base->has_entry ? base : NULL;
	int rc = str_cmp(spill->entry.key, base->entry.key);
	if (rc == 0)
		advance(cursor, base);
	return (cursor->is_back ? rc >= 0 : rc <= 0) ? spill : base;
}

bool
store_cursor_next(struct store_cursor *cursor, struct store_on_disk *out)
{
	struct cursor_side *side;
	while ((side = choose(cursor))) {
		bool is_entry = !side->entry.is_gone && is_inside(cursor, side);
		if (is_entry) {
			/* The next entry uses the same memory. */
			buf_reset(&cursor->out);
			buf_reserve(&cursor->out, 1); /* an empty key is not NULL */
			buf_put_str(&cursor->out, side->entry.key);
			*out = side->entry;
			out->key = buf_str(&cursor->out);
		}
		advance(cursor, side);
		if (is_entry)
			return true;
	}
	return false;
}

void
store_cursor_close(struct store_cursor *cursor)
{
	for (int i = 0; cursor && i < 2; i++) {
		end(&cursor->side[i]);
		mem_free(cursor->side[i].group);
		arena_release(&cursor->side[i].arena);
		buf_release(&cursor->side[i].b);
	}
	if (cursor) {
		buf_release(&cursor->from);
		buf_release(&cursor->to);
		buf_release(&cursor->out);
	}
	mem_free(cursor);
}
