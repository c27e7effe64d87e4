#include "stream/store_db.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>

enum { KIND_FACT, KIND_ENTRY, KEY_HEAD = 3, DATA_HEAD = 13 };
#define MAP_MIN ((size_t)16 << 20)

/* ---- environments ---- */

int
store_db_err(const struct store_db *db, int rc, const char *what, struct err *e)
{
	assert(rc != 0);
	if (rc == DB_COLLISION)
		return err_set(e, ERR_LIMIT, "cannot %s '%s': two long keys have one hash", what,
			db->path);
	/* For LMDB a short write, which a full disk causes, is EIO, too. */
	err_set(e, rc > 0 ? ERR_SYS : ERR_CORRUPT, "cannot %s '%s': %s", what, db->path,
		rc == EIO ? "the disk is full, or fails" : mdb_strerror(rc));
	e->sys = rc > 0 ? rc : 0;
	return -1;
}

static size_t
first_map_size(const struct store_db *db)
{
	struct err e;
	int64_t size = fs_size_at(AT_FDCWD, db->path, &e);
	size_t map_size = MAP_MIN;
	while (size > 0 && map_size < (size_t)size * 2)
		map_size *= 2;
	return map_size;
}

int
store_db_open(struct store_db *db, struct err *e)
{
	unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD
		| (db->is_scratch ? MDB_NOSYNC : 0);
	MDB_txn *txn = NULL;
	db->map_size = first_map_size(db);
	int rc = mdb_env_create(&db->env);
	if (rc)
		return store_db_err(db, rc, "open", e);
	rc = mdb_env_set_mapsize(db->env, db->map_size);
	if (!rc)
		rc = mdb_env_open(db->env, db->path, flags, 0600);
	if (!rc)
		rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);
	if (!rc)
		rc = mdb_dbi_open(txn, NULL, 0, &db->dbi);
	if (txn)
		mdb_txn_abort(txn);
	if (rc)
		store_db_err(db, rc, "open", e);
	else if (!db->is_nameless || fs_remove(AT_FDCWD, db->path, e) == 0)
		return 0;
	store_db_close(db);
	return -1;
}

static void
end_read(struct store_db *db)
{
	if (db->read)
		mdb_txn_abort(db->read);
	db->read = NULL;
}

void
store_db_close(struct store_db *db)
{
	end_read(db);
	if (db->env)
		mdb_env_close(db->env);
	db->env = NULL;
}

int
store_db_drop(struct store_db *db, struct err *e)
{
	store_db_close(db);
	return fs_remove(AT_FDCWD, db->path, e);
}

MDB_txn *
store_db_read(struct store_db *db, struct err *e)
{
	int rc = db->read ? 0 : mdb_txn_begin(db->env, NULL, MDB_RDONLY, &db->read);
	if (rc) {
		db->read = NULL;
		store_db_err(db, rc, "read", e);
	}
	return db->read;
}

static int
try_write(struct store_db *db, store_db_fn *fn, void *arg)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(db->env, NULL, 0, &txn);
	if (rc)
		return rc;
	rc = fn(db, txn, arg);
	if (!rc)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

int
store_db_write(struct store_db *db, store_db_fn *fn, void *arg, struct err *e)
{
	int rc;
	end_read(db);
	while ((rc = try_write(db, fn, arg)) == MDB_MAP_FULL) {
		rc = mdb_env_set_mapsize(db->env, db->map_size * 2);
		if (rc)
			break;
		db->map_size *= 2;
	}
	return rc ? store_db_err(db, rc, "write", e) : 0;
}

/* ---- keys ---- */

static void
put_head(struct buf *b, const struct store *store, uint32_t add)
{
	uint8_t *p = buf_grow(b, KEY_HEAD);
	uint32_t id = store->id + add;
	p[0] = (uint8_t)(KIND_ENTRY + (id >> 16)); /* after the last id: the next kind */
	store_be16(p + 1, (uint16_t)id);
}

static void
put_start(struct buf *b, struct str key)
{
	buf_put_str(b, (struct str){ key.p, MIN(key.n, DISK_KEY_MAX) });
}

void
store_db_key(struct buf *b, const struct store *store, struct str key)
{
	buf_reset(b);
	put_head(b, store, 0);
	put_start(b, key);
	if (key.n >= DISK_KEY_MAX)
		buf_put_be64(b, store_hash_of(store->set->seed, key));
}

void
store_db_from(struct buf *b, const struct store *store, struct str key)
{
	buf_reset(b);
	put_head(b, store, 0);
	put_start(b, key);
}

void
store_db_to(struct buf *b, const struct store *store, struct str key)
{
	buf_reset(b);
	put_head(b, store, key.n < 0);
	put_start(b, key);
	if (key.n >= DISK_KEY_MAX)
		memset(buf_grow(b, 9), 255, 9);
}

void
store_db_fact(struct buf *b, const char *name, const char *of)
{
	buf_reset(b);
	buf_putc(b, KIND_FACT);
	buf_puts(b, name);
	if (!of)
		return;
	/* A name may be longer than a key: its hash is enough. */
	buf_put_be64(b, store_hash_of(2, str_of(of)));
}

/* ---- values ---- */

void
store_db_data(struct buf *b, struct str db_key, const struct store_on_disk *entry)
{
	bool is_cut = entry->key.n >= DISK_KEY_MAX;
	buf_reset(b);
	uint8_t *p = buf_grow(b, DATA_HEAD);
	p[4] = (uint8_t)((entry->is_gone ? FLAG_GONE : 0) | (is_cut ? FLAG_CUT : 0));
	memcpy(p + 5, &entry->ts_ms, sizeof entry->ts_ms);
	if (is_cut) {
		struct str rest = { entry->key.p + DISK_KEY_MAX, entry->key.n - DISK_KEY_MAX };
		buf_put_be32(b, (uint32_t)rest.n);
		buf_put_str(b, rest);
	}
	buf_put_str(b, entry->value);
	uint32_t sum = store_sum(db_key, (struct str){ b->p + 4, (int32_t)b->n - 4 });
	memcpy(b->p, &sum, sizeof sum);
}

bool
store_db_is_cut(struct str data)
{
	return data.p[4] & FLAG_CUT;
}

/* The rest of a cut key. */
static struct str
rest_of(struct str data)
{
	return (struct str){ data.p + DATA_HEAD + 4, (int32_t)load_be32(data.p + DATA_HEAD) };
}

void
store_db_parse(struct str db_key, struct str data, struct store_on_disk *out, struct buf *b)
{
	const uint8_t *p = data.p + DATA_HEAD;
	out->is_gone = data.p[4] & FLAG_GONE;
	memcpy(&out->ts_ms, data.p + 5, sizeof out->ts_ms);
	out->key = (struct str){ db_key.p + KEY_HEAD, db_key.n - KEY_HEAD };
	if (store_db_is_cut(data)) {
		struct str rest = rest_of(data);
		buf_reset(b);
		buf_put_str(b, (struct str){ out->key.p, DISK_KEY_MAX });
		buf_put_str(b, rest);
		out->key = buf_str(b);
		p = rest.p + rest.n;
	}
	out->value = (struct str){ p, (int32_t)(data.p + data.n - p) };
}

int
store_db_put(struct store_db *db, MDB_txn *txn, struct str db_key, struct str data)
{
	MDB_val key = db_val(db_key), value = db_val(data), old;
	if (store_db_is_cut(data)) {
		int rc = mdb_get(txn, db->dbi, &key, &old);
		if (rc == 0 && !str_eq(rest_of(db_str(old)), rest_of(data)))
			return DB_COLLISION;
		if (rc && rc != MDB_NOTFOUND)
			return rc;
	}
	return mdb_put(txn, db->dbi, &key, &value, 0);
}

static int
purge_with(MDB_cursor *cursor, const struct store *store, struct str low, struct buf *b,
	struct buf *to)
{
	store_db_from(b, store, STR_NULL);
	store_db_to(to, store, low);
	MDB_val key = db_val(buf_str(b)), data;
	int rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
	while (rc == 0 && str_cmp(db_str(key), buf_str(to)) < 0) {
		struct store_on_disk entry;
		store_db_parse(db_str(key), db_str(data), &entry, b);
		if (str_cmp(entry.key, low) < 0 && (rc = mdb_cursor_del(cursor, 0)) != 0)
			break;
		rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int
store_db_purge(struct store_db *db, MDB_txn *txn, const struct store *store, struct str low)
{
	MDB_cursor *cursor;
	struct buf b = BUF_INIT, to = BUF_INIT;
	if (low.n <= 0)
		return 0;
	int rc = mdb_cursor_open(txn, db->dbi, &cursor);
	if (rc)
		return rc;
	rc = purge_with(cursor, store, low, &b, &to);
	mdb_cursor_close(cursor);
	buf_release(&b);
	buf_release(&to);
	return rc;
}
