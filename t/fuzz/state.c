/*
 * A checkpoint's file with some bytes changed, or cut: it is found to be damaged, or the
 * stores can use it.  The input is a list of changes, each of 4 bytes: what to do 1,
 * position 2 (in units of 2, in all of the file), value 1.
 */
#include "stream/store.h"
#include "sys/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/kq-fuzz-XXXXXX";
static char path[sizeof dir + 16];
static struct buf good;

static struct store *
open_stores(struct store_set **set)
{
	struct err e;
	*set = store_set_new(&(struct store_set_opts){ .dir = dir, .identity = "fuzz" }, &e);
	if (!*set) {
		assert(e.class == ERR_USAGE);
		return NULL;
	}
	struct store *store = store_open(*set, "s", STORE_TREE, &e);
	assert(store);
	return store;
}

static void
put_some(struct store_set *set, struct store *store, const char *name, int n)
{
	struct err e;
	uint8_t value[600] = { 0 };
	for (int i = 0; i < n; i++) {
		char z[20];
		snprintf(z, sizeof z, "%s-%d", name, i);
		store_put(store, str_of(z), (struct str){ value, i % 20 ? i : 600 }, i);
		if (i % 3 == 0)
			store_remove(store, str_of(z));
	}
	store_clean(store);
	int rc = store_set_checkpoint(set, STR("text"), &e);
	assert(rc == 0);
}

static void
remove_folder(void)
{
	struct err e;
	fs_remove_dir(AT_FDCWD, dir, &e);
}

/* A file with a tree of two levels, free pages, and pages of large values. */
static void
make_good(void)
{
	struct store_set *set;
	struct err e;
	if (good.n)
		return;
	char *made = mkdtemp(dir);
	assert(made);
	atexit(remove_folder);
	snprintf(path, sizeof path, "%s/state.mdb", dir);
	struct store *store = open_stores(&set);
	put_some(set, store, "first", 100);
	put_some(set, store, "second", 50);
	store_set_free(set);
	int rc = fs_read_file(AT_FDCWD, path, 1 << 24, &good, &e);
	assert(rc == 0);
}

static void
write_changed(const uint8_t *data, size_t size)
{
	struct buf b = BUF_INIT;
	struct err e;
	buf_put(&b, good.p, good.n);
	for (size_t i = 0; i + 4 <= size && b.n; i += 4) {
		size_t at = (size_t)load_be16(data + i + 1) * 2 % b.n;
		if (data[i] == 0)
			b.n = at;
		else if (data[i] < 128)
			b.p[at] = data[i + 3];
		else
			b.p[at + (at + 1 < b.n)] ^= data[i + 3];
	}
	int fd = fs_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600, &e);
	assert(fd >= 0);
	int rc = fs_write_at(fd, buf_str(&b), 0, &e);
	assert(rc == 0);
	fs_close(fd);
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_set *set;
	struct store_entry entry;
	struct err e;
	make_good();
	write_changed(data, size);
	struct store *store = open_stores(&set);
	if (!store)
		return 0;
	int64_t n = 0;
	struct store_iter *it = store_scan(store, STR_NULL, STR_NULL);
	while (store_iter_next(it, &entry))
		n++;
	store_iter_free(it);
	assert(n == store_count(store));
	put_some(set, store, "third", 30);
	bool is_failed = store_set_is_failed(set, &e);
	assert(!is_failed);
	store_set_free(set);
	return 0;
}
