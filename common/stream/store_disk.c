#include "stream/store_disk.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define FORMAT "1"

/* ---- facts of the checkpoint ---- */

/* Append the fact; 1: found, 0: there is none. */
static int
read_fact(struct store_db *db, const char *name, const char *of, struct buf *out, struct err *e)
{
	struct buf b = BUF_INIT;
	MDB_txn *txn = store_db_read(db, e);
	if (!txn)
		return -1;
	store_db_fact(&b, name, of);
	MDB_val key = db_val(buf_str(&b)), data;
	int rc = mdb_get(txn, db->dbi, &key, &data);
	buf_release(&b);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc)
		return store_db_err(db, rc, "read", e);
	buf_put(out, (uint8_t *)data.mv_data + 4, data.mv_size - 4);
	return 1;
}

int
store_disk_write_fact(struct store_db *db, MDB_txn *txn, const char *name, const char *of,
	struct str fact)
{
	struct buf b = BUF_INIT, data = BUF_INIT;
	store_db_fact(&b, name, of);
	uint32_t sum = store_sum(buf_str(&b), fact);
	buf_put(&data, &sum, sizeof sum);
	buf_put_str(&data, fact);
	MDB_val key = db_val(buf_str(&b)), value = db_val(buf_str(&data));
	int rc = mdb_put(txn, db->dbi, &key, &value, 0);
	buf_release(&b);
	buf_release(&data);
	return rc;
}

/* ---- opening ---- */

/* ERR_USAGE: it is another application's state. */
static int
check_identity(struct store_disk *disk, struct err *e)
{
	struct buf b = BUF_INIT;
	int rc = read_fact(&disk->base, "identity", NULL, &b, e);
	if (rc == 0)
		rc = err_set(e, ERR_CORRUPT, "it says not whose state it is");
	if (rc > 0 && !str_eq(buf_str(&b), buf_str(&disk->identity)))
		rc = err_set(e, ERR_USAGE, "the folder '%s' has the state of \"%.*s\", not of \"%.*s\": "
			"give another folder, or reset the application", disk->dir,
			(int)MIN(b.n, (size_t)100), (const char *)b.p,
			(int)MIN(disk->identity.n, (size_t)100), (const char *)disk->identity.p);
	buf_release(&b);
	return rc < 0 ? -1 : 0;
}

static int
read_facts(struct store_disk *disk, struct store_set *set, struct err *e)
{
	struct buf b = BUF_INIT;
	int rc = read_fact(&disk->base, "format", NULL, &b, e);
	if (rc >= 0 && !str_eq(buf_str(&b), STR(FORMAT)))
		rc = err_set(e, ERR_CORRUPT, "its format is not the one of this version");
	buf_reset(&b);
	if (rc >= 0 && (rc = read_fact(&disk->base, "seed", NULL, &b, e)) >= 0
		&& b.n != sizeof set->seed)
		rc = err_set(e, ERR_CORRUPT, "it has no seed");
	if (rc >= 0)
		memcpy(&set->seed, b.p, sizeof set->seed);
	buf_release(&b);
	if (rc < 0 || check_identity(disk, e) < 0)
		return -1;
	b = (struct buf)BUF_INIT;
	rc = read_fact(&disk->base, "ids", NULL, &b, e);
	if (rc >= 0 && b.n != sizeof disk->next_id)
		rc = err_set(e, ERR_CORRUPT, "it says not which ids its stores have");
	if (rc >= 0)
		disk->next_id = load_be16(b.p);
	buf_release(&b);
	if (rc < 0)
		return -1;
	rc = read_fact(&disk->base, "text", NULL, &disk->text, e);
	if (rc == 0)
		return err_set(e, ERR_CORRUPT, "it has no text");
	disk->has_text = rc > 0;
	return rc < 0 ? -1 : 0;
}

/* 1: the file is sound; 0: there is none, or it has nothing yet. */
static int
check_base(const struct store_disk *disk, struct err *e)
{
	int fd = fs_open(AT_FDCWD, disk->base.path, O_RDONLY, 0, e);
	if (fd < 0)
		return e->sys == ENOENT ? 0 : -1;
	int64_t size = fs_size(fd, e);
	int rc = size <= 0 ? (int)size : store_check_file(fd, e) < 0 ? -1 : 1;
	fs_close(fd);
	return rc;
}

/* state.mdb is open after it, or there is none.  One without entries is from a process that
 * died before its first checkpoint. */
static int
open_base(struct store_disk *disk, struct store_set *set, struct err *e)
{
	MDB_stat stat;
	int rc = check_base(disk, e);
	if (rc <= 0)
		return rc;
	if (store_db_open(&disk->base, e) < 0)
		return -1;
	rc = mdb_env_stat(disk->base.env, &stat);
	if (rc)
		return store_db_err(&disk->base, rc, "read", e);
	return stat.ms_entries ? read_facts(disk, set, e) : 0;
}

/* The state cannot be used: begin without it, and keep the reason. */
static int
begin_empty(struct store_disk *disk, const struct err *why, struct err *e)
{
	snprintf(disk->notice, sizeof disk->notice,
		"the stored state in '%s' cannot be used (%s): it is rebuilt", disk->dir, why->msg);
	buf_reset(&disk->text);
	disk->has_text = false;
	return store_db_drop(&disk->base, e);
}

static char *
path_in(const char *dir, const char *name)
{
	struct buf b = BUF_INIT;
	buf_printf(&b, "%s/%s", dir, name);
	char *path = mem_strndup(buf_str(&b));
	buf_release(&b);
	return path;
}

static int
open_folder(struct store_disk *disk, struct store_set *set, struct err *e)
{
	struct err why;
	if (fs_mkdir(AT_FDCWD, disk->dir, 0755, e) < 0)
		return -1;
	char *lock = path_in(disk->dir, "lock");
	disk->lock_fd = fs_lock(AT_FDCWD, lock, e);
	mem_free(lock);
	if (disk->lock_fd < 0)
		return e->class == ERR_LIMIT ? err_set(e, ERR_LIMIT,
			"the folder '%s' is in use by another process: stop it, or give another folder",
			disk->dir) : -1;
	if (fs_remove(AT_FDCWD, disk->spill.path, e) < 0)
		return -1;
	if (open_base(disk, set, &why) >= 0)
		return 0;
	if (why.class != ERR_USAGE)
		return begin_empty(disk, &why, e);
	*e = why;
	return -1;
}

struct store_disk *
store_disk_open(struct store_set *set, const struct store_set_opts *o, struct err *e)
{
	struct store_disk *disk = NEW(struct store_disk);
	disk->dir = mem_strdup(o->dir);
	disk->lock_fd = -1;
	disk->base.path = path_in(o->dir, "state.mdb");
	disk->spill.path = path_in(o->dir, "spill.mdb");
	disk->spill.is_scratch = true;
	disk->spill.is_nameless = o->is_plain;
	buf_put_str(&disk->identity, str_of(o->identity ? o->identity : ""));
	if (open_folder(disk, set, e) == 0)
		return disk;
	store_disk_close(disk);
	return NULL;
}

void
store_disk_close(struct store_disk *disk)
{
	struct err e;
	if (!disk)
		return;
	store_db_close(&disk->base);
	if (disk->lock_fd >= 0)
		store_db_drop(&disk->spill, &e);
	fs_close(disk->lock_fd);
	buf_release(&disk->text);
	buf_release(&disk->identity);
	buf_release(&disk->key);
	buf_release(&disk->data);
	mem_free(disk->base.path);
	mem_free(disk->spill.path);
	mem_free(disk->dir);
	mem_free(disk);
}

const char *
store_disk_notice(const struct store_disk *disk)
{
	return disk->notice[0] ? disk->notice : NULL;
}

struct str
store_disk_text(const struct store_disk *disk)
{
	return disk->has_text ? (struct str){ disk->text.p ? disk->text.p : (const uint8_t *)"",
		(int32_t)disk->text.n } : STR_NULL;
}

/* A store's fact: id 2 | entries 8. */
int
store_disk_add(struct store *store, struct err *e)
{
	struct store_disk *disk = store->set->disk;
	struct buf b = BUF_INIT;
	int rc = disk->base.env ? read_fact(&disk->base, "store ", store->name, &b, e) : 0;
	if (rc > 0 && b.n == 10) {
		store->id = load_be16(b.p);
		store->count = (int64_t)load_be64(b.p + 2);
	}
	buf_release(&b);
	if (rc > 0) {
		store->is_whole = store->count == 0;
		store->is_cold = !store->is_whole;
		store->has_filter = store->is_whole;
		store->set->is_cold |= store->is_cold;
		return 0;
	}
	if (rc >= 0 && disk->next_id == UINT16_MAX)
		rc = err_set(e, ERR_LIMIT, "the folder '%s' has too many stores: reset it", disk->dir);
	store->id = disk->next_id++;
	return rc < 0 ? -1 : 0;
}

int
store_disk_reset(struct store_disk *disk, struct err *e)
{
	buf_reset(&disk->text);
	disk->has_text = false;
	return store_db_drop(&disk->base, e) < 0 || store_db_drop(&disk->spill, e) < 0 ? -1 : 0;
}

/* ---- look-ups ---- */

/* 1: the file has the key's entry, 0: it has not. */
static int
find_in(struct store_db *db, struct store *store, struct str key, struct store_on_disk *out,
	struct err *e)
{
	struct store_disk *disk = store->set->disk;
	const struct buf *low = db == &disk->base ? &store->base_low : &store->spill_low;
	if (!db->env || str_cmp(key, buf_str(low)) < 0)
		return 0;
	MDB_txn *txn = store_db_read(db, e);
	if (!txn)
		return -1;
	store_db_key(&disk->key, store, key);
	MDB_val at = db_val(buf_str(&disk->key)), data;
	int rc = mdb_get(txn, db->dbi, &at, &data);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc)
		return store_db_err(db, rc, "read", e);
	store_db_parse(buf_str(&disk->key), db_str(data), out, &disk->data);
	return str_eq(out->key, key);
}

bool
store_disk_find(struct store *store, struct str key, struct store_on_disk *out)
{
	struct store_disk *disk = store->set->disk;
	struct err e;
	if (store->has_filter && !store_filter_may_have(store, key))
		return false;
	int rc = find_in(&disk->spill, store, key, out, &e);
	if (rc == 0)
		rc = find_in(&disk->base, store, key, out, &e);
	if (rc < 0)
		store_fail(store->set, &e);
	return rc > 0 && !out->is_gone;
}
