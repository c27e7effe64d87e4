#include "log/segfile.h"

#include "base/list.h"
#include "base/mem.h"
#include "sys/fs.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

enum { CLOSED = -1 };

struct segfile {
	struct list ring;   /* in cache.ring if open; under the cache's lock */
	atomic_int nref;
	atomic_int npin;    /* pins; CLOSED: there is no descriptor */
	atomic_bool is_hot; /* pinned since the clock's hand last passed */
	int fd;
	int root_fd;
	char *path;         /* NULL: memory */
};

static struct {
	pthread_mutex_t lock;
	struct list ring; /* the clock's hand is at its head */
	int nopen, nopen_max;
	atomic_bool is_crowded; /* nopen is above nopen_max: all are pinned */
} cache = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.ring = { &cache.ring, &cache.ring },
	.nopen_max = 512,
};

bool
segfile_is_crowded(void)
{
	return atomic_load_explicit(&cache.is_crowded, memory_order_relaxed);
}

/* Call after a change of nopen or nopen_max, under the lock. */
static void
note_crowd(void)
{
	atomic_store_explicit(&cache.is_crowded, cache.nopen > cache.nopen_max,
		memory_order_relaxed);
}

int
segfile_nopen(void)
{
	pthread_mutex_lock(&cache.lock);
	int n = cache.nopen;
	pthread_mutex_unlock(&cache.lock);
	return n;
}

static struct segfile *
make(int root_fd, const char *path, int fd)
{
	struct segfile *file = NEW(struct segfile);
	list_init(&file->ring);
	atomic_init(&file->nref, 1);
	atomic_init(&file->npin, fd < 0 ? CLOSED : 0);
	file->fd = fd;
	file->root_fd = root_fd;
	file->path = path ? mem_strdup(path) : NULL;
	return file;
}

struct segfile *
segfile_new(int root_fd, const char *path)
{
	return make(root_fd, path, -1);
}

struct segfile *
segfile_new_memory(int fd)
{
	assert(fd >= 0);
	return make(-1, NULL, fd);
}

int
segfile_fd(const struct segfile *file)
{
	return file->fd;
}

/* Take the descriptor off the file, for closing, if no pin holds it; else -1.
 * Under the lock. */
static int
take_fd(struct segfile *file)
{
	int idle = 0, fd = file->fd;
	if (!atomic_compare_exchange_strong(&file->npin, &idle, CLOSED))
		return -1;
	file->fd = -1;
	list_unlink(&file->ring);
	cache.nopen--;
	note_crowd();
	return fd;
}

/* Close the file if no pin holds it.  Under the lock. */
static bool
evict(struct segfile *file)
{
	int fd = take_fd(file);
	if (fd < 0)
		return false;
	fs_close(fd);
	return true;
}

/* At most two rounds: the first may only clear is_hot. */
static void
make_room(void)
{
	for (int left = 2 * cache.nopen; cache.nopen >= cache.nopen_max && left > 0; left--) {
		struct segfile *file = CONTAINER_OF(cache.ring.next, struct segfile, ring);
		if (!atomic_exchange(&file->is_hot, false) && evict(file))
			continue;
		list_unlink(&file->ring);
		list_append(&cache.ring, &file->ring);
	}
}

static bool
pin_open(struct segfile *file)
{
	int n = atomic_load(&file->npin);
	while (n != CLOSED)
		if (atomic_compare_exchange_weak(&file->npin, &n, n + 1))
			return true;
	return false;
}

/* The process has no descriptors left: close all files without pins. */
static bool
evict_idle(void)
{
	bool any = false;
	pthread_mutex_lock(&cache.lock);
	LIST_EACH(it, &cache.ring)
		any |= evict(CONTAINER_OF(it, struct segfile, ring));
	pthread_mutex_unlock(&cache.lock);
	return any;
}

void
segfile_cache_limit(int nfile_max)
{
	pthread_mutex_lock(&cache.lock);
	cache.nopen_max = MAX(nfile_max, 1);
	note_crowd();
	pthread_mutex_unlock(&cache.lock);
	fs_relief = evict_idle;
}

int
segfile_pin(struct segfile *file, struct err *e)
{
	if (unlikely(!pin_open(file))) {
		assert(file->path);
		int fd = fs_open(file->root_fd, file->path, O_RDWR, 0, e);
		if (fd < 0)
			return -1;
		pthread_mutex_lock(&cache.lock);
		if (pin_open(file)) { /* another thread was faster */
			fs_close(fd);
		} else {
			make_room();
			file->fd = fd;
			list_append(&cache.ring, &file->ring);
			cache.nopen++;
			note_crowd();
			atomic_store(&file->npin, 1);
		}
		pthread_mutex_unlock(&cache.lock);
	}
	if (!atomic_load_explicit(&file->is_hot, memory_order_relaxed))
		atomic_store_explicit(&file->is_hot, true, memory_order_relaxed);
	atomic_fetch_add(&file->nref, 1);
	return file->fd;
}

void
segfile_unpin(struct segfile *file)
{
	int n = atomic_fetch_sub(&file->npin, 1);
	assert(n > 0);
	segfile_drop(file);
}

void
segfile_let_go(struct segfile *file)
{
	if (!file->path)
		return;
	pthread_mutex_lock(&cache.lock);
	int fd = take_fd(file);
	pthread_mutex_unlock(&cache.lock);
	if (fd >= 0)
		fs_close(fd); /* without the lock: freeing a removed file takes long */
}

void
segfile_drop(struct segfile *file)
{
	if (!file || atomic_fetch_sub(&file->nref, 1) > 1)
		return;
	if (file->path)
		segfile_let_go(file);
	else
		fs_close(file->fd);
	assert(file->fd < 0 || !file->path);
	mem_free(file->path);
	mem_free(file);
}
